//! Is the socket alive? Decides when to ping and when silence is death (`PROTOCOL.md`, section 4).
//!
//! Only an unanswered ping declares a socket dead, and time that passed asleep is never evidence.

use crate::protocol::limits::{HEARTBEAT_MS, PING_TIMEOUT_MS, PROBE_TIMEOUT_MS};

#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) interval: u64,
    last_sent: u64,
    last_received: u64,
    /// The first ping comes early, at a random point, so that clients spread.
    first_at: Option<u64>,
    waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    id: u64,
    sent_at: u64,
    /// `None`: something else came since, so the socket lives; the pong is still good as a clock sample.
    dead_at: Option<u64>,
    probe: bool,
}

impl Heartbeat {
    pub(crate) fn new() -> Self {
        Heartbeat { interval: HEARTBEAT_MS, last_sent: 0, last_received: 0, first_at: None, waiting: None }
    }

    /// The socket is authenticated; the first ping comes at `unit` × interval.
    pub(crate) fn start(&mut self, t: u64, unit: f64) {
        self.last_sent = t;
        self.last_received = t;
        self.first_at = Some(t + (unit * self.interval as f64) as u64);
        self.waiting = None;
    }

    pub(crate) fn sent(&mut self, t: u64) {
        self.last_sent = t;
    }

    pub(crate) fn received(&mut self, t: u64) {
        self.last_received = t;
        if let Some(waiting) = &mut self.waiting {
            waiting.dead_at = None;
        }
    }

    /// How long the other end has been silent.
    pub(crate) fn silence(&self, t: u64) -> u64 {
        t.saturating_sub(self.last_received)
    }

    /// When the next ping is due.
    pub(crate) fn ping_due(&self) -> Option<u64> {
        if self.waiting.as_ref().is_some_and(|w| w.dead_at.is_some()) {
            return None;
        }
        let quiet = self.last_sent.min(self.last_received) + self.interval;
        Some(self.first_at.map_or(quiet, |first| first.min(quiet)))
    }

    /// When the unanswered ping declares the socket dead.
    pub(crate) fn dead_at(&self) -> Option<u64> {
        self.waiting.as_ref().and_then(|w| w.dead_at)
    }

    /// A ping goes out.
    pub(crate) fn pinged(&mut self, id: u64, t: u64, probe: bool) {
        let timeout = if probe { PROBE_TIMEOUT_MS } else { PING_TIMEOUT_MS };
        self.first_at = None;
        self.last_sent = t;
        self.waiting = Some(Waiting { id, sent_at: t, dead_at: Some(t + timeout), probe });
    }

    /// A probe is under way.
    pub(crate) fn is_probing(&self) -> bool {
        self.waiting.as_ref().is_some_and(|w| w.probe && w.dead_at.is_some())
    }

    /// A pong came. Returns the round trip if it answers the last ping.
    pub(crate) fn pong(&mut self, id: u64, t: u64) -> Option<u64> {
        let waiting = self.waiting.take_if(|w| w.id == id)?;
        Some(t - waiting.sent_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_when_either_direction_was_silent() {
        let mut hb = Heartbeat::new();
        hb.start(1_000, 0.5);
        assert_eq!(hb.ping_due(), Some(16_000));
        hb.pinged(1, 16_000, false);
        assert_eq!((hb.ping_due(), hb.dead_at()), (None, Some(26_000)));
        hb.received(16_050);
        assert_eq!(hb.pong(1, 16_050), Some(50));
        assert_eq!(hb.ping_due(), Some(46_000));
        hb.received(40_000);
        assert_eq!(hb.ping_due(), Some(46_000), "we were silent");
        hb.sent(41_000);
        assert_eq!(hb.ping_due(), Some(70_000), "they were silent");
    }

    #[test]
    fn any_message_is_a_sign_of_life_but_only_the_pong_is_a_sample() {
        let mut hb = Heartbeat::new();
        hb.start(0, 0.0);
        hb.pinged(1, 0, true);
        assert!(hb.is_probing());
        hb.received(100);
        assert_eq!(hb.dead_at(), None);
        assert_eq!(hb.pong(2, 150), None);
        assert_eq!(hb.pong(1, 200), Some(200));
        assert_eq!(hb.pong(1, 200), None);
    }
}
