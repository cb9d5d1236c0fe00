//! What goes out: the envelope with its acknowledgement, requests and their ends, HTTP.

use crate::event::{Event, RequestId};
use crate::io::{HttpFailure, HttpId, HttpReply, LogLevel, Method, Output};
use crate::protocol::json::Members;
use crate::protocol::limits::ACK_DELAY_MS;
use crate::protocol::messages::client::Read;
use crate::protocol::messages::{Ack, Lease, Message, Ping};
use crate::protocol::{Channel, Code, Envelope, json};
use crate::session::requests::{Open, Owner};
use crate::session::timers::Timer;
use crate::text::{join, number};

use super::{Core, Purpose, analytics};

/// Why a request failed.
pub(super) struct Failure<'a> {
    pub(super) code: Code,
    pub(super) code_text: &'a str,
    pub(super) message: &'a str,
    pub(super) retry_after: u64,
    /// With `SEED_USED`: the hash to bet on next.
    pub(super) next_seed_hash: &'a str,
}

/// Whether a refusal's body is the server's word (and not some portal's in between) that the token is no good.
fn refuses_token(body: &[u8]) -> bool {
    let says = |code: String| matches!(&*code, "INVALID_TOKEN" | "EXPIRED_TOKEN");
    json::member(body, "code").is_some_and(says)
}

/// A request's number as the envelope's `id`.
fn wire_id(id: u64) -> String {
    join(&["c", &number(id)])
}

impl Core {
    /// Sends what is due on an authenticated socket, or finds another way.
    pub(super) fn settle_outbound(&mut self) {
        if !self.link.is_online() {
            return self.flush_over_http();
        }
        // Queued events first: their triggers are to be evaluated before the break.
        self.send_batches();
        self.join_rooms();
        self.ask_for_offer();
        self.write_requests();
        if self.delivery.owes_ack() && self.timers.get(Timer::Ack).is_none() {
            self.timers.set(Timer::Ack, Some(self.clock.t() + ACK_DELAY_MS));
        }
    }

    /// A message as text; the newest acknowledgement rides on it.
    pub(super) fn compose(
        &self,
        channel: Channel,
        kind: &str,
        payload: &str,
        id: Option<u64>,
        key: Option<&str>,
    ) -> String {
        let mut envelope = Envelope::new(channel, kind, payload, self.clock.wall());
        envelope.id = id.map(|id| wire_id(id).into());
        envelope.key = key.map(Into::into);
        // It belongs to an authenticated connection.
        envelope.ack = self.delivery.ack().filter(|_| self.link.is_online());
        envelope.encode()
    }

    /// Puts what [`Core::compose`] made on the wire. False when the server would not read it.
    fn transmit(&mut self, text: String) -> bool {
        if text.len() > self.max_message {
            let max = number(self.max_message as u64);
            self.log(
                LogLevel::Warn,
                "a message was not sent, for the server reads no more bytes than ",
                &max,
            );
            return false;
        }
        self.out.push(Output::SendText { socket: self.link.newest, text });
        self.heartbeat.sent(self.clock.t());
        self.delivery.ack_went_out();
        self.timers.stop(Timer::Ack);
        true
    }

    /// Sends a message that nobody keeps. When not online it is lost, and that is what was asked for.
    pub(super) fn send(&mut self, channel: Channel, kind: &str, payload: &str) {
        if self.link.is_online() {
            let text = self.compose(channel, kind, payload, None, None);
            self.transmit(text);
        }
    }

    pub(super) fn ping(&mut self, probe: bool) {
        if !self.link.is_online() {
            return;
        }
        let id = self.requests.next_id();
        let text = self.compose(Ping::CHANNEL, Ping::KIND, "{}", Some(id), None);
        self.transmit(text);
        self.heartbeat.pinged(id, self.clock.t(), probe);
    }

    pub(super) fn send_ack(&mut self) {
        if self.delivery.owes_ack() {
            self.send(Ack::CHANNEL, Ack::KIND, "{}");
        }
    }

    /// Writes every request that may (again) be written on the present socket.
    pub(super) fn write_requests(&mut self) {
        while let Some(open) = self.requests.to_write() {
            let id = open.id;
            let text = self.compose(open.channel, &open.kind, &open.payload, Some(id), open.key.as_deref());
            if self.transmit(text) {
                self.requests.written(id);
            } else if let Some(open) = self.requests.take(id) {
                self.fail_own(&open, Code::MessageTooLarge, "the server reads no message of this size");
            }
        }
    }

    // ---- ends ----

    pub(super) fn complete(&mut self, open: &Open, kind: &str, payload: &str) {
        let key = open.key.as_deref().unwrap_or_default();
        match &open.owner {
            Owner::Game(request) => self.tell_completed(*request, key, kind, payload),
            Owner::Break(number) => {
                // A count that can't be read is none.
                if Lease::of(&mut Members::of(payload)).pending == 0 {
                    self.no_offer_for(*number);
                }
            }
            // Any reply that is no error takes it off the queue.
            Owner::Page(page) => {
                self.on_page_accepted(*page, analytics::rejected(payload).unwrap_or(0));
            }
            Owner::Join(game_id) => self.on_joined(game_id, payload),
            Owner::Bet(request) => self.on_bet_answered(*request, key, kind, payload),
            Owner::BetStatus(key) => self.on_bet_status(key, kind, payload),
        }
    }

