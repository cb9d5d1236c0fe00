//! Sockets, the handshake and liveness: when to connect, when to give up, when to wait.

use crate::event::{Cause, State};
use crate::io::{LogLevel, Output, SocketId};
use crate::protocol::json::Object;
use crate::protocol::limits::{CLIENT_HANDSHAKE_MS, STABLE_AFTER_MS};
use crate::protocol::messages::{Authenticate, Connected, Message, Reconnect};
use crate::protocol::{CloseAction, CloseCode};
use crate::session::backoff;
use crate::session::link::{Halt, Phase};
use crate::session::timers::Timer;

use super::Core;

/// A server's word on when to come back is believed up to this.
const MAX_SERVER_DELAY_MS: u64 = 600_000;

impl Core {
    // ---- opening ----

    pub(super) fn settle_connection(&mut self) {
        self.settle_background();
        if self.link.is_dormant() && !self.link.background && self.has_reason_to_connect() {
            self.link.halt = None;
        }
        if self.link.phase != Phase::Idle || !self.link.may_connect() {
            return;
        }
        let t = self.clock.t();
        if self.link.not_before > t {
            return self.back_off(self.link.not_before - t);
        }
        if self.tokens.usable(self.clock.t()).is_none() {
            return self.want_token();
        }
        self.tokens.spent();
        let socket = self.link.next_socket();
        self.link.phase = Phase::Opening;
        self.link.server_delay = None;
        self.timers.set(Timer::Handshake, Some(self.clock.t() + CLIENT_HANDSHAKE_MS));
        self.out.push(Output::OpenSocket { socket, url: self.config.socket_url() });
    }

    /// What ends dormancy: an open break, a request, a room to join, a full event queue, an outcome that the game reported. What the SDK
    /// reports of its own accord goes over HTTP.
    fn has_reason_to_connect(&self) -> bool {
        self.gate.open().is_some()
            || self.requests.any_wanted()
            || self.rooms.any_to_join()
            || self.analytics.is_full()
            || (self.game_reported && self.analytics.pending_flush())
    }

    pub(super) fn on_socket_opened(&mut self, socket: SocketId) {
        if self.link.phase != Phase::Opening || self.link.socket() != Some(socket) {
            return;
        }
        self.link.phase = Phase::Handshake;
        let same_player = self.tokens.player().is_none_or(|player| player == self.store.player());
        let resume = self.delivery.resume().filter(|_| same_player);
        let sdk = &self.config.sdk;
        let sdk = Object::new()
            .text("name", &sdk.name)
            .text("version", &sdk.version)
            .text("platform", &sdk.platform)
            .end();
        let mut authenticate = Object::new();
        authenticate
            .text("token", self.tokens.in_hand().unwrap_or_default())
            .text("device", self.store.device())
            .text("build", &self.config.build)
            .raw("sdk", &sdk);
        if let Some((session, last_seq)) = resume {
            let resume = Object::new().text("sessionId", session).number("lastSeq", last_seq as i64).end();
            authenticate.raw("resume", &resume);
        }
        let text = self.compose(Authenticate::CHANNEL, Authenticate::KIND, &authenticate.end(), None, None);
        self.out.push(Output::SendText { socket, text });
    }

    pub(super) fn on_connected(&mut self, connected: &Connected) {
        self.heartbeat.interval = connected.heartbeat_ms.max(1_000);
        self.dead_after = connected.dead_after_ms.max(self.heartbeat.interval);
        self.max_message =
            usize::try_from(connected.max_message_bytes).unwrap_or(usize::MAX).clamp(1_024, 16_384);
        self.clock.rough_sample(connected.server_time);
    }

    // ---- ending ----

    /// The server (or the network) ended a socket.
    pub(super) fn on_socket_closed(&mut self, socket: SocketId, code: u16, retry_after: Option<u64>) {
        if self.link.socket() != Some(socket) {
            return;
        }
        if code == CloseCode::TOO_LARGE {
            self.fail_longest();
        }
        let stable = self.leave_socket();
        (self.link.last_cause, self.link.last_code) = match code {
            CloseCode::ABNORMAL => (Cause::Network, code),
            // It is we who go: the host took the socket of an app that it put away.
            CloseCode::GOING_AWAY if self.link.background => (Cause::Background, 0),
            _ => (Cause::Server, code),
        };
        match CloseAction::of(code) {
            CloseAction::Reconnect { at_least_ms } => {
                let server_word = retry_after.or(self.link.server_delay.take());
                match server_word {
                    Some(delay) => self.reconnect_in(delay.max(at_least_ms).min(MAX_SERVER_DELAY_MS)),
                    None => self.reconnect_after(at_least_ms),
                }
            }
            CloseAction::RefreshToken => self.on_token_refused(),
            CloseAction::Replaced => {
                self.link.halt = Some(Halt::new(State::Replaced, Cause::Server, code));
            }
            // A server that calls us idle at once, while we have work, must not be hammered.
            CloseAction::Dormant if self.has_reason_to_connect() && !stable => self.reconnect_after(0),
            CloseAction::Dormant => {
                self.link.halt = Some(Halt::new(State::Dormant, Cause::Idle, code));
            }
            CloseAction::Fail => {
                self.link.halt = Some(Halt::of_terminal(code));
                self.end_break();
            }
        }
    }

