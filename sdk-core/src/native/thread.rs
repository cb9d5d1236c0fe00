//! The loop of the background thread: does what the core says, reports what happened, and sleeps in the poller until the
//! socket, a command, an HTTP answer or the core's `WakeAt` wakes it. There is no periodic tick.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use super::clock::Clock;
use super::disk::Disk;
use super::http::{self, Http};
use super::logs;
use super::shared::{Message, Shared};
use super::socket::{SocketEvent, Sockets, WAKER};
use crate::command::Command;
use crate::core::Core;
use crate::event::{Event, State};
use crate::flags::Flags;
use crate::io::{HttpReply, Input, LogLevel, Output, SocketId, StoreKey};

/// Commands and messages handled before the other sources get their turn.
const BATCH: usize = 256;
/// The bound on what is still delivered after the end. The socket's goodbye has its own.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The core's hands before there is a thread: what `connect` does itself.
pub(crate) struct Start {
    pub(crate) core: Core,
    pub(crate) clock: Clock,
    pub(crate) disk: Option<Disk>,
}

impl Start {
    /// Reads what a start needs, one small file, and returns the last run's flags and what is left to do.
    pub(crate) fn load(&mut self) -> (Flags, Vec<Output>) {
        let (mut flags, mut later) = (Flags::defaults(), Vec::new());
        loop {
            let mut boot = false;
            loop {
                match self.core.poll_output() {
                    Output::Load { key: StoreKey::Boot } => boot = true,
                    Output::Flags(loaded) => flags = loaded,
                    output @ Output::WakeAt(_) => {
                        later.push(output);
                        break;
                    }
                    output => later.push(output),
                }
            }
            if !boot {
                return (flags, later);
            }
            let bytes = self.disk.as_mut().and_then(|disk| disk.load(&StoreKey::Boot));
            let input = Input::Loaded { key: StoreKey::Boot, bytes: bytes.as_deref() };
            self.core.handle(input, self.clock.now());
        }
    }
}

/// Everything that the thread owns.
pub(crate) struct Driver {
    pub(crate) core: Core,
    pub(crate) clock: Clock,
    pub(crate) disk: Option<Disk>,
    pub(crate) poll: Poll,
    pub(crate) sockets: Sockets,
    pub(crate) http: Http,
    pub(crate) messages: Receiver<Message>,
    pub(crate) shared: Arc<Shared>,
    /// What the core last said, monotonic.
    pub(crate) wake_at: u64,
    /// To be answered before anything else is handed in.
    pub(crate) loads: VecDeque<StoreKey>,
    pub(crate) saved: VecDeque<(StoreKey, bool)>,
    /// The last `Taken` that the core was told.
    pub(crate) taken: u64,
    /// The core is closed: only goodbyes are left.
    pub(crate) closed: bool,
    /// Once it is closed: how long a last delivery may take.
    pub(crate) last_words: Option<Instant>,
    /// A batch was full, so there is more to do without the poller's word.
    pub(crate) more: bool,
}

/// The thread's whole life.
pub(crate) fn main(driver: Driver, later: Vec<Output>) {
    let shared = Arc::clone(&driver.shared);
    let _attached = logs::attach(shared.log_queue.clone());
    // The driver lives inside, so that sockets, files and the lock are given back before anybody is told of the end.
    let lived = catch_unwind(AssertUnwindSafe(move || {
        let mut driver = driver;
        driver.run(later)
    }));
    let broken = match lived {
        Ok(Ok(())) => false,
        Ok(Err(error)) => {
            log::error!("castline: the poller failed: {error}");
            true
        }
        Err(_) => {
            log::error!("castline: internal error; the client is out of service");
            true
        }
    };
    if broken {
        shared.break_down();
    }
    shared.set_ended();
}

impl Driver {
    fn run(&mut self, later: Vec<Output>) -> io::Result<()> {
        for output in later {
            self.perform(output);
        }
        self.answer();
        let mut events = Events::with_capacity(64);
        loop {
            self.shared.rounds.fetch_add(1, Ordering::Relaxed);
            self.round();
            self.sockets.flush();
            if self.closed && self.is_over() {
                return Ok(());
            }
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            for event in events.iter().filter(|event| event.token() != WAKER) {
                self.sockets.ready(event.token());
            }
        }
    }

    /// Whether the last words are said: a flush over HTTP, and what the socket still had to send.
    fn is_over(&mut self) -> bool {
        let now = Instant::now();
        let until = *self.last_words.get_or_insert(now + LAST_WORDS);
        let delivering = self.http.is_delivering() && now < until;
        if !delivering {
            // Whoever opens the directory next need not wait for a slow peer.
            self.disk = None;
        }
        !delivering && self.sockets.is_idle()
    }

    /// One look at every source.
    fn round(&mut self) {
        self.more = false;
        // Read first and told last: an offer that the game took back is told by a message that came before this count.
        let taken = self.shared.taken();
        self.take_messages();
        self.take_socket_events();
        while let Some(response) = self.http.next() {
            self.take_response(&response);
        }
        if !self.more {
            self.tell_taken(taken);
        }
        if self.clock.now().mono >= self.wake_at {
            self.handle(Input::Wake);
        }
    }

