//! The envelope around every message.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use super::json::{self, Members, Object};
use super::limits::{MAX_JSON_DEPTH, MAX_MESSAGE_BYTES, MAX_SAFE_INTEGER};
use super::messages::Message;
use crate::text::{join, number};

/// The logical channels on the one socket.
///
/// The discriminants are the C values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Channel {
    /// A channel that this version does not know.
    Unknown = 0,
    /// Offers and leases.
    Offers = 1,
    /// Handshake, heartbeat, acknowledgement, errors.
    System = 2,
    /// Chat.
    Social = 3,
    /// Events of the game.
    Analytics = 4,
    /// Rooms, bets and the game's own messages.
    Game = 5,
}

impl Channel {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Unknown => "unknown",
            Channel::Offers => "offers",
            Channel::System => "system",
            Channel::Social => "social",
            Channel::Analytics => "analytics",
            Channel::Game => "game",
        }
    }

    /// The channel of a word from the wire; [`Channel::Unknown`] for any other.
    pub fn parse(word: &str) -> Channel {
        match word {
            "offers" => Channel::Offers,
            "system" => Channel::System,
            "social" => Channel::Social,
            "analytics" => Channel::Analytics,
            "game" => Channel::Game,
            _ => Channel::Unknown,
        }
    }
}

/// One message. The payload is raw JSON text: forwarding it costs no parse and no second serialisation.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<'a> {
    /// The logical channel.
    pub channel: Channel,
    /// The message type, such as `new_offer`.
    pub kind: Cow<'a, str>,
    /// JSON text; `{}` where the sender left it out.
    pub payload: Cow<'a, str>,
    /// The sender's wall clock, Unix ms; 0 where absent. Mandatory from the server, never trusted from a client.
    pub timestamp: i64,
    /// Client → server: a reply is wanted, and this names it.
    pub id: Option<Cow<'a, str>>,
    /// Server → client: the reply to that `id`.
    pub re: Option<Cow<'a, str>>,
    /// Client → server, with `id`: safe to repeat under this idempotency key.
    pub key: Option<Cow<'a, str>>,
    /// Server → client: the number of a durable message in its session.
    pub seq: Option<u64>,
    /// Client → server: every durable message up to this number has been taken.
    pub ack: Option<u64>,
}

/// Why a text is not a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The text is longer than the limit.
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// JSON nested deeper than 32 levels.
    TooDeep,
    /// Not a JSON object of the envelope's form; the text says what was wrong.
    Invalid(String),
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl EnvelopeError {
    pub(crate) fn text(&self) -> String {
        match self {
            EnvelopeError::TooLarge { bytes } => {
                let (bytes, limit) = (number(*bytes as u64), number(MAX_MESSAGE_BYTES as u64));
                join(&["message is ", &bytes, " bytes; the limit is ", &limit])
            }
            EnvelopeError::TooDeep => "message is nested deeper than 32 levels".to_owned(),
            EnvelopeError::Invalid(what) => join(&["not a message: ", what]),
        }
    }
}

impl std::error::Error for EnvelopeError {}

impl<'a> Envelope<'a> {
    /// A message with a payload of raw JSON text and the sender's clock in Unix ms.
    pub fn new(
        channel: Channel,
        kind: impl Into<Cow<'a, str>>,
        payload: impl Into<Cow<'a, str>>,
        timestamp: i64,
    ) -> Self {
        Envelope {
            channel,
            kind: kind.into(),
            payload: payload.into(),
            timestamp,
            id: None,
            re: None,
            key: None,
            seq: None,
            ack: None,
        }
    }

