//! Offers: what comes in is held, and surfaces in a break; breaks are asked for, claimed and answered.

use crate::event::{Dropped, Event, Outcome, State};
use crate::io::LogLevel;
use crate::offers::gate::Break;
use crate::offers::ledger::{Held, result_props};
use crate::protocol::json::{Members, Object};
use crate::protocol::messages::client::{Offered, Read};
use crate::protocol::messages::{Message, NotReady, ReadyForOffer};
use crate::protocol::{is_name, json};
use crate::session::delivery::Wait;
use crate::session::requests::Owner;

use super::{Core, Purpose};

/// The bound on `POST /offers/claim`.
const CLAIM_TIMEOUT_MS: u32 = 5_000;

impl Core {
    /// `offers().ready`.
    pub(super) fn ready(&mut self, placement: &str, context: Option<String>, lease_ms: u64) {
        let before = self.gate.ready(self.clock.t(), placement.to_owned(), context, lease_ms);
        self.answer_no_offer(before);
        self.flush_now();
    }

    /// `offers().not_ready`.
    pub(super) fn not_ready(&mut self, withdrawn: &[String]) {
        for offer_id in withdrawn {
            if let Some((offer, event)) = self.ledger.withdraw(offer_id) {
                self.delivery.withdrawn(offer, event);
            }
        }
        let asked = self.gate.open().is_some_and(|b| b.asked);
        self.end_break();
        if asked {
            self.send(NotReady::CHANNEL, NotReady::KIND, "{}");
        }
    }

    /// The open break, if any, is answered with `NoOffer`.
    pub(super) fn end_break(&mut self) {
        let open = self.gate.close();
        self.answer_no_offer(open);
    }

    pub(super) fn no_offer_for(&mut self, number: u64) {
        let open = self.gate.close_number(number);
        self.answer_no_offer(open);
    }

    pub(super) fn on_lease_over(&mut self) {
        let open = self.gate.close_if_over(self.clock.t());
        self.answer_no_offer(open);
    }

    fn answer_no_offer(&mut self, open: Option<Break>) {
        if let Some(open) = open {
            self.forget_question(open.number);
            self.event(Event::NoOffer { placement: open.placement });
        }
    }

    /// The break has its answer: nobody waits for the `lease` any more.
    fn forget_question(&mut self, number: u64) {
        self.requests.take_first(&|open| open.owner == Owner::Break(number));
    }

    /// An offer arrived, by the socket or a claim. Returns what its acknowledgement waits for.
    pub(super) fn on_offer(&mut self, offer: &Offered, text: &str, claimed: bool) -> Wait {
        if !is_name(&offer.offer_id) {
            self.log(LogLevel::Warn, "ignored an offer whose id is not 1 to 128 bytes", "");
            return Wait::Done;
        }
        if let Some(held) = self.ledger.held(&offer.offer_id) {
            return held.surfaced_as.map_or(Wait::Held(held.number), Wait::Event);
        }
        let dead = self.clock.is_trusted() && offer.expires_at <= self.clock.server_time();
        if dead || self.ledger.knows(&offer.offer_id) {
            return Wait::Done;
        }
        if let Some(dropped) = self.ledger.hold(offer, text, claimed) {
            self.log(LogLevel::Warn, "32 offers wait for a break; to make room went ", &dropped);
            self.tell_dropped(Dropped::Events, 1);
        }
        self.store.touch_player(true);
        Wait::Held(self.ledger.newest)
    }

    /// Lets expire what has expired, surfaces what may surface, claims what can't come otherwise.
    pub(super) fn settle_offers(&mut self) {
        self.settle_expiry();
        let t = self.clock.t();
        let Some(open) = self.gate.open() else { return };
        // Until the server's clock is known nobody can say whether an offer is still good.
        if self.clock.is_trusted() && self.ledger.next_to_surface(self.clock.server_time()).is_some() {
            return self.surface();
        }
        if self.link.halt.is_some_and(|halt| matches!(halt.state, State::Failed | State::Replaced)) {
            return self.end_break();
        }
        let claim_due = open.claim_at.is_some_and(|at| at <= t) && !self.link.is_online();
        if claim_due && self.may_claim() {
            self.claim();
        }
    }

    fn surface(&mut self) {
        let Some(open) = self.gate.close() else { return };
        self.forget_question(open.number);
        let event = self.events_out + 1;
        if let Some((number, offer)) = self.ledger.surface(self.clock.server_time(), open.placement, event) {
            self.delivery.surfaced(number, event);
            self.push_event(Event::OfferReady { offer }, true);
        }
    }

