//! Flags from the first start to the tenth: what the getters give, when they are fetched, and what analytics hears of it.

mod world;

use castline::{Command, Event, FlagUpdates, Lifecycle, Reason};
use serde_json::{Value, json};
use world::{World, config};

fn body(version: &str, variant: &str, price: &str) -> String {
    json!({"version": version, "flags": {"price": {"variant": variant, "value": price, "reason": "SPLIT"}}})
        .to_string()
}

fn changed(version: &str) -> Event {
    Event::FlagsChanged { version: version.to_owned() }
}

fn price(world: &World) -> (String, Reason) {
    let flags = world.inbox.current_flags();
    (flags.string("price", "$2.99").to_owned(), flags.reason("price"))
}

/// The flags that changed, in the game's eyes.
fn changes(world: &mut World) -> Vec<Event> {
    let mut events = world.events();
    events.retain(|event| matches!(event, Event::FlagsChanged { .. }));
    events
}

fn track(world: &mut World, name: &str) {
    world.command(Command::Track { name: name.to_owned(), props: "{}".to_owned() });
}

/// What goes out at the next break: (flags, names of the events), batch by batch, each accepted.
fn batches(world: &mut World) -> Vec<(Value, Vec<String>)> {
    world.ready(1_000);
    let mut all = Vec::new();
    loop {
        let sent = world.sent_of("events");
        if sent.is_empty() {
            return all;
        }
        for batch in &sent {
            let payload = &batch["payload"];
            let name = |event: &Value| event["name"].as_str().expect("a name").to_owned();
            all.push((
                payload["flags"].clone(),
                payload["events"].as_array().expect("events").iter().map(name).collect(),
            ));
            world.reply(batch, "analytics", "accepted", json!({"count": 1}));
        }
    }
}

/// A player who is online with these flags, fetched in this session.
fn with_flags(body: &str) -> World {
    let mut world = World::online(config());
    world.answer_http("/flags", 200, body);
    world.events();
    world
}

#[test]
fn the_first_answer_and_the_defaults_before_it() {
    let mut world = World::online(config());
    assert_eq!(price(&world), ("$2.99".to_owned(), Reason::Default));
    let http = world.answer_http("/flags", 200, &body("v1", "treatment", "$1.99"));
    assert_eq!(http.url, "https://live.example.com/flags?player_id=ann&build=2.0.0");
    let (name, bearer) = &http.headers[0];
    assert!(*name == "authorization" && bearer.starts_with("Bearer e30.") && !http.url.contains("e30"));
    assert_eq!(price(&world).0, "$2.99", "until the event is handed over");
    assert_eq!(changes(&mut world), [changed("v1")]);
    assert_eq!(price(&world), ("$1.99".to_owned(), Reason::Split));
}

#[test]
fn a_later_run_starts_with_what_was_saved() {
    let mut world = with_flags(&body("v1", "treatment", "$1.99"));
    world.pass(5_000);
    let mut later = World::on_disk(config(), world.disk, world.now);
    assert_eq!(changes(&mut later), [changed("v1")]);
    assert_eq!(price(&later), ("$1.99".to_owned(), Reason::Cached));
    later.give_token("ann");
    later.answer_http("/flags", 200, "<html>Welcome to the hotel</html>");
    assert_eq!(price(&later), ("$1.99".to_owned(), Reason::Stale));
    // The socket comes up: a reason to try again, and the same values are no change.
    later.authenticate("ann", "s2", false);
    later.answer_http("/flags", 200, &body("v1", "treatment", "$1.99"));
    assert_eq!(price(&later), ("$1.99".to_owned(), Reason::Split));
    assert!(changes(&mut later).is_empty());
}

#[test]
fn no_bad_answer_reaches_the_disk() {
    let mut world = with_flags(&body("v1", "treatment", "$1.99"));
    world.pass(5_000);
    for (status, answer) in
        [(200, ""), (200, "{"), (200, "{\"error\":\"quota\"}"), (500, "{}"), (302, ""), (429, "{}")]
    {
        world.server("system", "flags_changed", json!({"version": "v2"}), json!({}));
        let http = world.answer_http("/flags", status, answer);
        assert!(http.url.ends_with("&min=v2"), "{}", http.url);
    }
    world.pass(5_000);
    let mut later = World::on_disk(config(), world.disk, world.now);
    assert_eq!(changes(&mut later), [changed("v1")]);
    assert_eq!(price(&later).0, "$1.99");
}

#[test]
fn another_players_flags_are_never_his() {
    let mut world = with_flags(&body("v1", "treatment", "$1.99"));
    world.pass(5_000);
    // The next run is of another player, who is known only from his token.
    let mut other = World::on_disk(config(), world.disk, world.now);
    changes(&mut other);
    other.give_token("bo");
    assert_eq!(changes(&mut other), [changed("")]);
    assert_eq!(price(&other), ("$2.99".to_owned(), Reason::Default));
    let http = other.answer_http("/flags", 200, &body("v1", "control", "$2.49"));
    assert!(http.url.contains("player_id=bo"), "{}", http.url);
    assert!(http.headers.iter().all(|(name, _)| *name != "if-none-match"));
    assert_eq!(changes(&mut other), [changed("v1")]);
    assert_eq!(price(&other), ("$2.49".to_owned(), Reason::Split));
}

