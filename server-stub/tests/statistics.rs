//! The statistics against SciPy and statsmodels (`data/statistics.py` writes the numbers), and what a report says of whom.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use castline_server::experiments::{
    Because, Decision, Direction, ExperimentData, Finding, Group, LeftOut, Method, Metric, Report, Sample,
    Sequence, Test, expected_shares, holm, power_two_proportions, report, sample_ratio, sequence,
    smallest_detectable, two_proportions, welch,
};
use serde_json::Value;

/// Relative, for what both sides compute to nearly all digits of a double.
const CLOSE: f64 = 1e-9;

fn vectors(name: &str) -> Vec<Value> {
    let text = include_str!("data/statistics.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let cases = all[name].as_array().unwrap().clone();
    assert!(!cases.is_empty(), "{name}");
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

#[track_caller]
fn near(what: &str, got: f64, expected: f64, relative: f64) {
    assert!(got.is_finite(), "{what}: {got}");
    // Below 1e-300 a probability is 0 in one library and a denormal in the other.
    let allowed = relative * expected.abs().max(got.abs()) + 1e-300;
    assert!((got - expected).abs() <= allowed, "{what}: {got}, expected {expected}");
}

fn players(value: &Value) -> Sample {
    let [n, x] = value.as_array().unwrap().as_slice() else { panic!("{value}") };
    Sample::conversion(n.as_u64().unwrap(), x.as_u64().unwrap()).unwrap()
}

#[test]
fn two_proportions_are_as_statsmodels_says() {
    for case in vectors("twoProportions") {
        let (control, arm) = (players(&case["control"]), players(&case["arm"]));
        let test = two_proportions(&control, &arm).unwrap();
        // Where nobody converted, or everybody, statsmodels has no answer; ours is that the two are alike.
        near(&format!("{case} z"), test.statistic, case["z"].as_f64().unwrap_or(0.0), 1e-8);
        near(&format!("{case} p"), test.p_value, case["p"].as_f64().unwrap_or(1.0), 1e-8);
        let interval = numbers(&case["interval"]);
        let off = (test.interval.low - interval[0]).abs().max((test.interval.high - interval[1]).abs());
        assert!(off < 1e-12, "{case} {test:?}");
        let always = sequence(Method::TwoProportionZ, &control, &arm, 1).unwrap();
        near(&format!("{case} sequence"), half(&always), number(&case["sequenceHalfWidth"]), CLOSE);
        near(&format!("{case} sequence p"), always.p_value, number(&case["sequenceP"]), 1e-6);
        let of_three = sequence(Method::TwoProportionZ, &control, &arm, 3).unwrap();
        near(&format!("{case} of three"), half(&of_three), number(&case["sequenceHalfWidthOfThree"]), CLOSE);
        let least = smallest_detectable(Method::TwoProportionZ, Direction::Higher, &control, &arm, 1);
        for (got, expected) in [
            (least.planned_look, &case["smallestDetectable"][0]),
            (least.sequence, &case["smallestDetectable"][1]),
        ] {
            match (got, expected.as_f64()) {
                (Some(got), Some(expected)) => near(&format!("{case} least"), got, expected, 1e-6),
                (got, expected) => assert_eq!(got, expected, "{case}"),
            }
        }
    }
}

fn half(sequence: &Sequence) -> f64 {
    (sequence.interval.high - sequence.interval.low) / 2.0
}

#[test]
fn welch_is_as_scipy_says() {
    let sample = |side: &Value| match side.get("values") {
        Some(values) => Sample::of(numbers(values)).unwrap(),
        None => {
            let players = side["players"].as_u64().unwrap();
            Sample::summary(players, players, number(&side["mean"]), number(&side["variance"])).unwrap()
        }
    };
    for case in vectors("welch") {
        let name = case["name"].as_str().unwrap();
        let (control, arm) = (sample(&case["control"]), sample(&case["arm"]));
        let test: Test = welch(&control, &arm).unwrap();
        // A running mean a billion from zero keeps ten digits of a difference of one.
        near(&format!("{name} t"), test.statistic, number(&case["t"]), 1e-8);
        near(&format!("{name} df"), test.degrees_of_freedom.unwrap(), number(&case["df"]), 1e-8);
        // With tens of millions of players statrs's incomplete beta function keeps seven digits.
        near(&format!("{name} p"), test.p_value, number(&case["p"]), 1e-6);
        let interval = numbers(&case["interval"]);
        near(&format!("{name} low"), test.interval.low, interval[0], 1e-7);
        near(&format!("{name} high"), test.interval.high, interval[1], 1e-7);
        let always = sequence(Method::WelchT, &control, &arm, 1).unwrap();
        near(&format!("{name} sequence"), half(&always), number(&case["sequenceHalfWidth"]), 1e-8);
        near(&format!("{name} sequence p"), always.p_value, number(&case["sequenceP"]), 1e-6);
    }
}

#[test]
fn the_sample_ratio_is_as_scipy_says() {
    for case in vectors("sampleRatio") {
        let named = |list: &Value| list.as_array().unwrap().clone().into_iter().enumerate();
        let shares = named(&case["shares"]).map(|(n, v)| (format!("v{n}"), number(&v))).collect();
        let seen = named(&case["players"]).map(|(n, v)| (format!("v{n}"), v.as_u64().unwrap())).collect();
        let ratio = sample_ratio(&shares, &seen);
        near(&format!("{case}"), ratio.chi_squared, number(&case["chiSquared"]), CLOSE);
        near(&format!("{case} p"), ratio.p_value, number(&case["p"]), CLOSE);
        assert_eq!(ratio.fair, number(&case["p"]) >= 0.001);
    }
}

#[test]
fn holm_and_power_are_as_statsmodels_says() {
    for case in vectors("holm") {
        let adjusted = holm(&numbers(&case["p"]));
        for (got, expected) in adjusted.into_iter().zip(numbers(&case["adjusted"])) {
            near(&format!("{case}"), got, expected, 1e-12);
        }
    }
    assert_eq!(holm(&[f64::NAN, 0.01]), [1.0, 0.02], "what could not be computed stays in the family");
    assert_eq!(holm(&[]), [0.0; 0]);
    for case in vectors("power") {
        let n: Vec<u64> = case["n"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        let power = power_two_proportions(number(&case["control"]), number(&case["arm"]), n[0], n[1]);
        near(&format!("{case}"), power, number(&case["power"]), CLOSE);
    }
}

#[test]
fn shares_follow_from_rollout_and_weights() {
    let shares = |rollout, weights: Option<&[(&str, u16)]>| {
        let weights = weights.map(|w| w.iter().map(|(n, w)| ((*n).to_owned(), *w)).collect());
        let shares = expected_shares("control", &["control", "a", "b"], rollout, weights.as_ref());
        assert!((shares.values().sum::<f64>() - 1.0).abs() < 1e-12);
        [shares["a"], shares["b"], shares["control"]]
    };
    assert_eq!(shares(0, None), [0.0, 0.0, 1.0]);
    assert_eq!(shares(1_000, None), [0.05, 0.05, 0.9]);
    assert_eq!(shares(10_000, None), [0.5, 0.5, 0.0]);
    // The control of the enrolled and that of all others are one.
    assert_eq!(shares(5_000, Some(&[("control", 4_000), ("a", 6_000)])), [0.3, 0.0, 0.7]);
}

/// An experiment of a conversion: variant → (share, players, converted), after `days`.
fn conversion(days: i64, variants: &[(&str, f64, u64, u64)]) -> ExperimentData {
    let group = |n: &(&str, f64, u64, u64)| (n.0.to_owned(), Sample::conversion(n.2, n.3).unwrap());
    ExperimentData {
        control: "control".into(),
        metric: Metric::Conversion,
        direction: Direction::Higher,
        shares: variants.iter().map(|v| (v.0.to_owned(), v.1)).collect(),
        first_exposure: Some(1_763_660_000_000),
        as_of: 1_763_660_000_000 + days * 86_400_000,
        everyone: variants.iter().map(group).collect(),
        segments: BTreeMap::new(),
        left_out: LeftOut::default(),
        flag_changed: false,
    }
}

#[track_caller]
fn says(report: &Report, decision: Decision, because: Because, words: &[&str]) {
    let verdict = &report.everyone.verdict;
    assert_eq!((verdict.decision, verdict.because), (decision, because), "{verdict:?}");
    for part in words {
        assert!(verdict.words.contains(part), "{:?} without {part:?}", verdict.words);
    }
}

#[test]
fn a_better_variant_is_promoted_and_a_worse_one_dropped() {
    let better = report(&conversion(8, &[("control", 0.5, 3_000, 300), ("treatment", 0.5, 3_010, 421)]));
    says(
        &better,
        Decision::Promote,
        Because::Better,
        &["treatment: 13.99 %", "10.00 % of control", "+3.99 points"],
    );
    assert_eq!(better.everyone.verdict.variant.as_deref(), Some("treatment"));
    let worse = report(&conversion(8, &[("control", 0.5, 3_000, 421), ("treatment", 0.5, 3_010, 300)]));
    says(&worse, Decision::Drop, Because::Worse, &["Drop", "treatment: 9.97 %"]);
    assert_eq!(worse.everyone.verdict.variant, None);
    // Where less is better it is the other way round.
    let mut churn = conversion(8, &[("control", 0.5, 3_000, 421), ("treatment", 0.5, 3_010, 300)]);
    churn.direction = Direction::Lower;
    says(&report(&churn), Decision::Promote, Because::Better, &["treatment"]);
}

#[test]
fn what_one_look_calls_significant_is_not_enough() {
    let report = report(&conversion(3, &[("control", 0.5, 1_000, 100), ("treatment", 0.5, 1_000, 130)]));
    let arm = &report.everyone.arms[0];
    assert!(arm.one_look.unwrap().p_value < 0.05 && arm.adjusted_p_value > 0.4);
    says(
        &report,
        Decision::Inconclusive,
        Because::NotSettled,
        &["+3.00 points", "an improvement of +5.79 points"],
    );
}

#[test]
fn it_speaks_after_seven_days_or_with_a_thousand_players_each() {
    let at = |days, players: u64| {
        report(&conversion(
            days,
            &[("control", 0.5, players, players / 10), ("treatment", 0.5, players, players / 2)],
        ))
    };
    says(
        &at(6, 999),
        Decision::Inconclusive,
        Because::TooEarly,
        &["7 days", "1000 players", "6.0 days", "999 players"],
    );
    assert_eq!(at(6, 999).everyone.arms[0].finding, Finding::Unclear);
    says(&at(0, 1_000), Decision::Promote, Because::Better, &[]);
    says(&at(7, 999), Decision::Promote, Because::Better, &[]);
    // Seven days do not make a few players many.
    says(&at(30, 20), Decision::Inconclusive, Because::TooFewOutcomes, &["too little"]);
}

#[test]
fn an_uneven_split_forbids_any_verdict() {
    let uneven = report(&conversion(8, &[("control", 0.5, 3_000, 300), ("treatment", 0.5, 3_400, 680)]));
    says(&uneven, Decision::Inconclusive, Because::SampleRatio, &["treatment 3400 instead of 3200"]);
    assert!(!uneven.everyone.sample_ratio.fair);
    assert_eq!(uneven.everyone.arms[0].finding, Finding::Unclear);
    let stranger =
        report(&conversion(8, &[("control", 0.5, 3_000, 300), ("b", 0.5, 3_010, 421), ("old", 0.0, 1, 0)]));
    says(&stranger, Decision::Inconclusive, Because::SampleRatio, &["players saw old"]);
    assert_eq!(stranger.everyone.sample_ratio.p_value, 0.0);
}

#[test]
fn without_a_control_there_is_nothing_to_compare() {
    let promoted = report(&conversion(8, &[("control", 0.0, 0, 0), ("treatment", 1.0, 5_000, 500)]));
    says(&promoted, Decision::Inconclusive, Because::NothingToCompare, &["nobody has seen control"]);
    let mut nobody = conversion(0, &[("control", 0.5, 0, 0), ("treatment", 0.5, 0, 0)]);
    nobody.first_exposure = None;
    says(&report(&nobody), Decision::Inconclusive, Because::NothingToCompare, &["control, treatment"]);
    nobody.everyone.clear();
    nobody.shares.clear();
    says(&report(&nobody), Decision::Inconclusive, Because::NothingToCompare, &["control"]);
}

#[test]
fn several_variants_share_the_risk() {
    let one = conversion(8, &[("control", 0.5, 4_000, 400), ("a", 0.5, 4_000, 480)]);
    let four = conversion(
        8,
        &[
            ("control", 0.2, 4_000, 400),
            ("a", 0.2, 4_000, 480),
            ("b", 0.2, 4_000, 400),
            ("c", 0.2, 4_000, 405),
            ("d", 0.2, 4_000, 396),
        ],
    );
    let (one, four) = (report(&one), report(&four));
    let alone = one.everyone.arms[0].sequence.unwrap().p_value;
    assert_eq!(one.everyone.arms[0].adjusted_p_value, alone);
    assert_eq!(four.everyone.arms[0].variant, "a");
    near("Holm's first of four", four.everyone.arms[0].adjusted_p_value, (4.0 * alone).min(1.0), 1e-12);
    near("level", four.everyone.arms[0].sequence.unwrap().interval.level, 0.9875, 1e-12);
    // The better of two winners; the loser is no reason to drop.
    let mixed = conversion(
        8,
        &[
            ("control", 0.25, 9_000, 900),
            ("best", 0.25, 9_000, 1_300),
            ("good", 0.25, 9_000, 1_200),
            ("poor", 0.25, 9_000, 600),
        ],
    );
    let mixed = report(&mixed);
    says(&mixed, Decision::Promote, Because::Better, &["Promote best", "by less: good"]);
    let findings: Vec<Finding> = mixed.everyone.arms.iter().map(|arm| arm.finding).collect();
    assert_eq!(findings, [Finding::Better, Finding::Better, Finding::Worse]);
}

#[test]
fn each_segment_has_its_own_verdict() {
    let mut data = conversion(8, &[("control", 0.5, 12_000, 2_400), ("treatment", 0.5, 12_000, 2_400)]);
    let group = |control, treatment| -> Group {
        let sample = |converted| Sample::conversion(6_000, converted).unwrap();
        [("control".to_owned(), sample(control)), ("treatment".to_owned(), sample(treatment))].into()
    };
    data.segments = [("new".into(), group(1_200, 900)), ("whale".into(), group(1_200, 1_500))].into();
    let report = report(&data);
    says(&report, Decision::Inconclusive, Because::NotSettled, &["+0.00 points"]);
    let verdicts: Vec<(&str, Decision)> =
        report.segments.iter().map(|s| (s.segment.as_str(), s.analysis.verdict.decision)).collect();
    assert_eq!(verdicts, [("new", Decision::Drop), ("whale", Decision::Promote)]);
    // One family: with two segments each comparison has half the risk.
    near("level", report.segments[0].analysis.arms[0].sequence.unwrap().interval.level, 0.975, 1e-12);
}

#[test]
fn a_mean_has_its_verdict_too() {
    let mut data = conversion(8, &[("control", 0.5, 0, 0), ("treatment", 0.5, 0, 0)]);
    data.metric = Metric::Mean;
    let sample = |mean| Sample::summary(5_000, 400, mean, 9.0).unwrap();
    data.everyone = [("control".to_owned(), sample(0.75)), ("treatment".to_owned(), sample(1.25))].into();
    let found = report(&data);
    says(&found, Decision::Promote, Because::Better, &["treatment: 1.250", "0.7500 of control", "+0.5000"]);
    assert_eq!(found.everyone.arms[0].one_look.unwrap().method, Method::WelchT);
    near("relative", found.everyone.arms[0].relative.unwrap(), 2.0 / 3.0, 1e-12);
    // Nine that pay are too few, however clear they look.
    let few = |mean| Sample::summary(5_000, 9, mean, 0.01).unwrap();
    data.everyone = [("control".to_owned(), few(0.5)), ("treatment".to_owned(), few(1.0))].into();
    says(&report(&data), Decision::Inconclusive, Because::TooFewOutcomes, &[]);
    // Everybody brings the same: there is no spread to judge by.
    let same = Sample::summary(5_000, 5_000, 1.0, 0.0).unwrap();
    data.everyone = [("control".to_owned(), same), ("treatment".to_owned(), same)].into();
    let same = report(&data);
    says(&same, Decision::Inconclusive, Because::NotSettled, &[]);
    assert!(same.everyone.arms[0].sequence.is_none() && same.everyone.arms[0].one_look.is_none());
}

/// `serde_json` writes a number that is not finite as null: in the JSON that operators get, only what may be null is.
#[test]
fn no_report_holds_a_number_that_is_none() {
    const MAY_BE_NULL: [&str; 6] =
        ["sequence", "oneLook", "relative", "variant", "plannedLook", "degreesOfFreedom"];
    fn check(value: &Value, name: &str, whole: &Value) {
        match value {
            Value::Null => assert!(MAY_BE_NULL.contains(&name), "{name} is null in {whole}"),
            Value::Array(list) => list.iter().for_each(|v| check(v, name, whole)),
            Value::Object(map) => map.iter().for_each(|(name, v)| check(v, name, whole)),
            _ => {}
        }
    }
    let huge = 1 << 53;
    let counts = [0_u64, 1, 2, 29, 30, 1_000, huge];
    let mut samples = Vec::new();
    for n in counts {
        for x in [0, 1, n / 10, n.saturating_sub(1), n] {
            samples.push(Sample::conversion(n, x.min(n)).unwrap());
        }
        for (mean, variance) in [(0.0, 0.0), (1e15, 1e30), (-1e15, 0.0), (1e-300, 1e-300), (5.0, 1e-30)] {
            samples.push(Sample::summary(n, n, mean, variance).unwrap());
        }
    }
    let mut seen = 0;
    for control in &samples {
        for arm in &samples {
            for metric in [Metric::Conversion, Metric::Mean] {
                let mut data = conversion(8, &[("control", 0.9, 0, 0), ("arm", 0.1, 0, 0)]);
                // A conversion is counted, not summed.
                let as_metric = |s: &Sample| match metric {
                    Metric::Conversion => Sample::conversion(s.players(), s.nonzero()).unwrap(),
                    _ => *s,
                };
                data.metric = metric;
                data.everyone =
                    [("control".to_owned(), as_metric(control)), ("arm".to_owned(), as_metric(arm))].into();
                let report = report(&data);
                for arm in &report.everyone.arms {
                    assert!((0.0..=1.0).contains(&arm.adjusted_p_value), "{data:?}");
                    assert!(arm.one_look.is_none_or(|t| (0.0..=1.0).contains(&t.p_value)), "{data:?}");
                    assert!(arm.sequence.is_none_or(|s| s.interval.low <= s.interval.high), "{data:?}");
                }
                assert!(!report.everyone.verdict.words.contains("NaN"), "{data:?}");
                let json = serde_json::to_value(&report).unwrap();
                check(&json, "", &json);
                seen += 1;
            }
        }
    }
    assert_eq!(seen, samples.len() * samples.len() * 2);
}
