//! Time: how much has passed, whether the process slept, and what the server's clock says (`PROTOCOL.md`, section 4).

use crate::io::Now;

/// Samples of the server's clock that are kept; the one with the least round trip counts.
const SAMPLES: usize = 8;
/// A wall clock that jumps against the monotonic one by more than this makes the samples worthless.
const JUMP_MS: u64 = 1_000;
/// Two clocks that tell whole milliseconds may differ by so much though they go alike.
const ROUNDING_MS: u64 = 1;

/// The relation of both local clocks to the server's, to be read on any thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerClock {
    read_at: Now,
    server: i64,
}

impl ServerClock {
    /// The server's wall clock at `now`, Unix ms.
    pub fn at(&self, now: Now) -> i64 {
        self.server.saturating_add_unsigned(elapsed(self.read_at, now))
    }
}

/// The larger of the two differences, never negative.
pub(crate) fn elapsed(from: Now, to: Now) -> u64 {
    to.mono.saturating_sub(from.mono).max(to.wall.saturating_sub(from.wall))
}

#[derive(Debug)]
pub(crate) struct Clock {
    last: Now,
    t: u64,
    /// Since when the two clocks have gone alike, and the core's time of then. Each step's larger difference, added up, would run ahead: what
    /// is lost by rounding counts once for each clock.
    alike_since: (Now, u64),
    /// Round trip and (server time − t), newest last.
    samples: Vec<(u64, i64)>,
    /// Server time − t, as best known.
    offset: Option<i64>,
    /// The offset comes from before a jump and may be wrong by it.
    doubtful: bool,
}

impl Clock {
    pub(crate) fn new(now: Now) -> Self {
        Clock {
            last: now,
            t: 0,
            alike_since: (now, 0),
            samples: Vec::with_capacity(SAMPLES),
            offset: None,
            doubtful: false,
        }
    }

    /// Takes note of the time. True when the wall clock jumped against the monotonic one: a suspension, or the player's hand.
    pub(crate) fn advance(&mut self, now: Now) -> bool {
        let mono = now.mono.saturating_sub(self.last.mono);
        // Either way it may have gone.
        let wall = now.wall.wrapping_sub(self.last.wall) as i64;
        let apart = wall.saturating_sub_unsigned(mono).unsigned_abs();
        if apart > ROUNDING_MS {
            self.t += elapsed(self.last, now);
            self.alike_since = (now, self.t);
        } else {
            let (then, t) = self.alike_since;
            let by_wall = now.wall.saturating_sub(then.wall).saturating_sub(ROUNDING_MS);
            self.t = self.t.max(t + now.mono.saturating_sub(then.mono).max(by_wall));
        }
        self.last = now;
        let jumped = apart > JUMP_MS;
        if jumped {
            self.discard_samples();
        }
        jumped
    }

    /// The core's time.
    pub(crate) fn t(&self) -> u64 {
        self.t
    }

    /// The device's wall clock, Unix ms.
    pub(crate) fn wall(&self) -> i64 {
        i64::try_from(self.last.wall).unwrap_or(i64::MAX)
    }

    /// The monotonic time of a core time that lies ahead.
    pub(crate) fn mono_of(&self, t: u64) -> u64 {
        self.last.mono.saturating_add(t.saturating_sub(self.t))
    }

    /// The server's clock, Unix ms; the device's before the server's first word.
    pub(crate) fn server_time(&self) -> i64 {
        self.offset.map_or(self.wall(), |offset| offset.saturating_add_unsigned(self.t))
    }

    /// The relation to hand to readers on other threads.
    pub(crate) fn server_clock(&self) -> ServerClock {
        ServerClock { read_at: self.last, server: self.server_time() }
    }

    /// Whether the server's clock is known and no jump has put it in doubt.
    pub(crate) fn is_trusted(&self) -> bool {
        self.offset.is_some() && !self.doubtful
    }

    /// The core time at which the server's clock will show `server_ms`; `None` when it already has.
    pub(crate) fn t_of_server(&self, server_ms: i64) -> Option<u64> {
        let left = server_ms.saturating_sub(self.server_time());
        u64::try_from(left).ok().filter(|&ms| ms > 0).map(|ms| self.t.saturating_add(ms))
    }

    /// `connected.serverTime`: rough, for its age is unknown; good until the first pong.
    pub(crate) fn rough_sample(&mut self, server_time: i64) {
        if self.samples.is_empty() {
            self.offset = Some(server_time.saturating_sub_unsigned(self.t));
            self.doubtful = false;
        }
    }

