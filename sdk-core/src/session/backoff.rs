//! How long to wait before the next attempt: exponential back-off with full jitter (`PROTOCOL.md`, section 11).

use crate::protocol::limits::{BACKOFF_BASE_MS, BACKOFF_MAX_MS, BACKOFF_MIN_MS};

/// The ceiling of attempt `n` = 0, 1, 2 …: 1, 2, 4, 8, 16, 30 s.
pub fn ceiling(attempt: u32) -> u64 {
    BACKOFF_BASE_MS.checked_shl(attempt.min(32)).map_or(BACKOFF_MAX_MS, |ms| ms.min(BACKOFF_MAX_MS))
}

/// The delay of attempt `n` for a `unit` drawn from [0, 1), in ms.
pub fn delay(attempt: u32, unit: f64) -> u64 {
    ((unit * ceiling(attempt) as f64) as u64).max(BACKOFF_MIN_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_thirty_seconds() {
        let ceilings: Vec<u64> = (0..7).map(ceiling).collect();
        assert_eq!(ceilings, [1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(ceiling(u32::MAX), 30_000);
    }

    #[test]
    fn jitter_is_full_and_has_a_floor() {
        assert_eq!(delay(0, 0.0), 250);
        assert_eq!(delay(3, 0.5), 4000);
        assert_eq!(delay(9, 0.999_999), 29_999);
    }
}
