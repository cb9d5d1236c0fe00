//! `cargo xtask package c`: what a studio downloads. An archive with header, both libraries, CMake package, pkg-config file, the licences of
//! everything inside, and a bill of materials; then, from the unpacked archive, the tests' game is linked in three ways and played.
//!
//! For the machine it runs on. What is inside is listed in [`contents`]. `package cocos` is in [`mod@cocos`].

mod cocos;
mod contents;
pub(crate) mod own_symbols;

use crate::process::{self, CommandLine};
use anyhow::{Context, Result, ensure};
use contents::Contents;
use std::fs;
use std::path::{Path, PathBuf};

const PROFILE: &str = "c-library";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum What {
    /// The C library
    C,
    /// The Cocos Creator extension, with the C library of each platform that can be built here
    Cocos,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    what: What,
    /// cocos: this target alone (may be given more than once)
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// c: build the standard library anew for size, a tenth less (needs the component rust-src; the compiler calls it unstable)
    #[arg(long)]
    rebuild_std: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    match arguments.what {
        What::C => c(arguments.rebuild_std),
        What::Cocos => cocos::run(&arguments.targets),
    }
}

fn c(rebuild_std: bool) -> Result<bool> {
    let target = process::target();
    let contents = Contents::of("castline-c")?;
    let mut build = CommandLine::cargo("build --package castline-c --profile").arg(PROFILE);
    let mut libraries = target.join(PROFILE);
    if rebuild_std {
        // The switch that lets a stable compiler do it. Unwinding stays: a panic is caught at the boundary.
        build = build
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["-Zbuild-std=std,panic_unwind", "-Zbuild-std-features=optimize_for_size", "--target"])
            .arg(&contents.triple);
        libraries = target.join(&contents.triple).join(PROFILE);
    }
    let server = CommandLine::cargo("build --package castline-server");
    if !build.run()? || !server.run()? {
        return Ok(false);
    }
    let name = format!("castline-c-{}-{}", contents.version, contents.triple);
    let out = target.join("package");
    let root = out.join(&name);
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    lay_out(&root, &libraries, &contents)?;

    let archive = out.join(format!("{name}.tar.gz"));
    let tar = CommandLine::new("tar").arg("-czf").arg(&archive).arg("-C").arg(&out).arg(&name);
    ensure!(tar.run()?, "`{tar}` failed");
    println!(
        "{}: {} bytes, {} components",
        archive.display(),
        fs::metadata(&archive)?.len(),
        contents.components.len()
    );
    play(&archive, &out.join("unpacked"), &name, &contents.version)
}

/// The folder that is packed.
fn lay_out(root: &Path, libraries: &Path, contents: &Contents) -> Result<()> {
    let source = process::root();
    let put = |from: PathBuf, to: &str| -> Result<()> {
        let to = root.join(to);
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::copy(&from, &to).with_context(|| format!("{} could not be copied", from.display()))?;
        Ok(())
    };
    for header in ["castline.h", "castline.hpp"] {
        put(source.join("include").join(header), &format!("include/{header}"))?;
    }
    put(libraries.join("libcastline.so"), "lib/libcastline.so")?;
    own_symbols::localise(&libraries.join("libcastline.a"), &root.join("lib/libcastline.a"))?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        put(source.join(licence), licence)?;
    }
    put(source.join("bindings/c/README.md"), "README.md")?;
    put(source.join("bindings/c/tests/game_loop.c"), "tests/game_loop.c")?;
    put(source.join("bindings/c/package/CastlineConfig.cmake"), "lib/cmake/Castline/CastlineConfig.cmake")?;
    for (template, to) in [
        ("CastlineConfigVersion.cmake.in", "lib/cmake/Castline/CastlineConfigVersion.cmake"),
        ("castline.pc.in", "lib/pkgconfig/castline.pc"),
    ] {
        let text = fs::read_to_string(source.join("bindings/c/package").join(template))?;
        let to = root.join(to);
        fs::create_dir_all(to.parent().context("a file has a folder")?)?;
        fs::write(to, text.replace("@VERSION@", &contents.version))?;
    }
    fs::write(root.join("THIRD-PARTY.txt"), contents.licences()?)?;
    fs::write(root.join("castline-c.cdx.json"), contents.bill_of_materials())?;
    Ok(())
}

/// A package that does not link is none: unpacks it elsewhere, builds the game with what is in it, and plays.
fn play(archive: &Path, place: &Path, name: &str, version: &str) -> Result<bool> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    fs::create_dir_all(place)?;
    let unpacked = place.join(name);
    let build = place.join("build");
    let setting = |name: &str, value: &Path| format!("-D{name}={}", value.display());
    let commands = [
        CommandLine::new("tar").arg("-xzf").arg(archive).arg("-C").arg(place),
        CommandLine::new("cmake")
            .args(["-S", "bindings/c/tests/package", "-B"])
            .arg(&build)
            .arg(setting("CMAKE_PREFIX_PATH", &unpacked))
            .arg(setting("CASTLINE_SERVER", &process::target().join("debug/castline-server")))
            .arg(format!("-DCASTLINE_VERSION={version}")),
        CommandLine::new("cmake").arg("--build").arg(&build),
        CommandLine::new("ctest")
            .arg("--test-dir")
            .arg(&build)
            .args(["--output-on-failure", "--no-tests=error"]),
    ];
    for command in commands {
        if !command.run()? {
            println!("FAILED: {command}");
            return Ok(false);
        }
    }
    Ok(true)
}
