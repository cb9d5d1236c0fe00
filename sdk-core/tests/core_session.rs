//! The connection: tokens, back-off, liveness, sleep, background, resume, players.

mod world;

use castline::{Cause, Command, Event, Input, Lifecycle, Now, State};
use serde_json::json;
use world::{World, config, token};

/// Milliseconds until the core opens the next socket; it must want to.
fn until_reopened(world: &mut World) -> u64 {
    let (start, opened) = (world.now.mono, world.opened);
    while world.opened == opened {
        assert!(world.wake_at < u64::MAX, "nothing is planned");
        world.pass(world.wake_at - world.now.mono);
    }
    world.now.mono - start
}

#[test]
fn a_token_is_asked_for_once_and_before_any_socket() {
    let mut world = World::new(config());
    assert_eq!((world.tickets.len(), world.opened), (1, 0));
    assert!(matches!(
        world.events()[..],
        [Event::StateChanged { state: State::Waiting, cause: Cause::Token, .. }]
    ));
    world.pass(60_000);
    assert_eq!(world.tickets.len(), 1, "single flight, however long it takes");
    world.give_token("ann");
    assert_eq!(world.opened, 1);
}

#[test]
fn a_failing_provider_is_asked_again_with_back_off() {
    let mut world = World::new(config());
    for asked in 1..6 {
        let ticket = world.tickets.pop().unwrap();
        world.handle(Input::Token { ticket, token: None });
        assert!(world.tickets.is_empty());
        let start = world.now.mono;
        while world.tickets.is_empty() {
            world.pass(world.wake_at - world.now.mono);
        }
        let wait = world.now.mono - start;
        assert!((250..=30_000).contains(&wait), "attempt {asked} waits {wait}");
        assert_eq!(world.tickets.len(), 1);
    }
}

#[test]
fn a_server_that_accepts_and_drops_is_not_hammered() {
    let mut world = World::online(config());
    let mut ceilings = vec![];
    for attempt in 0..8u32 {
        world.pass(9_000);
        world.sent.clear();
        world.close(1006);
        let wait = until_reopened(&mut world);
        let ceiling = 30_000.min(1_000u64 << attempt);
        assert!((250..=ceiling.max(250)).contains(&wait), "attempt {attempt} waited {wait}");
        ceilings.push(wait);
        if world.tickets.len() == 1 {
            world.give_token("ann");
        }
        world.authenticate("ann", "s1", true);
    }
    assert!(ceilings.iter().any(|&w| w > 2_000), "the back-off grew: {ceilings:?}");
    world.pass(10_000);
    world.close(1006);
    assert!(until_reopened(&mut world) <= 1_000, "ten seconds of uptime start it over");
}

#[test]
fn the_servers_word_on_when_to_come_back_wins() {
    let mut world = World::online(config());
    world.server("system", "reconnect", json!({"afterMs": 3_500}), json!({}));
    world.close(4010);
    world.lifecycle(Lifecycle::NetworkChanged);
    assert_eq!(until_reopened(&mut world), 3_500);
    world.authenticate("ann", "s1", true);
    world.close(4029);
    assert!(until_reopened(&mut world) >= 5_000);
}

#[test]
fn codes_decide() {
    for (code, state, cause) in [
        (4003, State::Replaced, Cause::Server),
        (4009, State::Dormant, Cause::Idle),
        (4500, State::Failed, Cause::Protocol),
        (4501, State::Failed, Cause::BuildTooOld),
        (4503, State::Failed, Cause::Banned),
        (4700, State::Failed, Cause::Server),
    ] {
        let mut world = World::online(config());
        world.close(code);
        let events = world.events();
        assert!(
            matches!(events[..], [Event::StateChanged { state: s, cause: c, code: n, .. }] if (s, c, n) == (state, cause, code)),
            "{code}: {events:?}"
        );
        world.pass(120_000);
        assert_eq!((world.opened, world.wake_at), (1, u64::MAX), "{code}: nothing by itself");
    }
}

#[test]
fn two_refused_tokens_in_a_row_are_the_end_until_a_new_one_comes() {
    let mut world = World::new(config());
    for _ in 0..2 {
        world.give_token("ann");
        let socket = world.socket.unwrap();
        world.handle(Input::SocketOpened { socket });
        world.server("system", "auth_failed", json!({"reason": "INVALID_TOKEN"}), json!({}));
        world.pass(1_000);
    }
    assert_eq!(world.core.state(), State::Failed);
    world.pass(60_000);
    assert_eq!(world.opened, 2);
    world.command(Command::SetToken(Some(castline::Secret(token("ann")))));
    assert_eq!(world.opened, 3);
}

