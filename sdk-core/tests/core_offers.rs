//! Offers appear in a break, once, and not after their time.

mod world;

use castline::{Command, Event, Lifecycle, Outcome, State};
use serde_json::json;
use world::{World, config};

fn offer_ids(events: &[Event]) -> Vec<&str> {
    let surfaced = events.iter().filter_map(|e| match e {
        Event::OfferReady { offer } => Some(offer.offer_id.as_str()),
        _ => None,
    });
    surfaced.collect()
}

#[test]
fn a_break_brings_the_offer_that_is_pending() {
    let mut world = World::online(config());
    world.ready(10_000);
    let ready = world.sent_of("ready_for_offer").remove(0);
    assert_eq!(ready["payload"], json!({"placement": "level_completed", "leaseMs": 10000, "max": 1}));
    world.reply(&ready, "offers", "lease", json!({"pending": 1}));
    assert!(world.answers().is_empty());
    world.offer("o1", 1, 60_000);
    let events = world.answers();
    assert_eq!(offer_ids(&events), ["o1"]);
    // The acknowledgement finds nothing to ride on, and goes alone within a second.
    assert!(world.sent_of("ack").is_empty());
    world.pass(1_000);
    assert_eq!(world.sent_of("ack")[0]["ack"], 1);
}

#[test]
fn no_offer_seems_to_live_longer_than_it_was_given() {
    let mut world = World::online(config());
    // The server is ahead of what `connected` made believe: that was long on its way.
    world.now.mono += 700;
    world.now.wall += 700;
    let sent = world.now.wall + 900;
    world.ready(10_000);
    let payload = json!({"offerId": "o1", "expiresIn": 60, "expiresAt": sent + 60_000});
    world.server("offers", "new_offer", payload, json!({"seq": 1, "timestamp": sent}));
    let events = world.answers();
    let [Event::OfferReady { offer }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(offer.expires_at - world.core.server_time(world.now), 60_000);
    world.pass(59_999);
    assert!(world.answers().is_empty());
    world.pass(1);
    assert_eq!(world.answers(), [Event::OfferExpired { offer_id: "o1".into() }]);
}

#[test]
fn a_claimed_offer_has_no_more_than_its_seconds_left() {
    let mut world = World::online(config());
    world.close(1006);
    world.ready(10_000);
    while !world.http.iter().any(|http| http.url.ends_with("/offers/claim")) {
        world.pass(world.wake_at - world.now.mono);
    }
    let expires = world.now.wall + 60_200;
    let body = json!({"offers": [{"offerId": "o1", "expiresIn": 60, "expiresAt": expires}]}).to_string();
    world.answer_http("/offers/claim", 200, &body);
    assert_eq!(offer_ids(&world.answers()), ["o1"]);
    assert_eq!(expires as i64 - world.core.server_time(world.now), 60_000);
}

#[test]
fn nothing_pending_is_said_at_once_and_what_comes_later_waits() {
    let mut world = World::online(config());
    world.ready(10_000);
    let ready = world.sent_of("ready_for_offer").remove(0);
    world.reply(&ready, "offers", "lease", json!({"pending": 0}));
    assert_eq!(world.answers(), [Event::NoOffer { placement: "level_completed".into() }]);
    world.offer("o1", 1, 60_000);
    assert!(world.answers().is_empty(), "the game plays");
    world.ready(10_000);
    assert_eq!(offer_ids(&world.answers()), ["o1"]);
    assert!(world.sent_of("ready_for_offer").is_empty(), "the held one answered it");
}

#[test]
fn an_offer_surfaces_once_whatever_brings_it() {
    let mut world = World::online(config());
    world.ready(10_000);
    world.offer("o1", 1, 60_000);
    world.offer("o1", 2, 60_000);
    assert_eq!(offer_ids(&world.answers()), ["o1"]);
    world.ready(10_000);
    world.offer("o1", 3, 60_000);
    world.pass(10_000);
    assert_eq!(world.answers(), [Event::NoOffer { placement: "level_completed".into() }]);
    // Nor after a restart: the id is remembered on disk.
    let mut next = World::on_disk(config(), world.disk, world.now);
    next.give_token("ann");
    next.authenticate("ann", "s2", false);
    next.ready(2_000);
    next.offer("o1", 1, 60_000);
    assert_eq!(offer_ids(&next.answers()), Vec::<&str>::new());
}

#[test]
fn a_held_offer_survives_the_process_and_is_acknowledged_only_when_it_is_safe() {
    let mut world = World::online(config());
    world.disk_works = false;
    world.offer("o1", 1, 600_000);
    world.pass(5_000);
    assert!(world.sent_of("ack").is_empty(), "it is neither taken nor saved");
    world.disk_works = true;
    world.offer("o2", 2, 600_000);
    world.pass(1_000);
    assert_eq!(world.sent_of("ack")[0]["ack"], 2);
    let mut next = World::on_disk(config(), world.disk, world.now);
    next.give_token("ann");
    next.authenticate("ann", "s2", false);
    next.ready(2_000);
    assert_eq!(offer_ids(&next.answers()), ["o1"]);
}

#[test]
fn without_a_disk_an_offer_is_acknowledged_when_the_game_has_it() {
    let mut config = config();
    config.persistent = false;
    let mut world = World::online(config);
    world.offer("o1", 1, 600_000);
    world.pass(2_000);
    assert!(world.sent_of("ack").is_empty());
    world.ready(10_000);
    assert_eq!(offer_ids(&world.answers()), ["o1"]);
    world.pass(1_000);
    assert_eq!(world.sent_of("ack")[0]["ack"], 1);
}

#[test]
fn an_offer_that_expires_first_never_surfaces_and_one_on_the_screen_is_taken_off() {
    let mut world = World::online(config());
    world.offer("short", 1, 3_000);
    world.pass(3_000);
    world.ready(2_000);
    world.pass(2_000);
    assert_eq!(world.answers(), [Event::NoOffer { placement: "level_completed".into() }]);
    world.ready(10_000);
    world.offer("o2", 2, 4_000);
    assert_eq!(offer_ids(&world.answers()), ["o2"]);
    world.command(Command::OfferResult { offer_id: "o2".into(), outcome: Outcome::Shown });
    world.pass(4_000);
    assert_eq!(world.answers(), [Event::OfferExpired { offer_id: "o2".into() }]);
    let outcomes: Vec<String> = world
        .sent_of("events")
        .iter()
        .flat_map(|m| m["payload"]["events"].as_array().unwrap().clone())
        .filter(|e| e["name"] == "$offer_result")
        .map(|e| e["props"]["outcome"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outcomes, ["shown", "expired"]);
}

#[test]
fn without_a_socket_the_offer_is_claimed_over_http() {
    let mut world = World::online(config());
    world.close(1006);
    world.sent.clear();
    let socket_comes_back_late = world.opened;
    world.ready(10_000);
    world.pass(1_499);
    assert!(!world.http.iter().any(|h| h.url.ends_with("/offers/claim")));
    world.pass(1);
    let expires = world.now.wall + 60_000;
    let body = json!({"offers": [{"offerId": "o9", "expiresAt": expires}]}).to_string();
    let claim = world.answer_http("/offers/claim", 200, &body);
    assert!(
        claim.headers.iter().any(|(name, value)| *name == "authorization" && value.starts_with("Bearer "))
    );
    assert!(claim.body.contains("\"placement\":\"level_completed\"") && !claim.url.contains('?'));
    assert_eq!(offer_ids(&world.answers()), ["o9"]);
    assert!(world.opened >= socket_comes_back_late);
}

#[test]
fn a_break_asks_again_after_a_reconnect_for_what_is_left() {
    let mut world = World::online(config());
    world.ready(10_000);
    assert_eq!(world.sent_of("ready_for_offer").len(), 1);
    world.close(1006);
    world.pass(1_000);
    world.authenticate("ann", "s1", true);
    let again = world.sent_of("ready_for_offer").remove(0);
    assert_eq!(again["payload"]["leaseMs"], 9_000);
}

#[test]
fn not_ready_a_newer_break_and_close_answer_the_old_one() {
    let mut world = World::online(config());
    world.ready(10_000);
    world.command(Command::NotReady { withdrawn: vec![] });
    assert_eq!(world.sent_of("not_ready").len(), 1);
    assert_eq!(world.answers().len(), 1);
    world.ready(10_000);
    world.ready(10_000);
    assert_eq!(world.answers().len(), 1);
    world.handle(castline::Input::Command(Command::Close));
    assert_eq!(world.answers(), [Event::NoOffer { placement: "level_completed".into() }]);
    assert_eq!(world.core.state(), State::Closed);
    assert_eq!(world.wake_at, u64::MAX);
}

#[test]
fn in_background_nothing_is_claimed() {
    let mut world = World::online(config());
    world.close(1006);
    world.lifecycle(Lifecycle::Background);
    world.ready(5_000);
    world.http.clear();
    world.pass(5_000);
    assert!(world.http.is_empty());
    assert_eq!(world.answers(), [Event::NoOffer { placement: "level_completed".into() }]);
}

#[test]
fn an_offer_that_the_game_has_not_seen_when_play_goes_on_waits_for_the_next_break() {
    let mut world = World::online(config());
    world.ready(10_000);
    world.offer("o1", 1, 60_000);
    // It is in the inbox, unpolled, when the game says that the break is over.
    let withdrawn = world.inbox.not_ready();
    assert_eq!(withdrawn, ["o1"]);
    world.command(Command::NotReady { withdrawn });
    assert_eq!(world.answers(), [Event::NoOffer { placement: "level_completed".into() }]);
    world.ready(10_000);
    assert_eq!(offer_ids(&world.answers()), ["o1"]);
    world.ready(10_000);
    assert!(offer_ids(&world.answers()).is_empty());
}

#[test]
fn an_outcome_that_a_portal_swallowed_goes_out_with_the_next_connection() {
    let mut world = World::online(config());
    world.ready(10_000);
    world.offer("o1", 1, 600_000);
    world.answers();
    world.close(1006);
    world.sent.clear();
    world.command(Command::OfferResult { offer_id: "o1".into(), outcome: Outcome::Accepted });
    world.answer_http("/events", 200, "<html>please log in</html>");
    while world.socket.is_none() {
        world.pass(world.wake_at - world.now.mono);
    }
    world.authenticate("ann", "s1", true);
    assert_eq!(world.sent_of("events").len(), 1);
}

#[test]
fn a_claim_tells_the_servers_time_where_no_socket_ever_has() {
    let mut world = World::new(config());
    world.give_token("ann");
    world.ready(10_000);
    world.pass(1_500);
    // The device's clock is an hour off.
    let expires = world.now.wall + 3_600_000 + 60_000;
    let body = json!({"offers": [{"offerId": "o9", "expiresIn": 60, "expiresAt": expires}]}).to_string();
    world.answer_http("/offers/claim", 200, &body);
    assert_eq!(offer_ids(&world.answers()), ["o9"]);
    let left = expires as i64 - world.core.server_time(world.now);
    assert_eq!(left, 60_000);
}
