//! One connection's course: the handshake, the envelope, liveness, idleness, the order of durable messages.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use castline::protocol::messages::{
    AuthFailed, Authenticate, Connected, ErrorReply, Message, Pong, Reconnect,
};
use castline::protocol::{Channel, CloseCode, Code, Envelope, encode, is_key};
use futures_util::future::AbortHandle;

use super::mailbox::Mailbox;
use super::pool::Seat;
use super::socket::{Ended, Flow, Handler, Outbox};
use super::{Arrival, Gateway, Post};
use crate::bus::Note;
use crate::engine::{Failure, Refusal, Session, Who, now_ms};
use crate::metrics::{Metrics, Slow};
use crate::rate::Bucket;
use crate::settings::Timers;
use crate::store::sessions::Durable;

/// Within this time the limit of refusals counts.
const REFUSAL_WINDOW: Duration = Duration::from_secs(10);

pub(super) struct Connection {
    gateway: Arc<Gateway>,
    id: u64,
    mailbox: Arc<Mailbox<Post>>,
    address: IpAddr,
    accepted: Instant,
    phase: Phase,
    seat: Option<Seat>,
    last_frame: Instant,
    last_active: Instant,
    /// A WebSocket Ping was sent since the last frame.
    pinged: bool,
    bucket: Bucket,
    refusals: u32,
    refusals_since: Instant,
}

enum Phase {
    /// It is closed with this code as soon as it can hear it.
    Refused(u16),
    Stranger,
    /// The token was good; the session is not there yet.
    Known,
    Player(Box<Player>),
}

struct Player {
    who: Who,
    /// The last durable message written here.
    sent_to: u64,
    acked: u64,
}

