//! Thousands of simulated players against a real server process: `cargo xtask load`.
//!
//! Each player is the SDK's own core ([`castline::Core`] and [`castline::Inbox`], without the native driver), so back-off,
//! resume, acknowledgement and the gate of the offers are what a game ships. Only the hands are the tool's: one thread moves
//! the bytes of all of them (`player`), a scenario says what they play (`profiles`), and what came of it is counted
//! (`tally`) and compared with the server's own tables (`tables`).
//!
//! It reads the kernel's accounts in `/proc`, so it runs on Linux.
#![forbid(unsafe_code)]

mod cli;
mod crowd;
#[path = "../../benchmarks/src/machine.rs"]
mod machine;
mod net;
mod player;
mod process;
pub mod profiles;
pub mod report;
mod tables;
mod tally;
pub mod target;
#[path = "../../benchmarks/src/watched.rs"]
mod watched;

/// As many open files as the machine allows; the server inherits it. Returns the number.
///
/// # Errors
/// The system's.
pub fn raise_open_files() -> anyhow::Result<u64> {
    watched::raise_open_files()
}

/// The program `castline-load`: reads the command line and does what it says.
///
/// # Errors
/// What the command line asks for cannot be had, or a round failed.
pub fn run() -> anyhow::Result<()> {
    cli::run()
}
