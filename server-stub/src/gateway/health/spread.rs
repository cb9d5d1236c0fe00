//! How times are spread, from which percentiles are read: counted without a lock, precise to a sixteenth.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Eight steps from each power of two to the next, up to 2²⁷ µs, two minutes.
const STEPS: usize = 200;

/// Counts times as they come.
#[derive(Debug)]
pub(crate) struct Spread {
    counts: [AtomicU32; STEPS],
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    counts: Box<[u32; STEPS]>,
}

/// Percentiles, in milliseconds, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
}

impl Spread {
    pub(crate) fn new() -> Spread {
        Spread { counts: std::array::from_fn(|_| AtomicU32::new(0)) }
    }

    pub(crate) fn count(&self, time: Duration) {
        self.counts[step(time.as_micros())].fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted since the last call.
    pub(crate) fn take(&self) -> Counted {
        let mut counts = Box::new([0; STEPS]);
        for (taken, count) in counts.iter_mut().zip(&self.counts) {
            *taken = count.swap(0, Ordering::Relaxed);
        }
        Counted { counts }
    }
}

impl Counted {
    pub(crate) fn none() -> Counted {
        Counted { counts: Box::new([0; STEPS]) }
    }

    pub(crate) fn add(&mut self, other: &Counted) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts.iter()) {
            *sum = sum.saturating_add(*count);
        }
    }

    /// `None` where nothing was counted.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let count: u64 = self.counts.iter().map(|count| u64::from(*count)).sum();
        let at = |share: f64| {
            let rank = (count as f64 * share).ceil() as u64;
            let mut below = 0;
            let place = self.counts.iter().position(|count| {
                below += u64::from(*count);
                below >= rank
            });
            middle(place.unwrap_or(STEPS - 1)) / 1000.0
        };
        (count > 0).then(|| Percentiles { count, p50: at(0.5), p95: at(0.95), p99: at(0.99) })
    }
}

/// Below 8 µs each has its own; then the three bits after the leading one decide.
fn step(micros: u128) -> usize {
    let micros = micros.min((1 << 27) - 1) as u32;
    if micros < 8 {
        return micros as usize;
    }
    let power = micros.ilog2();
    (power as usize - 2) * 8 + ((micros >> (power - 3)) & 7) as usize
}

/// The middle of a step, microseconds.
fn middle(step: usize) -> f64 {
    if step < 8 {
        return step as f64 + 0.5;
    }
    let (power, part) = (step / 8 + 2, step % 8);
    let width = (1u64 << (power - 3)) as f64;
    (8 + part) as f64 * width + width / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_sixteenth_of_the_sorted_times() {
        let spread = Spread::new();
        // From 3 µs to 10 s, thinly spread at the long end.
        let mut times: Vec<u64> = (0..5_000).map(|n| 3 + (f64::from(n) * 0.0032).exp() as u64).collect();
        for time in &times {
            spread.count(Duration::from_micros(*time));
        }
        times.sort_unstable();
        let found = spread.take().percentiles().unwrap();
        assert_eq!(found.count, 5_000);
        for (share, found) in [(0.5, found.p50), (0.95, found.p95), (0.99, found.p99)] {
            let exact = times[(5_000.0 * share) as usize - 1] as f64 / 1000.0;
            assert!((found / exact - 1.0).abs() <= 1.0 / 16.0 + 1e-9, "{share}: {found} for {exact}");
        }
        assert_eq!(spread.take().percentiles(), None, "taken is taken");
    }

    #[test]
    fn steps_follow_one_another_and_hold_their_middles() {
        let mut last = 0;
        for micros in 0..1_000_000u128 {
            let now = step(micros);
            assert!(now == last || now == last + 1, "{micros}");
            last = now;
        }
        assert!((0..STEPS).all(|place| step(middle(place) as u128) == place));
        assert_eq!(step(u128::MAX), STEPS - 1);
    }

    #[test]
    fn sums_are_of_both() {
        let spread = Spread::new();
        let mut sum = Counted::none();
        for ms in [1, 100] {
            spread.count(Duration::from_millis(ms));
            sum.add(&spread.take());
        }
        let found = sum.percentiles().unwrap();
        assert!(found.count == 2 && found.p50 < 1.1 && found.p99 > 93.0, "{found:?}");
    }
}
