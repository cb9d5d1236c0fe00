//! `kill -9` of the real binary, and an abrupt end of the library's server: what was acknowledged is there afterwards.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{OfferDefinition, Server};
use serde_json::json;
use support::binary::Binary;
use support::{Client, get, settings, start};
use tempfile::TempDir;

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kill_9() {
    let data = TempDir::new().unwrap();
    let server = Binary::start(data.path());
    for (id, priority) in [("first", 2), ("second", 1)] {
        let offer = json!({"title": id, "expiresInSeconds": 3_600, "priority": priority});
        server.admin(data.path(), &format!("/admin/offers/{id}"), offer).await;
    }
    let flag = json!({"variants": {"off": false, "on": true}, "defaultVariant": "off", "rolloutBp": 10_000});
    server.admin(data.path(), "/admin/flags/turbo", flag).await;
    let (mut client, session) = server.login("p1", "d1", None).await;
    let batch = json!({"events": [{"eventId": "e1", "name": "x", "timestamp": 1}]});
    assert_eq!(client.request("analytics", "events", batch.clone()).await["payload"]["count"], 1);
    let lease = client.ask_with_key("offers", "ready_for_offer", r#"{"placement":"x","max":2}"#, "k1").await;
    assert_eq!(lease["payload"]["pending"], 2);
    assert_eq!(client.next().await["payload"]["offerId"], "first");
    assert_eq!(client.next().await["payload"]["offerId"], "second");
    client.ack(1).await;
    // Behind an acknowledgement nobody is told of comes a request whose answer says that both are stored.
    client.request("analytics", "events", json!({"events": []})).await;
    server.kill_9();
    assert_eq!(client.closed().await, 1006);

    let server = Binary::start(data.path());
    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 1});
    let (mut client, again) = server.login("p1", "d1", Some(resume)).await;
    assert_eq!((&again["resumed"], &again["sessionId"]), (&json!(true), &session["sessionId"]));
    assert_eq!(again["flagsVersion"], "v2");
    let offer = client.next().await;
    assert_eq!((&offer["seq"], &offer["payload"]["offerId"]), (&json!(2), &json!("second")));
    let lease = client.ask_with_key("offers", "ready_for_offer", r#"{"placement":"x","max":2}"#, "k1").await;
    assert_eq!(lease["payload"]["pending"], 2, "the recorded reply");
    let reply = client.request("analytics", "events", batch).await;
    assert_eq!(reply["payload"]["duplicates"], 1);
    client.nothing_more().await;
    let flags = get(server.players, "/flags?player_id=p1&build=2", &[]).await;
    assert_eq!(flags.json()["flags"]["turbo"]["value"], true);
    server.kill_9();
}

#[tokio::test]
async fn an_abrupt_end_within_the_process_is_no_different() {
    let (server, data) = start();
    server.put_offer("first", OfferDefinition::new("First", 10.0, 3_600)).unwrap();
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    client.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
    assert_eq!(client.next().await["seq"], 1);
    server.kill();
    assert_eq!(client.closed().await, 1006);
    let server = Server::start(settings(&data)).unwrap();
    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 0});
    let (mut client, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!(again["resumed"], true);
    assert_eq!(client.next().await["payload"]["offerId"], "first");
}

#[tokio::test]
async fn secrets_are_made_once_and_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (server, data) = start();
    let token = server.token("p1").unwrap();
    drop(server);
    for file in ["jwt.secret", "admin.key"] {
        let mode = std::fs::metadata(data.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // A token of the former process is good for the next one.
    let server = Server::start(settings(&data)).unwrap();
    let mut client = Client::open(server.addr()).await;
    assert_eq!(client.authenticate(&token, "d1", None).await["type"], "authenticated");
}

#[test]
fn a_server_without_secrets_or_beyond_loopback_does_not_start() {
    let data = TempDir::new().unwrap();
    let error = |change: fn(&mut castline_server::Settings)| {
        let mut settings = settings(&data);
        change(&mut settings);
        Server::start(settings).unwrap_err().to_string()
    };
    assert!(error(|s| s.dev = false).contains("CASTLINE_JWT_SECRET"));
    assert!(error(|s| s.jwt_secret = Some(castline_server::Secret::new("short"))).contains("5 bytes"));
    assert!(error(|s| s.admin_key = Some(castline_server::Secret::new("short"))).contains("5 characters"));
    assert!(error(|s| s.listen = "0.0.0.0:0".parse().unwrap()).contains("loopback"));
}
