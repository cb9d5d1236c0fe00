//! The sample ratio: whether as many players came to each variant as the flag's rollout and weights send there. Where they did
//! not, something other than chance sorted them (a crash of one variant, a lost event, a changed rollout), and no comparison is fair.

use std::collections::BTreeMap;

use castline::flags::bucketing::{BASIS_POINTS, default_weights};
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF as _};

/// A ratio less likely than this under the expected shares forbids a verdict (R. Kohavi, D. Tang, Y. Xu, "Trustworthy Online
/// Controlled Experiments", 2020, chapter 21).
pub const MISMATCH_BELOW: f64 = 0.001;

/// One variant's part in the ratio.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VariantRatio {
    /// The variant.
    pub variant: String,
    /// Players that saw it.
    pub players: u64,
    /// Which share of all players should have.
    pub expected_share: f64,
    /// How many that would be.
    pub expected_players: f64,
}

/// Pearson's χ² of the players of each variant against the expected shares.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SampleRatio {
    /// Whether a verdict may be built on it.
    pub fair: bool,
    /// The statistic, over the variants that should have players.
    pub chi_squared: f64,
    /// One less than there are such variants.
    pub degrees_of_freedom: u64,
    /// How likely a ratio as uneven or more is by chance; 0 where players saw a variant that nobody should.
    pub p_value: f64,
    /// By name.
    pub variants: Vec<VariantRatio>,
}

/// Which share of all players should see each variant: of the enrolled by weight, all others the default. Both kinds of default
/// are one, for the players' experience is the same.
pub fn expected_shares(
    default_variant: &str,
    variants: &[&str],
    rollout_bp: u16,
    weights: Option<&BTreeMap<String, u16>>,
) -> BTreeMap<String, f64> {
    let rollout = u32::from(rollout_bp.min(BASIS_POINTS));
    let split: Vec<(&str, u16)> = match weights {
        Some(weights) => weights.iter().map(|(name, weight)| (name.as_str(), *weight)).collect(),
        None => default_weights(default_variant, variants),
    };
    let whole = u32::from(BASIS_POINTS) * u32::from(BASIS_POINTS);
    let mut parts: BTreeMap<&str, u32> = variants.iter().map(|name| (*name, 0)).collect();
    *parts.entry(default_variant).or_default() +=
        (u32::from(BASIS_POINTS) - rollout) * u32::from(BASIS_POINTS);
    for (name, weight) in split {
        *parts.entry(name).or_default() += rollout * u32::from(weight);
    }
    parts.into_iter().map(|(name, part)| (name.to_owned(), f64::from(part) / f64::from(whole))).collect()
}

/// Checks how many players saw each variant. Shares need not sum to 1; what is below 0 or no number counts as 0.
pub fn sample_ratio(shares: &BTreeMap<String, f64>, players: &BTreeMap<String, u64>) -> SampleRatio {
    let share_of =
        |name: &String| shares.get(name).copied().filter(|s| s.is_finite() && *s > 0.0).unwrap_or(0.0);
    let names: std::collections::BTreeSet<&String> = shares.keys().chain(players.keys()).collect();
    let whole: f64 = names.iter().map(|name| share_of(name)).sum();
    let total: f64 = players.values().map(|n| *n as f64).sum();
    let variants: Vec<VariantRatio> = names
        .into_iter()
        .map(|name| {
            let expected_share = if whole > 0.0 { share_of(name) / whole } else { 0.0 };
            let players = players.get(name).copied().unwrap_or(0);
            VariantRatio {
                variant: name.clone(),
                players,
                expected_share,
                expected_players: expected_share * total,
            }
        })
        .collect();
    let expected = || variants.iter().filter(|v| v.expected_players > 0.0);
    let chi_squared: f64 = expected()
        .map(|v| {
            let off = v.players as f64 - v.expected_players;
            off * (off / v.expected_players)
        })
        .sum();
    let degrees_of_freedom = (expected().count() as u64).saturating_sub(1);
    let unexpected = variants.iter().any(|v| v.expected_share == 0.0 && v.players > 0);
    let p_value = match ChiSquared::new(degrees_of_freedom as f64) {
        _ if unexpected => 0.0,
        Ok(distribution) => distribution.sf(chi_squared).clamp(0.0, 1.0),
        // One variant alone cannot be uneven.
        Err(_) => 1.0,
    };
    SampleRatio { fair: p_value >= MISMATCH_BELOW, chi_squared, degrees_of_freedom, p_value, variants }
}
