//! The life of a client: version, connect, events, token, lifecycle, close, free.

use std::ffi::{CStr, c_char, c_void};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sdk::native::logs::Logger;
use sdk::{Client, LogLevel, Options};

use crate::client::{CClient, CLIENTS, LogHook};
use crate::input::{Refusal, flag_updates, lifecycle, optional, structure, text};
use crate::types::*;
use crate::words::castline_result::*;
use crate::words::{castline_state as state_words, raw::*};
use crate::{command, guarded};

const ABI_VERSION: u32 = 0x0001_0000;
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");

/// The library's ABI, major << 16 | minor: do not run when its major part is not CASTLINE_ABI_VERSION's. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn castline_abi_version() -> u32 {
    ABI_VERSION
}

/// The library's version, such as "1.0.0". Any thread. Returns a static string.
#[unsafe(no_mangle)]
pub extern "C" fn castline_version() -> *const c_char {
    VERSION.as_ptr().cast()
}

/// A result's name, such as "CASTLINE_FULL"; "CASTLINE_?" for a number that is none. Any thread. Returns a static string.
#[unsafe(no_mangle)]
pub extern "C" fn castline_result_name(result: castline_result) -> *const c_char {
    const NAMES: [&CStr; 12] = [
        c"CASTLINE_OK",
        c"CASTLINE_NO_EVENT",
        c"CASTLINE_INVALID_ARGUMENT",
        c"CASTLINE_INVALID_HANDLE",
        c"CASTLINE_CLOSED",
        c"CASTLINE_FULL",
        c"CASTLINE_TOO_LARGE",
        c"CASTLINE_BUSY",
        c"CASTLINE_IN_USE",
        c"CASTLINE_TIMED_OUT",
        c"CASTLINE_UNSUPPORTED",
        c"CASTLINE_INTERNAL",
    ];
    usize::try_from(result).ok().and_then(|at| NAMES.get(at)).unwrap_or(&c"CASTLINE_?").as_ptr()
}

/// Starts a client and its one I/O thread; returns at once, the last run's flags loaded. Never fails for the network.
///
/// options: read during the call only. *out: a handle, yours until castline_client_free; on failure NULL, and the game goes on with
/// that. Any thread; log is called on this one. Returns OK; INVALID_ARGUMENT (the log says which), IN_USE (data_dir), UNSUPPORTED
/// (struct_size), FULL (64 clients), INTERNAL (no thread, poller or random number).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_client_connect(
    options: *const castline_options,
    out: *mut *mut castline_client,
) -> castline_result {
    guarded(CASTLINE_INTERNAL, || {
        if out.is_null() {
            return CASTLINE_INVALID_ARGUMENT;
        }
        // SAFETY: not NULL, and the rest is the caller's contract.
        unsafe { out.write(std::ptr::null_mut()) };
        // SAFETY: the caller's contract.
        match unsafe { connect(options) } {
            Ok(token) => {
                // SAFETY: as above. The pointer is a number that nobody dereferences.
                unsafe { out.write(std::ptr::without_provenance_mut(token)) };
                CASTLINE_OK
            }
            Err(refusal) => refusal.result,
        }
    }) as u32
}

/// # Safety
/// As [`castline_client_connect`].
unsafe fn connect(options: *const castline_options) -> Result<usize, Refusal> {
    // SAFETY: the caller's contract.
    let given = unsafe { structure(options, "options must not be NULL") }?;
    let log = LogHook::new(given.log, given.log_user_data, given.log_level)?;
    // SAFETY: the caller's contract.
    let made = unsafe { make(&given, log.as_ref()) };
    if let (Some(log), Err(refusal)) = (&log, &made) {
        log.lines.push(LogLevel::Error, format!("castline_client_connect: {}", refusal.why));
    }
    if let Some(log) = &log {
        log.hand_over(|| true);
    }
    let (place, client) = made?;
    Ok(place.fill(CClient::new(client, log)))
}

type Made = (crate::table::Reserved<'static, CClient>, Client);

/// # Safety
/// The texts of `given` are NULL or end with a NUL.
unsafe fn make(given: &castline_options, log: Option<&LogHook>) -> Result<Made, Refusal> {
    // SAFETY: the caller's contract, here and below.
    let url = unsafe { text(given.url, "url must be UTF-8 and not NULL") }?;
    // SAFETY: as above.
    let build = unsafe { text(given.build, "build must be UTF-8 and not NULL") }?;
    let mut options = Options::new(url, build).flag_updates(flag_updates(given.flag_updates)?);
    // SAFETY: as above.
    if let Some(id) = unsafe { optional(given.player_id, "player_id must be UTF-8") }? {
        options = options.player_id(id);
    }
    // SAFETY: as above.
    if let Some(token) = unsafe { optional(given.token, "token must be UTF-8") }? {
        options = options.token(token);
    }
    // SAFETY: as above.
    if let Some(raw) = unsafe { optional(given.telegram_init_data, "telegram_init_data must be UTF-8") }? {
        options = options.telegram_init_data(raw);
    }
    // SAFETY: as above.
    if let Some(dir) = unsafe { optional(given.data_dir, "data_dir must be UTF-8") }? {
        options = options.data_dir(dir);
    }
    if let Some(log) = log {
        Logger::install();
        options = options.log_queue(std::sync::Arc::clone(&log.lines));
    }
    let full = Refusal::new(CASTLINE_FULL, "there are 64 clients already");
    let place = CLIENTS.reserve().ok_or(full)?;
    Ok((place, Client::connect(options)?))
}

/// The next event.
///
/// *event: owned by the client, valid until the next castline_client_poll_event, castline_client_tick or castline_client_free on it;
/// NULL without one. Any thread, one at a time; log is called on this one. Never waits, so that an event which comes
/// at this very moment may be the next poll's; without an event it allocates nothing.
/// Returns OK; NO_EVENT; BUSY: another thread polls, or a callback does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_client_poll_event(
    client: *mut castline_client,
    event: *mut *const castline_event,
) -> castline_result {
    let give = |pointer: *const castline_event| {
        if !event.is_null() {
            // SAFETY: not NULL, and the rest is the caller's contract.
            unsafe { event.write(pointer) };
        }
    };
    guarded(CASTLINE_INTERNAL, || {
        give(std::ptr::null());
        let Some(client) = crate::client(client) else { return CASTLINE_INVALID_HANDLE };
        if event.is_null() {
            let why = "event must not be NULL";
            return client.note("castline_client_poll_event", Refusal::new(CASTLINE_INVALID_ARGUMENT, why));
        }
        let (result, pointer) = crate::client::poll(&client);
        give(pointer);
        result
    }) as u32
}

