//! Tokens, sockets, the handshake, liveness and the app's life: when to connect, when to give up, when to wait.

use crate::event::{Cause, Lifecycle, State};
use crate::io::{HttpFailure, HttpReply, LogLevel, Method, Output, SocketId, TokenId};
use crate::protocol::limits::{BACKGROUND_GRACE_MS, CLIENT_HANDSHAKE_MS, PROBE_TIMEOUT_MS, STABLE_AFTER_MS};
use crate::protocol::messages::{Authenticate, Connected, Message, Reconnect, Resume};
use crate::protocol::{CloseAction, CloseCode, Envelope, encode};
use crate::session::backoff;
use crate::session::link::{Halt, Phase};
use crate::session::timers::Timer;
use crate::session::token::Asked;

use super::{Core, Purpose};

/// A server's word on when to come back is believed up to this.
const MAX_SERVER_DELAY_MS: u64 = 600_000;
/// The bound on `POST /auth/telegram`.
const TELEGRAM_TIMEOUT_MS: u32 = 10_000;

impl Core {
    // ---- the token ----

    /// Asks for a token, once at a time. A failing provider is asked again when `Timer::Token` is over.
    fn want_token(&mut self) {
        if self.tokens.asked().is_some() || self.timers.get(Timer::Token).is_some() {
            return;
        }
        if let Some(init_data) = self.config.telegram_init_data.clone() {
            let headers = vec![("authorization", format!("tma {init_data}"))];
            let url = format!("{}/auth/telegram", self.config.base_url());
            let http =
                self.http(Purpose::Telegram, Method::Post, url, headers, String::new(), TELEGRAM_TIMEOUT_MS);
            self.tokens.ask(Asked::Telegram(http));
        } else {
            let ticket = self.tokens.next_ticket();
            self.tokens.ask(Asked::Game(ticket));
            self.out.push_back(Output::FetchToken { ticket });
        }
    }

    pub(super) fn on_token(&mut self, ticket: TokenId, token: Option<&str>) {
        if self.tokens.asked() != Some(Asked::Game(ticket)) {
            return;
        }
        match token {
            Some(token) if crate::command::check_token(token).is_ok() => self.put_token(token.to_owned()),
            Some(_) => {
                self.log(LogLevel::Error, "the provider's token is not 1 to 3,072 visible ASCII characters");
                self.no_token();
            }
            None => self.no_token(),
        }
    }

    /// `set_token`: answers an open question, or replaces the token for the next connection.
    pub(super) fn set_token(&mut self, token: Option<String>) {
        match token {
            Some(token) => self.put_token(token),
            None if self.tokens.asked().is_some() => self.no_token(),
            None => {}
        }
    }

    fn put_token(&mut self, token: String) {
        self.tokens.put(token, self.clock.t());
        self.timers.stop(Timer::Token);
        if self.link.halt.is_some_and(|halt| halt.cause == Cause::Auth) {
            self.link.halt = None;
            self.tokens.refusals = 0;
        }
        self.adopt_first_player();
    }

    fn no_token(&mut self) {
        let unit = self.rng.unit();
        let wait = self.tokens.none_to_be_had(unit);
        self.timers.set(Timer::Token, Some(self.clock.t() + wait));
    }

    pub(super) fn on_telegram(&mut self, reply: Result<HttpReply<'_>, HttpFailure>) {
        #[derive(serde::Deserialize)]
        struct Answer {
            token: String,
        }
        match reply {
            Ok(reply) if reply.status == 200 => match serde_json::from_slice::<Answer>(reply.body) {
                Ok(answer) if crate::command::check_token(&answer.token).is_ok() => {
                    self.put_token(answer.token)
                }
                _ => self.no_token(),
            },
            // Telegram's word is refused or too old; only a new start of the Mini App brings another.
            Ok(reply) if reply.status == 401 || reply.status == 403 => {
                self.no_token();
                self.fail_auth();
            }
            _ => self.no_token(),
        }
    }

