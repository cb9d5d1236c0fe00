//! What the device remembers of offers: held ones, ids that have surfaced, those on the screen (`PROTOCOL.md`, section 7).
//!
//! Offers come in, none leaves twice, none leaves after its expiry. When one may leave is the gate's business.

use crate::event::{Offer, Outcome};
use crate::protocol::json::{Members, Object};
use crate::protocol::limits::MAX_SEEN_OFFERS;
use crate::protocol::messages::client::{Offered, Read};

/// Held offers kept at once; beyond it the one that expires first makes room.
const MAX_HELD: usize = 32;
/// Pairs of offer and outcome remembered, so that the same pair is sent once.
const MAX_OUTCOMES: usize = 256;

/// An offer that waits for a break.
#[derive(Debug)]
pub(crate) struct Held {
    /// A running count, from 1.
    pub(crate) number: u64,
    pub(crate) offer: Known,
    /// All of it, as it came.
    pub(crate) text: String,
    /// It is handed to the game, which has not taken it yet: this event.
    pub(crate) surfaced_as: Option<u64>,
    /// It came by a claim, so its reception is reported as an event.
    pub(crate) claimed: bool,
}

/// What has to be known of every offer.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) offer_id: String,
    pub(crate) expires_at: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Not taken by the game yet, oldest first. On disk.
    pub(crate) held: Vec<Held>,
    /// Taken by the game. On disk until they expire.
    pub(crate) seen: Vec<Known>,
    /// On the screen, for all the SDK knows.
    pub(crate) showing: Vec<Known>,
    outcomes: Vec<(String, Outcome)>,
    /// The number of the offer that came last.
    pub(crate) newest: u64,
}

impl Ledger {
    /// Another player's: nothing is remembered, but numbers go on.
    pub(crate) fn clear(&mut self) {
        *self = Ledger { newest: self.newest, ..Ledger::default() };
    }

    /// Whether this offer has been here before.
    pub(crate) fn knows(&self, offer_id: &str) -> bool {
        self.seen.iter().any(|s| s.offer_id == offer_id) || self.held(offer_id).is_some()
    }

    /// It waits for a break, or to be taken.
    pub(crate) fn held(&self, offer_id: &str) -> Option<&Held> {
        self.held.iter().find(|h| h.offer.offer_id == offer_id)
    }

    /// Whether the offer of this number still waits for a break, or to be taken.
    pub(crate) fn holds(&self, number: u64) -> bool {
        self.held.iter().any(|h| h.number == number)
    }

    fn held_mut(&mut self, offer_id: &str) -> Option<&mut Held> {
        self.held.iter_mut().find(|h| h.offer.offer_id == offer_id)
    }

    /// Takes an offer in. Returns the id of one that had to make room.
    pub(crate) fn hold(&mut self, offer: &Offered, text: &str, claimed: bool) -> Option<String> {
        let mut dropped = None;
        if self.held.len() >= MAX_HELD {
            let waiting = self.held.iter().enumerate().filter(|(_, h)| h.surfaced_as.is_none());
            if let Some((at, _)) = waiting.min_by_key(|(_, h)| h.offer.expires_at) {
                dropped = Some(self.held.remove(at).offer.offer_id);
            }
        }
        self.newest += 1;
        let number = self.newest;
        let offer = Known { offer_id: offer.offer_id.clone(), expires_at: offer.expires_at };
        self.held.push(Held { number, offer, text: text.to_owned(), surfaced_as: None, claimed });
        dropped
    }

    /// A claim brought an offer that is held: its reception is reported when it is safe. False: it is not held (any more).
    pub(crate) fn claim(&mut self, offer_id: &str) -> bool {
        self.held_mut(offer_id).map(|held| held.claimed = true).is_some()
    }

    /// The oldest held offer that may surface at this server time.
    pub(crate) fn next_to_surface(&mut self, server_now: i64) -> Option<&mut Held> {
        self.held.iter_mut().find(|h| h.surfaced_as.is_none() && h.offer.expires_at > server_now)
    }

    /// It surfaces as this event. Returns its number too.
    pub(crate) fn surface(&mut self, server_now: i64, placement: String, event: u64) -> Option<(u64, Offer)> {
        let held = self.next_to_surface(server_now)?;
        held.surfaced_as = Some(event);
        // It could be read when it came.
        let offer = Offered::of(&mut Members::of(&held.text));
        let number = held.number;
        self.showing.push(Known { offer_id: offer.offer_id.clone(), expires_at: offer.expires_at });
        let offer = Offer {
            offer_id: offer.offer_id,
            campaign_id: offer.campaign_id,
            title: offer.title,
            discount: offer.discount,
            image_url: offer.image_url,
            placement,
            expires_at: offer.expires_at,
            data: offer.data.unwrap_or_default().0,
        };
        Some((number, offer))
    }

    /// It surfaced, but play went on before the game saw it: it waits for the next break. Returns its number and the event that it was.
    pub(crate) fn withdraw(&mut self, offer_id: &str) -> Option<(u64, u64)> {
        let held = self.held_mut(offer_id)?;
        let withdrawn = (held.number, held.surfaced_as.take()?);
        self.hide(offer_id);
        Some(withdrawn)
    }

    /// It is off the screen.
    fn hide(&mut self, offer_id: &str) {
        if let Some(at) = self.showing.iter().position(|s| s.offer_id == offer_id) {
            self.showing.remove(at);
        }
    }

