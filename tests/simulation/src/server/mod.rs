//! The model server: sections 3 to 9 of `PROTOCOL.md` in the plainest form, as the reference for what a client may expect.
//!
//! It knows no socket: texts come in with the name of a connection, [`Action`]s go out. What [`Store`] holds survives a restart, the
//! rest does not. Replies that take time wait in `due`.

pub(crate) mod http;
mod mischief;
mod offers;
mod requests;
mod rooms;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use castline::protocol::messages::{
    Ack, Authenticate, Connected, ErrorReply, Message, NotReady, Ping, Pong, ReadyForOffer, Reconnect,
};
use castline::protocol::{Channel, Envelope, encode};

pub(crate) use mischief::{Mischief, Wrong};
pub(crate) use offers::{OfferRecord, OfferState};
pub(crate) use sessions::Session;

use crate::rng::Rng;

/// Unix ms at which every history begins, by the server's clock.
pub(crate) const EPOCH: u64 = 1_763_660_000_000;

/// Names a connection.
pub(crate) type Conn = u64;

/// What the server wants done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    Send(Conn, String),
    Close(Conn, u16),
    /// A WebSocket ping: whatever lives at the other end answers without the client's doing.
    Probe(Conn),
}

/// A token as the game's backend made it.
#[derive(Debug, Clone)]
pub(crate) struct TokenRecord {
    pub(crate) player: String,
    pub(crate) issued: u64,
    pub(crate) expires: u64,
    pub(crate) genuine: bool,
}

/// What is in the database.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) tokens: BTreeMap<String, TokenRecord>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) offers: BTreeMap<String, OfferRecord>,
    /// (player, key) → what was asked and what was answered.
    pub(crate) replies: BTreeMap<(String, String), requests::Recorded>,
    /// `n` of a request → how often it took effect.
    pub(crate) executed: BTreeMap<u64, u64>,
    /// Event ids by player, and `n` of a tracked event → the ids it came under.
    pub(crate) event_ids: BTreeSet<(String, String)>,
    pub(crate) tracked: BTreeMap<u64, BTreeSet<String>>,
    pub(crate) balances: BTreeMap<String, i64>,
    /// (player, key) → the bet; and how many seeds each player has used up.
    pub(crate) bets: BTreeMap<(String, String), rooms::BetState>,
    pub(crate) seeds: BTreeMap<String, u64>,
    /// Room → number of its last event.
    pub(crate) rooms: BTreeMap<String, u64>,
    pub(crate) flags_version: u64,
    /// Numbers of durable messages that were given up.
    pub(crate) discarded: BTreeSet<u64>,
    /// Numbers of durable messages that were acknowledged.
    pub(crate) acked: BTreeSet<u64>,
    next_durable: u64,
    next_session: u64,
}

/// One connection; gone with the process.
#[derive(Debug)]
pub(crate) struct Connection {
    accepted: u64,
    last_frame: u64,
    last_message: u64,
    probed: bool,
    /// Session id and the epoch in which this connection holds it.
    pub(crate) session: Option<(String, u64)>,
    lease: Option<offers::OpenLease>,
}

/// Something to do later.
#[derive(Debug, Clone)]
enum Later {
    Reply(Conn, String),
    Settle { player: String, key: String },
    Close(Conn, u16),
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) store: Store,
    pub(crate) conns: BTreeMap<Conn, Connection>,
    due: Vec<(u64, Later)>,
    pub(crate) actions: Vec<Action>,
    /// What a client sent that no client may send.
    pub(crate) complaints: Vec<String>,
    /// Things worth counting.
    pub(crate) seen: Vec<crate::coverage::Mark>,
    rng: Rng,
    pub(crate) idle_timeout: u64,
    /// Replies take this long at most.
    pub(crate) slowness: u64,
    pub(crate) mischief: Mischief,
}

impl Server {
    pub(crate) fn new(rng: Rng) -> Server {
        Server {
            store: Store { flags_version: 1, ..Store::default() },
            conns: BTreeMap::new(),
            due: Vec::new(),
            actions: Vec::new(),
            complaints: Vec::new(),
            seen: Vec::new(),
            rng,
            idle_timeout: 300_000,
            slowness: 30,
            mischief: Mischief::default(),
        }
    }

    pub(crate) fn clock(t: u64) -> i64 {
        (EPOCH + t) as i64
    }

    /// A connection was made: the server speaks first.
    pub(crate) fn accept(&mut self, t: u64, conn: Conn) {
        let fresh = Connection {
            accepted: t,
            last_frame: t,
            last_message: t,
            probed: false,
            session: None,
            lease: None,
        };
        self.conns.insert(conn, fresh);
        let connected = Connected {
            connection_id: format!("conn-{conn}"),
            server_time: Server::clock(t),
            heartbeat_ms: 30_000,
            dead_after_ms: 45_000,
            idle_timeout_ms: self.idle_timeout,
            max_message_bytes: 16_384,
        };
        self.send(t, conn, &connected, None);
    }

