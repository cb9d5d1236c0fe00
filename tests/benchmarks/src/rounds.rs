//! Alternating rounds: ours, the peer, the peer, ours. A busy machine slows both alike, so that the ratio of a
//! round holds where its times do not; of the rounds the median counts. What is measured is left to others.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The two sides of a measurement, round by round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sides {
    pub(crate) ours: Vec<f64>,
    pub(crate) peer: Vec<f64>,
}

/// What the rounds say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) ours: f64,
    pub(crate) peer: f64,
    /// The median of the rounds' ratios, not the ratio of the medians.
    pub(crate) ratio: f64,
    /// The ratios' quartiles: half of the rounds lie between them.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Sides {
    pub(crate) fn summary(&self) -> Summary {
        let ratios: Vec<f64> = self.ours.iter().zip(&self.peer).map(|(ours, peer)| ours / peer).collect();
        Summary {
            ours: median(&self.ours),
            peer: median(&self.peer),
            ratio: median(&ratios),
            low: quantile(&ratios, 0.25),
            high: quantile(&ratios, 0.75),
        }
    }
}

/// Runs both sides `rounds` times, each first in every second round. The first error ends it.
pub(crate) fn alternate<T>(
    rounds: usize,
    state: &mut T,
    mut ours: impl FnMut(&mut T) -> anyhow::Result<f64>,
    mut peer: impl FnMut(&mut T) -> anyhow::Result<f64>,
) -> anyhow::Result<Sides> {
    let mut sides = Sides::default();
    for round in 0..rounds {
        if round % 2 == 0 {
            sides.ours.push(ours(state)?);
            sides.peer.push(peer(state)?);
        } else {
            sides.peer.push(peer(state)?);
            sides.ours.push(ours(state)?);
        }
    }
    Ok(sides)
}

/// Two small operations against each other: nanoseconds per operation, `batch` long for each side of a round.
pub(crate) fn nanoseconds(
    rounds: usize,
    batch: Duration,
    mut ours: impl FnMut(),
    mut peer: impl FnMut(),
) -> anyhow::Result<Sides> {
    let (n, m) = (calls_within(batch, &mut ours), calls_within(batch, &mut peer));
    alternate(rounds, &mut (), |()| Ok(per_call(n, &mut ours)), |()| Ok(per_call(m, &mut peer)))
}

/// How many calls take about so long; warms up too.
fn calls_within(batch: Duration, operation: &mut impl FnMut()) -> u32 {
    let mut calls = 1;
    loop {
        let each = per_call(calls, operation);
        if each * f64::from(calls) > batch.as_nanos() as f64 / 4.0 || calls > u32::MAX / 4 {
            return (batch.as_nanos() as f64 / each.max(0.01)).clamp(1.0, 1e9) as u32;
        }
        calls *= 2;
    }
}

fn per_call(calls: u32, operation: &mut impl FnMut()) -> f64 {
    let start = thread_ns();
    for _ in 0..calls {
        operation();
    }
    (thread_ns() - start) as f64 / f64::from(calls)
}

/// The CPU time of this thread: what another program takes of the processor meanwhile does not count.
fn thread_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// The middle one; of an even number the mean of the two in the middle. NaN of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// The value below which a share of the values lies (nearest rank).
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_ratios() {
        // The machine was three times as slow in the second round: the ratio does not show it.
        let sides = Sides { ours: vec![2.0, 6.0, 2.2], peer: vec![1.0, 3.0, 1.0] };
        let summary = sides.summary();
        assert_eq!((summary.ours, summary.peer, summary.ratio), (2.2, 1.0, 2.0));
        assert_eq!((summary.low, summary.high), (2.0, 2.2));
    }

    #[test]
    fn sides_take_turns_in_going_first() {
        let mut order = String::new();
        let sides = alternate(
            3,
            &mut order,
            |order| {
                order.push('o');
                Ok(1.0)
            },
            |order| {
                order.push('p');
                Ok(2.0)
            },
        )
        .unwrap();
        assert_eq!(order, "oppoop");
        assert_eq!((sides.ours.len(), sides.peer.len()), (3, 3));
    }

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&hundred, 0.5), quantile(&hundred, 0.99)), (50.0, 99.0));
    }
}
