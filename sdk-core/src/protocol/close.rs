//! Close codes, and what a client does about each (`PROTOCOL.md`, section 11).

use super::limits::RATE_LIMITED_MIN_MS;

/// The protocol's close codes by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseCode;

#[allow(missing_docs)]
impl CloseCode {
    pub const NORMAL: u16 = 1000;
    pub const GOING_AWAY: u16 = 1001;
    pub const UNSUPPORTED_DATA: u16 = 1003;
    pub const ABNORMAL: u16 = 1006;
    pub const INVALID_TEXT: u16 = 1007;
    pub const TOO_LARGE: u16 = 1009;
    pub const INTERNAL: u16 = 1011;
    pub const AUTH_FAILED: u16 = 4001;
    pub const HANDSHAKE_TOO_SLOW: u16 = 4002;
    pub const REPLACED: u16 = 4003;
    pub const SLOW_CONSUMER: u16 = 4008;
    pub const IDLE: u16 = 4009;
    pub const DRAINING: u16 = 4010;
    pub const RATE_LIMITED: u16 = 4029;
    pub const PROTOCOL: u16 = 4500;
    pub const BUILD_TOO_OLD: u16 = 4501;
    pub const BANNED: u16 = 4503;
    pub const ORIGIN_REFUSED: u16 = 4504;
}

/// What a client does when a socket that it did not close itself ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseAction {
    /// Reconnect with back-off, but not before `at_least_ms`.
    Reconnect {
        /// The least delay; 0 where the back-off alone decides.
        at_least_ms: u64,
    },
    /// One fresh token and one more try, then `Failed`.
    RefreshToken,
    /// The device is connected elsewhere: no reconnect by itself.
    Replaced,
    /// No socket on purpose, until there is a reason.
    Dormant,
    /// Terminal: `Failed`, no reconnect.
    Fail,
}

impl CloseAction {
    /// The action for a close code; a code that is not listed counts as 1006.
    pub fn of(code: u16) -> CloseAction {
        match code {
            CloseCode::AUTH_FAILED => CloseAction::RefreshToken,
            CloseCode::REPLACED => CloseAction::Replaced,
            CloseCode::IDLE => CloseAction::Dormant,
            CloseCode::RATE_LIMITED => CloseAction::Reconnect { at_least_ms: RATE_LIMITED_MIN_MS },
            4500..=4999 => CloseAction::Fail,
            _ => CloseAction::Reconnect { at_least_ms: 0 },
        }
    }
}