impl Connection {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        id: u64,
        mailbox: Arc<Mailbox<Post>>,
        arrival: Arrival,
        end: AbortHandle,
    ) -> Connection {
        let now = Instant::now();
        gateway.metrics.strangers.inc();
        let Arrival { address, accepted, refused } = arrival;
        let phase = if let Some(code) = refused {
            gateway.metrics.refused_origin.inc();
            Phase::Refused(code)
        } else if gateway.admit_stranger(address) {
            Phase::Stranger
        } else {
            gateway.metrics.refused_address.inc();
            Phase::Refused(CloseCode::RATE_LIMITED)
        };
        // Whoever is refused takes no place from others while it goes.
        let admitted = matches!(phase, Phase::Stranger);
        let seat = admitted.then(|| gateway.pool.seat(id, mailbox.clone(), end));
        let bucket = Bucket::full(gateway.settings.limits.messages, now);
        Connection {
            gateway,
            id,
            mailbox,
            address,
            accepted,
            phase,
            seat,
            last_frame: now,
            last_active: now,
            pinged: false,
            bucket,
            refusals: 0,
            refusals_since: now,
        }
    }

    /// The socket is gone: the session's clock runs from here.
    pub(super) async fn ended(mut self, how: Ended) {
        self.seat = None;
        if let Phase::Player(player) = &self.phase {
            self.gateway.health.left(&player.who.player, &player.who.device, how);
            self.gateway.engine.detached(&player.who).await;
        }
    }

    /// A frame came: the peer lives, and a player's place is his for longer.
    fn heard(&mut self, now: Instant) {
        (self.last_frame, self.pinged) = (now, false);
        if let (Phase::Player(_), Some(seat)) = (&self.phase, &self.seat) {
            seat.renew(now);
        }
    }

    fn timers(&self) -> &Timers {
        &self.gateway.settings.timers
    }

    /// Messages that come too fast are refused; whoever goes on like that is closed.
    fn check_rate(&mut self, now: Instant, re: Option<&str>, out: &mut Outbox) -> Option<Flow> {
        let limits = &self.gateway.settings.limits;
        let wait = self.bucket.take(limits.messages, now).err()?;
        self.gateway.metrics.limited_messages.inc();
        send(&self.gateway, out, re, &Failure::rate_limited("messages", wait).reply());
        Some(self.refused(now))
    }

    /// A message was refused for its frequency.
    fn refused(&mut self, now: Instant) -> Flow {
        if now.duration_since(self.refusals_since) > REFUSAL_WINDOW {
            (self.refusals, self.refusals_since) = (0, now);
        }
        self.refusals += 1;
        if self.refusals < self.gateway.settings.limits.refusals {
            return Flow::Continue;
        }
        Flow::Close(CloseCode::RATE_LIMITED)
    }

    async fn before_login(&mut self, envelope: &Envelope<'_>, out: &mut Outbox) -> Flow {
        let re = envelope.id.as_deref();
        if (envelope.channel, &*envelope.kind) != (Channel::System, Authenticate::KIND) {
            let why = "the first message is system/authenticate";
            send_failure(&self.gateway, out, re, &Failure::new(Code::NotAuthenticated, why));
            return Flow::Continue;
        }
        let ask: Authenticate<'_> = match serde_json::from_str(&envelope.payload) {
            Ok(ask) => ask,
            Err(error) => {
                send_failure(&self.gateway, out, re, &Failure::invalid(error.to_string()));
                return Flow::Continue;
            }
        };
        let device = match self.gateway.engine.identify(&ask) {
            Ok(device) => device,
            Err(Refusal::Token(reason)) => {
                send(&self.gateway, out, re, &AuthFailed { reason: reason.to_owned() });
                return Flow::Close(CloseCode::AUTH_FAILED);
            }
            Err(Refusal::Banned) => return Flow::Close(CloseCode::BANNED),
            Err(Refusal::Failure(failure)) => {
                send_failure(&self.gateway, out, re, &failure);
                return if failure.is_rate_limit() {
                    Flow::Close(CloseCode::RATE_LIMITED)
                } else {
                    Flow::Continue
                };
            }
        };
        if matches!(self.phase, Phase::Stranger) {
            // The storage may be slow: whoever has proved who it is makes room for no stranger meanwhile.
            self.gateway.stranger_no_more(self.address);
            self.phase = Phase::Known;
            if !self.seat.as_ref().is_some_and(Seat::known) {
                return Flow::Close(CloseCode::HANDSHAKE_TOO_SLOW);
            }
        }
        self.gateway.hold(&device.0, &device.1, self.id, &self.mailbox);
        let read = Instant::now();
        let session = self.gateway.engine.log_in(self.id, device.clone(), &ask).await;
        self.gateway.metrics.answered(Authenticate::KIND, read.elapsed());
        match session {
            Ok(session) => {
                self.begin(session, re, out);
                Flow::Continue
            }
            Err(failure) => {
                self.gateway.let_go(&device.0, &device.1, self.id);
                if failure == Failure::Banned {
                    return Flow::Close(CloseCode::BANNED);
                }
                send_failure(&self.gateway, out, re, &failure);
                Flow::Continue
            }
        }
    }

    /// `authenticated`, then the replay; what is new comes after, through the mailbox.
    fn begin(&mut self, session: Session, re: Option<&str>, out: &mut Outbox) {
        let mut envelope = Envelope::new(Channel::System, "authenticated", session.authenticated, now_ms());
        envelope.re = re.map(Into::into);
        self.gateway.metrics.sent("authenticated");
        out.text(envelope.encode());
        let mut player = Player { who: session.who, sent_to: session.sent_to, acked: session.acked };
        for message in &session.replay {
            player.write(message, None, &self.gateway.metrics, out);
        }
        self.gateway.metrics.strangers.dec();
        self.gateway.metrics.players.inc();
        self.gateway.health.came(&player.who.player, &player.who.device);
        self.phase = Phase::Player(Box::new(player));
        self.last_active = Instant::now();
        self.heard(self.last_active);
    }

    async fn after_login(&mut self, envelope: &Envelope<'_>, out: &mut Outbox) -> Flow {
        let re = envelope.id.as_deref();
        let Phase::Player(player) = &mut self.phase else { return Flow::Continue };
        let kind = (envelope.channel, &*envelope.kind);
        if !matches!(kind, (Channel::System, "ping" | "ack")) {
            self.last_active = Instant::now();
        }
        if let Some(ack) = envelope.ack.filter(|ack| *ack > player.acked && *ack <= player.sent_to) {
            player.acked = ack;
            self.gateway.engine.ack(&player.who, ack).await;
        }
        match kind {
            (Channel::System, "ack") => {
                if re.is_some() {
                    send(&self.gateway, out, re, &castline::protocol::messages::OkReply {});
                }
                return Flow::Continue;
            }
            (Channel::System, "ping") => {
                send(&self.gateway, out, re, &Pong { server_time: now_ms() });
                return Flow::Continue;
            }
            (Channel::System, "authenticate") => {
                let why = "this socket is authenticated; another player needs another socket";
                send_failure(&self.gateway, out, re, &Failure::invalid(why));
                return Flow::Continue;
            }
            _ => {}
        }
        let read = Instant::now();
        let answered = self.gateway.engine.request(&player.who, envelope).await;
        let said = Instant::now();
        self.gateway.metrics.answered(&envelope.kind, said - read);
        match answered {
            Ok(answer) => {
                if re.is_some() {
                    let reply = answer.reply;
                    self.gateway.metrics.sent(&reply.kind);
                    let channel = Channel::parse(&reply.channel);
                    let mut message = Envelope::new(channel, reply.kind, reply.payload, now_ms());
                    message.re = re.map(Into::into);
                    out.text(message.encode());
                }
                self.deliver(answer.then, said, out).await
            }
            Err(Failure::Fenced) => Flow::Close(CloseCode::REPLACED),
            Err(failure) => {
                send_failure(&self.gateway, out, re, &failure);
                if failure.is_rate_limit() { self.refused(said) } else { Flow::Continue }
            }
        }
    }

    /// Writes durable messages in their order. Those in between that are still on their way here are fetched: nothing is
    /// written out of order, and nothing twice.
    async fn deliver(&mut self, messages: Vec<Durable>, said: Instant, out: &mut Outbox) -> Flow {
        let Phase::Player(player) = &mut self.phase else { return Flow::Continue };
        for message in messages {
            if message.seq <= player.sent_to {
                continue;
            }
            if message.seq == player.sent_to + 1 {
                player.write(&message, Some(said), &self.gateway.metrics, out);
                continue;
            }
            match self.gateway.engine.beyond(&player.who, player.sent_to).await {
                Ok(all) => {
                    for message in all.iter().filter(|m| m.seq > player.sent_to).collect::<Vec<_>>() {
                        player.write(message, Some(said), &self.gateway.metrics, out);
                    }
                }
                Err(Failure::Fenced) => return Flow::Close(CloseCode::REPLACED),
                // The client sees the hole at the next message, or resumes; nothing is lost.
                Err(_) => return Flow::Close(CloseCode::INTERNAL),
            }
        }
        Flow::Continue
    }
}

