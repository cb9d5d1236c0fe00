//! A client under simulated time, its model server, and a game that takes every event at once.

use std::collections::{BTreeMap, VecDeque};

use castline::protocol::{Channel, Envelope};
use castline::{
    Command, Config, Core, Event, FlagUpdates, Flags, HttpFailure, HttpId, HttpReply, Inbox, Input, Now,
    Outcome, Output, SocketId,
};
use serde_json::{Value, json};

use super::Told;

/// Any seed does: nothing in a script may hang on it.
const SEED: u64 = 7;
const MINUTE_MS: u64 = 60_000;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) wall_at_zero: u64,
}

/// What came of a step.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(super) told: Vec<Told>,
    /// Types of the messages sent on channel `offers`.
    pub(crate) sent: Vec<String>,
    /// Paths of the claims.
    pub(crate) claims: Vec<String>,
}

/// What the driver owes the core. Owned, for the core is busy when it arises.
enum Owed {
    Loaded(castline::StoreKey),
    Saved(castline::StoreKey),
    Token(castline::TokenId),
    Text(SocketId, String),
    Taken(u64),
}

pub(crate) struct Player {
    core: Core,
    inbox: Inbox,
    clocks: Clocks,
    name: String,
    token: String,
    t: u64,
    wake: u64,
    store: BTreeMap<String, Vec<u8>>,
    owed: VecDeque<Owed>,
    /// Asked for, not open yet.
    opening: Option<SocketId>,
    open: Option<SocketId>,
    /// Ids of the `ready_for_offer` messages.
    asked: Vec<String>,
    claim: Option<HttpId>,
    process: u32,
    got: Got,
}

impl Player {
    pub(crate) fn new(clocks: Clocks, name: &str, token: &str) -> Player {
        let mut player = Player {
            core: core(token, now(clocks, 0), 0),
            inbox: Inbox::new(FlagUpdates::Immediate, Flags::defaults()),
            clocks,
            name: name.to_owned(),
            token: token.to_owned(),
            t: 0,
            wake: u64::MAX,
            store: BTreeMap::new(),
            owed: VecDeque::new(),
            opening: None,
            open: None,
            asked: Vec::new(),
            claim: None,
            process: 0,
            got: Got::default(),
        };
        player.settle();
        player
    }

    pub(crate) fn take(&mut self) -> Got {
        std::mem::take(&mut self.got)
    }

    // ---- time ----

    pub(crate) fn advance_to(&mut self, t: u64) {
        // No script needs more; a core that asks to be woken at once again and again would never get there.
        for _ in 0..100_000 {
            if self.wake > t {
                self.t = t;
                return;
            }
            self.t = self.t.max(self.wake);
            self.handle(Input::Wake);
        }
        panic!("the core asks to be woken without end at {} ms", self.t);
    }

    fn now(&self) -> Now {
        now(self.clocks, self.t)
    }

    fn wall(&self) -> u64 {
        self.clocks.wall_at_zero + self.t
    }

    // ---- steps ----

    pub(crate) fn connect(&mut self, resumed: bool) {
        let socket = self.opening.take().expect("the client has asked for a socket");
        self.open = Some(socket);
        self.handle(Input::SocketOpened { socket });
        let connected = json!({ "connectionId": "c", "serverTime": self.wall(), "heartbeatMs": MINUTE_MS });
        self.receive("system", "connected", &connected, None, None);
        let session = format!("s{}", self.process);
        let authenticated = json!({
            "userId": self.name, "sessionId": session, "resumed": resumed, "discarded": 0, "flagsVersion": "", "rooms": [],
        });
        self.receive("system", "authenticated", &authenticated, None, None);
    }

    pub(crate) fn disconnect(&mut self, code: u16) {
        let socket = self.open.take().expect("there is a socket");
        self.handle(Input::SocketClosed { socket, code, retry_after_ms: None });
    }

    pub(crate) fn ready(&mut self, placement: &str, lease_ms: u64) {
        self.command(Command::Ready { placement: placement.to_owned(), context: None, lease_ms });
    }

    pub(crate) fn not_ready(&mut self) {
        // A game that takes every event at once has none to give back.
        let withdrawn = self.inbox.not_ready();
        self.command(Command::NotReady { withdrawn });
    }

    pub(crate) fn result(&mut self, offer_id: &str, outcome: &str) {
        let outcome = Outcome::parse(outcome).expect("an outcome");
        self.command(Command::OfferResult { offer_id: offer_id.to_owned(), outcome });
    }

    pub(crate) fn close(&mut self) {
        self.command(Command::Close);
    }

    pub(crate) fn restart(&mut self) {
        self.process += 1;
        self.core = core(&self.token, self.now(), self.process);
        self.inbox = Inbox::new(FlagUpdates::Immediate, Flags::defaults());
        (self.opening, self.open, self.claim) = (None, None, None);
        self.owed.clear();
        self.settle();
    }

    pub(crate) fn reply_to_ready(&mut self, first: bool, channel: &str, kind: &str, payload: &Value) {
        let id = if first { self.asked.first() } else { self.asked.last() };
        let id = id.expect("the client has sent ready_for_offer").clone();
        self.receive(channel, kind, payload, None, Some(&id));
    }

