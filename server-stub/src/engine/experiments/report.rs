//! The report: from the numbers of an experiment to a verdict.
//!
//! In this order: is the flag still the one the experiment started with; is the sample ratio fair; is there a control to compare with; may the report speak already; did enough happen for
//! the formulas to hold; and only then what the confidence sequence says of the one metric that was declared beforehand. The test
//! of one look is shown beside it and decides nothing, for nobody looks only once.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::compare::{Method, Test, two_proportions, welch};
use super::holm::holm;
use super::power::{SmallestDetectable, smallest_detectable};
use super::ratio::{SampleRatio, sample_ratio};
use super::sample::Sample;
use super::sequence::{Sequence, sequence};
use super::{ALPHA, words};

/// After as many days since the first exposure a report may speak, however few the players.
pub const SPEAKS_AFTER_DAYS: f64 = 7.0;
/// With as many players of each variant a report may speak, however early.
pub const SPEAKS_AFTER_PLAYERS: u64 = 1_000;
/// The formulas are those of large numbers: as many outcomes of each kind must be expected on either side.
const ENOUGH: f64 = 10.0;
/// So many players a side at least, for a mean.
const ENOUGH_PLAYERS: u64 = 30;
const DAY_MS: f64 = 86_400_000.0;

/// What is measured; declared before the experiment starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Metric {
    /// The share of players that did something at least once.
    Conversion,
    /// A number per player, such as revenue; players that brought nothing count with 0.
    Mean,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Direction {
    /// More is better.
    #[default]
    Higher,
    /// Less is better.
    Lower,
}

/// Variant → its players.
pub type Group = BTreeMap<String, Sample>;

/// Players that were exposed and do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// They saw more than one variant.
    pub two_variants: u64,
}

/// Everything a report is made from. Players count from their first exposure on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentData {
    /// The variant that the others are compared with.
    pub control: String,
    /// The one metric.
    pub metric: Metric,
    /// Which way is good.
    pub direction: Direction,
    /// Variant → its expected share of all exposed players; see [`super::expected_shares`].
    pub shares: BTreeMap<String, f64>,
    /// When the first player was exposed, Unix ms; none yet: `None`.
    pub first_exposure: Option<i64>,
    /// When the numbers were taken, Unix ms.
    pub as_of: i64,
    /// All players.
    pub everyone: Group,
    /// The same players by what they were before their first exposure: segment → its players.
    pub segments: BTreeMap<String, Group>,
    /// Who was left out.
    pub left_out: LeftOut,
    /// The flag was changed since the experiment started: its shares, or what its variants are.
    pub flag_changed: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Decision {
    /// Give the variant to everybody.
    Promote,
    /// Give everybody the control.
    Drop,
    /// Neither: go on, or mend what the reason names.
    Inconclusive,
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Because {
    /// A variant is better than the control.
    Better,
    /// Every variant is worse than the control.
    Worse,
    /// No difference has shown, or not of every variant.
    NotSettled,
    /// The flag was changed while the experiment ran.
    FlagChanged,
    /// The players did not split as the flag splits them.
    SampleRatio,
    /// Nobody saw the control, or nobody a variant.
    NothingToCompare,
    /// Neither the days nor the players have been reached.
    TooEarly,
    /// Too little happened for the formulas to hold.
    TooFewOutcomes,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// What to do.
    pub decision: Decision,
    /// The variant to promote.
    pub variant: Option<String>,
    /// Why.
    pub because: Because,
    /// The same for people.
    pub words: String,
}

/// What the confidence sequence says of one variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Finding {
    /// Better than the control.
    Better,
    /// Worse than the control.
    Worse,
    /// Not settled.
    Unclear,
}

/// One variant against the control.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Arm {
    /// The variant.
    pub variant: String,
    /// Its players.
    pub players: u64,
    /// Those of them whose value is not 0.
    pub nonzero: u64,
    /// Its rate or mean.
    pub value: f64,
    /// The difference to the control as a share of the control's value; none where that is 0.
    pub relative: Option<f64>,
    /// What holds at every look; the verdict follows it.
    pub sequence: Option<Sequence>,
    /// The sequence's p-value after Holm, over all comparisons of the same table.
    pub adjusted_p_value: f64,
    /// The test of one planned look, for comparison.
    pub one_look: Option<Test>,
    /// The p-value of one look after Holm.
    pub one_look_adjusted_p_value: f64,
    /// What this many players can show at all.
    pub smallest_detectable: SmallestDetectable,
    /// Whether enough happened for the formulas to hold.
    pub enough: bool,
    /// What follows.
    pub finding: Finding,
}

