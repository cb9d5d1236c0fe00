//! What the server knows of players, traits and how often their events came, kept in memory for those who were here lately.
//!
//! Flags are asked for far more often than this changes, and a rule must not bring a database read to each request. So what the rules
//! ask for is read at a player's first proven request and then kept: for as long as the configuration is (changes by another process
//! show after that), or until the rules ask for something else. What this process writes shows at once: new traits drop the player, a
//! counted event puts the new counts in his place, for events are frequent and a read after each would be a read per request again.
//! Counts only grow, so the greater of two is the later; what was read while they changed is used but not kept. A player of whom nothing is
//! known is remembered too. The cache has two halves: who is asked for moves to the young one; when that is full it becomes the old one,
//! and the former old one is forgotten. A half is full by what its players take, so it is bounded whatever they did. Where no rule
//! asks for anything nothing is read at all.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::engine::segments::{Condition, MAX_DAYS};
use crate::store::StoreError;

/// What each half may take, bytes, roughly. A player takes some 300 with a few traits; a year of one event, each day, 6,000.
const HALF: usize = 4 * 1024 * 1024;

/// Name → value, as text.
pub(crate) type Traits = BTreeMap<String, String>;

/// What is known of a player, as far as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) traits: Traits,
    /// Event name → (UTC day number, count); the day -1 holds the sum of all time.
    pub(crate) history: HashMap<String, Vec<(i64, i64)>>,
}

impl Known {
    /// Bytes, roughly.
    fn takes(&self) -> usize {
        let traits: usize = self.traits.iter().map(|(name, value)| 64 + name.len() + value.len()).sum();
        let history: usize = self.history.iter().map(|(name, days)| 64 + name.len() + 16 * days.len()).sum();
        192 + traits + history
    }

    /// An event's counts have become these.
    fn counted(&mut self, name: &str, counts: &[(i64, i64)]) {
        let days = self.history.entry(name.to_owned()).or_default();
        for (day, count) in counts {
            match days.iter_mut().find(|(known, _)| known == day) {
                Some((_, known)) => *known = (*known).max(*count),
                None => days.push((*day, *count)),
            }
        }
    }
}

/// What the rules ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) traits: bool,
    /// Event name → the days back to which anybody looks; 0: only all time counts.
    pub(crate) events: BTreeMap<String, u32>,
}

impl Asked {
    pub(crate) fn nothing(&self) -> bool {
        !self.traits && self.events.is_empty()
    }

    /// What a segment's condition asks for as well.
    pub(super) fn add(&mut self, condition: &Condition) {
        condition.visit(&mut |part| match part {
            Condition::Trait(_) => self.traits = true,
            Condition::Event(history) => {
                let days = self.events.entry(history.name.clone()).or_default();
                *days = (*days).max(history.within_days.unwrap_or(0)).min(MAX_DAYS);
            }
            _ => {}
        });
    }
}

#[derive(Debug)]
pub(crate) struct KnownCache {
    inner: Mutex<Inner>,
    life: Duration,
    room: usize,
}

#[derive(Debug, Default)]
struct Inner {
    young: Half,
    old: Half,
    /// Players that are being read now: by how many requests, and whether something of theirs has changed meanwhile.
    reading: HashMap<String, (usize, bool)>,
}

#[derive(Debug, Default)]
struct Half {
    players: HashMap<String, Kept>,
    takes: usize,
}

#[derive(Debug, Clone)]
struct Kept {
    known: Arc<Known>,
    asked: Arc<Asked>,
    until: Instant,
    takes: usize,
}

impl KnownCache {
    pub(crate) fn new(life: Duration) -> KnownCache {
        KnownCache { inner: Mutex::default(), life, room: HALF }
    }

