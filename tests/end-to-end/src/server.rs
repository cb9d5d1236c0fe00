//! Servers under test: the reference server as a library, for its settings, and as the real binary, for its death.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use castline_server::{OfferDefinition, Rate, Secret, Settings};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::PATIENCE;
use crate::database::Database;

/// The key of the players' tokens, as a game's backend has it.
pub const SECRET: &str = "the secret of the end-to-end stories";
/// Another key, of nobody.
pub const WRONG_SECRET: &str = "a secret that the server doesn't know";
/// The operators' key.
const ADMIN_KEY: &str = "the operators' key of the end-to-end stories";

/// Settings for a story: no rate limits, for stories do in seconds what players do in hours.
pub fn settings(data: &Path) -> Settings {
    let mut settings = Settings::dev(data);
    settings.threads = 2;
    settings.jwt_secret = Some(Secret::new(SECRET));
    let limits = &mut settings.limits;
    for rate in [
        &mut limits.messages,
        &mut limits.ready_for_offer,
        &mut limits.authenticate,
        &mut limits.claim,
        &mut limits.flags,
        &mut limits.events,
    ] {
        *rate = Rate::unlimited();
    }
    settings
}

/// Seconds since 1970.
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// A good token for a player, as the game's backend makes it.
pub fn token(player: &str) -> String {
    signed(SECRET, &json!({"sub": player, "iat": now_s(), "exp": now_s() + 300}))
}

/// A token with these claims.
pub fn signed(secret: &str, claims: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(secret.as_bytes()))
        .expect("claims can be signed")
}

/// An offer for everybody that lives for an hour.
pub fn offer(title: &str) -> OfferDefinition {
    OfferDefinition::new(title, 20.0, 3_600)
}

/// One HTTP request on a connection of its own; status and body.
///
/// # Errors
/// No connection, no answer in time, or one that is no HTTP.
pub fn http(
    address: SocketAddr,
    method: &str,
    path: &str,
    bearer: Option<&str>,
    body: &str,
) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let bearer = bearer.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    stream.write_all(format!("{head}{bearer}content-length: {length}\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP head")?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}

/// The real binary, in a process of its own. Dropping it kills it.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    players: SocketAddr,
    operators: SocketAddr,
    data: PathBuf,
}

impl ServerProcess {
    /// Starts `binary` on free ports with this data directory, and waits until it accepts connections.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(binary: &str, data: &Path) -> anyhow::Result<ServerProcess> {
        let child = Command::new(binary)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--dev", "--threads", "2"])
            .arg("--data")
            .arg(data)
            .env("CASTLINE_JWT_SECRET", SECRET)
            .env("CASTLINE_ADMIN_KEY", ADMIN_KEY)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = ServerProcess { child, players: free, operators: free, data: data.to_owned() };
        let lines = BufReader::new(process.child.stdout.take().context("its output")?).lines();
        let (mut players, mut operators) = (None, None);
        for line in lines {
            let line = line?;
            let address = line.rsplit("://").next().and_then(|rest| rest.split('/').next()?.parse().ok());
            match line.split_whitespace().next() {
                Some("players") => players = address,
                Some("operators") => operators = address,
                _ => {}
            }
            if players.is_some() && operators.is_some() {
                break;
            }
        }
        process.players = players.context("the server ended before it named its address")?;
        process.operators = operators.context("the server named no operators' address")?;
        Ok(process)
    }

    /// The players' address.
    pub fn address(&self) -> SocketAddr {
        self.players
    }

    /// What it has stored.
    pub fn database(&self) -> Database {
        Database::of(&self.data)
    }

    /// `PUT /admin/offers/{id}`.
    ///
    /// # Errors
    /// The server refuses it.
    pub fn put_offer(&self, id: &str, offer: &OfferDefinition) -> anyhow::Result<()> {
        let body = serde_json::to_string(offer)?;
        let path = format!("/admin/offers/{id}");
        let (status, answer) = http(self.operators, "PUT", &path, Some(ADMIN_KEY), &body)?;
        ensure!(status == 200, "{path}: {status} {answer}");
        Ok(())
    }

    /// `kill -9`: it writes nothing more.
    ///
    /// # Errors
    /// The system's.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
