//! The core's only source of randomness: a seeded SplitMix64 (Steele, Lea, Flood 2014), so that a seed replays a history.

use crate::text::push_hex;

/// A small generator for jitter and ids; not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1), with 53 bits.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in 0 … `n` − 1; 0 for `n` = 0. The bias of the multiplication is below n / 2⁶⁴.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// 128 random bits as 32 hex digits.
    pub(crate) fn id(&mut self) -> String {
        let mut id = String::new();
        push_hex(&mut id, self.next(), 16);
        push_hex(&mut id, self.next(), 16);
        id
    }
}
