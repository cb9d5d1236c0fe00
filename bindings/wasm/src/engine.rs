//! The core with its driver's promises: what `Load` and `Save` ask is answered before anything else is handed in, and what the game
//! took is told before the client closes.

use std::collections::VecDeque;

use castline::{
    Config, Core, FlagUpdates, Flags, HttpFailure, HttpId, HttpReply, Inbox, Input, Lifecycle, Output,
    SocketId, StoreKey, TokenId,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::host::{Host, now};
use crate::told;

/// One client.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine {
    host: Host,
    core: Core,
    inbox: Inbox,
    /// What the getters give.
    flags: Flags,
    loads: VecDeque<StoreKey>,
    saved: VecDeque<(StoreKey, bool)>,
    /// The last `Taken` that the core was told.
    taken: u64,
    /// An acknowledgement waits, or the inbox was full: the core is to be told when the event has been dealt with.
    tell_taken: bool,
    /// The timer that the host was asked for last.
    wake_at: u64,
}

/// Checks the options, loads what the last run left, and starts to connect.
///
/// # Errors
/// The text of what is wrong with an option, with its name.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)]
pub fn start(
    host: Host,
    url: String,
    build: String,
    player_id: Option<String>,
    token: Option<String>,
    init_data: Option<String>,
    at_break: bool,
    persistent: bool,
    seed_high: u32,
    seed_low: u32,
) -> Result<Engine, String> {
    let mut config = Config::new(url, build);
    config.player_id = player_id;
    config.token = token;
    config.telegram_init_data = init_data;
    config.flag_updates = if at_break { FlagUpdates::AtBreak } else { FlagUpdates::Immediate };
    config.persistent = persistent;
    config.sdk.platform = "web".into();
    config.check().map_err(crate::commands::text)?;
    let updates = config.flag_updates;
    let seed = u64::from(seed_high) << 32 | u64::from(seed_low);
    let mut engine = Engine {
        core: Core::new(config, seed, now()),
        inbox: Inbox::new(updates, Flags::defaults()),
        flags: Flags::defaults(),
        host,
        loads: VecDeque::new(),
        saved: VecDeque::new(),
        taken: 0,
        tell_taken: false,
        wake_at: u64::MAX,
    };
    engine.load(updates);
    Ok(engine)
}

impl Engine {
    /// The boot record first, alone: the last run's flags are what the getters give from the beginning, and no change.
    fn load(&mut self, updates: FlagUpdates) {
        let mut later = Vec::new();
        loop {
            let mut boot = false;
            loop {
                match self.core.poll_output() {
                    Output::Load { key: StoreKey::Boot } => boot = true,
                    Output::Flags(flags) => self.flags = flags,
                    output @ Output::WakeAt(_) => {
                        later.push(output);
                        break;
                    }
                    output => later.push(output),
                }
            }
            if !boot {
                break;
            }
            let text = self.host.load(&StoreKey::Boot.file_name());
            let bytes = text.as_deref().map(str::as_bytes);
            self.core.handle(Input::Loaded { key: StoreKey::Boot, bytes }, now());
        }
        self.inbox = Inbox::new(updates, self.flags.clone());
        for output in later {
            self.perform(output);
        }
        self.answer();
    }

    /// Hands in one input and does everything that follows from it.
    pub(crate) fn handle(&mut self, input: Input<'_>) {
        self.core.handle(input, now());
        self.drain();
        self.answer();
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

    /// Answers what the storage was asked, and what is asked in turn.
    fn answer(&mut self) {
        loop {
            if let Some(key) = self.loads.pop_front() {
                let text = self.host.load(&key.file_name());
                let bytes = text.as_deref().map(str::as_bytes);
                self.core.handle(Input::Loaded { key, bytes }, now());
            } else if let Some((key, ok)) = self.saved.pop_front() {
                self.core.handle(Input::Saved { key, ok }, now());
            } else {
                return;
            }
            self.drain();
        }
    }

    fn perform(&mut self, output: Output) {
        let host = &self.host;
        match output {
            Output::OpenSocket { socket, url } => host.open(socket.0 as f64, &url),
            Output::SendText { socket, text } => host.send(socket.0 as f64, &text),
            Output::CloseSocket { socket, code } => host.shut(socket.0 as f64, code),
            Output::HttpRequest { http, method, url, headers, body, timeout_ms } => {
                let mut lines = String::new();
                for (name, value) in &headers {
                    lines.push_str(name);
                    lines.push_str(": ");
                    lines.push_str(value);
                    lines.push('\n');
                }
                host.fetch(http.0 as f64, method.as_str(), &url, &lines, &body, timeout_ms);
            }
            Output::FetchToken { ticket } => host.ask(ticket.0 as f64),
            Output::Load { key } => self.loads.push_back(key),
            Output::Save { key, bytes } => {
                // Every record is JSON.
                let ok = std::str::from_utf8(&bytes).is_ok_and(|text| host.save(&key.file_name(), text));
                self.saved.push_back((key, ok));
            }
            Output::Flags(flags) => {
                let now = self.inbox.offer_flags(flags);
                self.publish(now);
            }
            Output::Event { event, durable } => self.inbox.push(event, durable),
            Output::Log { level, line } => host.log(level as u32, &line),
            Output::WakeAt(mono) if mono != self.wake_at => {
                self.wake_at = mono;
                host.wake(if mono == u64::MAX { f64::INFINITY } else { mono as f64 });
            }
            _ => {}
        }
    }

    fn publish(&mut self, flags: Option<Flags>) {
        if let Some(flags) = flags {
            self.flags = flags;
            self.host.flags();
        }
    }

    pub(crate) fn inbox(&mut self) -> &mut Inbox {
        &mut self.inbox
    }

    /// The event that was handed over last has been dealt with.
    pub(crate) fn tell_taken(&mut self) {
        let events = self.inbox.taken();
        if std::mem::take(&mut self.tell_taken) && events > self.taken {
            self.taken = events;
            self.handle(Input::Taken { events });
        }
    }
}

#[wasm_bindgen]
impl Engine {
    /// Hands the next event to `Host::event`; false: there is none. The one before counts as taken now.
    pub fn hand(&mut self) -> bool {
        self.tell_taken();
        let crowded = self.inbox.len() >= castline::protocol::limits::MAX_QUEUED_EVENTS;
        let Some(handed) = self.inbox.pop() else { return false };
        self.tell_taken = handed.durable || crowded;
        self.publish(handed.flags);
        told::tell(&self.host, handed.event);
        true
    }

