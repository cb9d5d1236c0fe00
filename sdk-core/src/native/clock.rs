//! The device's two clocks, read together, and the server's as any thread may ask for it without a lock.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use crate::io::Now;
use crate::session::clock::ServerClock;

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

/// Whole milliseconds, as the core counts.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The core's relation to the server's clock: published by the driver's thread, read by any other.
#[derive(Debug)]
pub(crate) struct Published(ArcSwap<ServerClock>);

impl Published {
    pub(crate) fn new(clock: ServerClock) -> Published {
        Published(ArcSwap::from_pointee(clock))
    }

    /// The server's time, Unix ms.
    pub(crate) fn read(&self, now: Now) -> i64 {
        self.0.load().at(now)
    }

    /// Publishes a relation by which readers would come to another time than by the last one.
    pub(crate) fn publish(&self, now: Now, clock: ServerClock) {
        // A millisecond is the rounding of two clocks.
        if self.read(now).abs_diff(clock.at(now)) > 1 {
            self.0.store(Arc::new(clock));
        }
    }
}
