//! Offers that fall due while breaks open and close and sockets come and go: numbers without holes, nothing lost, nothing twice.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::collections::BTreeSet;

use castline_server::{OfferDefinition, Rate};
use serde_json::{Value, json};
use support::{Client, start_with};

const OFFERS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_offer_arrives_once_and_in_order() {
    let (server, _data) = start_with(|s| s.limits.messages = Rate::unlimited());
    let server = &server;
    std::thread::scope(|scope| {
        for part in 0..3 {
            scope.spawn(move || {
                for n in (part..OFFERS).step_by(3) {
                    server.put_offer(&format!("o{n}"), OfferDefinition::new("Offer", 1.0, 3_600)).unwrap();
                }
            });
        }
        let runtime = tokio::runtime::Handle::current();
        scope.spawn(move || runtime.block_on(collect(server)));
    });
}

/// Plays until all offers are there: opens breaks, acknowledges now and then, and loses its socket every eighth message.
async fn collect(server: &castline_server::RunningServer) {
    let (mut client, session) = Client::login(server, "p1", "d1", None).await;
    let mut session = session["sessionId"].clone();
    let (mut seen, mut last, mut messages) = (BTreeSet::new(), 0, 0);
    let deadline = tokio::time::Instant::now() + 3 * support::PATIENCE;
    while seen.len() < OFFERS {
        assert!(tokio::time::Instant::now() < deadline, "{} of {OFFERS} arrived", seen.len());
        let id = client.ask("offers", "ready_for_offer", json!({"placement": "x", "max": 2})).await;
        // What crosses the request comes before its reply; what follows is counted by it.
        let mut pending = None;
        while pending != Some(0) {
            let message = client.next().await;
            if message["re"] == json!(id) {
                pending = message["payload"]["pending"].as_u64();
                continue;
            }
            take(&message, &mut seen, &mut last);
            pending = pending.map(|left: u64| left.saturating_sub(1));
        }
        messages += 1;
        if messages % 3 == 0 {
            client.ack(last).await;
        }
        if messages % 8 == 0 {
            client.vanish();
            let resume = json!({"sessionId": session, "lastSeq": last});
            let (next, again) = Client::login(server, "p1", "d1", Some(resume)).await;
            assert_eq!((&again["resumed"], &again["discarded"]), (&json!(true), &json!(0)));
            (client, session) = (next, again["sessionId"].clone());
        }
    }
    client.nothing_more().await;
}

fn take(message: &Value, seen: &mut BTreeSet<String>, last: &mut u64) {
    assert_eq!(message["type"], "new_offer", "{message}");
    *last += 1;
    assert_eq!(message["seq"], json!(*last), "a hole or a repetition");
    let id = message["payload"]["offerId"].as_str().unwrap().to_owned();
    assert!(seen.insert(id), "twice: {message}");
}
