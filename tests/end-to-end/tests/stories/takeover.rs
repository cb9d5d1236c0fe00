//! Sent away in order: by another socket of the same device, and by a server that drains.

use std::path::Path;

use castline::{Cause, Event, State};
use castline_end_to_end::database::Database;
use castline_end_to_end::eventually;
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::proxy::Proxy;
use castline_end_to_end::server::{offer, settings};
use castline_server::Server;

use crate::{server_with, tempdir};

/// An install restored from a backup: the same device id in two places.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("castline")).unwrap();
    for file in std::fs::read_dir(from.join("castline")).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "lock" {
            std::fs::copy(file.path(), to.join("castline").join(file.file_name())).unwrap();
        }
    }
}

#[test]
fn the_same_device_twice() {
    let (server, data) = crate::server();
    server.put_offer("first", offer("First")).unwrap();
    let (here, there) = (tempdir(), tempdir());
    let open = |home: &Path| Game::with(options(&server.http_url()).data_dir(home), "ann");
    let mut first = open(here.path());
    first.wait_for(State::Online);
    first.end();
    copy(here.path(), there.path());

    let mut first = open(here.path());
    first.wait_for(State::Online);
    let mut second = open(there.path());
    second.wait_for(State::Online);
    let replaced = first.wait_for(State::Replaced);
    assert_eq!((replaced.cause, replaced.code, replaced.retry_in), (Cause::Server, 4003, 0));
    // The one that has the session gets the offer; the other is told at once that there is none.
    assert_eq!(first.break_at("level_completed"), None);
    assert_eq!(second.break_at("level_completed").expect("the offer").offer_id, "first");
    Database::of(data.path()).wait_for_offer("ann", "first", "received");

    // A player's tap takes it back, and then it is the other way round. Nobody fights.
    first.client.reconnect().unwrap();
    first.wait_for(State::Online);
    second.wait_for(State::Replaced);
    assert_eq!(first.break_at("level_completed"), None);
    assert_eq!((first.client.state(), second.client.state()), (State::Online, State::Replaced));
    assert_eq!(second.count(|e| matches!(e, Event::StateChanged { state: State::Online, .. })), 1);
}

#[test]
fn a_drained_server_sends_everybody_away_spread_and_gets_them_back() {
    let spread = 1_000..=3_000;
    let (server, data) = server_with(|settings| {
        (settings.timers.drain_min, settings.timers.drain_max) = (1_000, 3_000);
    });
    for n in 0..8 {
        let mut offer = offer("Offer");
        offer.players = Some(vec![format!("player-{n}")]);
        server.put_offer(&format!("offer-{n}"), offer).unwrap();
    }
    let proxy = Proxy::start(server.addr());
    let mut games: Vec<Game> = (0..8).map(|n| Game::start(&proxy.url(), &format!("player-{n}"))).collect();
    let database = Database::of(data.path());
    for (n, game) in games.iter_mut().enumerate() {
        game.wait_for(State::Online);
        // On its way when the server goes.
        game.ready("level_completed");
        database.wait_for_offer(&format!("player-{n}"), &format!("offer-{n}"), "sent");
    }
    let path = data.path().to_owned();
    let next = std::thread::spawn(move || {
        server.drain_blocking();
        Server::start(settings(&path)).unwrap()
    });
    // Everybody's loop runs on, from the first moment: moves between two polls may be told as one.
    eventually("the next server to start", || {
        games.iter_mut().for_each(Game::frame);
        next.is_finished().then_some(())
    });
    let server = next.join().expect("the server starts");
    proxy.forward_to(server.addr());
    eventually("everybody to be back", || {
        games.iter_mut().for_each(Game::frame);
        let back = |game: &Game| {
            let moves = game.moves();
            let away = moves.iter().position(|to| to.code == 4010);
            away.is_some_and(|at| moves[at..].iter().any(|to| to.state == State::Online))
        };
        games.iter().all(back).then_some(())
    });
    let mut delays = Vec::new();
    for (n, game) in games.iter_mut().enumerate() {
        let away = game.moves().into_iter().find(|to| to.code == 4010).unwrap();
        assert_eq!((away.state, away.cause), (State::Waiting, Cause::Server));
        assert!(spread.contains(&away.retry_in), "{away:?}");
        delays.push(away.retry_in);
        assert_eq!(game.count(|e| *e == Event::SessionLost), 0);
        assert_eq!(game.offers(), [format!("offer-{n}")]);
        database.wait_for_offer(&format!("player-{n}"), &format!("offer-{n}"), "received");
    }
    // Each has an eighth of the time for itself.
    delays.sort_unstable();
    for (n, delay) in delays.iter().enumerate() {
        let share = 1_000 + n as u64 * 250..=1_250 + n as u64 * 250;
        assert!(share.contains(delay), "{delays:?}");
    }
}
