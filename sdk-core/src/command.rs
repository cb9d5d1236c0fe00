//! One command per call of the game, and the one check of its arguments.
//!
//! Every face builds a [`Command`] and calls [`Command::check`] before it queues it, so that bad input gets the same error
//! everywhere, at the call, and the core never sees it.

use crate::error::Error;
use crate::event::{Outcome, RequestId};
use crate::protocol::json::is_scalar;
use crate::protocol::limits::{
    LEASE_MAX_MS, LEASE_MIN_MS, MAX_ANALYTICS_EVENT_BYTES, MAX_ATTRIBUTES, MAX_ATTRIBUTES_BYTES,
    MAX_JSON_DEPTH, MAX_MESSAGE_BYTES, MAX_SAFE_INTEGER, REQUEST_TIMEOUT_MAX_MS,
};
use crate::protocol::{Channel, depth_exceeds, is_game_id, is_key, is_name};

/// Room that an envelope needs beside type, payload and key.
const ENVELOPE_BYTES: usize = 256;

/// A call of the game.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Command {
    /// `offers().ready`.
    Ready {
        /// Where the player is.
        placement: String,
        /// Flat JSON, or `None`.
        context: Option<String>,
        /// 1,000 to 60,000.
        lease_ms: u64,
    },
    /// `offers().not_ready`.
    NotReady {
        /// The offers that [`Inbox::not_ready`](crate::Inbox::not_ready) took back before the game saw them.
        withdrawn: Vec<String>,
    },
    /// `offers().result`.
    OfferResult {
        /// Which offer.
        offer_id: String,
        /// What became of it.
        outcome: Outcome,
    },
    /// `request`.
    Request {
        /// Chosen by the face, never 0, never twice.
        request: RequestId,
        /// `Game` or `Social`.
        channel: Channel,
        /// The message type.
        kind: String,
        /// A JSON object.
        payload: String,
        /// 1 to 600,000.
        timeout_ms: u64,
        /// With a key it is repeated over reconnects.
        key: Option<String>,
    },
    /// `send`.
    Send {
        /// `Game` or `Social`.
        channel: Channel,
        /// The message type.
        kind: String,
        /// A JSON object.
        payload: String,
    },
    /// `track`.
    Track {
        /// The event's name.
        name: String,
        /// A JSON object.
        props: String,
    },
    /// `set_token`.
    SetToken(Option<Secret>),
    /// `set_attributes`.
    SetAttributes(String),
    /// `rooms().join`.
    Join {
        /// The room.
        game_id: String,
    },
    /// `rooms().leave`.
    Leave {
        /// The room.
        game_id: String,
    },
    /// `rooms().send`.
    RoomSend {
        /// The room.
        game_id: String,
        /// The event's name.
        event: String,
        /// A JSON object.
        data: String,
    },
    /// `bets().place`.
    PlaceBet {
        /// Chosen by the face, never 0, never twice.
        request: RequestId,
        /// The game.
        game_id: String,
        /// Minor units, 1 to 2⁵³ − 1.
        amount: i64,
        /// Any JSON.
        selection: String,
        /// 1 to 64 bytes; `None`: made.
        client_seed: Option<String>,
        /// `None`: made.
        key: Option<String>,
    },
    /// `reconnect`.
    Reconnect,
    /// `close`.
    Close,
}

