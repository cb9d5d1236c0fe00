//! `cargo xtask fuzz c`: random call sequences and hostile texts against the C library, guided by what they reach. The calls and what must hold
//! after each are in `bindings/c/tests/fuzz.c`; the C tests play a fixed series of the same.
//!
//! The library is built with coverage counters, which stable Rust can; the C side is under AddressSanitizer and UndefinedBehaviorSanitizer,
//! which also watch over what the library takes from and gives back to the heap, but not over each of its own accesses.

use crate::process::{self, CommandLine};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum What {
    /// The C library
    C,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    what: What,
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Some clients are connected to a real server
    #[arg(long)]
    server: bool,
    /// Play these inputs again, instead of looking for new ones
    #[arg(value_name = "FILE")]
    inputs: Vec<PathBuf>,
}

/// What cargo-fuzz asks the compiler for.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                        -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let What::C = arguments.what;
    let host = CommandLine::new("rustc").args(["--print", "host-tuple"]).output();
    let host = host.context("`rustc --print host-tuple` failed")?;
    let host = host.trim();
    let folder = process::target().join("fuzz");
    let corpus = folder.join("corpus");
    fs::create_dir_all(&corpus)?;
    // With a target named, build scripts are spared the counters; with a folder of its own, everybody else's build is.
    let library = CommandLine::cargo("rustc --package castline-c --lib --crate-type staticlib --target")
        .arg(host)
        .arg("--target-dir")
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE);
    let program = folder.join("fuzz-c");
    let link = CommandLine::new("clang")
        .args(["-std=c99", "-g", "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"])
        .args(["-Iinclude", "bindings/c/tests/fuzz.c", "bindings/c/tests/support.c"])
        .arg(folder.join(host).join("debug/libcastline.a"))
        .args(["-lpthread", "-ldl", "-lm", "-o"])
        .arg(&program);
    if !library.run()? {
        return Ok(false);
    }
    if !link.run()? {
        bail!(
            "`{link}` failed; where clang has no libFuzzer: apt-get install --yes libclang-rt-dev (Debian 12: libclang-rt-14-dev)"
        );
    }
    // What a client that was just closed still holds is no leak, and looking for leaks after each input would find it.
    let mut fuzz = CommandLine::new(&program).args([
        "-detect_leaks=0",
        "-max_len=2048",
        "-timeout=30",
        "-print_final_stats=1",
    ]);
    if arguments.server {
        if !CommandLine::cargo("build --package castline-server").run()? {
            return Ok(false);
        }
        let server = process::target().join("debug/castline-server");
        fuzz = fuzz.env("CASTLINE_SERVER", server.display().to_string()).env("FUZZ_WITH_SERVER", "1");
    }
    fuzz = match arguments.inputs.is_empty() {
        true => fuzz
            .arg(format!("-max_total_time={}", arguments.seconds))
            .arg(format!("-artifact_prefix={}/found-", folder.display()))
            .arg(&corpus),
        false => fuzz.args(&arguments.inputs),
    };
    let good = fuzz.run()?;
    if !good {
        println!("FAILED; repeat: cargo xtask fuzz c {}/found-…", folder.display());
    }
    Ok(good)
}