#[test]
fn a_read_is_one_exposure_and_over_a_restart_of_the_fetch_too() {
    let mut world = with_flags(&body("v1", "treatment", "$1.99"));
    for _ in 0..3 {
        price(&world);
    }
    track(&mut world, "level_completed");
    let flags = json!({"price": "treatment"});
    let expected = ["$exposure", "level_completed"].map(str::to_owned).to_vec();
    assert_eq!(batches(&mut world), [(flags.clone(), expected)]);
    // Another version with the same variant: read again, not exposed again.
    world.server("system", "flags_changed", json!({"version": "v2"}), json!({}));
    world.answer_http("/flags", 200, &body("v2", "treatment", "$1.89"));
    assert_eq!(changes(&mut world), [changed("v2")]);
    assert_eq!(price(&world).0, "$1.89");
    track(&mut world, "spin");
    assert_eq!(batches(&mut world), [(flags, vec!["spin".to_owned()])]);
}

#[test]
fn an_event_bears_the_flags_that_were_applied_when_it_was_made() {
    let mut world = with_flags(&body("v1", "control", "$2.49"));
    track(&mut world, "before");
    world.server("system", "flags_changed", json!({"version": "v2"}), json!({}));
    world.answer_http("/flags", 200, &body("v2", "treatment", "$1.99"));
    track(&mut world, "fetched");
    // Handed over: no input tells the core, and the very next event is stamped with them.
    while world.inbox.pop().is_some() {}
    track(&mut world, "applied");
    price(&world);
    // And a second change before the core could look again.
    world.server("system", "flags_changed", json!({"version": "v3"}), json!({}));
    world.answer_http("/flags", 200, &body("v3", "control", "$2.59"));
    while world.inbox.pop().is_some() {}
    track(&mut world, "back");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        batches(&mut world),
        [
            (json!({"price": "control"}), names(&["before", "fetched"])),
            (json!({"price": "treatment"}), names(&["applied", "$exposure"])),
            (json!({"price": "control"}), names(&["back"])),
        ]
    );
}

#[test]
fn at_break_the_price_stays_while_the_game_plays() {
    let mut config = config();
    config.flag_updates = FlagUpdates::AtBreak;
    let mut world = World::online(config);
    world.answer_http("/flags", 200, &body("v1", "control", "$2.49"));
    assert_eq!(changes(&mut world), [changed("v1")], "nothing was read yet");
    assert_eq!(price(&world).0, "$2.49");
    world.server("system", "flags_changed", json!({"version": "v2"}), json!({}));
    world.answer_http("/flags", 200, &body("v2", "treatment", "$1.99"));
    assert!(changes(&mut world).is_empty());
    assert_eq!(price(&world).0, "$2.49");
    assert_eq!(world.inbox.apply_flags().unwrap().version(), "v2");
    assert_eq!(price(&world).0, "$1.99");
    assert_eq!(changes(&mut world), [changed("v2")]);
}

#[test]
fn a_failed_fetch_wakes_nobody() {
    let mut world = World::online(config());
    world.answer_http("/flags", 503, "");
    let fetches = |world: &World| world.http.iter().filter(|http| http.url.contains("/flags")).count();
    assert_eq!(fetches(&world), 0);
    // Nor does a glance at another app within the minute; after it, the foreground is a reason.
    for (away_ms, expected) in [(5_000, 0), (60_000, 1)] {
        world.lifecycle(Lifecycle::Background);
        world.pass(away_ms);
        assert_eq!(fetches(&world), 0);
        world.lifecycle(Lifecycle::Foreground);
        assert_eq!(fetches(&world), expected);
    }
}

#[test]
fn attributes_target_anew() {
    let mut world = with_flags(&body("v1", "control", "$2.49"));
    world.command(Command::SetAttributes(r#"{"tier":"gold & co","level":7}"#.to_owned()));
    let http = world.answer_http("/flags", 200, &body("v1", "gold", "$0.99"));
    assert!(http.url.ends_with("&build=2.0.0&attr.level=7&attr.tier=gold%20%26%20co"), "{}", http.url);
    assert_eq!(changes(&mut world), [changed("v1")]);
    assert_eq!(price(&world).0, "$0.99");
}

#[test]
fn a_token_that_http_refused_is_not_used_again() {
    let mut world = World::online(config());
    let problem = r#"{"title": "old", "status": 401, "code": "EXPIRED_TOKEN"}"#;
    world.answer_http("/flags", 401, problem);
    world.close(1006);
    while world.tickets.is_empty() {
        world.pass(world.wake_at - world.now.mono);
    }
    assert_eq!(world.opened, 1, "a fresh one is asked for before the next socket");
}
