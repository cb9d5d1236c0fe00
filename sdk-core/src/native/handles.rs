//! The parts of the client's surface that have a name of their own: offers, rooms, bets, and what they are asked with.

use std::time::Duration;

use super::client::Client;
use super::clock::millis;
use crate::command::Command;
use crate::error::Error;
use crate::event::{Outcome, RequestId};
use crate::protocol::Channel;
use crate::protocol::limits::{LEASE_MS, REQUEST_TIMEOUT_MS};

/// A break in the game at which an offer may be shown.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Break {
    placement: String,
    context: Option<String>,
    lease_ms: u64,
}

impl Break {
    /// A break at `placement`, such as `level_completed`: 1 to 128 bytes.
    pub fn new(placement: impl Into<String>) -> Self {
        Break { placement: placement.into(), context: None, lease_ms: LEASE_MS }
    }

    /// What the server may choose by: a flat JSON object.
    pub fn context(mut self, json: impl Into<String>) -> Self {
        self.context = Some(json.into());
        self
    }

    /// How long an offer may still come, 1 to 60 s. Default: 10 s.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease_ms = millis(lease);
        self
    }
}

impl From<&str> for Break {
    fn from(placement: &str) -> Self {
        Break::new(placement)
    }
}

impl From<String> for Break {
    fn from(placement: String) -> Self {
        Break::new(placement)
    }
}

/// Offers at the right moment. From [`Client::offers`].
#[derive(Debug, Clone, Copy)]
pub struct Offers<'a> {
    pub(crate) client: &'a Client,
}

impl Offers<'_> {
    /// The game is at a break: an offer may be shown. Exactly one [`Event::OfferReady`](crate::Event::OfferReady) or
    /// [`Event::NoOffer`](crate::Event::NoOffer) follows. Also a safe point for flags.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the argument and its bound.
    pub fn ready(&self, at: impl Into<Break>) -> Result<(), Error> {
        let Break { placement, context, lease_ms } = at.into();
        self.client.command(Command::Ready { placement, context, lease_ms })?;
        self.client.apply_flags();
        Ok(())
    }

    /// The break is over: what comes now waits for the next one.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn not_ready(&self) -> Result<(), Error> {
        self.client.not_ready()
    }

    /// What became of an offer.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a text that names no offer.
    pub fn result(&self, offer_id: &str, outcome: Outcome) -> Result<(), Error> {
        self.client.command(Command::OfferResult { offer_id: offer_id.to_owned(), outcome })
    }
}

/// Rooms of players. From [`Client::rooms`].
#[derive(Debug, Clone, Copy)]
pub struct Rooms<'a> {
    pub(crate) client: &'a Client,
}

impl Rooms<'_> {
    /// Joins a room, and joins it again after every reconnect. [`Event::RoomChanged`](crate::Event::RoomChanged) tells.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`]; [`Error::Full`] with 8 rooms joined.
    pub fn join(&self, game_id: &str) -> Result<(), Error> {
        let command = Command::Join { game_id: game_id.to_owned() };
        command.check()?;
        let shared = self.client.shared();
        shared.check_alive()?;
        let is_new = shared.begin_room(game_id)?;
        self.client.command(command).inspect_err(|_| {
            if is_new {
                shared.forget_room(game_id);
            }
        })
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`].
    pub fn leave(&self, game_id: &str) -> Result<(), Error> {
        self.client.command(Command::Leave { game_id: game_id.to_owned() })?;
        self.client.shared().forget_room(game_id);
        Ok(())
    }

    /// Sends an event to the others in a room; `data` is a JSON object. It is dropped while there is no connection.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::TooLarge`].
    pub fn send(&self, game_id: &str, event: &str, data: &str) -> Result<(), Error> {
        let (game_id, event, data) = (game_id.to_owned(), event.to_owned(), data.to_owned());
        self.client.command(Command::RoomSend { game_id, event, data })
    }
}

/// A bet to place.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Bet {
    game_id: String,
    amount: i64,
    selection: String,
    client_seed: Option<String>,
    key: Option<String>,
}

impl Bet {
    /// A bet of `amount` minor units (1 to 2⁵³ − 1) on `selection`, JSON that the game's engine understands.
    pub fn new(game_id: impl Into<String>, amount: i64, selection: impl Into<String>) -> Self {
        let (game_id, selection) = (game_id.into(), selection.into());
        Bet { game_id, amount, selection, client_seed: None, key: None }
    }

    /// The player's share of the roll, 1 to 64 bytes. Default: made.
    pub fn client_seed(mut self, seed: impl Into<String>) -> Self {
        self.client_seed = Some(seed.into());
        self
    }

    /// Names the bet, 1 to 64 bytes: placing it again with the same key places it once. Default: made.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }
}

/// Bets. From [`Client::bets`].
#[derive(Debug, Clone, Copy)]
pub struct Bets<'a> {
    pub(crate) client: &'a Client,
}

impl Bets<'_> {
    /// Places a bet. Exactly one [`Event::RequestCompleted`](crate::Event::RequestCompleted) or
    /// [`Event::RequestFailed`](crate::Event::RequestFailed) with the returned id follows, and after a completed one
    /// [`Event::BetSettled`](crate::Event::BetSettled), perhaps in a later run.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::TooLarge`], [`Error::Full`] with 64 requests open.
    pub fn place(&self, bet: Bet) -> Result<RequestId, Error> {
        self.client.open_request(|request| {
            let Bet { game_id, amount, selection, client_seed, key } = bet;
            Command::PlaceBet { request, game_id, amount, selection, client_seed, key }
        })
    }
}

/// A request of the game's own.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Request {
    channel: Channel,
    kind: String,
    payload: String,
    timeout_ms: u64,
    key: Option<String>,
}

impl Request {
    /// A message of type `kind` on `channel` ([`Channel::Game`] or [`Channel::Social`]) with a JSON object as payload.
    pub fn new(channel: Channel, kind: impl Into<String>, payload: impl Into<String>) -> Self {
        let (kind, payload) = (kind.into(), payload.into());
        Request { channel, kind, payload, timeout_ms: REQUEST_TIMEOUT_MS, key: None }
    }

    /// How long to wait for the reply, reconnects included: 1 ms to 10 min. Default: 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = millis(timeout);
        self
    }

    /// Makes it safe to repeat, 1 to 64 bytes: it is sent again after a reconnect, and the server executes it once.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    pub(crate) fn into_command(self, request: RequestId) -> Command {
        let Request { channel, kind, payload, timeout_ms, key } = self;
        Command::Request { request, channel, kind, payload, timeout_ms, key }
    }
}
