//! The structures of the C interface, field by field as the header prints them. Only layout here: what fills and reads them is in
//! [`events`](crate::events) and [`input`](crate::input).
#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_void};

use crate::words::raw::*;

/// A client. A token, looked up in a table and never dereferenced: NULL and freed handles are harmless.
#[derive(Debug)]
pub struct castline_client {
    _private: [u8; 0],
}

/// A text inside an event: UTF-8, owned by the client, valid until the next castline_client_poll_event, castline_client_tick or
/// castline_client_free on it. ptr is never NULL and ptr[len] is 0. Copy what you keep.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_str {
    pub ptr: *const c_char,
    pub len: usize,
}

/// A log line. Called only inside castline_client_connect, castline_client_poll_event and castline_client_tick, on the thread that
/// calls them; the line is valid until it returns. It must not throw or longjmp.
pub type castline_log_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, level: castline_log_level, line: castline_str)>;

/// What a client is made with. Start from CASTLINE_OPTIONS_INIT; 0 and NULL mean the default. Read during castline_client_connect
/// only: it may live on the stack.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_options {
    /// sizeof(castline_options).
    pub struct_size: u32,
    /// When fetched flags take effect.
    pub flag_updates: castline_flag_updates,
    /// Required. https://host[:port][/prefix]; http for loopback and private addresses only.
    pub url: *const c_char,
    /// Required. The game's build, 1 to 128 bytes.
    pub build: *const c_char,
    /// The player, for flags before the first token; must be the token's "sub". NULL: that "sub".
    pub player_id: *const c_char,
    /// A token to start with, or NULL. At most one of token and telegram_init_data; both NULL: CASTLINE_EVENT_TOKEN_NEEDED.
    pub token: *const c_char,
    /// Telegram's raw initData, from which tokens are made, or NULL.
    pub telegram_init_data: *const c_char,
    /// Where to remember flags, offers and unsent events, or NULL: nothing is remembered. One client per directory.
    pub data_dir: *const c_char,
    /// Where log lines go, or NULL.
    pub log: castline_log_fn,
    /// Handed to log as it is.
    pub log_user_data: *mut c_void,
    /// Lines up to this one are wanted.
    pub log_level: castline_log_level,
}

/// How a request is sent. Set struct_size to sizeof(castline_request_options) and the rest to 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_request_options {
    /// sizeof(castline_request_options).
    pub struct_size: u32,
    /// How long to wait for the reply, reconnects included: 1 to 600,000. 0: 10,000.
    pub timeout_ms: u32,
    /// Makes it safe to repeat, 1 to 64 bytes. NULL: not sent again after a reconnect.
    pub idempotency_key: *const c_char,
}

/// A bet. Set struct_size to sizeof(castline_bet).
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_bet {
    /// sizeof(castline_bet).
    pub struct_size: u32,
    /// The game.
    pub game_id: *const c_char,
    /// Minor units, 1 to 2^53-1.
    pub amount: i64,
    /// Any JSON value that the game's engine understands.
    pub selection: *const c_char,
    /// The player's share of the roll, 1 to 64 bytes. NULL: made.
    pub client_seed: *const c_char,
    /// Names the bet, 1 to 64 bytes: the same key places it once. NULL: made.
    pub idempotency_key: *const c_char,
}

/// CASTLINE_EVENT_STATE_CHANGED.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_state_changed {
    /// The state now.
    pub state: castline_state,
    /// The state told before.
    pub previous: castline_state,
    /// Why.
    pub cause: castline_cause,
    /// The WebSocket's close code, or 0.
    pub code: u32,
    /// Milliseconds to the next try; 0 where nothing is timed.
    pub retry_in_ms: u64,
}

/// CASTLINE_EVENT_DROPPED.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_dropped {
    /// What was dropped.
    pub what: castline_dropped_what,
    /// How many since the last report.
    pub count: u64,
}

/// CASTLINE_EVENT_OFFER_READY.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_offer {
    /// Names this offer to this player.
    pub offer_id: castline_str,
    /// The campaign that it comes from.
    pub campaign_id: castline_str,
    /// The headline.
    pub title: castline_str,
    /// https, or "".
    pub image_url: castline_str,
    /// The break that it surfaced in.
    pub placement: castline_str,
    /// JSON that the campaign added, or "".
    pub data: castline_str,
    /// Per cent.
    pub discount: f64,
    /// Server time, Unix ms: count down against castline_client_server_time_ms.
    pub expires_at_ms: i64,
}

/// CASTLINE_EVENT_NO_OFFER.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_no_offer {
    /// The break's placement.
    pub placement: castline_str,
}

