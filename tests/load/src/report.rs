//! Figures: a round's, their medians over rounds, as a table for a person, as JSON for a program, and as a section of the
//! benchmarks' page. What a figure says is decided where it is measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::machine::{Machine, Moment};
use crate::tally::Times;

/// In what a figure is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Of one core.
    Percent,
    /// Things a second.
    PerSecond,
    /// Milliseconds.
    Milliseconds,
    /// Of memory.
    KiB,
    /// Of memory.
    MiB,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Unit::Count => format!("{value:.0}"),
            Unit::Percent => format!("{value:.0} %"),
            Unit::PerSecond => format!("{value:.0} /s"),
            Unit::Milliseconds if value < 100.0 => format!("{value:.1} ms"),
            Unit::Milliseconds => format!("{value:.0} ms"),
            Unit::KiB => format!("{value:.2} KiB"),
            Unit::MiB => format!("{value:.1} MiB"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Unit::Count => "",
            Unit::Percent => "%",
            Unit::PerSecond => "1/s",
            Unit::Milliseconds => "ms",
            Unit::KiB => "KiB",
            Unit::MiB => "MiB",
        }
    }
}

/// One number of one round.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What it is; the same in every round.
    pub what: String,
    /// In what.
    pub unit: Unit,
    /// It should be at most this.
    pub aim: Option<f64>,
    /// It is.
    pub value: f64,
    /// Of how many it was made, where that says something.
    pub of: Option<u64>,
}

impl Figure {
    /// A figure for information.
    pub(crate) fn new(what: impl Into<String>, unit: Unit, value: f64) -> Figure {
        Figure { what: what.into(), unit, aim: None, value, of: None }
    }

    /// With an upper bound that is hoped for.
    #[must_use]
    pub(crate) fn aim(self, most: f64) -> Figure {
        Figure { aim: Some(most), ..self }
    }

    /// Made of so many.
    #[must_use]
    pub(crate) fn of(self, count: u64) -> Figure {
        Figure { of: Some(count), ..self }
    }

    /// p50, p99 and the worst, with their aims.
    pub(crate) fn percentiles(what: &str, times: &Times, aims: [Option<f64>; 3]) -> Vec<Figure> {
        let values = [times.quantile(0.5), times.quantile(0.99), times.max()];
        let names = ["p50", "p99", "worst"];
        let figures = names.into_iter().zip(values).zip(aims).map(|((name, value), aim)| Figure {
            aim,
            ..Figure::new(format!("{what}, {name}"), Unit::Milliseconds, value).of(times.count())
        });
        figures.collect()
    }
}

/// What a round came to.
#[derive(Debug, Clone)]
pub struct Round {
    /// Its figures.
    pub figures: Vec<Figure>,
    /// What went wrong, by what it was. A server that is killed makes errors; what must not be is a failure of the round.
    pub errors: BTreeMap<String, u64>,
    /// What the server wrote to its log.
    pub server_log: String,
}

/// A profile's rounds, summed up.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The profile's name.
    pub(crate) name: String,
    /// What it does, for somebody who doubts it.
    pub(crate) explanation: &'static str,
    /// Each at least one.
    pub(crate) rounds: Vec<Round>,
}

/// A figure over rounds.
struct Line<'a> {
    figure: &'a Figure,
    values: Vec<f64>,
}

