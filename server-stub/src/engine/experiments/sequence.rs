//! The confidence sequence: an interval that holds at every look at once, so that looking every day costs nothing.
//!
//! It is the asymptotic confidence sequence of I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas, "Time-uniform
//! central limit theory and asymptotic confidence sequences" (Annals of Statistics 52, 2024; arXiv 2103.06476), for the difference
//! of two means: with n players in both groups together and SE the difference's standard error, the half-width is
//!
//! √(SE²·n) · √( 2(nρ²+1)/(nρ)² · ln( √(nρ²+1) / α ) ),  ρ² = (−2 ln α + ln(−2 ln α + 1)) / N.
//!
//! N is where the sequence is narrowest beside the interval of one look. It must not depend on the data, nor on α: one ρ serves all
//! levels, so the p-value is the least α whose sequence leaves 0 out, and Holm's procedure takes such p-values as any other.

use serde::Serialize;

use super::ALPHA;
use super::compare::{Interval, Method};
use super::sample::Sample;

/// Where the sequence is narrowest, players of both groups together: the thousand a variant at which a report may speak.
pub const TUNED_FOR: f64 = 2_000.0;

/// What holds at every look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sequence {
    /// Of the effect. Its level is 1 − 0.05 / the number of comparisons, so that all of them hold together.
    pub interval: Interval,
    /// The standard error it is made with.
    pub standard_error: f64,
    /// Two-sided, valid at every look.
    pub p_value: f64,
}

/// ρ² for α = 0.05 and N = [`TUNED_FOR`].
pub fn rho_squared() -> f64 {
    let a = -2.0 * ALPHA.ln();
    (a + (a + 1.0).ln()) / TUNED_FOR
}

/// Half the sequence's width with `players` in both groups together.
pub(super) fn half_width(standard_error: f64, players: f64, alpha: f64) -> f64 {
    let nr = players * rho_squared();
    // n/(nρ)² · (nρ²+1) = (nρ²+1)/(nρ²): the same, without the square of a large n.
    standard_error * (2.0 * (nr + 1.0) / nr * (0.5 * nr.ln_1p() - alpha.ln())).sqrt()
}

/// The least α whose sequence leaves 0 out; at most 1.
pub(super) fn p_value(effect: f64, standard_error: f64, players: f64) -> f64 {
    let nr = players * rho_squared();
    let z = effect / standard_error;
    (0.5 * nr.ln_1p() - 0.5 * z * z * nr / (nr + 1.0)).exp().min(1.0)
}

/// The standard error of the difference that the sequence uses. Of proportions it is taken as if one more player had converted
/// and one more had not (Agresti and Caffo's adjustment): it is never 0, and the same in the limit. `None` where there is none.
pub(super) fn standard_error(method: Method, control: &Sample, arm: &Sample) -> Option<f64> {
    let squared = |sample: &Sample| match method {
        Method::TwoProportionZ => {
            let p = (sample.nonzero() as f64 + 1.0) / (sample.n() + 2.0);
            (sample.players() > 0).then(|| p * (1.0 - p) / sample.n())
        }
        Method::WelchT => sample.variance().map(|variance| variance / sample.n()),
    };
    let sum = squared(control)? + squared(arm)?;
    (sum > 0.0).then(|| sum.sqrt())
}

/// The sequence at this look, `comparisons` of which shall hold together. `None` where there is no standard error.
pub fn sequence(method: Method, control: &Sample, arm: &Sample, comparisons: usize) -> Option<Sequence> {
    let standard_error = standard_error(method, control, arm)?;
    let players = control.n() + arm.n();
    let effect = arm.mean() - control.mean();
    let alpha = ALPHA / comparisons.max(1) as f64;
    let half = half_width(standard_error, players, alpha);
    Some(Sequence {
        interval: Interval { low: effect - half, high: effect + half, level: 1.0 - alpha },
        standard_error,
        p_value: p_value(effect, standard_error, players),
    })
}
