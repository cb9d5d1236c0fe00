//! A verdict in words, with the numbers it rests on.

use super::report::{
    Analysis, Arm, Because, Direction, ExperimentData, Finding, Metric, SPEAKS_AFTER_DAYS,
    SPEAKS_AFTER_PLAYERS,
};
use super::sequence::Sequence;

/// The words for the verdict of `analysis`, whose reason is settled.
pub(super) fn of(data: &ExperimentData, days: f64, analysis: &Analysis) -> String {
    let control = &data.control;
    match analysis.verdict.because {
        Because::FlagChanged => "No verdict: the flag was changed after the experiment started, so its players did not all have the \
                                 same choice. Declare the experiment again to start it anew."
            .to_owned(),
        Because::SampleRatio => sample_ratio(analysis),
        Because::NothingToCompare => {
            let without: Vec<&str> = std::iter::once((control, analysis.control_players))
                .chain(analysis.arms.iter().map(|arm| (&arm.variant, arm.players)))
                .filter(|(_, players)| *players == 0)
                .map(|(name, _)| name.as_str())
                .collect();
            format!("No verdict: nobody has seen {}, so there is nothing to compare.", without.join(", "))
        }
        Because::TooEarly => format!(
            "No verdict yet: it comes after {SPEAKS_AFTER_DAYS} days or with {SPEAKS_AFTER_PLAYERS} players of each variant, \
             whichever is first; now it is {days:.1} days and {} players of the smallest variant.",
            analysis.arms.iter().map(|arm| arm.players).chain([analysis.control_players]).min().unwrap_or(0),
        ),
        Because::TooFewOutcomes => {
            "No verdict: too little has happened for the comparison to be sound (at least 10 outcomes of each kind must be \
             expected on each side)."
                .to_owned()
        }
        Because::Better => {
            let winner = analysis.arms.iter().find(|arm| Some(&arm.variant) == analysis.verdict.variant.as_ref());
            let found = winner.map(|arm| found(data, analysis, arm)).unwrap_or_default();
            let also: Vec<&str> = analysis
                .arms
                .iter()
                .filter(|arm| arm.finding == Finding::Better && Some(&arm.variant) != analysis.verdict.variant.as_ref())
                .map(|arm| arm.variant.as_str())
                .collect();
            let also = match also.as_slice() {
                [] => String::new(),
                names => format!(" Better than {control} too, but by less: {}.", names.join(", ")),
            };
            format!("Promote {found}{also}")
        }
        Because::Worse => {
            let each: Vec<String> = analysis.arms.iter().map(|arm| found(data, analysis, arm)).collect();
            let good = if data.direction == Direction::Higher { "below" } else { "above" };
            format!("Drop: every variant is {good} {control}. {}", sentences(&each))
        }
        Because::NotSettled => {
            let each: Vec<String> = analysis.arms.iter().map(|arm| found(data, analysis, arm)).collect();
            format!("Inconclusive. {}", sentences(&each))
        }
    }
}

fn sentences(each: &[String]) -> String {
    each.join(" ")
}

fn sample_ratio(analysis: &Analysis) -> String {
    let ratio = &analysis.sample_ratio;
    let strangers: Vec<&str> = ratio
        .variants
        .iter()
        .filter(|v| v.expected_share == 0.0 && v.players > 0)
        .map(|v| v.variant.as_str())
        .collect();
    let why = if strangers.is_empty() {
        let each: Vec<String> = ratio
            .variants
            .iter()
            .map(|v| format!("{} {} instead of {:.0}", v.variant, v.players, v.expected_players))
            .collect();
        format!(
            "{} (chance would do this less than once in a thousand, p = {:.1e})",
            each.join(", "),
            ratio.p_value
        )
    } else {
        format!("players saw {}, which the flag gives to nobody", strangers.join(", "))
    };
    format!(
        "No verdict: the players did not split as the flag splits them: {why}. Something other than chance sorts them (a \
         variant that crashes or loads slowly, lost events, a changed rollout); find it before believing any difference."
    )
}

/// One arm: its value, the control's, the difference and where it may lie.
fn found(data: &ExperimentData, analysis: &Analysis, arm: &Arm) -> String {
    let value = |v: f64| match data.metric {
        Metric::Conversion => format!("{:.2} %", v * 100.0),
        Metric::Mean => number(v),
    };
    let difference = |v: f64| match data.metric {
        Metric::Conversion => format!("{:+.2}", v * 100.0),
        Metric::Mean => format!("{}{}", if v >= 0.0 { "+" } else { "" }, number(v)),
    };
    let unit = if data.metric == Metric::Conversion { " points" } else { "" };
    let Arm { variant, sequence, .. } = arm;
    let mut text = format!(
        "{variant}: {} against {} of {}",
        value(arm.value),
        value(analysis.control_value),
        data.control
    );
    if let Some(Sequence { interval, .. }) = sequence {
        text.push_str(&format!(
            ", a difference of {}{unit}, and whenever one looks between {} and {} ({:.2} % confidence)",
            difference(arm.value - analysis.control_value),
            difference(interval.low),
            difference(interval.high),
            Trimmed(interval.level * 100.0),
        ));
    }
    text.push('.');
    if !arm.enough {
        text.push_str(" Too little has happened there yet.");
    } else if arm.finding == Finding::Unclear
        && let Some(least) = arm.smallest_detectable.sequence
    {
        let better = if data.direction == Direction::Higher { least } else { -least };
        text.push_str(&format!(
            " With {} players an improvement of {}{unit} would show four times out of five.",
            arm.players,
            difference(better)
        ));
    }
    text
}

/// A mean, to four digits.
fn number(v: f64) -> String {
    if v == 0.0 {
        return "0".to_owned();
    }
    let digits = v.abs().log10().floor() as i32;
    match digits {
        15.. | ..-6 => format!("{v:.3e}"),
        _ => format!("{v:.*}", (3 - digits).max(0) as usize),
    }
}

/// A level without the zeros at its end.
struct Trimmed(f64);

impl std::fmt::Display for Trimmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.*}", f.precision().unwrap_or(2), self.0);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}
