//! The tools that the test command needs beside a Rust toolchain: which version is known to work, whether it is there, how to get it.

use crate::process::CommandLine;
use clap::ValueEnum;
use std::fmt;

/// A tool that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    Rustfmt,
    Clippy,
    /// The target `wasm32-unknown-unknown`
    Wasm,
    /// The source of the standard library, which is built for size with the npm package's module
    RustSrc,
    CargoDeny,
    CargoAudit,
    /// Python 3, which generates the vectors, with venv, in which schemathesis is installed
    Python,
    /// Prints the C header
    Cbindgen,
    /// CMake and CTest, for the C tests
    Cmake,
    /// The C tests run under it as well
    Valgrind,
    /// The second C compiler, beside the system's own
    Clang,
    /// Node.js 20 or newer with npm, for OpenFeature's own providers
    Node,
    /// The browser in which the operators' console and the npm package are tried
    Chromium,
    /// The second browser for the npm package
    FirefoxEsr,
    /// The third one: WebKit with its WebDriver
    #[value(name = "webkit2gtk-driver")]
    WebKitDriver,
    /// The display that it wants
    Xvfb,
}

impl Tool {
    pub(crate) const ALL: [Tool; 16] = [
        Tool::Rustfmt,
        Tool::Clippy,
        Tool::Wasm,
        Tool::RustSrc,
        Tool::CargoDeny,
        Tool::CargoAudit,
        Tool::Python,
        Tool::Cbindgen,
        Tool::Cmake,
        Tool::Valgrind,
        Tool::Clang,
        Tool::Node,
        Tool::Chromium,
        Tool::FirefoxEsr,
        Tool::WebKitDriver,
        Tool::Xvfb,
    ];

    /// What is there, in the tool's own words; `None`: nothing.
    pub(crate) fn found(self) -> Option<String> {
        match self {
            Tool::Rustfmt => first_line(&CommandLine::cargo("fmt --version")),
            Tool::Clippy => first_line(&CommandLine::cargo("clippy --version")),
            Tool::CargoDeny => first_line(&CommandLine::cargo("deny --version")),
            Tool::CargoAudit => first_line(&CommandLine::cargo("audit --version")),
            Tool::Python => first_line(&CommandLine::new("python3").args([
                "-c",
                "import ensurepip, platform; print('Python', platform.python_version(), 'with venv')",
            ])),
            Tool::Cbindgen
            | Tool::Cmake
            | Tool::Valgrind
            | Tool::Clang
            | Tool::Chromium
            | Tool::FirefoxEsr => first_line(&CommandLine::new(self.to_string()).arg("--version")),
            // These two do not tell their versions.
            Tool::WebKitDriver => in_path("WebKitWebDriver"),
            Tool::Xvfb => in_path("Xvfb"),
            Tool::Node => {
                first_line(&CommandLine::new("npm").arg("--version"))?;
                first_line(&CommandLine::new("node").arg("--version"))
                    .filter(|version| is_new_enough(version))
            }
            // The compiler is asked, not rustup, which a distribution's Rust does not come with.
            Tool::Wasm => in_toolchain(&format!("{WASM}/lib"), WASM),
            Tool::RustSrc => in_toolchain("src/rust/library/std", "rust-src"),
        }
    }