/// Hands events to fn, on this thread, until none is left or max_micros have passed; at least one (UINT32_MAX: no limit).
///
/// An event is valid until fn returns; user_data is handed to fn as it is. Any thread, one at a time; log is called on this one.
/// Returns OK, also when there was none; CLOSED when the client was closed or freed meanwhile, in fn for example; BUSY: another
/// thread polls, or a callback does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_client_tick(
    client: *mut castline_client,
    max_micros: u32,
    r#fn: castline_event_fn,
    user_data: *mut c_void,
) -> castline_result {
    guarded(CASTLINE_INTERNAL, || {
        let Some(client) = crate::client(client) else { return CASTLINE_INVALID_HANDLE };
        let Some(call) = r#fn else {
            let why = "fn must not be NULL";
            return client.note("castline_client_tick", Refusal::new(CASTLINE_INVALID_ARGUMENT, why));
        };
        let budget = (max_micros != u32::MAX).then_some(Duration::from_micros(max_micros.into()));
        // SAFETY: the caller's contract.
        crate::client::tick(&client, budget, |event| unsafe { call(user_data, event) })
    }) as u32
}

/// The state now. Any thread. Returns NONE for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn castline_client_state(client: *const castline_client) -> castline_state {
    guarded(state_words::CASTLINE_STATE_NONE as u32, || {
        let client = crate::client(client);
        client.map_or(state_words::CASTLINE_STATE_NONE as u32, |client| client.client.state() as u32)
    })
}

/// Answers TOKEN_NEEDED, or replaces the token for the next connection.
///
/// token: copied; NULL: none to be had, ask again after a back-off. Any thread. Returns OK; INVALID_ARGUMENT for a text that cannot
/// be a token; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_client_set_token(
    client: *mut castline_client,
    token: *const c_char,
) -> castline_result {
    command("castline_client_set_token", client, |client| {
        // SAFETY: the caller's contract.
        let token = unsafe { optional(token, "token must be UTF-8") }?;
        Ok(client.client.set_token(token)?)
    })
}

/// What the host knows; repeats are harmless. BACKGROUND flushes and, after 15 s, closes the socket. Any thread. Returns OK;
/// INVALID_ARGUMENT for a number that is none of the four; CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn castline_client_lifecycle(
    client: *mut castline_client,
    what: castline_lifecycle,
) -> castline_result {
    command("castline_client_lifecycle", client, |client| {
        client.client.check_alive()?;
        client.client.lifecycle(lifecycle(what)?);
        Ok(())
    })
}

/// Leaves REPLACED, DORMANT, WAITING and FAILED (AUTH), and tries now. For a player's tap, not for a timer. Any thread. Returns OK,
/// also in any other open state; CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn castline_client_reconnect(client: *mut castline_client) -> castline_result {
    command("castline_client_reconnect", client, |client| Ok(client.client.reconnect()?))
}

/// The server's clock, Unix ms. Any thread. Returns the device's until the server's first word, and for a bad handle.
#[unsafe(no_mangle)]
pub extern "C" fn castline_client_server_time_ms(client: *const castline_client) -> i64 {
    let device = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    guarded(0, || crate::client(client).map_or_else(device, |client| client.client.server_time()))
}

/// Flushes, says goodbye, ends the I/O thread. The one function that waits: at most max_wait_ms. Answers that are open come as events.
///
/// After it, queued events can be polled and flags read; other calls return CLOSED. Any thread. Returns OK: the library may be
/// unloaded when no other client is open; TIMED_OUT: it goes on by itself.
#[unsafe(no_mangle)]
pub extern "C" fn castline_client_close(client: *mut castline_client, max_wait_ms: u32) -> castline_result {
    command("castline_client_close", client, |client| client.close(Duration::from_millis(max_wait_ms.into())))
}

/// Gives back handle and events, without waiting; an open client ends in the background. The handle is invalid from now on.
///
/// Any thread, also in a callback and with calls in flight elsewhere: those end as they would have, and no callback comes after them.
/// Returns OK, also for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn castline_client_free(client: *mut castline_client) -> castline_result {
    guarded(CASTLINE_INTERNAL, || {
        if client.is_null() {
            return CASTLINE_OK;
        }
        let Some(client) = crate::client(client).filter(crate::table::Inside::shut) else {
            return CASTLINE_INVALID_HANDLE;
        };
        // Here, and not where the last call leaves: a flag getter must not be the one that closes. A time-out is as it should be.
        let _ = client.close(Duration::ZERO);
        CASTLINE_OK
    }) as u32
}
