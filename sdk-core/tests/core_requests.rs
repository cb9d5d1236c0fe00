//! Requests, bets and rooms: each ends once, whatever the network does.

mod world;

use castline::protocol::{Channel, Code};
use castline::{BetOutcome, Command, Event, RequestId, RoomChange};
use serde_json::{Value, json};
use world::{World, config};

fn request(n: u64, timeout_ms: u64, key: Option<&str>) -> Command {
    Command::Request {
        request: RequestId(n),
        channel: Channel::Game,
        kind: "spin".into(),
        payload: "{\"bet\":1}".into(),
        timeout_ms,
        key: key.map(str::to_owned),
    }
}

fn bet(n: u64, key: &str) -> Command {
    Command::PlaceBet {
        request: RequestId(n),
        game_id: "dice".into(),
        amount: 100,
        selection: "{\"under\":50}".into(),
        client_seed: Some("mine".into()),
        key: Some(key.into()),
    }
}

fn codes(events: &[Event]) -> Vec<(u64, Code)> {
    let failed = events.iter().filter_map(|e| match e {
        Event::RequestFailed { request, code, .. } => Some((request.0, *code)),
        _ => None,
    });
    failed.collect()
}

fn settled(key: &str) -> Value {
    json!({"idempotencyKey": key, "outcome": "win", "payout": 198, "balance": 98, "roll": 3, "sides": 100,
        "serverSeed": "00", "serverSeedHash": "ff", "clientSeed": "mine"})
}

#[test]
fn a_reply_completes_and_an_error_fails() {
    let mut world = World::online(config());
    world.command(request(1, 10_000, None));
    world.command(request(2, 10_000, None));
    let sent = world.sent_of("spin");
    world.reply(&sent[1], "game", "spun", json!({"win": 7}));
    world.reply(
        &sent[0],
        "system",
        "error",
        json!({"code": "RATE_LIMITED", "message": "slow", "retryAfterMs": 900}),
    );
    world.reply(&sent[0], "game", "spun", json!({}));
    let events = world.answers();
    assert_eq!(events.len(), 2, "a second reply is no answer: {events:?}");
    assert!(matches!(&events[0], Event::RequestCompleted { request: RequestId(2), kind, payload, .. }
        if kind == "spun" && payload == "{\"win\":7}"));
    assert!(matches!(
        &events[1],
        Event::RequestFailed { request: RequestId(1), code: Code::RateLimited, retry_after: 900, .. }
    ));
}

#[test]
fn a_key_is_repeated_with_the_same_bytes_and_without_one_the_outcome_is_unknown() {
    let mut world = World::online(config());
    world.command(request(1, 60_000, Some("k1")));
    world.command(request(2, 60_000, None));
    let first = world.sent_of("spin").remove(0);
    world.close(1006);
    assert_eq!(codes(&world.answers()), [(2, Code::UnknownOutcome)]);
    world.pass(1_000);
    world.authenticate("ann", "s1", true);
    let again = world.sent_of("spin");
    assert_eq!(again.len(), 1);
    for member in ["id", "key", "payload", "type", "channel"] {
        assert_eq!(again[0][member], first[member]);
    }
}

#[test]
fn deadlines_end_what_is_open_and_nothing_is_sent_after() {
    let mut world = World::online(config());
    world.close(1006);
    world.lifecycle(castline::Lifecycle::NetworkLost);
    world.command(request(1, 2_000, Some("k")));
    world.pass(2_000);
    assert_eq!(codes(&world.answers()), [(1, Code::NotSent)]);
    world.lifecycle(castline::Lifecycle::NetworkChanged);
    world.authenticate("ann", "s1", true);
    assert!(world.sent_of("spin").is_empty());
    world.command(request(2, 2_000, Some("k")));
    world.pass(2_000);
    assert_eq!(codes(&world.answers()), [(2, Code::UnknownOutcome)]);
}

