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
    within(s, MAX_KEY_BYTES) && !has_control(s)
}

/// A placement, message type, event or flag name: 1 to 128 bytes without control characters.
pub fn is_name(s: &str) -> bool {
    within(s, MAX_NAME_BYTES) && !has_control(s)
}

fn within(s: &str, max: usize) -> bool {
    !s.is_empty() && s.len() <= max
}

fn has_control(s: &str) -> bool {
    let mut before = 0;
    s.bytes().any(|byte| {
        // U+0080 to U+009F begin with C2.
        let control = byte < 0x20 || byte == 0x7f || (before == 0xc2 && byte < 0xa0);
        before = byte;
        control
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_those_of_unicode() {
        for char in (0..0x3000).filter_map(char::from_u32).chain(['\u{c280}', '\u{10ffff}']) {
            let text = format!("a{char}{char}b");
            assert_eq!(has_control(&text), char.is_control(), "{char:?}");
        }
    }
}