#[test]
fn an_idle_connection_wakes_for_the_heartbeat_alone() {
    let mut world = World::online(config());
    world.pass(2_000);
    let mut wakes = vec![];
    for _ in 0..5 {
        wakes.push(world.wake_at - world.now.mono);
        world.pass(world.wake_at - world.now.mono);
        let ping = world.sent_of("ping").remove(0);
        world.reply(&ping, "system", "pong", json!({"serverTime": world.now.wall}));
    }
    assert!(wakes[0] <= 30_000);
    assert_eq!(wakes[1..], [30_000; 4]);
}

#[test]
fn only_an_unanswered_ping_declares_a_socket_dead() {
    let mut world = World::online(config());
    world.pass(30_000);
    assert_eq!(world.sent_of("ping").len(), 1);
    world.pass(10_000);
    assert_eq!(world.closed, [1000]);
    assert_ne!(world.core.state(), State::Online);
}

#[test]
fn time_asleep_is_no_evidence() {
    let mut world = World::online(config());
    world.pass(30_000);
    world.sent.clear();
    // The process is frozen with a ping under way; the monotonic clock stands still, the wall clock does not.
    world.now = Now { mono: world.now.mono, wall: world.now.wall + 600_000 };
    world.handle(Input::Wake);
    let probe = world.sent_of("ping").remove(0);
    assert_eq!(world.core.state(), State::Online);
    world.reply(&probe, "system", "pong", json!({"serverTime": world.now.wall}));
    world.pass(5_000);
    assert_eq!(world.core.state(), State::Online);
}

#[test]
fn a_hidden_tabs_one_timer_a_minute_does_not_kill_a_healthy_socket() {
    let mut world = World::online(config());
    for _ in 0..10 {
        world.now = Now { mono: world.now.mono + 60_000, wall: world.now.wall + 60_000 };
        world.handle(Input::Wake);
        for ping in world.sent_of("ping") {
            world.reply(&ping, "system", "pong", json!({"serverTime": world.now.wall}));
        }
    }
    assert_eq!((world.core.state(), world.opened), (State::Online, 1));
}

#[test]
fn background_closes_after_its_grace_and_foreground_is_back_at_once() {
    let mut world = World::online(config());
    world.lifecycle(Lifecycle::Background);
    world.pass(14_999);
    assert_eq!(world.core.state(), State::Online);
    world.pass(1);
    assert_eq!((world.closed.as_slice(), world.core.state()), ([1000].as_slice(), State::Dormant));
    world.pass(3_600_000);
    assert_eq!(world.wake_at, u64::MAX, "the radio sleeps");
    world.lifecycle(Lifecycle::Foreground);
    if world.tickets.len() == 1 {
        world.give_token("ann");
    }
    assert_eq!(world.opened, 2);
}

#[test]
fn a_socket_that_the_host_took_in_the_background_is_nobodys_fault() {
    // As a browser that puts a page away; with 1006 it was the network, and any other code is the server's word.
    for (code, cause, told) in
        [(1001, Cause::Background, 0), (1006, Cause::Network, 1006), (1012, Cause::Server, 1012)]
    {
        let mut world = World::online(config());
        world.lifecycle(Lifecycle::Background);
        world.close(code);
        world.pass(5_000);
        world.lifecycle(Lifecycle::Foreground);
        if world.tickets.len() == 1 {
            world.give_token("ann");
        }
        assert_eq!(world.opened, 2);
        let moves: Vec<_> = world
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::StateChanged { state, cause, code, .. } => Some((state, cause, code)),
                _ => None,
            })
            .collect();
        assert_eq!(
            moves,
            [(State::Connecting, cause, told)],
            "{code}: going dormant and coming back are told as one"
        );
    }
    let mut world = World::online(config());
    world.close(1001);
    assert!(
        matches!(world.events()[..], [Event::StateChanged { cause: Cause::Server, code: 1001, .. }]),
        "while the game is in front it is the server that goes"
    );
}

