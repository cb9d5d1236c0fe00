//! What an experiment of this size can see at all: without it "no difference" says nothing.

use serde::Serialize;
use statrs::distribution::ContinuousCDF as _;

use super::compare::Method;
use super::report::Direction;
use super::sample::Sample;
use super::sequence::half_width;
use super::{ALPHA, normal, normal_quantile};

/// How often the smallest detectable effect is found where it exists.
pub const POWER: f64 = 0.8;

/// Below as many players a side nothing is said: the formulas are those of large numbers.
const FEW: u64 = 30;

/// The smallest true improvement that would be found four times out of five with the players there are, in the metric's unit;
/// `null` where none that is possible would be, and with fewer than 30 players a side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SmallestDetectable {
    /// By the test of one planned look.
    pub planned_look: Option<f64>,
    /// By the confidence sequence at this look alone; over many looks it is found more often.
    pub sequence: Option<f64>,
}

/// Starts from the control as it was observed. Of a mean the variant is taken to have the control's spread: (z₀.₉₇₅ + z₀.₈) · SE.
/// A proportion's spread grows with the effect itself, which at 5 % of 1,000 players is the difference between 71 % and 80 % of
/// experiments: so there the effect is looked for that has the power. `comparisons` share α.
pub fn smallest_detectable(
    method: Method,
    direction: Direction,
    control: &Sample,
    arm: &Sample,
    comparisons: usize,
) -> SmallestDetectable {
    let mut least = SmallestDetectable { planned_look: None, sequence: None };
    if control.players().min(arm.players()) < FEW {
        return least;
    }
    let (n0, n1) = (control.n(), arm.n());
    let alpha = ALPHA / comparisons.max(1) as f64;
    let z80 = normal_quantile(POWER);
    match method {
        Method::TwoProportionZ => {
            let rate = control.nonzero() as f64 / n0;
            let (room, sign) = match direction {
                Direction::Higher => (1.0 - rate, 1.0),
                Direction::Lower => (rate, -1.0),
            };
            least.planned_look =
                smallest(room, |effect| power(rate, rate + sign * effect, n0, n1, alpha) >= POWER);
            least.sequence = smallest(room, |effect| {
                let error = real_error(rate, rate + sign * effect, n0, n1);
                effect >= half_width(error, n0 + n1, alpha) + z80 * error
            });
        }
        Method::WelchT => {
            let variance = control.variance().filter(|variance| *variance > 0.0);
            let error = variance.map(|variance| (variance * (1.0 / n0 + 1.0 / n1)).sqrt());
            least.planned_look = error.map(|error| (normal_quantile(1.0 - alpha / 2.0) + z80) * error);
            least.sequence = error.map(|error| half_width(error, n0 + n1, alpha) + z80 * error);
        }
    }
    least
}

/// The smallest effect from 0 to `room` that is found, by halving. `None`: not even the largest is.
fn smallest(room: f64, found: impl Fn(f64) -> bool) -> Option<f64> {
    if room <= 0.0 || !found(room) {
        return None;
    }
    let (mut hidden, mut seen) = (0.0, room);
    for _ in 0..60 {
        let middle = f64::midpoint(hidden, seen);
        if found(middle) { seen = middle } else { hidden = middle }
    }
    Some(seen)
}

/// How often the pooled two-proportion z test of one look finds that `arm` differs from `control` (true rates, between 0 and 1).
/// 0 without players.
pub fn power_two_proportions(control: f64, arm: f64, n_control: u64, n_arm: u64) -> f64 {
    if n_control == 0 || n_arm == 0 {
        return 0.0;
    }
    power(control, arm, n_control as f64, n_arm as f64, ALPHA)
}

fn power(p0: f64, p1: f64, n0: f64, n1: f64, alpha: f64) -> f64 {
    let pooled = (p0 * n0 + p1 * n1) / (n0 + n1);
    let null = (pooled * (1.0 - pooled)).max(0.0).sqrt() * (1.0 / n0 + 1.0 / n1).sqrt();
    let limit = normal_quantile(1.0 - alpha / 2.0) * null;
    let real = real_error(p0, p1, n0, n1);
    let effect = (p1 - p0).abs();
    if real <= 0.0 {
        // Without chance the difference is there, or it is not.
        return if effect > limit { 1.0 } else { 0.0 };
    }
    normal().sf((limit - effect) / real) + normal().cdf((-limit - effect) / real)
}

fn real_error(p0: f64, p1: f64, n0: f64, n1: f64) -> f64 {
    (p0 * (1.0 - p0) / n0 + p1 * (1.0 - p1) / n1).max(0.0).sqrt()
}
