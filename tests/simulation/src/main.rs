//! The core against a model server on a simulated network: one seed, one history, checked by a reference model.
//!
//! See `README.md` beside this crate for what is simulated and what is checked.

mod checks;
mod coverage;
mod device;
mod drive;
mod faults;
mod game;
mod mutants;
mod network;
mod outside;
mod plan;
mod rng;
mod server;
mod trace;
mod world;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;

use coverage::Coverage;
use world::{Outcome, World};

/// Runs histories and says what broke.
#[derive(Debug, Parser)]
#[command(about)]
struct Args {
    /// How many histories.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only this history.
    #[arg(long)]
    seed: Option<u64>,
    /// Apply each deliberate defect to a copy of the core and see whether it is found.
    #[arg(long)]
    mutants: bool,
    /// Of the mutants only those whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Print the history's trace.
    #[arg(long)]
    trace: bool,
    /// Threads; a history runs on one.
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Stop after this many failures.
    #[arg(long, default_value_t = 5)]
    most_failures: usize,
}

/// What a share of the histories came to.
#[derive(Debug, Default)]
struct Share {
    passed: u64,
    failed: Vec<(u64, String)>,
    cover: Coverage,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.mutants {
        return mutants::run(args.seeds, args.only.as_deref());
    }
    if let Some(seed) = args.seed {
        return one(seed, args.trace);
    }
    many(&args)
}

/// A panic of the core is a broken rule like any other.
fn run(seed: u64, trace: bool) -> Outcome {
    std::panic::catch_unwind(|| World::run(seed, trace)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
        Outcome { failure: Some(format!("[panic] {text}")), cover: Coverage::default(), trace: String::new() }
    })
}

fn one(seed: u64, trace: bool) -> ExitCode {
    let outcome = run(seed, trace);
    if trace {
        print!("{}", outcome.trace);
    }
    match outcome.failure {
        None => {
            println!("seed {seed}: every rule held\n1 passed, 0 failed");
            ExitCode::SUCCESS
        }
        Some(failure) => {
            println!("seed {seed}: {failure}\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn many(args: &Args) -> ExitCode {
    let began = Instant::now();
    let mut total = Share::default();
    let threads = args.threads.max(1);
    // The failures so far, and the seed from which on there are enough of them. Those before it are still played.
    let failures = Mutex::new(BTreeSet::new());
    let enough = AtomicU64::new(u64::MAX);
    let shares: Vec<Share> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let (failures, enough) = (&failures, &enough);
                scope.spawn(move || {
                    let mut share = Share::default();
                    let mut seed = args.from + worker;
                    while seed < args.from + args.seeds && seed < enough.load(Ordering::Relaxed) {
                        let outcome = run(seed, false);
                        share.cover.add(&outcome.cover);
                        match outcome.failure {
                            None => share.passed += 1,
                            Some(failure) => {
                                share.failed.push((seed, failure));
                                let mut failures = failures.lock().expect("no worker panics with it");
                                failures.insert(seed);
                                if let Some(last) = failures.iter().nth(args.most_failures.max(1) - 1) {
                                    enough.store(*last, Ordering::Relaxed);
                                }
                            }
                        }
                        seed += threads;
                    }
                    share
                })
            })
            .collect();
        workers.into_iter().map(|w| w.join().expect("a history panicked")).collect()
    });
    for share in shares {
        total.passed += share.passed;
        total.failed.extend(share.failed);
        total.cover.add(&share.cover);
    }
    report(&mut total, began.elapsed().as_secs_f64(), args)
}

fn report(total: &mut Share, seconds: f64, args: &Args) -> ExitCode {
    let histories = total.passed + total.failed.len() as u64;
    total.failed.sort();
    if let Some((seed, _)) = total.failed.first() {
        let trace = run(*seed, true).trace;
        let lines: Vec<&str> = trace.lines().collect();
        for line in &lines[lines.len().saturating_sub(60)..] {
            println!("{line}");
        }
    }
    for (seed, failure) in &total.failed {
        println!("seed {seed}: {failure}\n  replay: cargo xtask simulate --seed {seed} --trace");
    }
    println!("{}", total.cover.table());
    let hours = total.cover.time as f64 / 3_600_000.0;
    println!(
        "{histories} histories, {:.0} hours of simulated time, {} steps, in {seconds:.1} s: {:.0} histories/s",
        hours,
        total.cover.steps,
        histories as f64 / seconds
    );
    println!("wakes {}, of them without effect {}", total.cover.wakes, total.cover.idle_wakes);
    let mut failed = total.failed.len() as u64;
    if histories >= 2_000 {
        failed += population(total, args);
    }
    println!("{} passed, {failed} failed", total.passed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What only many histories together can show.
fn population(total: &Share, _args: &Args) -> u64 {
    let mut failed = 0;
    for word in total.cover.missing() {
        println!("never reached: {word}");
        failed += 1;
    }
    let (sum, count) = total.cover.jitter;
    if count > 100 {
        let mean = sum / count;
        println!("back-off from the third attempt on: {count} waits, {mean} ‰ of their ceiling on average");
        if !(400..=600).contains(&mean) {
            println!("full jitter over the right ceiling would average 500 ‰");
            failed += 1;
        }
    }
    failed
}
