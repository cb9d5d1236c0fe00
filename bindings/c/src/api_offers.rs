//! Offers: the break in play, and what became of an offer.

use std::ffi::c_char;
use std::time::Duration;

use sdk::Break;

use crate::command;
use crate::input::{optional, outcome, text};
use crate::types::castline_client;
use crate::words::raw::*;

/// A break in play of lease_ms (0: 10,000; else 1,000 to 60,000), and a safe point for flags. One OFFER_READY or NO_OFFER follows.
/// Replaces an open break.
///
/// placement: where the player is, 1 to 128 bytes. context: flat JSON or NULL. Texts are copied. Any thread. Returns OK;
/// INVALID_ARGUMENT; TOO_LARGE; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_offers_ready(
    client: *mut castline_client,
    placement: *const c_char,
    context: *const c_char,
    lease_ms: u32,
) -> castline_result {
    command("castline_offers_ready", client, |client| {
        // SAFETY: the caller's contract, here and below.
        let mut at = Break::new(unsafe { text(placement, "placement must be UTF-8 and not NULL") }?);
        // SAFETY: as above.
        if let Some(context) = unsafe { optional(context, "context must be UTF-8") }? {
            at = at.context(context);
        }
        if lease_ms != 0 {
            at = at.lease(Duration::from_millis(lease_ms.into()));
        }
        Ok(client.client.offers().ready(at)?)
    })
}

/// Play goes on: an offer that comes now waits for the next break. Any thread. Returns OK, also when no break was open; CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn castline_offers_not_ready(client: *mut castline_client) -> castline_result {
    command("castline_offers_not_ready", client, |client| Ok(client.client.offers().not_ready()?))
}

/// Reports what became of an offer, as the event $offer_result: kept until the server has it. The same pair twice is sent once.
///
/// offer_id: copied. Any thread. Returns OK; INVALID_ARGUMENT for a text that names no offer and a number that is no outcome; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_offers_result(
    client: *mut castline_client,
    offer_id: *const c_char,
    outcome: castline_outcome,
) -> castline_result {
    command("castline_offers_result", client, |client| {
        // SAFETY: the caller's contract.
        let offer_id = unsafe { text(offer_id, "offer_id must be UTF-8 and not NULL") }?;
        Ok(client.client.offers().result(offer_id, self::outcome(outcome)?)?)
    })
}
