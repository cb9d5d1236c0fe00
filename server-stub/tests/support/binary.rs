//! The real binary, started, asked and killed.
#![allow(clippy::unwrap_used, dead_code)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Client, http};

/// A running `castline-server`.
pub struct Binary {
    pub child: Child,
    pub players: SocketAddr,
    pub operators: SocketAddr,
}

impl Binary {
    pub fn start(data: &Path) -> Binary {
        Binary::start_by(&mut Command::new("env"), data, &[])
    }

    /// Starts it by another program, which runs what follows its own arguments, and with further flags.
    pub fn start_by(command: &mut Command, data: &Path, flags: &[&str]) -> Binary {
        let mut child = command
            .arg(env!("CARGO_BIN_EXE_castline-server"))
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--dev", "--data"])
            .arg(data)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut address = |before: &str, after: &str| {
            let line = lines.next().expect("the server said nothing");
            let rest = line.strip_prefix(before).and_then(|l| l.strip_suffix(after)).expect(&line);
            // With or without TLS.
            rest.trim_start_matches('s').strip_prefix("://").expect(&line).parse().unwrap()
        };
        let players = address("players   ws", "/ws");
        let operators = address("operators http", "");
        Binary { child, players, operators }
    }

    /// Sends it SIGHUP.
    pub fn hang_up(&self) {
        let status = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub async fn login(&self, player: &str, device: &str, resume: Option<Value>) -> (Client, Value) {
        let ask = serde_json::json!({"playerId": player}).to_string();
        let answer = http(self.players, "POST", "/auth/token", &[], &ask).await;
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        let mut client = Client::open(self.players).await;
        let reply = client.authenticate(&token, device, resume).await;
        assert_eq!(reply["type"], "authenticated", "{reply}");
        (client, reply["payload"].clone())
    }

    pub async fn admin(&self, data: &Path, path: &str, body: Value) {
        let key = std::fs::read_to_string(data.join("admin.key")).unwrap();
        let bearer = format!("Bearer {key}");
        let answer =
            http(self.operators, "PUT", path, &[("authorization", &bearer)], &body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

impl Binary {
    /// SIGKILL through a shared reference.
    pub fn kill_hard(&self) {
        let status = Command::new("kill").args(["-9", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Logs in; `None` if the server is gone meanwhile.
    pub async fn try_login(
        &self,
        player: &str,
        device: &str,
        resume: Option<Value>,
    ) -> Option<(Client, Value)> {
        use super::Got;
        let ask = serde_json::json!({"playerId": player}).to_string();
        let answer = super::try_http(self.players, "POST", "/auth/token", &[], &ask).await?;
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        let mut client = Client::try_raw(self.players).await?;
        let Got::Message(_connected) = client.got().await else { return None };
        let mut payload = serde_json::json!({"token": token, "device": device, "build": "2.0.0"});
        if let Some(resume) = resume {
            payload["resume"] = resume;
        }
        client.send("system", "authenticate", payload).await;
        let Got::Message(reply) = client.got().await else { return None };
        assert_eq!(reply["type"], "authenticated", "{reply}");
        Some((client, reply["payload"].clone()))
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
