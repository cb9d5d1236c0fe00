//! An orderly end: `/readyz` first, then every client its own time to come back, then 4010.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::Server;
use serde_json::json;
use support::{Client, get, settings, start_with};

#[tokio::test]
async fn clients_are_sent_away_spread_and_come_back_to_the_next_server() {
    let (server, data) = start_with(|s| s.timers.drain_notice = 300);
    assert_eq!(get(server.addr(), "/readyz", &[]).await.status, 200);
    let mut clients = Vec::new();
    for n in 0..20 {
        clients.push(Client::login(&server, &format!("p{n}"), "d1", None).await);
    }
    let address = server.addr();
    let drained = tokio::spawn(server.drain());
    // Still serving, but no longer ready: a balancer has the time to see it.
    while get(address, "/readyz", &[]).await.status == 200 {}
    clients[0].0.nothing_more().await;
    let mut times = Vec::new();
    for (client, _) in &mut clients {
        let message = client.next().await;
        assert_eq!(message["type"], "reconnect");
        times.push(message["payload"]["afterMs"].as_u64().unwrap());
        assert_eq!(client.closed().await, 4010);
    }
    drained.await.unwrap();
    times.sort_unstable();
    // One in each twentieth of 1 … 4 s: flat.
    for (place, time) in times.iter().enumerate() {
        let slot = 1_000 + 150 * place as u64..=1_000 + 150 * (place as u64 + 1);
        assert!(slot.contains(time), "{place}: {time}");
    }
    let server = Server::start(settings(&data)).unwrap();
    let resume = json!({"sessionId": clients[3].1["sessionId"], "lastSeq": 0});
    let (_, again) = Client::login(&server, "p3", "d1", Some(resume)).await;
    assert_eq!(again["resumed"], true);
}

#[tokio::test]
async fn who_comes_while_the_server_drains_is_sent_away_too() {
    let (server, _data) = start_with(|s| s.timers.drain_notice = 2_000);
    let address = server.addr();
    let drained = tokio::spawn(server.drain());
    while get(address, "/readyz", &[]).await.status == 200 {}
    let mut late = Client::open(address).await;
    assert_eq!(late.next().await["type"], "reconnect");
    assert_eq!(late.closed().await, 4010);
    drained.await.unwrap();
}
