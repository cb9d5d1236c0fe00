//! What the server knows of players (`player_traits`), kept in memory for those who were here lately.
//!
//! Flags are asked for far more often than traits change, and a rule on traits must not bring a database read to each request. So a
//! player's traits are read at his first proven request and then kept: for as long as the configuration is (changes by another process
//! show after that), and dropped at once when this process changes them. A player without traits is remembered too. The cache has
//! two halves: what is asked for moves to the young one; when that is full it becomes the old one, and the former old one is forgotten.
//! So it is bounded, and who was here last is forgotten last. Where no rule asks for traits nothing is read at all.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::StoreError;

/// Players in each half. A player's traits are at most 4 KiB (16 of 256 bytes), in practice a hundred bytes.
const HALF: usize = 4_096;

/// Name → value, as text.
pub(crate) type Traits = BTreeMap<String, String>;

#[derive(Debug)]
pub(crate) struct TraitCache {
    halves: Mutex<Halves>,
    life: Duration,
    room: usize,
}

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<String, Kept>,
    old: HashMap<String, Kept>,
    /// Counts the changes: what was read before a change must not be kept after it.
    changes: u64,
}

#[derive(Debug, Clone)]
struct Kept {
    traits: Arc<Traits>,
    until: Instant,
}

impl TraitCache {
    pub(crate) fn new(life: Duration) -> TraitCache {
        TraitCache { halves: Mutex::default(), life, room: HALF }
    }

    /// The player's traits, from memory or by `read`. If that fails, outlived ones are better than none.
    pub(crate) async fn get<F>(&self, player: &str, now: Instant, read: F) -> Result<Arc<Traits>, StoreError>
    where
        F: Future<Output = Result<Traits, StoreError>>,
    {
        let (kept, changes) = self.look(player);
        if let Some(kept) = &kept
            && now < kept.until
        {
            return Ok(kept.traits.clone());
        }
        match (read.await, kept) {
            (Ok(traits), _) => {
                let traits = Arc::new(traits);
                self.keep(player, Kept { traits: traits.clone(), until: now + self.life }, changes);
                Ok(traits)
            }
            (Err(error), Some(kept)) => {
                tracing::warn!(%error, "traits could not be read anew; the former ones are used");
                Ok(kept.traits)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// The player's traits have changed.
    pub(crate) fn forget(&self, player: &str) {
        let mut halves = self.lock();
        halves.changes += 1;
        halves.young.remove(player);
        halves.old.remove(player);
    }

    fn look(&self, player: &str) -> (Option<Kept>, u64) {
        let mut halves = self.lock();
        let kept = match halves.young.get(player) {
            Some(kept) => Some(kept.clone()),
            None => halves.old.remove(player).inspect(|kept| halves.insert(player, kept.clone(), self.room)),
        };
        (kept, halves.changes)
    }

    fn keep(&self, player: &str, kept: Kept, changes: u64) {
        let mut halves = self.lock();
        if halves.changes == changes {
            halves.insert(player, kept, self.room);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Halves {
    fn insert(&mut self, player: &str, kept: Kept, room: usize) {
        if self.young.len() >= room && !self.young.contains_key(player) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(player.to_owned(), kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const LIFE: Duration = Duration::from_secs(60);

    struct World {
        cache: TraitCache,
        reads: Cell<u32>,
        now: Cell<Instant>,
    }

    impl World {
        fn new(room: usize) -> World {
            let cache = TraitCache { room, ..TraitCache::new(LIFE) };
            World { cache, reads: Cell::new(0), now: Cell::new(Instant::now()) }
        }

        async fn tier(&self, player: &str, tier: Result<&str, StoreError>) -> Result<String, StoreError> {
            let read = async {
                self.reads.set(self.reads.get() + 1);
                Ok(Traits::from([("tier".to_owned(), tier?.to_owned())]))
            };
            self.cache.get(player, self.now.get(), read).await.map(|traits| traits["tier"].clone())
        }
    }

    #[tokio::test]
    async fn traits_are_read_once_until_they_change_or_age() {
        let world = World::new(10);
        for _ in 0..3 {
            assert_eq!(world.tier("ann", Ok("gold")).await.unwrap(), "gold");
        }
        assert_eq!(world.reads.get(), 1);
        world.cache.forget("ann");
        assert_eq!(world.tier("ann", Ok("silver")).await.unwrap(), "silver");
        world.now.set(world.now.get() + LIFE);
        assert_eq!(world.tier("ann", Ok("iron")).await.unwrap(), "iron");
        assert_eq!(world.reads.get(), 3);
    }

    #[tokio::test]
    async fn a_database_that_fails_leaves_what_was_known() {
        let world = World::new(10);
        assert!(world.tier("ann", Err(StoreError::Closed)).await.is_err());
        world.tier("ann", Ok("gold")).await.unwrap();
        world.now.set(world.now.get() + LIFE);
        assert_eq!(world.tier("ann", Err(StoreError::Closed)).await.unwrap(), "gold");
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        let world = World::new(10);
        let read = async {
            world.cache.forget("ann");
            Ok(Traits::from([("tier".to_owned(), "before".to_owned())]))
        };
        world.cache.get("ann", world.now.get(), read).await.unwrap();
        assert_eq!(world.tier("ann", Ok("after")).await.unwrap(), "after");
    }

    #[tokio::test]
    async fn the_cache_is_bounded_and_keeps_whom_it_sees() {
        let world = World::new(10);
        for n in 0..1_000 {
            world.tier("ann", Ok("gold")).await.unwrap();
            world.tier(&format!("p{n}"), Ok("none")).await.unwrap();
            let halves = world.cache.lock();
            assert!(halves.young.len() + halves.old.len() <= 20);
        }
        assert_eq!(world.reads.get(), 1_001, "who is asked for is never forgotten");
    }
}
