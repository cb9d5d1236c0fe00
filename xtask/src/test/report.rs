//! What the test command says at its end: a table of the steps, how to repeat what failed, and one line that counts.
//!
//! A step that is a run of `cargo test` counts as many as it ran tests; every other step counts as one.

use std::fmt;
use std::time::Duration;

/// Tests counted from the lines that the Rust test harness prints, one `test result:` for each test program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Count {
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    pub(super) fn read(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result: ") else { return };
        // The first part still carries the verdict: "ok. 12 passed".
        for part in result.split(';') {
            let mut words = part.split_whitespace().rev();
            let (Some(what), Some(Ok(number))) = (words.next(), words.next().map(str::parse::<u64>)) else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

pub(super) enum Verdict {
    Passed { count: Count, note: String },
    Failed { count: Count, why: String },
    Skipped { why: String },
}

impl Verdict {
    /// `note`: what the step itself said at its end, or nothing.
    pub(super) fn passed(note: impl Into<String>) -> Self {
        Verdict::Passed { count: Count { passed: 1, ..Count::default() }, note: note.into() }
    }

    pub(super) fn failed(why: impl Into<String>) -> Self {
        Verdict::Failed { count: Count { failed: 1, ..Count::default() }, why: why.into() }
    }

    /// `good`: how the run ended. One that ended badly without a failed test (it did not compile, a test program crashed) is one failure
    /// more; one without any test is a failure too.
    pub(super) fn of_tests(good: bool, mut count: Count) -> Self {
        if good && count.failed == 0 && count.passed > 0 {
            return Verdict::Passed { count, note: String::new() };
        }
        let why = match (good, count) {
            (_, Count { failed: 1.., .. }) => "tests failed, see above".to_owned(),
            (true, _) => "no test was run".to_owned(),
            (false, _) => "it did not build, or a test program ended without a result".to_owned(),
        };
        count.failed = count.failed.max(1);
        Verdict::Failed { count, why }
    }

    fn count(&self) -> Count {
        match self {
            Verdict::Passed { count, .. } | Verdict::Failed { count, .. } => *count,
            Verdict::Skipped { .. } => Count { skipped: 1, ..Count::default() },
        }
    }
}

pub(super) struct Outcome {
    pub(super) name: &'static str,
    pub(super) again: String,
    pub(super) took: Duration,
    pub(super) verdict: Verdict,
}

#[derive(Default)]
pub(super) struct Report(Vec<Outcome>);

impl Report {
    pub(super) fn add(&mut self, outcome: Outcome) {
        self.0.push(outcome);
    }

    pub(super) fn good(&self) -> bool {
        self.0.iter().all(|outcome| !matches!(outcome.verdict, Verdict::Failed { .. }))
    }

    fn total(&self) -> Count {
        self.0.iter().map(|outcome| outcome.verdict.count()).fold(Count::default(), |sum, count| Count {
            passed: sum.passed + count.passed,
            failed: sum.failed + count.failed,
            skipped: sum.skipped + count.skipped,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Outcome { name, took, verdict, .. } in &self.0 {
            let (word, count, note) = match verdict {
                Verdict::Passed { count, note } => ("ok", *count, note.as_str()),
                Verdict::Failed { count, why } => ("FAILED", *count, why.as_str()),
                Verdict::Skipped { why } => ("skipped", Count::default(), why.as_str()),
            };
            let tests = if count.passed + count.failed > 1 { counted(count) } else { String::new() };
            let notes: Vec<_> = [tests.as_str(), note].into_iter().filter(|text| !text.is_empty()).collect();
            let line = format!("{name:<14} {word:<8} {:>8.1} s   {}", took.as_secs_f64(), notes.join("; "));
            writeln!(f, "{}", line.trim_end())?;
        }
        let took: Duration = self.0.iter().map(|outcome| outcome.took).sum();
        writeln!(f, "{:<14} {:<8} {:>8.1} s", "all", "", took.as_secs_f64())?;
        for Outcome { name, again, verdict, .. } in &self.0 {
            if let Verdict::Failed { .. } = verdict {
                writeln!(f, "\nrepeat {name}: {again}")?;
            }
        }
        writeln!(f, "\n{}", counted(self.total()))
    }
}

fn counted(count: Count) -> String {
    let Count { passed, failed, skipped } = count;
    let skipped = if skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
    format!("{passed} passed, {failed} failed{skipped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted_from(lines: &[&str]) -> Count {
        let mut count = Count::default();
        lines.iter().for_each(|line| count.read(line));
        count
    }

    #[test]
    fn the_harness_lines_of_all_programs_are_summed() {
        let count = counted_from(&[
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 9 filtered out; finished in 1.20s",
        ]);
        assert_eq!(count, Count { passed: 7, failed: 2, skipped: 1 });
    }

    #[test]
    fn a_run_that_ended_badly_never_counts_as_passed() {
        let crashed = Verdict::of_tests(false, Count { passed: 5, ..Count::default() });
        assert_eq!(crashed.count(), Count { passed: 5, failed: 1, skipped: 0 });
        let red = Verdict::of_tests(false, Count { passed: 5, failed: 2, skipped: 0 });
        assert_eq!(red.count().failed, 2);
        let empty = Verdict::of_tests(true, Count::default());
        assert_eq!(empty.count().failed, 1);
    }

    #[test]
    fn the_last_line_counts_and_stands_alone() {
        let mut report = Report::default();
        let outcome = |name, verdict| Outcome {
            name,
            again: format!("run {name}"),
            took: Duration::from_millis(1500),
            verdict,
        };
        report.add(outcome("format", Verdict::passed("")));
        report.add(outcome("tests", Verdict::of_tests(true, Count { passed: 10, ..Count::default() })));
        assert!(report.good());
        assert_eq!(report.to_string().lines().last(), Some("11 passed, 0 failed"));

        report.add(outcome("docs", Verdict::failed("see above")));
        report.add(outcome("wasm", Verdict::Skipped { why: "--without wasm".to_owned() }));
        assert!(!report.good());
        let shown = report.to_string();
        assert_eq!(shown.lines().last(), Some("11 passed, 1 failed, 1 skipped"));
        assert!(shown.contains("repeat docs: run docs"), "{shown}");
    }
}