/// CASTLINE_EVENT_OFFER_EXPIRED.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_offer_expired {
    /// Which offer.
    pub offer_id: castline_str,
}

/// CASTLINE_EVENT_FLAGS_CHANGED.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_flags_changed {
    /// The configuration's version.
    pub version: castline_str,
}

/// CASTLINE_EVENT_REQUEST_COMPLETED.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_request_completed {
    /// Its number; 0 for a bet of an earlier run, known by its key.
    pub request: u64,
    /// Its key, or "".
    pub idempotency_key: castline_str,
    /// The reply's type.
    pub r#type: castline_str,
    /// The reply's payload, JSON.
    pub payload: castline_str,
}

/// CASTLINE_EVENT_REQUEST_FAILED.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_request_failed {
    /// Its number; 0 for a bet of an earlier run, known by its key.
    pub request: u64,
    /// Milliseconds to wait before another try, or 0.
    pub retry_after_ms: u64,
    /// Its key, or "".
    pub idempotency_key: castline_str,
    /// The code as a word; the server's own where this version does not know it.
    pub code_text: castline_str,
    /// What was wrong, for a log.
    pub message: castline_str,
    /// Why.
    pub code: castline_code,
}

/// CASTLINE_EVENT_ROOM_CHANGED.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_room_changed {
    /// The room.
    pub game_id: castline_str,
    /// The other player, or "".
    pub user_id: castline_str,
    /// How it changed.
    pub change: castline_room_change,
    /// Distinct players in it now.
    pub player_count: u32,
    /// With CASTLINE_ROOM_JOIN_FAILED: why.
    pub code: castline_code,
}

/// CASTLINE_EVENT_ROOM_MESSAGE.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_room_message {
    /// The room.
    pub game_id: castline_str,
    /// The player who sent it; "": the engine.
    pub from: castline_str,
    /// Its name.
    pub event: castline_str,
    /// Its data, JSON.
    pub data: castline_str,
}

/// CASTLINE_EVENT_ROOM_GAP.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_room_gap {
    /// The room.
    pub game_id: castline_str,
    /// How many messages were missed.
    pub missing: u64,
}

/// CASTLINE_EVENT_BET_SETTLED.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_bet_settled {
    /// The bet.
    pub idempotency_key: castline_str,
    /// The revealed seed, hex.
    pub server_seed: castline_str,
    /// Its SHA-256, hex.
    pub server_seed_hash: castline_str,
    /// The player's share of the roll.
    pub client_seed: castline_str,
    /// Gross, in minor units.
    pub payout: i64,
    /// After the payout.
    pub balance: i64,
    /// 0 to sides - 1.
    pub roll: i64,
    /// Faces of the die.
    pub sides: i64,
    /// How it ended.
    pub outcome: castline_bet_outcome,
}

/// CASTLINE_EVENT_MESSAGE.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct castline_message {
    /// Its type.
    pub r#type: castline_str,
    /// Its payload, JSON.
    pub payload: castline_str,
    /// Its channel.
    pub channel: castline_channel,
}

/// The member that an event's kind names holds; TOKEN_NEEDED and SESSION_LOST have none.
#[repr(C)]
#[derive(Clone, Copy)]
pub union castline_event_body {
    pub state_changed: castline_state_changed,
    pub dropped: castline_dropped,
    pub offer_ready: castline_offer,
    pub no_offer: castline_no_offer,
    pub offer_expired: castline_offer_expired,
    pub flags_changed: castline_flags_changed,
    pub request_completed: castline_request_completed,
    pub request_failed: castline_request_failed,
    pub room_changed: castline_room_changed,
    pub room_message: castline_room_message,
    pub room_gap: castline_room_gap,
    pub bet_settled: castline_bet_settled,
    pub message: castline_message,
}

/// What the game is told. The library's memory, read through a pointer only: it may grow at its end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct castline_event {
    /// Says which member of body holds.
    pub kind: castline_event_kind,
    /// What it is about.
    pub body: castline_event_body,
}

/// An event in castline_client_tick, on the calling thread and with no lock held. The event is valid until it returns. It may call
/// anything, castline_client_free included; castline_client_poll_event and castline_client_tick return CASTLINE_BUSY. It must not
/// throw or longjmp.
pub type castline_event_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const castline_event)>;

impl std::fmt::Debug for castline_event_body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Which member holds is the event's to say.
        f.debug_struct("castline_event_body").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for castline_event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("castline_event").field("kind", &self.kind).finish_non_exhaustive()
    }
}
