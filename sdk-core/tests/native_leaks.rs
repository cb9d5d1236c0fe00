//! A thousand clients dropped while they connect leave nothing behind: no thread, no file descriptor.
#![cfg(all(feature = "native", target_os = "linux"))]
#![allow(clippy::unwrap_used)] // Where a test fails is the test's business.

mod support;

use castline::{Client, Options};
use support::*;

fn count(what: &str) -> usize {
    std::fs::read_dir(format!("/proc/self/{what}")).unwrap().count()
}

#[test]
fn a_thousand_clients_dropped_while_they_connect() {
    let dir = tempfile::tempdir().unwrap();
    let (dead, _held) = dead_address();
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It takes connections into its backlog and never looks at them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = dead.to_string();
    let targets = [&dead, &refused.to_string(), &silent.local_addr().unwrap().to_string(), "localhost:1"];
    let (threads, files) = (count("task"), count("fd"));
    // So that no HTTP request outlives its client in a backlog that nobody empties.
    silent.set_nonblocking(true).unwrap();
    let hang_up = || while silent.accept().is_ok() {};
    for n in 0..1000 {
        let target = targets[n % targets.len()];
        let options = Options::new(format!("http://{target}"), "1").data_dir(dir.path().join(n.to_string()));
        // With a player the flags are fetched too; a connect that nobody answers or refuses would run until its time-out.
        let options = if target == dead { options } else { options.player_id("anna") };
        let client = Client::connect(options.token("a.b.c")).unwrap();
        client.track("started", "{}").unwrap();
        drop(client);
        if n % 100 == 99 {
            eventually("most threads end", || {
                hang_up();
                count("task") <= threads + 8
            });
        }
    }
    eventually("every thread has ended", || {
        hang_up();
        count("task") == threads
    });
    eventually("every file is closed", || count("fd") == files);
}
