//! The log: who asked is found by an id, and no secret is in it, however much is logged.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::io::{BufRead, BufReader, Read};
use std::process::Command;

use serde_json::{Value, json};
use support::binary::Binary;
use support::{Client, PATIENCE, get, http};
use tempfile::TempDir;

/// Runs a server that logs everything, and returns what it wrote.
async fn logged(format: &str, meet: impl AsyncFnOnce(&Binary, &TempDir)) -> String {
    let data = TempDir::new().unwrap();
    let log = data.path().join("log");
    let mut command = Command::new("sh");
    command.args(["-c", "log=$1; shift; exec \"$@\" 2>\"$log\"", "sh"]).arg(&log);
    let flags = ["--log-level", "trace", "--log-format", format, "--timers-drain-min", "0ms"];
    let server = Binary::start_by(&mut command, data.path(), &flags);
    meet(&server, &data).await;
    server.kill_9();
    std::fs::read_to_string(log).unwrap()
}

#[tokio::test]
async fn every_request_has_a_name_in_its_answer_and_in_the_log() {
    let long = "x".repeat(65);
    let log = logged("json", async |server, data| {
        let named = get(server.players, "/flags?player_id=p1", &[("x-request-id", "caller-7.a:B_")]).await;
        assert_eq!(named.header("x-request-id"), Some("caller-7.a:B_"));
        for bad in ["", " ", "two words", "semi;colon", "\u{fc}ml\u{e4}ut", long.as_str(), "{\"a\":1}"] {
            let answer = get(server.operators, "/healthz", &[("x-request-id", bad)]).await;
            let id = answer.header("x-request-id").unwrap();
            assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{bad}: {id}");
        }
        // Errors have one too, whoever makes them.
        for (address, path, status) in
            [(server.players, "/no/such/path", 404), (server.operators, "/admin/flags", 401)]
        {
            let answer = get(address, path, &[("x-request-id", "wrong-1")]).await;
            assert_eq!((answer.status, answer.header("x-request-id")), (status, Some("wrong-1")));
        }
        let (client, _) = server.login("p1", "d1", None).await;
        drop(client);
        let deadline = std::time::Instant::now() + PATIENCE;
        while !std::fs::read_to_string(data.path().join("log")).unwrap().contains("socket ended") {
            assert!(std::time::Instant::now() < deadline, "the end of that socket is not in the log");
            tokio::task::yield_now().await;
        }
    })
    .await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let with = |message: &str| lines.iter().filter(move |l| l["message"] == message).collect::<Vec<_>>();
    let answered = with("answered");
    let mine = answered.iter().find(|l| l["span"]["id"] == "caller-7.a:B_").expect("no line of that request");
    assert_eq!((&mine["span"]["route"], &mine["status"]), (&json!("/flags"), &json!(200)), "{mine}");
    assert!(answered.iter().all(|l| l["span"]["id"].as_str().is_some_and(|id| !id.is_empty())));
    let ended = with("socket ended");
    assert!(!ended.is_empty());
    for line in ended {
        assert_eq!(line["span"]["name"], "connection", "{line}");
        assert!(line["span"]["id"].as_u64().is_some_and(|id| id > 0), "{line}");
        assert_eq!(line["spans"][0]["route"], "/ws", "by which request it came: {line}");
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let mut secrets = Vec::new();
    let mut logs = Vec::new();
    for format in ["json", "text"] {
        let log = logged(format, async |server, data| {
            let key = std::fs::read_to_string(data.path().join("admin.key")).unwrap();
            secrets.push(key.clone());
            secrets.push(std::fs::read_to_string(data.path().join("jwt.secret")).unwrap());
            let json = ("content-type", "application/json");
            let ask = json!({"playerId": "p1"}).to_string();
            let token = http(server.players, "POST", "/auth/token", &[json], &ask).await.json()["token"]
                .as_str()
                .unwrap()
                .to_owned();
            secrets.extend(token.split('.').map(str::to_owned));
            let forged = format!("{}.c3VwZXJzZWNyZXRzaWduYXR1cmU", token.rsplit_once('.').unwrap().0);
            secrets.push("c3VwZXJzZWNyZXRzaWduYXR1cmU".to_owned());
            // Good and bad ones, in every place that takes one.
            for token in [&token, &forged, &"not-a-token-but-hidden-42".to_owned()] {
                let bearer = format!("Bearer {token}");
                let headers = [("authorization", bearer.as_str()), json];
                get(server.players, "/flags?player_id=p1", &headers).await;
                http(server.players, "POST", "/offers/claim", &headers, r#"{"device":"d1","placement":"x"}"#)
                    .await;
                http(server.players, "POST", "/events", &headers, r#"{"events":[]}"#).await;
                let body = json!({"token": token, "events": []}).to_string();
                http(server.players, "POST", "/events", &[("content-type", "text/plain")], &body).await;
                http(server.players, "POST", "/events", &[json], &body[..body.len() - 2]).await;
                get(server.operators, "/admin/flags", &headers).await;
                get(server.players, &format!("/flags?player_id=p1&token={token}"), &[]).await;
                get(server.players, &format!("/no/such/{token}"), &[("cookie", token.as_str())]).await;
                let mut client = Client::open(server.players).await;
                client.authenticate(token, "d1", None).await;
                client
                    .text(format!(
                        r#"{{"channel":"system","type":"authenticate","payload":{{"token":"{token}""#
                    ))
                    .await;
            }
            secrets.push("not-a-token-but-hidden-42".to_owned());
            for key in [key.as_str(), "a wrong key that must not be told: hunter2hunter2"] {
                let bearer = format!("Bearer {key}");
                for path in ["/admin/flags", "/metrics", "/admin/campaigns", "/admin/no-such"] {
                    get(server.operators, path, &[("authorization", bearer.as_str()), ("x-admin-key", key)])
                        .await;
                }
                let flag = r#"{"variants":{"a":1},"defaultVariant":"a","#;
                http(
                    server.operators,
                    "PUT",
                    "/admin/flags/f",
                    &[("authorization", bearer.as_str()), json],
                    flag,
                )
                .await;
            }
            secrets.push("hunter2hunter2".to_owned());
            let data = "query_id=1&user=%7B%22id%22%3A7%7D&auth_date=1&hash=deadbeefdeadbeefdeadbeef";
            let init = json!({"initData": data}).to_string();
            http(server.players, "POST", "/auth/telegram", &[json], &init).await;
            secrets.push("deadbeefdeadbeef".to_owned());
        })
        .await;
        logs.push(log);
    }
    for log in &logs {
        assert!(log.lines().count() > 25, "it logs everything: {log}");
        for secret in &secrets {
            assert!(secret.len() >= 14, "{secret} may be anywhere");
            let line = log.lines().find(|line| line.contains(secret.as_str()));
            assert!(line.is_none(), "{secret} is in the log: {line:?}");
        }
    }
}

#[test]
fn a_secret_in_the_environment_is_not_shown_by_a_failed_start() {
    let data = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_castline-server"));
    command
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-level", "trace", "--data"])
        .arg(data.path().join("a-file"))
        .env("CASTLINE_JWT_SECRET", "correct horse battery staple, and more")
        .env("CASTLINE_ADMIN_KEY", "correct horse battery staple, and more")
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .current_dir(data.path());
    std::fs::write(data.path().join("a-file"), "").unwrap();
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_to_string(&mut said).unwrap();
    assert!(BufReader::new(child.stdout.take().unwrap()).lines().next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("a-file") && !said.contains("battery"), "{said}");
}
