//! What the device remembers of offers: held ones, ids that have surfaced, those on the screen (`PROTOCOL.md`, section 7).
//!
//! Offers come in, none leaves twice, none leaves after its expiry. When one may leave is the gate's business.

use crate::event::{Offer, Outcome};
use crate::protocol::json::{Json, Object};
use crate::protocol::limits::MAX_SEEN_OFFERS;
use crate::protocol::messages::client::Offered;

/// Held offers kept at once; beyond it the one that expires first makes room.
const MAX_HELD: usize = 32;
/// Pairs of offer and outcome remembered, so that the same pair is sent once.
const MAX_OUTCOMES: usize = 256;

/// An offer that waits for a break.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) offer: Offered,
    /// It is handed to the game, which has not taken it yet: this event.
    pub(crate) surfaced_as: Option<u64>,
    /// It came by a claim, so its reception is reported as an event.
    pub(crate) claimed: bool,
}

/// An offer on the screen, for all the SDK knows.
#[derive(Debug, Clone)]
pub(crate) struct Showing {
    pub(crate) offer_id: String,
    pub(crate) expires_at: i64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Not taken by the game yet, oldest first. On disk.
    pub(crate) held: Vec<Held>,
    /// Taken by the game: id and expiry. On disk until then.
    pub(crate) seen: Vec<(String, i64)>,
    pub(crate) showing: Vec<Showing>,
    outcomes: Vec<(String, Outcome)>,
}

impl Ledger {
    /// Whether this offer has been here before.
    pub(crate) fn knows(&self, offer_id: &str) -> bool {
        self.seen.iter().any(|(id, _)| id == offer_id)
            || self.held.iter().any(|h| h.offer.offer_id == offer_id)
    }

    /// Takes an offer in. Returns the id of one that had to make room.
    pub(crate) fn hold(&mut self, offer: Offered, claimed: bool) -> Option<String> {
        let mut dropped = None;
        if self.held.len() >= MAX_HELD {
            let waiting = self.held.iter().enumerate().filter(|(_, h)| h.surfaced_as.is_none());
            if let Some((at, _)) = waiting.min_by_key(|(_, h)| h.offer.expires_at) {
                dropped = Some(self.held.remove(at).offer.offer_id);
            }
        }
        self.held.push(Held { offer, surfaced_as: None, claimed });
        dropped
    }

    /// A claim brought an offer that is held: its reception is reported when it is safe. False: it is not held (any more).
    pub(crate) fn claim(&mut self, offer_id: &str) -> bool {
        let held = self.held.iter_mut().find(|h| h.offer.offer_id == offer_id);
        held.map(|held| held.claimed = true).is_some()
    }

    /// The oldest held offer that may surface at this server time.
    pub(crate) fn next_to_surface(&self, server_now: i64) -> Option<&Held> {
        self.held.iter().find(|h| h.surfaced_as.is_none() && h.offer.expires_at > server_now)
    }

    /// It surfaces as this event.
    pub(crate) fn surface(&mut self, offer_id: &str, placement: &str, event: u64) -> Option<Offer> {
        let held = self.held.iter_mut().find(|h| h.offer.offer_id == offer_id && h.surfaced_as.is_none())?;
        held.surfaced_as = Some(event);
        let offer = &held.offer;
        self.showing.push(Showing { offer_id: offer.offer_id.clone(), expires_at: offer.expires_at });
        Some(Offer {
            offer_id: offer.offer_id.clone(),
            campaign_id: offer.campaign_id.clone(),
            title: offer.title.clone(),
            discount: offer.discount,
            image_url: offer.image_url.clone(),
            placement: placement.to_owned(),
            expires_at: offer.expires_at,
            data: offer.data.as_ref().map(|Json(data)| data.clone()).unwrap_or_default(),
        })
    }

    /// It surfaced, but play went on before the game saw it: it waits for the next break. Returns the event that it was.
    pub(crate) fn withdraw(&mut self, offer_id: &str) -> Option<u64> {
        let held = self.held.iter_mut().find(|h| h.offer.offer_id == offer_id)?;
        let event = held.surfaced_as.take()?;
        self.showing.retain(|s| s.offer_id != offer_id);
        Some(event)
    }

    /// The game has taken every event up to this count. Returns the offers that it took with them.
    pub(crate) fn taken(&mut self, events: u64) -> Vec<Held> {
        let is_taken = |h: &Held| h.surfaced_as.is_some_and(|event| event <= events);
        let taken: Vec<Held> = self.held.extract_if(.., |h| is_taken(h)).collect();
        for held in &taken {
            self.remember(held.offer.offer_id.clone(), held.offer.expires_at);
        }
        taken
    }

