//! What the game's threads and the driver's thread share: the inbox, the published flags, and some counters.
//!
//! The driver holds the inbox's lock for a push and nothing else, never over I/O; the game's getters take no lock at all.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use mio::Waker;

use super::clock::{Clock, Published};
use super::logs::LogQueue;
use crate::error::Error;
use crate::event::{Cause, Dropped, Event, FlagUpdates, Lifecycle, RoomChange, State};
use crate::flags::Flags;
use crate::inbox::Inbox;
use crate::protocol::limits::{MAX_OPEN_REQUESTS, MAX_QUEUED_EVENTS, MAX_ROOMS};
use crate::session::clock::ServerClock;
use crate::{Command, RequestId};

/// Commands that wait for the driver's thread.
const MAX_COMMANDS: usize = 1_024;

/// To the driver's thread.
#[derive(Debug)]
pub(crate) enum Message {
    Command(Command),
    Lifecycle(Lifecycle),
    #[cfg(test)]
    Panic,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) server_clock: Published,
    waker: Arc<Waker>,
    inbox: Mutex<Inbox>,
    /// Events that wait, so that an empty poll touches no lock.
    waiting: AtomicUsize,
    /// `TokenNeeded` waits. It is no event of the core's, so it stays out of the inbox, which counts those.
    token_needed: AtomicBool,
    /// The core's events that the game has taken; see [`Inbox::taken`].
    taken: AtomicU64,
    flags: ArcSwap<Flags>,
    state: AtomicU32,
    commands: AtomicUsize,
    open_requests: AtomicUsize,
    last_request: AtomicU64,
    rooms: Mutex<BTreeSet<String>>,
    /// A `tick` is running.
    ticking: AtomicBool,
    closed: AtomicBool,
    broken: AtomicBool,
    ended: Mutex<bool>,
    on_end: Condvar,
    /// Rounds of the driver's loop.
    pub(crate) rounds: AtomicU64,
    /// Where the log lines go that another face hands to the game.
    pub(crate) log_queue: Option<Arc<LogQueue>>,
}

impl Shared {
    pub(crate) fn new(
        clock: Clock,
        server_clock: ServerClock,
        waker: Arc<Waker>,
        updates: FlagUpdates,
        initial: Flags,
        log_queue: Option<Arc<LogQueue>>,
    ) -> Shared {
        Shared {
            clock,
            server_clock: Published::new(server_clock),
            waker,
            inbox: Mutex::new(Inbox::new(updates, initial.clone())),
            waiting: AtomicUsize::new(0),
            token_needed: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            flags: ArcSwap::from_pointee(initial),
            state: AtomicU32::new(State::Connecting as u32),
            commands: AtomicUsize::new(0),
            open_requests: AtomicUsize::new(0),
            last_request: AtomicU64::new(0),
            rooms: Mutex::default(),
            ticking: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            ended: Mutex::new(false),
            on_end: Condvar::new(),
            rounds: AtomicU64::new(0),
            log_queue,
        }
    }

