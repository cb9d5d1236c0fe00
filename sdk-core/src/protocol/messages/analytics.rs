//! Channel `analytics` and `POST /events` (`PROTOCOL.md`, section 9).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// C→S: a batch. Also the body of `POST /events`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Events<'a> {
    /// The variants that were applied while these events were made.
    #[serde(default)]
    pub flags: BTreeMap<String, String>,
    /// At most 50.
    #[serde(borrow)]
    pub events: Vec<AnalyticsEvent<'a>>,
}

/// One event of the game.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalyticsEvent<'a> {
    /// Random; the server takes each once.
    #[serde(borrow)]
    pub event_id: Cow<'a, str>,
    /// `level_completed`, or one of the SDK's `$` names.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The client's wall clock, Unix ms; the server corrects it.
    pub timestamp: i64,
    /// A JSON object.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub props: Option<&'a RawValue>,
}

/// S→C, the reply: the batch is done with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Events stored.
    pub count: u64,
    /// Events known already.
    #[serde(default)]
    pub duplicates: u64,
    /// Ids of events that will never be taken.
    #[serde(default)]
    pub rejected: Vec<String>,
}
