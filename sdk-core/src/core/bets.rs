//! Bets: placed with a key and the server's seed hash, repeated until answered, asked for by a later process.

use crate::event::{BetOutcome, Event, RequestId};
use crate::protocol::json::{Members, Object};
use crate::protocol::messages::client::Read;
use crate::protocol::messages::{BetAcknowledged, BetQuery, BetSettled, Message, PlaceBet};
use crate::protocol::{Channel, Code, Envelope};
use crate::rooms::bets::Placed;
use crate::session::delivery::Wait;
use crate::session::requests::{Open, Owner};

use super::Core;
use super::outbound::Failure;

/// A bet's deadline.
const BET_TIMEOUT_MS: u64 = 10_000;

/// A bet that is not this process's.
const EARLIER: RequestId = RequestId(0);

impl Core {
    pub(super) fn place_bet(&mut self, request: RequestId, placed: Placed) {
        let key = placed.key.clone();
        self.bets.place(placed);
        self.write_bet(request, key, self.clock.t() + BET_TIMEOUT_MS);
        // On the disk before it is on the wire, so that a later process can ask what became of it.
        self.store.touch_player(true);
    }

    fn write_bet(&mut self, request: RequestId, key: String, deadline: u64) {
        let Some(placed) = self.bets.placed(&key) else { return };
        let bet = Object::new()
            .text("gameId", &placed.game_id)
            .number("amount", placed.amount)
            .raw("selection", placed.selection.trim_ascii())
            .text("clientSeed", &placed.client_seed)
            .text("serverSeedHash", self.bets.hash_for(&placed.game_id))
            .text("idempotencyKey", &key)
            .end();
        let owner = Owner::Bet(request);
        self.requests.add(owner, PlaceBet::CHANNEL, PlaceBet::KIND, bet, deadline, Some(key));
    }

    /// Asks what became of bets that were never answered.
    pub(super) fn ask_for_bets(&mut self) {
        while let Some(key) = self.bets.to_ask(&|bet| self.requests.asks_after(bet)) {
            let deadline = self.clock.t() + BET_TIMEOUT_MS;
            let payload = Object::new().text("idempotencyKey", key).end();
            let owner = Owner::BetStatus(key.to_owned());
            self.requests.add(owner, Channel::Game, BetQuery::KIND, payload, deadline, None);
        }
    }

    /// The reply to `place_bet` or `bet_status`.
    pub(super) fn on_bet_answered(&mut self, request: RequestId, key: &str, kind: &str, payload: &str) {
        let game_id = self.bets.answered(key);
        self.store.touch_player(false);
        let mut members = Members::of(payload);
        if kind == BetAcknowledged::KIND
            && let Some(game_id) = game_id
        {
            let acknowledged = BetAcknowledged::of(&mut members);
            if members.wrong().is_none() {
                self.bets.learn_hash(&game_id, &acknowledged.next_seed_hash);
            }
        }
        self.tell_completed(request, key, kind, payload);
        if kind == BetSettled::KIND {
            let settled = BetSettled::of(&mut members);
            if members.wrong().is_none() {
                self.tell_settled(&settled, false);
            }
        }
    }

    pub(super) fn on_bet_status(&mut self, key: &str, kind: &str, payload: &str) {
        self.on_bet_answered(EARLIER, key, kind, payload);
    }

    pub(super) fn on_bet_status_failed(&mut self, key: &str, failure: &Failure<'_>) {
        // Anything but the server's own word leaves the question open for the next connection.
        if failure.code == Code::NotFound {
            self.bets.answered(key);
            self.store.touch_player(false);
            self.tell_failed(EARLIER, key, failure);
        }
    }

    /// Answers `SEED_USED` itself; any other failure is the game's.
    pub(super) fn on_bet_failed(
        &mut self,
        request: RequestId,
        key: &str,
        deadline: u64,
        failure: &Failure<'_>,
    ) {
        if failure.code == Code::SeedUsed && self.bets.renew(key, failure.next_seed_hash) {
            return self.write_bet(request, key.to_owned(), deadline);
        }
        match failure.code {
            Code::UnknownOutcome | Code::Closed | Code::IdentityChanged => {
                self.bets.given_up(key);
            }
            _ => {
                self.bets.answered(key);
                self.store.touch_player(false);
            }
        }
        self.tell_failed(request, key, failure);
    }

    /// A result, durable. A `bet_settled` whose request is still pending completes it.
    pub(super) fn on_settled(&mut self, envelope: &Envelope<'_>, durable: bool) -> Wait {
        let mut payload = Members::of(&envelope.payload);
        let settled = BetSettled::of(&mut payload);
        if !self.is_whole(envelope, &payload) {
            return Wait::Done;
        }
        let key = &settled.idempotency_key;
        let pending = |open: &Open| matches!(open.owner, Owner::Bet(_)) && open.key.as_ref() == Some(key);
        while let Some(open) = self.requests.take_first(&pending)
            && let Owner::Bet(request) = open.owner
        {
            self.tell_completed(request, key, BetSettled::KIND, &envelope.payload);
        }
        if self.bets.unanswered.contains(key) {
            self.store.touch_player(false);
        }
        self.bets.answered(key);
        self.tell_settled(&settled, durable)
    }

    fn tell_settled(&mut self, settled: &BetSettled, durable: bool) -> Wait {
        let key = &settled.idempotency_key;
        if let Some(event) = self.bets.told(key) {
            // Told already, if perhaps not taken yet.
            return Wait::Event(event);
        }
        let event = Event::BetSettled {
            idempotency_key: key.clone(),
            outcome: BetOutcome::parse(&settled.outcome).unwrap_or(BetOutcome::Unknown),
            payout: settled.payout,
            balance: settled.balance,
            roll: settled.roll,
            sides: settled.sides,
            server_seed: settled.server_seed.clone(),
            server_seed_hash: settled.server_seed_hash.clone(),
            client_seed: settled.client_seed.clone(),
        };
        let event = self.push_event(event, durable);
        self.bets.settle(key.clone(), event);
        Wait::Event(event)
    }
}