/// A text that must never reach a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Command {
    /// Checks every argument.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the argument and its bound; [`Error::TooLarge`] where only the size is wrong.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Command::Ready { placement, context, lease_ms } => {
                name(placement, "placement must be 1 to 128 bytes without control characters")?;
                need((LEASE_MIN_MS..=LEASE_MAX_MS).contains(lease_ms), "lease must be 1,000 to 60,000 ms")?;
                let Some(context) = context else { return Ok(()) };
                flat(context, "context must be a flat JSON object of scalars", usize::MAX)?;
                fits(context.len() + placement.len())
            }
            Command::NotReady { .. } | Command::Reconnect | Command::Close | Command::SetToken(None) => {
                Ok(())
            }
            Command::OfferResult { offer_id, outcome: _ } => {
                name(offer_id, "offer_id must be 1 to 128 bytes without control characters")
            }
            Command::Request { channel, kind, payload, timeout_ms, key, .. } => {
                check_message(*channel, kind, payload)?;
                need((1..=REQUEST_TIMEOUT_MAX_MS).contains(timeout_ms), "timeout must be 1 to 600,000 ms")?;
                check_key(key.as_deref())?;
                fits(kind.len() + payload.len())
            }
            Command::Send { channel, kind, payload } => {
                check_message(*channel, kind, payload)?;
                fits(kind.len() + payload.len())
            }
            Command::Track { name: event, props } => {
                name(event, "event name must be 1 to 128 bytes without control characters")?;
                need(!event.starts_with('$'), "event names with $ belong to the SDK")?;
                object(props, "props must be a JSON object, at most 32 levels deep")?;
                within(event.len() + props.len() + 64, MAX_ANALYTICS_EVENT_BYTES)
            }
            Command::SetToken(Some(Secret(token))) => check_token(token),
            Command::SetAttributes(json) => {
                let message = "attributes must be a flat JSON object of at most 8 scalars and 1,024 bytes";
                need(json.len() <= MAX_ATTRIBUTES_BYTES, message)?;
                flat(json, message, MAX_ATTRIBUTES)
            }
            Command::Join { game_id } | Command::Leave { game_id } => check_game_id(game_id),
            Command::RoomSend { game_id, event, data } => {
                check_game_id(game_id)?;
                name(event, "event must be 1 to 128 bytes without control characters")?;
                object(data, "data must be a JSON object, at most 32 levels deep")?;
                fits(game_id.len() + event.len() + data.len())
            }
            Command::PlaceBet { game_id, amount, selection, client_seed, key, .. } => {
                check_game_id(game_id)?;
                need((1..=MAX_SAFE_INTEGER).contains(amount), "amount must be 1 to 2^53 - 1")?;
                json(selection, "selection must be JSON, at most 32 levels deep")?;
                let seed = client_seed.as_deref().map_or(1, str::len);
                need((1..=64).contains(&seed), "client_seed must be 1 to 64 bytes")?;
                check_key(key.as_deref())?;
                fits(selection.len() + 512)
            }
        }
    }
}

/// What is wrong is told by what must be.
pub(crate) fn need(good: bool, message: &'static str) -> Result<(), Error> {
    if good { Ok(()) } else { Err(Error::InvalidArgument(message)) }
}

fn within(bytes: usize, max: usize) -> Result<(), Error> {
    if bytes <= max { Ok(()) } else { Err(Error::TooLarge) }
}

pub(crate) fn check_token(token: &str) -> Result<(), Error> {
    // The first message is at most 4 KiB, and the token is in it.
    need(is_graphic(token, 3_072), "token must be 1 to 3,072 visible ASCII characters")
}

/// 1 to so many visible ASCII characters.
pub(crate) fn is_graphic(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_message(channel: Channel, kind: &str, payload: &str) -> Result<(), Error> {
    need(
        matches!(channel, Channel::Game | Channel::Social),
        "channel must be game or social; the others are the SDK's",
    )?;
    name(kind, "type must be 1 to 128 bytes without control characters")?;
    object(payload, "payload must be a JSON object, at most 32 levels deep")
}

fn check_game_id(game_id: &str) -> Result<(), Error> {
    need(is_game_id(game_id), "game_id must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
}

fn check_key(key: Option<&str>) -> Result<(), Error> {
    let message = "idempotency_key must be 1 to 64 bytes without control characters";
    need(key.is_none_or(is_key), message)
}

fn name(text: &str, message: &'static str) -> Result<(), Error> {
    need(is_name(text), message)
}

fn json<'a>(text: &'a str, message: &'static str) -> Result<&'a str, Error> {
    within(text.len(), MAX_MESSAGE_BYTES)?;
    // Two levels are the envelope's and the payload's own.
    need(!depth_exceeds(text, MAX_JSON_DEPTH - 2), message)?;
    crate::protocol::json::whole(text).ok_or(Error::InvalidArgument(message))
}

fn object(text: &str, message: &'static str) -> Result<(), Error> {
    need(json(text, message)?.starts_with('{'), message)
}

/// A JSON object of at most `max` members, none of them an object or array.
fn flat(text: &str, message: &'static str, max: usize) -> Result<(), Error> {
    object(text, message)?;
    // A name that comes twice is counted once; the server sees the last.
    let members = crate::protocol::json::sorted(text).ok_or(Error::InvalidArgument(message))?;
    let scalar = |(name, value): &(String, &str)| is_name(name) && is_scalar(value);
    need(members.len() <= max && members.iter().all(scalar), message)
}

fn fits(bytes: usize) -> Result<(), Error> {
    within(bytes + ENVELOPE_BYTES, MAX_MESSAGE_BYTES)
}
