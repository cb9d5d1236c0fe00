//! From the upgrade to `authenticated`, and every way in which that fails.
#![allow(clippy::unwrap_used)]

use crate::support;

use serde_json::json;
use support::{Client, Got, get, start, start_with};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

#[tokio::test]
async fn connected_comes_first_and_says_the_servers_numbers() {
    let (server, _data) = start();
    let mut client = Client::raw(server.addr()).await;
    let connected = client.next().await;
    assert_eq!((&connected["channel"], &connected["type"]), (&json!("system"), &json!("connected")));
    let payload = &connected["payload"];
    assert_eq!(
        [
            &payload["heartbeatMs"],
            &payload["deadAfterMs"],
            &payload["idleTimeoutMs"],
            &payload["maxMessageBytes"]
        ],
        [&json!(30_000), &json!(45_000), &json!(300_000), &json!(16_384)]
    );
    assert!(payload["serverTime"].as_i64().unwrap() > 1_700_000_000_000);
    assert!(connected["timestamp"].as_i64().unwrap() > 1_700_000_000_000);
}

#[tokio::test]
async fn a_good_token_gets_a_session() {
    let (server, _data) = start();
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(session["userId"], "p1");
    assert_eq!(session["sessionId"].as_str().unwrap().len(), 32);
    assert_eq!((&session["rooms"], &session["flagsVersion"]), (&json!([]), &json!("v1")));
    let reply = client.request("system", "ping", json!({})).await;
    assert_eq!(reply["type"], "pong");
    assert!(reply["payload"]["serverTime"].is_i64());
    // A ping without an id gets its pong too; a second authenticate is refused and ends nothing.
    client.send("system", "ping", json!({})).await;
    assert_eq!(client.next().await["type"], "pong");
    let again = client.authenticate(&server.token("p2").unwrap(), "d1", None).await;
    assert_eq!(again["payload"]["code"], "INVALID_PAYLOAD");
    client.nothing_more().await;
}

#[tokio::test]
async fn a_bad_token_is_refused_with_its_reason_and_4001() {
    let (server, _data) = start();
    for token in ["", "abc", "a.b.c"] {
        let mut client = Client::open(server.addr()).await;
        let reply = client.authenticate(token, "d1", None).await;
        assert_eq!(
            (&reply["type"], &reply["payload"]["reason"]),
            (&json!("auth_failed"), &json!("INVALID_TOKEN"))
        );
        assert_eq!(client.closed().await, 4001);
    }
    let (other, _data) = start();
    let mut client = Client::open(server.addr()).await;
    let reply = client.authenticate(&other.token("p1").unwrap(), "d1", None).await;
    assert_eq!(reply["payload"]["reason"], "INVALID_TOKEN");
    assert_eq!(client.closed().await, 4001);
}

#[tokio::test]
async fn nothing_is_done_before_authenticate() {
    let (server, _data) = start();
    let mut client = Client::open(server.addr()).await;
    for (channel, kind) in [("system", "ping"), ("offers", "ready_for_offer"), ("nowhere", "x")] {
        let reply = client.request(channel, kind, json!({"placement": "x"})).await;
        assert_eq!(reply["payload"]["code"], "NOT_AUTHENTICATED");
    }
    // A malformed authenticate can be mended.
    let reply = client.request("system", "authenticate", json!({"token": 7})).await;
    assert_eq!(reply["payload"]["code"], "INVALID_PAYLOAD");
    let reply = client.authenticate(&server.token("p1").unwrap(), "not a device", None).await;
    assert_eq!(reply["payload"]["code"], "INVALID_PAYLOAD");
    let reply = client.authenticate(&server.token("p1").unwrap(), "d1", None).await;
    assert_eq!(reply["type"], "authenticated");
}

#[tokio::test]
async fn who_never_authenticates_is_closed_with_4002() {
    let (server, _data) = start_with(|s| s.timers.handshake = 100);
    let mut silent = Client::open(server.addr()).await;
    // Chatter does not extend the bound: it is one on the whole handshake.
    let mut chatty = Client::open(server.addr()).await;
    chatty.send("system", "ping", json!({})).await;
    assert_eq!(silent.closed().await, 4002);
    assert_eq!(chatty.closed().await, 4002);
}

#[tokio::test]
async fn a_first_message_over_4_kib_is_too_large() {
    let (server, _data) = start();
    let mut client = Client::open(server.addr()).await;
    client.authenticate(&"x".repeat(100), "d1", None).await;
    let mut client = Client::open(server.addr()).await;
    client
        .send("system", "authenticate", json!({"token": "x".repeat(4_096), "device": "d", "build": ""}))
        .await;
    assert_eq!(client.closed().await, 1009);
}

