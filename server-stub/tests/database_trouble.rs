//! A database that is locked, full, failing or gone: requests fail clearly, sockets stay up, flags are served, nothing is
//! acknowledged that is not stored, and the server recovers without a restart.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::net::SocketAddr;
use std::process::Command;

use castline_server::{OfferDefinition, Rate, RunningServer};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use support::binary::Binary;
use support::{Answer, Client, PATIENCE, get, http, rows, start_with};
use tempfile::TempDir;

const FLAG: &str = r#"{"variants": {"off": false, "on": true}, "defaultVariant": "off", "rolloutBp": 10000}"#;

fn start(change: impl FnOnce(&mut castline_server::Settings)) -> (RunningServer, TempDir) {
    start_with(|s| {
        (s.timers.database_wait, s.timers.sweep) = (50, 20);
        (s.limits.flags, s.limits.events) = (Rate::unlimited(), Rate::unlimited());
        (s.limits.messages, s.limits.claim) = (Rate::unlimited(), Rate::unlimited());
        change(s);
    })
}

async fn put_flag(server: &RunningServer, name: &str) -> Answer {
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    let path = format!("/admin/flags/{name}");
    let headers = [("authorization", format!("Bearer {key}")), ("content-type", "application/json".into())];
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    http(server.admin_addr(), "PUT", &path, &headers, FLAG).await
}

/// One small event.
fn one(id: &str) -> Value {
    json!({"events": [{"eventId": id, "name": "x", "timestamp": 1, "props": {}}]})
}

/// About 10 KB.
fn many(id: &str) -> Value {
    let filler = "x".repeat(900);
    let event =
        |n| json!({"eventId": format!("{id}.{n}"), "name": "x", "timestamp": 1, "props": {"filler": filler}});
    json!({"events": (0..10).map(event).collect::<Vec<_>>()})
}

/// Sends events until they are refused; which ones were acknowledged, and the refusal.
async fn fill(client: &mut Client, stored: &mut Vec<String>) -> Value {
    // Far more than any of these limits.
    for _ in 0..2_000 {
        let id = format!("e{:04}", stored.len());
        let reply = client.request("analytics", "events", many(&id)).await;
        if reply["type"] == "error" {
            return reply;
        }
        assert_eq!(reply["payload"]["count"], 10, "{reply}");
        stored.push(id);
    }
    panic!("20 MB were stored");
}

/// The batches of which events are stored, each of which must be there as a whole.
async fn stored_batches(data: &TempDir) -> Vec<String> {
    let whole =
        "SELECT substr(event_id, 1, 5) FROM analytics_events GROUP BY 1 HAVING count(*) = 10 ORDER BY 1";
    let any = "SELECT DISTINCT substr(event_id, 1, 5) FROM analytics_events ORDER BY 1";
    let (whole, any) = (rows(data, whole).await, rows(data, any).await);
    assert_eq!(whole, any);
    whole
}

async fn post_events(address: SocketAddr, token: &str, batch: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    http(address, "POST", "/events", &headers, &batch.to_string()).await
}

/// Waits until `/readyz` answers so.
async fn ready(address: SocketAddr, status: u16, why: &str) {
    let seen = async {
        loop {
            let answer = get(address, "/readyz", &[]).await;
            if (answer.status, answer.body.as_str()) == (status, why) {
                return;
            }
        }
    };
    if tokio::time::timeout(PATIENCE, seen).await.is_err() {
        panic!("/readyz never said {status} {why}, but {:?}", get(address, "/readyz", &[]).await);
    }
}

fn is_unavailable(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("2"), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{answer:?}");
}

fn is_refused(reply: &Value, why: &str) {
    assert_eq!((&reply["type"], &reply["payload"]["code"]), (&json!("error"), &json!("INTERNAL")), "{reply}");
    assert_eq!(reply["payload"]["retryAfterMs"], 2_000, "{reply}");
    assert!(reply["payload"]["message"].as_str().unwrap().contains(why), "{reply}");
}