    /// The envelope of a typed message.
    pub fn of<M: Message>(message: &M, timestamp: i64) -> Envelope<'static> {
        Envelope::new(M::CHANNEL, M::KIND, encode(message), timestamp)
    }

    /// Reads a message. Unknown members are ignored; an unknown channel is [`Channel::Unknown`], not an error.
    ///
    /// # Errors
    /// Longer than 16,384 bytes, deeper than 32 levels, not an object with `channel` and `type`, a number of 2⁵³ or more.
    pub fn decode(text: &'a str) -> Result<Envelope<'a>, EnvelopeError> {
        if text.len() > MAX_MESSAGE_BYTES {
            return Err(EnvelopeError::TooLarge { bytes: text.len() });
        }
        if depth_exceeds(text, MAX_JSON_DEPTH) {
            return Err(EnvelopeError::TooDeep);
        }
        Envelope::read(text).map_err(|member| EnvelopeError::Invalid(join(&[member, " is missing or wrong"])))
    }

    fn read(text: &'a str) -> Result<Envelope<'a>, json::Wrong> {
        let mut members = Members::of(text);
        let envelope = Envelope {
            channel: Channel::parse(&members.need::<Cow<'a, str>>("channel")),
            kind: members.need("type"),
            payload: Cow::Borrowed(
                members.raw("payload").filter(|payload| *payload != "null").unwrap_or("{}"),
            ),
            timestamp: members.maybe("timestamp").unwrap_or(0),
            id: members.maybe("id"),
            re: members.maybe("re"),
            key: members.maybe("key"),
            seq: members.maybe("seq"),
            ack: members.maybe("ack"),
        };
        let mut bounded = |name, number| {
            if number > MAX_SAFE_INTEGER as u64 {
                members.refuse(name);
            }
        };
        bounded("timestamp", envelope.timestamp.unsigned_abs());
        bounded("seq", envelope.seq.unwrap_or(0));
        bounded("ack", envelope.ack.unwrap_or(0));
        members.end().map(|()| envelope)
    }

    /// Reads the payload as a type.
    ///
    /// # Errors
    /// What the payload lacks or has wrong, as text for a log or an `error` reply.
    pub fn payload_as<T: Deserialize<'a>>(&'a self) -> Result<T, String> {
        serde_json::from_str(&self.payload).map_err(|e| e.to_string())
    }

    /// The message as JSON text. The payload is copied as it is.
    pub fn encode(&self) -> String {
        let mut out = Object::new();
        out.text("channel", self.channel.as_str())
            .text("type", &self.kind)
            .raw("payload", &self.payload)
            .number("timestamp", self.timestamp);
        let mut text = |name, value: &Option<Cow<'_, str>>| {
            if let Some(value) = value {
                out.text(name, value);
            }
        };
        text("id", &self.id);
        text("re", &self.re);
        text("key", &self.key);
        let mut number = |name, value| {
            if let Some(value) = value {
                out.number(name, value as i64);
            }
        };
        number("seq", self.seq);
        number("ack", self.ack);
        out.end()
    }
}

/// A value of the protocol as JSON text, as the server writes it.
///
/// The types of this crate always serialise; for a foreign type that does not, the result is `null`.
pub fn encode<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// Whether JSON text nests deeper than `max` levels; brackets within strings do not count.
pub fn depth_exceeds(text: &str, max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let mut sent = Envelope::new(Channel::Game, "spin\"", "{\"a\":[1,2]}", 1_763_660_000_000);
        sent.id = Some("c17".into());
        sent.key = Some("k".into());
        sent.ack = Some(41);
        let text = sent.encode();
        assert_eq!(Envelope::decode(&text).unwrap(), sent);
    }

    #[test]
    fn a_payload_may_be_absent_and_unknown_members_are_ignored() {
        let read = Envelope::decode(r#"{"channel":"system","type":"ping","later":{"x":1}}"#).unwrap();
        assert_eq!((read.channel, &*read.kind, &*read.payload), (Channel::System, "ping", "{}"));
    }

    #[test]
    fn bounds_are_kept() {
        let long = format!(
            r#"{{"channel":"game","type":"x","payload":{{"a":"{}"}}}}"#,
            "a".repeat(MAX_MESSAGE_BYTES)
        );
        assert!(matches!(Envelope::decode(&long), Err(EnvelopeError::TooLarge { .. })));
        let nest = |n: usize| {
            format!(r#"{{"channel":"game","type":"x","payload":{}1{}}}"#, "[".repeat(n), "]".repeat(n))
        };
        assert!(Envelope::decode(&nest(31)).is_ok());
        assert_eq!(Envelope::decode(&nest(32)), Err(EnvelopeError::TooDeep));
        let seq = r#"{"channel":"game","type":"x","seq":9007199254740992}"#;
        assert!(matches!(Envelope::decode(seq), Err(EnvelopeError::Invalid(_))));
        assert!(matches!(Envelope::decode("[]"), Err(EnvelopeError::Invalid(_))));
    }

    #[test]
    fn brackets_in_strings_are_text() {
        assert!(!depth_exceeds(r#"{"a":"[[[[\"[[["}"#, 1));
        assert!(depth_exceeds("[[]]", 1));
    }
}
