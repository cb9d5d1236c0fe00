//! The words of the C interface: each enumeration with its constants, as the header prints them.
//!
//! Nothing here is ever the type of a parameter or of a field that C writes: those are plain `u32` (the aliases of
//! [`raw`]), so that a number out of range is an error and not undefined behaviour. Numbers are never renumbered; new ones are
//! appended. That they are the Rust crate's numbers is checked by the tests below.
#![allow(non_camel_case_types, clippy::upper_case_acronyms)]

/// What an enumeration is in a signature. The header generator does not see this module, so it prints the enumeration's own name.
///
/// cbindgen:ignore
pub(crate) mod raw {
    pub(crate) type castline_result = u32;
    pub(crate) type castline_event_kind = u32;
    pub(crate) type castline_state = u32;
    pub(crate) type castline_cause = u32;
    pub(crate) type castline_code = u32;
    pub(crate) type castline_channel = u32;
    pub(crate) type castline_outcome = u32;
    pub(crate) type castline_lifecycle = u32;
    pub(crate) type castline_reason = u32;
    pub(crate) type castline_bet_outcome = u32;
    pub(crate) type castline_room_change = u32;
    pub(crate) type castline_dropped_what = u32;
    pub(crate) type castline_flag_updates = u32;
    pub(crate) type castline_log_level = u32;
}

/// What a call did. What the network or the server does comes as an event.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_result {
    /// Done, or on its way.
    CASTLINE_OK = 0,
    /// No event waits.
    CASTLINE_NO_EVENT = 1,
    /// An argument is not of its form; the log says which and how.
    CASTLINE_INVALID_ARGUMENT = 2,
    /// The handle is NULL, was freed, or was never one.
    CASTLINE_INVALID_HANDLE = 3,
    /// The client was closed.
    CASTLINE_CLOSED = 4,
    /// A bound is reached: 64 clients, 64 open requests, 8 rooms, 1,024 calls that the I/O thread has not taken yet.
    CASTLINE_FULL = 5,
    /// A message above 16,384 bytes with its envelope, or an analytics event above 2,048.
    CASTLINE_TOO_LARGE = 6,
    /// Another thread polls, or a callback does.
    CASTLINE_BUSY = 7,
    /// Another client uses this data directory.
    CASTLINE_IN_USE = 8,
    /// The wait was longer than allowed.
    CASTLINE_TIMED_OUT = 9,
    /// A struct_size that this library cannot read.
    CASTLINE_UNSUPPORTED = 10,
    /// A defect of the library, or the system gave no thread, poller or random number.
    CASTLINE_INTERNAL = 11,
}

/// Which member of an event's body holds. A game ignores a kind that it does not know.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_event_kind {
    /// The connection moved; several moves between two polls may be told as one.
    CASTLINE_EVENT_STATE_CHANGED = 1,
    /// Answer with castline_client_set_token. Told once until answered. No body.
    CASTLINE_EVENT_TOKEN_NEEDED = 2,
    /// The resume failed: fetch your state afresh. No body.
    CASTLINE_EVENT_SESSION_LOST = 3,
    /// A bound was reached; the count since the last report.
    CASTLINE_EVENT_DROPPED = 4,
    /// Answer to castline_offers_ready: show it now.
    CASTLINE_EVENT_OFFER_READY = 5,
    /// Answer to castline_offers_ready: nothing to show. What comes later waits for the next one.
    CASTLINE_EVENT_NO_OFFER = 6,
    /// A surfaced offer ran out unanswered: take it off the screen. The library reports it as expired itself.
    CASTLINE_EVENT_OFFER_EXPIRED = 7,
    /// What the flag getters return changes with this event.
    CASTLINE_EVENT_FLAGS_CHANGED = 8,
    /// A request's reply.
    CASTLINE_EVENT_REQUEST_COMPLETED = 9,
    /// The server's error for a request, or the library's.
    CASTLINE_EVENT_REQUEST_FAILED = 10,
    /// Somebody joined or left a room, this client included.
    CASTLINE_EVENT_ROOM_CHANGED = 11,
    /// A room's event.
    CASTLINE_EVENT_ROOM_MESSAGE = 12,
    /// Room messages were missed: read the room's state afresh.
    CASTLINE_EVENT_ROOM_GAP = 13,
    /// A bet's result; once a bet, perhaps after a restart.
    CASTLINE_EVENT_BET_SETTLED = 14,
    /// Any other message: chat, announcements, the game's own.
    CASTLINE_EVENT_MESSAGE = 15,
}