    fn settle_expiry(&mut self) {
        // After a jump the pong that is on its way knows better than the estimate.
        if self.link.is_online() && !self.clock.is_trusted() {
            return;
        }
        let now = self.clock.server_time();
        if self.clock.is_trusted() && self.ledger.forget_old(now) {
            self.store.touch_player(false);
        }
        if self.ledger.next_expiry().is_none_or(|at| at > now) {
            return;
        }
        if self.ledger.expire_held(now) {
            self.store.touch_player(true);
        }
        while let Some(offer_id) = self.ledger.next_expired(now) {
            if self.ledger.outcome(&offer_id, Outcome::Expired) {
                self.track_result(&offer_id, Outcome::Expired.as_str());
            }
            self.event(Event::OfferExpired { offer_id });
        }
    }

    /// `offers().result`.
    pub(super) fn offer_result(&mut self, offer_id: &str, outcome: Outcome) {
        if self.ledger.outcome(offer_id, outcome) {
            self.game_reported = true;
            self.track_result(offer_id, outcome.as_str());
        }
    }

    fn track_result(&mut self, offer_id: &str, outcome: &str) {
        self.track_own("$offer_result", &result_props(offer_id, outcome), true);
    }

    /// The game has taken events; offers among them count as seen.
    pub(super) fn on_taken(&mut self, events: u64) {
        self.delivery.taken(events);
        while let Some(Held { offer, claimed, .. }) = self.ledger.next_taken(events) {
            self.store.touch_player(true);
            if claimed {
                self.track_result(&offer.offer_id, "received");
            }
        }
    }

    /// Held offers that are on the disk now may be acknowledged; claimed ones are reported.
    pub(super) fn settle_received(&mut self) {
        self.delivery.released(&|offer| self.store.is_safe(offer) || !self.ledger.holds(offer));
        while let Some(held) = self.ledger.held.iter_mut().find(|h| h.claimed && self.store.is_safe(h.number))
        {
            held.claimed = false;
            let offer_id = held.offer.offer_id.clone();
            self.track_result(&offer_id, "received");
        }
    }

    // ---- asking ----

    /// `ready_for_offer` with what is left of the break, once a socket.
    pub(super) fn ask_for_offer(&mut self) {
        let t = self.clock.t();
        let Some(lease_ms) = self.gate.lease_to_ask(t) else { return };
        let Some(open) = self.gate.open() else { return };
        let mut ready = Object::new();
        open.write(ready.number("leaseMs", lease_ms as i64).number("max", 1));
        let owner = Owner::Break(open.number);
        let (channel, kind) = (ReadyForOffer::CHANNEL, ReadyForOffer::KIND);
        self.requests.add(owner, channel, kind, ready.end(), open.until, None);
        self.gate.set_asked(true);
    }

    pub(super) fn may_claim(&self) -> bool {
        self.link.network
            && !self.link.background
            && self.bearer().is_some()
            && !self.is_under_way(&|p| matches!(p, Purpose::Claim { .. }))
    }

    fn claim(&mut self) {
        let (Some(open), Some(bearer)) = (self.gate.open(), self.bearer()) else { return };
        let mut claim = Object::new();
        open.write(claim.text("device", self.store.device()));
        let number = open.number;
        self.gate.no_claim();
        self.post(Purpose::Claim { number }, "/offers/claim", bearer, claim.end(), CLAIM_TIMEOUT_MS);
    }

    pub(super) fn on_claim(&mut self, number: u64, status: u16, body: &[u8]) {
        // Any other answer says nothing of offers.
        let answer = if status == 200 { std::str::from_utf8(body).unwrap_or_default() } else { "" };
        let Some(offers) = Members::of(answer).raw("offers").and_then(json::array) else {
            // The break stays open: the socket may yet come back.
            return self.log(LogLevel::Info, "the claim over HTTP failed", "");
        };
        if offers.is_empty() {
            self.no_offer_for(number);
        }
        for (_, text) in &offers {
            let mut members = Members::of(text);
            let offer = Offered::of(&mut members);
            if let Some(wrong) = members.wrong() {
                self.log(LogLevel::Info, "the claim over HTTP brought what is no offer: without ", wrong);
                continue;
            }
            if offer.expires_in > 0 {
                let sent = offer.expires_at.saturating_sub(offer.expires_in.saturating_mul(1_000));
                if !self.clock.is_trusted() {
                    // Where no socket has spoken yet, this is the server's first word on the time.
                    self.clock.rough_sample(sent);
                }
                self.clock.not_before(sent);
            }
            if !self.ledger.knows(&offer.offer_id) {
                self.on_offer(&offer, text, true);
            } else if !self.ledger.claim(&offer.offer_id) {
                // The game has had it: the server is to know, and not to give it back.
                self.track_result(&offer.offer_id, "received");
            }
        }
    }
}
