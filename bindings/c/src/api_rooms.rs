//! Rooms and bets.

use std::ffi::c_char;

use sdk::Bet;

use crate::api_messages::tell;
use crate::command;
use crate::input::{optional, structure, text};
use crate::types::{castline_bet, castline_client};
use crate::words::raw::*;

const GAME_ID: &str = "game_id must be UTF-8 and not NULL";

/// Joins a room. ROOM_CHANGED follows: JOINED or JOIN_FAILED. The client re-joins after a lost session, until castline_rooms_leave.
///
/// game_id: copied. Any thread. Returns OK; INVALID_ARGUMENT; FULL: 8 rooms; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_rooms_join(
    client: *mut castline_client,
    game_id: *const c_char,
) -> castline_result {
    command("castline_rooms_join", client, |client| {
        // SAFETY: the caller's contract.
        Ok(client.client.rooms().join(unsafe { text(game_id, GAME_ID) }?)?)
    })
}

/// Leaves a room. ROOM_CHANGED follows: LEFT.
///
/// game_id: copied. Any thread. Returns OK; INVALID_ARGUMENT; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_rooms_leave(
    client: *mut castline_client,
    game_id: *const c_char,
) -> castline_result {
    command("castline_rooms_leave", client, |client| {
        // SAFETY: the caller's contract.
        Ok(client.client.rooms().leave(unsafe { text(game_id, GAME_ID) }?)?)
    })
}

/// Sends a game_event to everyone in the room; not kept.
///
/// data: one JSON object. Texts are copied. Any thread. Returns OK; INVALID_ARGUMENT; TOO_LARGE; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_rooms_send(
    client: *mut castline_client,
    game_id: *const c_char,
    event: *const c_char,
    data: *const c_char,
) -> castline_result {
    command("castline_rooms_send", client, |client| {
        // SAFETY: the caller's contract, here and below.
        let game_id = unsafe { text(game_id, GAME_ID) }?;
        // SAFETY: as above.
        let event = unsafe { text(event, "event must be UTF-8 and not NULL") }?;
        // SAFETY: as above.
        let data = unsafe { text(data, "data must be UTF-8 and not NULL") }?;
        Ok(client.client.rooms().send(game_id, event, data)?)
    })
}

/// Places a bet; as castline_client_request, always with a key. REQUEST_COMPLETED: acknowledged (type "bet_acknowledged", or already
/// "bet_settled"). BET_SETTLED with the same key is the result.
///
/// bet: read during the call only. *request (or NULL): its number, never 0. Any thread. Returns OK; INVALID_ARGUMENT, also for an
/// amount not in 1 to 2^53-1; TOO_LARGE; FULL: 64 requests are open; UNSUPPORTED (struct_size); CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_bets_place(
    client: *mut castline_client,
    bet: *const castline_bet,
    request: *mut u64,
) -> castline_result {
    command("castline_bets_place", client, |client| {
        // SAFETY: the caller's contract, here and below.
        let given = unsafe { structure(bet, "bet must not be NULL") }?;
        // SAFETY: as above.
        let game_id = unsafe { text(given.game_id, GAME_ID) }?;
        // SAFETY: as above.
        let selection = unsafe { text(given.selection, "selection must be UTF-8 and not NULL") }?;
        let mut made = Bet::new(game_id, given.amount, selection);
        // SAFETY: as above.
        if let Some(seed) = unsafe { optional(given.client_seed, "client_seed must be UTF-8") }? {
            made = made.client_seed(seed);
        }
        // SAFETY: as above.
        if let Some(key) = unsafe { optional(given.idempotency_key, "idempotency_key must be UTF-8") }? {
            made = made.idempotency_key(key);
        }
        let id = client.client.bets().place(made)?;
        // SAFETY: as above.
        unsafe { tell(request, id) };
        Ok(())
    })
}