/// Where the connection stands.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_state {
    /// A bad handle has no state.
    CASTLINE_STATE_NONE = 0,
    /// A socket is being opened or authenticated.
    CASTLINE_STATE_CONNECTING = 1,
    /// Authenticated.
    CASTLINE_STATE_ONLINE = 2,
    /// The next try comes in retry_in_ms; with 0 it waits for the network or a token.
    CASTLINE_STATE_WAITING = 3,
    /// No socket on purpose: idle, or in the background.
    CASTLINE_STATE_DORMANT = 4,
    /// The cause says why. AUTH alone can be left, by castline_client_set_token or castline_client_reconnect.
    CASTLINE_STATE_FAILED = 5,
    /// The device is connected elsewhere; castline_client_reconnect takes it back.
    CASTLINE_STATE_REPLACED = 6,
    /// The game closed the client.
    CASTLINE_STATE_CLOSED = 7,
}

/// Why the state is what it is.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_cause {
    /// Nothing to explain.
    CASTLINE_CAUSE_NONE = 0,
    /// The network failed, or the host reports none.
    CASTLINE_CAUSE_NETWORK = 1,
    /// The server ended the connection.
    CASTLINE_CAUSE_SERVER = 2,
    /// Nothing happened for long.
    CASTLINE_CAUSE_IDLE = 3,
    /// The game is in the background.
    CASTLINE_CAUSE_BACKGROUND = 4,
    /// A token is being waited for.
    CASTLINE_CAUSE_TOKEN = 5,
    /// The server refused two tokens in a row.
    CASTLINE_CAUSE_AUTH = 6,
    /// The two ends do not speak the same protocol.
    CASTLINE_CAUSE_PROTOCOL = 7,
    /// The server wants a newer build of the game.
    CASTLINE_CAUSE_BUILD_TOO_OLD = 8,
    /// The player is banned.
    CASTLINE_CAUSE_BANNED = 9,
    /// The library cannot run here.
    CASTLINE_CAUSE_UNSUPPORTED = 10,
    /// The game closed the client.
    CASTLINE_CAUSE_CLOSED = 11,
}

/// Why a request or a join failed. 1 to 14 are the server's, from 100 on the library's.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_code {
    /// A word that this version does not know; code_text has it.
    CASTLINE_CODE_UNKNOWN = 0,
    /// Not JSON, too deep, a member missing, of the wrong type or out of range.
    CASTLINE_CODE_INVALID_PAYLOAD = 1,
    /// Sent before the server knew the player.
    CASTLINE_CODE_NOT_AUTHENTICATED = 2,
    /// A known channel, an unknown type.
    CASTLINE_CODE_UNKNOWN_MESSAGE_TYPE = 3,
    /// An unknown channel.
    CASTLINE_CODE_UNKNOWN_CHANNEL = 4,
    /// The message is above the server's bound.
    CASTLINE_CODE_MESSAGE_TOO_LARGE = 5,
    /// Not executed; try again after retry_after_ms.
    CASTLINE_CODE_RATE_LIMITED = 6,
    /// The token does not admit the player.
    CASTLINE_CODE_FORBIDDEN = 7,
    /// There is no such thing; for an earlier run's bet: it was not placed and never will be.
    CASTLINE_CODE_NOT_FOUND = 8,
    /// The room was not joined.
    CASTLINE_CODE_NOT_IN_ROOM = 9,
    /// The room is full.
    CASTLINE_CODE_ROOM_FULL = 10,
    /// The balance is below the stake.
    CASTLINE_CODE_INSUFFICIENT_BALANCE = 11,
    /// The server seed was used; the library answers it itself.
    CASTLINE_CODE_SEED_USED = 12,
    /// The key was used for another request.
    CASTLINE_CODE_IDEMPOTENCY_MISMATCH = 13,
    /// The server's fault.
    CASTLINE_CODE_INTERNAL = 14,
    /// The deadline passed and nothing was ever written to a socket.
    CASTLINE_CODE_NOT_SENT = 100,
    /// It was written and not answered; it may have been executed. A bet may be placed again with the same key.
    CASTLINE_CODE_UNKNOWN_OUTCOME = 101,
    /// The request belonged to another player.
    CASTLINE_CODE_IDENTITY_CHANGED = 102,
    /// A queue is full.
    CASTLINE_CODE_QUEUE_FULL = 103,
    /// The client was closed.
    CASTLINE_CODE_CLOSED = 104,
}

