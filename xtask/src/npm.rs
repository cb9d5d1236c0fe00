//! `cargo xtask npm build|test|bundlers|soak`: the npm package, from the module to the files that are published, and its tests in Node.js,
//! Chromium, Firefox and WebKit.
//! What is built and tested is in `bindings/wasm`; this file knows the order.

use crate::bench;
use crate::process::{self, CommandLine};
use crate::tools::Tool;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "wasm";
pub(crate) const PACKAGE: &str = "bindings/wasm/npm";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum What {
    /// Fill bindings/wasm/npm/dist
    Build,
    /// Build it, and test it in Node.js, Chromium, Firefox and WebKit against the real server
    Test,
    /// Install the packed package in fresh projects of Vite, webpack and esbuild; `test` tries Vite alone
    Bundlers,
    /// Ten times the connect and close cycles that `test` runs
    Soak,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    what: What,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    match arguments.what {
        What::Build => build(),
        What::Test => test(),
        What::Bundlers => long("test/bundlers.test.mjs"),
        What::Soak => long("test/leaks.test.mjs"),
    }
}

/// The package's `dist`.
pub(crate) fn build() -> Result<bool> {
    if !module()? || !install(PACKAGE)? {
        return Ok(false);
    }
    CommandLine::new("node").arg(format!("{PACKAGE}/build.mjs")).run()
}

/// What makes the module small beside the profile's settings. The standard library is built anew, for size: the one that comes with the
/// compiler is built for speed, and a panic in it writes a message that nobody reads. A panic is a trap at once here, which the package
/// turns into an inert client. A seventh of the module in all; the compiler calls all of it unstable, and it touches nothing but this build.
/// Functions of the libraries are made anew too, and not shared, so that the optimiser sees the whole: 4 % of the module. No object of
/// JavaScript's crosses, so there need be no table of them. Half a megabyte of stack is five times what the deepest call takes (JSON of 1,024
/// levels, 100 KB), and keeps the data's addresses below 2²⁰: a byte less for each.
const FLAGS: &str = "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=none -Zshare-generics=no \
                     -Ctarget-feature=-reference-types -Clink-arg=--demangle \
                     -Clink-arg=-zstack-size=524288";
const BUILD_STD: [&str; 2] = ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"];

/// The module and its JavaScript in the package's `generated`.
fn module() -> Result<bool> {
    if Tool::RustSrc.found().is_none() {
        bail!("the standard library's source is missing; get it by `{}`", Tool::RustSrc.install());
    }
    let made = CommandLine::cargo("build --package castline-wasm")
        .args(["--profile", PROFILE, "--target", TARGET])
        .args(BUILD_STD)
        // The switch that lets a stable compiler do it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", FLAGS)
        .run()?;
    let module = process::target().join(TARGET).join(PROFILE).join("castline_wasm.wasm");
    let generated = process::root().join(PACKAGE).join("generated");
    if generated.exists() {
        fs::remove_dir_all(&generated).with_context(|| format!("cannot remove {}", generated.display()))?;
    }
    Ok(made
        && CommandLine::cargo("run --quiet --package castline-bindgen --")
            .arg(module)
            .arg(generated)
            .run()?)
}

/// `npm ci` in a folder of the repository, unless what is there is what its lock file says.
pub(crate) fn install(folder: &str) -> Result<bool> {
    let package: PathBuf = process::root().join(folder);
    let lock = fs::read(package.join("package-lock.json"))
        .with_context(|| format!("{folder} has no package-lock.json"))?;
    let stamp = package.join("node_modules/.castline-lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(true);
    }
    let ci = CommandLine::new("npm").args(["--prefix", folder, "ci"]).args([
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]);
    if !ci.run()? {
        return Ok(false);
    }
    fs::write(stamp, lock).context("cannot note what was installed")?;
    Ok(true)
}

/// The package and the server that it is tested against.
fn ready() -> Result<bool> {
    Ok(build()? && CommandLine::cargo("build --package castline-server").run()?)
}

fn test() -> Result<bool> {
    if !ready()? {
        return Ok(false);
    }
    let small_enough = CommandLine::new("node").arg(format!("{PACKAGE}/size.mjs")).arg("--check").run()?;
    let good = CommandLine::new("npm")
        .args(["--prefix", PACKAGE, "test", "--silent"])
        .env("CASTLINE_BUNDLERS", "vite")
        .run()?;
    Ok(bench::try_web()? && good && small_enough)
}

/// A file of tests at its full length.
fn long(file: &str) -> Result<bool> {
    let tests = CommandLine::new("node").args(["--test", "--test-reporter=spec"]);
    Ok(ready()? && tests.arg(format!("{PACKAGE}/{file}")).env("CASTLINE_CYCLES", "10000").run()?)
}

/// `cargo xtask size`: what a player loads, against the budget, and what the module is made of.
pub(crate) fn size() -> Result<bool> {
    Ok(build()? && CommandLine::new("node").arg(format!("{PACKAGE}/size.mjs")).run()?)
}
