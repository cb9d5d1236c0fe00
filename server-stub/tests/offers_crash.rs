//! `kill -9` of the real binary at each step of an offer's course, and at random moments: an offer is never on two devices and
//! never lost.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::collections::HashMap;

use serde_json::{Value, json};
use support::binary::Binary;
use support::{Client, Got};
use tempfile::TempDir;
use tokio::sync::mpsc;

async fn ready(client: &mut Client) -> u64 {
    let lease = client.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
    lease["payload"]["pending"].as_u64().unwrap()
}

fn resume(session: &Value, last_seq: u64) -> Option<Value> {
    Some(json!({"sessionId": session["sessionId"], "lastSeq": last_seq}))
}

#[tokio::test]
async fn killed_at_each_step() {
    let data = TempDir::new().unwrap();
    let server = Binary::start(data.path());
    let offer = json!({"title": "t", "expiresInSeconds": 3_600, "perPlayer": 2, "budget": {"total": 2}});
    server.admin(data.path(), "/admin/campaigns/c", offer).await;
    server.kill_9();
    // Defined. The first device takes it; killed while it is *sent*.
    let server = Binary::start(data.path());
    let (mut phone, session) = server.login("p1", "d1", None).await;
    assert_eq!(ready(&mut phone).await, 1);
    assert_eq!(phone.next().await["payload"]["offerId"], "c");
    server.kill_9();
    let server = Binary::start(data.path());
    let (mut tablet, _) = server.login("p1", "d2", None).await;
    assert_eq!(ready(&mut tablet).await, 0, "it is on the phone");
    let (mut phone, again) = server.login("p1", "d1", resume(&session, 0)).await;
    assert_eq!(again["resumed"], true);
    assert_eq!(phone.next().await["payload"]["offerId"], "c", "not acknowledged, so it comes again");
    phone.ack(1).await;
    // The answer to a request behind it says that the acknowledgement is stored.
    phone.request("analytics", "events", json!({"events": []})).await;
    server.kill_9();
    // *Received*: nobody gets it again.
    let server = Binary::start(data.path());
    let (mut tablet, _) = server.login("p1", "d2", None).await;
    let (mut phone, _) = server.login("p1", "d1", resume(&session, 1)).await;
    assert_eq!((ready(&mut tablet).await, ready(&mut phone).await), (0, 0));
    let batch = json!({"events": [{"eventId": "o", "name": "$offer_result", "timestamp": 1,
        "props": {"offerId": "c", "outcome": "accepted"}}]});
    assert_eq!(phone.request("analytics", "events", batch.clone()).await["payload"]["count"], 1);
    server.kill_9();
    // *Closed*: the second copy is due, and goes to one device.
    let server = Binary::start(data.path());
    let (mut phone, _) = server.login("p1", "d1", resume(&session, 1)).await;
    assert_eq!(phone.request("analytics", "events", batch).await["payload"]["duplicates"], 1);
    let (mut tablet, _) = server.login("p1", "d2", None).await;
    assert_eq!(ready(&mut tablet).await, 1);
    assert_eq!(tablet.next().await["payload"]["offerId"], "c.2");
    assert_eq!(ready(&mut phone).await, 0);
    let (mut other, _) = server.login("p2", "d1", None).await;
    assert_eq!(ready(&mut other).await, 0, "the budget of two has survived too");
    server.kill_9();
}

const PLAYERS: usize = 4;
const OFFERS: usize = 6;

/// A device, over all its sockets.
#[derive(Default)]
struct Device {
    player: String,
    name: String,
    session: Option<Value>,
    last_seq: u64,
    /// Offers that it has seen, in order.
    seen: Vec<String>,
    /// Whose outcome the server has confirmed.
    closed: Vec<String>,
    /// Seen although its outcome was confirmed.
    again: Vec<String>,
}

impl Device {
    fn read(&mut self, message: &Value) {
        let Some(seq) = message["seq"].as_u64() else { return };
        let id = message["payload"]["offerId"].as_str().unwrap().to_owned();
        self.last_seq = seq;
        if self.closed.contains(&id) {
            self.again.push(id);
        } else if !self.seen.contains(&id) {
            self.seen.push(id);
        }
    }

    /// Until the reply to `id`; `None`: the server is gone.
    async fn until(
        &mut self,
        client: &mut Client,
        id: &str,
        tell: &mpsc::UnboundedSender<()>,
    ) -> Option<Value> {
        loop {
            let Got::Message(message) = client.got().await else { return None };
            let _ = tell.send(());
            self.read(&message);
            if message["re"] == json!(id) {
                return Some(message);
            }
        }
    }

