//! `cargo xtask test`: every check of the project, all of them run even if one fails, and counted at the end.
//!
//! The plan (which steps, in which order) is in [`plan`], the counting and the table in [`report`]. Here is what runs a step: a tool
//! that is missing is a failure with the line that installs it, never a silent skip.

mod plan;
mod report;

use crate::repository;
use crate::tools::Tool;
use anyhow::{Context, Result, bail};
use plan::{Action, Step};
use report::{Count, Outcome, Report, Verdict};
use std::path::PathBuf;
use std::time::Instant;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Do without this tool: the steps that need it are skipped, and counted so (refused when CI=true)
    #[arg(long, value_name = "TOOL")]
    without: Vec<Tool>,
    /// Run these steps alone (see --list)
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<String>,
    /// Name the steps and what each runs
    #[arg(long)]
    list: bool,
    /// A copy of the RustSec database on disk, where it cannot be downloaded
    #[arg(long, value_name = "DIRECTORY", env = "CASTLINE_ADVISORY_DB")]
    advisory_db: Option<PathBuf>,
    /// How many random histories the simulation plays
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    seeds: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    if ci && !arguments.without.is_empty() {
        bail!("--without is refused when CI=true: what is not checked there is not checked at all");
    }
    // Made absolute here, for the steps run in the root of the workspace, wherever this was called from.
    let advisory_db = match &arguments.advisory_db {
        Some(path) => Some(path.canonicalize().with_context(|| format!("--advisory-db {}", path.display()))?),
        None => None,
    };
    let mut steps = plan::steps(advisory_db.as_deref(), arguments.seeds);
    if let Some(unknown) = arguments.only.iter().find(|name| steps.iter().all(|step| step.name != **name)) {
        let names: Vec<_> = steps.iter().map(|step| step.name).collect();
        bail!("--only {unknown}: there is no such step; the steps are {}", names.join(", "));
    }
    if !arguments.only.is_empty() {
        steps.retain(|step| arguments.only.iter().any(|name| name == step.name));
    }
    if arguments.list {
        steps.iter().for_each(|step| println!("{:<14} {}", step.name, step.action));
        return Ok(true);
    }

    let mut report = Report::default();
    let all = steps.len();
    for (n, step) in steps.iter().enumerate() {
        println!("\n[{}/{all}] {}: {}", n + 1, step.name, step.action);
        let started = Instant::now();
        let verdict = run_step(step, &arguments.without);
        if let Verdict::Failed { why, .. } = &verdict {
            println!("{}: FAILED: {why}", step.name);
        }
        report.add(Outcome {
            name: step.name,
            again: step.action.to_string(),
            took: started.elapsed(),
            verdict,
        });
    }
    print!("\n{report}");
    Ok(report.good())
}

fn run_step(step: &Step, without: &[Tool]) -> Verdict {
    for tool in step.needs {
        if without.contains(tool) {
            return Verdict::Skipped { why: format!("--without {tool}") };
        }
        if tool.found().is_none() {
            return Verdict::failed(format!("{tool} is missing or too old; get it by `{}`", tool.install()));
        }
    }
    let mut count = Count::default();
    let mut last_line = String::new();
    let ended = match &step.action {
        Action::Repository => repository::check(),
        Action::Check(commands) => commands.iter().try_fold(true, |good, command| Ok(command.run()? && good)),
        Action::Tests(command) => command.run_reading(|line| count.read(line)),
        Action::Program(command) => command.run_reading(|line| {
            if !line.trim().is_empty() {
                line.trim().clone_into(&mut last_line);
            }
        }),
    };
    match (&step.action, ended) {
        (_, Err(error)) => Verdict::failed(format!("{error:#}")),
        (Action::Tests(_), Ok(good)) => Verdict::of_tests(good, count),
        // A program that says nothing has shown nothing.
        (Action::Program(_), Ok(true)) if last_line.is_empty() => {
            Verdict::failed("it ended well but printed nothing")
        }
        (_, Ok(true)) => Verdict::passed(last_line),
        (_, Ok(false)) => Verdict::failed("see above"),
    }
}
