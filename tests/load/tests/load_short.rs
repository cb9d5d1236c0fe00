//! The load tool in short: a few hundred players through a `kill -9` of the server and through steady play. What must hold at
//! any speed is asserted (by the profiles themselves: everybody back, nothing lost, nothing twice); no time is.
//!
//! It has the machine to itself in the step `load` of `cargo xtask test`; a plain `cargo test` leaves it out (`test = false`).
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use castline_load::profiles::{Server, Setup, steady, storm};
use castline_load::raise_open_files;
use castline_load::report::Round;

fn setup(players: usize) -> Setup {
    raise_open_files().unwrap();
    Setup {
        players,
        play: Duration::from_secs(4),
        every: Duration::from_secs(2),
        down: Duration::ZERO,
        seed: 1,
        server: Server::Own(env!("CARGO_BIN_EXE_server-under-load").into()),
    }
}

fn value(round: &Round, what: &str) -> f64 {
    round.figures.iter().find(|figure| figure.what == what).unwrap().value
}

#[test]
fn a_crowd_survives_the_servers_death_and_loses_nothing() {
    let round = storm::play(&setup(200)).unwrap();
    assert_eq!(value(&round, "offers, each seen once"), 400.0);
    assert_eq!(value(&round, "events, each stored once"), 200.0);
    assert!(round.server_log.is_empty(), "{}", round.server_log);
}

#[test]
fn a_crowd_plays_and_nothing_goes_wrong() {
    let round = steady::play(&setup(200)).unwrap();
    assert!(value(&round, "offers, each seen once") >= 200.0);
    assert!(value(&round, "events, each stored once") >= 200.0);
    assert!(round.errors.is_empty(), "{:?}", round.errors);
    assert!(round.server_log.is_empty(), "{}", round.server_log);
}
