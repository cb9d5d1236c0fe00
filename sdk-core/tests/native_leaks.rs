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
    let (refused, _bound) = refusing_address();
    // It takes connections into its backlog and never looks at them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_address = silent.local_addr().unwrap().to_string();
    let targets = [dead.to_string(), refused.to_string(), silent_address, "localhost:1".into()];
    let (threads, files) = (count("task"), count("fd"));
    for n in 0..1000 {
        let url = format!("http://{}", targets[n % targets.len()]);
        // With a player known, the flags are fetched meanwhile.
        let options = Options::new(url, "1").player_id("anna").token("a.b.c");
        let client = Client::connect(options.data_dir(dir.path().join(n.to_string()))).unwrap();
        client.track("started", "{}").unwrap();
        drop(client);
        if n % 100 == 99 {
            eventually("most threads end", || count("task") <= threads + 8);
        }
    }
    eventually("every thread has ended", || count("task") == threads);
    eventually("every file is closed", || count("fd") == files);
}