/// The comparison of one group of players.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// All of the group.
    pub players: u64,
    /// The check that comes first.
    pub sample_ratio: SampleRatio,
    /// Whether the days or the players have been reached.
    pub may_speak: bool,
    /// The control's players.
    pub control_players: u64,
    /// The control's rate or mean.
    pub control_value: f64,
    /// The other variants, by name.
    pub arms: Vec<Arm>,
    /// What to do for this group.
    pub verdict: Verdict,
}

/// The comparison within one segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SegmentAnalysis {
    /// The segment.
    pub segment: String,
    /// Its players. Holm's family is the table of all segments, so that one among many does not win by chance.
    #[serde(flatten)]
    pub analysis: Analysis,
}

/// What operators see.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The variant that the others are compared with.
    pub control: String,
    /// The metric.
    pub metric: Metric,
    /// Which way is good.
    pub direction: Direction,
    /// When the numbers were taken, Unix ms.
    pub as_of: i64,
    /// Since the first exposure.
    pub days: f64,
    /// Who was left out.
    pub left_out: LeftOut,
    /// All players.
    #[serde(flatten)]
    pub everyone: Analysis,
    /// By segment.
    pub segments: Vec<SegmentAnalysis>,
}

/// Makes the report.
pub fn report(data: &ExperimentData) -> Report {
    let days =
        data.first_exposure.map_or(0.0, |first| (data.as_of.saturating_sub(first)).max(0) as f64 / DAY_MS);
    let mut everyone = analyses(data, days, &[&data.everyone]);
    let groups: Vec<&Group> = data.segments.values().collect();
    let segments = data.segments.keys().cloned().zip(analyses(data, days, &groups));
    Report {
        control: data.control.clone(),
        metric: data.metric,
        direction: data.direction,
        as_of: data.as_of,
        days,
        left_out: data.left_out,
        everyone: everyone.remove(0),
        segments: segments.map(|(segment, analysis)| SegmentAnalysis { segment, analysis }).collect(),
    }
}

/// The groups of one table: all their comparisons are one family.
fn analyses(data: &ExperimentData, days: f64, groups: &[&Group]) -> Vec<Analysis> {
    let names: Vec<Vec<&String>> = groups.iter().map(|group| compared(data, group)).collect();
    let family = names.iter().map(Vec::len).sum();
    let mut tables: Vec<Vec<Arm>> = groups
        .iter()
        .zip(&names)
        .map(|(group, names)| names.iter().map(|name| arm(data, group, name, family)).collect())
        .collect();
    adjust(&mut tables, data.direction);
    groups.iter().zip(tables).map(|(group, arms)| analysis(data, days, group, arms)).collect()
}

/// Every variant but the control that has players, or should have.
fn compared<'a>(data: &'a ExperimentData, group: &'a Group) -> Vec<&'a String> {
    let expected = data.shares.iter().filter(|(_, share)| **share > 0.0).map(|(name, _)| name);
    let seen = group.iter().filter(|(_, sample)| sample.players() > 0).map(|(name, _)| name);
    let all: std::collections::BTreeSet<&String> = expected.chain(seen).collect();
    all.into_iter().filter(|name| **name != data.control).collect()
}

fn sample_of(group: &Group, variant: &str) -> Sample {
    group.get(variant).copied().unwrap_or_default()
}

fn arm(data: &ExperimentData, group: &Group, variant: &str, family: usize) -> Arm {
    let (control, sample) = (sample_of(group, &data.control), sample_of(group, variant));
    let method = match data.metric {
        Metric::Conversion => Method::TwoProportionZ,
        Metric::Mean => Method::WelchT,
    };
    let one_look = match data.metric {
        Metric::Conversion => two_proportions(&control, &sample),
        Metric::Mean => welch(&control, &sample),
    };
    let relative = (sample.mean() - control.mean()) / control.mean().abs();
    Arm {
        variant: variant.to_owned(),
        players: sample.players(),
        nonzero: sample.nonzero(),
        value: sample.mean(),
        relative: relative.is_finite().then_some(relative),
        sequence: sequence(method, &control, &sample, family),
        adjusted_p_value: 1.0,
        one_look,
        one_look_adjusted_p_value: 1.0,
        smallest_detectable: smallest_detectable(method, data.direction, &control, &sample, family),
        enough: enough(data.metric, &control, &sample),
        finding: Finding::Unclear,
    }
}