/// The logical channels. A game sends on SOCIAL and GAME; the others are the library's.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_channel {
    /// One that this version does not know.
    CASTLINE_CHANNEL_UNKNOWN = 0,
    /// Offers and leases.
    CASTLINE_CHANNEL_OFFERS = 1,
    /// Handshake, heartbeat, announcements, errors.
    CASTLINE_CHANNEL_SYSTEM = 2,
    /// Chat.
    CASTLINE_CHANNEL_SOCIAL = 3,
    /// Events of the game.
    CASTLINE_CHANNEL_ANALYTICS = 4,
    /// Rooms, bets and the game's own messages.
    CASTLINE_CHANNEL_GAME = 5,
}

/// What the player did with an offer.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_outcome {
    /// It is on the screen.
    CASTLINE_OUTCOME_SHOWN = 1,
    /// Bought, or whatever accepting means.
    CASTLINE_OUTCOME_ACCEPTED = 2,
    /// Sent away.
    CASTLINE_OUTCOME_DECLINED = 3,
    /// It ran out; the library reports this itself when a surfaced offer ends.
    CASTLINE_OUTCOME_EXPIRED = 4,
}

/// What the host tells about the app's life.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_lifecycle {
    /// The player sees the game.
    CASTLINE_LIFECYCLE_FOREGROUND = 1,
    /// The player does not; after 15 s of grace the socket closes.
    CASTLINE_LIFECYCLE_BACKGROUND = 2,
    /// There is a network, perhaps another one than before.
    CASTLINE_LIFECYCLE_NETWORK_CHANGED = 3,
    /// There is none: nothing is tried until NETWORK_CHANGED.
    CASTLINE_LIFECYCLE_NETWORK_LOST = 4,
}

/// Why a flag has its value: OpenFeature's words and OVERRIDE.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_reason {
    /// A word that this version does not know.
    CASTLINE_REASON_UNKNOWN = 0,
    /// The configuration has one value for everybody.
    CASTLINE_REASON_STATIC = 1,
    /// No such flag, or the server gave the default variant.
    CASTLINE_REASON_DEFAULT = 2,
    /// Chosen by weight.
    CASTLINE_REASON_SPLIT = 3,
    /// A rule matched.
    CASTLINE_REASON_TARGETING_MATCH = 4,
    /// The flag is switched off.
    CASTLINE_REASON_DISABLED = 5,
    /// From disk; this run's fetch is still open.
    CASTLINE_REASON_CACHED = 6,
    /// From disk; this run's fetch failed.
    CASTLINE_REASON_STALE = 7,
    /// This flag was malformed.
    CASTLINE_REASON_ERROR = 8,
    /// A tester's override.
    CASTLINE_REASON_OVERRIDE = 9,
}

/// How a bet ended.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_bet_outcome {
    /// A word that this version does not know.
    CASTLINE_BET_UNKNOWN = 0,
    /// The player won.
    CASTLINE_BET_WIN = 1,
    /// The player lost.
    CASTLINE_BET_LOSE = 2,
    /// The stake came back.
    CASTLINE_BET_VOID = 3,
}

/// What happened to a room.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_room_change {
    /// This client is in it; re-joins too.
    CASTLINE_ROOM_JOINED = 1,
    /// The server refused; the code says why.
    CASTLINE_ROOM_JOIN_FAILED = 2,
    /// This client has left.
    CASTLINE_ROOM_LEFT = 3,
    /// Another player came.
    CASTLINE_ROOM_PLAYER_JOINED = 4,
    /// Another player went.
    CASTLINE_ROOM_PLAYER_LEFT = 5,
}

/// What was dropped because a bound was reached.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_dropped_what {
    /// Events that the game did not poll.
    CASTLINE_DROPPED_EVENTS = 1,
    /// Analytics events.
    CASTLINE_DROPPED_ANALYTICS = 2,
    /// Messages that waited at the server.
    CASTLINE_DROPPED_BACKLOG = 3,
    /// Log lines.
    CASTLINE_DROPPED_LOGS = 4,
}