#[test]
fn close_answers_everything() {
    let mut world = World::online(config());
    world.command(request(1, 60_000, Some("k")));
    world.command(bet(2, "b"));
    world.command(Command::Close);
    assert_eq!(codes(&world.answers()), [(1, Code::Closed), (2, Code::Closed)]);
    world.handle(castline::Input::Command(request(3, 1_000, None)));
    assert!(world.answers().is_empty());
}

#[test]
fn a_bet_names_the_seed_and_answers_seed_used_itself() {
    let mut world = World::online(config());
    world.command(bet(1, "b1"));
    let sent = world.sent_of("place_bet").remove(0);
    assert_eq!((&sent["key"], &sent["payload"]["idempotencyKey"]), (&json!("b1"), &json!("b1")));
    assert_eq!(sent["payload"]["serverSeedHash"], "");
    world.reply(
        &sent,
        "system",
        "error",
        json!({"code": "SEED_USED", "message": "", "serverSeedHash": "h1"}),
    );
    let again = world.sent_of("place_bet").remove(0);
    assert_eq!((&again["payload"]["serverSeedHash"], &again["key"]), (&json!("h1"), &json!("b1")));
    let acknowledged =
        json!({"idempotencyKey": "b1", "status": "processing", "balance": 0, "nextSeedHash": "h2"});
    world.reply(&again, "game", "bet_acknowledged", acknowledged);
    assert!(matches!(&world.answers()[..], [Event::RequestCompleted { request: RequestId(1), .. }]));
    world.server("game", "bet_settled", settled("b1"), json!({"seq": 1}));
    world.server("game", "bet_settled", settled("b1"), json!({"seq": 2}));
    let events = world.answers();
    assert!(
        matches!(&events[..], [Event::BetSettled { outcome: BetOutcome::Win, payout: 198, .. }]),
        "{events:?}"
    );
    world.command(bet(2, "b2"));
    assert_eq!(world.sent_of("place_bet")[0]["payload"]["serverSeedHash"], "h2");
}

#[test]
fn a_result_that_comes_first_completes_the_bet() {
    let mut world = World::online(config());
    world.command(bet(1, "b1"));
    world.server("game", "bet_settled", settled("b1"), json!({"seq": 1}));
    let events = world.answers();
    assert!(
        matches!(&events[0], Event::RequestCompleted { request: RequestId(1), kind, .. } if kind == "bet_settled")
    );
    assert!(matches!(&events[1], Event::BetSettled { .. }));
}

#[test]
fn a_later_process_asks_what_became_of_a_bet() {
    let mut world = World::online(config());
    world.command(bet(1, "b1"));
    world.command(bet(2, "b2"));
    let mut next = World::on_disk(config(), world.disk, world.now);
    next.give_token("ann");
    next.authenticate("ann", "s2", false);
    assert!(next.sent_of("place_bet").is_empty(), "nothing is re-sent by a later process");
    let asked = next.sent_of("bet_status");
    assert_eq!(asked.len(), 2);
    next.reply(&asked[0], "system", "error", json!({"code": "NOT_FOUND", "message": ""}));
    next.reply(&asked[1], "game", "bet_settled", settled("b2"));
    let events = next.answers();
    assert!(
        matches!(&events[0], Event::RequestFailed { request: RequestId(0), code: Code::NotFound, idempotency_key, .. }
        if idempotency_key == "b1")
    );
    assert!(matches!(&events[1], Event::RequestCompleted { request: RequestId(0), .. }));
    assert!(matches!(&events[2], Event::BetSettled { .. }));
    next.pass(5_000);
    let mut third = World::on_disk(config(), next.disk, next.now);
    third.give_token("ann");
    third.authenticate("ann", "s3", false);
    assert!(third.sent_of("bet_status").is_empty(), "answered once is answered");
}

