//! `bucketing.json`: which bucket, which rollout, which variant.

use castline::flags::bucketing::{bucket, choose, default_weights, enrolled};
use castline_conformance::{Nothing, load};

#[derive(serde::Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Case {
    Bucket { text: String, bucket: u16, xxh64: Option<String> },
    Enrolled { salt: String, player: String, rollout_bp: u16, expected: bool },
    Choose { salt: String, player: String, weights: Vec<(String, u16)>, expected: Option<String> },
    DefaultWeights { default: String, variants: Vec<String>, expected: Vec<(String, u16)> },
}

fn borrowed(weights: &[(String, u16)]) -> Vec<(&str, u16)> {
    weights.iter().map(|(name, weight)| (name.as_str(), *weight)).collect()
}

#[test]
fn buckets_rollouts_and_variants() {
    for case in load::<Case, Nothing>("bucketing.json").cases {
        match case {
            Case::Bucket { text, bucket: expected, xxh64 } => {
                assert_eq!(bucket(&text), expected, "{text:?}");
                // The bucket is the hash's upper end: the vectors agree with themselves.
                if let Some(hash) = xxh64 {
                    let hash = u128::from_str_radix(&hash, 16).unwrap();
                    assert_eq!((hash * 10_000) >> 64, u128::from(expected), "{text:?}");
                }
            }
            Case::Enrolled { salt, player, rollout_bp, expected } => {
                assert_eq!(
                    enrolled(&salt, &player, rollout_bp),
                    expected,
                    "{salt:?} {player:?} {rollout_bp}"
                );
            }
            Case::Choose { salt, player, weights, expected } => {
                let chosen = choose(&salt, &player, &borrowed(&weights));
                assert_eq!(chosen, expected.as_deref(), "{salt:?} {player:?} {weights:?}");
            }
            Case::DefaultWeights { default, variants, expected } => {
                let variants: Vec<&str> = variants.iter().map(String::as_str).collect();
                assert_eq!(
                    default_weights(&default, &variants),
                    borrowed(&expected),
                    "{default} {variants:?}"
                );
            }
        }
    }
}
