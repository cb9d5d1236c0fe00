//! The analytics queue's way out: at break points, with a due ping, when full, on background; over HTTP where there is no socket.

use crate::event::Dropped;
use crate::io::LogLevel;
use crate::protocol::Code;
use crate::protocol::json::{Members, Object};
use crate::protocol::messages::{Events, Message};
use crate::session::link::Phase;
use crate::session::requests::Owner;
use crate::text::{digits, number};

use super::{Core, Purpose};

/// How long a batch may stay unanswered.
const BATCH_TIMEOUT_MS: u64 = 30_000;
/// The bound on `POST /events`.
const EVENTS_TIMEOUT_MS: u32 = 10_000;
/// After a refusal the queue rests at least this long.
const REST_MS: u64 = 5_000;

/// How many events of a batch the server rejected; `None`: what it said is no `accepted`.
pub(super) fn rejected(accepted: &str) -> Option<u64> {
    let mut members = Members::of(accepted);
    let (_, rejected) = (members.need::<u64>("count"), members.list("rejected"));
    members.end().ok().map(|()| rejected.len() as u64)
}

impl Core {
    /// `track`.
    pub(super) fn track(&mut self, name: &str, props: &str) {
        // Before the event that they may have caused.
        self.collect_exposures();
        self.push_analytics(name, props, false);
        if self.analytics.is_full() {
            self.analytics.request_flush();
        }
    }

    /// An event of the SDK's own; an urgent one goes out at once.
    pub(super) fn track_own(&mut self, name: &str, props: &str, urgent: bool) {
        self.push_analytics(name, props, urgent);
        if urgent {
            self.flush_now();
        }
    }

    fn push_analytics(&mut self, name: &str, props: &str, urgent: bool) {
        let id = self.rng.id();
        let wall = self.clock.wall();
        let flags = self.flags_applied.variants();
        self.analytics.expire(wall);
        if self.analytics.push(id, name, wall, props, &flags, urgent).is_err() {
            let what = "not queued, for it is too large or its props are no JSON object: ";
            self.log(LogLevel::Warn, what, name);
        }
        self.report_dropped_analytics();
    }

    pub(super) fn report_dropped_analytics(&mut self) {
        let count = self.analytics.take_dropped();
        self.tell_dropped(Dropped::Analytics, count);
    }

    /// What is queued now goes out with the next chance.
    pub(super) fn flush_now(&mut self) {
        self.collect_exposures();
        self.analytics.request_flush();
    }

    /// Batches for the socket; `write_requests` puts them on the wire.
    pub(super) fn send_batches(&mut self) {
        if self.clock.t() < self.analytics_rest_until {
            return;
        }
        while self.analytics.has_to_send()
            && let Some(batch) = self.analytics.next_batch()
        {
            let deadline = self.clock.t() + BATCH_TIMEOUT_MS;
            let owner = Owner::Page(batch.page);
            self.requests.add(owner, Events::CHANNEL, Events::KIND, batch.payload, deadline, None);
        }
    }

    /// No socket: what must not wait goes over HTTP, with a token that is in hand.
    pub(super) fn flush_over_http(&mut self) {
        let soon_online = matches!(self.link.phase, Phase::Opening | Phase::Handshake);
        let must = self.analytics.urgent() || self.link.background;
        if soon_online || !must || !self.link.network || !self.analytics.has_to_send() {
            return;
        }
        if self.clock.t() < self.analytics_rest_until {
            return;
        }
        let Some(bearer) = self.bearer().filter(|_| !self.store.player().is_empty()) else { return };
        let Some(batch) = self.analytics.next_batch() else { return };
        // The sender's clock, which on the socket is the envelope's: the server corrects the events' times by it.
        let mut body = Object::new().number("timestamp", self.clock.wall()).open();
        body.push(',');
        body.push_str(&batch.payload[1..]);
        let purpose = Purpose::Events { page: batch.page };
        self.post(purpose, "/events", bearer, body, EVENTS_TIMEOUT_MS);
    }

    pub(super) fn on_events_posted(&mut self, page: u32, status: u16, body: &[u8], wait: Option<&str>) {
        // A captive portal says 200 too; only the server says `accepted`.
        if status == 200
            && let Some(rejected) = std::str::from_utf8(body).ok().and_then(rejected)
        {
            return self.on_page_accepted(page, rejected);
        }
        let code = if status == 400 { Code::InvalidPayload } else { Code::Unknown };
        let seconds = wait.and_then(|wait| digits(wait.trim_ascii())).unwrap_or(0);
        self.on_page_failed(page, code, seconds.saturating_mul(1000));
    }

    /// The server has taken a batch. What it rejected of it, it will never take.
    pub(super) fn on_page_accepted(&mut self, page: u32, rejected: u64) {
        self.analytics.settled(page);
        self.game_reported &= self.analytics.urgent();
        if rejected > 0 {
            self.log(LogLevel::Warn, "analytics events that the server rejected: ", &number(rejected));
            self.tell_dropped(Dropped::Analytics, rejected);
        }
    }

    /// A batch was refused or got lost. Only `INVALID_PAYLOAD` takes it off the queue; all else repeats it.
    pub(super) fn on_page_failed(&mut self, page: u32, code: Code, retry_after: u64) {
        match code {
            Code::InvalidPayload | Code::MessageTooLarge => {
                self.log(LogLevel::Error, "the server will never take an analytics batch: ", code.as_str());
                let count = self.analytics.discard(page);
                self.tell_dropped(Dropped::Analytics, count);
            }
            // Its socket went: it goes out again with the next.
            Code::UnknownOutcome | Code::Closed | Code::IdentityChanged => self.analytics.failed(page),
            _ => {
                self.analytics.failed(page);
                self.analytics_rest_until = self.clock.t() + retry_after.max(REST_MS);
                self.analytics_rest_ordered = retry_after > 0;
            }
        }
    }
}