impl Player {
    /// `said` is when the engine did; a replay is not timed.
    fn write(&mut self, message: &Durable, said: Option<Instant>, metrics: &Metrics, out: &mut Outbox) {
        let channel = Channel::parse(&message.channel);
        let mut envelope = Envelope::new(channel, message.kind.as_str(), message.payload.as_str(), now_ms());
        envelope.seq = Some(message.seq);
        metrics.sent(&message.kind);
        match said {
            Some(said) => out.timed(envelope.encode(), said),
            None => out.text(envelope.encode()),
        }
        self.sent_to = message.seq;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let metrics = &self.gateway.metrics;
        match &self.phase {
            Phase::Refused(_) | Phase::Known => metrics.strangers.dec(),
            Phase::Stranger => {
                metrics.strangers.dec();
                self.gateway.stranger_no_more(self.address);
            }
            Phase::Player(player) => {
                metrics.players.dec();
                self.gateway.let_go(&player.who.player, &player.who.device, self.id);
            }
        }
    }
}

impl Handler for Connection {
    type Note = Post;

    fn opened(&mut self, out: &mut Outbox) {
        let (timers, limits) = (self.timers(), &self.gateway.settings.limits);
        let connected = Connected {
            connection_id: format!("c{}", self.id),
            server_time: now_ms(),
            heartbeat_ms: timers.heartbeat,
            dead_after_ms: timers.dead_after,
            idle_timeout_ms: timers.idle,
            max_message_bytes: limits.message_bytes as u64,
        };
        send(&self.gateway, out, None, &connected);
    }

