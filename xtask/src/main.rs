//! The chores of the project, written in Rust so that they are the same on every machine: `cargo xtask <what>`.
//!
//! Each chore is a file: [`mod@test`] is the one test command, [`mod@setup`] installs what it needs. This file knows only the command line.

mod bench;
mod cocos;
mod ctest;
mod demo;
mod fuzz;
mod header;
mod npm;
mod package;
mod process;
mod repository;
mod setup;
mod test;
mod tools;

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of the project", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// The one test command: format, lints, docs, tests, simulation, licences, advisories, the quickstart
    Test(test::Arguments),
    /// Play random histories against the core: `--seeds 10000`, `--seed 42 --trace`, `--mutants`
    Simulate(Forwarded),
    /// Measure against a peer in the same run, in release mode; `bench web`: the npm package, in Chromium
    Bench(Forwarded),
    /// Thousands of simulated players against a real server process, in release mode
    Load(Forwarded),
    /// Print include/castline.h from the Rust sources, or check that it is what they say
    Header(header::Arguments),
    /// Test the C library from C and C++, against the real server
    Ctest(ctest::Arguments),
    /// Random calls against the C library, guided by coverage: `fuzz c --seconds 600`
    Fuzz(fuzz::Arguments),
    /// Check the Cocos Creator extension, and play it in a small host
    Cocos,
    /// Compile the Cocos Creator plugin against a checkout of the engine
    CocosGlue(cocos::glue::Arguments),
    /// Build what a studio downloads, and try it
    Package(package::Arguments),
    /// Say what the npm package weighs, part by part, and whether that is within its budget
    Size,
    /// Build the npm package, or test it in Node.js and three browsers
    Npm(npm::Arguments),
    /// Play the Telegram Mini App on this machine: server, page, and what an operator would set up
    Demo(demo::Arguments),
    /// Install the tools that `test` needs, each at the version that is known to work
    Setup,
}

/// Arguments that go to the started program as they are.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
struct Forwarded {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

fn main() -> ExitCode {
    let result = match Cli::parse().chore {
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Simulate(Forwarded { arguments }) => process::run_release("castline-simulation", &arguments),
        Chore::Bench(Forwarded { arguments }) => bench::run(&arguments),
        Chore::Cocos => cocos::run(),
        Chore::CocosGlue(arguments) => cocos::glue::run(&arguments),
        Chore::Load(Forwarded { arguments }) => process::run_load(&arguments),
        Chore::Ctest(arguments) => ctest::run(&arguments),
        Chore::Fuzz(arguments) => fuzz::run(&arguments),
        Chore::Header(arguments) => header::run(&arguments),
        Chore::Package(arguments) => package::run(&arguments),
        Chore::Size => npm::size(),
        Chore::Npm(arguments) => npm::run(&arguments),
        Chore::Demo(arguments) => demo::run(&arguments),
        Chore::Setup => setup::run(),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
