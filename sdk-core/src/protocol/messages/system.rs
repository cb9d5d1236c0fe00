//! Channel `system`: handshake, heartbeat, acknowledgement, errors (`PROTOCOL.md`, sections 3 to 6).

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::limits;

/// S→C, first on every connection: the server's clock and its numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connected {
    /// Names the connection in the server's log.
    pub connection_id: String,
    /// The server's wall clock, Unix ms.
    pub server_time: i64,
    /// Silence after which the client pings.
    #[serde(default = "heartbeat")]
    pub heartbeat_ms: u64,
    /// Silence after which the server drops the connection.
    #[serde(default = "dead_after")]
    pub dead_after_ms: u64,
    /// Time without a message other than heartbeat after which the server closes with 4009.
    #[serde(default = "idle_timeout")]
    pub idle_timeout_ms: u64,
    /// The longest message that the server reads.
    #[serde(default = "max_message")]
    pub max_message_bytes: u64,
}

fn heartbeat() -> u64 {
    limits::HEARTBEAT_MS
}
fn dead_after() -> u64 {
    limits::DEAD_AFTER_MS
}
fn idle_timeout() -> u64 {
    limits::IDLE_TIMEOUT_MS
}
fn max_message() -> u64 {
    limits::MAX_MESSAGE_BYTES as u64
}

/// C→S: who this is, and which session it would go on with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authenticate<'a> {
    /// The JWT.
    #[serde(borrow)]
    pub token: Cow<'a, str>,
    /// The install's random id.
    #[serde(borrow)]
    pub device: Cow<'a, str>,
    /// The game's build.
    #[serde(borrow)]
    pub build: Cow<'a, str>,
    /// The SDK that speaks; plain clients leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<SdkInfo>,
    /// The session to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
}

// The token must never reach a log, so `Debug` is written by hand.
impl std::fmt::Debug for Authenticate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticate")
            .field("token", &"…")
            .field("device", &self.device)
            .field("build", &self.build)
            .field("sdk", &self.sdk)
            .field("resume", &self.resume)
            .finish()
    }
}

/// Which SDK speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SdkInfo {
    /// `castline`, or the face's own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Operating system or browser.
    pub platform: String,
}

/// The session to go on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resume {
    /// The session's id.
    pub session_id: String,
    /// The last `seq` that this process received: where the replay starts. Not an acknowledgement.
    pub last_seq: u64,
}

/// S→C: the handshake is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authenticated {
    /// The player.
    pub user_id: String,
    /// The session, new or gone on with.
    pub session_id: String,
    /// Gone on with, and nothing was discarded.
    #[serde(default)]
    pub resumed: bool,
    /// Durable messages that the server had to discard.
    #[serde(default)]
    pub discarded: u64,
    /// The server's configuration version; newer than the cache means: fetch.
    #[serde(default)]
    pub flags_version: String,
    /// The rooms that this session is still in.
    #[serde(default)]
    pub rooms: Vec<RoomState>,
}

/// A room as `authenticated` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomState {
    /// The room.
    pub game_id: String,
    /// Distinct players in it.
    pub players: u32,
    /// Number of its last event.
    pub n: u64,
}

/// S→C: the token was refused; close 4001 follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthFailed {
    /// `INVALID_TOKEN` or `EXPIRED_TOKEN`.
    pub reason: String,
}

/// S→C, to everybody: text for the players.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Announcement {
    /// The text.
    pub message: String,
    /// Whatever the operator added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
}

/// C→S: are you there?
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {}

/// S→C: yes, and this is my clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pong {
    /// The server's wall clock, Unix ms.
    pub server_time: i64,
}

/// C→S: carries nothing but the envelope's `ack`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {}

/// S→C: the success of a request without a reply type of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OkReply {}

/// S→C: a failure; with `re` that of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReply {
    /// A word of [`Code`](crate::protocol::Code).
    pub code: String,
    /// What was wrong, with the value and the bound.
    #[serde(default)]
    pub message: String,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// With `SEED_USED`: the seed hash to bet on next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_seed_hash: Option<String>,
}

/// S→C: this server drains; come back after `after_ms`. Close 4010 follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconnect {
    /// This client's own delay.
    pub after_ms: u64,
}