/// When fetched flags take effect.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_flag_updates {
    /// With the event FLAGS_CHANGED.
    CASTLINE_FLAGS_IMMEDIATE = 0,
    /// Only in castline_offers_ready and castline_flags_apply; but a run's first answer at once while no flag has been read.
    CASTLINE_FLAGS_AT_BREAK = 1,
}

/// How grave a log line is; as an option: lines up to this one are wanted.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum castline_log_level {
    /// No lines.
    CASTLINE_LOG_OFF = 0,
    /// Something is broken.
    CASTLINE_LOG_ERROR = 1,
    /// Something was lost, refused or set aside.
    CASTLINE_LOG_WARN = 2,
    /// The connection's moves.
    CASTLINE_LOG_INFO = 3,
    /// Everything else.
    CASTLINE_LOG_DEBUG = 4,
}

#[cfg(test)]
mod tests {
    use super::*;
    use sdk::protocol::{Channel, Code};
    use sdk::{
        BetOutcome, Cause, Dropped, FlagUpdates, Lifecycle, LogLevel, Outcome, Reason, RoomChange, State,
    };

    /// Each pair has one number, and on either side there is none without a partner.
    macro_rules! same {
        ($all:expr; $($rust:path = $c:path),* $(,)?) => {{
            $(assert_eq!($rust as u32, $c as u32, stringify!($c));)*
            let pairs = [$($rust as u32),*];
            for value in $all {
                assert!(pairs.contains(&(*value as u32)), "{value:?} has no constant in C");
            }
        }};
    }

