//! The tests of one look: two proportions, two means. Good for a look that was planned; who looks every day needs the
//! confidence sequence beside it.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::sample::Sample;
use super::{ALPHA, normal, normal_quantile};

/// Beyond as many degrees of freedom Student's t is the normal distribution to the digits shown.
const NORMAL_FROM: f64 = 1e8;

/// From as many on its quantile is expanded around the normal one, which is exact to 12 digits there; the library's inverse, a
/// search, gives four digits at a million.
const EXPANDED_FROM: f64 = 1_000.0;

/// Where the true effect lies, with the confidence `level`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// 0.95: an interval made this way holds the true effect in 95 of 100 experiments.
    pub level: f64,
}

/// Which test it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Method {
    /// Two proportions, pooled; the interval is Newcombe's.
    TwoProportionZ,
    /// Welch's t for means of unequal variances.
    WelchT,
}

/// A test of one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    /// The test.
    pub method: Method,
    /// The variant's mean less the control's.
    pub effect: f64,
    /// z or t.
    pub statistic: f64,
    /// Of Student's distribution; none for z.
    pub degrees_of_freedom: Option<f64>,
    /// Two-sided.
    pub p_value: f64,
    /// Of the effect, 95 %.
    pub interval: Interval,
}

/// The pooled two-proportion z test, and Newcombe's interval for the difference (R. G. Newcombe, "Interval estimation for the
/// difference between independent proportions", Statistics in Medicine 17, 1998, method 10): made of two Wilson intervals, it
/// has a width where nobody or everybody converted, and stays between −1 and 1. `None` without players on a side.
pub fn two_proportions(control: &Sample, arm: &Sample) -> Option<Test> {
    if control.players() == 0 || arm.players() == 0 {
        return None;
    }
    let (n0, n1) = (control.n(), arm.n());
    let (x0, x1) = (control.nonzero() as f64, arm.nonzero() as f64);
    let (p0, p1) = (x0 / n0, x1 / n1);
    let pooled = (x0 + x1) / (n0 + n1);
    let error = (pooled * (1.0 - pooled) * (1.0 / n0 + 1.0 / n1)).sqrt();
    let effect = p1 - p0;
    // Nobody converted, or everybody: the two are alike.
    let statistic = if error > 0.0 { effect / error } else { 0.0 };
    let (low0, high0) = wilson(p0, n0);
    let (low1, high1) = wilson(p1, n1);
    Some(Test {
        method: Method::TwoProportionZ,
        effect,
        statistic,
        degrees_of_freedom: None,
        p_value: (2.0 * normal().sf(statistic.abs())).min(1.0),
        interval: Interval {
            low: effect - (p1 - low1).hypot(high0 - p0),
            high: effect + (high1 - p1).hypot(p0 - low0),
            level: 1.0 - ALPHA,
        },
    })
}

/// Wilson's interval of a proportion.
fn wilson(p: f64, n: f64) -> (f64, f64) {
    let z = normal_quantile(1.0 - ALPHA / 2.0);
    let zz = z * z / n;
    let middle = p + zz / 2.0;
    let half = z * (p * (1.0 - p) / n + zz / (4.0 * n)).sqrt();
    (((middle - half) / (1.0 + zz)).max(0.0), ((middle + half) / (1.0 + zz)).min(1.0))
}

/// Welch's t (B. L. Welch, Biometrika 34, 1947), degrees of freedom after Satterthwaite. `None` below two players on a side, and
/// where no value differs from the others of its side.
pub fn welch(control: &Sample, arm: &Sample) -> Option<Test> {
    let v0 = control.variance()? / control.n();
    let v1 = arm.variance()? / arm.n();
    let sum = v0 + v1;
    if sum <= 0.0 {
        return None;
    }
    // Shares of the sum instead of its parts: tiny and huge variances neither vanish nor overflow when they are squared.
    let (s0, s1) = (v0 / sum, v1 / sum);
    let freedom = 1.0 / (s0 * s0 / (control.n() - 1.0) + s1 * s1 / (arm.n() - 1.0));
    let effect = arm.mean() - control.mean();
    let statistic = effect / sum.sqrt();
    let half = t_quantile(freedom) * sum.sqrt();
    Some(Test {
        method: Method::WelchT,
        effect,
        statistic,
        degrees_of_freedom: Some(freedom),
        p_value: t_two_sided(statistic.abs(), freedom),
        interval: Interval { low: effect - half, high: effect + half, level: 1.0 - ALPHA },
    })
}

fn student(freedom: f64) -> Option<StudentsT> {
    if freedom < NORMAL_FROM { StudentsT::new(0.0, 1.0, freedom).ok() } else { None }
}

fn t_two_sided(t: f64, freedom: f64) -> f64 {
    let tail = match student(freedom) {
        Some(t_distribution) => t_distribution.sf(t),
        None => normal().sf(t),
    };
    (2.0 * tail).clamp(0.0, 1.0)
}

fn t_quantile(freedom: f64) -> f64 {
    match student(freedom) {
        Some(t_distribution) if freedom < EXPANDED_FROM => t_distribution.inverse_cdf(1.0 - ALPHA / 2.0),
        _ => {
            // Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.5.
            let x = normal_quantile(1.0 - ALPHA / 2.0);
            let xx = x * x;
            let first = x * (xx + 1.0) / 4.0;
            let second = x * ((5.0 * xx + 16.0) * xx + 3.0) / 96.0;
            let third = x * (((3.0 * xx + 19.0) * xx + 17.0) * xx - 15.0) / 384.0;
            x + (first + (second + third / freedom) / freedom) / freedom
        }
    }
}