    /// What is known of the player, from memory or by `read`. If that fails, outlived knowledge is better than none.
    pub(crate) async fn get<F>(
        &self,
        player: &str,
        asked: &Arc<Asked>,
        now: Instant,
        read: F,
    ) -> Result<Arc<Known>, StoreError>
    where
        F: Future<Output = Result<Known, StoreError>>,
    {
        let kept = self.lock().find(player, self.room).filter(|kept| kept.asked == *asked);
        if let Some(kept) = &kept
            && now < kept.until
        {
            return Ok(kept.known.clone());
        }
        let reading = Reading::begin(self, player);
        match (read.await, kept) {
            (Ok(known), _) => {
                let takes = known.takes() + player.len();
                let kept =
                    Kept { known: Arc::new(known), asked: asked.clone(), until: now + self.life, takes };
                let known = kept.known.clone();
                reading.keep(kept);
                Ok(known)
            }
            (Err(error), Some(kept)) => {
                tracing::warn!(%error, "what is known of a player could not be read anew; the former is used");
                Ok(kept.known)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// The player's traits have changed.
    pub(crate) fn forget(&self, player: &str) {
        let mut inner = self.lock();
        inner.has_changed(player);
        inner.young.take(player);
        inner.old.take(player);
    }

    /// What is kept is of another database.
    pub(crate) fn forget_all(&self) {
        let mut inner = self.lock();
        (inner.young, inner.old) = (Half::default(), Half::default());
        inner.reading.values_mut().for_each(|(_, changed)| *changed = true);
    }

    /// Events of the player were counted: of each name, what its counts are now.
    pub(crate) fn counted(&self, player: &str, events: &[(String, Vec<(i64, i64)>)]) {
        if events.is_empty() {
            return;
        }
        let mut inner = self.lock();
        inner.has_changed(player);
        let Some(mut kept) = inner.young.take(player).or_else(|| inner.old.take(player)) else { return };
        let known = Arc::make_mut(&mut kept.known);
        for (name, counts) in events.iter().filter(|(name, _)| kept.asked.events.contains_key(name)) {
            known.counted(name, counts);
        }
        kept.takes = known.takes() + player.len();
        inner.insert(player, kept, self.room);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn find(&mut self, player: &str, room: usize) -> Option<Kept> {
        if let Some(kept) = self.young.players.get(player) {
            return Some(kept.clone());
        }
        let kept = self.old.take(player)?;
        self.insert(player, kept.clone(), room);
        Some(kept)
    }

    fn has_changed(&mut self, player: &str) {
        if let Some((_, changed)) = self.reading.get_mut(player) {
            *changed = true;
        }
    }

    fn insert(&mut self, player: &str, kept: Kept, room: usize) {
        self.young.take(player);
        self.old.take(player);
        // Who takes more than a half by himself is read each time.
        if kept.takes > room {
            return;
        }
        if self.young.takes + kept.takes > room {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.takes += kept.takes;
        self.young.players.insert(player.to_owned(), kept);
    }
}

impl Half {
    fn take(&mut self, player: &str) -> Option<Kept> {
        let kept = self.players.remove(player)?;
        self.takes -= kept.takes;
        Some(kept)
    }
}

/// A read that is under way. It ends when it is dropped, also where its request is given up.
struct Reading<'a> {
    cache: &'a KnownCache,
    player: &'a str,
}

impl<'a> Reading<'a> {
    fn begin(cache: &'a KnownCache, player: &'a str) -> Reading<'a> {
        cache.lock().reading.entry(player.to_owned()).or_default().0 += 1;
        Reading { cache, player }
    }

    /// Keeps what was read, unless it may be what was before a change.
    fn keep(self, kept: Kept) {
        let mut inner = self.cache.lock();
        if inner.reading.get(self.player).is_none_or(|(_, changed)| !changed) {
            inner.insert(self.player, kept, self.cache.room);
        }
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut inner = self.cache.lock();
        if let Some((count, _)) = inner.reading.get_mut(self.player) {
            *count -= 1;
            if *count == 0 {
                inner.reading.remove(self.player);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const LIFE: Duration = Duration::from_secs(60);

    struct World {
        cache: KnownCache,
        asked: Arc<Asked>,
        reads: Cell<u32>,
        now: Cell<Instant>,
    }

    impl World {
        fn new(room: usize) -> World {
            let asked = Asked { traits: true, events: [("fish".to_owned(), 7)].into() };
            World {
                cache: KnownCache { room, ..KnownCache::new(LIFE) },
                asked: Arc::new(asked),
                reads: Cell::new(0),
                now: Cell::new(Instant::now()),
            }
        }

        async fn known(
            &self,
            player: &str,
            found: Result<Known, StoreError>,
        ) -> Result<Arc<Known>, StoreError> {
            let read = async {
                self.reads.set(self.reads.get() + 1);
                found
            };
            self.cache.get(player, &self.asked, self.now.get(), read).await
        }

        async fn tier(&self, player: &str, tier: Result<&str, StoreError>) -> Result<String, StoreError> {
            let known = self.known(player, tier.map(gold)).await?;
            Ok(known.traits["tier"].clone())
        }
    }

    fn gold(tier: &str) -> Known {
        Known { traits: [("tier".to_owned(), tier.to_owned())].into(), ..Known::default() }
    }

    #[tokio::test]
    async fn a_player_is_read_once_until_his_traits_change_or_age() {
        let world = World::new(HALF);
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
    async fn events_are_counted_without_a_read_and_late_news_change_nothing() {
        let world = World::new(HALF);
        let history = [("fish".to_owned(), vec![(-1, 5), (20, 2)])];
        let read = Known { history: history.into(), ..Known::default() };
        world.known("ann", Ok(read)).await.unwrap();
        let counted = |name: &str, counts: &[(i64, i64)]| {
            world.cache.counted("ann", &[(name.to_owned(), counts.to_vec())])
        };
        counted("fish", &[(21, 1), (-1, 7)]);
        counted("fish", &[(20, 3), (-1, 6)]);
        counted("nobody asks", &[(21, 1), (-1, 1)]);
        world.cache.counted("bob", &[("fish".to_owned(), vec![(21, 1)])]);
        let known = world.known("ann", Err(StoreError::Closed)).await.unwrap();
        assert_eq!(known.history, [("fish".to_owned(), vec![(-1, 7), (20, 3), (21, 1)])].into());
        assert_eq!(world.reads.get(), 1);
        let inner = world.cache.lock();
        assert_eq!(inner.young.takes, inner.young.players.values().map(|kept| kept.takes).sum::<usize>());
        assert_eq!(inner.young.players["ann"].takes, known.takes() + 3);
    }

    #[tokio::test]
    async fn rules_that_ask_for_more_read_anew() {
        let mut world = World::new(HALF);
        world.tier("ann", Ok("gold")).await.unwrap();
        world.asked = Arc::new(Asked { traits: true, events: [("fish".to_owned(), 8)].into() });
        assert_eq!(world.tier("ann", Ok("iron")).await.unwrap(), "iron");
        world.asked = Arc::new(Asked::clone(&world.asked));
        assert_eq!(world.tier("ann", Ok("the same question")).await.unwrap(), "iron");
    }

    #[tokio::test]
    async fn a_database_that_fails_leaves_what_was_known() {
        let world = World::new(HALF);
        assert!(world.tier("ann", Err(StoreError::Closed)).await.is_err());
        world.tier("ann", Ok("gold")).await.unwrap();
        world.now.set(world.now.get() + LIFE);
        assert_eq!(world.tier("ann", Err(StoreError::Closed)).await.unwrap(), "gold");
        assert!(world.cache.lock().reading.is_empty());
    }

    #[tokio::test]
    async fn what_was_read_before_a_change_is_not_kept_after_it() {
        type Change = fn(&KnownCache);
        let changes: [Change; 2] = [
            |cache| cache.forget("ann"),
            |cache| cache.counted("ann", &[("fish".to_owned(), vec![(-1, 1)])]),
        ];
        for change in changes {
            let world = World::new(HALF);
            let read = async {
                change(&world.cache);
                Ok(gold("before"))
            };
            world.cache.get("ann", &world.asked, world.now.get(), read).await.unwrap();
            assert_eq!(world.tier("ann", Ok("after")).await.unwrap(), "after");
            // Another player's change does not matter.
            world.cache.forget("ann");
            let read = async {
                world.cache.forget("bob");
                Ok(gold("kept"))
            };
            world.cache.get("ann", &world.asked, world.now.get(), read).await.unwrap();
            assert_eq!(world.tier("ann", Ok("not read")).await.unwrap(), "kept");
        }
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_leaves_nothing_behind() {
        let world = World::new(HALF);
        let never = world.cache.get("ann", &world.asked, world.now.get(), std::future::pending());
        tokio::select! {
            biased;
            _ = never => unreachable!(),
            () = std::future::ready(()) => {}
        }
        assert!(world.cache.lock().reading.is_empty());
    }

    #[tokio::test]
    async fn the_cache_is_bounded_and_keeps_whom_it_sees() {
        let world = World::new(10 * 300);
        for n in 0..1_000 {
            world.tier("ann", Ok("gold")).await.unwrap();
            world.tier(&format!("p{n}"), Ok("none")).await.unwrap();
            let inner = world.cache.lock();
            assert!(inner.young.takes <= world.cache.room && inner.old.takes <= world.cache.room);
        }
        assert_eq!(world.reads.get(), 1_001, "who is asked for is never forgotten");
        let long = Known { traits: [("a".to_owned(), "x".repeat(4_000))].into(), ..Known::default() };
        world.known("wide", Ok(long)).await.unwrap();
        assert!(!world.cache.lock().young.players.contains_key("wide"));
    }
}