    pub(crate) fn reply_to_claim(&mut self, status: u16, body: &str) {
        let http = self.claim.take().expect("the client has claimed");
        let reply: Result<_, HttpFailure> = Ok(HttpReply { status, headers: &[], body: body.as_bytes() });
        self.handle(Input::HttpResponse { http, reply });
    }

    /// The server sends a message.
    pub(crate) fn receive(
        &mut self,
        channel: &str,
        kind: &str,
        payload: &Value,
        seq: Option<u64>,
        re: Option<&str>,
    ) {
        let socket = self.open.expect("there is a socket");
        let mut message =
            json!({ "channel": channel, "type": kind, "payload": payload, "timestamp": self.wall() });
        if let Some(seq) = seq {
            message["seq"] = json!(seq);
        }
        if let Some(re) = re {
            message["re"] = json!(re);
        }
        self.handle(Input::Text { socket, text: &message.to_string() });
    }

    fn command(&mut self, command: Command) {
        command.check().expect("a valid command");
        self.handle(Input::Command(command));
    }

    // ---- the driver ----

    fn handle(&mut self, input: Input<'_>) {
        self.core.handle(input, self.now());
        self.settle();
    }

    /// Drains, and pays what is owed, until the core has nothing more to say.
    fn settle(&mut self) {
        loop {
            self.drain();
            let Some(owed) = self.owed.pop_front() else { return };
            let now = self.now();
            match owed {
                Owed::Loaded(key) => {
                    let bytes = self.store.get(&key.file_name()).map(Vec::as_slice);
                    self.core.handle(Input::Loaded { key, bytes }, now);
                }
                Owed::Saved(key) => self.core.handle(Input::Saved { key, ok: true }, now),
                Owed::Token(ticket) => {
                    self.core.handle(Input::Token { ticket, token: Some(&self.token) }, now)
                }
                Owed::Text(socket, text) => self.core.handle(Input::Text { socket, text: &text }, now),
                Owed::Taken(events) => self.core.handle(Input::Taken { events }, now),
            }
        }
    }

    fn drain(&mut self) {
        loop {
            match self.core.poll_output() {
                Output::OpenSocket { socket, .. } => self.opening = Some(socket),
                Output::SendText { socket, text } => self.serve(socket, &text),
                Output::CloseSocket { socket, .. } => {
                    self.open = self.open.filter(|open| *open != socket);
                    self.opening = self.opening.filter(|opening| *opening != socket);
                }
                Output::HttpRequest { http, url, .. } if url.ends_with("/offers/claim") => {
                    self.claim = Some(http);
                    self.got.claims.push("/offers/claim".to_owned());
                }
                Output::FetchToken { ticket } => self.owed.push_back(Owed::Token(ticket)),
                Output::Load { key } => self.owed.push_front(Owed::Loaded(key)),
                Output::Save { key, bytes } => {
                    if bytes.is_empty() {
                        self.store.remove(&key.file_name());
                    } else {
                        self.store.insert(key.file_name(), bytes);
                    }
                    self.owed.push_back(Owed::Saved(key));
                }
                Output::Flags(flags) => {
                    let _published = self.inbox.offer_flags(flags);
                }
                Output::Event { event, durable } => {
                    self.inbox.push(event, durable);
                    self.play();
                }
                Output::WakeAt(mono) => return self.wake = mono,
                _ => {}
            }
        }
    }

    /// The game takes what there is.
    fn play(&mut self) {
        while let Some(handed) = self.inbox.pop() {
            let told = match handed.event {
                Event::OfferReady { offer } => {
                    Told::OfferReady { offer_id: offer.offer_id, placement: offer.placement }
                }
                Event::NoOffer { placement } => Told::NoOffer { placement },
                Event::OfferExpired { offer_id } => Told::OfferExpired { offer_id },
                _ => continue,
            };
            self.got.told.push(told);
        }
        self.owed.push_back(Owed::Taken(self.inbox.taken()));
    }

    /// The server reads a message; some it answers by itself.
    fn serve(&mut self, socket: SocketId, text: &str) {
        let message = Envelope::decode(text).expect("the client sends messages");
        let id = message.id.as_deref().unwrap_or_default();
        let (channel, kind, payload) = match (message.channel, &*message.kind) {
            (Channel::System, "ping") => ("system", "pong", json!({ "serverTime": self.wall() })),
            (Channel::Analytics, "events") => ("analytics", "accepted", json!({ "count": 1 })),
            (Channel::Offers, kind) => {
                if kind == "ready_for_offer" {
                    self.asked.push(id.to_owned());
                }
                return self.got.sent.push(kind.to_owned());
            }
            _ => return,
        };
        let reply = json!({ "channel": channel, "type": kind, "payload": payload, "timestamp": self.wall(), "re": id });
        self.owed.push_back(Owed::Text(socket, reply.to_string()));
    }
}

fn now(clocks: Clocks, t: u64) -> Now {
    Now { mono: t, wall: clocks.wall_at_zero + t }
}

fn core(token: &str, now: Now, process: u32) -> Core {
    let mut config = Config::new("https://live.example.com", "1.0.0");
    config.token = Some(token.to_owned());
    config.persistent = true;
    Core::new(config, SEED + u64::from(process), now)
}
