//! Which players a rollout takes, and which variant each gets.
//!
//! Both the server and the vectors that every face runs use these functions; nothing here knows what a flag is. A player's bucket
//! depends on the salt and the player alone, so a rollout that grows keeps everyone it had, and the variant comes from a second,
//! independent hash, so enrolment never biases the choice (`PROTOCOL.md`, section 8).

use std::hash::Hasher;

use twox_hash::XxHash64;

/// Buckets, and the sum of a flag's weights: basis points.
pub const BASIS_POINTS: u16 = 10_000;

/// The bucket of a text, 0 to 9,999: `(xxh64(text) × 10000) >> 64`, seed 0, over its UTF-8 bytes.
pub fn bucket(text: &str) -> u16 {
    scale(XxHash64::oneshot(0, text.as_bytes()))
}

/// Whether a rollout of `rollout_bp` basis points takes this player; 10,000 and more takes everyone.
pub fn enrolled(salt: &str, player: &str, rollout_bp: u16) -> bool {
    bucket_of(&[salt, ":", player]) < rollout_bp
}

/// The variant of an enrolled player. `weights` are basis points and are cumulated in byte order of the names, whatever order they
/// are given in; of a name given twice the weights add up. `None` where the player's bucket lies beyond their sum.
pub fn choose<'a>(salt: &str, player: &str, weights: &[(&'a str, u16)]) -> Option<&'a str> {
    let bucket = u32::from(bucket_of(&[salt, ":v:", player]));
    let mut end = 0;
    let mut last: Option<&'a str> = None;
    // The least name above the last one, again and again: a flag has a handful of variants, and a sorted copy would allocate.
    while let Some(name) =
        weights.iter().map(|(name, _)| *name).filter(|name| last.is_none_or(|last| *name > last)).min()
    {
        end += weights.iter().filter(|(n, _)| *n == name).map(|(_, w)| u32::from(*w)).sum::<u32>();
        if bucket < end {
            return Some(name);
        }
        last = Some(name);
    }
    None
}

/// The weights of a flag that states none, in byte order of the names: the default variant weighs 0, the others share 10,000 equally,
/// and the first of them takes the remainder. A default variant without any other weighs 10,000.
pub fn default_weights<'a>(default: &str, variants: &[&'a str]) -> Vec<(&'a str, u16)> {
    let mut names = variants.to_vec();
    names.sort_unstable();
    names.dedup();
    let others = names.iter().filter(|name| **name != default).count();
    let Ok(others) = u16::try_from(others) else { return Vec::new() };
    if others == 0 {
        return names.into_iter().map(|name| (name, BASIS_POINTS)).collect();
    }
    let mut remainder = BASIS_POINTS % others;
    let weigh = |name: &'a str| {
        let weight =
            if name == default { 0 } else { BASIS_POINTS / others + std::mem::replace(&mut remainder, 0) };
        (name, weight)
    };
    names.into_iter().map(weigh).collect()
}

/// The bucket of the parts joined, without joining them.
fn bucket_of(parts: &[&str]) -> u16 {
    let mut hasher = XxHash64::with_seed(0);
    for part in parts {
        hasher.write(part.as_bytes());
    }
    scale(hasher.finish())
}

fn scale(hash: u64) -> u16 {
    // Below 10,000 by construction, so the cast is exact.
    ((u128::from(hash) * u128::from(BASIS_POINTS)) >> 64) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_xxh64_with_seed_0() {
        // From the reference implementation's own test values.
        assert_eq!(XxHash64::oneshot(0, b""), 0xef46_db37_51d8_e999);
        assert_eq!(bucket(""), ((0xef46_db37_51d8_e999_u128 * 10_000) >> 64) as u16);
        assert_eq!(scale(0), 0);
        assert_eq!(scale(u64::MAX), 9_999);
    }

    #[test]
    fn joined_and_streamed_are_one() {
        for (salt, player) in [("", ""), ("flag", "player_1"), ("naïve", "игрок-🐟"), ("s", &"p".repeat(100))]
        {
            assert_eq!(bucket_of(&[salt, ":", player]), bucket(&format!("{salt}:{player}")));
            assert_eq!(bucket_of(&[salt, ":v:", player]), bucket(&format!("{salt}:v:{player}")));
        }
    }

    #[test]
    fn a_rollout_grows_and_loses_nobody() {
        let players: Vec<String> = (0..2_000).map(|n| format!("player-{n}")).collect();
        let taken = |bp| players.iter().filter(|p| enrolled("price", p, bp)).collect::<Vec<_>>();
        let (ten, twenty) = (taken(1_000), taken(2_000));
        assert!(ten.iter().all(|p| twenty.contains(p)));
        assert!((150..=250).contains(&ten.len()), "{}", ten.len());
        assert_eq!(taken(0).len(), 0);
        assert_eq!(taken(10_000).len(), players.len());
        assert_eq!(taken(u16::MAX).len(), players.len());
    }

    #[test]
    fn the_order_of_the_weights_does_not_matter() {
        let (a, b) = ([("b", 2_500), ("a", 5_000), ("c", 2_500)], [("c", 2_500), ("b", 2_500), ("a", 5_000)]);
        for n in 0..500 {
            let player = format!("p{n}");
            assert_eq!(choose("f", &player, &a), choose("f", &player, &b));
        }
    }

    #[test]
    fn weights_cut_where_they_say() {
        for n in 0..500 {
            let player = format!("p{n}");
            let bucket = bucket(&format!("f:v:{player}"));
            let weights = [("b", 3_000), ("a", 2_000), ("z", 1_000)];
            let expected = match bucket {
                0..2_000 => Some("a"),
                2_000..5_000 => Some("b"),
                5_000..6_000 => Some("z"),
                _ => None,
            };
            assert_eq!(choose("f", &player, &weights), expected);
        }
        assert_eq!(choose("f", "p", &[]), None);
        assert_eq!(choose("f", "p", &[("only", 0)]), None);
        assert_eq!(choose("f", "p", &[("twice", 5_000), ("twice", 5_000)]), Some("twice"));
    }

    #[test]
    fn weights_that_are_not_stated() {
        assert_eq!(
            default_weights("control", &["treatment", "control"]),
            [("control", 0), ("treatment", 10_000)]
        );
        assert_eq!(
            default_weights("c", &["d", "c", "b", "a"]),
            [("a", 3_334), ("b", 3_333), ("c", 0), ("d", 3_333)]
        );
        assert_eq!(
            default_weights("a", &["a", "b", "c", "d"]),
            [("a", 0), ("b", 3_334), ("c", 3_333), ("d", 3_333)]
        );
        assert_eq!(default_weights("a", &["a"]), [("a", 10_000)]);
        assert_eq!(default_weights("a", &[]), []);
    }
}
