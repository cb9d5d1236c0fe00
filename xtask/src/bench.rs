//! `cargo xtask bench`: against peers in Rust, or with `web` in a browser. What is measured is in `tests/benchmarks`; this file knows what must be
//! built before.

use crate::npm;
use crate::process::{self, CommandLine};
use anyhow::Result;
use std::ffi::OsString;

const PROGRAM: &str = "castline-benchmarks";
/// The measurements in a browser, and the clients that the package is compared with.
const WEB: &str = "tests/benchmarks/web";

pub(crate) fn run(arguments: &[OsString]) -> Result<bool> {
    if arguments.first().is_none_or(|first| first != "web") {
        return process::run_release(PROGRAM, arguments);
    }
    let server = CommandLine::cargo("build --quiet --release --package castline-server");
    if !npm::build()? || !npm::install(WEB)? || !server.run()? {
        return Ok(false);
    }
    let server = process::target().join("release/castline-server");
    process::release(PROGRAM, arguments).env("CASTLINE_SERVER", server.to_string_lossy()).run()
}

/// Whether the measurements in a browser still run; against the debug server, which must be built, as must be the package. The numbers
/// are for nobody.
pub(crate) fn try_web() -> Result<bool> {
    Ok(npm::install(WEB)?
        && CommandLine::new("node").arg(format!("{WEB}/main.mjs")).arg("--quick").run_quietly()?)
}
