//! Messages of the game's own: requests, messages without a reply, analytics.

use std::ffi::c_char;
use std::time::Duration;

use sdk::{Request, RequestId};

use crate::command;
use crate::input::{channel, optional, structure, text};
use crate::types::{castline_client, castline_request_options};
use crate::words::raw::*;

/// Queues a request; with a key it is repeated over reconnects until its deadline (at most 10 min). One REQUEST_COMPLETED or
/// REQUEST_FAILED follows.
///
/// channel: GAME or SOCIAL. payload: one JSON object. options: or NULL. *request (or NULL): its number, never 0. Texts are copied.
/// Any thread. Returns OK; INVALID_ARGUMENT; TOO_LARGE; FULL: 64 are open; UNSUPPORTED (struct_size); CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_client_request(
    client: *mut castline_client,
    channel: castline_channel,
    r#type: *const c_char,
    payload: *const c_char,
    options: *const castline_request_options,
    request: *mut u64,
) -> castline_result {
    command("castline_client_request", client, |client| {
        let channel = self::channel(channel)?;
        // SAFETY: the caller's contract, here and below.
        let kind = unsafe { text(r#type, "type must be UTF-8 and not NULL") }?;
        // SAFETY: as above.
        let payload = unsafe { text(payload, "payload must be UTF-8 and not NULL") }?;
        let mut made = Request::new(channel, kind, payload);
        if !options.is_null() {
            // SAFETY: as above.
            let options = unsafe { structure(options, "options must not be NULL") }?;
            if options.timeout_ms != 0 {
                made = made.timeout(Duration::from_millis(options.timeout_ms.into()));
            }
            // SAFETY: as above.
            if let Some(key) = unsafe { optional(options.idempotency_key, "idempotency_key must be UTF-8") }?
            {
                made = made.idempotency_key(key);
            }
        }
        let id = client.client.request(made)?;
        // SAFETY: as above.
        unsafe { tell(request, id) };
        Ok(())
    })
}

/// # Safety
/// `request` is NULL or may be written.
pub(crate) unsafe fn tell(request: *mut u64, id: RequestId) {
    if !request.is_null() {
        // SAFETY: not NULL, and the rest is the caller's contract.
        unsafe { request.write(id.0) };
    }
}

/// Sends a message without a reply. Not kept: when not ONLINE it is lost, and that is OK.
///
/// channel: GAME or SOCIAL. payload: one JSON object. Texts are copied. Any thread. Returns OK; INVALID_ARGUMENT; TOO_LARGE; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_client_send(
    client: *mut castline_client,
    channel: castline_channel,
    r#type: *const c_char,
    payload: *const c_char,
) -> castline_result {
    command("castline_client_send", client, |client| {
        let channel = self::channel(channel)?;
        // SAFETY: the caller's contract, here and below.
        let kind = unsafe { text(r#type, "type must be UTF-8 and not NULL") }?;
        // SAFETY: as above.
        let payload = unsafe { text(payload, "payload must be UTF-8 and not NULL") }?;
        Ok(client.client.send(channel, kind, payload)?)
    })
}

/// Queues an analytics event, on disk while offline.
///
/// props: one JSON object, or NULL for none. Texts are copied. Any thread. Returns OK; INVALID_ARGUMENT, also for a name that begins
/// with '$'; TOO_LARGE: over 2 KiB; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_client_track(
    client: *mut castline_client,
    name: *const c_char,
    props: *const c_char,
) -> castline_result {
    command("castline_client_track", client, |client| {
        // SAFETY: the caller's contract, here and below.
        let name = unsafe { text(name, "name must be UTF-8 and not NULL") }?;
        // SAFETY: as above.
        let props = unsafe { optional(props, "props must be UTF-8") }?;
        Ok(client.client.track(name, props.unwrap_or("{}"))?)
    })
}
