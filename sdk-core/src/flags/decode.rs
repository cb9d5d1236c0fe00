//! From the body of a `/flags` answer to a snapshot.
//!
//! Decides what is refused as a whole (so that it never replaces a good cache) and what spoils one flag alone.

use std::fmt;

use super::snapshot::{Body, Entry, Flags, Source, Value};
use crate::event::Reason;
use crate::protocol::json::{self, Members};
use crate::protocol::limits::{MAX_FLAGS_BYTES, MAX_JSON_DEPTH};
use crate::protocol::{depth_exceeds, is_name};
use crate::text::{join, number};

/// Why a body is no `/flags` answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// Nothing in it.
    Empty,
    /// Longer than the limit.
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A page for people: a captive portal's, or a proxy's error.
    Html,
    /// Not JSON, or cut off.
    NotJson(&'static str),
    /// JSON, but not an answer; the text says what was wrong.
    WrongForm(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl DecodeError {
    pub(super) fn text(&self) -> String {
        match self {
            DecodeError::Empty => "the body is empty".to_owned(),
            DecodeError::TooLarge { bytes, limit } => join(&[
                "the body is ",
                &number(*bytes as u64),
                " bytes; the limit is ",
                &number(*limit as u64),
            ]),
            DecodeError::Html => "the body is HTML (a captive portal, or a proxy's error page)".to_owned(),
            DecodeError::NotJson(what) => join(&["the body is not JSON: ", what]),
            DecodeError::WrongForm(what) => join(&["the body is not a flags answer: ", what]),
        }
    }
}

impl std::error::Error for DecodeError {}

impl Flags {
    /// Reads a `/flags` answer of at most 2,048 bytes. A malformed flag spoils itself alone: its reason is `ERROR`, its getters give
    /// the default.
    ///
    /// # Errors
    /// The body is empty, larger than the limit, HTML, not JSON, or without a `version` and an object `flags`.
    pub fn decode(body: &[u8], source: Source) -> Result<Flags, DecodeError> {
        Flags::decode_within(MAX_FLAGS_BYTES, body, source)
    }

    /// The same with another limit on the body, to measure snapshots that are larger than the wire allows.
    ///
    /// # Errors
    /// As [`Flags::decode`].
    #[doc(hidden)]
    pub fn decode_within(limit: usize, body: &[u8], source: Source) -> Result<Flags, DecodeError> {
        if body.len() > limit {
            return Err(DecodeError::TooLarge { bytes: body.len(), limit });
        }
        match body.trim_ascii_start().first() {
            None => return Err(DecodeError::Empty),
            Some(b'<') => return Err(DecodeError::Html),
            Some(_) => {}
        }
        let Some(text) = json::whole_bytes(body) else {
            return Err(DecodeError::NotJson("it is cut off, or was never JSON"));
        };
        let mut members = Members::of(text);
        let version: String = members.need("version");
        // As text, so that one malformed flag spoils that flag alone. Of two with one name the last counts.
        let flags = members.raw("flags").and_then(json::sorted);
        if flags.is_none() {
            members.refuse("flags");
        }
        members.end().map_err(DecodeError::WrongForm)?;
        // Empty is the version of the compiled defaults; a long or unprintable one would have to travel in a URL.
        if !is_name(&version) {
            let what = "version must be 1 to 128 bytes without control characters";
            return Err(DecodeError::WrongForm(what));
        }
        let mut entries = Vec::new();
        for (name, raw) in &flags.unwrap_or_default() {
            entries.push(Entry::new(name, flag(name, raw)));
        }
        Ok(Flags::from_entries(&version, entries, source))
    }
}

/// A flag, or `None` where it is malformed.
fn flag(name: &str, raw: &str) -> Option<Body> {
    // The answer and its member `flags` are two levels themselves.
    if !is_name(name) || depth_exceeds(raw, MAX_JSON_DEPTH - 2) {
        return None;
    }
    let mut members = Members::of(raw);
    let (variant, reason): (String, String) = (members.need("variant"), members.or("reason", String::new()));
    let raw = members.raw("value");
    if members.end().is_err() || !is_name(&variant) {
        return None;
    }
    let raw = raw?;
    let value = value(raw)?;
    Some(Body {
        variant,
        // OpenFeature may learn words that this version doesn't know: the value is good all the same.
        reason: Reason::parse(&reason).unwrap_or(Reason::Unknown),
        value,
        raw: raw.into(),
    })
}

/// A value from its JSON text; `None` where the text is JSON by its grammar but says nothing: half a surrogate pair, a number that no
/// double holds.
fn value(raw: &str) -> Option<Value> {
    match raw.as_bytes().first()? {
        b't' | b'f' => Some(Value::Bool(raw == "true")),
        b'"' => json::string(raw).map(|text| Value::String(text.into_owned())),
        b'-' | b'0'..=b'9' => json::float(raw).map(Value::Number),
        _ => Some(Value::Other),
    }
}