    /// The game has taken every event up to this count. Returns the next offer that it took with them.
    pub(crate) fn next_taken(&mut self, events: u64) -> Option<Held> {
        let at = self.held.iter().position(|h| h.surfaced_as.is_some_and(|event| event <= events))?;
        let held = self.held.remove(at);
        self.remember(held.offer.offer_id.clone(), held.offer.expires_at);
        Some(held)
    }

    /// A seen id, kept until its expiry.
    pub(crate) fn remember(&mut self, offer_id: String, expires_at: i64) {
        if self.seen.len() >= MAX_SEEN_OFFERS {
            let first = self.seen.iter().enumerate().min_by_key(|(_, s)| s.expires_at).map(|(at, _)| at);
            first.map(|at| self.seen.remove(at));
        }
        self.seen.push(Known { offer_id, expires_at });
    }

    /// Lets go of held offers that expired before they surfaced. True when there were any.
    pub(crate) fn expire_held(&mut self, server_now: i64) -> bool {
        let dead = |h: &Held| h.surfaced_as.is_none() && h.offer.expires_at <= server_now;
        let mut any = false;
        while let Some(at) = self.held.iter().position(dead) {
            self.held.remove(at);
            any = true;
        }
        any
    }

    /// The next offer to take off the screen, for it has expired there.
    pub(crate) fn next_expired(&mut self, server_now: i64) -> Option<String> {
        take_expired(&mut self.showing, server_now).map(|known| known.offer_id)
    }

    /// Forgets ids whose offers can't come again. True when there were any.
    pub(crate) fn forget_old(&mut self, server_now: i64) -> bool {
        let mut any = false;
        while take_expired(&mut self.seen, server_now).is_some() {
            any = true;
        }
        any
    }

    /// The next expiry, in server time.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        let mut next = i64::MAX;
        for held in &self.held {
            if held.surfaced_as.is_none() {
                next = next.min(held.offer.expires_at);
            }
        }
        for showing in &self.showing {
            next = next.min(showing.expires_at);
        }
        (next < i64::MAX).then_some(next)
    }

    /// What became of an offer. False when this pair was told before.
    pub(crate) fn outcome(&mut self, offer_id: &str, outcome: Outcome) -> bool {
        if self.outcomes.iter().any(|(id, known)| *known == outcome && id == offer_id) {
            return false;
        }
        if self.outcomes.len() >= MAX_OUTCOMES {
            self.outcomes.remove(0);
        }
        self.outcomes.push((offer_id.to_owned(), outcome));
        if outcome != Outcome::Shown {
            self.hide(offer_id);
        }
        true
    }
}

fn take_expired(from: &mut Vec<Known>, server_now: i64) -> Option<Known> {
    let at = from.iter().position(|known| known.expires_at <= server_now)?;
    Some(from.remove(at))
}

/// An `$offer_result` event's properties.
pub(crate) fn result_props(offer_id: &str, outcome: &str) -> String {
    Object::new().text("offerId", offer_id).text("outcome", outcome).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Ledger {
        fn take_in(&mut self, id: &str, expires_at: i64) -> Option<String> {
            let text = format!(r#"{{"offerId":"{id}","expiresAt":{expires_at}}}"#);
            self.hold(&Offered::of(&mut Members::of(&text)), &text, false)
        }
    }

    #[test]
    fn an_offer_is_known_from_its_arrival_to_its_expiry() {
        let mut ledger = Ledger::default();
        ledger.take_in("a", 1_000);
        assert!(ledger.knows("a"));
        assert!(ledger.surface(0, "shop".into(), 5).is_some());
        assert!(ledger.surface(0, "shop".into(), 6).is_none(), "never twice");
        assert!(ledger.next_taken(4).is_none());
        assert!(ledger.next_taken(5).is_some() && ledger.next_taken(5).is_none());
        assert!(ledger.knows("a") && ledger.held.is_empty());
        assert!(!ledger.forget_old(999));
        assert!(ledger.forget_old(1_000));
        assert!(!ledger.knows("a"));
    }

    #[test]
    fn what_expires_is_told_only_if_it_was_on_the_screen() {
        let mut ledger = Ledger::default();
        ledger.take_in("a", 100);
        ledger.take_in("b", 200);
        ledger.surface(100, "shop".into(), 1);
        assert_eq!(ledger.next_expiry(), Some(100));
        assert!(ledger.expire_held(200) && !ledger.expire_held(200));
        assert_eq!(ledger.next_expired(200).as_deref(), Some("b"));
        assert_eq!(ledger.next_expired(200), None);
        assert_eq!(ledger.next_expiry(), None);
    }

    #[test]
    fn an_answered_offer_does_not_expire_on_the_screen() {
        let mut ledger = Ledger::default();
        ledger.take_in("a", 100);
        ledger.surface(0, "shop".into(), 1);
        assert!(ledger.outcome("a", Outcome::Shown));
        assert!(!ledger.outcome("a", Outcome::Shown), "the same pair once");
        assert!(ledger.outcome("a", Outcome::Accepted));
        assert!(ledger.next_expired(500).is_none());
    }

    #[test]
    fn bounds() {
        let mut ledger = Ledger::default();
        let dropped: Vec<String> = (0..40).filter_map(|n| ledger.take_in(&n.to_string(), n)).collect();
        assert_eq!((ledger.held.len(), dropped.len(), dropped[0].as_str()), (32, 8, "0"));
        for n in 0..300 {
            ledger.remember(format!("s{n}"), n);
        }
        assert_eq!(ledger.seen.len(), MAX_SEEN_OFFERS);
    }
}
