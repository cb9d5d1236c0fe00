//! Token buckets. They count; what becomes of a refused message is the caller's decision.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::settings::Rate;

/// Addresses that a table knows at most.
pub(crate) const ADDRESSES: usize = 65_536;

/// One bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn full(rate: Rate, now: Instant) -> Bucket {
        Bucket { level: rate.burst, at: now }
    }

    /// Takes one, or says after how many milliseconds there will be one.
    pub(crate) fn take(&mut self, rate: Rate, now: Instant) -> Result<(), u64> {
        if rate.per_second.is_infinite() {
            return Ok(());
        }
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * rate.per_second).min(rate.burst);
        self.at = now;
        if self.level >= 1.0 {
            self.level -= 1.0;
            return Ok(());
        }
        let wait = (1.0 - self.level) / rate.per_second * 1000.0;
        Err(wait.ceil().clamp(1.0, 3_600_000.0) as u64)
    }

    fn is_full(&self, rate: Rate, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level + passed * rate.per_second >= rate.burst
    }
}

/// Buckets by key. A bucket that is full again is forgotten, so that the table holds only who was lately active.
#[derive(Debug)]
pub(crate) struct Buckets<K> {
    rate: Rate,
    /// Keys at most.
    most: usize,
    table: Mutex<HashMap<K, Bucket>>,
}

impl<K: Eq + Hash + Clone> Buckets<K> {
    /// For keys that have proved who they are: there are as many as there are players.
    pub(crate) fn new(rate: Rate) -> Buckets<K> {
        Buckets::bounded(rate, usize::MAX)
    }

    /// For keys that cost nobody anything, such as addresses. Where there are more, another one is forgotten: so whoever comes with ever
    /// new ones neither fills the memory nor locks anybody out.
    pub(crate) fn bounded(rate: Rate, most: usize) -> Buckets<K> {
        Buckets { rate, most, table: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), u64> {
        if self.rate.per_second.is_infinite() {
            return Ok(());
        }
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.len() >= self.most && !table.contains_key(&key) {
            let other = table.keys().next().cloned();
            other.and_then(|other| table.remove(&other));
        }
        table.entry(key).or_insert_with(|| Bucket::full(self.rate, now)).take(self.rate, now)
    }

    /// Whether [`Buckets::take`] would succeed.
    pub(crate) fn would_give(&self, key: &K, now: Instant) -> bool {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.get(key).is_none_or(|bucket| bucket.clone().take(self.rate, now).is_ok())
    }

    pub(crate) fn forget_full(&self, now: Instant) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, bucket| !bucket.is_full(self.rate, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let (rate, start) = (Rate::per_second(10.0, 3.0), Instant::now());
        let mut bucket = Bucket::full(rate, start);
        for _ in 0..3 {
            assert_eq!(bucket.take(rate, start), Ok(()));
        }
        assert_eq!(bucket.take(rate, start), Err(100));
        assert_eq!(bucket.take(rate, start + Duration::from_millis(101)), Ok(()));
    }

    #[test]
    fn a_bounded_table_makes_room_and_locks_nobody_else() {
        let (buckets, start) = (Buckets::bounded(Rate::per_minute(1.0), 3), Instant::now());
        for key in 0..100 {
            assert_eq!(buckets.take(key, start), Ok(()), "a new one has a full bucket");
            assert!(!buckets.would_give(&key, start), "and is counted");
            assert!(buckets.table.lock().unwrap().len() <= 3);
        }
        // One that is there needs no room.
        let here = *buckets.table.lock().unwrap().keys().next().unwrap();
        assert!(buckets.take(here, start).is_err());
        assert_eq!(buckets.table.lock().unwrap().len(), 3);
    }

    #[test]
    fn a_table_forgets_who_has_been_quiet() {
        let (buckets, start) = (Buckets::new(Rate::per_minute(2.0)), Instant::now());
        assert_eq!(buckets.take("a", start), Ok(()));
        assert_eq!(buckets.take("a", start), Ok(()));
        assert!(buckets.take("a", start).is_err());
        buckets.forget_full(start + Duration::from_secs(59));
        assert_eq!(buckets.table.lock().unwrap().len(), 1);
        buckets.forget_full(start + Duration::from_secs(61));
        assert!(buckets.table.lock().unwrap().is_empty());
    }
}
