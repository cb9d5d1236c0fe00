//! The steps of the test command, in their order: what fails fast comes first, what takes minutes last.
//!
//! Build time decides a lot here. `lints` and `docs` share one set of type-checked dependencies (all features), `tests` and `quickstart` one
//! set of built ones; only what a game or a simulation runs is built in release mode.

use crate::process::{self, CommandLine};
use crate::tools::Tool;
use std::fmt;
use std::path::Path;

pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) needs: &'static [Tool],
    pub(super) action: Action,
}

pub(super) enum Action {
    /// The look at the committed files.
    Repository,
    /// Commands that say by their exit code alone whether all is well; all of them run.
    Check(Vec<CommandLine>),
    /// A run of `cargo test`: its tests are counted.
    Tests(CommandLine),
    /// A program of ours that must end well and say what it did.
    Program(CommandLine),
}

pub(super) fn steps(advisory_db: Option<&Path>, seeds: u64) -> Vec<Step> {
    let cargo = CommandLine::cargo;
    let check = |name, needs, commands| Step { name, needs, action: Action::Check(commands) };
    let simulate = |arguments: &[&str]| {
        let arguments: Vec<_> = arguments.iter().map(Into::into).collect();
        Action::Program(process::release("castline-simulation", &arguments))
    };
    let audit = match advisory_db {
        Some(path) => cargo("audit --no-fetch --db").arg(path),
        None => cargo("audit"),
    };
    vec![
        check("format", &[Tool::Rustfmt], vec![cargo("fmt --all --check")]),
        Step { name: "repository", needs: &[], action: Action::Repository },
        // They are written by code that shares nothing with Castline, and are still what that code writes.
        check(
            "vectors",
            &[Tool::Python],
            vec![CommandLine::new("python3").args(["tests/vectors/generate.py", "--check"])],
        ),
        check(
            "dependencies",
            &[Tool::CargoDeny],
            vec![
                cargo("deny --locked --all-features check --hide-inclusion-graph licenses bans sources"),
                // What a game links: no crate in two versions.
                cargo(
                    "deny --locked --manifest-path sdk-core/Cargo.toml --config deny.toml --exclude-dev check bans --deny duplicate",
                ),
            ],
        ),
        check("advisories", &[Tool::CargoAudit], vec![audit]),
        check(
            "lints",
            &[Tool::Clippy],
            vec![
                cargo("clippy --workspace --all-targets --all-features --keep-going -- -D warnings"),
                // The core as the other faces build it: no driver.
                cargo("clippy --package castline --no-default-features -- -D warnings"),
            ],
        ),
        check(
            "wasm",
            &[Tool::Wasm],
            vec![cargo("check --package castline --no-default-features --target wasm32-unknown-unknown")],
        ),
        check(
            "docs",
            &[],
            vec![
                cargo("doc --workspace --all-features --no-deps --keep-going")
                    .env("RUSTDOCFLAGS", "-D warnings"),
            ],
        ),
        Step { name: "tests", needs: &[], action: Action::Tests(cargo("test --workspace --no-fail-fast")) },
        Step {
            name: "openfeature",
            needs: &[Tool::Node],
            action: Action::Tests(cargo("test --package castline-server --test ofrep_providers")),
        },
        // What the server answers is what its OpenAPI documents say, by schemathesis.
        Step {
            name: "openapi",
            needs: &[Tool::Python],
            action: Action::Tests(cargo("test --package castline-server --test openapi_schemathesis")),
        },
        Step {
            name: "console",
            needs: &[Tool::Node, Tool::Chromium],
            action: Action::Tests(cargo("test --package castline-server --test console_browser")),
        },
        // With the features of the step `tests`, so that nothing is built twice.
        Step { name: "load", needs: &[], action: Action::Tests(cargo("test --workspace --test load_short")) },
        check("c-header", &[Tool::Cbindgen], vec![cargo("xtask header --check")]),
        check(
            "c-library",
            &[Tool::Cmake, Tool::Clang, Tool::Valgrind, Tool::Python],
            vec![cargo("xtask ctest")],
        ),
        check(
            "npm",
            &[
                Tool::Node,
                Tool::Python,
                Tool::Chromium,
                Tool::FirefoxEsr,
                Tool::WebKitDriver,
                Tool::Xvfb,
                Tool::Wasm,
                Tool::RustSrc,
            ],
            vec![cargo("xtask npm test")],
        ),
        check(
            "mini-app",
            &[Tool::Node, Tool::Chromium, Tool::WebKitDriver, Tool::Xvfb, Tool::Wasm, Tool::RustSrc],
            vec![cargo("xtask demo mini-app --test")],
        ),
        check("cocos", &[Tool::Cmake, Tool::Clang, Tool::Node], vec![cargo("xtask cocos")]),
        Step { name: "simulation", needs: &[], action: simulate(&["--seeds", &seeds.to_string()]) },
        Step { name: "mutants", needs: &[], action: simulate(&["--mutants"]) },
        Step {
            name: "quickstart",
            needs: &[],
            action: Action::Program(cargo("run --quiet --package quickstart")),
        },
    ]
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Repository => f.write_str("git grep (what no committed file may contain)"),
            Action::Tests(command) | Action::Program(command) => command.fmt(f),
            Action::Check(commands) => {
                let all: Vec<_> = commands.iter().map(ToString::to_string).collect();
                f.write_str(&all.join(" && "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_step_has_a_name_of_its_own() {
        let steps = steps(None, 1);
        let names: BTreeSet<_> = steps.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), steps.len());
    }

    #[test]
    fn a_database_on_disk_is_never_fetched_and_without_one_it_is() {
        let shown = |db: Option<&Path>| {
            let steps = steps(db, 1);
            steps.iter().find(|step| step.name == "advisories").map(|step| step.action.to_string())
        };
        assert_eq!(shown(Some(Path::new("/db"))).as_deref(), Some("cargo audit --no-fetch --db /db"));
        assert_eq!(shown(None).as_deref(), Some("cargo audit"));
    }
}
