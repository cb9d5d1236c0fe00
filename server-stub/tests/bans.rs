//! Bans, on real sockets and over HTTP: at once, until they lapse or are lifted, and over a restart.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::time::{SystemTime, UNIX_EPOCH};

use castline_server::{Rate, RunningServer, Server};
use serde_json::{Value, json};
use support::operator::Operator;
use support::{Answer, Client, Got, PATIENCE, get, http, start, start_with};

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// What a player's requests over HTTP come to.
async fn over_http(server: &RunningServer, token: &str) -> Vec<Answer> {
    let bearer = format!("Bearer {token}");
    let auth = [("authorization", bearer.as_str())];
    let claim = json!({"device": "d1", "placement": "shop"}).to_string();
    let events = json!({"flags": {}, "events": []});
    let mut with_token = events.clone();
    with_token["token"] = json!(token);
    let targeting = json!({"context": {"targetingKey": "p1"}}).to_string();
    vec![
        get(server.addr(), "/flags?player_id=p1", &auth).await,
        http(server.addr(), "POST", "/offers/claim", &auth, &claim).await,
        http(server.addr(), "POST", "/events", &auth, &events.to_string()).await,
        http(server.addr(), "POST", "/events", &[("content-type", "text/plain")], &with_token.to_string())
            .await,
        http(server.addr(), "POST", "/ofrep/v1/evaluate/flags", &auth, &targeting).await,
    ]
}

/// The close code that an `authenticate` gets, or `None`: it is let in.
async fn handshake(server: &RunningServer, player: &str, device: &str) -> Option<u16> {
    let mut client = Client::open(server.addr()).await;
    let token = server.token(player).unwrap();
    client.send("system", "authenticate", json!({"token": token, "device": device, "build": "2.0.0"})).await;
    match client.got().await {
        Got::Closed(code) => Some(code),
        Got::Message(message) => {
            assert_eq!(message["type"], "authenticated", "{message}");
            None
        }
    }
}

#[tokio::test]
async fn a_ban_ends_live_sockets_keeps_new_ones_out_and_holds_over_http() {
    let (server, _data) = start_with(|s| s.limits.flags = Rate::unlimited());
    let operator = Operator::of(&server);
    let token = server.token("p1").unwrap();
    for answer in over_http(&server, &token).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let (mut phone, _) = Client::login(&server, "p1", "phone", None).await;
    let (mut tablet, _) = Client::login(&server, "p1", "tablet", None).await;
    let (mut other, _) = Client::login(&server, "p2", "phone", None).await;
    operator.done("PUT", "/admin/bans/p1", json!({"reason": "плутовство"})).await;
    assert_eq!((phone.closed().await, tablet.closed().await), (4503, 4503));
    assert_eq!(handshake(&server, "p1", "phone").await, Some(4503));
    assert_eq!(handshake(&server, "p2", "tablet").await, None);
    for answer in over_http(&server, &token).await {
        assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("BANNED")), "{answer:?}");
        assert!(!answer.body.contains("плутовство"), "the reason is the operators' own");
    }
    // Who only claims to be that player learns nothing and gets what everybody gets.
    assert_eq!(get(server.addr(), "/flags?player_id=p1", &[]).await.status, 200);
    other.nothing_more().await;

    operator.done("DELETE", "/admin/bans/p1", Value::Null).await;
    assert_eq!(handshake(&server, "p1", "phone").await, None);
    assert_eq!(over_http(&server, &token).await[0].status, 200);
}

#[tokio::test]
async fn a_ban_lapses_by_itself() {
    let (server, data) = start_with(|s| s.timers.sweep = 20);
    let operator = Operator::of(&server);
    let (mut socket, _) = Client::login(&server, "p1", "d1", None).await;
    let hour = json!({"reason": "an hour off", "until": now_ms() + 3_600_000});
    operator.done("PUT", "/admin/bans/p1", hour).await;
    assert_eq!(socket.closed().await, 4503);
    assert_eq!(handshake(&server, "p1", "d1").await, Some(4503));
    // Let off: a moment that has passed when the server reads of it is refused, and another one is named.
    let until = loop {
        let until = now_ms() + 300;
        let ban = json!({"reason": "a moment off", "until": until}).to_string();
        let answer = operator.ask("PUT", "/admin/bans/p1", &ban).await;
        if answer.status == 200 {
            break until;
        }
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("until")), "{answer:?}");
    };
    // Refused as long as it holds, let in as soon as it does not: each try is a whole handshake.
    let deadline = std::time::Instant::now() + PATIENCE;
    while let Some(code) = handshake(&server, "p1", "d1").await {
        assert_eq!(code, 4503);
        assert!(std::time::Instant::now() < deadline, "it never lapsed");
    }
    assert!(now_ms() >= until, "it lapsed early");
    assert_eq!(operator.ask("GET", "/admin/bans/p1", "").await.status, 404);
    assert_eq!(operator.ask("DELETE", "/admin/bans/p1", "").await.status, 404);
    while !support::rows(&data, "SELECT user_id FROM bans").await.is_empty() {
        assert!(std::time::Instant::now() < deadline, "it was never swept");
    }
}