#[tokio::test]
async fn a_plain_request_is_told_to_upgrade() {
    let (server, _data) = start();
    let answer = get(server.addr(), "/ws", &[]).await;
    assert_eq!((answer.status, answer.body.as_str()), (426, "Expected WebSocket"));
    let old = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "8"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    assert_eq!(get(server.addr(), "/ws", &old).await.status, 426);
}

#[tokio::test]
async fn the_sub_protocol_may_be_absent_but_not_another() {
    let (server, _data) = start();
    let connect = async |protocol: Option<&str>| {
        let mut request = format!("ws://{}/ws", server.addr()).into_client_request().unwrap();
        if let Some(protocol) = protocol {
            request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        }
        client_async(request, TcpStream::connect(server.addr()).await.unwrap()).await
    };
    let (_, response) = connect(None).await.unwrap();
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
    let (_, response) = connect(Some("other, castline.v1")).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "castline.v1");
    assert!(!response.headers().contains_key("sec-websocket-extensions"));
    match connect(Some("other")).await {
        Err(Error::Http(response)) => assert_eq!(response.status(), 400),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn strangers_of_one_address_are_limited() {
    let (server, _data) = start_with(|s| s.limits.unauthenticated_per_address = 2);
    let mut first = Client::open(server.addr()).await;
    let _second = Client::open(server.addr()).await;
    let mut third = Client::raw(server.addr()).await;
    assert_eq!(third.closed().await, 4029);
    // A player is no stranger: his place is free again.
    first.authenticate(&server.token("p1").unwrap(), "d1", None).await;
    let mut fourth = Client::open(server.addr()).await;
    let reply = fourth.authenticate(&server.token("p2").unwrap(), "d1", None).await;
    assert_eq!(reply["type"], "authenticated");
}

#[tokio::test]
async fn a_player_authenticates_so_often_and_no_more() {
    let (server, _data) = start_with(|s| s.limits.authenticate = castline_server::Rate::per_minute(2.0));
    for _ in 0..2 {
        Client::login(&server, "p1", "d1", None).await;
    }
    let mut client = Client::open(server.addr()).await;
    let reply = client.authenticate(&server.token("p1").unwrap(), "d1", None).await;
    assert_eq!(reply["payload"]["code"], "RATE_LIMITED");
    assert!(reply["payload"]["retryAfterMs"].as_u64().unwrap() > 0);
    assert_eq!(client.closed().await, 4029);
    Client::login(&server, "p2", "d1", None).await;
}

#[tokio::test]
async fn a_silent_player_is_pinged_and_then_dropped() {
    // As long as the test may be kept from answering.
    let (server, _data) = start_with(|s| (s.timers.heartbeat, s.timers.dead_after) = (500, 4_000));
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    // The test's client answers pings as it reads, so reading keeps the connection alive …
    let mut pings = 0;
    while pings < 5 {
        use futures_util::StreamExt;
        let message = tokio::time::timeout(support::PATIENCE, client.socket.next()).await.unwrap();
        match message {
            Some(Ok(Message::Ping(_))) => pings += 1,
            other => panic!("{other:?}"),
        }
    }
    // … and one that does not answer is dropped without a word.
    let stream = client.socket.get_mut();
    let mut bytes = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(stream, &mut bytes);
    let _ =
        tokio::time::timeout(support::PATIENCE, read).await.expect("the server did not end the connection");
    assert!(!bytes.windows(2).any(|w| w == [0x88, 0x02]), "no close frame");
}

#[tokio::test]
async fn an_idle_player_is_closed_with_4009_and_pings_do_not_count() {
    let (server, _data) = start_with(|s| {
        s.timers.idle = 300;
        s.limits.messages = castline_server::Rate::unlimited();
    });
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    // It is never silent, and is idle all the same.
    let (deadline, mut pings) = (tokio::time::Instant::now() + support::PATIENCE, 0);
    let code = loop {
        assert!(tokio::time::Instant::now() < deadline, "{pings} pings were activity");
        client.send("system", "ping", json!({})).await;
        match client.got().await {
            Got::Message(message) => assert_eq!(message["type"], "pong"),
            Got::Closed(code) => break code,
        }
        pings += 1;
    };
    assert_eq!(code, 4009);
}