async fn open(data: &TempDir) -> SqliteConnection {
    SqliteConnectOptions::new().filename(data.path().join("castline.db")).connect().await.unwrap()
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// What a player notices while nothing can be stored.
async fn everything_is_refused(server: &RunningServer, client: &mut Client, why: &str) {
    is_refused(&client.request("analytics", "events", one("e1")).await, why);
    is_refused(&client.request("offers", "ready_for_offer", json!({"placement": "x"})).await, why);
    let token = server.token("p1").unwrap();
    is_unavailable(&post_events(server.addr(), &token, &one("e2")).await, why);
    is_unavailable(&put_flag(server, "second").await, why);
    // What needs no database goes on.
    client.nothing_more().await;
    let flags = get(server.addr(), "/flags?player_id=p1&build=2", &[]).await;
    assert_eq!((flags.status, &flags.json()["flags"]["turbo"]["value"]), (200, &json!(true)));
    assert_eq!(
        get(server.addr(), "/healthz", &[]).await.status,
        200,
        "it is alive, and a restart helps nobody"
    );
}

#[tokio::test]
async fn while_another_process_holds_the_lock() {
    let (server, data) = start(|s| (s.timers.requeue, s.timers.handshake) = (20, 60_000));
    let why = "the database is locked by another process";
    assert_eq!(put_flag(&server, "turbo").await.status, 200);
    server.put_offer("first", OfferDefinition::new("First", 10.0, 3_600)).unwrap();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let (mut away, _) = Client::login(&server, "p2", "d1", None).await;
    away.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
    assert_eq!(away.next().await["payload"]["offerId"], "first");

    let mut other = open(&data).await;
    execute(&mut other, "BEGIN EXCLUSIVE").await;
    everything_is_refused(&server, &mut client, why).await;
    ready(server.addr(), 503, why).await;
    // The offer that this player did not acknowledge must not be his first device's for ever.
    away.vanish();
    let mut fresh = Client::open(server.addr()).await;
    let token = server.token("p3").unwrap();
    is_refused(&fresh.authenticate(&token, "d1", None).await, why);
    execute(&mut other, "COMMIT").await;
    ready(server.addr(), 200, "ok").await;

    // Nothing of what was refused is there, and all of it can be done now, over the same sockets.
    let reply = client.request("analytics", "events", one("e1")).await;
    assert_eq!(
        (&reply["payload"]["count"], &reply["payload"]["duplicates"]),
        (&json!(1), &json!(0)),
        "{reply}"
    );
    assert_eq!(put_flag(&server, "second").await.status, 200);
    assert_eq!(fresh.authenticate(&token, "d1", None).await["type"], "authenticated");
    assert_eq!(rows(&data, "SELECT event_id FROM analytics_events ORDER BY event_id").await, ["e1"]);
    let (mut tablet, _) = Client::login(&server, "p2", "d2", None).await;
    let offered = async {
        loop {
            let reply = tablet.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
            if reply["payload"]["pending"] == 1 {
                return tablet.next().await;
            }
            tablet.request("offers", "not_ready", json!({})).await;
        }
    };
    let offer = tokio::time::timeout(PATIENCE, offered)
        .await
        .expect("the offer stayed with the device that went away");
    assert_eq!(offer["payload"]["offerId"], "first");
}

#[tokio::test]
async fn while_the_database_is_full() {
    let (server, data) = start(|s| s.limits.database_bytes = 1_000_000);
    let why = "the database is full";
    assert_eq!(put_flag(&server, "turbo").await.status, 200);
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let token = server.token("p1").unwrap();
    let mut stored = Vec::new();
    is_refused(&fill(&mut client, &mut stored).await, why);
    assert!(stored.len() > 20, "{}", stored.len());
    is_unavailable(&post_events(server.addr(), &token, &many("more")).await, why);
    ready(server.addr(), 503, why).await;
    client.nothing_more().await;
    assert_eq!(get(server.addr(), "/flags?player_id=p1&build=2", &[]).await.status, 200);
    // All that was acknowledged is there, and nothing else.
    assert_eq!(stored_batches(&data).await, stored);

    let mut other = open(&data).await;
    execute(&mut other, "DELETE FROM analytics_events; DELETE FROM event_ids").await;
    ready(server.addr(), 200, "ok").await;
    assert_eq!(client.request("analytics", "events", one("later")).await["payload"]["count"], 1);
    assert_eq!(post_events(server.addr(), &token, &many("more")).await.status, 200);
    let count = rows(&data, "SELECT CAST(count(*) AS TEXT) FROM analytics_events").await;
    assert_eq!(count, ["11"]);
}

#[tokio::test]
async fn while_the_directory_is_elsewhere() {
    let (server, data) = start(|_| {});
    let why = "the database's file is gone";
    assert_eq!(put_flag(&server, "turbo").await.status, 200);
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let (here, away) = (data.path().join("castline.db"), data.path().join("elsewhere"));
    std::fs::create_dir(&away).unwrap();
    let move_all = |from: &std::path::Path, to: &std::path::Path| {
        for name in ["castline.db", "castline.db-wal", "castline.db-shm"] {
            std::fs::rename(from.join(name), to.join(name)).unwrap();
        }
    };
    move_all(data.path(), &away);
    everything_is_refused(&server, &mut client, why).await;
    ready(server.addr(), 503, why).await;
    assert!(!here.exists(), "no empty database takes the lost one's place");
    move_all(&away, data.path());
    ready(server.addr(), 200, "ok").await;
    assert_eq!(client.request("analytics", "events", one("e3")).await["payload"]["count"], 1);
}

#[tokio::test]
async fn a_backup_can_take_the_place_of_a_lost_file() {
    let (server, data) = start(|_| {});
    assert_eq!(put_flag(&server, "turbo").await.status, 200);
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    client.request("analytics", "events", one("before")).await;
    let backup = data.path().join("backup");
    let mut other = open(&data).await;
    sqlx::query("VACUUM INTO ?").bind(backup.to_str().unwrap()).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    assert_eq!(put_flag(&server, "late").await.json()["version"], "v3");
    assert_eq!(client.next().await["type"], "flags_changed");
    client.request("analytics", "events", one("after")).await;

    for name in ["castline.db", "castline.db-wal", "castline.db-shm"] {
        std::fs::remove_file(data.path().join(name)).unwrap();
    }
    is_refused(&client.request("analytics", "events", one("lost")).await, "the database's file is gone");
    std::fs::rename(&backup, data.path().join("castline.db")).unwrap();
    ready(server.addr(), 200, "ok").await;

    // The backup is what is true now; the flags' version goes on from what players have seen.
    let flags = async {
        loop {
            let flags = get(server.addr(), "/flags?player_id=p1&build=2", &[]).await.json();
            if flags["version"] == "v4" {
                return flags;
            }
        }
    };
    let flags = tokio::time::timeout(PATIENCE, flags).await.expect("the flags were not read anew");
    assert!(flags["flags"].get("late").is_none() && flags["flags"]["turbo"]["value"] == true, "{flags}");
    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 0});
    let (mut client, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!(again["resumed"], true, "{again}");
    assert_eq!(client.request("analytics", "events", one("before")).await["payload"]["duplicates"], 1);
    assert_eq!(client.request("analytics", "events", one("after")).await["payload"]["duplicates"], 0);
    let history = rows(&data, "SELECT event_id FROM analytics_events ORDER BY event_id").await;
    assert_eq!(history, ["after", "before"], "readers see the new file too");
}