    #[test]
    fn numbers_are_the_rust_crates() {
        use castline_state::*;
        same!(State::ALL;
            State::Connecting = CASTLINE_STATE_CONNECTING, State::Online = CASTLINE_STATE_ONLINE,
            State::Waiting = CASTLINE_STATE_WAITING, State::Dormant = CASTLINE_STATE_DORMANT,
            State::Failed = CASTLINE_STATE_FAILED, State::Replaced = CASTLINE_STATE_REPLACED,
            State::Closed = CASTLINE_STATE_CLOSED);
        use castline_cause::*;
        same!(Cause::ALL;
            Cause::None = CASTLINE_CAUSE_NONE, Cause::Network = CASTLINE_CAUSE_NETWORK,
            Cause::Server = CASTLINE_CAUSE_SERVER, Cause::Idle = CASTLINE_CAUSE_IDLE,
            Cause::Background = CASTLINE_CAUSE_BACKGROUND, Cause::Token = CASTLINE_CAUSE_TOKEN,
            Cause::Auth = CASTLINE_CAUSE_AUTH, Cause::Protocol = CASTLINE_CAUSE_PROTOCOL,
            Cause::BuildTooOld = CASTLINE_CAUSE_BUILD_TOO_OLD, Cause::Banned = CASTLINE_CAUSE_BANNED,
            Cause::Unsupported = CASTLINE_CAUSE_UNSUPPORTED, Cause::Closed = CASTLINE_CAUSE_CLOSED);
        use castline_code::*;
        same!(Code::ALL;
            Code::Unknown = CASTLINE_CODE_UNKNOWN, Code::InvalidPayload = CASTLINE_CODE_INVALID_PAYLOAD,
            Code::NotAuthenticated = CASTLINE_CODE_NOT_AUTHENTICATED,
            Code::UnknownMessageType = CASTLINE_CODE_UNKNOWN_MESSAGE_TYPE,
            Code::UnknownChannel = CASTLINE_CODE_UNKNOWN_CHANNEL,
            Code::MessageTooLarge = CASTLINE_CODE_MESSAGE_TOO_LARGE, Code::RateLimited = CASTLINE_CODE_RATE_LIMITED,
            Code::Forbidden = CASTLINE_CODE_FORBIDDEN, Code::NotFound = CASTLINE_CODE_NOT_FOUND,
            Code::NotInRoom = CASTLINE_CODE_NOT_IN_ROOM, Code::RoomFull = CASTLINE_CODE_ROOM_FULL,
            Code::InsufficientBalance = CASTLINE_CODE_INSUFFICIENT_BALANCE, Code::SeedUsed = CASTLINE_CODE_SEED_USED,
            Code::IdempotencyMismatch = CASTLINE_CODE_IDEMPOTENCY_MISMATCH, Code::Internal = CASTLINE_CODE_INTERNAL,
            Code::NotSent = CASTLINE_CODE_NOT_SENT, Code::UnknownOutcome = CASTLINE_CODE_UNKNOWN_OUTCOME,
            Code::IdentityChanged = CASTLINE_CODE_IDENTITY_CHANGED, Code::QueueFull = CASTLINE_CODE_QUEUE_FULL,
            Code::Closed = CASTLINE_CODE_CLOSED);
        use castline_channel::*;
        same!(&[] as &[Channel];
            Channel::Unknown = CASTLINE_CHANNEL_UNKNOWN, Channel::Offers = CASTLINE_CHANNEL_OFFERS,
            Channel::System = CASTLINE_CHANNEL_SYSTEM, Channel::Social = CASTLINE_CHANNEL_SOCIAL,
            Channel::Analytics = CASTLINE_CHANNEL_ANALYTICS, Channel::Game = CASTLINE_CHANNEL_GAME);
        use castline_outcome::*;
        same!(Outcome::ALL;
            Outcome::Shown = CASTLINE_OUTCOME_SHOWN, Outcome::Accepted = CASTLINE_OUTCOME_ACCEPTED,
            Outcome::Declined = CASTLINE_OUTCOME_DECLINED, Outcome::Expired = CASTLINE_OUTCOME_EXPIRED);
        use castline_lifecycle::*;
        same!(Lifecycle::ALL;
            Lifecycle::Foreground = CASTLINE_LIFECYCLE_FOREGROUND, Lifecycle::Background = CASTLINE_LIFECYCLE_BACKGROUND,
            Lifecycle::NetworkChanged = CASTLINE_LIFECYCLE_NETWORK_CHANGED,
            Lifecycle::NetworkLost = CASTLINE_LIFECYCLE_NETWORK_LOST);
        use castline_reason::*;
        same!(Reason::ALL;
            Reason::Unknown = CASTLINE_REASON_UNKNOWN, Reason::Static = CASTLINE_REASON_STATIC,
            Reason::Default = CASTLINE_REASON_DEFAULT, Reason::Split = CASTLINE_REASON_SPLIT,
            Reason::TargetingMatch = CASTLINE_REASON_TARGETING_MATCH, Reason::Disabled = CASTLINE_REASON_DISABLED,
            Reason::Cached = CASTLINE_REASON_CACHED, Reason::Stale = CASTLINE_REASON_STALE,
            Reason::Error = CASTLINE_REASON_ERROR, Reason::Override = CASTLINE_REASON_OVERRIDE);
        use castline_bet_outcome::*;
        same!(BetOutcome::ALL;
            BetOutcome::Unknown = CASTLINE_BET_UNKNOWN, BetOutcome::Win = CASTLINE_BET_WIN,
            BetOutcome::Lose = CASTLINE_BET_LOSE, BetOutcome::Void = CASTLINE_BET_VOID);
        use castline_room_change::*;
        same!(RoomChange::ALL;
            RoomChange::Joined = CASTLINE_ROOM_JOINED, RoomChange::JoinFailed = CASTLINE_ROOM_JOIN_FAILED,
            RoomChange::Left = CASTLINE_ROOM_LEFT, RoomChange::PlayerJoined = CASTLINE_ROOM_PLAYER_JOINED,
            RoomChange::PlayerLeft = CASTLINE_ROOM_PLAYER_LEFT);
        use castline_dropped_what::*;
        same!(Dropped::ALL;
            Dropped::Events = CASTLINE_DROPPED_EVENTS, Dropped::Analytics = CASTLINE_DROPPED_ANALYTICS,
            Dropped::Backlog = CASTLINE_DROPPED_BACKLOG, Dropped::Logs = CASTLINE_DROPPED_LOGS);
        use castline_flag_updates::*;
        same!(FlagUpdates::ALL;
            FlagUpdates::Immediate = CASTLINE_FLAGS_IMMEDIATE, FlagUpdates::AtBreak = CASTLINE_FLAGS_AT_BREAK);
        use castline_log_level::*;
        same!(&[] as &[LogLevel];
            LogLevel::Error = CASTLINE_LOG_ERROR, LogLevel::Warn = CASTLINE_LOG_WARN,
            LogLevel::Info = CASTLINE_LOG_INFO, LogLevel::Debug = CASTLINE_LOG_DEBUG);
    }
}
