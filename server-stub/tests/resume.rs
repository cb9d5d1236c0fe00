//! Durable messages: acknowledged, replayed, renumbered, fenced.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::OfferDefinition;
use serde_json::json;
use support::{Client, start, start_with};

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_and_what_was_does_not() {
    let (server, _data) = start();
    for (id, priority) in [("first", 2), ("second", 1)] {
        let mut offer = OfferDefinition::new(id, 10.0, 3_600);
        offer.priority = priority;
        server.put_offer(id, offer).unwrap();
    }
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!((&session["resumed"], &session["discarded"]), (&json!(false), &json!(0)));
    let lease = client.request("offers", "ready_for_offer", json!({"placement": "x", "max": 2})).await;
    assert_eq!(lease["payload"]["pending"], 2);
    for (seq, id) in [(1, "first"), (2, "second")] {
        let offer = client.next().await;
        assert_eq!((&offer["seq"], &offer["payload"]["offerId"]), (&json!(seq), &json!(id)));
    }
    client.ack(1).await;
    client.nothing_more().await;
    client.vanish();

    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 1});
    let (mut client, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!((&again["resumed"], &again["sessionId"]), (&json!(true), &session["sessionId"]));
    let offer = client.next().await;
    assert_eq!((&offer["seq"], &offer["payload"]["offerId"]), (&json!(2), &json!("second")));
    client.ack(2).await;
    client.nothing_more().await;
    client.vanish();

    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 2});
    let (mut client, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!(again["resumed"], true);
    client.nothing_more().await;
}

#[tokio::test]
async fn without_a_valid_resume_the_unacknowledged_are_numbered_from_one() {
    let (server, _data) = start();
    for (id, priority) in [("first", 2), ("second", 1)] {
        let mut offer = OfferDefinition::new(id, 10.0, 3_600);
        offer.priority = priority;
        server.put_offer(id, offer).unwrap();
    }
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    client.request("offers", "ready_for_offer", json!({"placement": "x", "max": 2})).await;
    client.next().await;
    client.next().await;
    client.ack(1).await;
    client.nothing_more().await;
    client.vanish();

    // Another player's session, or one of another device, is as if absent: no error, no hint.
    let stolen = json!({"sessionId": session["sessionId"], "lastSeq": 0});
    let (mut other, theirs) = Client::login(&server, "p2", "d1", Some(stolen.clone())).await;
    assert_eq!(theirs["resumed"], false);
    other.nothing_more().await;
    let (mut other, theirs) = Client::login(&server, "p1", "d2", Some(stolen)).await;
    assert_eq!(theirs["resumed"], false);
    other.nothing_more().await;

    let (mut client, fresh) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(fresh["resumed"], false);
    assert_ne!(fresh["sessionId"], session["sessionId"]);
    let offer = client.next().await;
    assert_eq!((&offer["seq"], &offer["payload"]["offerId"]), (&json!(1), &json!("second")));
    client.nothing_more().await;
}

#[tokio::test]
async fn a_new_socket_of_the_device_fences_the_old_one() {
    let (server, _data) = start();
    server.put_offer("first", OfferDefinition::new("First", 10.0, 3_600)).unwrap();
    let (mut old, session) = Client::login(&server, "p1", "d1", None).await;
    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 0});
    let (mut new, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!(again["resumed"], true);
    // Whatever the old one asks for is not done.
    old.ask("offers", "ready_for_offer", json!({"placement": "x"})).await;
    assert_eq!(old.closed().await, 4003);
    let lease = new.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
    assert_eq!(lease["payload"]["pending"], 1);
    assert_eq!(new.next().await["seq"], 1);
    // Another device of the player is left alone.
    let (mut other, _) = Client::login(&server, "p1", "d2", None).await;
    other.nothing_more().await;
    new.nothing_more().await;
}

#[tokio::test]
async fn an_acknowledgement_of_what_was_not_sent_is_ignored() {
    let (server, _data) = start();
    server.put_offer("first", OfferDefinition::new("First", 10.0, 3_600)).unwrap();
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    client.ack(5).await;
    client.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
    assert_eq!(client.next().await["seq"], 1);
    client.ack(7).await;
    client.nothing_more().await;
    client.vanish();
    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 0});
    let (mut client, _) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!(client.next().await["payload"]["offerId"], "first");
}

#[tokio::test]
async fn a_ninth_session_ends_the_one_detached_longest() {
    let (server, _data) = start();
    let mut sessions = Vec::new();
    for device in 0..8 {
        let (mut client, session) = Client::login(&server, "p1", &format!("d{device}"), None).await;
        sessions.push(session);
        // A close that is answered has been recorded once the next login on this server is.
        client.socket.close(None).await.unwrap();
        client.closed().await;
    }
    let (_ninth, _) = Client::login(&server, "p1", "d8", None).await;
    let resumed = async |n: usize| {
        let resume = json!({"sessionId": sessions[n]["sessionId"], "lastSeq": 0});
        Client::login(&server, "p1", &format!("d{n}"), Some(resume)).await.1["resumed"].clone()
    };
    assert_eq!(resumed(7).await, json!(true));
    assert_eq!(resumed(0).await, json!(false));
}

#[tokio::test]
async fn beyond_the_bound_the_oldest_is_discarded_and_counted() {
    let (server, _data) = start_with(|s| s.limits.backlog_messages = 2);
    for (id, priority) in [("first", 3), ("second", 2), ("third", 1)] {
        let mut offer = OfferDefinition::new(id, 10.0, 3_600);
        offer.priority = priority;
        server.put_offer(id, offer).unwrap();
    }
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    client.request("offers", "ready_for_offer", json!({"placement": "x", "max": 3})).await;
    for _ in 0..3 {
        client.next().await;
    }
    client.vanish();
    let resume = json!({"sessionId": session["sessionId"], "lastSeq": 0});
    let (mut client, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!((&again["resumed"], &again["discarded"]), (&json!(false), &json!(1)));
    for (seq, id) in [(1, "second"), (2, "third")] {
        let offer = client.next().await;
        assert_eq!((&offer["seq"], &offer["payload"]["offerId"]), (&json!(seq), &json!(id)));
    }
    // Told once. An acknowledged discard is none.
    client.ack(2).await;
    client.nothing_more().await;
    client.vanish();
    let resume = json!({"sessionId": again["sessionId"], "lastSeq": 2});
    let (_, last) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!((&last["resumed"], &last["discarded"]), (&json!(true), &json!(0)));
}

#[tokio::test]
async fn a_resume_beyond_what_was_sent_or_before_what_was_acknowledged_is_none() {
    let (server, _data) = start();
    server.put_offer("first", OfferDefinition::new("First", 10.0, 3_600)).unwrap();
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    client.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
    client.next().await;
    client.ack(1).await;
    client.nothing_more().await;
    for last_seq in [0, 2] {
        let resume = json!({"sessionId": session["sessionId"], "lastSeq": last_seq});
        let (_, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
        assert_eq!(again["resumed"], false, "{last_seq}");
    }
}
