//! The stories: the native client and the reference server at the two ends of real sockets. A file is a story.
//!
//! They share one binary, for most of their time is waiting (a client gives a silent server ten seconds), and side by side they
//! wait at once.

// Helpers outside of `#[test]` functions are tests all the same.
#![allow(clippy::unwrap_used)]

mod bad_clients;
mod bad_disks;
mod bad_flags;
mod bad_servers;
mod bad_tokens;
mod first_offer;
mod no_socket;
mod nothing_lost;
mod player_death;
mod resume;
mod server_death;
mod takeover;

use castline_end_to_end::server::settings;
use castline_server::{RunningServer, Server, Settings};
use tempfile::TempDir;

/// The reference server, in this process, on a data directory of its own.
fn server() -> (RunningServer, TempDir) {
    server_with(|_| {})
}

/// The same with other settings.
fn server_with(change: impl FnOnce(&mut Settings)) -> (RunningServer, TempDir) {
    let data = tempdir();
    let mut settings = settings(data.path());
    change(&mut settings);
    (Server::start(settings).unwrap(), data)
}

fn tempdir() -> TempDir {
    tempfile::tempdir().unwrap()
}