    /// We give the socket up: it is dead, late, or its server makes no sense.
    pub(super) fn give_up_socket(&mut self, cause: Cause) {
        let Some(socket) = self.link.socket() else { return };
        self.out.push(Output::CloseSocket { socket, code: CloseCode::NORMAL });
        self.leave_socket();
        self.link.last_code = 0;
        self.link.last_cause = cause;
        match self.link.server_delay.take() {
            Some(delay) => self.reconnect_in(delay.min(MAX_SERVER_DELAY_MS)),
            None => self.reconnect_after(0),
        }
    }

    /// What the end of any socket entails. True when the connection had been up long enough to count.
    pub(super) fn leave_socket(&mut self) -> bool {
        let stable = self.link.is_online() && self.clock.t() - self.link.online_since >= STABLE_AFTER_MS;
        if stable {
            self.link.attempt = 0;
        }
        self.link.phase = Phase::Idle;
        for timer in [Timer::Handshake, Timer::Heartbeat, Timer::PingTimeout, Timer::Ack] {
            self.timers.stop(timer);
        }
        self.requests.socket_ended();
        self.gate.set_asked(false);
        self.fail_lost_requests();
        stable
    }

    /// Back-off, but not below `at_least` ms.
    pub(super) fn reconnect_after(&mut self, at_least: u64) {
        let unit = self.rng.unit();
        let delay = backoff::delay(self.link.attempt, unit).max(at_least);
        self.link.attempt = self.link.attempt.saturating_add(1);
        self.back_off(delay);
        if at_least > 0 {
            self.link.not_before = self.clock.t() + at_least;
        }
    }

    /// The server said when; that wins over the back-off, and over a reason to try at once.
    fn reconnect_in(&mut self, delay: u64) {
        self.back_off(delay);
        self.link.not_before = self.clock.t() + delay;
    }

    fn back_off(&mut self, delay: u64) {
        if !self.link.network {
            // Nothing is tried until there is one again, and then at once.
            self.link.phase = Phase::Idle;
            return;
        }
        self.link.phase = Phase::Backoff;
        self.timers.set(Timer::Reconnect, Some(self.clock.t() + delay));
    }

    /// Try now, unless the server said when.
    pub(super) fn try_now(&mut self) {
        self.link.attempt = 0;
        if self.link.phase != Phase::Backoff {
            return;
        }
        if self.link.not_before > self.clock.t() {
            self.timers.set(Timer::Reconnect, Some(self.link.not_before));
        } else {
            self.link.phase = Phase::Idle;
            self.timers.stop(Timer::Reconnect);
        }
    }

    pub(super) fn on_drain(&mut self, reconnect: &Reconnect) {
        let delay = reconnect.after_ms.min(MAX_SERVER_DELAY_MS);
        self.link.server_delay = Some(delay);
        // Whoever ends this connection, and for whatever reason.
        self.link.not_before = self.link.not_before.max(self.clock.t() + delay);
    }

    /// `reconnect`: the player's tap.
    pub(super) fn reconnect_now(&mut self) {
        self.link.background = false;
        self.timers.stop(Timer::Grace);
        self.timers.stop(Timer::Token);
        let may_leave = |halt: Halt| halt.state != State::Failed || halt.cause == Cause::Auth;
        if self.link.halt.is_some_and(may_leave) {
            self.link.halt = None;
            self.tokens.refusals = 0;
        }
        self.try_now();
    }

    // ---- liveness ----

    /// The process slept, or a clock was set: what passed meanwhile is no evidence of anything. `ends`: what woke us says that the
    /// socket is gone, so there is nothing to ask.
    pub(super) fn on_slept(&mut self, ends: bool) {
        self.clock.discard_samples();
        match self.link.phase {
            _ if ends => {}
            Phase::Online => self.probe(),
            Phase::Opening | Phase::Handshake => {
                self.timers.set(Timer::Handshake, Some(self.clock.t() + CLIENT_HANDSHAKE_MS));
            }
            Phase::Idle | Phase::Backoff => {}
        }
    }

    /// Is the socket still there? Answer within 2 s.
    pub(super) fn probe(&mut self) {
        self.ping(true);
        self.timers.set(Timer::PingTimeout, self.heartbeat.dead_at());
    }

    pub(super) fn on_heartbeat(&mut self) {
        let due = self.heartbeat.ping_due().is_some_and(|at| at <= self.clock.t());
        if due && self.link.is_online() {
            // What waits rides along: one wake-up of the radio.
            self.flush_now();
            self.save_all();
            self.flag_fetch.on_awake(self.clock.t());
            self.ping(false);
        }
    }

    pub(super) fn on_ping_timeout(&mut self) {
        // An answer that came with this very wake-up still counts.
        let dead = self.heartbeat.dead_at().is_some_and(|at| at <= self.clock.t());
        if dead && self.link.is_online() {
            self.log(LogLevel::Warn, "a ping was not answered: the socket is dead", "");
            self.give_up_socket(Cause::Network);
        }
    }
}