impl Line<'_> {
    fn median(&self) -> f64 {
        let mut sorted = self.values.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
    }

    fn low(&self) -> f64 {
        self.values.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn high(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    fn met(&self) -> Option<bool> {
        self.figure.aim.map(|aim| self.median() <= aim)
    }

    fn cells(&self) -> [String; 6] {
        let show = |value| self.figure.unit.show(value);
        let aim = self.figure.aim.map_or("–".to_owned(), |aim| format!("≤ {}", trimmed(&show(aim))));
        let spread = if self.values.len() == 1 {
            "–".to_owned()
        } else {
            format!("{} – {}", show(self.low()), show(self.high()))
        };
        let verdict = match self.met() {
            None => "–",
            Some(true) => "met",
            Some(false) => "**missed**",
        };
        let of = self.figure.of.map_or("–".to_owned(), |count| count.to_string());
        [self.figure.what.clone(), aim, show(self.median()), spread, verdict.to_owned(), of]
    }

    fn json(&self) -> Value {
        json!({
            "what": self.figure.what,
            "unit": self.figure.unit.name(),
            "aimAtMost": self.figure.aim,
            "median": self.median(),
            "low": self.low(),
            "high": self.high(),
            "rounds": self.values,
            "met": self.met(),
            "of": self.figure.of,
        })
    }
}

/// 50.0 ms → 50 ms
fn trimmed(text: &str) -> String {
    text.replacen(".00 ", " ", 1).replacen(".0 ", " ", 1)
}

impl Part {
    fn lines(&self) -> Vec<Line<'_>> {
        let Some(first) = self.rounds.first() else { return Vec::new() };
        let values = |what: &str| {
            let same = |round: &Round| {
                round.figures.iter().find(|other| other.what == what).map(|other| other.value)
            };
            self.rounds.iter().filter_map(same).collect()
        };
        first.figures.iter().map(|figure| Line { figure, values: values(&figure.what) }).collect()
    }

    fn errors(&self) -> BTreeMap<&str, u64> {
        let mut sum = BTreeMap::new();
        for (what, count) in self.rounds.iter().flat_map(|round| &round.errors) {
            *sum.entry(what.as_str()).or_default() += count;
        }
        sum
    }

    fn told_errors(&self) -> String {
        let all: Vec<String> =
            self.errors().into_iter().map(|(what, count)| format!("{what} × {count}")).collect();
        if all.is_empty() { "none".to_owned() } else { all.join("; ") }
    }

    /// A table for the terminal.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        for line in self.lines() {
            let [what, aim, median, spread, verdict, _] = line.cells();
            let _ = writeln!(
                text,
                "  {what:<44} {median:>12}   {spread:<24} {}",
                if aim == "–" {
                    String::new()
                } else {
                    format!("aim {aim}: {}", verdict.replace("**", ""))
                }
            );
        }
        let _ = writeln!(text, "  errors: {}", self.told_errors());
        text
    }

    fn markdown(&self) -> String {
        let mut text = format!("\n### {}\n\n{}\n\n", self.name, self.explanation.trim());
        text.push_str("| what | aim | median | spread | | n a round |\n|---|---|---|---|---|---|\n");
        for line in self.lines() {
            let _ = writeln!(text, "| {} |", line.cells().join(" | "));
        }
        let _ = write!(text, "\nErrors, all rounds together: {}.\n", self.told_errors());
        text
    }

    fn json(&self) -> Value {
        let lines: Vec<Value> = self.lines().iter().map(Line::json).collect();
        json!({ "profile": self.name, "figures": lines, "errors": self.errors() })
    }

    /// Aims met, and aims.
    pub(crate) fn tally(&self) -> (usize, usize) {
        let verdicts: Vec<bool> = self.lines().iter().filter_map(Line::met).collect();
        (verdicts.iter().filter(|met| **met).count(), verdicts.len())
    }
}

/// Everything of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// As one types it.
    pub(crate) command: String,
    /// Where.
    pub(crate) machine: Machine,
    /// Before and after.
    pub(crate) moments: (Moment, Moment),
    /// What was different from a server as it comes.
    pub(crate) changed: String,
    /// The profiles.
    pub(crate) parts: Vec<Part>,
}

/// From here on the page is this tool's; what stands before it is the benchmarks'.
pub(crate) const MARK: &str = "<!-- from here on written by cargo xtask load -->";