    /// A message that was sent then is here now, so the server's clock cannot be behind it, as an estimate may be: an offer would seem to
    /// live longer than it was given.
    pub(crate) fn not_before(&mut self, sent: i64) {
        if let Some(offset) = &mut self.offset {
            *offset = (*offset).max(sent.saturating_sub_unsigned(self.t));
        }
    }

    /// A pong with its round trip.
    pub(crate) fn sample(&mut self, server_time: i64, rtt: u64) {
        if self.samples.len() == SAMPLES {
            self.samples.remove(0);
        }
        let at_arrival = server_time.saturating_add_unsigned(rtt / 2);
        self.samples.push((rtt, at_arrival.saturating_sub_unsigned(self.t)));
        // Of equal round trips the newest, for clocks drift.
        self.offset = self.samples.iter().rev().min_by_key(|(rtt, _)| *rtt).map(|(_, offset)| *offset);
        self.doubtful = false;
    }

    /// After a suspension or a jump: what was measured before says little.
    pub(crate) fn discard_samples(&mut self) {
        self.samples.clear();
        self.doubtful = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Now = Now { mono: 5_000, wall: 1_700_000_000_000 };

    fn later(mono: u64, wall: i64) -> Now {
        Now { mono: START.mono + mono, wall: START.wall.saturating_add_signed(wall) }
    }

    #[test]
    fn elapsed_is_the_larger_difference_and_never_negative() {
        let mut clock = Clock::new(START);
        assert!(!clock.advance(later(100, 100)));
        assert_eq!(clock.t(), 100);
        assert!(clock.advance(later(200, -3_600_000)), "the player set the clock back");
        assert_eq!(clock.t(), 200);
        assert!(clock.advance(later(200, 0)), "and forward again");
        assert_eq!(clock.t(), 200 + 3_600_000);
    }

    #[test]
    fn clocks_whose_milliseconds_begin_at_different_moments_are_no_faster_together() {
        let mut clock = Clock::new(START);
        for quarter in 1..=40_000_u64 {
            clock.advance(later(quarter / 4, i64::try_from((quarter + 2) / 4).unwrap()));
            assert_eq!(clock.t(), quarter / 4, "a deadline that does not move is the same deadline");
        }
        // Where they part for good, the faster one counts from then on.
        clock.advance(later(10_000, 10_500));
        clock.advance(later(10_020, 10_520));
        assert_eq!(clock.t(), 10_520);
    }

    #[test]
    fn a_wall_clock_that_gains_step_by_step_is_followed() {
        let mut clock = Clock::new(START);
        (1..=1_000).for_each(|step| _ = clock.advance(later(step * 10, i64::try_from(step * 11).unwrap())));
        assert_eq!(clock.t(), 11_000 - ROUNDING_MS);
    }

    #[test]
    fn the_sample_with_the_least_round_trip_counts() {
        let mut clock = Clock::new(START);
        clock.sample(1_000_000, 400);
        clock.sample(1_000_010, 20);
        clock.sample(1_000_200, 300);
        assert_eq!(clock.server_time(), 1_000_020);
        clock.advance(later(50, 50));
        assert_eq!(clock.server_time(), 1_000_070);
        assert_eq!(clock.server_clock().at(later(80, 80)), 1_000_100);
    }

    #[test]
    fn no_message_comes_before_it_was_sent() {
        let mut clock = Clock::new(START);
        clock.not_before(9_000_000);
        assert!(!clock.is_trusted(), "the first word is for the handshake to say");
        clock.rough_sample(1_000_000);
        clock.not_before(999_000);
        assert_eq!(clock.server_time(), 1_000_000, "an old message says nothing");
        clock.advance(later(50, 50));
        clock.not_before(1_000_090);
        assert_eq!(clock.server_time(), 1_000_090);
        clock.sample(1_000_060, 20);
        assert_eq!(clock.server_time(), 1_000_070, "a pong knows better, in both directions");
    }

    #[test]
    fn a_jump_puts_the_clock_in_doubt_until_the_next_sample() {
        let mut clock = Clock::new(START);
        assert!(!clock.is_trusted());
        clock.rough_sample(9_000);
        assert!(clock.is_trusted());
        clock.advance(later(10, 60_000));
        assert!(!clock.is_trusted());
        clock.sample(9_100, 10);
        assert!(clock.is_trusted());
        assert_eq!(clock.server_time(), 9_105);
    }

    #[test]
    fn a_server_moment_becomes_a_core_time() {
        let mut clock = Clock::new(START);
        clock.sample(10_000, 0);
        assert_eq!(clock.t_of_server(10_500), Some(500));
        assert_eq!(clock.t_of_server(10_000), None);
    }
}
