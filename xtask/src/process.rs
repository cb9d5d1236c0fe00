//! Starting other programs: where they run, what they print, how their tests are counted.
//!
//! What a program prints goes through to the terminal line by line while it runs. Whether a result is good is decided in `test`.

use anyhow::{Context, Result};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The root of the workspace. Asked at run time, so that a copied `target` directory never works on the folder that it came from.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    match here.as_deref().and_then(std::path::Path::parent) {
        Some(root) => root.to_path_buf(),
        None => PathBuf::from("."),
    }
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that started this program, so that a `cargo +toolchain xtask` stays on that toolchain.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// One command line, in the root of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
}

impl CommandLine {
    pub(crate) fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), arguments: Vec::new(), environment: Vec::new() }
    }

    /// `cargo` with the words of `line`; an argument that may hold a space is added by [`Self::arg`].
    pub(crate) fn cargo(line: &str) -> Self {
        Self::new(cargo()).args(line.split_whitespace())
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(root());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null());
        command
    }

    /// Runs it with its output on the terminal. `Ok(false)`: it ended badly. `Err`: it could not be started.
    pub(crate) fn run(&self) -> Result<bool> {
        let status = self.command().status().with_context(|| format!("could not start `{self}`"))?;
        Ok(status.success())
    }

    /// As [`Self::run`], but what it prints is shown only where it ends badly.
    pub(crate) fn run_quietly(&self) -> Result<bool> {
        let output = self.command().output().with_context(|| format!("could not start `{self}`"))?;
        if !output.status.success() {
            println!("{self}\n{}", String::from_utf8_lossy(&output.stdout));
            println!("{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.status.success())
    }

    /// Runs it and gives what it printed on standard output, `None` when it ended badly or could not be started.
    pub(crate) fn output(&self) -> Option<String> {
        let output = self.command().stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// As [`Self::run`], and hands each line of standard output to `each` after it was shown.
    pub(crate) fn run_reading(&self, mut each: impl FnMut(&str)) -> Result<bool> {
        let mut child = self
            .command()
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start `{self}`"))?;
        let mut from = BufReader::new(child.stdout.take().context("standard output is not a pipe")?);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line)? != 0 {
            let mut terminal = std::io::stdout().lock();
            terminal.write_all(&line)?;
            terminal.flush()?;
            each(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        Ok(child.wait()?.success())
    }
}

impl fmt::Display for CommandLine {
    /// As one would type it in a shell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(f, "{name}={} ", quoted(OsStr::new(value)))?;
        }
        let program = if self.program == cargo() { OsStr::new("cargo") } else { &self.program };
        write!(f, "{}", quoted(program))?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {}", quoted(argument)))
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A program of the workspace, built as a game is shipped.
pub(crate) fn release(package: &str, arguments: &[OsString]) -> CommandLine {
    CommandLine::cargo("run --quiet --release --package")
        .arg(package)
        .arg("--")
        .args(arguments.iter().cloned())
}

pub(crate) fn run_release(package: &str, arguments: &[OsString]) -> Result<bool> {
    release(package, arguments).run()
}

/// The load tool, against the server's binary as it is shipped (unless it is told of a server that runs already).
pub(crate) fn run_load(arguments: &[OsString]) -> Result<bool> {
    let mut arguments = arguments.to_vec();
    let elsewhere = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        ["--url", "--server"]
            .iter()
            .any(|name| argument == *name || argument.starts_with(&format!("{name}=")))
            || matches!(&*argument, "--help" | "-h")
    };
    if !arguments.iter().any(elsewhere) {
        if !CommandLine::cargo("build --quiet --release --package castline-server").run()? {
            return Ok(false);
        }
        arguments.extend(["--server".into(), target().join("release/castline-server").into_os_string()]);
    }
    let run = CommandLine::cargo("run --quiet --release --package castline-load --bin castline-load --");
    run.args(arguments).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_shown_as_one_would_type_it() {
        let line =
            CommandLine::cargo("doc --no-deps").arg("a b").arg("it's").env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line.to_string(), r"RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'a b' 'it'\''s'");
    }

    #[test]
    fn a_command_line_that_ends_badly_is_false_and_one_that_cannot_start_is_an_error() {
        let bad = CommandLine::cargo("no-such-command-of-cargo");
        assert_eq!(bad.output(), None);
        let missing = CommandLine::new("castline-no-such-program").run().unwrap_err();
        assert_eq!(missing.to_string(), "could not start `castline-no-such-program`");
    }

    #[test]
    fn lines_are_read_while_the_program_runs() {
        let mut lines = Vec::new();
        let good = CommandLine::cargo("--version").run_reading(|line| lines.push(line.to_owned())).unwrap();
        assert!(good);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("cargo "), "{lines:?}");
    }
}
