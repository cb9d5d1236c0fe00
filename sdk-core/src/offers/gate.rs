//! The gate: an offer surfaces only while the game has a break open, and a break has one answer (`PROTOCOL.md`, section 7).

use crate::protocol::json::Object;
use crate::protocol::limits::{CLAIM_AFTER_MS, LEASE_MIN_MS};

/// A break in play that waits for its answer.
#[derive(Debug, Clone)]
pub(crate) struct Break {
    /// A running count, so that an answer finds its break.
    pub(crate) number: u64,
    pub(crate) placement: String,
    pub(crate) context: Option<String>,
    pub(crate) until: u64,
    /// When the HTTP claim is due, if there is no socket by then.
    pub(crate) claim_at: Option<u64>,
    /// `ready_for_offer` went out on the present socket.
    pub(crate) asked: bool,
}

impl Break {
    /// Where the player is, as both ways of asking tell it.
    pub(crate) fn write(&self, out: &mut Object) {
        out.text("placement", &self.placement);
        if let Some(context) = &self.context {
            out.raw("context", context.trim_ascii());
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: Option<Break>,
    breaks: u64,
}

impl Gate {
    /// A break begins. The one before it, if unanswered, is returned to be answered.
    pub(crate) fn ready(
        &mut self,
        t: u64,
        placement: String,
        context: Option<String>,
        lease: u64,
    ) -> Option<Break> {
        let before = self.open.take();
        self.breaks += 1;
        self.open = Some(Break {
            number: self.breaks,
            placement,
            context,
            until: t + lease,
            claim_at: Some(t + CLAIM_AFTER_MS).filter(|&at| at < t + lease),
            asked: false,
        });
        before
    }

    /// The break that waits for its answer.
    pub(crate) fn open(&self) -> Option<&Break> {
        self.open.as_ref()
    }

    /// The answer is given (or the break is over): nothing surfaces until the next `ready`.
    pub(crate) fn close(&mut self) -> Option<Break> {
        self.open.take()
    }

    /// Closes this break if it is still the open one.
    pub(crate) fn close_number(&mut self, number: u64) -> Option<Break> {
        self.open.take_if(|b| b.number == number)
    }

    /// Closes a break whose lease is over.
    pub(crate) fn close_if_over(&mut self, t: u64) -> Option<Break> {
        self.open.take_if(|b| b.until <= t)
    }

    /// The lease to ask for on the present socket: what is left, if it is worth it and was not asked for there.
    pub(crate) fn lease_to_ask(&self, t: u64) -> Option<u64> {
        let open = self.open.as_ref().filter(|b| !b.asked)?;
        Some(open.until.saturating_sub(t)).filter(|&left| left >= LEASE_MIN_MS)
    }

    /// It was asked for on the present socket; or there is none any more.
    pub(crate) fn set_asked(&mut self, asked: bool) {
        if let Some(open) = &mut self.open {
            open.asked = asked;
        }
    }

    /// A claim is under way, or pointless: none for this break any more.
    pub(crate) fn no_claim(&mut self) {
        if let Some(open) = &mut self.open {
            open.claim_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_break_has_one_answer() {
        let mut gate = Gate::default();
        assert!(gate.ready(0, "level".into(), None, 10_000).is_none());
        let first = gate.ready(100, "shop".into(), None, 1_000).unwrap();
        assert_eq!(first.placement, "level");
        assert!(gate.close_number(first.number).is_none(), "an answer that comes too late finds nothing");
        assert!(gate.close_if_over(1_099).is_none());
        assert_eq!(gate.close_if_over(1_100).unwrap().placement, "shop");
        assert!(gate.close().is_none());
    }

    #[test]
    fn after_a_reconnect_what_is_left_is_asked_for_if_it_is_a_second() {
        let mut gate = Gate::default();
        gate.ready(0, "level".into(), None, 3_000);
        assert_eq!(gate.lease_to_ask(0), Some(3_000));
        gate.set_asked(true);
        assert_eq!(gate.lease_to_ask(10), None);
        gate.set_asked(false);
        assert_eq!(gate.lease_to_ask(2_000), Some(1_000));
        assert_eq!(gate.lease_to_ask(2_001), None);
    }

    #[test]
    fn a_short_break_is_over_before_a_claim_is_due() {
        let mut gate = Gate::default();
        gate.ready(0, "level".into(), None, 1_000);
        assert_eq!(gate.open().unwrap().claim_at, None);
        gate.ready(0, "level".into(), None, 2_000);
        assert_eq!(gate.open().unwrap().claim_at, Some(1_500));
    }
}