    /// A seen id, kept until its expiry.
    pub(crate) fn remember(&mut self, offer_id: String, expires_at: i64) {
        if self.seen.len() >= MAX_SEEN_OFFERS {
            let first = self.seen.iter().enumerate().min_by_key(|(_, (_, at))| *at).map(|(at, _)| at);
            first.map(|at| self.seen.remove(at));
        }
        self.seen.push((offer_id, expires_at));
    }

    /// Lets go of what has expired. Returns (held offers that never surfaced, offers to take off the screen).
    pub(crate) fn expire(&mut self, server_now: i64) -> (Vec<Held>, Vec<String>) {
        let dead = |h: &Held| h.surfaced_as.is_none() && h.offer.expires_at <= server_now;
        let unseen = self.held.extract_if(.., |h| dead(h)).collect();
        let shown = self.showing.extract_if(.., |s| s.expires_at <= server_now).map(|s| s.offer_id).collect();
        (unseen, shown)
    }

    /// Forgets ids whose offers can't come again. True when there were any.
    pub(crate) fn forget_old(&mut self, server_now: i64) -> bool {
        let before = self.seen.len();
        self.seen.retain(|(_, expires_at)| *expires_at > server_now);
        before != self.seen.len()
    }

    /// The next expiry, in server time.
    pub(crate) fn next_expiry(&self) -> Option<i64> {
        let waiting = self.held.iter().filter(|h| h.surfaced_as.is_none()).map(|h| h.offer.expires_at);
        waiting.chain(self.showing.iter().map(|s| s.expires_at)).min()
    }

    /// What became of an offer. False when this pair was told before.
    pub(crate) fn outcome(&mut self, offer_id: &str, outcome: Outcome) -> bool {
        let pair = (offer_id.to_owned(), outcome);
        if self.outcomes.contains(&pair) {
            return false;
        }
        if self.outcomes.len() >= MAX_OUTCOMES {
            self.outcomes.remove(0);
        }
        self.outcomes.push(pair);
        if outcome != Outcome::Shown {
            self.showing.retain(|s| s.offer_id != offer_id);
        }
        true
    }

    /// The held offers as the player's record keeps them.
    pub(crate) fn held_ids(&self) -> Vec<String> {
        self.held.iter().map(|h| h.offer.offer_id.clone()).collect()
    }
}

/// An `$offer_result` event's properties.
pub(crate) fn result_props(offer_id: &str, outcome: &str) -> String {
    Object::new().text("offerId", offer_id).text("outcome", outcome).end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::client::Read;

    fn offer(id: &str, expires_at: i64) -> Offered {
        Offered::read(&format!(r#"{{"offerId":"{id}","expiresAt":{expires_at}}}"#)).unwrap()
    }

    #[test]
    fn an_offer_is_known_from_its_arrival_to_its_expiry() {
        let mut ledger = Ledger::default();
        ledger.hold(offer("a", 1_000), false);
        assert!(ledger.knows("a"));
        assert!(ledger.surface("a", "shop", 5).is_some());
        assert!(ledger.surface("a", "shop", 6).is_none(), "never twice");
        assert!(ledger.taken(4).is_empty());
        assert_eq!(ledger.taken(5).len(), 1);
        assert!(ledger.knows("a") && ledger.held.is_empty());
        assert!(!ledger.forget_old(999));
        assert!(ledger.forget_old(1_000));
        assert!(!ledger.knows("a"));
    }

    #[test]
    fn what_expires_is_told_only_if_it_was_on_the_screen() {
        let mut ledger = Ledger::default();
        ledger.hold(offer("a", 100), false);
        ledger.hold(offer("b", 200), false);
        ledger.surface("b", "shop", 1);
        assert_eq!(ledger.next_expiry(), Some(100));
        let (unseen, shown) = ledger.expire(200);
        assert_eq!((unseen.len(), shown), (1, vec!["b".to_owned()]));
        assert_eq!(ledger.next_expiry(), None);
    }

    #[test]
    fn an_answered_offer_does_not_expire_on_the_screen() {
        let mut ledger = Ledger::default();
        ledger.hold(offer("a", 100), false);
        ledger.surface("a", "shop", 1);
        assert!(ledger.outcome("a", Outcome::Shown));
        assert!(!ledger.outcome("a", Outcome::Shown), "the same pair once");
        assert!(ledger.outcome("a", Outcome::Accepted));
        assert!(ledger.expire(500).1.is_empty());
    }

    #[test]
    fn bounds() {
        let mut ledger = Ledger::default();
        let dropped: Vec<String> =
            (0..40).filter_map(|n| ledger.hold(offer(&n.to_string(), n), false)).collect();
        assert_eq!((ledger.held.len(), dropped.len(), dropped[0].as_str()), (32, 8, "0"));
        for n in 0..300 {
            ledger.remember(format!("s{n}"), n);
        }
        assert_eq!(ledger.seen.len(), MAX_SEEN_OFFERS);
    }
}