    /// `auth_failed`; close 4001 follows, but on this connection nothing else is to be had.
    pub(super) fn on_auth_failed(&mut self, reason: &str) {
        self.log(LogLevel::Warn, format!("the server refused the token: {reason}"));
        if let Some(socket) = self.link.socket() {
            self.out.push_back(Output::CloseSocket { socket, code: CloseCode::NORMAL });
            self.on_socket_closed(socket, CloseCode::AUTH_FAILED, None);
        }
    }

    /// The server refused the token: one fresh one, one more try.
    fn on_token_refused(&mut self) {
        self.tokens.refused();
        if self.tokens.refusals >= 2 {
            self.fail_auth();
        } else {
            self.reconnect_after(0);
        }
    }

    fn fail_auth(&mut self) {
        self.link.halt = Some(Halt::new(State::Failed, Cause::Auth, CloseCode::AUTH_FAILED));
        self.end_break();
    }

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
        self.link.phase = Phase::Opening(socket);
        self.link.server_delay = None;
        self.timers.set(Timer::Handshake, Some(self.clock.t() + CLIENT_HANDSHAKE_MS));
        self.out.push_back(Output::OpenSocket { socket, url: self.config.socket_url() });
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
        if self.link.phase != Phase::Opening(socket) {
            return;
        }
        self.link.phase = Phase::Handshake(socket);
        let token = self.tokens.in_hand().unwrap_or_default().to_owned();
        let same_player = self.tokens.player().is_none_or(|player| player == self.store.player());
        let resume = self.delivery.resume().filter(|_| same_player);
        let authenticate = Authenticate {
            token: token.into(),
            device: self.store.device().into(),
            build: self.config.build.as_str().into(),
            sdk: Some(self.config.sdk.clone()),
            resume: resume.map(|(id, last_seq)| Resume { session_id: id.to_owned(), last_seq }),
        };
        // Without `id` and `ack`: both belong to an authenticated connection.
        let text = Envelope::new(
            Authenticate::CHANNEL,
            Authenticate::KIND,
            encode(&authenticate),
            self.clock.wall(),
        )
        .encode();
        self.out.push_back(Output::SendText { socket, text });
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
            self.fail_longest(socket);
        }
        let stable = self.leave_socket();
        self.link.last_code = code;
        self.link.last_cause = if code == CloseCode::ABNORMAL { Cause::Network } else { Cause::Server };
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
        self.out.push_back(Output::CloseSocket { socket, code: CloseCode::NORMAL });
        self.leave_socket();
        self.link.last_code = 0;
        self.link.last_cause = cause;
        match self.link.server_delay.take() {
            Some(delay) => self.reconnect_in(delay.min(MAX_SERVER_DELAY_MS)),
            None => self.reconnect_after(0),
        }
    }

    /// What the end of any socket entails. True when the connection had been up long enough to count.
    fn leave_socket(&mut self) -> bool {
        let up = self.link.online().map(|_| self.clock.t() - self.link.online_since);
        let stable = up.is_some_and(|ms| ms >= STABLE_AFTER_MS);
        if stable {
            self.link.attempt = 0;
        }
        self.link.phase = Phase::Idle;
        for timer in [Timer::Handshake, Timer::Heartbeat, Timer::PingTimeout, Timer::Ack] {
            self.timers.stop(timer);
        }
        self.fail_lost_requests();
        stable
    }

    /// Back-off, but not below `at_least` ms.
    fn reconnect_after(&mut self, at_least: u64) {
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
    fn try_now(&mut self) {
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
        // Closed by us and not by the server, the delay would have to run from here all the same.
        self.link.server_delay = Some(reconnect.after_ms);
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
            Phase::Online(_) => self.probe(),
            Phase::Opening(_) | Phase::Handshake(_) => {
                self.timers.set(Timer::Handshake, Some(self.clock.t() + CLIENT_HANDSHAKE_MS));
            }
            Phase::Idle | Phase::Backoff => {}
        }
    }

    /// Is the socket still there? Answer within 2 s.
    fn probe(&mut self) {
        self.ping(true);
        self.timers.set(Timer::PingTimeout, self.heartbeat.dead_at());
    }

    pub(super) fn on_heartbeat(&mut self) {
        let due = self.heartbeat.ping_due().is_some_and(|at| at <= self.clock.t());
        if due && self.link.online().is_some() {
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
        if dead && self.link.online().is_some() {
            self.log(LogLevel::Warn, "a ping was not answered: the socket is dead");
            self.give_up_socket(Cause::Network);
        }
    }

    // ---- the app's life ----

    pub(super) fn on_lifecycle(&mut self, what: Lifecycle) {
        match what {
            Lifecycle::Foreground => self.on_foreground(),
            Lifecycle::Background => self.on_background(),
            Lifecycle::NetworkChanged => {
                self.link.network = true;
                self.on_maybe_new_path();
                self.flag_fetch.on_network(self.clock.t());
            }
            Lifecycle::NetworkLost => {
                self.link.network = false;
                // Nothing is tried until there is one again, and then at once.
                if self.link.phase == Phase::Backoff {
                    self.link.phase = Phase::Idle;
                    self.timers.stop(Timer::Reconnect);
                }
            }
        }
    }

    fn on_foreground(&mut self) {
        let was_away = std::mem::take(&mut self.link.background);
        self.timers.stop(Timer::Grace);
        if self.link.is_dormant() {
            self.link.halt = None;
        }
        // The server has dropped a connection that was silent for so long: asking would only cost time.
        if self.link.online().is_some() && self.heartbeat.silence(self.clock.t()) > self.dead_after {
            self.give_up_socket(Cause::Network);
        }
        self.on_maybe_new_path();
        if was_away {
            self.flag_fetch.on_foreground(self.clock.t());
        }
    }

    /// Foreground or another network: a live socket is probed, a dead one replaced at once.
    fn on_maybe_new_path(&mut self) {
        match self.link.phase {
            Phase::Online(_) if !self.heartbeat.is_probing() => self.probe(),
            Phase::Opening(_) | Phase::Handshake(_) => {
                // It may be dialling on a network that is gone.
                let soon = self.clock.t() + PROBE_TIMEOUT_MS;
                let bound = self.timers.get(Timer::Handshake).map_or(soon, |at| at.min(soon));
                self.timers.set(Timer::Handshake, Some(bound));
            }
            _ => {}
        }
        self.try_now();
    }

    fn on_background(&mut self) {
        if std::mem::replace(&mut self.link.background, true) {
            return;
        }
        self.flush_now();
        self.save_all();
        if self.link.socket().is_some() {
            self.timers.set(Timer::Grace, Some(self.clock.t() + BACKGROUND_GRACE_MS));
        } else {
            self.go_dormant_in_background();
        }
    }

    pub(super) fn on_grace_over(&mut self) {
        if !self.link.background {
            return;
        }
        if let Some(socket) = self.link.socket() {
            if self.link.online().is_some() {
                self.flush_now();
                self.send_batches(socket);
                self.send_ack();
            }
            self.out.push_back(Output::CloseSocket { socket, code: CloseCode::NORMAL });
            self.leave_socket();
        }
        self.go_dormant_in_background();
    }

    fn go_dormant_in_background(&mut self) {
        if self.link.halt.is_none() {
            self.link.phase = Phase::Idle;
            self.timers.stop(Timer::Reconnect);
            self.link.halt = Some(Halt::new(State::Dormant, Cause::Background, 0));
        }
    }

    /// In background no lost socket is replaced.
    pub(super) fn settle_background(&mut self) {
        if self.link.background && self.link.socket().is_none() {
            self.timers.stop(Timer::Grace);
            self.go_dormant_in_background();
        }
    }
}
