//! Messages that are no good: each gets its answer, and the socket stays open where the protocol says so.
#![allow(clippy::unwrap_used)]

use crate::support;

use futures_util::SinkExt;
use serde_json::json;
use support::{Client, start, start_with};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn what_is_not_a_message_is_invalid_and_the_socket_stays_open() {
    let (server, _data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let deep = format!(r#"{{"channel":"game","type":"x","payload":{}{}}}"#, "[".repeat(40), "]".repeat(40));
    for text in
        ["", "hello", "[]", "{}", "{\"channel\":\"system\"}", "{\"channel\":7,\"type\":\"ping\"}", &deep]
    {
        client.text(text).await;
        let reply = client.next().await;
        assert_eq!(
            (&reply["type"], &reply["payload"]["code"]),
            (&json!("error"), &json!("INVALID_PAYLOAD")),
            "{text}"
        );
        assert!(reply.get("re").is_none());
    }
    client.nothing_more().await;
}

#[tokio::test]
async fn unknown_types_and_channels_have_their_codes() {
    let (server, _data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    for (channel, kind, code) in [
        ("offers", "gimme", "UNKNOWN_MESSAGE_TYPE"),
        ("system", "authenticated", "UNKNOWN_MESSAGE_TYPE"),
        ("game", "join_game", "UNKNOWN_MESSAGE_TYPE"),
        ("weather", "ping", "UNKNOWN_CHANNEL"),
    ] {
        let reply = client.request(channel, kind, json!({})).await;
        assert_eq!(reply["payload"]["code"], code, "{channel}/{kind}");
    }
    client.nothing_more().await;
}

#[tokio::test]
async fn unknown_members_are_ignored() {
    let (server, _data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    client.text(r#"{"channel":"system","type":"ping","id":"a","later":{"x":[1]},"payload":{"y":2}}"#).await;
    let reply = client.next().await;
    assert_eq!((&reply["type"], &reply["re"]), (&json!("pong"), &json!("a")));
}

#[tokio::test]
async fn an_id_comes_back_so_it_has_a_bound() {
    let (server, _data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    for id in ["", &"x".repeat(65), "a\nb"] {
        client.text(json!({"channel": "system", "type": "ping", "id": id}).to_string()).await;
        let reply = client.next().await;
        assert_eq!((&reply["payload"]["code"], reply.get("re")), (&json!("INVALID_PAYLOAD"), None));
    }
    client.nothing_more().await;
}

#[tokio::test]
async fn too_large_is_1009_whole_or_in_fragments() {
    let (server, _data) = start();
    let text = |bytes: usize| {
        let head = r#"{"channel":"game","type":"x","payload":""#;
        format!(r#"{head}{}"}}"#, "a".repeat(bytes - head.len() - 2))
    };
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    client.text(text(16_384)).await;
    assert_eq!(client.next().await["payload"]["code"], "UNKNOWN_MESSAGE_TYPE");
    client.text(text(16_385)).await;
    assert_eq!(client.closed().await, 1009);

    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    // Masked frames with a mask of zero: text without FIN, then continuations.
    let frame = |first: u8, bytes: usize| {
        let mut frame = vec![first, 0x80 | 126];
        frame.extend((bytes as u16).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(vec![b'a'; bytes]);
        frame
    };
    let stream = client.socket.get_mut();
    for part in [frame(0x01, 8_000), frame(0x00, 8_000), frame(0x80, 8_000)] {
        stream.write_all(&part).await.unwrap();
    }
    assert_eq!(client.closed().await, 1009);
}

#[tokio::test]
async fn binary_is_1003_and_bad_text_1007() {
    let (server, _data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    client.socket.send(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    assert_eq!(client.closed().await, 1003);

    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    client.socket.get_mut().write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28]).await.unwrap();
    assert_eq!(client.closed().await, 1007);

    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    // Not masked: the WebSocket protocol itself is broken.
    client.socket.get_mut().write_all(&[0x81, 0x02, b'h', b'i']).await.unwrap();
    assert_eq!(client.closed().await, 1002);
}

#[tokio::test]
async fn who_sends_too_fast_is_refused_and_at_last_closed() {
    let (server, _data) = start_with(|s| {
        s.limits.messages = castline_server::Rate::per_second(0.001, 5.0);
        s.limits.refusals = 3;
    });
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    for _ in 0..4 {
        client.nothing_more().await;
    }
    for _ in 0..3 {
        let reply = client.request("system", "ping", json!({})).await;
        assert_eq!(reply["payload"]["code"], "RATE_LIMITED");
        assert!(reply["payload"]["retryAfterMs"].as_u64().unwrap() > 0);
    }
    assert_eq!(client.closed().await, 4029);
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_and_holds_nobody_up() {
    let (server, _data) = start_with(|s| {
        s.limits.messages = castline_server::Rate::unlimited();
        s.timers.write_stall = 200;
    });
    let (mut deaf, _) = Client::login(&server, "p1", "d1", None).await;
    let (mut other, _) = Client::login(&server, "p2", "d1", None).await;
    // Each ping has its answer, and the answers fill every buffer between here and there.
    let ping = json!({"channel": "system", "type": "ping", "id": "x".repeat(64)}).to_string();
    let flood = async {
        loop {
            if deaf.socket.send(Message::Text(ping.clone().into())).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(support::PATIENCE, flood).await.expect("the server did not end the deaf connection");
    other.nothing_more().await;
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once() {
    let (server, _data) = start();
    server.put_offer("first", castline_server::OfferDefinition::new("First", 10.0, 3_600)).unwrap();
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    let ask = r#"{"placement":"x"}"#;
    let reply = client.ask_with_key("offers", "ready_for_offer", ask, "k1").await;
    assert_eq!((&reply["type"], &reply["payload"]["pending"]), (&json!("lease"), &json!(1)));
    assert_eq!(client.next().await["seq"], 1);
    // The same again: the recorded reply, and no second effect.
    let again = client.ask_with_key("offers", "ready_for_offer", ask, "k1").await;
    assert_eq!(again["payload"], reply["payload"]);
    client.nothing_more().await;
    // The same key for something else, even of the same type.
    let other = client.ask_with_key("offers", "ready_for_offer", r#"{"placement":"y"}"#, "k1").await;
    assert_eq!(other["payload"]["code"], "IDEMPOTENCY_MISMATCH");
    let other = client.ask_with_key("offers", "not_ready", "{}", "k1").await;
    assert_eq!(other["payload"]["code"], "IDEMPOTENCY_MISMATCH");
    // A failure is not recorded: the key is free.
    let failed = client.ask_with_key("offers", "ready_for_offer", r#"{"placement":""}"#, "k2").await;
    assert_eq!(failed["payload"]["code"], "INVALID_PAYLOAD");
    assert_eq!(client.ask_with_key("offers", "not_ready", "{}", "k2").await["type"], "ok");
    // Another player's key is another key; and the record survives the socket.
    let (mut other, _) = Client::login(&server, "p2", "d1", None).await;
    assert_eq!(other.ask_with_key("offers", "not_ready", "{}", "k1").await["type"], "ok");
    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 1});
    let (mut client, _) = Client::login(&server, "p1", "d1", Some(resume)).await;
    let again = client.ask_with_key("offers", "ready_for_offer", ask, "k1").await;
    assert_eq!(again["payload"], reply["payload"]);
    // A key needs an id, and has a form.
    client.text(r#"{"channel":"offers","type":"not_ready","key":"k3"}"#).await;
    assert_eq!(client.next().await["payload"]["code"], "INVALID_PAYLOAD");
    let long = client.ask_with_key("offers", "not_ready", "{}", &"k".repeat(65)).await;
    assert_eq!(long["payload"]["code"], "INVALID_PAYLOAD");
}
