//! The statistics put to the proof by chance itself: thousands of experiments, looked at every day, without an effect and with a
//! known one. The dice are seeded: every run sees the same players.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use castline_server::experiments::{
    ALPHA, Decision, Direction, ExperimentData, LeftOut, Method, Metric, POWER, Sample,
    power_two_proportions, report, sequence, smallest_detectable, two_proportions, welch,
};

/// SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, 2014).
struct Dice(u64);

impl Dice {
    /// From 0 up to, but not including, 1.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many of `n` convert. One draw for each run of those that do not: a rate of a twentieth costs a twentieth.
    fn converted(&mut self, n: u64, rate: f64) -> u64 {
        let (mut at, mut hits) = (0.0, 0);
        let step = (-rate).ln_1p();
        loop {
            at += (-self.unit()).ln_1p() / step;
            if at >= n as f64 {
                return hits;
            }
            hits += 1;
            at = at.floor() + 1.0;
        }
    }

    /// What a player spends: most nothing, the others much or little.
    fn spent(&mut self, payers: f64, mean: f64) -> f64 {
        if self.unit() < payers { -mean * (-self.unit()).ln_1p() } else { 0.0 }
    }
}

/// In how many of `experiments` a look found a difference.
#[derive(Debug, Default)]
struct Found {
    /// By the confidence sequence, at any look.
    sequence: u32,
    /// By the sequence at the last look.
    sequence_at_the_end: u32,
    /// By the test of one look, at any look: what it is not made for.
    naive: u32,
    /// By the test of one look at the last.
    planned: u32,
}

impl Found {
    fn shares(&self, experiments: u32) -> [f64; 4] {
        [self.sequence, self.sequence_at_the_end, self.naive, self.planned]
            .map(|n| f64::from(n) / f64::from(experiments))
    }
}

const EXPERIMENTS: u32 = 2_000;

/// Experiments of `days` looks; each day `a_day` players come to the control and to the variant.
fn conversions(seed: u64, rates: [f64; 2], a_day: [u64; 2], days: u32) -> [f64; 4] {
    let mut dice = Dice(seed);
    let mut found = Found::default();
    for _ in 0..EXPERIMENTS {
        let (mut converted, mut any, mut naive) = ([0; 2], false, false);
        for day in 1..=days {
            for side in 0..2 {
                converted[side] += dice.converted(a_day[side], rates[side]);
            }
            let sample =
                |side: usize| Sample::conversion(a_day[side] * u64::from(day), converted[side]).unwrap();
            let (control, arm) = (sample(0), sample(1));
            let by_sequence = sequence(Method::TwoProportionZ, &control, &arm, 1).unwrap().p_value <= ALPHA;
            let by_test = two_proportions(&control, &arm).unwrap().p_value <= ALPHA;
            any |= by_sequence;
            naive |= by_test;
            if day == days {
                found.sequence_at_the_end += u32::from(by_sequence);
                found.planned += u32::from(by_test);
            }
        }
        found.sequence += u32::from(any);
        found.naive += u32::from(naive);
    }
    found.shares(EXPERIMENTS)
}

#[test]
fn without_an_effect_daily_looks_deceive_the_naive_test_and_not_the_sequence() {
    for (seed, rate, a_day, days) in [
        (1, 0.05, [150, 150], 14),
        (2, 0.10, [100, 100], 30),
        (3, 0.02, [300, 300], 30),
        (4, 0.40, [40, 40], 30),
        // A rollout of a tenth.
        (6, 0.10, [270, 30], 30),
    ] {
        let [sequence, _, naive, planned] = conversions(seed, [rate, rate], a_day, days);
        assert!(sequence <= ALPHA, "rate {rate}, {days} days: the sequence was wrong in {sequence}");
        assert!(naive > 0.15, "rate {rate}, {days} days: the naive test was wrong in only {naive}");
        // One look is what the test is made for: five standard errors of a simulation this long are 0.024.
        assert!((planned - ALPHA).abs() < 0.024, "rate {rate}: one look was wrong in {planned}");
        println!("A/A {rate}: sequence {sequence}, naive {naive}, one planned look {planned}");
    }
}

#[test]
fn seven_looks_of_the_naive_test_are_wrong_in_a_sixth_of_experiments() {
    let [_, _, naive, _] = conversions(7, [0.2, 0.2], [300, 300], 7);
    assert!((naive - 0.165).abs() < 0.03, "{naive}");
}

#[test]
fn without_an_effect_on_what_players_spend() {
    let (mut dice, mut found) = (Dice(5), Found::default());
    for _ in 0..EXPERIMENTS {
        let (mut samples, mut any, mut naive) = ([Sample::default(); 2], false, false);
        for _day in 0..14 {
            for sample in &mut samples {
                for _ in 0..60 {
                    sample.add(dice.spent(0.1, 12.0)).unwrap();
                }
            }
            let [control, arm] = &samples;
            any |= sequence(Method::WelchT, control, arm, 1).is_some_and(|s| s.p_value <= ALPHA);
            naive |= welch(control, arm).is_some_and(|t| t.p_value <= ALPHA);
        }
        found.sequence += u32::from(any);
        found.naive += u32::from(naive);
    }
    let [sequence, _, naive, _] = found.shares(EXPERIMENTS);
    assert!(sequence <= ALPHA, "{sequence}");
    assert!(naive > 0.15, "{naive}");
    println!("A/A of means: sequence {sequence}, naive {naive}");
}

