//! Experiments: from how many players of each variant did what, to a verdict and the words for it.
//!
//! Nothing here reads a clock, a database or a socket: the numbers come in as [`ExperimentData`], the answer goes out as
//! [`Report`], which serialises as operators see it. Every number in a report is finite; what cannot be computed is `null`.
//! Where the formulas come from is said where they are; `tests/statistics.rs` holds them to SciPy's numbers and to simulations.

mod compare;
mod holm;
mod power;
mod ratio;
mod report;
mod sample;
mod sequence;
mod words;

pub use compare::{Interval, Method, Test, two_proportions, welch};
pub use holm::holm;
pub use power::{POWER, SmallestDetectable, power_two_proportions, smallest_detectable};
pub use ratio::{MISMATCH_BELOW, SampleRatio, VariantRatio, expected_shares, sample_ratio};
pub use report::{
    Analysis, Arm, Because, Decision, Direction, ExperimentData, Finding, Group, LeftOut, Metric, Report,
    SPEAKS_AFTER_DAYS, SPEAKS_AFTER_PLAYERS, SegmentAnalysis, Verdict, report,
};
pub use sample::{MAX_VALUE, Sample};
pub use sequence::{Sequence, TUNED_FOR, rho_squared, sequence};

/// The share of wrong findings that is accepted where there is no effect.
pub const ALPHA: f64 = 0.05;

/// The standard normal distribution's quantile.
fn normal_quantile(p: f64) -> f64 {
    use statrs::distribution::ContinuousCDF as _;
    normal().inverse_cdf(p)
}

/// The standard normal distribution.
fn normal() -> statrs::distribution::Normal {
    statrs::distribution::Normal::standard()
}
