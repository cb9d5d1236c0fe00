//! The model server by itself: what every history takes for granted.

use castline::protocol::messages::{Authenticate, Authenticated, ReadyForOffer, Resume};
use castline::protocol::{Channel, Envelope, encode};

use super::{Action, Conn, Server, TokenRecord};
use crate::rng::Rng;

fn server() -> Server {
    let mut server = Server::new(Rng::new(1));
    server.slowness = 0;
    for player in ["ann", "bo"] {
        let record = TokenRecord { player: player.into(), issued: 0, expires: 1 << 40, genuine: true };
        server.store.tokens.insert(format!("token-{player}"), record);
    }
    server
}

/// Connects and authenticates; returns the session.
fn hello(server: &mut Server, t: u64, conn: Conn, resume: Option<(&str, u64)>) -> Authenticated {
    // The model's tokens live five minutes.
    for record in server.store.tokens.values_mut() {
        record.issued = t;
    }
    server.accept(t, conn);
    let resume = resume.map(|(id, last_seq)| Resume { session_id: id.into(), last_seq });
    let auth =
        Authenticate { token: "token-ann".into(), device: "d".into(), build: "1".into(), sdk: None, resume };
    server.actions.clear();
    server.text(t, conn, &Envelope::of(&auth, 1).encode());
    let first = texts(server, conn).into_iter().find(|text| text.contains("\"authenticated\"")).unwrap();
    Envelope::decode(&first).unwrap().payload_as().unwrap()
}

fn texts(server: &Server, conn: Conn) -> Vec<String> {
    let of = |action: &Action| match action {
        Action::Send(to, text) if *to == conn => Some(text.clone()),
        _ => None,
    };
    server.actions.iter().filter_map(of).collect()
}

/// (seq, kind) of what was sent with a number.
fn numbered(server: &Server, conn: Conn) -> Vec<(u64, String)> {
    let texts = texts(server, conn);
    let of = |text: &String| {
        let envelope = Envelope::decode(text).unwrap();
        envelope.seq.map(|seq| (seq, envelope.kind.to_string()))
    };
    texts.iter().filter_map(of).collect()
}

fn ack(server: &mut Server, t: u64, conn: Conn, ack: u64) {
    let mut envelope = Envelope::new(Channel::System, "ack", "{}", 1);
    envelope.ack = Some(ack);
    server.text(t, conn, &envelope.encode());
}

fn ready(server: &mut Server, t: u64, conn: Conn, id: &str) {
    let ready = ReadyForOffer { placement: "shop".into(), context: None, lease_ms: 5_000, max: 1 };
    let mut envelope = Envelope::new(Channel::Offers, "ready_for_offer", encode(&ready), 1);
    envelope.id = Some(id.into());
    server.text(t, conn, &envelope.encode());
}

#[test]
fn what_is_not_acknowledged_is_sent_again_after_a_resume_and_nothing_else() {
    let mut server = server();
    let session = hello(&mut server, 0, 1, None).session_id;
    (0..3).for_each(|_| server.prize(1, "ann"));
    ack(&mut server, 2, 1, 1);
    server.gone(3, 1);
    let again = hello(&mut server, 10, 2, Some((&session, 2)));
    assert!(again.resumed);
    assert_eq!(numbered(&server, 2), [(3, "prize".to_owned())]);
}

#[test]
fn without_a_resume_the_numbers_begin_anew() {
    let mut server = server();
    hello(&mut server, 0, 1, None);
    (0..3).for_each(|_| server.prize(1, "ann"));
    ack(&mut server, 2, 1, 2);
    server.gone(3, 1);
    assert!(!hello(&mut server, 10, 2, None).resumed);
    assert_eq!(numbered(&server, 2), [(1, "prize".to_owned())]);
}

#[test]
fn the_older_socket_of_a_device_is_fenced() {
    let mut server = server();
    let session = hello(&mut server, 0, 1, None).session_id;
    server.prize(1, "ann");
    hello(&mut server, 5, 2, Some((&session, 0)));
    assert!(server.actions.contains(&Action::Close(1, 4003)));
    ack(&mut server, 6, 1, 1);
    assert_eq!(server.store.sessions[&session].acked, 0, "a fenced socket acknowledges nothing");
}

#[test]
fn after_two_minutes_offers_go_back_bets_stay_and_the_rest_is_given_up() {
    let mut server = server();
    let session = hello(&mut server, 0, 1, None).session_id;
    server.offer(1, "ann", 600_000);
    ready(&mut server, 2, 1, "c1");
    server.prize(3, "ann");
    server.settle(4, "ann", "bet-1");
    server.gone(5, 1);
    server.tick(5 + 120_000);
    let again = hello(&mut server, 130_000, 2, Some((&session, 0)));
    assert_eq!((again.resumed, again.discarded), (false, 1));
    assert_eq!(numbered(&server, 2), [(1, "bet_settled".to_owned())]);
    ready(&mut server, 130_001, 2, "c2");
    assert!(numbered(&server, 2).contains(&(2, "new_offer".to_owned())), "queued again, and sent again");
}

#[test]
fn a_lease_carries_one_offer_and_says_so_first() {
    let mut server = server();
    hello(&mut server, 0, 1, None);
    server.offer(1, "ann", 600_000);
    server.offer(1, "ann", 600_000);
    server.actions.clear();
    ready(&mut server, 2, 1, "c1");
    let sent = texts(&server, 1);
    assert_eq!(sent.len(), 2);
    assert!(sent[0].contains("\"pending\":1") && sent[1].contains("new_offer"));
}

#[test]
fn a_key_takes_effect_once() {
    let mut server = server();
    hello(&mut server, 0, 1, None);
    let mut ask = Envelope::new(Channel::Game, "work", "{\"n\":7}", 1);
    ask.id = Some("c1".into());
    ask.key = Some("k".into());
    server.text(1, 1, &ask.encode());
    server.text(2, 1, &ask.encode());
    server.tick(3);
    assert_eq!(server.store.executed[&7], 1);
    assert_eq!(texts(&server, 1).iter().filter(|t| t.contains("worked")).count(), 2);
    ask.payload = "{\"n\":8}".into();
    server.text(4, 1, &ask.encode());
    server.tick(5);
    assert!(texts(&server, 1).last().unwrap().contains("IDEMPOTENCY_MISMATCH"));
}

#[test]
fn silence_ends_a_connection_and_a_probe_saves_it() {
    let mut server = server();
    hello(&mut server, 0, 1, None);
    server.tick(37_500);
    assert!(server.actions.contains(&Action::Probe(1)));
    server.frame(37_600, 1);
    server.tick(45_000);
    assert!(server.conns.contains_key(&1));
    server.tick(37_600 + 45_000);
    assert!(server.conns.is_empty());
}