#[test]
fn a_second_word_on_the_background_sends_what_came_since_the_first() {
    let mut world = World::online(config());
    world.lifecycle(Lifecycle::Background);
    world.command(Command::Track { name: "in_the_grace".into(), props: "{}".into() });
    assert_eq!(world.sent_of("events").len(), 0);
    world.lifecycle(Lifecycle::Background);
    let batch = world.sent_of("events").remove(0);
    assert_eq!(batch["payload"]["events"][0]["name"], "in_the_grace");
    world.pass(15_000);
    assert_eq!(world.closed, [1000], "the grace counts from the first");
}

#[test]
fn foreground_probes_a_socket_that_may_live_and_replaces_one_that_cannot() {
    let mut world = World::online(config());
    world.lifecycle(Lifecycle::Background);
    world.pass(5_000);
    world.lifecycle(Lifecycle::Foreground);
    assert_eq!((world.sent_of("ping").len(), world.opened), (1, 1));
    world.pass(2_000);
    assert_eq!(world.closed, [1000], "no answer in two seconds");
    let mut world = World::online(config());
    world.lifecycle(Lifecycle::Background);
    world.now = Now { mono: world.now.mono + 1, wall: world.now.wall + 100_000 };
    world.lifecycle(Lifecycle::Foreground);
    assert_eq!(world.closed, [1000], "the server has dropped it long ago");
}

#[test]
fn no_network_no_try_and_its_return_is_a_try_at_once() {
    let mut world = World::online(config());
    world.lifecycle(Lifecycle::NetworkLost);
    world.close(1006);
    world.pass(600_000);
    assert_eq!((world.opened, world.wake_at), (1, u64::MAX));
    world.lifecycle(Lifecycle::NetworkChanged);
    if world.tickets.len() == 1 {
        world.give_token("ann");
    }
    assert_eq!(world.opened, 2);
}

#[test]
fn dormant_until_there_is_a_reason() {
    let mut world = World::online(config());
    world.pass(11_000);
    world.close(4009);
    assert_eq!(world.core.state(), State::Dormant);
    world.command(Command::Track { name: "caught".into(), props: "{}".into() });
    world.pass(60_000);
    assert_eq!(world.opened, 1, "one event is no reason");
    world.ready(10_000);
    assert_eq!(world.opened, 2);
}

#[test]
fn resume_names_the_last_received_and_a_lost_session_is_told() {
    let mut world = World::online(config());
    world.server("game", "prize", json!({"n": 1}), json!({"seq": 1}));
    world.server("game", "prize", json!({"n": 2}), json!({"seq": 2}));
    world.server("game", "prize", json!({"n": 2}), json!({"seq": 2}));
    assert_eq!(world.answers().len(), 2);
    world.close(1006);
    until_reopened(&mut world);
    let said = world.authenticate("ann", "s1", true);
    assert_eq!(said["resume"], json!({"sessionId": "s1", "lastSeq": 2}));
    assert!(world.answers().is_empty());
    world.close(1006);
    until_reopened(&mut world);
    world.authenticate("ann", "s2", false);
    assert_eq!(world.answers(), [Event::SessionLost]);
    world.server("game", "prize", json!({"n": 9}), json!({"seq": 1}));
    assert_eq!(world.answers().len(), 1, "the new session counts from 1");
}

#[test]
fn a_hole_makes_it_close_and_resume() {
    let mut world = World::online(config());
    world.server("game", "prize", json!({}), json!({"seq": 2}));
    assert_eq!(world.closed, [1000]);
    assert!(world.answers().is_empty());
    until_reopened(&mut world);
    assert_eq!(world.authenticate("ann", "s1", true)["resume"]["lastSeq"], 0);
}

#[test]
fn what_comes_from_a_socket_that_was_given_up_is_ignored() {
    let mut world = World::online(config());
    let old = world.socket.unwrap();
    world.pass(40_000);
    until_reopened(&mut world);
    world.handle(Input::SocketClosed { socket: old, code: 4503, retry_after_ms: None });
    let text = r#"{"channel":"game","type":"x","payload":{},"timestamp":1,"seq":1}"#;
    world.handle(Input::Text { socket: old, text });
    assert_eq!(world.core.state(), State::Connecting);
    assert!(world.answers().is_empty());
}

