//! `GET /flags` and `system/flags_changed` (`PROTOCOL.md`, section 8).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The body of a `/flags` answer. Flags are raw so that one malformed flag spoils that flag alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlagsAnswer {
    /// The configuration version, `v17`.
    pub version: String,
    /// Name → a [`FlagWire`].
    pub flags: BTreeMap<String, Box<RawValue>>,
}

/// One flag of the answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlagWire {
    /// The variant's name.
    pub variant: String,
    /// Any JSON scalar or object.
    pub value: Box<RawValue>,
    /// OpenFeature's word for why.
    #[serde(default)]
    pub reason: String,
}

/// S→C: the configuration changed; fetch again after U(0, `spread_ms`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlagsChanged {
    /// The new version; goes back as `min`.
    pub version: String,
    /// The clients spread their fetches over this.
    #[serde(default)]
    pub spread_ms: u64,
}
