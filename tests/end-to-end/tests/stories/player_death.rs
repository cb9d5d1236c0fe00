//! The game's process is killed in the middle of things and started again on the same data directory.

use std::path::Path;
use std::time::Duration;

use castline_end_to_end::database::Database;
use castline_end_to_end::player::PlayerProcess;
use castline_end_to_end::proxy::{Cut, Faults, Proxy};
use castline_end_to_end::server::offer;
use castline_end_to_end::{Dice, eventually};

use crate::{server, tempdir};

const PLAYER: &str = env!("CARGO_BIN_EXE_player-under-test");

fn start(url: &str, home: &Path) -> PlayerProcess {
    PlayerProcess::start(PLAYER, url, home, "ann").unwrap()
}

/// Files of the client's cache that hold this text. Not those that are being written: they do not count before they have their name.
fn on_disk(home: &Path, text: &str) -> usize {
    let files = std::fs::read_dir(home.join("castline")).unwrap().filter_map(Result::ok);
    let holds = |file: &std::fs::DirEntry| {
        let path = file.path();
        let whole = path.extension().is_none_or(|extension| extension != "tmp");
        // It may be removed while it is looked at.
        whole && std::fs::read(path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
    };
    files.filter(holds).count()
}

#[test]
fn a_held_offer_resurfaces_and_a_seen_one_does_not() {
    let (server, data) = server();
    let database = Database::of(data.path());
    let home = tempdir();
    let mut player = start(&server.http_url(), home.path());
    player.wait_for("online");
    assert_eq!(player.break_at("level_completed"), None);
    // The game plays on, but the break is still open at the server: what falls due now is held by the client.
    server.put_offer("held", offer("Held")).unwrap();
    database.wait_for_offer("ann", "held", "received");
    player.kill().unwrap();

    let mut player = start(&server.http_url(), home.path());
    player.wait_for("online");
    assert_eq!(player.break_at("level_completed").as_deref(), Some("held"));
    player.tell("result held shown");
    assert_eq!(player.break_at("level_completed"), None);
    player.kill().unwrap();

    let mut player = start(&server.http_url(), home.path());
    player.wait_for("online");
    assert_eq!(player.break_at("level_completed"), None, "it was seen");
    // Another device of the player does not get it either.
    let other = tempdir();
    let mut elsewhere = start(&server.http_url(), other.path());
    elsewhere.wait_for("online");
    assert_eq!(elsewhere.break_at("level_completed"), None);
    player.tell("result held accepted");
    database.wait_for_offer("ann", "held", "closed");
    player.close().unwrap();
}

#[test]
fn an_offer_that_never_reached_the_game_goes_back_to_the_queue() {
    let (server, data) = crate::server_with(|settings| {
        settings.timers.requeue = 300;
        settings.timers.sweep = 50;
    });
    let database = Database::of(data.path());
    let proxy = Proxy::start(server.addr());
    let home = tempdir();
    let mut player = start(&proxy.url(), home.path());
    player.wait_for("online");
    assert_eq!(player.break_at("level_completed"), None);
    proxy.set(Faults { stall_down: true, ..Faults::default() });
    server.put_offer("late", offer("Late")).unwrap();
    database.wait_for_offer("ann", "late", "sent");
    player.kill().unwrap();
    proxy.cut(Cut::Reset);
    proxy.heal();
    database.wait_for_offer("ann", "late", "queued");

    let mut player = start(&proxy.url(), home.path());
    player.wait_for("online");
    assert_eq!(player.break_at("level_completed").as_deref(), Some("late"));
    player.close().unwrap();
    database.wait_for_offer("ann", "late", "received");
}

#[test]
fn events_survive_and_arrive_once() {
    let (server, data) = server();
    let database = Database::of(data.path());
    let proxy = Proxy::start(server.addr());
    let home = tempdir();

    // The server stores them, and the client never hears so.
    let mut player = start(&proxy.url(), home.path());
    player.wait_for("online");
    for n in 0..20 {
        player.tell(&format!("track {n}"));
    }
    eventually("the events on disk", || (on_disk(home.path(), "\"bite\"") > 0).then_some(()));
    proxy.set(Faults { stall_down: true, ..Faults::default() });
    player.tell("ready level_completed");
    eventually("the events at the server", || (database.numbers("ann", "bite").len() == 20).then_some(()));
    player.kill().unwrap();
    assert_eq!(on_disk(home.path(), "\"bite\""), 1, "unanswered, so kept");

    // There is no network at all.
    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut(Cut::Reset);
    let mut player = start(&proxy.url(), home.path());
    for n in 20..40 {
        player.tell(&format!("track {n}"));
    }
    eventually("the events on disk", || (on_disk(home.path(), "\"n\":39") > 0).then_some(()));
    player.kill().unwrap();

    proxy.heal();
    let mut player = start(&proxy.url(), home.path());
    player.wait_for("online");
    player.tell("track 40");
    player.tell("ready level_completed");
    eventually("the last event", || database.numbers("ann", "bite").contains(&40).then_some(()));
    eventually("an empty queue", || (on_disk(home.path(), "\"bite\"") == 0).then_some(()));
    player.close().unwrap();
    let mut numbers = database.numbers("ann", "bite");
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=40).collect::<Vec<_>>());
}

#[test]
fn killed_at_any_moment() {
    let (server, data) = server();
    let database = Database::of(data.path());
    let home = tempdir();
    let mut dice = Dice::new(7);
    let mut n = 0;
    for round in 0..6 {
        server.put_offer(&format!("offer-{round}"), offer("Offer")).unwrap();
        let mut player = start(&server.http_url(), home.path());
        for _ in 0..5 {
            player.tell(&format!("track {n}"));
            n += 1;
        }
        player.tell("ready level_completed");
        // Somewhere in the connect, the handshake, the offer, the saving.
        std::thread::sleep(Duration::from_millis(dice.roll(150)));
        player.kill().unwrap();
    }
    // The cache is whole, whatever was being written.
    let mut player = start(&server.http_url(), home.path());
    player.wait_for("online");
    for _ in 0..8 {
        if let Some(id) = player.break_at("level_completed") {
            player.tell(&format!("result {id} accepted"));
        }
    }
    player.tell("track 1000");
    player.close().unwrap();
    let mut numbers = database.numbers("ann", "bite");
    assert!(numbers.contains(&1_000), "{numbers:?}");
    numbers.sort_unstable();
    let count = numbers.len();
    numbers.dedup();
    assert_eq!(count, numbers.len(), "an event arrived twice");
    let corrupt = std::fs::read_dir(home.path().join("castline")).unwrap().filter_map(Result::ok);
    let corrupt: Vec<_> = corrupt.filter(|f| f.path().extension().is_some_and(|e| e == "corrupt")).collect();
    assert!(corrupt.is_empty(), "{corrupt:?}");
    // Each offer reached the game or is still there for it; none is stuck on its way.
    for round in 0..6 {
        let (state, _) = database.offer("ann", &format!("offer-{round}"));
        assert!(["received", "closed", "sent", "queued", ""].contains(&&*state), "offer-{round} is {state}");
    }
}
