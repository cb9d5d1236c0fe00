//! What is counted while players play. Players write, the scenario reads; nothing here decides.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Different errors that are told apart; whatever comes beyond is counted together.
const MAX_ERRORS: usize = 64;

/// Times, kept in microseconds to three digits.
#[derive(Debug, Clone)]
pub(crate) struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Times {
        // Up to ten minutes; the bounds are constants that the library accepts.
        Times(Histogram::new_with_max(600_000_000, 3).expect("bounds that are accepted"))
    }
}

impl Times {
    /// One more.
    pub(crate) fn add(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The value that this share of them, 0 to 1, does not pass; milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1_000.0
    }

    /// Milliseconds.
    pub(crate) fn mean(&self) -> f64 {
        self.0.mean() / 1_000.0
    }

    /// Milliseconds.
    pub(crate) fn max(&self) -> f64 {
        self.0.max() as f64 / 1_000.0
    }
}

/// What came of it so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Since when [`Tally::online_since`] counts.
    mark: Option<Instant>,
    /// For each player: when he was last authenticated, from the mark; `None` while he is not online.
    pub(crate) online_since: Vec<Option<Duration>>,
    /// For each player: whether this run's flags are there.
    pub(crate) has_flags: Vec<bool>,
    /// From `ready` to the offer in the game's hands.
    pub(crate) offers: Times,
    /// `ready` called.
    pub(crate) breaks: u64,
    /// Of those: answered by an offer, and by none.
    pub(crate) with_offer: u64,
    /// See there.
    pub(crate) without_offer: u64,
    /// Every offer that surfaced: player and `offerId`.
    pub(crate) surfaced: Vec<(u32, String)>,
    /// Events that players tracked.
    pub(crate) tracked: u64,
    /// Outcomes that players reported (shown is one, accepted another).
    pub(crate) outcomes: u64,
    /// `SessionLost`.
    pub(crate) sessions_lost: u64,
    /// What bounds dropped, told by `Dropped`.
    pub(crate) dropped: u64,
    /// From a change of a flag to its push in each player's hands.
    pub(crate) pushes: Times,
    /// From a change to the new value in force at each player.
    pub(crate) flag_changes: Times,
    /// When the flag was changed.
    pub(crate) flag_changed_at: Option<Instant>,
    /// How late the tool's own thread was for what players had planned: above some milliseconds, the tool is what is measured.
    pub(crate) lateness: Times,
    /// Everything that went wrong, by what it was.
    pub(crate) errors: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn new(players: usize) -> Tally {
        Tally { online_since: vec![None; players], has_flags: vec![false; players], ..Tally::default() }
    }

    /// From now on is counted anew; who is online stays so.
    pub(crate) fn begin(&mut self, mark: Instant) {
        let players = self.online_since.len();
        let Tally { online_since, has_flags, .. } = std::mem::replace(self, Tally::new(players));
        (self.online_since, self.has_flags, self.mark) = (online_since, has_flags, Some(mark));
    }

    /// From now on arrivals are counted from there; all else goes on.
    pub(crate) fn mark_from(&mut self, mark: Instant) {
        self.mark = Some(mark);
    }

    pub(crate) fn online(&mut self, player: u32, now: Instant) {
        let since = self.mark.map_or(Duration::ZERO, |mark| now.saturating_duration_since(mark));
        self.online_since[player as usize] = Some(since);
    }

    pub(crate) fn offline(&mut self, player: u32) {
        self.online_since[player as usize] = None;
    }

    /// How many are online.
    pub(crate) fn count_online(&self) -> usize {
        self.online_since.iter().flatten().count()
    }

    /// The times at which those who are online came, from the mark.
    pub(crate) fn arrivals(&self) -> Times {
        let mut times = Times::default();
        self.online_since.iter().flatten().for_each(|time| times.add(*time));
        times
    }

    /// Breaks that have no answer yet.
    pub(crate) fn open_breaks(&self) -> u64 {
        self.breaks - self.with_offer - self.without_offer
    }

    /// Something went wrong.
    pub(crate) fn error(&mut self, what: impl Into<String>) {
        let what = what.into();
        let full = self.errors.len() >= MAX_ERRORS && !self.errors.contains_key(&what);
        *self.errors.entry(if full { "others".to_owned() } else { what }).or_default() += 1;
    }
}

/// The tally, shared between the players' thread and the scenario's.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<Tally>);

impl Shared {
    pub(crate) fn new(players: usize) -> Shared {
        Shared(Mutex::new(Tally::new(players)))
    }

    /// The tally, for a moment.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_added() {
        let mut times = Times::default();
        (1..=100).for_each(|ms| times.add(Duration::from_millis(ms)));
        assert_eq!(times.count(), 100);
        assert!((times.quantile(0.5) - 50.0).abs() < 0.1, "{}", times.quantile(0.5));
        assert!((times.quantile(0.99) - 99.0).abs() < 0.1, "{}", times.quantile(0.99));
        assert!((times.mean() - 50.5).abs() < 0.1 && (times.max() - 100.0).abs() < 0.1);
    }

    #[test]
    fn who_drops_out_is_not_back() {
        let (mut tally, start) = (Tally::new(3), Instant::now());
        tally.begin(start);
        tally.online(0, start + Duration::from_millis(10));
        tally.online(2, start + Duration::from_millis(30));
        tally.offline(0);
        assert_eq!((tally.count_online(), tally.arrivals().count()), (1, 1));
        tally.online(0, start + Duration::from_millis(70));
        assert!((tally.arrivals().max() - 70.0).abs() < 0.1);
        tally.begin(start + Duration::from_millis(80));
        assert_eq!(tally.count_online(), 2, "who is online stays so");
    }

    #[test]
    fn errors_are_bounded() {
        let mut tally = Tally::new(0);
        (0..100).for_each(|n| tally.error(format!("error {n}")));
        assert_eq!((tally.errors.len(), tally.errors["others"]), (MAX_ERRORS + 1, 36));
    }
}
