//! The core: the sum of all parts, with one way in and one way out.
//!
//! [`Core::handle`] takes one [`Input`], lets the part that it concerns note it, fires the timers that are due, and then
//! *settles*: looks at the whole state and does what is now to be done. Settling is idempotent, so a spurious wake is harmless
//! and no path can forget a step. The files of this folder are the steps: `token`, `connection` (sockets, handshake, liveness), `lifecycle`,
//! `inbound` (messages), `outbound` (requests and the envelope), `offers`, `flags`, `analytics`, `identity` (persistence and
//! players), `rooms`, `bets`, `commands` (the game's calls).

mod analytics;
mod bets;
mod commands;
mod connection;
mod flags;
mod identity;
mod inbound;
mod lifecycle;
mod offers;
mod outbound;
mod rooms;
mod token;

use crate::analytics::Queue;
use crate::config::Config;
use crate::event::{Cause, Dropped, Event, State};
use crate::flags::Flags;
use crate::flags::fetch::FlagFetch;
use crate::io::{HttpId, Input, LogLevel, Now, Output};
use crate::offers::gate::Gate;
use crate::offers::ledger::Ledger;
use crate::protocol::limits::{DEAD_AFTER_MS, LATE_WAKE_MS, MAX_MESSAGE_BYTES};
use crate::rng::Rng;
use crate::rooms::bets::Bets;
use crate::rooms::table::Rooms;
use crate::session::clock::{Clock, ServerClock};
use crate::session::delivery::Delivery;
use crate::session::heartbeat::Heartbeat;
use crate::session::link::{Link, Phase};
use crate::session::requests::Requests;
use crate::session::timers::{Timer, Timers};
use crate::session::token::Tokens;
use crate::text::{join, number};

use identity::Store;

/// What an HTTP request was for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    /// `GET /flags`.
    Flags,
    /// `POST /offers/claim` for this break.
    Claim { number: u64 },
    /// `POST /events` with this page.
    Events { page: u32 },
    /// `POST /auth/telegram`.
    Telegram,
}

/// The SDK's logic, without socket, thread, clock or global random.
pub struct Core {
    config: Config,
    rng: Rng,
    clock: Clock,
    timers: Timers,
    out: Vec<Output>,

    link: Link,
    tokens: Tokens,
    heartbeat: Heartbeat,
    delivery: Delivery,
    requests: Requests,
    /// What `connected` said.
    dead_after: u64,
    max_message: usize,

    gate: Gate,
    ledger: Ledger,
    rooms: Rooms,
    bets: Bets,

    flag_fetch: FlagFetch,
    /// What the getters return, for all the core knows.
    flags_applied: Flags,
    /// Fetched, but perhaps not applied yet.
    flags_offered: Option<Flags>,

    analytics: Queue,
    /// The game reported what became of an offer, which is a reason to be connected until it is sent.
    game_reported: bool,
    /// A batch was refused or got lost: none before this.
    analytics_rest_until: u64,
    /// The server said so itself, and a new connection changes nothing.
    analytics_rest_ordered: bool,

    store: Store,
    http: Vec<(HttpId, Purpose)>,
    last_http: u64,

    /// Events handed out so far; what an acknowledgement waits for is a point in this count.
    events_out: u64,
    /// What the game was told last.
    told: (State, Cause, u16),
    /// The back-off that it was told of.
    told_retry: Option<u64>,
    /// A session was authenticated in this process.
    had_session: bool,
    /// The deadline handed to the driver, in core time.
    armed: Option<u64>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("link", &self.link).field("t", &self.clock.t()).finish_non_exhaustive()
    }
}

impl Core {
    /// A core at the start of a process. Drain [`Core::poll_output`] at once: the first output asks for what was saved.
    ///
    /// `config` must have passed [`Config::check`]; `seed` should be random in a real driver.
    pub fn new(config: Config, seed: u64, now: Now) -> Self {
        let mut core = Core {
            rng: Rng::new(seed),
            clock: Clock::new(now),
            timers: Timers::default(),
            out: Vec::new(),
            link: Link::new(),
            tokens: Tokens::default(),
            heartbeat: Heartbeat::new(),
            delivery: Delivery::default(),
            requests: Requests::default(),
            dead_after: DEAD_AFTER_MS,
            max_message: MAX_MESSAGE_BYTES,
            gate: Gate::default(),
            ledger: Ledger::default(),
            rooms: Rooms::default(),
            bets: Bets::default(),
            flag_fetch: FlagFetch::new(),
            flags_applied: Flags::defaults(),
            flags_offered: None,
            analytics: Queue::new(),
            game_reported: false,
            analytics_rest_until: 0,
            analytics_rest_ordered: false,
            store: Store::default(),
            http: Vec::new(),
            last_http: 0,
            events_out: 0,
            told: (State::Connecting, Cause::None, 0),
            told_retry: None,
            had_session: false,
            armed: None,
            config,
        };
        core.begin_loading();
        core
    }

    /// Takes one input. Drain [`Core::poll_output`] afterwards.
    pub fn handle(&mut self, input: Input<'_>, now: Now) {
        let jumped = self.clock.advance(now);
        let t = self.clock.t();
        let late = self.armed.take().is_some_and(|deadline| t > deadline + LATE_WAKE_MS);
        if jumped || late {
            let ends =
                matches!(input, Input::SocketClosed { socket, .. } if self.link.socket() == Some(socket));
            self.on_slept(ends);
        }
        self.dispatch(&input);
        while let Some(timer) = self.timers.take_due(t) {
            self.on_timer(timer);
        }
        self.settle();
    }

