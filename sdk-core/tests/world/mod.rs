//! A hand-driven world around the core: a clock that is set, a socket that is a list of texts, a disk that is a map.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, VecDeque};

use castline::{
    Command, Config, Core, Event, FlagUpdates, HttpId, HttpReply, Inbox, Input, Lifecycle, Now, Output,
    SocketId, State, StoreKey, TokenId,
};
use serde_json::{Value, json};

pub const WALL: u64 = 1_763_660_000_000;

#[derive(Debug)]
pub struct Http {
    pub id: HttpId,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

pub struct World {
    pub core: Core,
    pub now: Now,
    pub inbox: Inbox,
    pub disk: BTreeMap<StoreKey, Vec<u8>>,
    pub disk_works: bool,
    pub socket: Option<SocketId>,
    pub opened: u32,
    pub sent: VecDeque<Value>,
    pub closed: Vec<u16>,
    pub http: VecDeque<Http>,
    pub tickets: Vec<TokenId>,
    pub wake_at: u64,
}

pub fn config() -> Config {
    let mut config = Config::new("https://live.example.com", "2.0.0");
    config.persistent = true;
    config
}

/// A JWT that nobody verifies: its payload names `player`, and it lives for five minutes.
pub fn token(player: &str) -> String {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let claims = format!(r#"{{"sub":"{player}","iat":1763660000,"exp":1763660300}}"#);
    format!("e30.{}.sig", Base64UrlUnpadded::encode_string(claims.as_bytes()))
}

impl World {
    pub fn new(config: Config) -> World {
        World::on_disk(config, BTreeMap::new(), Now { mono: 10_000, wall: WALL })
    }

    /// A process that finds what an earlier one saved.
    pub fn on_disk(config: Config, disk: BTreeMap<StoreKey, Vec<u8>>, now: Now) -> World {
        let updates: FlagUpdates = config.flag_updates;
        let core = Core::new(config, 7, now);
        let inbox = Inbox::new(updates, castline::Flags::defaults());
        let mut world = World {
            core,
            now,
            inbox,
            disk,
            disk_works: true,
            socket: None,
            opened: 0,
            sent: VecDeque::new(),
            closed: Vec::new(),
            http: VecDeque::new(),
            tickets: Vec::new(),
            wake_at: u64::MAX,
        };
        world.drain();
        world
    }

    pub fn handle(&mut self, input: Input<'_>) {
        self.core.handle(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        let mut answers = VecDeque::new();
        loop {
            match self.core.poll_output() {
                Output::OpenSocket { socket, url } => {
                    assert_eq!(url, "wss://live.example.com/ws");
                    self.socket = Some(socket);
                    self.opened += 1;
                }
                Output::SendText { socket, text } => {
                    assert_eq!(Some(socket), self.socket, "sent on a socket that is gone");
                    self.sent.push_back(serde_json::from_str(&text).unwrap());
                }
                Output::CloseSocket { socket, code } => {
                    assert_eq!(Some(socket), self.socket);
                    self.socket = None;
                    self.closed.push(code);
                }
                Output::HttpRequest { http, url, headers, body, .. } => {
                    self.http.push_back(Http { id: http, url, headers, body });
                }
                Output::FetchToken { ticket } => self.tickets.push(ticket),
                Output::Load { key } => answers.push_back((key, true)),
                Output::Save { key, bytes } => {
                    if self.disk_works {
                        if bytes.is_empty() {
                            self.disk.remove(&key);
                        } else {
                            self.disk.insert(key.clone(), bytes);
                        }
                    }
                    answers.push_back((key, false));
                }
                Output::Flags(flags) => drop(self.inbox.offer_flags(flags)),
                Output::Event { event, durable } => self.inbox.push(event, durable),
                Output::Log { .. } => {}
                Output::WakeAt(at) => {
                    self.wake_at = at;
                    let Some((key, load)) = answers.pop_front() else { return };
                    let input = if load {
                        let bytes = self.disk.get(&key).cloned();
                        self.core.handle(Input::Loaded { key, bytes: bytes.as_deref() }, self.now);
                        continue;
                    } else {
                        Input::Saved { key, ok: self.disk_works }
                    };
                    self.core.handle(input, self.now);
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// Lets time pass, waking whenever the core asked for it.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.mono + ms;
        while self.wake_at <= end {
            let step = self.wake_at.saturating_sub(self.now.mono);
            self.now = Now { mono: self.now.mono + step, wall: self.now.wall + step };
            self.handle(Input::Wake);
        }
        let rest = end - self.now.mono;
        self.now = Now { mono: end, wall: self.now.wall + rest };
    }

    pub fn command(&mut self, command: Command) {
        command.check().unwrap();
        self.handle(Input::Command(command));
    }

    pub fn lifecycle(&mut self, what: Lifecycle) {
        self.handle(Input::Lifecycle(what));
    }

    pub fn give_token(&mut self, player: &str) {
        let ticket = self.tickets.pop().expect("a token was asked for");
        let token = token(player);
        self.handle(Input::Token { ticket, token: Some(&token) });
    }

    pub fn server(&mut self, channel: &str, kind: &str, payload: Value, more: Value) {
        let mut message =
            json!({"channel": channel, "type": kind, "payload": payload, "timestamp": self.now.wall});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let text = message.to_string();
        let socket = self.socket.expect("a socket");
        self.handle(Input::Text { socket, text: &text });
    }

    pub fn close(&mut self, code: u16) {
        let socket = self.socket.take().expect("a socket");
        self.handle(Input::SocketClosed { socket, code, retry_after_ms: None });
    }

    /// From an asked-for socket to authenticated; returns what `authenticate` said.
    pub fn authenticate(&mut self, player: &str, session: &str, resumed: bool) -> Value {
        let socket = self.socket.expect("a socket was asked for");
        self.handle(Input::SocketOpened { socket });
        let sent = self.sent.pop_front().expect("authenticate");
        assert_eq!(sent["type"], "authenticate");
        let wall = self.now.wall;
        self.server("system", "connected", json!({"connectionId": "x", "serverTime": wall}), json!({}));
        let payload = json!({"userId": player, "sessionId": session, "resumed": resumed, "discarded": 0,
            "flagsVersion": "v1", "rooms": []});
        self.server("system", "authenticated", payload, json!({}));
        sent["payload"].clone()
    }

    /// A world with a player who is online.
    pub fn online(config: Config) -> World {
        let mut world = World::new(config);
        world.give_token("ann");
        world.authenticate("ann", "s1", false);
        assert_eq!(world.core.state(), State::Online);
        world.events();
        world
    }

    pub fn offer(&mut self, id: &str, seq: u64, lives_ms: u64) {
        let expires = self.now.wall + lives_ms;
        let payload = json!({"offerId": id, "campaignId": "c", "title": "Bait", "discount": 30,
            "expiresIn": lives_ms / 1000, "expiresAt": expires, "imageUrl": ""});
        self.server("offers", "new_offer", payload, json!({"seq": seq}));
    }

    pub fn ready(&mut self, lease_ms: u64) {
        self.command(Command::Ready { placement: "level_completed".into(), context: None, lease_ms });
    }

    /// What was sent of this type, taken off.
    pub fn sent_of(&mut self, kind: &str) -> Vec<Value> {
        let (these, rest): (Vec<Value>, Vec<Value>) = self.sent.drain(..).partition(|m| m["type"] == kind);
        self.sent = rest.into();
        these
    }

    /// Answers a request that was sent.
    pub fn reply(&mut self, request: &Value, channel: &str, kind: &str, payload: Value) {
        self.server(channel, kind, payload, json!({"re": request["id"]}));
    }

    pub fn answer_http(&mut self, path: &str, status: u16, body: &str) -> Http {
        let at = self.http.iter().position(|h| h.url.contains(path)).expect("a request");
        let http = self.http.remove(at).unwrap();
        let reply = HttpReply { status, headers: &[], body: body.as_bytes() };
        self.handle(Input::HttpResponse { http: http.id, reply: Ok(reply) });
        http
    }

    /// Everything the game gets when it polls now.
    pub fn events(&mut self) -> Vec<Event> {
        let events: Vec<Event> = std::iter::from_fn(|| self.inbox.pop()).map(|handed| handed.event).collect();
        let taken = self.inbox.taken();
        self.handle(Input::Taken { events: taken });
        events
    }

    /// The same, without what tells of the connection and the flags.
    pub fn answers(&mut self) -> Vec<Event> {
        let mut events = self.events();
        events.retain(|e| !matches!(e, Event::StateChanged { .. } | Event::FlagsChanged { .. }));
        events
    }
}