    /// One life of the server: comes back, takes, acknowledges, closes; ends with the server.
    async fn play(&mut self, server: &Binary, round: usize, tell: &mpsc::UnboundedSender<()>) -> Option<()> {
        let last = self.last_seq;
        let resume = self.session.as_ref().and_then(|session| resume(session, last));
        let (mut client, session) = server.try_login(&self.player, &self.name, resume).await?;
        let _ = tell.send(());
        if self.session.as_ref().is_none_or(|s| s["sessionId"] != session["sessionId"]) {
            self.last_seq = 0;
        }
        self.session = Some(session);
        let id = client.ask("offers", "ready_for_offer", json!({"placement": "x", "max": 2})).await;
        let lease = self.until(&mut client, &id, tell).await?;
        for _ in 0..lease["payload"]["pending"].as_u64().unwrap() {
            let Got::Message(message) = client.got().await else { return None };
            let _ = tell.send(());
            self.read(&message);
        }
        if !round.is_multiple_of(3) {
            client.ack(self.last_seq).await;
        }
        if let Some(offer) = self.seen.iter().find(|id| !self.closed.contains(id)).cloned() {
            let batch = json!({"events": [{"eventId": format!("{offer}-closed"), "name": "$offer_result", "timestamp": 1,
                "props": {"offerId": offer, "outcome": "declined"}}]});
            let id = client.ask("analytics", "events", batch).await;
            client.ack(self.last_seq).await;
            self.until(&mut client, &id, tell).await?;
            self.closed.push(offer);
        }
        let _ = client.closed().await;
        None
    }
}

#[tokio::test]
async fn killed_at_random_moments() {
    let data = TempDir::new().unwrap();
    let server = Binary::start(data.path());
    for n in 0..OFFERS {
        let offer = json!({"title": "t", "expiresInSeconds": 3_600});
        server.admin(data.path(), &format!("/admin/campaigns/c{n}"), offer).await;
    }
    let mut devices: Vec<Device> = (0..PLAYERS * 2)
        .map(|n| Device { player: format!("p{}", n / 2), name: format!("d{}", n % 2), ..Device::default() })
        .collect();
    server.kill_9();
    for round in 0..8 {
        let server = Binary::start(data.path());
        let (tell, mut told) = mpsc::unbounded_channel();
        // Every device hears two messages at least, so the moment always comes.
        let moment = rand::random_range(1..=PLAYERS * 4);
        let players = devices.iter_mut().map(|device| device.play(&server, round, &tell));
        let kill = async {
            for _ in 0..moment {
                told.recv().await.unwrap();
            }
            server.kill_hard();
        };
        tokio::join!(futures_util::future::join_all(players), kill);
    }
    // A last life, to its end: what is unacknowledged comes again, what is left is taken.
    let server = Binary::start(data.path());
    for _ in 0..2 {
        for device in &mut devices {
            let last = device.last_seq;
            let resume = device.session.as_ref().and_then(|session| resume(session, last));
            let (mut client, session) = server.login(&device.player, &device.name, resume).await;
            if device.session.as_ref().is_none_or(|s| s["sessionId"] != session["sessionId"]) {
                device.last_seq = 0;
            }
            device.session = Some(session);
            let (tell, _told) = mpsc::unbounded_channel();
            let ask = json!({"placement": "x", "max": 5});
            let id = client.ask("offers", "ready_for_offer", ask).await;
            let lease = device.until(&mut client, &id, &tell).await.unwrap();
            if lease["type"] == "lease" {
                for _ in 0..lease["payload"]["pending"].as_u64().unwrap() {
                    let message = client.next().await;
                    device.read(&message);
                }
            }
            client.ack(device.last_seq).await;
            client.request("analytics", "events", json!({"events": []})).await;
        }
    }
    server.kill_9();
    let mut holders: HashMap<(String, String), Vec<String>> = HashMap::new();
    for device in &devices {
        assert_eq!(device.again, [] as [String; 0], "{}: closed ones came again", device.player);
        for offer in &device.seen {
            holders.entry((device.player.clone(), offer.clone())).or_default().push(device.name.clone());
        }
    }
    assert!(holders.values().all(|devices| devices.len() == 1), "on two devices: {holders:?}");
    assert_eq!(holders.len(), PLAYERS * OFFERS, "lost: {holders:?}");
}
