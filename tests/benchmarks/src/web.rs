//! `cargo xtask bench web`: what `web/main.mjs` measured in a browser, as the same kind of tables. How it is measured, and what exactly is
//! compared, is told there.

use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::machine::{Machine, Moment};
use crate::report::{self, Aim, Row, Run, Section, Unit};
use crate::rounds::{Sides, median};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Seconds instead of minutes: for a look, and to see that everything still runs
    #[arg(long)]
    quick: bool,
    /// Keep the results in tests/benchmarks/RESULTS.md
    #[arg(long, conflicts_with = "quick")]
    write: bool,
    /// Measure one part alone: start, messages, flags or idle
    #[arg(long, conflicts_with = "write", value_name = "PART")]
    only: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (machine, start) = (Machine::look(), Moment::now());
    let command = crate::command_line();
    println!("{command}\n{}\nload average {}", machine.shape(), start.load());
    let mut node = Command::new("node");
    node.arg(crate::folder()?.join("web/main.mjs")).stdin(Stdio::null()).stderr(Stdio::inherit());
    node.args(arguments.quick.then_some("--quick"));
    node.args(arguments.only.iter().flat_map(|part| ["--only", part]));
    let output = node.output().context("node could not be started")?;
    ensure!(output.status.success(), "the measurement ended badly: {}", output.status);
    let measured: Measured = serde_json::from_slice(&output.stdout).context("not what main.mjs prints")?;
    let sections: Vec<Section> = measured.sections.into_iter().map(Part::section).collect();
    for section in &sections {
        println!("\n{}", section.title);
        section.rows.iter().for_each(|row| println!("{}", row.short()));
    }
    let end = Moment::now();
    let software = &measured.software;
    let run = Run { command: &command, machine: &machine, software, start: &start, end: &end };
    if arguments.write {
        crate::write_results(|old| report::with_browser(&report::browser(run, &sections), old))?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Measured {
    software: String,
    sections: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    title: String,
    explanation: String,
    rows: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    what: String,
    /// None: there is no counterpart.
    peer: Option<String>,
    unit: Unit,
    aim: Option<WebAim>,
    /// A value a round.
    ours: Vec<f64>,
    theirs: Option<Vec<f64>>,
    n: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum WebAim {
    Ratio(f64),
    AtMost(f64),
}

impl Part {
    fn section(self) -> Section {
        let rows = self.rows.into_iter().map(Line::row).collect();
        Section { title: self.title.into(), explanation: self.explanation.into(), rows }
    }
}

impl Line {
    fn row(self) -> Row {
        let nothing = self.theirs.as_ref().is_some_and(|theirs| median(theirs) == 0.0);
        let sides = Sides { ours: self.ours, peer: self.theirs.unwrap_or_default() };
        let mut summary = sides.summary();
        if nothing {
            // So many times nothing is no number.
            summary.ratio = f64::NAN;
        }
        let aim = match self.aim {
            None => Aim::None,
            Some(WebAim::Ratio(most)) => Aim::Ratio(most),
            Some(WebAim::AtMost(most)) => Aim::AtMost(most),
        };
        let peer = self.peer.unwrap_or_else(|| "–".to_owned());
        Row { what: self.what, peer, aim, unit: self.unit, summary, n: self.n }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Row {
        serde_json::from_str::<Line>(line).unwrap().row()
    }

    #[test]
    fn rounds_become_a_ratio_and_medians() {
        let row = row(
            r#"{"what":"w","peer":"p","unit":"us","aim":{"atMost":3},"ours":[2,6,2.5],"theirs":[1,3,1],"n":"3"}"#,
        );
        assert_eq!(row.short(), "  w: 2.00 (2.00–2.50) [2.50 µs / 1.00 µs]  against p  aim ≤ 3 µs: met");
    }

    #[test]
    fn without_a_peer_or_against_nothing_there_is_no_ratio() {
        let alone =
            row(r#"{"what":"w","peer":null,"unit":"ms","aim":null,"ours":[2],"theirs":null,"n":"1"}"#);
        assert_eq!(alone.short(), "  w: – [2.0 ms]  against –");
        let zero =
            row(r#"{"what":"w","peer":"p","unit":"count","aim":null,"ours":[4],"theirs":[0],"n":"1"}"#);
        assert_eq!(zero.short(), "  w: – [4 / 0]  against p");
    }
}