    pub(crate) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("castline: the driver cannot be woken: {error}");
        }
    }

    // ---- events and flags ----

    pub(crate) fn flags(&self) -> Flags {
        Flags::clone(&self.flags.load())
    }

    pub(crate) fn state(&self) -> State {
        let number = self.state.load(Ordering::Acquire);
        State::ALL.iter().copied().find(|state| *state as u32 == number).unwrap_or(State::Failed)
    }

    /// The next event for the game. An empty poll is two loads.
    pub(crate) fn poll(&self) -> Option<Event> {
        if let Some(count) = self.log_queue.as_deref().map(LogQueue::take_dropped).filter(|count| *count > 0)
        {
            return Some(Event::Dropped { what: Dropped::Logs, count });
        }
        if self.waiting.load(Ordering::Acquire) == 0 && !self.token_needed.load(Ordering::Acquire) {
            return None;
        }
        if self.token_needed.swap(false, Ordering::AcqRel) {
            return Some(Event::TokenNeeded);
        }
        let mut inbox = match self.inbox.try_lock() {
            Ok(inbox) => inbox,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // A second poller, or the driver with the next event: the next poll has it.
            Err(TryLockError::WouldBlock) => return None,
        };
        let crowded = inbox.len() >= MAX_QUEUED_EVENTS;
        let handed = inbox.pop();
        self.waiting.store(inbox.len(), Ordering::Release);
        let handed = handed?;
        if let Some(flags) = handed.flags {
            self.flags.store(Arc::new(flags));
        }
        if handed.durable || crowded {
            self.taken.store(inbox.taken(), Ordering::Release);
            drop(inbox);
            self.wake();
        }
        Some(handed.event)
    }

    /// Begins a `tick`; false: one is running already.
    pub(crate) fn begin_tick(&self) -> bool {
        !self.ticking.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn end_tick(&self) {
        self.ticking.store(false, Ordering::Release);
    }

    pub(crate) fn is_ticking(&self) -> bool {
        self.ticking.load(Ordering::Acquire)
    }

    /// A safe point for flags.
    pub(crate) fn apply_flags(&self) {
        let mut inbox = self.inbox();
        if let Some(flags) = inbox.apply_flags() {
            self.flags.store(Arc::new(flags));
        }
        self.waiting.store(inbox.len(), Ordering::Release);
    }

    /// Play goes on: takes back offers that the game has not seen, and tells of it before anybody can poll.
    pub(crate) fn withdraw<T>(&self, tell: impl FnOnce(Vec<String>) -> T) -> T {
        let mut inbox = self.inbox();
        let withdrawn = inbox.not_ready();
        tell(withdrawn)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The driver: the core's next event.
    pub(crate) fn push(&self, event: Event, durable: bool) {
        match &event {
            Event::StateChanged { state, .. } => self.state.store(*state as u32, Ordering::Release),
            Event::RequestCompleted { request, .. } | Event::RequestFailed { request, .. }
                if *request != RequestId(0) =>
            {
                self.end_request();
            }
            Event::RoomChanged { game_id, change: RoomChange::JoinFailed | RoomChange::Left, .. } => {
                self.forget_room(game_id);
            }
            _ => {}
        }
        let mut inbox = self.inbox();
        inbox.push(event, durable);
        self.waiting.store(inbox.len(), Ordering::Release);
    }

    /// The driver: freshly decoded flags.
    pub(crate) fn offer_flags(&self, flags: Flags) {
        let mut inbox = self.inbox();
        if let Some(flags) = inbox.offer_flags(flags) {
            self.flags.store(Arc::new(flags));
        }
        self.waiting.store(inbox.len(), Ordering::Release);
    }

    /// The driver: the core asks for a token.
    pub(crate) fn need_token(&self) {
        self.token_needed.store(true, Ordering::Release);
    }

    /// The game answers before it was asked.
    pub(crate) fn token_answered(&self) {
        self.token_needed.store(false, Ordering::Release);
    }

    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    // ---- bounds ----

    /// Whether calls still do something.
    pub(crate) fn check_alive(&self) -> Result<(), Error> {
        if self.broken.load(Ordering::Acquire) {
            return Err(Error::Internal);
        }
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Makes room for one more command.
    pub(crate) fn begin_command(&self) -> Result<(), Error> {
        take_one(&self.commands, MAX_COMMANDS)
    }

    /// The same for what is rare and must not be refused because a game sends too much.
    pub(crate) fn begin_urgent(&self) -> Result<(), Error> {
        take_one(&self.commands, 2 * MAX_COMMANDS)
    }

    /// One more command, whatever waits.
    pub(crate) fn force_command(&self) {
        self.commands.fetch_add(1, Ordering::AcqRel);
    }

    /// The driver has taken one.
    pub(crate) fn end_command(&self) {
        give_back(&self.commands);
    }

    pub(crate) fn begin_request(&self) -> Result<RequestId, Error> {
        take_one(&self.open_requests, MAX_OPEN_REQUESTS)?;
        Ok(RequestId(self.last_request.fetch_add(1, Ordering::Relaxed) + 1))
    }

    pub(crate) fn end_request(&self) {
        give_back(&self.open_requests);
    }

    /// Notes a room, and says whether it is a new one; joining one again takes no place.
    pub(crate) fn begin_room(&self, game_id: &str) -> Result<bool, Error> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if !rooms.contains(game_id) && rooms.len() >= MAX_ROOMS {
            return Err(Error::Full);
        }
        Ok(rooms.insert(game_id.to_owned()))
    }

    pub(crate) fn forget_room(&self, game_id: &str) {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).remove(game_id);
    }

    // ---- the end ----

    /// Whether this call is the one that closes.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// The driver: a defect ended it.
    pub(crate) fn break_down(&self) {
        let previous = self.state();
        self.broken.store(true, Ordering::Release);
        let state = State::Failed;
        self.push(
            Event::StateChanged { state, previous, cause: Cause::Unsupported, code: 0, retry_in: 0 },
            false,
        );
    }

    /// The driver: its thread ends, everything is given back.
    pub(crate) fn set_ended(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.on_end.notify_all();
    }

    /// Waits for the driver's end; whether it came.
    pub(crate) fn wait_ended(&self, max_wait: Duration) -> bool {
        let deadline = Instant::now().checked_add(max_wait);
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ended {
            // A wait beyond the clock's range is as good as an hour, again and again.
            let left =
                deadline.map_or(Duration::from_secs(3600), |d| d.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            ended = self.on_end.wait_timeout(ended, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

fn take_one(counter: &AtomicUsize, max: usize) -> Result<(), Error> {
    let more = |n| (n < max).then_some(n + 1);
    counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).map(|_| ()).map_err(|_| Error::Full)
}

fn give_back(counter: &AtomicUsize) {
    // Saturating: an answer that was counted twice must not open the gates for ever.
    let _ = counter.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| Some(n.saturating_sub(1)));
}