    /// A text came.
    pub(crate) fn text(&mut self, t: u64, conn: Conn, text: &str) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        connection.last_frame = t;
        connection.probed = false;
        let envelope = match Envelope::decode(text) {
            Ok(envelope) => envelope,
            Err(e) => return self.complaints.push(format!("not a message: {e}: {text}")),
        };
        if !matches!((envelope.channel, &*envelope.kind), (Channel::System, "ping" | "ack")) {
            connection.last_message = t;
        }
        let held = connection.session.clone();
        let Some((session, epoch)) = held else {
            return self.handshake(t, conn, &envelope);
        };
        // Fenced: what a socket of an older epoch says is not executed.
        if self.store.sessions.get(&session).is_none_or(|s| s.epoch != epoch) {
            return;
        }
        if let Some(ack) = envelope.ack {
            self.acknowledge(t, &session, ack);
        }
        self.dispatch(t, conn, &session, &envelope);
        self.deliver_due_offers(t);
    }

    fn handshake(&mut self, t: u64, conn: Conn, envelope: &Envelope<'_>) {
        if (envelope.channel, &*envelope.kind) != (Channel::System, "authenticate") {
            self.complaints.push(format!("{} before authenticated", envelope.kind));
            return self.error(t, conn, envelope, "NOT_AUTHENTICATED", None);
        }
        match envelope.payload_as::<Authenticate<'_>>() {
            Ok(auth) => self.authenticate(t, conn, &auth, envelope),
            Err(e) => self.complaints.push(format!("authenticate: {e}")),
        }
    }

    fn dispatch(&mut self, t: u64, conn: Conn, session: &str, envelope: &Envelope<'_>) {
        match (envelope.channel, &*envelope.kind) {
            (Channel::System, "ping") => {
                self.expect::<Ping>(envelope);
                self.send(t, conn, &Pong { server_time: Server::clock(t) }, envelope.id.as_deref());
            }
            (Channel::System, "ack") => {
                self.expect::<Ack>(envelope);
                if envelope.ack.is_none() {
                    self.complaints.push("system/ack without an ack".into());
                }
            }
            (Channel::Offers, "ready_for_offer") => match envelope.payload_as::<ReadyForOffer>() {
                Ok(ready) => self.ready_for_offer(t, conn, session, envelope, &ready),
                Err(e) => self.complaints.push(format!("ready_for_offer: {e}")),
            },
            (Channel::Offers, "not_ready") => {
                self.expect::<NotReady>(envelope);
                self.end_lease(conn);
                if envelope.id.is_some() {
                    self.ok(t, conn, envelope);
                }
            }
            (Channel::Analytics, "events") => self.events(t, conn, session, envelope),
            (Channel::Game | Channel::Social, _) => self.game(t, conn, session, envelope),
            (_, other) => {
                self.complaints.push(format!("no such message: {}/{other}", envelope.channel.as_str()));
                self.error(t, conn, envelope, "UNKNOWN_MESSAGE_TYPE", None);
            }
        }
    }

    fn expect<T: for<'a> serde::Deserialize<'a>>(&mut self, envelope: &Envelope<'_>) {
        if let Err(e) = serde_json::from_str::<T>(&envelope.payload) {
            self.complaints.push(format!("{}: {e}", envelope.kind));
        }
    }

    /// The socket ended and the server noticed.
    pub(crate) fn gone(&mut self, t: u64, conn: Conn) {
        let Some(connection) = self.conns.remove(&conn) else { return };
        if let Some((session, epoch)) = connection.session {
            self.detach(t, &session, epoch);
        }
    }

    pub(crate) fn close(&mut self, t: u64, conn: Conn, code: u16) {
        if self.conns.contains_key(&conn) {
            self.actions.push(Action::Close(conn, code));
            self.gone(t, conn);
        }
    }

    /// Everything that is not stored is gone.
    pub(crate) fn restart(&mut self, t: u64) {
        let open: Vec<Conn> = self.conns.keys().copied().collect();
        for conn in open {
            self.gone(t, conn);
        }
        // A settlement is owed by the database; a reply in the making died with the process.
        self.due.retain(|(_, later)| matches!(later, Later::Settle { .. }));
    }

    /// Asks everybody to come back, each at a time of his own.
    pub(crate) fn drain(&mut self, t: u64) {
        let open: Vec<Conn> = self.conns.keys().copied().collect();
        for conn in open {
            let after_ms = self.rng.range(1_000, 4_000);
            self.send(t, conn, &Reconnect { after_ms }, None);
            self.later(t + self.rng.clone().range(0, 300), Later::Close(conn, 4010));
        }
    }

    fn later(&mut self, at: u64, what: Later) {
        self.due.push((at, what));
    }

    /// What time alone brings about.
    pub(crate) fn tick(&mut self, t: u64) {
        let mut due: Vec<(u64, Later)> = Vec::new();
        self.due.retain(|item| {
            if item.0 <= t {
                due.push(item.clone());
            }
            item.0 > t
        });
        due.sort_by_key(|(at, _)| *at);
        for (_, later) in due {
            match later {
                Later::Reply(conn, text) => self.write(t, conn, text),
                Later::Settle { player, key } => self.settle(t, &player, &key),
                Later::Close(conn, code) => self.close(t, conn, code),
            }
        }
        let mut close: Vec<(Conn, u16)> = Vec::new();
        for (conn, c) in &mut self.conns {
            if c.session.is_none() && t >= c.accepted + 5_000 {
                close.push((*conn, 4002));
            } else if t >= c.last_frame + 45_000 {
                close.push((*conn, 1001));
            } else if t >= c.last_message + self.idle_timeout
                && c.lease.is_none()
                && c.session
                    .as_ref()
                    .is_none_or(|(id, _)| self.store.sessions.get(id).is_none_or(|s| s.rooms.is_empty()))
            {
                close.push((*conn, 4009));
            } else if !c.probed && t >= c.last_frame + 37_500 {
                c.probed = true;
                self.actions.push(Action::Probe(*conn));
            }
        }
        for (conn, code) in close {
            self.close(t, conn, code);
        }
        self.expire_leases(t);
        self.give_back(t);
        self.empty_rooms(t);
        self.deliver_due_offers(t);
    }

    /// When `tick` is needed next.
    pub(crate) fn next_tick(&self) -> u64 {
        let replies = self.due.iter().map(|(at, _)| *at);
        let conns = self.conns.values().map(|c| {
            let silent = c.last_frame + if c.probed { 45_000 } else { 37_500 };
            let handshake = if c.session.is_none() { c.accepted + 5_000 } else { u64::MAX };
            let in_room = c
                .session
                .as_ref()
                .is_some_and(|(id, _)| self.store.sessions.get(id).is_some_and(|s| !s.rooms.is_empty()));
            let idle =
                if c.lease.is_none() && !in_room { c.last_message + self.idle_timeout } else { u64::MAX };
            let lease = c.lease.as_ref().map_or(u64::MAX, |l| l.until);
            silent.min(handshake).min(idle).min(lease)
        });
        let stored = self.give_back_at().min(self.empty_rooms_at());
        replies.chain(conns).chain([stored]).min().unwrap_or(u64::MAX)
    }

    /// A frame that needed no client: the other end is alive.
    pub(crate) fn frame(&mut self, t: u64, conn: Conn) {
        if let Some(c) = self.conns.get_mut(&conn) {
            c.last_frame = t;
            c.probed = false;
        }
    }

    fn send<M: Message>(&mut self, t: u64, conn: Conn, message: &M, re: Option<&str>) {
        let mut envelope = Envelope::of(message, Server::clock(t));
        envelope.re = re.map(|re| re.to_owned().into());
        let text = envelope.encode();
        self.write(t, conn, text);
    }

    fn write(&mut self, t: u64, conn: Conn, text: String) {
        let Some(c) = self.conns.get_mut(&conn) else { return };
        if !text.contains("\"pong\"") {
            c.last_message = t;
        }
        self.actions.push(Action::Send(conn, text));
    }

    /// A reply after the time that the work takes.
    fn reply(
        &mut self,
        t: u64,
        conn: Conn,
        envelope: &Envelope<'_>,
        channel: Channel,
        kind: &str,
        payload: String,
    ) {
        let Some(id) = envelope.id.as_deref() else { return };
        let mut reply = Envelope::new(channel, kind, payload, Server::clock(t));
        reply.re = Some(id.into());
        let text = reply.encode();
        let at = t + self.rng.below(self.slowness + 1);
        self.later(at, Later::Reply(conn, text));
    }

    fn ok(&mut self, t: u64, conn: Conn, envelope: &Envelope<'_>) {
        self.reply(t, conn, envelope, Channel::System, "ok", "{}".into());
    }

    fn error(
        &mut self,
        t: u64,
        conn: Conn,
        envelope: &Envelope<'_>,
        code: &str,
        retry_after_ms: Option<u64>,
    ) {
        let error = ErrorReply {
            code: code.into(),
            message: "as the model says".into(),
            retry_after_ms,
            server_seed_hash: None,
        };
        let mut reply = Envelope::new(Channel::System, "error", encode(&error), Server::clock(t));
        reply.re = envelope.id.as_deref().map(|id| id.to_owned().into());
        let text = reply.encode();
        let at = t + self.rng.below(self.slowness + 1);
        self.later(at, Later::Reply(conn, text));
    }
}