#[test]
fn rooms_are_joined_again_and_missed_events_show() {
    let mut world = World::online(config());
    world.command(Command::Join { game_id: "dice".into() });
    let join = world.sent_of("join_game").remove(0);
    world.reply(&join, "game", "game_joined", json!({"gameId": "dice", "players": 2, "n": 10}));
    let event = |n: u64| json!({"gameId": "dice", "event": "roll", "data": {"face": 3}, "n": n});
    world.server("game", "game_event", event(11), json!({}));
    world.server("game", "game_event", event(14), json!({}));
    let events = world.answers();
    assert!(matches!(&events[0], Event::RoomChanged { change: RoomChange::Joined, player_count: 2, .. }));
    assert!(matches!(&events[1], Event::RoomMessage { data, .. } if data == "{\"face\":3}"));
    assert_eq!(events[2], Event::RoomGap { game_id: "dice".into(), missing: 2 });
    world.close(1006);
    world.pass(1_000);
    world.authenticate("ann", "s2", false);
    let join = world.sent_of("join_game").remove(0);
    world.reply(&join, "game", "game_joined", json!({"gameId": "dice", "players": 3, "n": 15}));
    let events = world.answers();
    assert_eq!(events[0], Event::SessionLost);
    assert_eq!(events[2], Event::RoomGap { game_id: "dice".into(), missing: 1 });
    world.command(Command::Leave { game_id: "dice".into() });
    assert_eq!(world.sent_of("leave_game").len(), 1);
    world.server("game", "game_event", event(16), json!({}));
    assert!(matches!(&world.answers()[..], [Event::RoomChanged { change: RoomChange::Left, .. }]));
}

#[test]
fn a_refused_room_is_told_and_not_asked_for_again() {
    let mut world = World::online(config());
    world.command(Command::Join { game_id: "vip".into() });
    let join = world.sent_of("join_game").remove(0);
    world.reply(&join, "system", "error", json!({"code": "FORBIDDEN", "message": "not for you"}));
    let events = world.answers();
    let refused = Event::RoomChanged {
        game_id: "vip".into(),
        change: RoomChange::JoinFailed,
        user_id: String::new(),
        player_count: 0,
        code: Some(Code::Forbidden),
    };
    assert_eq!(events, [refused]);
    world.close(1006);
    world.pass(1_000);
    world.authenticate("ann", "s1", true);
    assert!(world.sent_of("join_game").is_empty());
}

#[test]
fn a_close_over_size_fails_the_longest_and_repeats_the_rest() {
    let mut world = World::online(config());
    world.command(request(1, 60_000, Some("short")));
    world.command(Command::Request {
        request: RequestId(2),
        channel: Channel::Game,
        kind: "spin".into(),
        payload: format!("{{\"x\":\"{}\"}}", "x".repeat(9_000)),
        timeout_ms: 60_000,
        key: Some("long".into()),
    });
    world.sent.clear();
    world.close(1009);
    assert_eq!(codes(&world.answers()), [(2, Code::MessageTooLarge)]);
    world.pass(1_000);
    world.authenticate("ann", "s1", true);
    assert_eq!(world.sent_of("spin")[0]["key"], "short");
}

#[test]
fn events_that_the_server_will_never_take_are_told() {
    let mut world = World::online(config());
    for n in 0..3 {
        world.command(Command::Track { name: format!("e{n}"), props: "{}".into() });
    }
    world.ready(1_000);
    let batch = world.sent_of("events").remove(0);
    world.reply(&batch, "analytics", "accepted", json!({"count": 2, "duplicates": 0, "rejected": ["x"]}));
    let dropped = |count| Event::Dropped { what: castline::Dropped::Analytics, count };
    assert_eq!(world.answers(), [dropped(1)]);
    world.command(Command::Track { name: "e".into(), props: "{}".into() });
    world.ready(1_000);
    let batch = world.sent_of("events").remove(0);
    world.reply(&batch, "system", "error", json!({"code": "INVALID_PAYLOAD", "message": "no"}));
    assert!(world.answers().contains(&dropped(1)));
    world.pass(60_000);
    assert!(world.sent_of("events").is_empty(), "it is not tried again");
}
