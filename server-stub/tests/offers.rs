//! An offer's course: defined, sent in a lease, acknowledged or queued again, claimed, closed.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{OfferDefinition, Rate};
use serde_json::{Value, json};
use support::{Client, http, start, start_with};

fn at(placement: &str) -> OfferDefinition {
    let mut offer = OfferDefinition::new("Starter pack", 50.0, 3_600);
    offer.placements = Some(vec![placement.to_owned()]);
    offer
}

async fn ready(client: &mut Client, placement: &str) -> u64 {
    let lease = client.request("offers", "ready_for_offer", json!({"placement": placement})).await;
    assert_eq!(lease["type"], "lease", "{lease}");
    lease["payload"]["pending"].as_u64().unwrap()
}

async fn claim(server: &castline_server::RunningServer, player: &str, placement: &str) -> Value {
    let bearer = format!("Bearer {}", server.token(player).unwrap());
    let body = json!({"device": "d1", "placement": placement}).to_string();
    let answer = http(server.addr(), "POST", "/offers/claim", &[("authorization", &bearer)], &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["offers"].clone()
}

#[tokio::test]
async fn the_lease_comes_first_then_the_offer_as_it_was_defined() {
    let (server, _data) = start();
    let mut offer = at("level_completed");
    offer.campaign_id = "spring".into();
    offer.image_url = "https://example.com/a.png".into();
    offer.data = serde_json::from_str(r#"{"sku":"pack.1"}"#).unwrap();
    server.put_offer("starter", offer).unwrap();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(ready(&mut client, "shop_opened").await, 0);
    assert_eq!(ready(&mut client, "level_completed").await, 1);
    let message = client.next().await;
    assert_eq!((&message["channel"], &message["type"]), (&json!("offers"), &json!("new_offer")));
    let payload = &message["payload"];
    assert_eq!(payload["offerId"], "starter");
    assert_eq!(payload["campaignId"], "spring");
    assert_eq!(payload["title"], "Starter pack");
    assert_eq!(payload["discount"], 50.0);
    assert_eq!(payload["imageUrl"], "https://example.com/a.png");
    assert_eq!(payload["data"], json!({"sku": "pack.1"}));
    assert_eq!(payload["expiresIn"], 3_600);
    let left = payload["expiresAt"].as_i64().unwrap() - message["timestamp"].as_i64().unwrap();
    assert!(left > 3_500_000 && left <= 3_600_000, "{left}");
    // Once, and to nobody else's session.
    assert_eq!(ready(&mut client, "level_completed").await, 0);
    let (mut tablet, _) = Client::login(&server, "p1", "d2", None).await;
    assert_eq!(ready(&mut tablet, "level_completed").await, 0);
    client.nothing_more().await;
    tablet.nothing_more().await;
}

#[tokio::test]
async fn what_falls_due_in_a_lease_is_sent_in_it_and_outside_not() {
    let (server, _data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let (mut other, _) = Client::login(&server, "p2", "d1", None).await;
    assert_eq!(ready(&mut client, "level_completed").await, 0);
    assert_eq!(ready(&mut other, "shop_opened").await, 0);
    server.put_offer("starter", at("level_completed")).unwrap();
    assert_eq!(client.next().await["payload"]["offerId"], "starter");
    // The lease was for one offer.
    server.put_offer("second", at("level_completed")).unwrap();
    client.nothing_more().await;
    other.nothing_more().await;
    // A break that is over gets nothing.
    assert_eq!(other.request("offers", "not_ready", json!({})).await["type"], "ok");
    server.put_offer("third", at("shop_opened")).unwrap();
    other.nothing_more().await;
    assert_eq!(ready(&mut other, "shop_opened").await, 1);
    assert_eq!(other.next().await["payload"]["offerId"], "third");
}

#[tokio::test]
async fn the_better_offer_comes_first_and_a_lease_takes_so_many() {
    let (server, _data) = start();
    for (id, priority) in [("low", 1), ("high", 9), ("middle", 5)] {
        let mut offer = at("x");
        offer.priority = priority;
        server.put_offer(id, offer).unwrap();
    }
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let lease = client.request("offers", "ready_for_offer", json!({"placement": "x", "max": 2})).await;
    assert_eq!(lease["payload"]["pending"], 2);
    assert_eq!(client.next().await["payload"]["offerId"], "high");
    assert_eq!(client.next().await["payload"]["offerId"], "middle");
    assert_eq!(ready(&mut client, "x").await, 1);
    assert_eq!(client.next().await["payload"]["offerId"], "low");
}

#[tokio::test]
async fn an_offer_may_be_for_some_players_and_be_switched_off() {
    let (server, _data) = start();
    let mut offer = at("x");
    offer.players = Some(vec!["p2".into()]);
    server.put_offer("vip", offer.clone()).unwrap();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(ready(&mut client, "x").await, 0);
    offer.enabled = false;
    server.put_offer("vip", offer.clone()).unwrap();
    let (mut vip, _) = Client::login(&server, "p2", "d1", None).await;
    assert_eq!(ready(&mut vip, "x").await, 0);
    offer.enabled = true;
    server.put_offer("vip", offer).unwrap();
    assert_eq!(vip.next().await["payload"]["offerId"], "vip");
    client.nothing_more().await;
}

#[tokio::test]
async fn of_several_takers_exactly_one_gets_an_offer() {
    let (server, _data) = start();
    server.put_offer("starter", at("x")).unwrap();
    let mut devices = Vec::new();
    for device in 0..6 {
        devices.push(Client::login(&server, "p1", &format!("d{device}"), None).await.0);
    }
    let server = &server;
    let (sockets, claims) = tokio::join!(
        async {
            let asks: Vec<_> = devices.iter_mut().map(|client| ready(client, "x")).collect();
            futures_util::future::join_all(asks).await.into_iter().sum::<u64>()
        },
        async {
            let claims = (0..3).map(|_| claim(server, "p1", "x"));
            futures_util::future::join_all(claims)
                .await
                .iter()
                .map(|o| o.as_array().unwrap().len() as u64)
                .sum::<u64>()
        },
    );
    assert_eq!(sockets + claims, 1, "{sockets} over sockets, {claims} claimed");
}

#[tokio::test]
async fn what_was_not_received_is_queued_again_after_a_while() {
    let (server, _data) = start_with(|s| (s.timers.requeue, s.timers.sweep) = (50, 20));
    server.put_offer("starter", at("x")).unwrap();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let (mut tablet, _) = Client::login(&server, "p1", "d2", None).await;
    assert_eq!(ready(&mut client, "x").await, 1);
    client.next().await;
    assert_eq!(ready(&mut tablet, "x").await, 0);
    // The tablet's break is open when the phone's socket ends unacknowledged: the offer moves there.
    client.vanish();
    assert_eq!(tablet.next().await["payload"]["offerId"], "starter");
    tablet.ack(1).await;
    tablet.nothing_more().await;
    tablet.vanish();
    // Received is received: nobody gets it again.
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(ready(&mut client, "x").await, 0);
}

#[tokio::test]
async fn a_session_goes_on_without_a_hole_where_an_offer_went_back() {
    let (server, _data) = start_with(|s| (s.timers.requeue, s.timers.sweep) = (50, 20));
    for id in ["a", "b"] {
        server.put_offer(id, at(id)).unwrap();
    }
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(ready(&mut client, "a").await, 1);
    assert_eq!(client.next().await["seq"], 1);
    client.ack(1).await;
    assert_eq!(ready(&mut client, "b").await, 1);
    assert_eq!(client.next().await["seq"], 2);
    client.vanish();
    let (mut tablet, _) = Client::login(&server, "p1", "d2", None).await;
    // Now, or in a while: by then the offer may be back, or not yet.
    ready(&mut tablet, "b").await;
    assert_eq!(tablet.next().await["payload"]["offerId"], "b");
    // The client had received number 1 alone. Nothing was discarded, so it resumes, and the next number is 2 again.
    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 1});
    let (mut client, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!((&again["resumed"], &again["discarded"]), (&json!(true), &json!(0)));
    client.nothing_more().await;
    assert_eq!(ready(&mut client, "c").await, 0);
    server.put_offer("c", at("c")).unwrap();
    let message = client.next().await;
    assert_eq!((&message["seq"], &message["payload"]["offerId"]), (&json!(2), &json!("c")));
}

#[tokio::test]
async fn a_claim_takes_one_offer_and_a_result_keeps_it_taken() {
    let (server, _data) = start_with(|s| {
        // Long enough for a slow machine to say that one of them was received, and shorter than a lease.
        (s.timers.requeue, s.timers.sweep) = (5_000, 20);
        s.limits.claim = Rate::unlimited();
    });
    server.put_offer("kept", at("x")).unwrap();
    server.put_offer("lost", at("y")).unwrap();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let offers = claim(&server, "p1", "x").await;
    assert_eq!((offers.as_array().unwrap().len(), &offers[0]["offerId"]), (1, &json!("kept")));
    let event = |outcome: &str| {
        json!({"events": [{"eventId": outcome, "name": "$offer_result", "timestamp": 1,
            "props": {"offerId": "kept", "outcome": outcome}}]})
    };
    client.request("analytics", "events", event("received")).await;
    assert_eq!(claim(&server, "p1", "y").await[0]["offerId"], "lost");
    // The answer to the claim of "lost" never arrived: it comes back, now or in a while. "kept" does not.
    ready(&mut client, "y").await;
    assert_eq!(client.next().await["payload"]["offerId"], "lost");
    client.ack(1).await;
    assert_eq!(ready(&mut client, "x").await, 0);
    client.nothing_more().await;
}

#[tokio::test]
async fn a_closed_offer_gives_way_to_the_next_copy_up_to_the_cap() {
    let (server, _data) = start();
    let mut offer = at("x");
    offer.per_player = 2;
    server.put_offer("daily", offer).unwrap();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    for (seq, id) in [(1, "daily"), (2, "daily.2")] {
        assert_eq!(ready(&mut client, "x").await, 1);
        assert_eq!(client.next().await["payload"]["offerId"], id);
        client.ack(seq).await;
        // One copy at a time: while it is open there is no second.
        assert_eq!(ready(&mut client, "x").await, 0);
        let events = json!({"events": [{"eventId": id, "name": "$offer_result", "timestamp": 1,
            "props": {"offerId": id, "outcome": "declined"}}]});
        client.request("analytics", "events", events).await;
    }
    assert_eq!(ready(&mut client, "x").await, 0);
}

#[tokio::test]
async fn bad_requests_name_the_value_and_the_bound() {
    let (server, _data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    for (payload, word) in [
        (json!({}), "placement"),
        (json!({"placement": ""}), "placement"),
        (json!({"placement": "x", "leaseMs": 999}), "999"),
        (json!({"placement": "x", "leaseMs": 60_001}), "60001"),
        (json!({"placement": "x", "max": 0}), "max is 0"),
        (json!({"placement": "x", "max": 6}), "max is 6"),
        (json!({"placement": "x", "context": [1]}), "context"),
        (json!({"placement": "x", "context": {"a": {"b": 1}}}), "context"),
    ] {
        let reply = client.request("offers", "ready_for_offer", payload).await;
        assert_eq!(reply["payload"]["code"], "INVALID_PAYLOAD");
        assert!(reply["payload"]["message"].as_str().unwrap().contains(word), "{reply}");
    }
    let answer = http(server.addr(), "POST", "/offers/claim", &[], "{}").await;
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("INVALID_TOKEN")));
    let bad = OfferDefinition::new("x", 101.0, 1);
    assert!(server.put_offer("x", bad).unwrap_err().to_string().contains("101"));
    let bad = OfferDefinition::new("x", 1.0, 0);
    assert!(server.put_offer("x", bad).unwrap_err().to_string().contains("expiresInSeconds"));
}

#[tokio::test]
async fn a_player_asks_so_often_and_no_more() {
    let (server, _data) = start_with(|s| {
        s.limits.ready_for_offer = Rate::per_minute(2.0);
        s.limits.claim = Rate::per_minute(1.0);
    });
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    ready(&mut client, "x").await;
    ready(&mut client, "x").await;
    let reply = client.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
    assert_eq!(reply["payload"]["code"], "RATE_LIMITED");
    claim(&server, "p1", "x").await;
    let bearer = format!("Bearer {}", server.token("p1").unwrap());
    let body = json!({"device": "d1", "placement": "x"}).to_string();
    let answer = http(server.addr(), "POST", "/offers/claim", &[("authorization", &bearer)], &body).await;
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
}