/// The theory is of players whose value is known when they are counted. In games they go on spending: here all come on the first
/// day, as many as make the sequence narrowest, and every look sees the same players with more.
#[test]
fn players_that_go_on_spending_do_not_deceive_it_either() {
    const PLAYERS: usize = 1_000;
    let (mut dice, mut found) = (Dice(8), Found::default());
    for _ in 0..EXPERIMENTS {
        let mut values = [[0.0_f64; PLAYERS]; 2];
        let (mut sums, mut squares, mut payers) = ([0.0; 2], [0.0; 2], [0; 2]);
        let (mut any, mut naive) = (false, false);
        for day in 1..=30 {
            for side in 0..2 {
                for _ in 0..dice.converted(PLAYERS as u64, 0.03) {
                    let value = &mut values[side][(dice.unit() * PLAYERS as f64) as usize];
                    payers[side] += u64::from(*value == 0.0);
                    squares[side] -= *value * *value;
                    let spent = dice.spent(1.0, 5.0);
                    *value += spent;
                    sums[side] += spent;
                    squares[side] += *value * *value;
                }
            }
            let sample = |side: usize| {
                let n = PLAYERS as f64;
                let mean = sums[side] / n;
                let variance = (squares[side] - n * mean * mean).max(0.0) / (n - 1.0);
                Sample::summary(PLAYERS as u64, payers[side], mean, variance).unwrap()
            };
            let (control, arm) = (sample(0), sample(1));
            any |= sequence(Method::WelchT, &control, &arm, 1).is_some_and(|s| s.p_value <= ALPHA);
            let test = welch(&control, &arm).is_some_and(|t| t.p_value <= ALPHA);
            naive |= test;
            found.planned += u32::from(day == 30 && test);
        }
        found.sequence += u32::from(any);
        found.naive += u32::from(naive);
    }
    let [sequence, _, naive, planned] = found.shares(EXPERIMENTS);
    println!(
        "A/A of the same players for 30 days: sequence {sequence}, naive {naive}, one planned look {planned}"
    );
    assert!(sequence <= ALPHA, "{sequence}");
    assert!(naive > 0.15, "{naive}");
    assert!((planned - ALPHA).abs() < 0.024, "{planned}");
}

#[test]
fn a_known_lift_is_found_at_the_power_that_was_computed() {
    let (rate, a_day, days) = (0.10, 100, 30);
    let (n, a_day) = (a_day * u64::from(days), [a_day, a_day]);
    let control = Sample::conversion(n, n / 10).unwrap();
    let least = smallest_detectable(Method::TwoProportionZ, Direction::Higher, &control, &control, 1);
    // By one look at the end: at the power computed, four fifths.
    let lift = least.planned_look.unwrap();
    let [_, _, _, planned] = conversions(11, [rate, rate + lift], a_day, days);
    let computed = power_two_proportions(rate, rate + lift, n, n);
    assert!((computed - POWER).abs() < 1e-6, "{computed}");
    assert!((planned - computed).abs() < 0.03, "lift {lift}: found in {planned}, computed {computed}");
    // And one of half that size at the power computed for it.
    let [_, _, _, half] = conversions(12, [rate, rate + lift / 2.0], a_day, days);
    let computed = power_two_proportions(rate, rate + lift / 2.0, n, n);
    assert!((half - computed).abs() < 0.03, "found in {half}, computed {computed}");
    // By the sequence at the last look: four fifths; over all looks more.
    let lift = least.sequence.unwrap();
    let [any, at_the_end, _, _] = conversions(13, [rate, rate + lift], a_day, days);
    assert!((at_the_end - POWER).abs() < 0.03, "lift {lift}: found in {at_the_end}");
    assert!(any >= at_the_end && any > POWER, "lift {lift}: found in {any}");
    println!(
        "A/B: one look {planned}, half the lift {half}, sequence at the end {at_the_end}, at any look {any}"
    );
}

/// Whole reports: split by the flag's own buckets, three variants, a verdict every day.
#[test]
fn reports_read_every_day_promote_and_drop_by_mistake_in_less_than_a_twentieth() {
    const RUNS: u32 = 500;
    let mut dice = Dice(21);
    let (mut wrong, mut uneven) = (0, 0);
    let names = ["control", "a", "b"];
    for _ in 0..RUNS {
        let mut players: BTreeMap<String, (u64, u64)> = names.map(|n| (n.to_owned(), (0, 0))).into();
        let (mut decided, mut unfair) = (false, false);
        for day in 1..=21 {
            for _ in 0..200 {
                let bucket = dice.unit();
                let name = if bucket < 0.5 {
                    "control"
                } else if bucket < 0.75 {
                    "a"
                } else {
                    "b"
                };
                let (n, x) = players.get_mut(name).unwrap();
                *n += 1;
                *x += u64::from(dice.unit() < 0.15);
            }
            let everyone = players.iter().map(|(k, (n, x))| (k.clone(), Sample::conversion(*n, *x).unwrap()));
            let data = ExperimentData {
                control: "control".into(),
                metric: Metric::Conversion,
                direction: Direction::Higher,
                shares: [("control".to_owned(), 0.5), ("a".into(), 0.25), ("b".into(), 0.25)].into(),
                first_exposure: Some(0),
                as_of: day * 86_400_000,
                everyone: everyone.collect(),
                segments: BTreeMap::new(),
                left_out: LeftOut::default(),
                flag_changed: false,
            };
            let report = report(&data);
            decided |= report.everyone.verdict.decision != Decision::Inconclusive;
            unfair |= !report.everyone.sample_ratio.fair;
        }
        wrong += u32::from(decided);
        uneven += u32::from(unfair);
    }
    let (wrong, uneven) = (f64::from(wrong) / f64::from(RUNS), f64::from(uneven) / f64::from(RUNS));
    assert!(wrong <= ALPHA, "{wrong}");
    // One in a thousand at each look, and looks overlap.
    assert!(uneven <= 0.02, "{uneven}");
    println!("reports: wrong {wrong}, taken for uneven {uneven}");
}
