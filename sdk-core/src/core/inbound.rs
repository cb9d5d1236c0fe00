//! What comes in on the socket: the handshake, replies, durable messages, everything else.

use crate::event::{Cause, Dropped, Event, RoomChange};
use crate::io::{LogLevel, SocketId};
use crate::protocol::json::Members;
use crate::protocol::messages::client::{Offered, Read};
use crate::protocol::messages::{
    AuthFailed, Authenticated, Connected, ErrorReply, FlagsChanged, Pong, Reconnect,
};
use crate::protocol::{Channel, Code, Envelope};
use crate::session::delivery::{Arrival, Wait};
use crate::session::link::Phase;
use crate::session::requests::{Open, Requests};
use crate::session::timers::Timer;
use crate::text::{join, number};

use super::Core;
use super::outbound::Failure;

impl Core {
    pub(super) fn on_text(&mut self, socket: SocketId, text: &str) {
        if self.link.socket() != Some(socket) {
            return;
        }
        let envelope = match Envelope::decode(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                return self.log(LogLevel::Warn, "ignored what the server sent: ", &error.text());
            }
        };
        self.heartbeat.received(self.clock.t());
        self.clock.not_before(envelope.timestamp);
        match self.link.phase {
            Phase::Handshake => self.on_handshake(&envelope),
            Phase::Online => self.on_message(&envelope),
            Phase::Opening | Phase::Idle | Phase::Backoff => {}
        }
    }

    fn on_handshake(&mut self, envelope: &Envelope<'_>) {
        match (envelope.channel, &*envelope.kind) {
            (Channel::System, "connected") => {
                let mut payload = Members::of(&envelope.payload);
                let connected = Connected::of(&mut payload);
                if self.is_whole(envelope, &payload) {
                    self.on_connected(&connected);
                }
            }
            (Channel::System, "authenticated") => {
                let mut payload = Members::of(&envelope.payload);
                let authenticated = Authenticated::of(&mut payload);
                if self.is_whole(envelope, &payload) {
                    self.on_authenticated(&authenticated);
                } else {
                    self.give_up_socket(Cause::Protocol);
                }
            }
            (Channel::System, "auth_failed") => {
                let failed = AuthFailed::of(&mut Members::of(&envelope.payload));
                self.on_auth_failed(&failed.reason);
            }
            (Channel::System, "reconnect") => self.on_reconnect(envelope),
            (Channel::System, "error") => {
                self.log(LogLevel::Warn, "error in the handshake: ", &envelope.payload);
            }
            (_, kind) => self.log(LogLevel::Debug, "ignored before authenticated: ", kind),
        }
    }

    fn on_authenticated(&mut self, authenticated: &Authenticated) {
        let t = self.clock.t();
        self.timers.stop(Timer::Handshake);
        self.tokens.refusals = 0;
        self.link.phase = Phase::Online;
        self.link.online_since = t;
        self.link.last_cause = Cause::None;
        self.link.last_code = 0;
        let unit = self.rng.unit();
        self.heartbeat.start(t, unit);

        // After a change of player nothing of the former one's is to be reconciled.
        let other_player = self.become_player(&authenticated.user_id);
        self.delivery.begin(&authenticated.session_id);
        if std::mem::replace(&mut self.had_session, true) && (other_player || !authenticated.resumed) {
            self.event(Event::SessionLost);
        }
        self.tell_dropped(Dropped::Backlog, authenticated.discarded);
        if !self.analytics_rest_ordered {
            // It was the way that failed, and this is another.
            self.analytics_rest_until = 0;
        }
        self.reconcile_rooms(&authenticated.rooms);
        self.ask_for_bets();
        let with_token = self.tokens.player() == Some(self.store.player());
        self.flag_fetch.on_authenticated(t, &authenticated.flags_version, with_token);
    }

    fn on_message(&mut self, envelope: &Envelope<'_>) {
        let durable = envelope.seq.is_some();
        if let Some(seq) = envelope.seq {
            match self.delivery.arrival(seq) {
                Arrival::Next => {}
                Arrival::Duplicate => return,
                Arrival::Hole => {
                    self.log(LogLevel::Warn, "a message is missing before ", &number(seq));
                    return self.give_up_socket(Cause::Protocol);
                }
            }
        }
        let wait = self.route(envelope, durable);
        if durable {
            self.delivery.wait(wait);
            if self.delivery.is_overfull() {
                let what = "the server sends on without acknowledgements; the game does not poll";
                self.log(LogLevel::Error, what, "");
                self.give_up_socket(Cause::Protocol);
            }
        }
    }

    /// Hands a message on. What it returns is what the acknowledgement of a durable one waits for.
    fn route(&mut self, envelope: &Envelope<'_>, durable: bool) -> Wait {
        if let Some(re) = &envelope.re {
            self.on_reply(re, envelope);
            return Wait::Done;
        }
        match (envelope.channel, &*envelope.kind) {
            (Channel::System, "reconnect") => self.on_reconnect(envelope),
            (Channel::System, "flags_changed") => {
                let mut payload = Members::of(&envelope.payload);
                let changed = FlagsChanged::of(&mut payload);
                if self.is_whole(envelope, &payload) {
                    let delay = self.rng.below(changed.spread_ms.saturating_add(1));
                    self.flag_fetch.on_changed(self.clock.t(), &changed.version, delay);
                }
            }
            (Channel::System, "connected" | "authenticated" | "pong" | "ok") => {}
            (Channel::Offers, "new_offer") => {
                let mut payload = Members::of(&envelope.payload);
                let offer = Offered::of(&mut payload);
                // What is not readable never will be; waiting for it would block all that follows.
                if self.is_whole(envelope, &payload) {
                    return self.on_offer(&offer, &envelope.payload, false);
                }
            }
            (Channel::Game, "bet_settled") => return self.on_settled(envelope, durable),
            (Channel::Game, "game_event") => return self.on_game_event(envelope, durable),
            (Channel::Game, "player_joined") => self.on_player_moved(envelope, RoomChange::PlayerJoined),
            (Channel::Game, "player_left") => self.on_player_moved(envelope, RoomChange::PlayerLeft),
            (channel, kind) => {
                let (kind, payload) = (kind.to_owned(), (*envelope.payload).to_owned());
                let event = self.push_event(Event::Message { channel, kind, payload }, durable);
                return Wait::Event(event);
            }
        }
        Wait::Done
    }

    fn on_reply(&mut self, re: &str, envelope: &Envelope<'_>) {
        let id = Requests::id_of(re);
        if envelope.channel == Channel::System && envelope.kind == "pong" {
            if let Some(rtt) = id.and_then(|id| self.heartbeat.pong(id, self.clock.t())) {
                let mut payload = Members::of(&envelope.payload);
                let pong = Pong::of(&mut payload);
                if self.is_whole(envelope, &payload) {
                    self.clock.sample(pong.server_time, rtt);
                }
            }
            return;
        }
        let Some(open) = id.and_then(|id| self.requests.take_reply(id)) else {
            return self.log(LogLevel::Debug, "answers nothing that is open: ", &envelope.kind);
        };
        if envelope.channel == Channel::System && envelope.kind == "error" {
            self.on_error_reply(&open, envelope);
        } else {
            self.complete(&open, &envelope.kind, &envelope.payload);
        }
    }

    fn on_error_reply(&mut self, open: &Open, envelope: &Envelope<'_>) {
        let error = ErrorReply::of(&mut Members::of(&envelope.payload));
        self.fail(
            open,
            &Failure {
                code: Code::parse(&error.code),
                code_text: &error.code,
                message: &error.message,
                retry_after: error.retry_after_ms.unwrap_or(0),
                next_seed_hash: error.server_seed_hash.as_deref().unwrap_or_default(),
            },
        );
    }

    fn on_reconnect(&mut self, envelope: &Envelope<'_>) {
        let mut payload = Members::of(&envelope.payload);
        let reconnect = Reconnect::of(&mut payload);
        if self.is_whole(envelope, &payload) {
            self.on_drain(&reconnect);
        }
    }

    /// Whether all that was read of a message was good; what was not is logged.
    pub(super) fn is_whole(&mut self, envelope: &Envelope<'_>, payload: &Members<'_>) -> bool {
        if let Some(wrong) = payload.wrong() {
            self.log(
                LogLevel::Warn,
                "ignored a message of the wrong form: ",
                &join(&[&envelope.kind, ", ", wrong]),
            );
        }
        payload.wrong().is_none()
    }
}
