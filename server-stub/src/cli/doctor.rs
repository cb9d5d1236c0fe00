//! `castline-server doctor`: what is found, a line each or as JSON; exit code 1 where something must be done first.

use std::process::ExitCode;

use clap::Args;

use super::{print, wait};
use crate::config::ConfigArguments;
use crate::doctor::{Findings, Level, examine};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// As JSON: a list of {check, level, detail, remedy}.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArguments,
}

impl Doctor {
    pub(super) fn obey(self) -> anyhow::Result<ExitCode> {
        let found = match self.config.load() {
            Ok(effective) => wait(async { Ok(examine(&effective).await) })?,
            Err(error) => {
                let mut found = Findings::default();
                for problem in error.problems {
                    found.fail("configuration", problem, "correct it; the rest is looked at then");
                }
                found
            }
        };
        if self.json {
            print(&format!("{}\n", serde_json::to_string_pretty(&found.0)?));
        } else {
            print(&lines(&found));
        }
        let failed = found.0.iter().any(|finding| finding.level == Level::Fail);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn lines(found: &Findings) -> String {
    let line = |finding: &crate::doctor::Finding| {
        let level = match finding.level {
            Level::Ok => "ok  ",
            Level::Warn => "WARN",
            Level::Fail => "FAIL",
        };
        let remedy = finding.remedy.as_ref().map_or(String::new(), |remedy| format!("\n      → {remedy}"));
        format!("{level}  {}: {}{remedy}\n", finding.check, finding.detail)
    };
    found.0.iter().map(line).collect()
}