const HOW_TO_READ: &str = "\
Simulated players on this machine, with real sockets, against a server process with its default settings. Each player is the SDK's own core;
one thread of the tool moves the bytes of all of them and shares the machine with the server. Each round has a server of its own with an empty
database; a figure is the median of the rounds, its spread their least and greatest. A time ends when the simulated game has what it waited
for, so the tool's own delay is in it. A round fails, and the run with it, when an offer or an event was lost or came twice: players' lists are
compared with the server's tables by id.
";

impl Report {
    fn tally(&self) -> (usize, usize) {
        let parts = self.parts.iter().map(Part::tally);
        parts.fold((0, 0), |(met, aims), part| (met + part.0, aims + part.1))
    }

    /// A section of a Markdown page.
    pub(crate) fn section(&self) -> String {
        let (start, end) = &self.moments;
        let rounds = self.parts.iter().map(|part| part.rounds.len()).max().unwrap_or(0);
        let mut text = format!("{MARK}\n\n# Under load\n\n{HOW_TO_READ}\n");
        let _ = write!(
            text,
            "- Command: `{}`, {}, {:.0} s, {rounds} rounds each\n- Machine: {}\n- Compiler: {}\n- Load average (1 min) before and after: {} and {}\n- {}\n",
            self.command,
            start.date(),
            end.since(start),
            self.machine.shape(),
            self.machine.compiler(),
            start.load(),
            end.load(),
            self.changed,
        );
        self.parts.iter().for_each(|part| text.push_str(&part.markdown()));
        let (met, aims) = self.tally();
        let _ = write!(text, "\n{met} of {aims} aims met.\n");
        text
    }

    /// For a program.
    pub(crate) fn json(&self) -> Value {
        let (start, end) = &self.moments;
        let parts: Vec<Value> = self.parts.iter().map(Part::json).collect();
        json!({
            "command": self.command,
            "date": start.date(),
            "machine": self.machine.shape(),
            "compiler": self.machine.compiler(),
            "loadAverage": [start.load(), end.load()],
            "changed": self.changed,
            "profiles": parts,
        })
    }
}

/// The page with the section in its place; what others wrote stays.
pub(crate) fn put_section(page: &str, section: &str) -> String {
    let before = page.split(MARK).next().unwrap_or_default().trim_end();
    if before.is_empty() { section.to_owned() } else { format!("{before}\n\n{section}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(values: &[f64]) -> Part {
        let round = |value: &f64| Round {
            figures: vec![
                Figure::new("delivery, p50", Unit::Milliseconds, *value).aim(20.0).of(7),
                Figure::new("offers", Unit::Count, 3.0),
            ],
            errors: BTreeMap::from([("closed: 1006".to_owned(), 2)]),
            server_log: String::new(),
        };
        Part { name: "steady".into(), explanation: "x", rounds: values.iter().map(round).collect() }
    }

    #[test]
    fn a_figure_is_the_median_of_its_rounds_and_an_aim_is_held_against_it() {
        let table = part(&[30.0, 10.0, 19.0]).markdown();
        let line = "| delivery, p50 | ≤ 20 ms | 19.0 ms | 10.0 ms – 30.0 ms | met | 7 |";
        assert!(table.contains(line), "{table}");
        assert!(table.contains("closed: 1006 × 6"), "{table}");
        assert_eq!(part(&[30.0, 10.0, 21.0]).tally(), (0, 1));
        assert_eq!(part(&[30.0, 10.0]).lines()[0].median(), 20.0);
    }

    #[test]
    fn the_section_takes_the_place_of_the_last_one_and_nothing_else() {
        let once = put_section("# Page\n\ntext\n", &format!("{MARK}\n\none\n"));
        assert_eq!(once, format!("# Page\n\ntext\n\n{MARK}\n\none\n"));
        let twice = put_section(&once, &format!("{MARK}\n\ntwo\n"));
        assert_eq!(twice, format!("# Page\n\ntext\n\n{MARK}\n\ntwo\n"));
    }
}