    fn tell_taken(&mut self, taken: u64) {
        if taken > self.taken {
            self.taken = taken;
            self.handle(Input::Taken { events: taken });
        }
    }

    fn take_messages(&mut self) {
        for _ in 0..BATCH {
            match self.messages.try_recv() {
                Ok(message) => {
                    self.shared.end_command();
                    match message {
                        Message::Command(command) => {
                            if command == Command::Close {
                                // What the game took before it closed is acknowledged and remembered like everything else;
                                // a closed core would not hear of it.
                                self.tell_taken(self.shared.taken());
                            }
                            self.handle(Input::Command(command));
                        }
                        Message::Lifecycle(what) => self.handle(Input::Lifecycle(what)),
                        #[cfg(test)]
                        Message::Panic => panic!("as the test wants it"),
                    }
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
        self.more = true;
    }

    fn take_socket_events(&mut self) {
        for _ in 0..BATCH {
            let Some((id, event)) = self.sockets.next(Instant::now()) else { return };
            let socket = SocketId(id);
            match event {
                SocketEvent::Opened => self.handle(Input::SocketOpened { socket }),
                SocketEvent::Text(text) => self.handle(Input::Text { socket, text: &text }),
                // Refused by the limits.
                SocketEvent::Binary(_) | SocketEvent::Control => {}
                SocketEvent::Closed { code, retry_after_ms } => {
                    self.handle(Input::SocketClosed { socket, code, retry_after_ms });
                }
            }
        }
        self.more = true;
    }

    fn take_response(&mut self, response: &http::Response) {
        let reply = match &response.reply {
            Ok(reply) => Ok(HttpReply { status: reply.status, headers: &reply.headers, body: &reply.body }),
            Err(failure) => Err(*failure),
        };
        self.handle(Input::HttpResponse { http: response.http, reply });
    }

    /// Hands in one input and does everything that follows from it.
    fn handle(&mut self, input: Input<'_>) {
        self.core.handle(input, self.clock.now());
        self.drain();
        self.answer();
        self.shared.server_clock.publish(self.clock.now(), self.core.server_clock());
    }

    fn drain(&mut self) {
        loop {
            let output = self.core.poll_output();
            let last = matches!(output, Output::WakeAt(_));
            self.perform(output);
            if last {
                return;
            }
        }
    }

    /// Answers what the disk was asked, and what is asked in turn.
    fn answer(&mut self) {
        loop {
            if let Some(key) = self.loads.pop_front() {
                let bytes = self.disk.as_mut().and_then(|disk| disk.load(&key));
                self.core.handle(Input::Loaded { key, bytes: bytes.as_deref() }, self.clock.now());
            } else if let Some((key, ok)) = self.saved.pop_front() {
                self.core.handle(Input::Saved { key, ok }, self.clock.now());
            } else {
                return;
            }
            self.drain();
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenSocket { socket, url } => self.sockets.open(socket.0, &url, Instant::now()),
            Output::SendText { socket, text } => self.sockets.send_text(socket.0, &text),
            Output::CloseSocket { socket, code } => self.sockets.close(socket.0, code, Instant::now()),
            Output::HttpRequest { http, method, url, headers, body, timeout_ms } => {
                let timeout = Duration::from_millis(timeout_ms.into());
                self.http.start(http::Request { http, method, url, headers, body, timeout });
            }
            Output::FetchToken { .. } => self.shared.need_token(),
            Output::Load { key } => self.loads.push_back(key),
            Output::Save { key, bytes } => {
                // What was said before leaves first: a slow disk must not hold it back.
                self.sockets.flush();
                let ok = self.disk.as_mut().is_some_and(|disk| disk.save(&key, &bytes));
                self.saved.push_back((key, ok));
            }
            Output::Flags(flags) => self.shared.offer_flags(flags),
            Output::Event { event, durable } => {
                self.closed |= matches!(event, Event::StateChanged { state: State::Closed, .. });
                self.shared.push(event, durable);
            }
            Output::Log { level, line } => {
                let level = match level {
                    LogLevel::Error => log::Level::Error,
                    LogLevel::Warn => log::Level::Warn,
                    LogLevel::Info => log::Level::Info,
                    LogLevel::Debug => log::Level::Debug,
                };
                log::log!(target: "castline", level, "{line}");
            }
            Output::WakeAt(mono) => self.wake_at = mono,
        }
    }

    /// How long the poller may sleep; `None`: until something wakes it.
    fn timeout(&self) -> Option<Duration> {
        if self.more {
            return Some(Duration::ZERO);
        }
        let now = Instant::now();
        let wake = if self.wake_at == u64::MAX { None } else { self.clock.instant(self.wake_at) };
        let last_words = self.last_words.filter(|_| self.http.is_delivering());
        let due = [wake, last_words, self.sockets.deadline(now)].into_iter().flatten().min()?;
        Some(due.saturating_duration_since(now))
    }
}
