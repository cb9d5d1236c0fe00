//! The simulation's own randomness: small, seeded, the same on every machine.
//!
//! Each part of a history draws from a generator of its own ([`Rng::fork`]), so that a change in one part (one more packet, one
//! more reply) does not shuffle what another part does.

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        let mut rng = Rng(seed ^ 0x9e37_79b9_7f4a_7c15);
        rng.next();
        rng
    }

    /// A generator that shares nothing with this one but its seed.
    pub(crate) fn fork(&self, label: u64) -> Rng {
        Rng::new(self.0.rotate_left(17) ^ label.wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 … n − 1; 0 for n = 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// lo … hi, both included.
    pub(crate) fn range(&mut self, lo: u64, hi: u64) -> u64 {
        lo + self.below(hi - lo + 1)
    }

    /// True in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// lo … hi with small values as likely as large ones: what a player's pauses and a network's stalls look like.
    pub(crate) fn skewed(&mut self, lo: u64, hi: u64) -> u64 {
        let steps = 64 - (hi / lo.max(1)).leading_zeros().min(63);
        let top = (lo.max(1) << self.below(u64::from(steps) + 1)).clamp(lo, hi);
        self.range(lo, top)
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_bounds_hold() {
        let (mut a, mut b) = (Rng::new(7), Rng::new(7));
        assert!((0..100).all(|_| a.next() == b.next()));
        assert!(
            (0..1000).all(|_| (3..=9).contains(&a.range(3, 9)) && (10..=5000).contains(&b.skewed(10, 5000)))
        );
        assert_ne!(Rng::new(1).fork(1).next(), Rng::new(1).fork(2).next());
    }
}
