//! The server's stories over real sockets, a file each. One program and not forty: each would link the whole server again.
//! `cargo test -p castline-server --test stories offers::` plays those of one file.
#![allow(clippy::unwrap_used)]

mod alert;
mod arrivals;
mod audit;
mod bans;
mod campaigns;
mod configuration;
mod crash;
mod database_trouble;
mod deploy;
mod drain;
mod events;
mod experiment_history;
mod experiments;
mod flag_segments;
mod flags;
mod flags_admin;
mod flags_storage;
mod handshake;
mod hostile;
mod http;
mod keys;
mod logs;
mod messages;
mod metrics;
mod offers;
mod offers_crash;
mod ofrep;
mod openapi;
mod operate;
mod operations;
mod pool;
mod resume;
mod server_api;
mod storm;
mod support;
mod telegram;
mod tls;
mod workers;

/// Stories that nobody plays would look like stories that pass.
#[test]
fn no_file_is_forgotten() {
    let manifest = include_str!("../Cargo.toml");
    let here = include_str!("stories.rs");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".rs") else { continue };
        let told = here.contains(&format!("\nmod {name};\n"))
            || manifest.contains(&format!("\nname = \"{name}\"\n"));
        assert!(told, "tests/{name}.rs is neither a module of tests/stories.rs nor a [[test]] in Cargo.toml");
        files += 1;
    }
    assert!(files >= 30, "{files}");
}