    async fn text(&mut self, text: &str, out: &mut Outbox) -> Flow {
        let now = Instant::now();
        self.heard(now);
        if let Phase::Refused(code) = self.phase {
            return Flow::Close(code);
        }
        let envelope = match Envelope::decode(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                if let Some(flow) = self.check_rate(now, None, out) {
                    return flow;
                }
                send_failure(&self.gateway, out, None, &Failure::invalid(error.to_string()));
                return Flow::Continue;
            }
        };
        self.gateway.metrics.received(&envelope.kind);
        // What comes back in every reply has a bound, so that every reply has one.
        let re = envelope.id.as_deref().filter(|id| is_key(id));
        if let Some(flow) = self.check_rate(now, re, out) {
            return flow;
        }
        if re.is_none() && envelope.id.is_some() {
            send_failure(
                &self.gateway,
                out,
                None,
                &Failure::invalid("id must be 1 to 64 bytes without control characters"),
            );
            return Flow::Continue;
        }
        if !matches!(self.phase, Phase::Player(_)) {
            return Box::pin(self.before_login(&envelope, out)).await;
        }
        // The commonest message takes the short way.
        if envelope.channel == Channel::System && envelope.kind == "ping" && envelope.ack.is_none() {
            send(&self.gateway, out, re, &Pong { server_time: now_ms() });
            return Flow::Continue;
        }
        Box::pin(self.after_login(&envelope, out)).await
    }

    fn binary(&mut self, _: &[u8], _: &mut Outbox) -> Flow {
        Flow::Close(CloseCode::UNSUPPORTED_DATA)
    }

    fn control(&mut self) {
        self.heard(Instant::now());
    }

    async fn note(&mut self, post: Post, out: &mut Outbox) -> Flow {
        let (note, said) = match post {
            Post::Note(note, said) => (note, said),
            Post::Reconnect(after_ms) => {
                send(&self.gateway, out, None, &Reconnect { after_ms });
                return Flow::Close(CloseCode::DRAINING);
            }
            Post::MakeRoom => return Flow::Close(CloseCode::HANDSHAKE_TOO_SLOW),
        };
        let Phase::Player(player) = &self.phase else { return Flow::Continue };
        match note {
            Note::Fence { epoch, .. } if epoch > player.who.epoch => Flow::Close(CloseCode::REPLACED),
            Note::Fence { .. } => Flow::Continue,
            Note::Banned { .. } => Flow::Close(CloseCode::BANNED),
            Note::Durable { epoch, .. } if epoch > player.who.epoch => Flow::Close(CloseCode::REPLACED),
            // Numbered before this socket took over: the replay had it.
            Note::Durable { epoch, .. } if epoch < player.who.epoch => Flow::Continue,
            Note::Durable { message, .. } => {
                let message = Arc::unwrap_or_clone(message);
                Box::pin(self.deliver(vec![message], said, out)).await
            }
            Note::Everyone { kind, payload } => {
                self.gateway.metrics.sent(kind);
                out.timed(Envelope::new(Channel::System, kind, &*payload, now_ms()).encode(), said);
                Flow::Continue
            }
        }
    }

    fn deadline(&self) -> Instant {
        let ms = Duration::from_millis;
        let timers = self.timers();
        match &self.phase {
            Phase::Refused(_) => self.accepted,
            Phase::Stranger | Phase::Known => self.accepted + ms(timers.handshake),
            Phase::Player(_) => {
                let dead = self.last_frame + ms(timers.dead_after);
                let ping = self.last_frame + ms(timers.heartbeat * 5 / 4);
                let next = if self.pinged { dead } else { ping.min(dead) };
                next.min(self.last_active + ms(timers.idle))
            }
        }
    }

    fn timer(&mut self, now: Instant, out: &mut Outbox) -> Flow {
        let ms = Duration::from_millis;
        let timers = &self.gateway.settings.timers;
        match self.phase {
            Phase::Refused(code) => return Flow::Close(code),
            Phase::Stranger | Phase::Known => {
                let late = now >= self.accepted + ms(timers.handshake);
                return if late { Flow::Close(CloseCode::HANDSHAKE_TOO_SLOW) } else { Flow::Continue };
            }
            Phase::Player(_) => {}
        }
        if now >= self.last_frame + ms(timers.dead_after) {
            return Flow::Drop;
        }
        if now >= self.last_active + ms(timers.idle) {
            // An open lease is activity: it counts from its end.
            match self.gateway.engine.lease_until(self.id).filter(|until| *until > now) {
                Some(until) => self.last_active = until.checked_sub(ms(timers.idle)).unwrap_or(now),
                None => return Flow::Close(CloseCode::IDLE),
            }
        }
        if !self.pinged && now >= self.last_frame + ms(timers.heartbeat * 5 / 4) {
            self.pinged = true;
            out.ping();
        }
        Flow::Continue
    }

    fn written(&mut self, made: &[Instant]) {
        for made in made {
            self.gateway.health.written(made.elapsed());
        }
    }

    fn too_slow(&mut self, stalled: bool) {
        self.gateway.metrics.slow(if stalled { Slow::Stall } else { Slow::Bytes });
    }

    fn max_message_bytes(&self) -> Option<usize> {
        match &self.phase {
            Phase::Player(_) => None,
            _ => Some(self.gateway.settings.limits.first_message_bytes),
        }
    }
}

fn send<M: Message>(gateway: &Gateway, out: &mut Outbox, re: Option<&str>, message: &M) {
    gateway.metrics.sent(M::KIND);
    let mut envelope = Envelope::new(M::CHANNEL, M::KIND, encode(message), now_ms());
    envelope.re = re.map(Into::into);
    out.text(envelope.encode());
}

fn send_failure(gateway: &Gateway, out: &mut Outbox, re: Option<&str>, failure: &Failure) {
    if failure.is_rate_limit() {
        gateway.metrics.limited_player.inc();
    }
    send::<ErrorReply>(gateway, out, re, &failure.reply());
}
