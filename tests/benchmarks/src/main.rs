//! Measures Castline against a peer in the same run: `cargo xtask bench`. This file knows the command line and
//! the order of the parts; each part is a file in `measure`, and how a measurement is made is told there.
//!
//! It reads the kernel's accounts in `/proc`, so it runs on Linux.
#![forbid(unsafe_code)]

mod child;
mod crowd;
mod load;
mod machine;
mod measure;
mod report;
mod rounds;
mod servers;
mod watched;
mod web;
mod wire;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

use machine::{Machine, Moment};
use measure::Effort;
use report::{Run, Section};

#[derive(Parser)]
#[command(about = "Measures Castline against a peer in the same run")]
struct Cli {
    /// Half a minute instead of a few, and 1,000 idle connections instead of 10,000
    #[arg(long)]
    quick: bool,
    /// Keep the results in tests/benchmarks/RESULTS.md
    #[arg(long, conflicts_with = "quick")]
    write: bool,
    /// Measure only the parts whose name contains this word
    #[arg(long, conflicts_with = "write", value_name = "WORD")]
    only: Option<String>,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Subcommand)]
enum Other {
    /// The npm package in Chromium, against two clients from npm
    Web(web::Arguments),
    /// Be one of the measured servers, until standard input ends
    #[command(hide = true)]
    Serve(servers::Arguments),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match &cli.other {
        Some(Other::Serve(arguments)) => return servers::run(arguments),
        Some(Other::Web(arguments)) => return web::run(arguments),
        None => {}
    }
    let files = watched::raise_open_files()?;
    ensure!(files >= 11_000 || cli.quick, "10,000 connections need 11,000 open files; the limit is {files}");
    let (machine, start) = (Machine::look(), Moment::now());
    let command = command_line();
    println!("{command}\n{}\n{}\nload average {}", machine.shape(), machine.compiler(), start.load());
    if cfg!(debug_assertions) {
        println!(
            "This is a debug build: its numbers say nothing. `cargo xtask bench` builds as a game is shipped."
        );
    }
    let sections = measure_all(Effort { quick: cli.quick }, cli.only.as_deref())?;
    let end = Moment::now();
    let software = format!("Compiler: {}", machine.compiler());
    let run = Run { command: &command, machine: &machine, software: &software, start: &start, end: &end };
    let page = report::page(run, &sections);
    println!("\n{page}");
    if cli.write {
        write_results(|old| report::beside_others(&page, old))?;
    }
    Ok(())
}

/// Where this package lies. Asked at run time, as `xtask` does it.
fn folder() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").context("this needs to be run by cargo")?))
}

/// `change` makes a new page of the old one.
fn write_results(change: impl FnOnce(&str) -> String) -> anyhow::Result<()> {
    let path = folder()?.join("RESULTS.md");
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    std::fs::write(&path, change(&old)).with_context(|| format!("cannot write {}", path.display()))
}

fn measure_all(effort: Effort, only: Option<&str>) -> anyhow::Result<Vec<Section>> {
    let wanted = |name: &str| only.is_none_or(|word| name.contains(word));
    let mut sections = Vec::new();
    let mut add = |name: &str, section: anyhow::Result<Section>| -> anyhow::Result<()> {
        let section = section.with_context(|| format!("measuring {name:?} failed"))?;
        println!("\n{}", section.title);
        section.rows.iter().for_each(|row| println!("{}", row.short()));
        sections.push(section);
        Ok(())
    };
    // It is idle while everything else is measured.
    let watch = if wanted("idle") {
        Some(measure::idle::connect(false, "idler").and_then(measure::idle::Watch::begin)?)
    } else {
        None
    };
    if ["flags", "events", "round-trip"].into_iter().any(wanted) {
        let busy = measure::idle::connect(true, "player")?;
        if wanted("flags") {
            add("flags", measure::flags::run(effort, &busy.client))?;
        }
        if wanted("events") {
            add("events", measure::events::run(effort, &busy.client))?;
        }
        if wanted("round-trip") {
            add("round-trip", measure::round_trip::run(effort, &busy.client))?;
        }
    }
    if wanted("envelope") {
        add("envelope", measure::envelope::run(effort))?;
    }
    if wanted("gateway") {
        add("gateway", measure::gateway::run(effort))?;
    }
    if wanted("memory") {
        add("memory", measure::memory::run(effort))?;
    }
    if wanted("connects") {
        add("connects", measure::connects::run(effort))?;
    }
    if let Some(watch) = watch {
        add("idle", watch.end(effort))?;
    }
    Ok(sections)
}

/// As one types it.
fn command_line() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ["cargo xtask bench".to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ")
}
