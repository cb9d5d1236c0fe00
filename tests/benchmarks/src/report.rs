//! Rows of results, on the terminal while they come and as a page that a person reads. What a row says is decided
//! where it is measured.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::machine::{Machine, Moment};
use crate::rounds::Summary;

/// In what the two sides are given. The other names are those that the measurements in a browser use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Unit {
    #[serde(rename = "ns")]
    Nanoseconds,
    #[serde(rename = "us")]
    Microseconds,
    #[serde(rename = "ms")]
    Milliseconds,
    #[serde(rename = "s")]
    Seconds,
    KiB,
    #[serde(rename = "count")]
    Count,
}

impl Unit {
    fn show(self, value: f64) -> String {
        let (digits, name) = match self {
            Unit::Nanoseconds if value < 10.0 => (2, " ns"),
            Unit::Nanoseconds => (0, " ns"),
            Unit::Microseconds => (2, " µs"),
            Unit::Milliseconds => (1, " ms"),
            Unit::Seconds => (3, " s"),
            Unit::KiB => (2, " KiB"),
            Unit::Count => (0, ""),
        };
        format!("{value:.digits$}{name}")
    }
}

/// What is hoped for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Aim {
    /// None: for information.
    None,
    /// At most so many times the peer.
    Ratio(f64),
    /// At most so much, in the row's unit.
    AtMost(f64),
}

/// One measurement.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) peer: String,
    pub(crate) aim: Aim,
    pub(crate) unit: Unit,
    pub(crate) summary: Summary,
    /// Rounds and what a round is.
    pub(crate) n: String,
}

impl Row {
    fn aim(&self) -> String {
        match self.aim {
            Aim::None => "–".to_owned(),
            Aim::Ratio(most) => format!("≤ {most} ×"),
            Aim::AtMost(most) => {
                let text = self.unit.show(most);
                // 8.00 KiB → 8 KiB
                format!("≤ {}", text.replacen(".000", "", 1).replacen(".00", "", 1))
            }
        }
    }

    /// `None`: there was no aim.
    fn met(&self) -> Option<bool> {
        match self.aim {
            Aim::None => None,
            Aim::Ratio(most) => Some(self.summary.ratio <= most),
            Aim::AtMost(most) => Some(self.summary.ours <= most),
        }
    }

    fn verdict(&self) -> &'static str {
        match self.met() {
            None => "–",
            Some(true) => "met",
            Some(false) => "**missed**",
        }
    }

    fn ratio(&self) -> String {
        let Summary { ratio, low, high, .. } = self.summary;
        if ratio.is_nan() {
            return "–".to_owned();
        }
        if low == high {
            return format!("{ratio:.2}");
        }
        format!("{ratio:.2} ({low:.2}–{high:.2})")
    }

    fn medians(&self) -> String {
        let Summary { ours, peer, .. } = self.summary;
        if peer.is_nan() {
            return format!("[{}]", self.unit.show(ours));
        }
        format!("[{} / {}]", self.unit.show(ours), self.unit.show(peer))
    }

    fn line(&self) -> String {
        let Row { what, peer, n, .. } = self;
        format!(
            "| {what} | {peer} | {} | {} | {} | {} | {n} |",
            self.aim(),
            self.ratio(),
            self.verdict(),
            self.medians()
        )
    }

    /// For the terminal, as soon as it is there.
    pub(crate) fn short(&self) -> String {
        let verdict = match self.met() {
            None => String::new(),
            Some(met) => format!("  aim {}: {}", self.aim(), if met { "met" } else { "MISSED" }),
        };
        format!("  {}: {} {}  against {}{verdict}", self.what, self.ratio(), self.medians(), self.peer)
    }
}

/// Everything of one part.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) title: Cow<'static, str>,
    /// What exactly is compared, for somebody who doubts it.
    pub(crate) explanation: Cow<'static, str>,
    pub(crate) rows: Vec<Row>,
}

const HOW_TO_READ: &str = "\
Written by the program; do not edit. Each line compares ours with a peer in the same run: the ratio is the median over alternating
rounds, with the range in parentheses that half of the rounds lie in; the medians of both sides stand in brackets, ours first. Times
differ from machine to machine and from hour to hour, ratios much less. An aim in × is for the ratio, one with a unit for our own median.
What takes nanoseconds is timed by the thread's CPU time; a round trip and a crowd by the clock on the wall.
";

const HOW_TO_READ_THE_BROWSER: &str = "\
Ours is the npm package `castline`; the peers are two clients from npm, in the same browser and run. They do less, and each table says what.
Otherwise as above: the rounds take turns, the ratio is their median.
";

/// A run: what was typed, when, for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) command: &'a str,
    pub(crate) machine: &'a Machine,
    /// What the numbers hang on: the compiler, or the browser and the peers' versions.
    pub(crate) software: &'a str,
    pub(crate) start: &'a Moment,
    pub(crate) end: &'a Moment,
}

/// The whole page, Markdown, but for what others write below.
pub(crate) fn page(run: Run<'_>, sections: &[Section]) -> String {
    part("# Benchmark results", HOW_TO_READ, run, sections)
}

