//! The command line: without a sub-command the server runs. It reads what is asked, says what came of it, and decides the exit
//! code; what is done is decided elsewhere.
//!
//! A new sub-command is a file here, a variant of `Command` and an arm of `obey`. One that needs the settings (the data
//! directory, or the operators' address and key) flattens [`ConfigArguments`].

mod backup;
mod doctor;
mod health;
mod operate;
mod reload;
mod restore;
mod run;
mod systemd;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{ConfigArguments, ConfigError, sample};

/// The command line was not understood.
const USAGE: u8 = 2;
/// A second signal came while the server drained.
const ENDED_EARLY: u8 = 3;
/// The configuration is wrong: a restart does not help. `EX_CONFIG` of sysexits.h.
const BAD_CONFIGURATION: u8 = 78;

/// The reference server of Castline.
#[derive(Debug, Parser)]
#[command(name = "castline-server", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

/// Runs the server.
#[derive(Debug, clap::Args)]
struct Run {
    /// Show the configuration in force, with the origin of every value, and end. Secrets are masked.
    #[arg(long)]
    print_config: bool,
    /// Say whether the configuration is in order, and end.
    #[arg(long)]
    check_config: bool,
    /// Show a configuration file with every setting, its meaning and its default, and end.
    #[arg(long)]
    sample_config: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Copy the database to a new file, while the server runs or not.
    Backup(backup::Backup),
    #[command(flatten)]
    Operate(operate::Operate),
    /// Put a backup into the data directory. No server may run on it.
    Restore(restore::Restore),
    /// Look at the configuration and the machine, and say what to do about what is found.
    Doctor(doctor::Doctor),
    /// Ask the server on this machine whether it lives; for health checks.
    Health(health::Health),
}

/// What the binary does.
pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    match obey(line) {
        Ok(code) => code,
        Err(error) => {
            say(&format_args!("error: {error:#}"));
            match error.downcast_ref::<ConfigError>() {
                Some(_) => BAD_CONFIGURATION.into(),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn obey(line: CommandLine) -> anyhow::Result<ExitCode> {
    match line.command {
        None => line.run.obey(),
        Some(Command::Backup(backup)) => backup.obey(),
        Some(Command::Operate(operate)) => Ok(operate.obey()),
        Some(Command::Restore(restore)) => restore.obey(),
        Some(Command::Doctor(doctor)) => doctor.obey(),
        Some(Command::Health(health)) => health.obey(),
    }
}

impl Run {
    fn obey(self) -> anyhow::Result<ExitCode> {
        if self.sample_config {
            print(&sample());
            return Ok(ExitCode::SUCCESS);
        }
        let effective = self.config.clone().load()?;
        if self.print_config {
            print(&effective.to_string());
        }
        if self.print_config || self.check_config {
            for warning in &effective.warnings {
                say(&format_args!("warning: {warning}"));
            }
        }
        effective.check()?;
        if self.check_config {
            print("the configuration is in order\n");
        }
        if self.print_config || self.check_config {
            return Ok(ExitCode::SUCCESS);
        }
        run::run(effective, &self.config)
    }
}

/// To stdout. Nobody has to read it.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// To stderr.
fn say(what: &dyn std::fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr().lock(), "{what}");
}

/// A small runtime for a command that waits for something.
fn wait<T>(until: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(until)
}