    /// Whether an event waits.
    pub fn waits(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// A safe point for flags.
    pub fn apply(&mut self) {
        let flags = self.inbox.apply_flags();
        self.publish(flags);
    }

    /// A flag's value as JSON text, if it is of the wanted type: 0 any, 1 bool, 2 integer, 3 number, 4 string.
    pub fn flag(&self, key: &str, want: u32) -> Option<String> {
        let flags = &self.flags;
        let good = match want {
            1 => flags.bool(key, true) == flags.bool(key, false),
            2 => flags.i64(key, i64::MIN) != i64::MIN,
            3 => !flags.f64(key, f64::NAN).is_nan(),
            // No member of a JSON text is a raw control character, but a string's value may be: its address decides.
            4 => !std::ptr::eq(flags.string(key, NONE), NONE),
            _ => true,
        };
        let json = if good { flags.json(key, "") } else { "" };
        (!json.is_empty()).then(|| json.to_owned())
    }

    /// The names of all flags, a line each; none of them has a line break.
    pub fn names(&self) -> String {
        self.flags.names().collect::<Vec<_>>().join("\n")
    }

    /// A flag's variant.
    pub fn variant(&self, key: &str) -> Option<String> {
        self.flags.variant(key).map(str::to_owned)
    }

    /// Why a flag has its value.
    pub fn reason(&self, key: &str) -> String {
        self.flags.reason(key).as_str().to_owned()
    }

    /// Where the connection stands, for who asks between two events.
    pub fn state(&self) -> u32 {
        self.core.state() as u32
    }

    /// The server's clock, Unix ms.
    pub fn server_time(&self) -> f64 {
        self.core.server_time(now()) as f64
    }

    /// The timer came due.
    pub fn woken(&mut self) {
        // Whatever it was set to: a timer that came early is set again.
        self.wake_at = u64::MAX;
        self.handle(Input::Wake);
    }

    /// The socket's upgrade is done.
    pub fn opened(&mut self, socket: f64) {
        self.handle(Input::SocketOpened { socket: SocketId(socket as u64) });
    }

    /// A text came.
    pub fn text(&mut self, socket: f64, text: &str) {
        self.handle(Input::Text { socket: SocketId(socket as u64), text });
    }

    /// The socket ended.
    pub fn shut(&mut self, socket: f64, code: u16) {
        self.handle(Input::SocketClosed { socket: SocketId(socket as u64), code, retry_after_ms: None });
    }

    /// An HTTP answer. `etag` and `retry_after` are empty where there is none.
    pub fn answered(&mut self, http: f64, status: u16, etag: String, retry_after: String, body: &[u8]) {
        let headers: Vec<_> = [("etag", etag), ("retry-after", retry_after)]
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let reply = Ok(HttpReply { status, headers: &headers, body });
        self.handle(Input::HttpResponse { http: HttpId(http as u64), reply });
    }

    /// No HTTP answer. 0: unreachable, 1: not in time, 2: too large.
    pub fn unanswered(&mut self, http: f64, why: u32) {
        let failure = match why {
            0 => HttpFailure::Unreachable,
            1 => HttpFailure::TimedOut,
            _ => HttpFailure::TooLarge,
        };
        self.handle(Input::HttpResponse { http: HttpId(http as u64), reply: Err(failure) });
    }

    /// The game's provider has answered.
    pub fn token(&mut self, ticket: f64, token: Option<String>) {
        self.handle(Input::Token { ticket: TokenId(ticket as u64), token: token.as_deref() });
    }

    /// The page's life: the numbers of [`Lifecycle`].
    pub fn lifecycle(&mut self, what: u32) {
        let word = Lifecycle::ALL.iter().copied().find(|word| *word as u32 == what);
        if let Some(word) = word {
            self.handle(Input::Lifecycle(word));
        }
    }
}

/// The default that no flag gives.
static NONE: &str = "\0";
