//! The core with its driver's promises: what `Load` and `Save` ask is answered before anything else is handed in, and what the game
//! took is told before the client closes.

use std::cell::RefCell;
use std::collections::VecDeque;

use castline::{
    Config, Core, FlagUpdates, Flags, HttpFailure, HttpId, HttpReply, Inbox, Input, Lifecycle, Now, Output,
    SocketId, StoreKey, TokenId,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::commands::refuse;
use crate::crossing::{Texts, ask, lend, take_room, tell};
use crate::numbers::{call, tell as out};
use crate::told;

/// One client.
#[derive(Debug)]
pub(crate) struct Engine {
    client: u32,
    /// Both clocks, as of this call.
    now: Now,
    core: Core,
    pub(crate) inbox: Inbox,
    /// What the getters give.
    flags: Flags,
    /// What the storage is asked for.
    storage: VecDeque<Output>,
    /// The last `Taken` that the core was told.
    taken: u64,
    /// An acknowledgement waits, or the inbox was full: the core is to be told when the event has been dealt with.
    tell_taken: bool,
    /// The timer that the host was asked for last.
    wake_at: u64,
}

thread_local! {
    // They are taken out and put back with every call.
    #[allow(clippy::vec_box)]
    static ENGINES: RefCell<Vec<Box<Engine>>> = const { RefCell::new(Vec::new()) };
}

/// Calls one client, for one of the numbers of `numbers::call`. Texts are in the room. A client that does not exist, or is being called, does
/// nothing.
#[wasm_bindgen(js_name = call)]
pub fn enter(client: u32, what: u32, a: f64, b: f64, mono: f64, wall: f64) -> f64 {
    let room = take_room();
    let mut texts = Texts(&room);
    let now = Now { mono: mono as u64, wall: wall as u64 };
    let mut engine = if what == call::START {
        let Some(engine) = Engine::start(client, now, &mut texts, a, b) else { return 0.0 };
        engine
    } else {
        let taken = ENGINES.with_borrow_mut(|all| {
            let at = all.iter().position(|engine| engine.client == client)?;
            Some(all.swap_remove(at))
        });
        let Some(mut engine) = taken else { return 0.0 };
        engine.now = now;
        engine
    };
    let result = engine.call(what, &mut texts, a, b);
    if what != call::FREE {
        // Who hands over asks again by itself.
        if what != call::HAND && !engine.inbox.is_empty() {
            tell(out::WAITS, &[], &[]);
        }
        ENGINES.with_borrow_mut(|all| all.push(engine));
    }
    result
}

impl Engine {
    /// Checks the options, loads what the last run left, and starts to connect. `None`: it was told what is wrong.
    fn start(client: u32, now: Now, t: &mut Texts<'_>, high: f64, low: f64) -> Option<Box<Engine>> {
        lend();
        let mut config = Config::new(t.owned(), t.owned());
        config.player_id = t.maybe();
        config.token = t.maybe();
        config.telegram_init_data = t.maybe();
        let updates = if t.bytes().is_some() { FlagUpdates::AtBreak } else { FlagUpdates::Immediate };
        config.flag_updates = updates;
        config.persistent = t.bytes().is_some();
        config.sdk.platform = "web".into();
        if let Err(error) = config.check() {
            refuse(error);
            return None;
        }
        let seed = (high as u64) << 32 | low as u64;
        let mut engine = Box::new(Engine {
            client,
            now,
            core: Core::new(config, seed, now),
            inbox: Inbox::new(updates, Flags::defaults()),
            flags: Flags::defaults(),
            storage: VecDeque::new(),
            taken: 0,
            tell_taken: false,
            wake_at: u64::MAX,
        });
        engine.load(updates);
        Some(engine)
    }

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
            self.loaded(StoreKey::Boot);
        }
        self.inbox = Inbox::new(updates, self.flags.clone());
        for output in later {
            self.perform(output);
        }
        self.answer();
    }

    /// Hands in one input and does everything that follows from it.
    pub(crate) fn handle(&mut self, input: Input<'_>) {
        self.core.handle(input, self.now);
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
        while let Some(output) = self.storage.pop_front() {
            match output {
                Output::Load { key } => self.loaded(key),
                Output::Save { key, bytes } => {
                    // Every record is JSON.
                    let ok = std::str::from_utf8(&bytes)
                        .is_ok_and(|text| ask(out::SAVE, &[&key.file_name(), text], &[]));
                    self.core.handle(Input::Saved { key, ok }, self.now);
                }
                _ => {}
            }
            self.drain();
        }
    }

    fn loaded(&mut self, key: StoreKey) {
        let found = ask(out::LOAD, &[&key.file_name()], &[]);
        let room = take_room();
        let bytes = if found { Texts(&room).bytes() } else { None };
        self.core.handle(Input::Loaded { key, bytes }, self.now);
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenSocket { socket, url } => tell(out::OPEN, &[&url], &[socket.0 as f64]),
            Output::SendText { socket, text } => tell(out::SEND, &[&text], &[socket.0 as f64]),
            Output::CloseSocket { socket, code } => tell(out::SHUT, &[], &[socket.0 as f64, code.into()]),
            Output::HttpRequest { http, method, url, headers, body, timeout_ms } => {
                let mut texts = vec![method.as_str(), &url, &body];
                for (name, value) in &headers {
                    texts.extend([name, value.as_str()]);
                }
                tell(out::FETCH, &texts, &[http.0 as f64, timeout_ms.into()]);
            }
            Output::FetchToken { ticket } => tell(out::ASK, &[], &[ticket.0 as f64]),
            Output::Load { .. } | Output::Save { .. } => self.storage.push_back(output),
            Output::Flags(flags) => {
                let now = self.inbox.offer_flags(flags);
                self.publish(now);
            }
            Output::Event { event, durable } => self.inbox.push(event, durable),
            Output::Log { level, line } => tell(out::LOG, &[&line], &[f64::from(level as u32)]),
            Output::WakeAt(mono) if mono != self.wake_at => {
                self.wake_at = mono;
                tell(out::WAKE, &[], &[if mono == u64::MAX { f64::INFINITY } else { mono as f64 }]);
            }
            _ => {}
        }
    }

    fn publish(&mut self, flags: Option<Flags>) {
        if let Some(flags) = flags {
            self.flags = flags;
            tell(out::FLAGS, &[], &[]);
        }
    }

    /// The event that was handed over last has been dealt with.
    pub(crate) fn tell_taken(&mut self) {
        let events = self.inbox.taken();
        if std::mem::take(&mut self.tell_taken) && events > self.taken {
            self.taken = events;
            self.handle(Input::Taken { events });
        }
    }

    fn hand(&mut self) -> bool {
        self.tell_taken();
        let crowded = self.inbox.len() >= castline::protocol::limits::MAX_QUEUED_EVENTS;
        let Some(handed) = self.inbox.pop() else { return false };
        self.tell_taken = handed.durable || crowded;
        self.publish(handed.flags);
        told::tell(handed.event);
        true
    }

    /// A safe point for flags.
    pub(crate) fn apply(&mut self) {
        let flags = self.inbox.apply_flags();
        self.publish(flags);
    }

    /// Gives a flag's value as JSON text, if it is of the wanted type.
    fn flag(&self, key: &str, want: u32) {
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
        if !json.is_empty() {
            give(&[json]);
        }
    }

    /// One call; what it gives back where it gives back a number.
    fn call(&mut self, what: u32, t: &mut Texts<'_>, a: f64, b: f64) -> f64 {
        let id = a as u64;
        match what {
            call::HAND => return f64::from(self.hand()),
            call::APPLY => self.apply(),
            call::FLAG => self.flag(t.text().unwrap_or_default(), a as u32),
            call::NAMES => give(&self.flags.names().collect::<Vec<_>>()),
            call::VARIANT => {
                if let Some(variant) = t.text().and_then(|key| self.flags.variant(key)) {
                    give(&[variant]);
                }
            }
            call::REASON => give(&[self.flags.reason(t.text().unwrap_or_default()).as_str()]),
            call::STATE => return f64::from(self.core.state() as u32),
            call::SERVER_TIME => return self.core.server_time(self.now) as f64,
            call::WOKEN => {
                // Whatever it was set to: a timer that came early is set again.
                self.wake_at = u64::MAX;
                self.handle(Input::Wake);
            }
            call::OPENED => self.handle(Input::SocketOpened { socket: SocketId(id) }),
            call::TEXT => {
                let text = t.text().unwrap_or_default();
                self.handle(Input::Text { socket: SocketId(id), text });
            }
            call::SHUT => self.handle(Input::SocketClosed {
                socket: SocketId(id),
                code: b as u16,
                retry_after_ms: None,
            }),
            call::ANSWERED => {
                let body = t.bytes().unwrap_or_default();
                let mut headers = Vec::new();
                for name in ["etag", "retry-after"] {
                    headers.extend(t.maybe().map(|value| (name.to_owned(), value)));
                }
                let reply = Ok(HttpReply { status: b as u16, headers: &headers, body });
                self.handle(Input::HttpResponse { http: HttpId(id), reply });
            }
            call::UNANSWERED => {
                let failure = match b as u32 {
                    0 => HttpFailure::Unreachable,
                    1 => HttpFailure::TimedOut,
                    _ => HttpFailure::TooLarge,
                };
                self.handle(Input::HttpResponse { http: HttpId(id), reply: Err(failure) });
            }
            call::TOKEN => self.handle(Input::Token { ticket: TokenId(id), token: t.text() }),
            call::LIFECYCLE => {
                if let Some(word) = Lifecycle::ALL.iter().find(|word| **word as u64 == id) {
                    self.handle(Input::Lifecycle(*word));
                }
            }
            _ => {
                if let Some(command) = self.command(what, t, a, b) {
                    self.obey(command);
                }
            }
        }
        0.0
    }
}

fn give(texts: &[&str]) {
    tell(out::GIVE, texts, &[]);
}

/// The default that no flag gives.
static NONE: &str = "\0";