#[tokio::test]
async fn bans_outlive_a_restart_and_are_listed_in_pages_with_who_and_why() {
    let (server, data) = start();
    let operator = Operator::of(&server);
    for player in ["a", "b:1", "c", "d", "e.f"] {
        operator.done("PUT", &format!("/admin/bans/{player}"), json!({"reason": "a bot"})).await;
    }
    let until = now_ms() + 3_600_000;
    operator.done("PUT", "/admin/bans/c", json!({"reason": "once more", "until": until})).await;
    drop(server);

    let server = Server::start(support::settings(&data)).unwrap();
    let operator = Operator::of(&server);
    assert_eq!(handshake(&server, "b:1", "d1").await, Some(4503));
    let first = operator.done("GET", "/admin/bans?limit=3", Value::Null).await;
    let names = |page: &Value| -> Vec<String> {
        page["bans"].as_array().unwrap().iter().map(|b| b["player"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((names(&first), &first["more"]), (vec!["a".into(), "b:1".into(), "c".into()], &json!(true)));
    let second = operator.done("GET", "/admin/bans?limit=3&after=c", Value::Null).await;
    assert_eq!((names(&second), &second["more"]), (vec!["d".into(), "e.f".into()], &json!(false)));
    let ban = operator.done("GET", "/admin/bans/c", Value::Null).await;
    assert_eq!(
        [&ban["reason"], &ban["until"], &ban["who"]],
        [&json!("once more"), &json!(until), &json!("ann")]
    );
    operator.done("DELETE", "/admin/bans/c", Value::Null).await;
    let lines = operator.done("GET", "/admin/audit?subject=c", Value::Null).await;
    let actions: Vec<&str> =
        lines["lines"].as_array().unwrap().iter().map(|l| l["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["unban player", "ban player", "ban player"]);
    assert_eq!(
        [&lines["lines"][1]["before"]["reason"], &lines["lines"][1]["after"]["reason"]],
        [&json!("a bot"), &json!("once more")]
    );
}

#[tokio::test]
async fn what_another_process_bans_is_seen_when_the_list_is_read_anew() {
    let (server, data) = start_with(|s| (s.timers.sweep, s.timers.flags_cache) = (10, 10));
    let (mut socket, _) = Client::login(&server, "p1", "d1", None).await;
    support::rows(&data, "INSERT INTO bans VALUES ('p1', 'by hand', NULL, 0, 'cli') RETURNING user_id").await;
    assert_eq!(socket.closed().await, 4503);
}

#[tokio::test]
async fn bad_bans_are_refused_by_the_member() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    let long = format!(r#"{{"reason":"{}"}}"#, "x".repeat(513));
    let past = now_ms() - 1;
    for (body, field) in [
        ("", "body"),
        ("{}", "body"),
        ("[]", "body"),
        (r#"{"reason":""}"#, "reason"),
        (r#"{"reason":null}"#, "reason"),
        (r#"{"reason":["x"]}"#, "reason"),
        (r#"{"reason":"a\u0000b"}"#, "reason"),
        (&long, "reason"),
        (r#"{"reason":"x","reason":"y"}"#, "reason"),
        (&format!(r#"{{"reason":"x","until":{past}}}"#), "until"),
        (r#"{"reason":"x","until":-1}"#, "until"),
        (r#"{"reason":"x","until":9e99}"#, "until"),
        (r#"{"reason":"x","until":9007199254740991}"#, "until"),
        (r#"{"reason":"x","until":"tomorrow"}"#, "until"),
        (r#"{"reason":"x","for":1}"#, "for"),
    ] {
        let answer = operator.ask("PUT", "/admin/bans/p1", body).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{body}: {answer:?}");
    }
    let good = r#"{"reason":"'; DROP TABLE bans; --"}"#;
    for path in [
        "/admin/bans/a%20b",
        "/admin/bans/%00",
        "/admin/bans/%FF",
        &format!("/admin/bans/{}", "x".repeat(65)),
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = operator.ask(method, path, good).await;
            assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("player")), "{method} {path}");
        }
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("after=a%20b", "after"),
        ("after=a&after=b", "after"),
        ("x=1", "x"),
    ] {
        let answer = operator.ask("GET", &format!("/admin/bans?{query}"), "").await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{query}");
    }
    let huge = format!(r#"{{"reason":"{}"}}"#, "x".repeat(40_000));
    assert_eq!(operator.ask("PUT", "/admin/bans/p1", &huge).await.status, 413);
    assert_eq!(http(server.admin_addr(), "PUT", "/admin/bans/p1", &[], good).await.status, 401);
    assert_eq!(operator.ask("GET", "/admin/bans/p1", "").await.status, 404);
    operator.done("PUT", "/admin/bans/p1", serde_json::from_str(good).unwrap()).await;
    assert_eq!(operator.ask("GET", "/admin/bans", "").await.json()["bans"].as_array().unwrap().len(), 1);
}
