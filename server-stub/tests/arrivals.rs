//! Who comes in, from where: origins of pages, addresses behind proxies.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::net::SocketAddr;

use castline_server::{Rate, Secret, Settings};
use futures_util::StreamExt;
use serde_json::json;
use support::metrics::until;
use support::{Client, get, http, start, start_with};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

async fn connect(address: SocketAddr, headers: &[(&str, &str)]) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    for (name, value) in headers {
        let name: tokio_tungstenite::tungstenite::http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, value.parse().unwrap());
    }
    client_async(request, TcpStream::connect(address).await.unwrap()).await.expect("the upgrade goes well").0
}

/// The code of the close.
async fn ended(socket: &mut WebSocketStream<TcpStream>) -> u16 {
    loop {
        match tokio::time::timeout(support::PATIENCE, socket.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn is_welcome(socket: &mut WebSocketStream<TcpStream>) -> bool {
    use futures_util::SinkExt;
    let first = tokio::time::timeout(support::PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(first.to_text().unwrap().contains("\"connected\""));
    let ask = r#"{"channel":"system","type":"ping","payload":{},"id":"c1"}"#;
    let _ = socket.send(Message::text(ask)).await;
    let next = tokio::time::timeout(support::PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    matches!(next, Message::Text(text) if text.contains("NOT_AUTHENTICATED"))
}

fn live(settings: &mut Settings) {
    settings.dev = false;
    settings.jwt_secret = Some(Secret::new("j".repeat(32)));
    settings.cors_origins = vec!["https://game.example".into()];
    settings.metrics_open = true;
}

#[tokio::test]
async fn pages_of_other_origins_are_closed_with_4504() {
    let (server, _data) = start_with(live);
    for origin in
        ["https://evil.example", "https://game.example.evil.example", "http://game.example", "null", ""]
    {
        let mut socket = connect(server.addr(), &[("origin", origin)]).await;
        assert_eq!(ended(&mut socket).await, 4504, "{origin:?}");
    }
    assert!(is_welcome(&mut connect(server.addr(), &[("origin", "https://game.example")]).await).await);
    // What is no browser says none.
    assert!(is_welcome(&mut connect(server.addr(), &[]).await).await);
    let metrics = get(server.admin_addr(), "/metrics", &[]).await.body;
    assert!(metrics.contains("ws_refused_total{reason=\"origin\"} 5\n"), "{metrics}");
    // Nobody is let in who has a good token and a bad page.
    let mut socket = connect(server.addr(), &[("origin", "https://evil.example")]).await;
    let ask = json!({"channel": "system", "type": "authenticate", "payload": {"token": "x", "device": "d", "build": ""}});
    use futures_util::SinkExt;
    let _ = socket.send(Message::text(ask.to_string())).await;
    assert_eq!(ended(&mut socket).await, 4504);
}

#[tokio::test]
async fn under_dev_every_origin_may() {
    let (server, _data) = start();
    assert!(is_welcome(&mut connect(server.addr(), &[("origin", "https://evil.example")]).await).await);
}

/// The limit of strangers is an address's own, and the address is the client's.
#[tokio::test]
async fn behind_a_proxy_each_client_has_its_own_places() {
    let (server, _data) = start_with(|s| {
        s.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        s.limits.unauthenticated_per_address = 1;
    });
    let mut held = Vec::new();
    for client in ["203.0.113.1", "203.0.113.2, 10.0.0.1", "2001:db8::1"] {
        held.push(connect(server.addr(), &[("x-forwarded-for", client)]).await);
        assert!(is_welcome(held.last_mut().unwrap()).await, "{client}");
        // A second one of the same client is too many, whatever it writes before its address.
        for list in [client.to_owned(), format!("198.51.100.77, {client}"), format!("10.0.0.9,{client}")] {
            let mut second = connect(server.addr(), &[("x-forwarded-for", &list)]).await;
            assert_eq!(ended(&mut second).await, 4029, "{list}");
        }
    }
    // Two headers are one list.
    let spoof = [("x-forwarded-for", "198.51.100.78"), ("x-forwarded-for", "203.0.113.1")];
    assert_eq!(ended(&mut connect(server.addr(), &spoof).await).await, 4029);
}

#[tokio::test]
async fn without_a_configured_proxy_the_header_is_nothing() {
    let (server, _data) = start_with(|s| s.limits.unauthenticated_per_address = 1);
    let _first = Client::open(server.addr()).await;
    let mut second = connect(server.addr(), &[("x-forwarded-for", "203.0.113.1")]).await;
    assert_eq!(ended(&mut second).await, 4029);
    until(&server, r#"ws_refused_total{reason="address"}"#, |count| count == 1.0).await;
}

/// As by default, but for the refill: how long ten requests take is the machine's affair.
const TEN: Rate = Rate::per_second(0.001, 10.0);

/// Wrong admin keys lock the address of whoever tried them, and not the proxy's.
#[tokio::test]
async fn behind_a_proxy_wrong_keys_lock_who_tried_them() {
    let (server, _data) = start_with(|s| {
        s.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        s.limits.wrong_keys = TEN;
    });
    let attempt = async |client: &str| {
        let headers = [("authorization", "Bearer wrong"), ("x-forwarded-for", client)];
        http(server.admin_addr(), "GET", "/admin/pool", &headers, "").await.status
    };
    for n in 0..10 {
        assert_eq!(attempt(&format!("198.51.100.{n}, 203.0.113.9")).await, 401);
    }
    assert_eq!(attempt("203.0.113.9").await, 429);
    assert_eq!(attempt("203.0.113.10").await, 401);
}
