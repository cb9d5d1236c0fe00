//! The game's calls. Each is checked by the core's own check; what is wrong with one is told with its code.

use castline::protocol::Channel;
use castline::{Command, Error, Input, Outcome, RequestId};

use crate::crossing::{Texts, tell};
use crate::engine::Engine;
use crate::numbers::{call, tell as out};

/// Tells what is wrong with a call.
pub(crate) fn refuse(error: Error) {
    let (code, message) = match error {
        Error::InvalidArgument(what) => ("INVALID_ARGUMENT", what),
        Error::Closed => ("CLOSED", "the client is closed"),
        Error::Full => ("FULL", "a bound is reached"),
        Error::TooLarge => ("TOO_LARGE", "a message has at most 16,384 bytes, an analytics event 2,048"),
        _ => ("INTERNAL", "internal error"),
    };
    tell(out::REFUSE, &[code, message], &[]);
}

impl Engine {
    /// What one of the numbers stands for; `None`: it is none of the game's calls.
    pub(crate) fn command(&mut self, what: u32, t: &mut Texts<'_>, a: f64, b: f64) -> Option<Command> {
        Some(match what {
            call::READY => Command::Ready { placement: t.owned(), context: t.maybe(), lease_ms: a as u64 },
            call::NOT_READY => Command::NotReady { withdrawn: self.inbox.not_ready() },
            call::RESULT => {
                let offer_id = t.owned();
                let Some(outcome) = t.text().and_then(Outcome::parse) else {
                    refuse(Error::InvalidArgument("outcome must be shown, accepted, declined or expired"));
                    return None;
                };
                Command::OfferResult { offer_id, outcome }
            }
            // An id is never 0 and never used twice.
            call::REQUEST => Command::Request {
                request: RequestId(a as u64),
                channel: channel(t),
                kind: t.owned(),
                payload: t.owned(),
                timeout_ms: b as u64,
                key: t.maybe(),
            },
            call::SEND => Command::Send { channel: channel(t), kind: t.owned(), payload: t.owned() },
            call::TRACK => Command::Track { name: t.owned(), props: t.owned() },
            call::ATTRIBUTES => Command::SetAttributes(t.owned()),
            call::JOIN => Command::Join { game_id: t.owned() },
            call::LEAVE => Command::Leave { game_id: t.owned() },
            call::SAY => Command::RoomSend { game_id: t.owned(), event: t.owned(), data: t.owned() },
            call::BET => Command::PlaceBet {
                request: RequestId(a as u64),
                game_id: t.owned(),
                // What is no whole number is out of range, as is what no i64 holds.
                amount: if b.fract() == 0.0 { b as i64 } else { 0 },
                selection: t.owned(),
                client_seed: t.maybe(),
                key: t.maybe(),
            },
            call::RECONNECT => Command::Reconnect,
            call::CLOSE => {
                // A closed core would not hear what the game took.
                self.tell_taken();
                Command::Close
            }
            _ => return None,
        })
    }

    /// Hands a command in, or refuses it.
    pub(crate) fn obey(&mut self, command: Command) {
        if let Err(error) = command.check() {
            return refuse(error);
        }
        let is_break = matches!(command, Command::Ready { .. });
        self.handle(Input::Command(command));
        if is_break {
            // A safe point for flags too.
            self.apply();
        }
    }
}

fn channel(t: &mut Texts<'_>) -> Channel {
    Channel::parse(t.text().unwrap_or_default())
}