#[test]
fn another_player_on_the_same_install_gets_nothing_of_the_formers() {
    let mut world = World::online(config());
    world.offer("anns", 1, 600_000);
    world.command(Command::Request {
        request: castline::RequestId(5),
        channel: castline::protocol::Channel::Game,
        kind: "buy".into(),
        payload: "{}".into(),
        timeout_ms: 60_000,
        key: Some("k".into()),
    });
    world.close(1006);
    world.command(Command::SetToken(Some(castline::Secret(token("bo")))));
    until_reopened(&mut world);
    world.sent.clear();
    let said = world.authenticate("bo", "s9", false);
    assert!(said.get("resume").is_none(), "ann's session is not bo's");
    let events = world.answers();
    assert!(events.contains(&Event::SessionLost), "{events:?}");
    assert!(matches!(
        &events[..],
        [Event::RequestFailed { code: castline::protocol::Code::IdentityChanged, .. }, ..]
    ));
    assert!(world.sent_of("buy").is_empty());
    world.ready(2_000);
    world.pass(2_000);
    assert_eq!(world.answers(), [Event::NoOffer { placement: "level_completed".into() }]);
    // And ann finds hers again.
    let mut next = World::on_disk(config(), world.disk, world.now);
    next.give_token("ann");
    next.authenticate("ann", "s10", false);
    next.ready(2_000);
    assert!(
        next.answers().iter().any(|e| matches!(e, Event::OfferReady { offer } if offer.offer_id == "anns"))
    );
}

#[test]
fn garbage_is_survived() {
    let mut world = World::online(config());
    let socket = world.socket.unwrap();
    for text in [
        "",
        "{",
        "[]",
        "null",
        "{\"channel\":1}",
        "<html>",
        "{\"channel\":\"offers\",\"type\":\"new_offer\",\"payload\":[1]}",
    ] {
        world.handle(Input::Text { socket, text });
    }
    world.server("offers", "new_offer", json!({"offerId": 7}), json!({"seq": 1}));
    world.server("game", "prize", json!({}), json!({"seq": 2}));
    assert_eq!(world.answers().len(), 1);
    world.pass(1_000);
    assert_eq!(world.sent_of("ack")[0]["ack"], 2, "an unreadable durable message does not block the rest");
    assert_eq!(world.core.state(), State::Online);
}

#[test]
fn a_pong_that_comes_with_the_deadline_counts() {
    let mut world = World::online(config());
    world.pass(30_000);
    let ping = world.sent_of("ping").remove(0);
    world.now = Now { mono: world.now.mono + 10_000, wall: world.now.wall + 10_000 };
    world.reply(&ping, "system", "pong", json!({"serverTime": world.now.wall}));
    assert_eq!(world.core.state(), State::Online);
}

#[test]
fn a_server_that_ignores_missing_acknowledgements_cannot_fill_the_memory() {
    let mut world = World::online(config());
    let mut seq = 0;
    while world.socket.is_some() {
        seq += 1;
        assert!(seq < 2_000, "it takes in everything");
        world.server("game", "prize", json!({}), json!({"seq": seq}));
    }
    until_reopened(&mut world);
    assert_eq!(world.authenticate("ann", "s1", true)["resume"]["lastSeq"], seq);
    assert_eq!(world.answers().len(), seq as usize, "what was taken in is there");
}

#[test]
fn a_drains_word_holds_over_a_trip_to_the_background() {
    let mut world = World::online(config());
    world.pass(1_000);
    world.server("system", "reconnect", json!({"afterMs": 60_000}), json!({}));
    world.lifecycle(Lifecycle::Background);
    world.pass(15_000);
    assert_eq!(world.core.state(), State::Dormant);
    world.lifecycle(Lifecycle::Foreground);
    assert_eq!(world.opened, 1);
    assert_eq!(until_reopened(&mut world), 45_000);
}

#[test]
fn a_page_that_could_not_be_deleted_is_deleted_later() {
    let mut world = World::online(config());
    world.command(Command::Track { name: "caught".into(), props: "{}".into() });
    world.pass(1_000);
    let pages = |w: &World| w.disk.keys().filter(|k| matches!(k, castline::StoreKey::Events(..))).count();
    assert_eq!(pages(&world), 1);
    world.ready(1_000);
    let batch = world.sent_of("events").remove(0);
    world.disk_works = false;
    world.reply(&batch, "analytics", "accepted", json!({"count": 1}));
    world.pass(2_000);
    assert_eq!(pages(&world), 1);
    world.disk_works = true;
    world.command(Command::Track { name: "again".into(), props: "{}".into() });
    world.pass(2_000);
    assert!(!world.disk.contains_key(&castline::StoreKey::Events("ann".into(), 0)));
}
