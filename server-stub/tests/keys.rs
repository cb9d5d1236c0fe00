//! The keys of players' tokens are replaced while the server runs and sockets are open.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{RunningServer, Secret, Server, Settings};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use support::{Client, get, start_with};
use tempfile::TempDir;

const OLD: &str = "the old secret, of at least thirty-two bytes";
const NEW: &str = "the new secret, of at least thirty-two bytes";

fn token(secret: &str, kid: Option<&str>) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::HS256) };
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&header, &json!({"sub": "p1", "iat": now}), &key).unwrap()
}

fn kid(secret: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(&Sha256::digest(secret.as_bytes())[..8])
}

/// The detail of the refusal over HTTP, or nothing.
async fn refused(server: &RunningServer, token: &str) -> Option<String> {
    let bearer = format!("Bearer {token}");
    let answer = get(server.addr(), "/flags?player_id=p1", &[("authorization", &bearer)]).await;
    if answer.status == 200 {
        return None;
    }
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("INVALID_TOKEN")), "{answer:?}");
    assert!(!answer.body.contains(token));
    Some(answer.json()["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_key_is_replaced_without_turning_anybody_away() {
    let (server, _data) = start_with(|s| {
        s.jwt_secret = Some(Secret::new(OLD));
        s.limits.flags = castline_server::Rate::unlimited();
    });
    let (old, new) = (Secret::new(OLD), Secret::new(NEW));
    let (mut socket, _) = Client::login(&server, "p1", "d1", None).await;
    let made_before = server.token("p1").unwrap();

    server.replace_jwt_secrets(new.clone(), Some(old.clone())).unwrap();
    for good in [
        made_before.clone(),
        server.token("p1").unwrap(),
        token(OLD, None),
        token(NEW, None),
        token(OLD, Some(&kid(OLD))),
        token(NEW, Some(&kid(NEW))),
    ] {
        assert_eq!(refused(&server, &good).await, None);
    }
    assert!(refused(&server, &token(OLD, Some(&kid(NEW)))).await.is_some());

    server.replace_jwt_secrets(new.clone(), None).unwrap();
    assert_eq!(refused(&server, &token(NEW, None)).await, None);
    let why = refused(&server, &made_before).await.unwrap();
    assert!(why.contains("kid names a key that is not in use"), "{why}");
    assert!(refused(&server, &token(OLD, None)).await.is_some());
    let mut late = Client::open(server.addr()).await;
    let reply = late.authenticate(&made_before, "d2", None).await;
    assert_eq!(
        (&reply["type"], &reply["payload"]["reason"]),
        (&json!("auth_failed"), &json!("INVALID_TOKEN"))
    );
    assert_eq!(late.closed().await, 4001);
    // Whoever was in stays in.
    assert_eq!(socket.request("system", "ping", json!({})).await["type"], "pong");

    let short = server.replace_jwt_secrets(Secret::new("short"), None).unwrap_err().to_string();
    assert!(short.contains("jwt_secret: ") && short.contains('5'), "{short}");
    assert!(server.replace_jwt_secrets(new.clone(), Some(new)).is_err());
    assert_eq!(refused(&server, &token(NEW, None)).await, None, "a bad pair changes nothing");
}

#[tokio::test]
async fn both_keys_may_be_given_at_the_start() {
    let (server, _data) = start_with(|s| {
        s.jwt_secret = Some(Secret::new(NEW));
        s.jwt_previous_secret = Some(Secret::new(OLD));
    });
    assert_eq!(refused(&server, &token(OLD, Some(&kid(OLD)))).await, None);
    assert_eq!(refused(&server, &token(NEW, None)).await, None);

    let data = TempDir::new().unwrap();
    let wrong = |current: Option<&str>, previous: &str| {
        let mut settings = Settings::dev(data.path());
        settings.jwt_secret = current.map(Secret::new);
        settings.jwt_previous_secret = Some(Secret::new(previous));
        assert!(!format!("{settings:?}").contains(previous));
        Server::start(settings).unwrap_err().to_string()
    };
    assert!(wrong(Some(NEW), "no good").contains("jwt_previous_secret: "));
    assert!(wrong(None, OLD).contains("needs jwt_secret"));
    assert!(wrong(Some(NEW), NEW).contains("it is jwt_secret"));
}

#[tokio::test]
async fn what_is_kept_is_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let data = directory.path().join("new/data");
    let server = Server::start(Settings::dev(&data)).unwrap();
    assert_eq!(mode(&data), 0o700);
    for file in ["jwt.secret", "admin.key"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    drop(server);
    // A directory that an operator has opened to his group stays open.
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o750)).unwrap();
    drop(Server::start(Settings::dev(&data)).unwrap());
    assert_eq!(mode(&data), 0o750);
}

/// A configuration file is edited and the process is told: a key is replaced without a restart.
#[tokio::test]
async fn a_hangup_reads_the_keys_anew() {
    use std::io::BufRead as _;
    use std::process::{Command, Stdio};

    let data = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = data.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (old, new) = (file("old", OLD), file("new", NEW));
    let now = |text: String| file("castline.toml", &text);
    let config = now(format!("jwt_secret_file = {old:?}\n"));
    let mut process = Command::new(env!("CARGO_BIN_EXE_castline-server"))
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--config"])
        .arg(&config)
        .arg("--data")
        .arg(data.path().join("data"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let first = std::io::BufReader::new(process.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let address =
        first.strip_prefix("players   ws://").and_then(|l| l.strip_suffix("/ws")).unwrap().parse().unwrap();
    let good = async |secret: &str| {
        let bearer = format!("Bearer {}", token(secret, None));
        // The token is p1's: a good one is told that p2 is another, before any limit.
        let answer = get(address, "/flags?player_id=p2", &[("authorization", &bearer)]).await;
        assert!(matches!(answer.status, 401 | 403), "{answer:?}");
        answer.status == 403
    };
    let hang_up = || {
        let status = Command::new("kill").args(["-HUP", &process.id().to_string()]).status().unwrap();
        assert!(status.success());
    };
    let until = async |secret: &str, wanted: bool| {
        let begun = std::time::Instant::now();
        while good(secret).await != wanted {
            assert!(begun.elapsed() < support::PATIENCE, "the keys were never read anew");
        }
    };
    assert!(good(OLD).await && !good(NEW).await);
    now(format!("jwt_secret_file = {new:?}\njwt_previous_secret_file = {old:?}\n"));
    hang_up();
    until(NEW, true).await;
    assert!(good(OLD).await);
    // What is wrong changes nothing; that it was read shows in that the next one is too.
    now("jwt_secret_file = 7\n".to_owned());
    hang_up();
    now(format!("jwt_secret_file = {new:?}\n"));
    hang_up();
    until(OLD, false).await;
    assert!(good(NEW).await);
    process.kill().unwrap();
    process.wait().unwrap();
}
