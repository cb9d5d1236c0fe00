//! Which texts are names.

use super::limits::{MAX_KEY_BYTES, MAX_NAME_BYTES};

/// A player: `[A-Za-z0-9_.:-]{1,64}`.
pub fn is_player_id(s: &str) -> bool {
    within(s, MAX_KEY_BYTES) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
}

/// A room: `[A-Za-z0-9_-]{1,64}`.
pub fn is_game_id(s: &str) -> bool {
    within(s, MAX_KEY_BYTES) && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
}

/// An idempotency key: 1 to 64 bytes without control characters.
pub fn is_key(s: &str) -> bool {
    within(s, MAX_KEY_BYTES) && !s.chars().any(char::is_control)
}

/// A placement, message type, event or flag name: 1 to 128 bytes without control characters.
pub fn is_name(s: &str) -> bool {
    within(s, MAX_NAME_BYTES) && !s.chars().any(char::is_control)
}

fn within(s: &str, max: usize) -> bool {
    !s.is_empty() && s.len() <= max
}
