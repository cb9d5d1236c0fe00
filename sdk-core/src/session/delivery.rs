//! Durable messages: which were received, which may be acknowledged (`PROTOCOL.md`, section 5).
//!
//! An acknowledgement says that every message up to a number has been taken by the game, or saved by the SDK.

use crate::protocol::limits::MAX_SESSION_BACKLOG;

/// Unacknowledged messages taken in; four times what a server keeps for a session.
const MAX_WAITING: usize = 4 * MAX_SESSION_BACKLOG;

/// What a durable message waits for before it may be acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing.
    Done,
    /// The game takes this event (a running count).
    Event(u64),
    /// This offer (its number in the ledger) is saved, or surfaces and is taken.
    Held(u64),
}

/// What to do with a durable message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next one: take it.
    Next,
    /// Seen before: drop it.
    Duplicate,
    /// Something before it is missing: close and resume.
    Hole,
}

#[derive(Debug, Default)]
pub(crate) struct Delivery {
    /// Empty: none.
    session: String,
    last_seq: u64,
    waiting: Vec<(u64, Wait)>,
    acked: u64,
    ack_sent: u64,
    /// The last [`Delivery::taken`].
    taken: u64,
}

impl Delivery {
    /// The session and the last number received in it, for `resume`.
    pub(crate) fn resume(&self) -> Option<(&str, u64)> {
        (!self.session.is_empty()).then_some((&self.session, self.last_seq))
    }

    /// `authenticated` named this session. A new one counts from 1, and what the old one still owed is owed no more.
    pub(crate) fn begin(&mut self, session: &str) {
        if self.session != session {
            self.forget();
            session.clone_into(&mut self.session);
        } else {
            // What was sent on the socket before may not have arrived.
            self.ack_sent = 0;
        }
    }

    /// Another player: the session is not his.
    pub(crate) fn forget(&mut self) {
        *self = Delivery { taken: self.taken, ..Delivery::default() };
    }

    pub(crate) fn arrival(&mut self, seq: u64) -> Arrival {
        if seq <= self.last_seq {
            Arrival::Duplicate
        } else if seq > self.last_seq + 1 {
            Arrival::Hole
        } else {
            self.last_seq = seq;
            Arrival::Next
        }
    }

    /// Whether more waits than any server of this protocol leaves unacknowledged: the game does not poll, and the server does not care.
    pub(crate) fn is_overfull(&self) -> bool {
        self.waiting.len() > MAX_WAITING
    }

    /// The message just received waits for this.
    pub(crate) fn wait(&mut self, what: Wait) {
        let taken = matches!(what, Wait::Event(event) if event <= self.taken);
        self.waiting.push((self.last_seq, if taken { Wait::Done } else { what }));
        self.settle();
    }

    /// The game has taken every event up to this count.
    pub(crate) fn taken(&mut self, events: u64) {
        self.taken = events;
        self.finish(&|wait| matches!(wait, Wait::Event(event) if event <= events));
    }

    /// These offers are on the disk, or need not be.
    pub(crate) fn released(&mut self, is_safe: &dyn Fn(u64) -> bool) {
        self.finish(&|wait| matches!(wait, Wait::Held(offer) if is_safe(offer)));
    }

    /// A held offer surfaced as this event.
    pub(crate) fn surfaced(&mut self, offer: u64, event: u64) {
        self.replace(&|wait| wait == Wait::Held(offer), Wait::Event(event));
    }

    /// The event never reached the game: its offer is a held one again.
    pub(crate) fn withdrawn(&mut self, offer: u64, event: u64) {
        self.replace(&|wait| wait == Wait::Event(event), Wait::Held(offer));
    }

    fn finish(&mut self, done: &dyn Fn(Wait) -> bool) {
        self.replace(done, Wait::Done);
        self.settle();
    }

    fn replace(&mut self, which: &dyn Fn(Wait) -> bool, by: Wait) {
        for (_, wait) in &mut self.waiting {
            if which(*wait) {
                *wait = by;
            }
        }
    }

    fn settle(&mut self) {
        while let Some((seq, Wait::Done)) = self.waiting.first() {
            self.acked = *seq;
            self.waiting.remove(0);
        }
    }

    /// What an outgoing message may carry as `ack`.
    pub(crate) fn ack(&self) -> Option<u64> {
        (self.acked > 0).then_some(self.acked)
    }

    /// Whether the server does not know of the newest acknowledgement yet.
    pub(crate) fn owes_ack(&self) -> bool {
        self.acked > self.ack_sent
    }

    /// A message with [`Delivery::ack`] went out.
    pub(crate) fn ack_went_out(&mut self) {
        self.ack_sent = self.acked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_covers_a_prefix_only() {
        let mut d = Delivery::default();
        d.begin("s");
        assert_eq!(d.arrival(1), Arrival::Next);
        d.wait(Wait::Event(7));
        assert_eq!(d.arrival(2), Arrival::Next);
        d.wait(Wait::Done);
        assert_eq!(d.ack(), None);
        d.taken(6);
        assert!(!d.owes_ack());
        d.taken(7);
        assert_eq!(d.ack(), Some(2));
        assert!(d.owes_ack());
        d.ack_went_out();
        assert!(!d.owes_ack());
        assert_eq!(d.resume(), Some(("s", 2)));
    }

    #[test]
    fn resume_starts_at_the_last_received_not_at_the_ack() {
        let mut d = Delivery::default();
        d.begin("s");
        d.arrival(1);
        d.wait(Wait::Event(1));
        assert_eq!((d.resume(), d.ack()), (Some(("s", 1)), None));
        d.begin("s");
        assert_eq!(d.arrival(1), Arrival::Duplicate);
        assert_eq!(d.arrival(3), Arrival::Hole);
        assert_eq!(d.arrival(2), Arrival::Next);
        d.begin("another");
        assert_eq!(d.resume(), Some(("another", 0)));
    }

    #[test]
    fn a_held_offer_waits_for_the_disk_or_for_the_game() {
        let mut d = Delivery::default();
        d.begin("s");
        for offer in [1, 2] {
            let next = d.resume().unwrap().1 + 1;
            d.arrival(next);
            d.wait(Wait::Held(offer));
        }
        d.released(&|offer| offer == 1);
        assert_eq!(d.ack(), Some(1));
        d.surfaced(2, 9);
        d.released(&|_| true);
        assert_eq!(d.ack(), Some(1));
        d.taken(9);
        assert_eq!(d.ack(), Some(2));
    }
}