/// The system refuses to let a file grow: every write beyond it fails, as on a broken disk.
#[tokio::test]
async fn while_the_disk_fails_and_after_a_crash_then() {
    let data = TempDir::new().unwrap();
    let server = Binary::start_by(
        Command::new("sh").args(["-c", "trap '' XFSZ; ulimit -S -f 4096; exec \"$@\"", "sh"]),
        data.path(),
        &["--limits-events", "unlimited", "--limits-messages", "unlimited", "--timers-sweep", "20ms"],
    );
    let (mut client, _) = server.login("p1", "d1", None).await;
    let mut stored = Vec::new();
    let why = "the database's disk fails";
    is_refused(&fill(&mut client, &mut stored).await, why);
    ready(server.players, 503, why).await;
    client.nothing_more().await;
    let raise = |bytes: &str| {
        let pid = server.child.id().to_string();
        let raised =
            Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status();
        assert!(raised.expect("prlimit is in Debian's util-linux").success());
    };
    raise("4000000");
    ready(server.players, 200, "ok").await;
    let before = stored.len();
    is_refused(&fill(&mut client, &mut stored).await, why);
    assert!(stored.len() > before, "the room was used");
    server.kill_9();
    let server = Binary::start(data.path());
    assert_eq!(stored_batches(&data).await, stored);
    server.kill_9();
}

#[tokio::test]
async fn a_directory_has_one_server() {
    let (server, data) = start(|_| {});
    let error = castline_server::Server::start(support::settings(&data)).unwrap_err().to_string();
    assert!(error.contains(&format!("in use by another server (process {})", std::process::id())), "{error}");
    drop(server);
    castline_server::Server::start(support::settings(&data)).unwrap();
}