    pub(super) fn fail(&mut self, open: &Open, failure: &Failure<'_>) {
        let key = open.key.as_deref().unwrap_or_default();
        match &open.owner {
            Owner::Game(request) => self.tell_failed(*request, key, failure),
            Owner::Bet(request) => self.on_bet_failed(*request, key, open.deadline, failure),
            // The socket went; the break lives on and asks again on the next.
            Owner::Break(_) if failure.code == Code::UnknownOutcome => {}
            Owner::Break(number) => self.no_offer_for(*number),
            Owner::Page(page) => self.on_page_failed(*page, failure.code, failure.retry_after),
            Owner::Join(game_id) => self.on_join_lost(game_id, failure.code),
            Owner::BetStatus(key) => self.on_bet_status_failed(key, failure),
        }
    }

    /// A failure that the SDK made.
    fn fail_own(&mut self, open: &Open, code: Code, message: &str) {
        let code_text = code.as_str();
        self.fail(open, &Failure { code, code_text, message, retry_after: 0, next_seed_hash: "" });
    }

    pub(super) fn tell_completed(&mut self, request: RequestId, key: &str, kind: &str, payload: &str) {
        self.event(Event::RequestCompleted {
            request,
            idempotency_key: key.to_owned(),
            kind: kind.to_owned(),
            payload: payload.to_owned(),
        });
    }

    pub(super) fn tell_failed(&mut self, request: RequestId, key: &str, failure: &Failure<'_>) {
        self.event(Event::RequestFailed {
            request,
            idempotency_key: key.to_owned(),
            code: failure.code,
            code_text: failure.code_text.to_owned(),
            message: failure.message.to_owned(),
            retry_after: failure.retry_after,
        });
    }

    fn end_unanswered(&mut self, open: &Open) {
        let code = open.end_code();
        let message = match code {
            Code::NotSent => "the deadline passed before it could be sent",
            _ => "it was sent and not answered; it may have been executed",
        };
        self.fail_own(open, code, message);
    }

    pub(super) fn on_request_deadlines(&mut self) {
        while let Some(open) = self.requests.take_expired(self.clock.t()) {
            self.end_unanswered(&open);
        }
    }

    /// The socket ended: what was written on it without a key can't be answered any more.
    pub(super) fn fail_lost_requests(&mut self) {
        while let Some(open) = self.requests.take_lost() {
            self.end_unanswered(&open);
        }
    }

    /// The server closed with 1009: the longest unanswered message is failed and not sent again.
    pub(super) fn fail_longest(&mut self) {
        if let Some(open) = self.requests.take_longest() {
            self.fail_own(&open, Code::MessageTooLarge, "the server closed the connection over its size");
        }
    }

    pub(super) fn fail_all(&mut self, code: Code, message: &str) {
        while let Some(open) = self.requests.take_first(&|_| true) {
            self.fail_own(&open, code, message);
        }
    }

    // ---- HTTP ----

    /// A JSON body under the player's token.
    pub(super) fn post(
        &mut self,
        purpose: Purpose,
        path: &str,
        bearer: String,
        body: String,
        timeout_ms: u32,
    ) {
        let url = join(&[self.config.base_url(), path]);
        let headers = vec![("authorization", bearer), ("content-type", "application/json".to_owned())];
        self.http(purpose, Method::Post, url, headers, body, timeout_ms);
    }

    pub(super) fn http(
        &mut self,
        purpose: Purpose,
        method: Method,
        url: String,
        headers: Vec<(&'static str, String)>,
        body: String,
        timeout_ms: u32,
    ) -> HttpId {
        self.last_http += 1;
        let http = HttpId(self.last_http);
        self.http.push((http, purpose));
        self.out.push(Output::HttpRequest { http, method, url, headers, body, timeout_ms });
        http
    }

    pub(super) fn is_under_way(&self, which: &dyn Fn(&Purpose) -> bool) -> bool {
        self.http.iter().any(|(_, purpose)| which(purpose))
    }

    pub(super) fn on_http(&mut self, http: HttpId, reply: Result<HttpReply<'_>, HttpFailure>) {
        let Some(at) = self.http.iter().position(|(id, _)| *id == http) else { return };
        let (_, purpose) = self.http.remove(at);
        // No answer at all has no status.
        let (status, body) = reply.map_or((0, &[][..]), |reply| (reply.status, reply.body));
        if purpose != Purpose::Telegram && status == 401 && refuses_token(body) {
            self.tokens.outlived();
        }
        match purpose {
            Purpose::Events { page } => {
                let wait = reply.ok().and_then(|reply| reply.header("retry-after"));
                self.on_events_posted(page, status, body, wait);
            }
            _ if self.link.is_closed() => {}
            Purpose::Flags => self.on_flags(reply),
            Purpose::Claim { number } => self.on_claim(number, status, body),
            Purpose::Telegram => self.on_telegram(status, body),
        }
    }

    /// The bearer token, if it is good now and speaks for the player whose data this is.
    pub(super) fn bearer(&self) -> Option<String> {
        let token = self.tokens.usable(self.clock.t())?;
        let same_player = self.tokens.player().is_none_or(|player| player == self.store.player());
        same_player.then(|| join(&["Bearer ", token]))
    }
}
