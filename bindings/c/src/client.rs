//! A client as the table holds it: the Rust client, the event that is lent, who polls, and the game's log function.
//!
//! The game's functions are called from [`poll`], [`tick`] and [`LogHook::hand_over`] alone, with no lock held.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sdk::native::logs::{LogQueue, MAX_LINES};
use sdk::{Client, LogLevel};

use crate::events::Lent;
use crate::input::Refusal;
use crate::table::{Inside, Table};
use crate::types::{castline_event, castline_log_fn, castline_str};
use crate::words::castline_result::{self, *};

/// All clients of the process.
pub(crate) static CLIENTS: Table<CClient> = Table::new();

/// Where a game wants its log lines.
pub(crate) struct LogHook {
    pub(crate) call: unsafe extern "C" fn(*mut c_void, u32, castline_str),
    pub(crate) user_data: *mut c_void,
    pub(crate) lines: Arc<LogQueue>,
}

// SAFETY: the function and its argument are the game's, and are brought together on the game's own threads only, as the header says.
unsafe impl Send for LogHook {}
// SAFETY: as above; nothing here changes.
unsafe impl Sync for LogHook {}

impl LogHook {
    /// The hook that the options ask for; `None` with `log` NULL or the level `OFF`.
    pub(crate) fn new(
        call: castline_log_fn,
        user_data: *mut c_void,
        level: u32,
    ) -> Result<Option<LogHook>, Refusal> {
        const LEVELS: [LogLevel; 4] = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug];
        let level = match level {
            0 => None,
            number => match LEVELS.into_iter().find(|level| *level as u32 == number) {
                Some(level) => Some(level),
                None => return Err(Refusal::new(CASTLINE_INVALID_ARGUMENT, "log_level must be 0 to 4")),
            },
        };
        let (Some(call), Some(level)) = (call, level) else { return Ok(None) };
        Ok(Some(LogHook { call, user_data, lines: LogQueue::new(level) }))
    }

    /// Hands the lines that wait to the game, on this thread, while `go_on` says so; no more than can wait, for the game's function may
    /// itself do what is worth a line.
    pub(crate) fn hand_over(&self, mut go_on: impl FnMut() -> bool) {
        for _ in 0..MAX_LINES {
            if !go_on() {
                return;
            }
            let Some((level, mut line)) = self.lines.pop() else { return };
            let len = line.len();
            line.push('\0');
            let text = castline_str { ptr: line.as_ptr().cast::<c_char>(), len };
            // SAFETY: the game's function with the game's argument; the line lives until it returns.
            unsafe { (self.call)(self.user_data, level as u32, text) };
        }
    }
}

pub(crate) struct CClient {
    pub(crate) client: Client,
    pub(crate) log: Option<LogHook>,
    /// The right to touch `lent`.
    polling: AtomicBool,
    closed: AtomicBool,
    lent: UnsafeCell<Lent>,
}

// SAFETY: `lent` is touched only by who has set `polling`, which is given back by the same call; everything else is `Sync`.
unsafe impl Sync for CClient {}

/// The right to poll, until it is dropped.
struct Polling<'a>(&'a CClient);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.polling.store(false, Ordering::Release);
    }
}

impl CClient {
    pub(crate) fn new(client: Client, log: Option<LogHook>) -> Self {
        let (polling, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        CClient { client, log, polling, closed, lent: UnsafeCell::new(Lent::new()) }
    }

    /// Says in the log why a call was refused, where an argument was wrong: the result alone does not tell which.
    pub(crate) fn note(&self, function: &str, refusal: Refusal) -> castline_result {
        if let (Some(log), CASTLINE_INVALID_ARGUMENT | CASTLINE_UNSUPPORTED) = (&self.log, refusal.result) {
            log.lines.push(LogLevel::Warn, format!("{function}: {}", refusal.why));
        }
        refusal.result
    }

    /// Waits at most so long; a wait of nothing only begins the end.
    pub(crate) fn close(&self, max_wait: Duration) -> Result<(), Refusal> {
        self.closed.store(true, Ordering::Release);
        Ok(self.client.close(max_wait)?)
    }

    fn begin_polling(&self) -> Option<Polling<'_>> {
        // `then`, for a right that is made and dropped would be given back for the one who has it.
        (!self.polling.swap(true, Ordering::Acquire)).then(|| Polling(self))
    }

    /// The next event, lent until the next poll.
    fn next(&self, _right: &Polling<'_>) -> Option<*const castline_event> {
        // SAFETY: `_right` says that this call has set `polling`, and no reference to `lent` outlives this line but as a pointer.
        let lent = unsafe { &mut *self.lent.get() };
        // A kind that this header has no word for is passed over, as a game would do.
        std::iter::from_fn(|| self.client.poll_event()).find_map(|event| lent.put(event))
    }
}

/// `castline_client_poll_event` behind its checks: the event, or NULL.
pub(crate) fn poll(client: &Inside<'_, CClient>) -> (castline_result, *const castline_event) {
    let Some(right) = client.begin_polling() else { return (CASTLINE_BUSY, std::ptr::null()) };
    hand_over_logs(client);
    match if client.is_shut() { None } else { client.next(&right) } {
        Some(event) => (CASTLINE_OK, event),
        None => (CASTLINE_NO_EVENT, std::ptr::null()),
    }
}

/// `castline_client_tick` behind its checks.
pub(crate) fn tick(
    client: &Inside<'_, CClient>,
    budget: Option<Duration>,
    mut call: impl FnMut(*const castline_event),
) -> castline_result {
    let Some(right) = client.begin_polling() else { return CASTLINE_BUSY };
    let was_closed = client.closed.load(Ordering::Acquire);
    // Freed or closed meanwhile, in the callback or on another thread.
    let ended = || client.is_shut() || (client.closed.load(Ordering::Acquire) && !was_closed);
    let start = Instant::now();
    hand_over_logs(client);
    while !ended() {
        let Some(event) = client.next(&right) else { return CASTLINE_OK };
        call(event);
        if !ended() && budget.is_some_and(|budget| start.elapsed() >= budget) {
            return CASTLINE_OK;
        }
    }
    CASTLINE_CLOSED
}

/// After `free` nothing comes, log lines included.
fn hand_over_logs(client: &Inside<'_, CClient>) {
    if let Some(log) = &client.log {
        log.hand_over(|| !client.is_shut());
    }
}
