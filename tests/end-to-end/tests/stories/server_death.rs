//! The server's process is killed (`kill -9`) and started again on the same data, and nothing is lost: the real binary.

use castline::{Event, Outcome, State};
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::proxy::Proxy;
use castline_end_to_end::server::{ServerProcess, offer};
use castline_end_to_end::{Dice, eventually};

use crate::tempdir;

const SERVER: &str = env!("CARGO_BIN_EXE_server-under-test");

#[test]
fn killed_and_started_again_with_nothing_lost() {
    let data = tempdir();
    let server = ServerProcess::start(SERVER, data.path()).unwrap();
    let database = server.database();
    let proxy = Proxy::start(server.address());
    for (id, placement) in [("seen", "first"), ("on-its-way", "second"), ("queued", "third")] {
        let mut offer = offer(id);
        offer.placements = Some(vec![placement.into()]);
        server.put_offer(id, &offer).unwrap();
    }
    let home = tempdir();
    let mut game = Game::with(options(&proxy.url()).data_dir(home.path()), "ann");
    game.wait_for(State::Online);

    // One offer is seen and acknowledged, one is on its way, one waits; events are in all states.
    assert_eq!(game.break_at("first").expect("the first offer").offer_id, "seen");
    database.wait_for_offer("ann", "seen", "received");
    for n in 0..30 {
        game.client.track("bite", &format!("{{\"n\":{n}}}")).unwrap();
    }
    game.ready("second");
    database.wait_for_offer("ann", "on-its-way", "sent");
    for n in 30..40 {
        game.client.track("bite", &format!("{{\"n\":{n}}}")).unwrap();
    }
    server.kill().unwrap();

    let server = ServerProcess::start(SERVER, data.path()).unwrap();
    proxy.forward_to(server.address());
    // In its break, or, where the server's start took longer than that, at the next one.
    let second = game.answer();
    game.lost();
    game.wait_for(State::Online);
    assert_eq!(game.count(|e| *e == Event::SessionLost), 0, "the session outlived the server");
    assert_eq!(second.unwrap_or_else(|| game.offer_at("second")).offer_id, "on-its-way");
    database.wait_for_offer("ann", "on-its-way", "received");
    assert_eq!(game.break_at("first"), None, "it was acknowledged: not again");
    assert_eq!(game.break_at("third").expect("the third offer").offer_id, "queued");
    for id in ["seen", "on-its-way", "queued"] {
        game.client.offers().result(id, Outcome::Accepted).unwrap();
        database.wait_for_offer("ann", id, "closed");
    }
    eventually("the events", || (database.numbers("ann", "bite").len() >= 40).then_some(()));
    assert_eq!(game.offers(), ["seen", "on-its-way", "queued"]);
    game.end();
    let mut numbers = database.numbers("ann", "bite");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
}

#[test]
fn killed_at_any_moment() {
    let data = tempdir();
    let mut server = ServerProcess::start(SERVER, data.path()).unwrap();
    let database = server.database();
    let proxy = Proxy::start(server.address());
    let mut game = Game::start(&proxy.url(), "ann");
    game.impatient = true;
    let mut dice = Dice::new(11);
    let (mut n, mut offers) = (0, Vec::new());
    for round in 0..4 {
        game.online();
        for number in 0..3 {
            let id = format!("offer-{round}-{number}");
            server.put_offer(&id, &offer("Offer")).unwrap();
            offers.push(id);
        }
        // In the middle of its work: events, an offer, an outcome are being stored.
        for _ in 0..dice.roll(20) {
            game.client.track("bite", &format!("{{\"n\":{n}}}")).unwrap();
            n += 1;
        }
        if let Some(last) = game.offers().last() {
            game.client.offers().result(last, Outcome::Accepted).unwrap();
        }
        game.ready("level_completed");
        std::thread::sleep(std::time::Duration::from_millis(dice.roll(25)));
        server.kill().unwrap();
        server = ServerProcess::start(SERVER, data.path()).unwrap();
        proxy.forward_to(server.address());
    }
    game.until("all offers", |game| {
        if game.offers().len() < offers.len() {
            game.break_at("level_completed");
            return None;
        }
        Some(())
    });
    let mut seen = game.offers();
    for id in &seen {
        game.client.offers().result(id, Outcome::Accepted).unwrap();
    }
    game.until("all events", |game| {
        if database.numbers("ann", "bite").len() < n {
            game.break_at("level_completed");
            return None;
        }
        Some(())
    });
    for id in &seen {
        database.wait_for_offer("ann", id, "closed");
    }
    seen.sort();
    assert_eq!(seen, offers, "each once");
    let mut numbers = database.numbers("ann", "bite");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..n as u64).collect::<Vec<_>>());
    assert_eq!(game.count(|e| *e == Event::SessionLost), 0);
}
