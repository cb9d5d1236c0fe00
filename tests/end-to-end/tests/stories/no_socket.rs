//! Without a socket on purpose or by force: idle, in the background, or where only HTTP gets through. The break still has its offer.

use std::time::Duration;

use castline::{Break, Cause, Event, Lifecycle, Outcome, State};
use castline_end_to_end::database::Database;
use castline_end_to_end::front::{Answer, Front};
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::proxy::{Cut, Proxy};
use castline_end_to_end::server::offer;
use castline_server::RunningServer;
use tempfile::TempDir;

use crate::{server, server_with, tempdir};

#[test]
fn an_idle_client_is_let_go_and_wakes_for_a_break() {
    let (server, data) = server_with(|settings| settings.timers.idle = 300);
    server.put_offer("first", offer("First")).unwrap();
    let proxy = Proxy::start(server.addr());
    let mut game = Game::start(&proxy.url(), "ann");
    let dormant = game.wait_for(State::Dormant);
    assert_eq!((dormant.cause, dormant.code, dormant.retry_in), (Cause::Idle, 4009, 0));
    // What can wait does not wake it.
    let connections = proxy.accepted();
    game.client.track("bite", r#"{"n":1}"#).unwrap();
    game.until("the old socket to be gone", |_| (proxy.open() == 0).then_some(()));
    assert_eq!((game.client.state(), proxy.accepted()), (State::Dormant, connections));

    assert_eq!(game.break_at("level_completed").expect("the offer").offer_id, "first");
    assert_eq!(game.count(|e| *e == Event::SessionLost), 0);
    let database = Database::of(data.path());
    database.wait_for_offer("ann", "first", "received");
    game.end();
    assert_eq!(database.numbers("ann", "bite"), [1], "the event came along");
}

#[test]
fn in_the_background_the_socket_closes_and_the_foreground_brings_it_back() {
    let (server, data) = server();
    let front = Front::start(server.addr());
    let mut game = Game::start(&front.url(), "ann");
    game.wait_for(State::Online);
    game.client.track("bite", r#"{"n":1}"#).unwrap();
    game.client.lifecycle(Lifecycle::Background);
    let database = Database::of(data.path());
    // Flushed at once, for the player may never come back; closed after a grace.
    game.until("the event", |_| (database.numbers("ann", "bite") == [1]).then_some(()));
    let dormant = game.wait_for(State::Dormant);
    assert_eq!((dormant.cause, dormant.code), (Cause::Background, 0));
    // No reason whatever brings it back from there, but the player.
    game.client.track("bite", r#"{"n":2}"#).unwrap();
    game.network_changed();
    // The driver has done what it was told when it answers something that was told later.
    game.ready(Break::new("level_completed").lease(Duration::from_secs(1)));
    assert_eq!(game.answer(), None);
    assert_eq!(game.client.state(), State::Dormant);
    assert_eq!(front.requests("/ws"), 1);
    game.client.lifecycle(Lifecycle::Foreground);
    game.wait_for(State::Online);
    assert_eq!(game.count(|e| *e == Event::SessionLost), 0);
    game.end();
    assert_eq!(database.numbers("ann", "bite"), [1, 2]);
}

/// A claim has one try in a break, and five seconds. What was claimed in one that took longer is due again soon, not in two minutes.
fn server_for_claims() -> (RunningServer, TempDir) {
    server_with(|settings| (settings.timers.requeue, settings.timers.sweep) = (1_000, 100))
}

#[test]
fn where_only_http_gets_through_the_offer_is_claimed() {
    let (server, data) = server_for_claims();
    server.put_offer("first", offer("First")).unwrap();
    let database = Database::of(data.path());
    let front = Front::start(server.addr());
    let proxy = Proxy::start(front.address());
    let home = tempdir();
    let mut game = Game::with(options(&proxy.url()).data_dir(home.path()), "ann");
    game.wait_for(State::Online);
    front.answer("/ws", Answer::http("403 Forbidden", "", "no WebSockets in this company"));
    proxy.cut(Cut::Reset);
    game.lost();
    assert_eq!(front.requests("/offers/claim"), 0);
    assert_eq!(game.offer_at("level_completed").offer_id, "first");
    assert!(front.requests("/offers/claim") > 0);
    // That it arrived, and what became of it, goes by HTTP too.
    database.wait_for_offer("ann", "first", "received");
    game.client.offers().result("first", Outcome::Accepted).unwrap();
    database.wait_for_offer("ann", "first", "closed");
    assert_eq!(game.count(|e| matches!(e, Event::StateChanged { state: State::Online, .. })), 1);

    // The socket comes back, and brings nothing that was seen.
    front.answer("/ws", Answer::Good);
    game.network_changed();
    game.online();
    assert_eq!(game.break_at("level_completed"), None);
    game.end();
}

#[test]
fn claimed_before_there_ever_was_a_socket() {
    let (server, data) = server_for_claims();
    server.put_offer("first", offer("First")).unwrap();
    let database = Database::of(data.path());
    let front = Front::start(server.addr());
    front.answer("/ws", Answer::http("403 Forbidden", "", ""));
    let home = tempdir();
    let mut game = Game::with(options(&front.url()).data_dir(home.path()), "ann");
    game.lost();
    assert_eq!(game.offer_at("level_completed").offer_id, "first");
    database.wait_for_offer("ann", "first", "received");
    front.answer("/ws", Answer::Good);
    game.impatient = true;
    game.online();
    assert_eq!(game.break_at("level_completed"), None);
    assert_eq!(game.offers(), ["first"]);
    game.end();
}
