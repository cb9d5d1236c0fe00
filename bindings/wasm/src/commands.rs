//! The game's calls. Each is checked by the core's own check; what is wrong is returned as a text `CODE message`, and nothing is what
//! a good call returns.

use castline::protocol::Channel;
use castline::{Command, Error, Input, Outcome, RequestId};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::engine::Engine;

/// An error with its code in front.
pub(crate) fn text(error: Error) -> String {
    match error {
        Error::InvalidArgument(what) => ["INVALID_ARGUMENT ", what].concat(),
        Error::Closed => "CLOSED the client is closed".to_owned(),
        Error::Full => "FULL a bound is reached".to_owned(),
        Error::TooLarge => {
            "TOO_LARGE a message has at most 16,384 bytes, an analytics event 2,048".to_owned()
        }
        _ => "INTERNAL internal error".to_owned(),
    }
}

impl Engine {
    fn command(&mut self, command: Command) -> Option<String> {
        if let Err(error) = command.check() {
            return Some(text(error));
        }
        self.handle(Input::Command(command));
        None
    }
}

#[wasm_bindgen]
impl Engine {
    /// A break, which is a safe point for flags too.
    pub fn ready(&mut self, placement: String, context: Option<String>, lease_ms: f64) -> Option<String> {
        let refused = self.command(Command::Ready { placement, context, lease_ms: lease_ms as u64 });
        if refused.is_none() {
            self.apply();
        }
        refused
    }

    /// The break is over; an offer that is still on its way to the game is taken back.
    pub fn not_ready(&mut self) {
        let withdrawn = self.inbox().not_ready();
        self.handle(Input::Command(Command::NotReady { withdrawn }));
    }

    /// What became of an offer; the word is one of [`Outcome`].
    pub fn result(&mut self, offer_id: String, outcome: &str) -> Option<String> {
        let Some(outcome) = Outcome::parse(outcome) else {
            return Some(text(Error::InvalidArgument(
                "outcome must be shown, accepted, declined or expired",
            )));
        };
        self.command(Command::OfferResult { offer_id, outcome })
    }

    /// A request under an id that is never 0 and never used twice.
    pub fn request(
        &mut self,
        request: u32,
        channel: &str,
        kind: String,
        payload: String,
        timeout_ms: f64,
        key: Option<String>,
    ) -> Option<String> {
        let (request, channel) = (RequestId(request.into()), Channel::parse(channel));
        self.command(Command::Request { request, channel, kind, payload, timeout_ms: timeout_ms as u64, key })
    }

    /// A message that nobody answers.
    pub fn send(&mut self, channel: &str, kind: String, payload: String) -> Option<String> {
        self.command(Command::Send { channel: Channel::parse(channel), kind, payload })
    }

    /// An analytics event.
    pub fn track(&mut self, name: String, props: String) -> Option<String> {
        self.command(Command::Track { name, props })
    }

    /// For targeting.
    pub fn attributes(&mut self, json: String) -> Option<String> {
        self.command(Command::SetAttributes(json))
    }

    /// Into a room.
    pub fn join(&mut self, game_id: String) -> Option<String> {
        self.command(Command::Join { game_id })
    }

    /// Out of it.
    pub fn leave(&mut self, game_id: String) -> Option<String> {
        self.command(Command::Leave { game_id })
    }

    /// To the others in it.
    pub fn say(&mut self, game_id: String, event: String, data: String) -> Option<String> {
        self.command(Command::RoomSend { game_id, event, data })
    }

    /// A bet.
    pub fn bet(
        &mut self,
        request: u32,
        game_id: String,
        amount: f64,
        selection: String,
        client_seed: Option<String>,
        key: Option<String>,
    ) -> Option<String> {
        // What is no whole number is out of range, as is what no i64 holds.
        let amount = if amount.fract() == 0.0 { amount as i64 } else { 0 };
        let request = RequestId(request.into());
        self.command(Command::PlaceBet { request, game_id, amount, selection, client_seed, key })
    }

    /// Connects now.
    pub fn reconnect(&mut self) {
        self.handle(Input::Command(Command::Reconnect));
    }

    /// The end. What the game took is told first: a closed core would not hear of it.
    pub fn close(&mut self) {
        self.tell_taken();
        self.handle(Input::Command(Command::Close));
    }
}
