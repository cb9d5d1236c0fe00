//! After a cut, a stall, a half-open socket: the client notices, comes back by itself, and goes on where it was.

use std::time::Duration;

use castline::protocol::{Channel, Code};
use castline::{Cause, Event, Request, State};
use castline_end_to_end::PATIENCE;
use castline_end_to_end::database::Database;
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::proxy::{Cut, Faults, Gone, Proxy, Way};
use castline_end_to_end::server::offer;

use crate::{server_with, tempdir};

/// A client that is online behind a proxy, with an offer that was sent and not yet polled, so not acknowledged.
fn story(damage: impl FnOnce(&Proxy, &mut Game)) {
    let (server, data) = server_with(|settings| {
        settings.timers.heartbeat = 1_000;
        settings.timers.dead_after = 20_000;
    });
    server.put_offer("first", offer("First")).unwrap();
    server.put_offer("second", offer("Second")).unwrap();
    let proxy = Proxy::start(server.addr());
    let mut game = Game::start(&proxy.url(), "ann");
    game.wait_for(State::Online);
    let database = Database::of(data.path());
    game.ready("level_completed");
    // Not polled: the game is busy.
    database.wait_for_offer("ann", "first", "sent");

    damage(&proxy, &mut game);

    assert_eq!(game.count(|e| matches!(e, Event::SessionLost)), 0, "the session was resumed");
    // Whether it had reached the client before or comes with the replay, perhaps after its break: it surfaces once. While there was no
    // socket the break may have claimed the second one over HTTP, so that one may be first.
    while game.offers().len() < 2 {
        game.break_at("level_completed");
    }
    let mut offers = game.offers();
    offers.sort();
    assert_eq!(offers, ["first", "second"]);
    for offer in ["first", "second"] {
        database.wait_for_offer("ann", offer, "received");
    }
    assert_eq!(game.break_at("level_completed"), None);
}

/// Back without help, told why it was away.
fn lost_and_back(game: &mut Game, cause: Cause) {
    let lost = game.lost();
    assert_eq!(lost.cause, cause);
    game.wait_for(State::Online);
}

#[test]
fn after_a_reset() {
    story(|proxy, game| {
        proxy.cut(Cut::Reset);
        lost_and_back(game, Cause::Network);
    });
}

#[test]
fn after_an_end_without_a_close() {
    story(|proxy, game| {
        proxy.cut(Cut::End);
        lost_and_back(game, Cause::Network);
    });
}

#[test]
fn after_refused_connections() {
    story(|proxy, game| {
        let before = proxy.accepted();
        proxy.set(Faults { refuse: true, ..Faults::default() });
        proxy.cut(Cut::Reset);
        game.until("two refused attempts", |_| (proxy.accepted() >= before + 2).then_some(()));
        assert_eq!(game.count(|e| matches!(e, Event::StateChanged { state: State::Online, .. })), 1);
        proxy.heal();
        game.lost();
        game.online();
    });
}

#[test]
fn a_stall_is_noticed_by_the_heartbeat() {
    story(|proxy, game| {
        proxy.set(Faults::stalled());
        game.lost();
        proxy.cut(Cut::Reset);
        proxy.heal();
        game.online();
    });
}

#[test]
fn a_stall_is_noticed_by_the_probe_when_the_network_changed() {
    story(|proxy, game| {
        proxy.set(Faults::stalled());
        game.network_changed();
        lost_and_back_while(game, || proxy.heal());
    });
}

fn lost_and_back_while(game: &mut Game, heal: impl FnOnce()) {
    let lost = game.lost();
    assert_eq!(lost.cause, Cause::Network);
    heal();
    game.wait_for(State::Online);
}

#[test]
fn a_stall_that_ends_in_time_is_none() {
    story(|proxy, game| {
        proxy.set(Faults::stalled());
        let (sent, moves) = (proxy.bytes(Way::Up), game.moves());
        game.network_changed();
        proxy.heal();
        game.until("the probe", |_| (proxy.bytes(Way::Up) > sent).then_some(()));
        assert_eq!(game.moves(), moves);
    });
}

#[test]
fn the_server_is_gone_and_nobody_said_so() {
    story(|proxy, game| {
        proxy.half_open(Gone::Server);
        lost_and_back(game, Cause::Network);
    });
}

#[test]
fn the_client_is_gone_for_the_server_alone() {
    // The server still holds the old socket when the new one comes: it is fenced, and the client does not mind.
    story(|proxy, game| {
        proxy.half_open(Gone::Client);
        lost_and_back(game, Cause::Network);
        assert_eq!(game.count(|e| matches!(e, Event::StateChanged { state: State::Replaced, .. })), 0);
    });
}

#[test]
fn garbage_ends_the_socket_and_not_the_client() {
    story(|proxy, game| {
        proxy.inject(Way::Down, b"\xff\xfe\xfd this is no frame");
        let lost = game.lost();
        assert_eq!((lost.cause, lost.code), (Cause::Server, 1002));
        game.wait_for(State::Online);
        // The other way round it is the server that closes.
        proxy.inject(Way::Up, b"\xff\xfe\xfd this is no frame");
        game.lost();
        game.wait_for(State::Online);
    });
}

#[test]
fn a_slow_network_is_slow_and_nothing_else() {
    story(|proxy, game| {
        let slow = |bytes| {
            let (pause, latency) = (Duration::from_micros(200), Duration::from_millis(80));
            Faults { slow: Some((bytes, pause)), latency, ..Faults::default() }
        };
        // One byte at a time: a request and its answer.
        proxy.set(slow(1));
        let request = Request::new(Channel::Game, "no_such_thing", "{}").timeout(PATIENCE);
        let request = game.client.request(request).unwrap();
        let answer = game.wait("the answer", |event| match event {
            Event::RequestFailed { request: of, code, .. } if *of == request => Some(*code),
            _ => None,
        });
        assert_eq!(answer, Code::UnknownMessageType);
        assert_eq!(game.client.state(), State::Online);
        // A few bytes at a time through a reconnect: the upgrade, the handshake, the replay. (Not single ones: the WebSocket
        // library takes an upgrade in more than 64 tiny packets for an attack.)
        proxy.set(slow(7));
        proxy.cut(Cut::Reset);
        game.lost();
        game.wait_for(State::Online);
        proxy.heal();
    });
}

#[test]
fn a_gap_that_only_the_disk_remembers() {
    // The session ends at the server meanwhile: the client is told, and asks afresh.
    let (server, data) = server_with(|settings| {
        settings.timers.session_keep = 200;
        settings.timers.requeue = 200;
        settings.timers.sweep = 50;
    });
    server.put_offer("first", offer("First")).unwrap();
    let proxy = Proxy::start(server.addr());
    let home = tempdir();
    let mut game = Game::with(options(&proxy.url()).data_dir(home.path()), "ann");
    game.wait_for(State::Online);
    game.ready("level_completed");
    let database = Database::of(data.path());
    database.wait_for_offer("ann", "first", "sent");
    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut(Cut::Reset);
    database.wait_for_offer("ann", "first", "queued");
    proxy.heal();
    game.wait("the loss", |event| (*event == Event::SessionLost).then_some(()));
    game.online();
    game.frame();
    // Whichever sending it surfaced from, the other one is known and not shown again.
    if game.offers().is_empty() {
        game.offer_at("level_completed");
    }
    assert_eq!(game.break_at("level_completed"), None);
    assert_eq!(game.offers(), ["first"]);
}