    /// The version that [`Self::install`] installs; `None` where the toolchain brings its own.
    pub(crate) fn pinned(self) -> Option<&'static str> {
        match self {
            Tool::CargoDeny => Some("0.20.2"),
            Tool::CargoAudit => Some("0.22.2"),
            Tool::Cbindgen => Some("0.29.4"),
            Tool::Rustfmt
            | Tool::Clippy
            | Tool::Wasm
            | Tool::RustSrc
            | Tool::Python
            | Tool::Cmake
            | Tool::Valgrind
            | Tool::Clang
            | Tool::Node
            | Tool::Chromium
            | Tool::FirefoxEsr
            | Tool::WebKitDriver
            | Tool::Xvfb => None,
        }
    }

    /// The command that gets it. The tools are built once and run for seconds, so they are built fast rather than to be fast.
    pub(crate) fn install(self) -> CommandLine {
        let rustup = CommandLine::new("rustup");
        match self {
            Tool::Rustfmt => rustup.args(["component", "add", "rustfmt"]),
            Tool::Clippy => rustup.args(["component", "add", "clippy"]),
            Tool::Wasm => rustup.args(["target", "add", WASM]),
            Tool::RustSrc => rustup.args(["component", "add", "rust-src"]),
            Tool::Python => CommandLine::new("apt-get").args(["install", "--yes", "python3", "python3-venv"]),
            Tool::Cmake
            | Tool::Valgrind
            | Tool::Clang
            | Tool::Chromium
            | Tool::FirefoxEsr
            | Tool::WebKitDriver
            | Tool::Xvfb => CommandLine::new("apt-get").args(["install", "--yes"]).arg(self.to_string()),
            // A distribution's may be too old; then it is the machine's affair to have a newer one.
            Tool::Node => CommandLine::new("apt-get").args(["install", "--yes", "nodejs", "npm"]),
            Tool::CargoDeny | Tool::CargoAudit | Tool::Cbindgen => {
                CommandLine::cargo("install --locked --force")
                    .arg(format!("{self}@{}", self.pinned().unwrap_or_default()))
                    .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                    .env("CARGO_PROFILE_RELEASE_LTO", "off")
                    .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            }
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tool::Rustfmt => "rustfmt",
            Tool::Clippy => "clippy",
            Tool::Wasm => "wasm",
            Tool::RustSrc => "rust-src",
            Tool::CargoDeny => "cargo-deny",
            Tool::CargoAudit => "cargo-audit",
            Tool::Python => "python",
            Tool::Cbindgen => "cbindgen",
            Tool::Cmake => "cmake",
            Tool::Valgrind => "valgrind",
            Tool::Clang => "clang",
            Tool::Node => "node",
            Tool::Chromium => "chromium",
            Tool::FirefoxEsr => "firefox-esr",
            Tool::WebKitDriver => "webkit2gtk-driver",
            Tool::Xvfb => "xvfb",
        })
    }
}

const WASM: &str = "wasm32-unknown-unknown";

/// Whether a version of Node.js, `v20.11.1`, can run the providers' tests.
fn is_new_enough(version: &str) -> bool {
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_some_and(|major| major >= 20)
}

/// `name`, where the toolchain has this folder.
fn in_toolchain(folder: &str, name: &str) -> Option<String> {
    let sysroot = first_line(&CommandLine::new("rustc").args(["--print", "sysroot"]))?;
    std::path::Path::new(&sysroot).join("lib/rustlib").join(folder).is_dir().then(|| name.to_owned())
}

/// Where a program is.
fn in_path(program: &str) -> Option<String> {
    first_line(&CommandLine::new("sh").args(["-c", "command -v \"$0\"", program]))
}

fn first_line(command: &CommandLine) -> Option<String> {
    command.output()?.lines().next().map(|line| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_install_line_names_the_pinned_version() {
        assert!(
            Tool::CargoDeny
                .install()
                .to_string()
                .ends_with("cargo install --locked --force cargo-deny@0.20.2")
        );
        assert_eq!(Tool::Wasm.install().to_string(), "rustup target add wasm32-unknown-unknown");
    }

    #[test]
    fn node_18_is_too_old() {
        assert!(is_new_enough("v20.11.1") && is_new_enough("v100.0.0"));
        assert!(!is_new_enough("v18.19.0") && !is_new_enough("node"));
    }

    #[test]
    fn a_tool_is_named_the_same_on_the_command_line_and_in_messages() {
        for tool in Tool::ALL {
            let named = tool.to_possible_value().expect("no tool is hidden");
            assert_eq!(named.get_name(), tool.to_string());
        }
    }
}