    /// The next thing to do; [`Output::WakeAt`] when there is nothing more.
    pub fn poll_output(&mut self) -> Output {
        if !self.out.is_empty() {
            return self.out.remove(0);
        }
        self.armed = self.timers.next();
        Output::WakeAt(self.armed.map_or(u64::MAX, |t| self.clock.mono_of(t)))
    }

    /// The server's wall clock, Unix ms; the device's before the server's first word.
    pub fn server_time(&self, now: Now) -> i64 {
        self.clock.server_clock().at(now)
    }

    /// The relation behind [`Core::server_time`], to be read on other threads. Changes only in [`Core::handle`].
    pub fn server_clock(&self) -> ServerClock {
        self.clock.server_clock()
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.told.0
    }

    fn dispatch(&mut self, input: &Input<'_>) {
        match input {
            Input::Loaded { key, bytes } => self.on_loaded(key, *bytes),
            Input::Saved { key, ok } => self.on_saved(key, *ok),
            Input::HttpResponse { http, reply } => self.on_http(*http, *reply),
            Input::Taken { events } => self.on_taken(*events),
            _ if self.link.is_closed() => {}
            Input::SocketOpened { socket } => self.on_socket_opened(*socket),
            Input::Text { socket, text } => self.on_text(*socket, text),
            Input::SocketClosed { socket, code, retry_after_ms } => {
                self.on_socket_closed(*socket, *code, *retry_after_ms);
            }
            Input::Token { ticket, token } => self.on_token(*ticket, *token),
            Input::Lifecycle(what) => self.on_lifecycle(*what),
            Input::Command(command) => self.on_command(command),
            Input::Wake => {}
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            // Without back-off, settling opens the socket.
            Timer::Reconnect if self.link.phase == Phase::Backoff => self.link.phase = Phase::Idle,
            Timer::Handshake => self.give_up_socket(Cause::Network),
            Timer::PingTimeout => self.on_ping_timeout(),
            Timer::Heartbeat => self.on_heartbeat(),
            Timer::Ack => self.send_ack(),
            Timer::Grace => self.on_grace_over(),
            Timer::Requests => self.on_request_deadlines(),
            Timer::Lease => self.on_lease_over(),
            Timer::Save => self.save_all(),
            // Their parts look at the time themselves, when settling.
            Timer::Reconnect | Timer::Claim | Timer::Expiry | Timer::Token | Timer::Flags => {}
        }
    }

    /// Does what is to be done now. Idempotent.
    fn settle(&mut self) {
        if !self.store.is_loaded() {
            return;
        }
        if self.link.is_closed() {
            // What the game still takes, and what the server still answers, is remembered.
            return self.save_changes();
        }
        self.settle_offers();
        self.settle_connection();
        self.settle_flags();
        // Before what goes out: an acknowledgement may be the consequence of a save.
        self.settle_saves();
        self.settle_outbound();
        self.tell_state();
        self.set_timers();
    }

    /// Deadlines that follow from the state.
    fn set_timers(&mut self) {
        let online = self.link.is_online();
        self.timers.set(Timer::Heartbeat, self.heartbeat.ping_due().filter(|_| online));
        self.timers.set(Timer::PingTimeout, self.heartbeat.dead_at().filter(|_| online));
        self.timers.set(Timer::Requests, self.requests.next_deadline());
        self.timers.set(Timer::Lease, self.gate.open().map(|b| b.until));
        let claim = self.gate.open().and_then(|b| b.claim_at).filter(|_| !online && self.may_claim());
        self.timers.set(Timer::Claim, claim.filter(|&at| at > self.clock.t()));
        let flags = self.flag_fetch.due().filter(|_| self.may_fetch_flags());
        self.timers.set(Timer::Flags, flags.filter(|&at| at > self.clock.t()));
        self.timers.set(Timer::Expiry, self.ledger.next_expiry().and_then(|at| self.clock.t_of_server(at)));
    }

    fn event(&mut self, event: Event) -> u64 {
        self.push_event(event, false)
    }

    fn tell_dropped(&mut self, what: Dropped, count: u64) {
        if count > 0 {
            self.event(Event::Dropped { what, count });
        }
    }

    fn push_event(&mut self, event: Event, durable: bool) -> u64 {
        self.events_out += 1;
        self.out.push(Output::Event { event, durable });
        self.events_out
    }

    /// A line for the log: what happened, and what to.
    fn log(&mut self, level: LogLevel, what: &str, detail: &str) {
        self.out.push(Output::Log { level, line: join(&[what, detail]) });
    }

    fn tell_state(&mut self) {
        let has_token = self.tokens.usable(self.clock.t()).is_some();
        let (state, cause, code) = self.link.told(has_token);
        let retry_at = self.timers.get(Timer::Reconnect).filter(|_| self.link.phase == Phase::Backoff);
        let moved = (state, cause, code) != self.told;
        // A new back-off is news even where state and cause are those of the last one.
        if !moved && (retry_at.is_none() || retry_at == self.told_retry) {
            return;
        }
        let previous = self.told.0;
        self.told = (state, cause, code);
        self.told_retry = retry_at;
        let retry_in = retry_at.map_or(0, |at| at.saturating_sub(self.clock.t()).max(1));
        let why = [state.as_str(), ": ", cause.as_str(), " ", &number(code.into())];
        self.log(LogLevel::Info, "", &join(&why));
        self.event(Event::StateChanged { state, previous, cause, code, retry_in });
    }
}
