//! `cargo xtask cocos`: everything about the Cocos Creator extension that a machine without Cocos Creator can check. Its TypeScript against the
//! types of the engine, its configuration against what the engine's build reads, its native code against the declarations in
//! `tests/engine` with two compilers, and the whole of it at work: [`play`] runs the stories in a small host over QuickJS.
//! Then [`fish`] plays the example without scripts, `examples/cocos-native`.
//!
//! Against the engine's own headers it is compiled by [`glue`]. What a developer downloads is put together in `package`.

pub(crate) mod glue;
pub(crate) mod layout;

use crate::npm;
use crate::process::{self, CommandLine};
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(crate) const EXTENSION: &str = "examples/cocos-extension";
const TESTS: &str = "examples/cocos-extension/tests";

pub(crate) fn run() -> Result<bool> {
    let out = process::target().join("cocos");
    let scripts = out.join("scripts");
    let built = CommandLine::cargo("build --package castline-c --package castline-server");
    Ok(layout::check()?
        && npm::install(TESTS)?
        && CommandLine::new("node")
            .arg(format!("{TESTS}/node_modules/typescript/bin/tsc"))
            .args(["--project", TESTS, "--outDir"])
            .arg(&scripts)
            .run()?
        && compiles("clang++")?
        && built.run()?
        && layout::configures(&out)?
        && play(&out, &scripts)?
        && fish(&out)?)
}

/// The plugin's sources, in the order of their names.
pub(crate) fn sources() -> Result<Vec<PathBuf>> {
    let folder = process::root().join(EXTENSION).join("native/glue");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cpp"));
    files.sort();
    Ok(files)
}

/// With the second compiler; the first one builds the host.
fn compiles(compiler: &str) -> Result<bool> {
    CommandLine::new(compiler)
        .args(["-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Iinclude"])
        .arg(format!("-I{TESTS}/engine"))
        .args(sources()?)
        .run()
}

/// Builds the host with sanitizers and runs each story.
fn play(out: &Path, scripts: &Path) -> Result<bool> {
    let build = out.join("host");
    let libraries = process::target().join("debug");
    let setting = |name: &str, path: &Path| format!("-D{name}={}", path.display());
    let configure = CommandLine::new("cmake")
        .args(["-S", &format!("{TESTS}/host"), "-B"])
        .arg(&build)
        .arg(setting("CASTLINE_LIBRARY_DIR", &libraries))
        .arg(setting("CASTLINE_SERVER", &libraries.join("castline-server")))
        .arg(setting("CASTLINE_SCRIPTS", scripts))
        .arg(setting("QUICKJS_DIR", &quickjs()?))
        .arg("-DCASTLINE_SANITIZE=address,undefined");
    let make = CommandLine::new("cmake").arg("--build").arg(&build).args(["--parallel", "2"]);
    // Most of a story is waiting.
    let test = CommandLine::new("ctest").arg("--test-dir").arg(&build).args([
        "--output-on-failure",
        "--no-tests=error",
        "--parallel",
        "8",
    ]);
    Ok(configure.run_quietly()? && make.run_quietly()? && test.run()?)
}

/// The C++ side without scripts: `examples/cocos-native`.
fn fish(out: &Path) -> Result<bool> {
    let build = out.join("fishing");
    let libraries = process::target().join("debug");
    let configure = CommandLine::new("cmake")
        .args(["-S", "examples/cocos-native", "-DCMAKE_BUILD_TYPE=Release", "-B"])
        .arg(&build)
        .arg(format!("-DCASTLINE_LIBRARY_DIR={}", libraries.display()))
        .arg(format!("-DCASTLINE_SERVER={}", libraries.join("castline-server").display()));
    let make = CommandLine::new("cmake").arg("--build").arg(&build).args(["--parallel", "2"]);
    let test =
        CommandLine::new("ctest").arg("--test-dir").arg(&build).args(["--verbose", "--no-tests=error"]);
    Ok(configure.run_quietly()? && make.run_quietly()? && test.run()?)
}

/// QuickJS's sources, at the version in Cargo.lock: the crate that brings them is fetched like any other and never built.
fn quickjs() -> Result<PathBuf> {
    let metadata = CommandLine::cargo("metadata --format-version 1 --locked");
    let listed = metadata.output().with_context(|| format!("`{metadata}` failed"))?;
    let listed: Value = serde_json::from_str(&listed)?;
    let packages = listed["packages"].as_array().into_iter().flatten();
    let manifest = packages
        .filter(|package| package["name"] == "rquickjs-sys")
        .find_map(|package| package["manifest_path"].as_str())
        .context("rquickjs-sys is not in Cargo.lock")?;
    Ok(Path::new(manifest).with_file_name("quickjs"))
}