/// The browser's part of the page.
pub(crate) fn browser(run: Run<'_>, sections: &[Section]) -> String {
    part(&format!("{BROWSER}\n\n# In the browser"), HOW_TO_READ_THE_BROWSER, run, sections)
}

fn part(heading: &str, how_to_read: &str, run: Run<'_>, sections: &[Section]) -> String {
    let Run { command, machine, software, start, end } = run;
    let mut page = format!("{heading}\n\n{how_to_read}\n");
    let took = end.since(start);
    let _ = write!(
        page,
        "- Command: `{command}`, {}, {took:.0} s\n- Machine: {}\n- {software}\n- Load average (1 min) before and after: {} and {}\n",
        start.date(),
        machine.shape(),
        start.load(),
        end.load(),
    );
    for section in sections {
        let _ = write!(page, "\n## {}\n\n{}\n\n", section.title, section.explanation.trim());
        page.push_str("| what | peer | aim | ratio | | medians | n |\n|---|---|---|---|---|---|---|\n");
        for row in &section.rows {
            page.push_str(&row.line());
            page.push('\n');
        }
    }
    let (met, aims) = tally(sections);
    let _ = write!(page, "\n{met} of {aims} aims met.\n");
    page
}

/// From here on the page is the browser's, up to the load tool's.
const BROWSER: &str = "<!-- from here on written by cargo xtask bench web -->";
/// From here on the page is the load tool's (`tests/load`).
const LOAD: &str = "<!-- from here on written by cargo xtask load -->";

/// A new page, with what others wrote on the old one.
pub(crate) fn beside_others(page: &str, old: &str) -> String {
    match old.find(BROWSER).or_else(|| old.find(LOAD)) {
        Some(at) => format!("{page}\n{}", &old[at..]),
        None => page.to_owned(),
    }
}

/// The old page with a new part of the browser's.
pub(crate) fn with_browser(part: &str, old: &str) -> String {
    let load = old.find(LOAD).unwrap_or(old.len());
    let before = old[..old.find(BROWSER).unwrap_or(load)].trim_end();
    let (gap, after) = (if load < old.len() { "\n" } else { "" }, &old[load..]);
    format!("{before}\n\n{part}{gap}{after}")
}

/// Aims met, and aims.
pub(crate) fn tally(sections: &[Section]) -> (usize, usize) {
    let verdicts: Vec<bool> =
        sections.iter().flat_map(|section| &section.rows).filter_map(Row::met).collect();
    (verdicts.iter().filter(|met| **met).count(), verdicts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(aim: Aim) -> Row {
        let summary = Summary { ours: 2.5, peer: 2.0, ratio: 1.25, low: 1.1, high: 1.4 };
        Row { what: "a".into(), peer: "b".into(), aim, unit: Unit::Microseconds, summary, n: "5".into() }
    }

    #[test]
    fn an_aim_is_met_by_the_ratio_or_by_our_own_median() {
        let met = |aim| row(aim).met();
        assert_eq!(met(Aim::None), None);
        assert_eq!((met(Aim::Ratio(1.3)), met(Aim::Ratio(1.2))), (Some(true), Some(false)));
        assert_eq!((met(Aim::AtMost(2.5)), met(Aim::AtMost(2.4))), (Some(true), Some(false)));
    }

    #[test]
    fn a_row_reads_like_a_sentence() {
        let line = "| a | b | ≤ 1.3 × | 1.25 (1.10–1.40) | met | [2.50 µs / 2.00 µs] | 5 |";
        assert_eq!(row(Aim::Ratio(1.3)).line(), line);
        assert_eq!(row(Aim::AtMost(3.0)).aim(), "≤ 3 µs");
    }

    #[test]
    fn what_others_wrote_stays() {
        let (browser, load) = (format!("{BROWSER}\n\nold browser\n"), format!("{LOAD}\n\nload\n"));
        let old = format!("# Old\n\n{browser}\n{load}");
        assert_eq!(beside_others("# New\n", &old), format!("# New\n\n{browser}\n{load}"));
        assert_eq!(beside_others("# New\n", &format!("# Old\n\n{load}")), format!("# New\n\n{load}"));
        assert_eq!(beside_others("# New\n", "# Old\n"), "# New\n");
        let new = format!("{BROWSER}\n\nnew browser\n");
        assert_eq!(with_browser(&new, &old), format!("# Old\n\n{new}\n{load}"));
        assert_eq!(with_browser(&new, &format!("# Old\n\n{load}")), format!("# Old\n\n{new}\n{load}"));
        assert_eq!(with_browser(&new, "# Old\n"), format!("# Old\n\n{new}"));
    }

    #[test]
    fn aims_are_counted() {
        let rows = vec![row(Aim::Ratio(1.0)), row(Aim::Ratio(2.0)), row(Aim::None)];
        assert_eq!(tally(&[Section { title: "".into(), explanation: "".into(), rows }]), (1, 2));
    }
}
