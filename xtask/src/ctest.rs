//! `cargo xtask ctest`: the tests of the C library through CMake and CTest, against the real server: as they are, with the second compiler,
//! under the sanitizers and under Valgrind. What is tested is in `bindings/c/tests`.
//!
//! The sanitizers see the C side and what it hands to the library; the library's own code is not instrumented, which stable Rust cannot.
//! Valgrind sees both.

use crate::package::own_symbols;
use crate::process::{self, CommandLine};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// A build of the tests and a run of them.
struct Variant {
    name: &'static str,
    c: &'static str,
    cxx: &'static str,
    settings: &'static [&'static str],
}

const VARIANTS: &[Variant] = &[
    Variant { name: "gcc", c: "gcc", cxx: "g++", settings: &[] },
    Variant { name: "clang", c: "clang", cxx: "clang++", settings: &[] },
    Variant {
        name: "sanitizers",
        c: "gcc",
        cxx: "g++",
        settings: &["-DCASTLINE_SANITIZE=address,undefined"],
    },
    Variant { name: "threads", c: "gcc", cxx: "g++", settings: &["-DCASTLINE_SANITIZE=thread"] },
    Variant { name: "valgrind", c: "gcc", cxx: "g++", settings: &["-DCASTLINE_VALGRIND=ON"] },
];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// This variant alone: gcc, clang, sanitizers, threads, valgrind
    #[arg(long, value_name = "VARIANT")]
    only: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let chosen = |variant: &&Variant| arguments.only.as_deref().is_none_or(|name| name == variant.name);
    let variants: Vec<_> = VARIANTS.iter().filter(chosen).collect();
    if variants.is_empty() {
        let names: Vec<_> = VARIANTS.iter().map(|variant| variant.name).collect();
        bail!("there is no such variant; there are {}", names.join(", "));
    }
    if !CommandLine::cargo("build --package castline-c --package castline-server").run()? {
        return Ok(false);
    }
    let libraries = process::target().join("debug");
    let mut good = exports_are_ours(&libraries.join("libcastline.so"))?;
    // As it is packed.
    let archive = process::target().join("ctest/libcastline.a");
    own_symbols::localise(&libraries.join("libcastline.a"), &archive)?;
    for variant in variants {
        println!("\nC tests, {}", variant.name);
        if !test(variant, &libraries, &archive)? {
            println!("C tests, {}: FAILED; repeat: cargo xtask ctest --only {}", variant.name, variant.name);
            good = false;
        }
    }
    Ok(good)
}

fn test(variant: &Variant, libraries: &Path, archive: &Path) -> Result<bool> {
    let build = process::target().join("ctest").join(variant.name);
    let setting = |name: &str, path: &Path| format!("-D{name}={}", path.display());
    let configure = CommandLine::new("cmake")
        .args(["-S", "bindings/c/tests", "-B"])
        .arg(&build)
        .arg(setting("CASTLINE_LIBRARY_DIR", libraries))
        .arg(setting("CASTLINE_STATIC_LIBRARY", archive))
        .arg(setting("CASTLINE_SERVER", &libraries.join("castline-server")))
        .arg(format!("-DCMAKE_C_COMPILER={}", variant.c))
        .arg(format!("-DCMAKE_CXX_COMPILER={}", variant.cxx))
        .args(variant.settings.iter().copied());
    let make = CommandLine::new("cmake").arg("--build").arg(&build).args(["--parallel", "2"]);
    let test = CommandLine::new("ctest")
        .arg("--test-dir")
        .arg(&build)
        .args(["--output-on-failure", "--no-tests=error"]);
    Ok(configure.run_quietly()? && make.run_quietly()? && test.run()?)
}

/// A game links other libraries, too: nothing but `castline_*` may be visible.
fn exports_are_ours(library: &Path) -> Result<bool> {
    let command = CommandLine::new("nm").args(["--dynamic", "--defined-only", "--format=posix"]).arg(library);
    let listed = command.output().with_context(|| format!("`{command}` failed"))?;
    let names: Vec<_> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let others: Vec<_> = names.iter().filter(|name| !name.starts_with("castline_")).collect();
    println!(
        "{}: {} symbols exported, {} of them not castline_*",
        library.display(),
        names.len(),
        others.len()
    );
    others.iter().for_each(|name| println!("  {name}"));
    Ok(!names.is_empty() && others.is_empty())
}
