//! The two clocks, and the server's as far as the game may ask for it without a lock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::io::Now;

/// Reads both clocks of the device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { start: Instant::now() }
    }

    /// This moment.
    pub(crate) fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { mono: millis(self.start.elapsed()), wall: millis(wall) }
    }

    /// The instant of a monotonic time; `None` for one that never comes.
    pub(crate) fn instant(&self, mono: u64) -> Option<Instant> {
        self.start.checked_add(Duration::from_millis(mono))
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[derive(Debug, Clone, Copy)]
struct Relation {
    at: Now,
    server: i64,
}

impl Relation {
    fn server_time(&self, now: Now) -> i64 {
        let mono = now.mono.saturating_sub(self.at.mono);
        let wall = now.wall.saturating_sub(self.at.wall);
        self.server.saturating_add(i64::try_from(mono.max(wall)).unwrap_or(i64::MAX))
    }
}

/// What the server's clock said, and when: published by the driver's thread, read by any other.
#[derive(Debug)]
pub(crate) struct ServerClock(ArcSwap<Relation>);

impl ServerClock {
    pub(crate) fn new(now: Now) -> ServerClock {
        let server = i64::try_from(now.wall).unwrap_or(i64::MAX);
        ServerClock(ArcSwap::from_pointee(Relation { at: now, server }))
    }

    /// The server's time, Unix ms.
    pub(crate) fn read(&self, now: Now) -> i64 {
        self.0.load().server_time(now)
    }

    /// Publishes the core's view where readers would come to another.
    pub(crate) fn publish(&self, now: Now, server: i64) {
        // A millisecond is the rounding of two clocks.
        if self.read(now).abs_diff(server) > 1 {
            self.0.store(std::sync::Arc::new(Relation { at: now, server }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_time_advances_with_the_larger_of_both_clocks() {
        let at = |mono, wall| Now { mono, wall };
        let clock = ServerClock::new(at(10, 1_000_000));
        assert_eq!(clock.read(at(510, 1_000_500)), 1_000_500, "until the server's word it is the device's");
        clock.publish(at(510, 1_000_500), 2_000_000);
        assert_eq!(clock.read(at(710, 1_000_700)), 2_000_200);
        assert_eq!(clock.read(at(710, 500_000)), 2_000_200, "the player set the clock back");
        assert_eq!(
            clock.read(at(510, 1_060_500)),
            2_060_000,
            "the monotonic clock stood still in a suspension"
        );
        clock.publish(at(710, 1_000_700), 2_000_201);
        assert_eq!(clock.read(at(710, 1_000_700)), 2_000_200, "rounding alone publishes nothing");
    }
}