/// Whether the formulas, which are those of large numbers, hold: by what is expected of each side where both are alike, so that
/// a variant in which nothing happens any more is seen and not excused.
fn enough(metric: Metric, control: &Sample, arm: &Sample) -> bool {
    let fewer = control.players().min(arm.players());
    let share = (control.nonzero() as f64 + arm.nonzero() as f64) / (control.n() + arm.n());
    match metric {
        Metric::Conversion => fewer as f64 * share.min(1.0 - share) >= ENOUGH,
        Metric::Mean => fewer >= ENOUGH_PLAYERS && fewer as f64 * share >= ENOUGH,
    }
}

/// Holm over all comparisons of the table, and what follows for each. One that cannot be trusted yet stays in the family.
fn adjust(tables: &mut [Vec<Arm>], direction: Direction) {
    let arms = || tables.iter().flatten();
    let always: Vec<f64> =
        arms().map(|arm| arm.sequence.filter(|_| arm.enough).map_or(1.0, |s| s.p_value)).collect();
    let once: Vec<f64> = arms().map(|arm| arm.one_look.map_or(1.0, |test| test.p_value)).collect();
    let adjusted = holm(&always).into_iter().zip(holm(&once));
    for (arm, (always, once)) in tables.iter_mut().flatten().zip(adjusted) {
        arm.adjusted_p_value = always;
        arm.one_look_adjusted_p_value = once;
        if always <= ALPHA
            && let Some(sequence) = arm.sequence
        {
            let up = sequence.interval.low + sequence.interval.high > 0.0;
            arm.finding =
                if up == (direction == Direction::Higher) { Finding::Better } else { Finding::Worse };
        }
    }
}

fn analysis(data: &ExperimentData, days: f64, group: &Group, arms: Vec<Arm>) -> Analysis {
    let players: BTreeMap<String, u64> =
        group.iter().map(|(name, sample)| (name.clone(), sample.players())).collect();
    let control = sample_of(group, &data.control);
    let fewest = arms.iter().map(|arm| arm.players).chain([control.players()]).min().unwrap_or(0);
    let mut analysis = Analysis {
        players: players.values().fold(0, |sum, n| sum.saturating_add(*n)),
        sample_ratio: sample_ratio(&data.shares, &players),
        may_speak: days >= SPEAKS_AFTER_DAYS || (!arms.is_empty() && fewest >= SPEAKS_AFTER_PLAYERS),
        control_players: control.players(),
        control_value: control.mean(),
        arms,
        verdict: Verdict {
            decision: Decision::Inconclusive,
            variant: None,
            because: Because::NotSettled,
            words: String::new(),
        },
    };
    decide(data, &mut analysis);
    analysis.verdict.words = words::of(data, days, &analysis);
    analysis
}

fn decide(data: &ExperimentData, analysis: &mut Analysis) {
    let ExperimentData { direction, flag_changed, .. } = *data;
    let sign = if direction == Direction::Higher { 1.0 } else { -1.0 };
    let best = analysis
        .arms
        .iter()
        .filter(|arm| arm.finding == Finding::Better)
        .max_by(|a, b| (sign * a.value).total_cmp(&(sign * b.value)))
        .map(|arm| arm.variant.clone());
    let verdict = &mut analysis.verdict;
    verdict.because = if flag_changed {
        Because::FlagChanged
    } else if !analysis.sample_ratio.fair {
        Because::SampleRatio
    } else if analysis.control_players == 0 || analysis.arms.iter().all(|arm| arm.players == 0) {
        Because::NothingToCompare
    } else if !analysis.may_speak {
        Because::TooEarly
    } else if analysis.arms.iter().all(|arm| !arm.enough) {
        Because::TooFewOutcomes
    } else if best.is_some() {
        Because::Better
    } else if analysis.arms.iter().all(|arm| arm.finding == Finding::Worse) {
        Because::Worse
    } else {
        Because::NotSettled
    };
    match verdict.because {
        Because::Better => (verdict.decision, verdict.variant) = (Decision::Promote, best),
        Because::Worse => verdict.decision = Decision::Drop,
        _ => {}
    }
    // What may not be said yet is not shown as found either.
    if !matches!(verdict.because, Because::Better | Because::Worse | Because::NotSettled) {
        analysis.arms.iter_mut().for_each(|arm| arm.finding = Finding::Unclear);
    }
}
