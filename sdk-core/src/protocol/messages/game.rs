//! Channels `game` and `social`: rooms and bets (`PROTOCOL.md`, section 10).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// C→S `join_game` and `leave_game`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GameRef {
    /// The room.
    pub game_id: String,
}

/// S→C, reply to `join_game`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GameJoined {
    /// The room.
    pub game_id: String,
    /// Distinct players in it.
    pub players: u32,
    /// Number of its last event.
    pub n: u64,
    /// The player's balance, in games with bets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<i64>,
    /// The seed hash to bet on next, in games with bets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_seed_hash: Option<String>,
}

/// S→C `player_joined` and `player_left`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayerMoved {
    /// The room.
    pub game_id: String,
    /// Who.
    pub user_id: String,
    /// Distinct players after it.
    pub player_count: u32,
}

/// Both ways: an event of a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GameEvent {
    /// The room.
    pub game_id: String,
    /// Its name.
    pub event: String,
    /// A JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// S→C: 1, 2, 3 … per room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u64>,
    /// S→C: the player who sent it; absent: the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Both ways: chat in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChatRelay {
    /// The room.
    pub game_id: String,
    /// S→C: who says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// At most 500 bytes.
    pub text: String,
}

/// C→S: a bet.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceBet {
    /// The game.
    pub game_id: String,
    /// Stake in minor units.
    pub amount: i64,
    /// What the player bets on; any JSON.
    pub selection: Box<RawValue>,
    /// 1 to 64 bytes, the player's share of the roll.
    pub client_seed: String,
    /// The seed that this bet uses up.
    pub server_seed_hash: String,
    /// Makes the bet safe to repeat.
    pub idempotency_key: String,
}

/// S→C: balance and bet are committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BetAcknowledged {
    /// The bet.
    pub idempotency_key: String,
    /// `processing`.
    pub status: String,
    /// After the stake, before any payout.
    pub balance: i64,
    /// The seed hash to bet on next.
    #[serde(default)]
    pub next_seed_hash: String,
}

/// S→C, durable: the outcome, with all that is needed to check it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BetSettled {
    /// The bet.
    pub idempotency_key: String,
    /// `win`, `lose` or `void`.
    pub outcome: String,
    /// Gross, in minor units.
    pub payout: i64,
    /// After the payout.
    pub balance: i64,
    /// 0 … sides − 1.
    #[serde(default)]
    pub roll: i64,
    /// Faces of the die.
    #[serde(default)]
    pub sides: i64,
    /// Hex of the 32 seed bytes, now revealed.
    #[serde(default)]
    pub server_seed: String,
    /// Hex of their SHA-256.
    #[serde(default)]
    pub server_seed_hash: String,
    /// The player's share.
    #[serde(default)]
    pub client_seed: String,
}

/// C→S `bet_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BetQuery {
    /// The bet.
    pub idempotency_key: String,
}

/// C→S `balance`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceQuery {}

/// S→C `balance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// In minor units.
    pub balance: i64,
}
