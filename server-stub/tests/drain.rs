//! An orderly end: `/readyz` first, then every client its own time to come back, then 4010.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::Server;
use serde_json::json;
use support::{Client, get, settings, start, start_with};

#[tokio::test]
async fn clients_are_sent_away_spread_and_come_back_to_the_next_server() {
    let (server, data) = start();
    let mut clients = Vec::new();
    for n in 0..20 {
        clients.push(Client::login(&server, &format!("p{n}"), "d1", None).await);
    }
    let drained = tokio::spawn(server.drain());
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
async fn a_balancer_has_time_to_see_it_and_who_comes_meanwhile_is_sent_away() {
    // Longer than any test: nobody is sent away for its end.
    let (server, _data) = start_with(|s| s.timers.drain_notice = 3_600_000);
    let address = server.addr();
    assert_eq!(get(address, "/readyz", &[]).await.status, 200);
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let drained = tokio::spawn(server.drain());
    while get(address, "/readyz", &[]).await.status == 200 {}
    // No longer ready, but still serving.
    client.nothing_more().await;
    let mut late = Client::open(address).await;
    assert_eq!(late.next().await["type"], "reconnect");
    assert_eq!(late.closed().await, 4010);
    client.nothing_more().await;
    // Whoever has lost patience with it ends it.
    drained.abort();
    assert!(drained.await.unwrap_err().is_cancelled());
    assert_eq!(client.closed().await, 1006);
}
