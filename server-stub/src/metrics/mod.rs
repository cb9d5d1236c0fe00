//! What operators count: the metrics by name, and how each is counted. Who counts what is decided where it happens; what a
//! number means for the alert, in `gateway/health`.
//!
//! A server has a registry of its own, for a process may hold several. Counters are plain atomics: on the path of a message
//! nothing is allocated and no lock taken. Label values come from fixed lists, so that no player can make a series.

mod named;

use std::time::{Duration, Instant};

use prometheus::core::Collector;
use prometheus::{
    Encoder as _, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use named::{Named, NamedTimes};

/// Messages that the server sends.
const SENT: &[&str] = &[
    "accepted",
    "auth_failed",
    "authenticated",
    "balance",
    "bet_acknowledged",
    "bet_settled",
    "chat",
    "connected",
    "error",
    "flags_changed",
    "game_event",
    "game_joined",
    "lease",
    "new_offer",
    "ok",
    "player_joined",
    "player_left",
    "pong",
    "reconnect",
    "system_announcement",
];
/// Messages that clients send.
const RECEIVED: &[&str] = &[
    "ack",
    "authenticate",
    "balance",
    "bet_status",
    "chat",
    "events",
    "game_event",
    "join_game",
    "leave_game",
    "not_ready",
    "ping",
    "place_bet",
    "ready_for_offer",
];
/// Requests whose time is taken.
const TIMED: &[&str] = &["authenticate", "events", "not_ready", "place_bet", "ready_for_offer"];
/// Close codes that have a series of their own.
const CODES: &[u16] = &[
    1000, 1001, 1002, 1003, 1005, 1006, 1007, 1009, 1011, 1012, 1013, 4001, 4002, 4003, 4008, 4009, 4010,
    4029, 4500, 4501, 4503, 4504,
];
/// The protocol's buckets, milliseconds.
const MILLISECONDS: &[f64] = &[5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];
/// Finer at the short end, for what happens within one process.
const SHORT_MILLISECONDS: &[f64] = &[0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0];
const LIFETIMES: &[f64] =
    &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0];
/// Of requests, over either road.
const SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Who ended a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    Server,
    Client,
    /// Nobody said a word: the network, or a peer that fell silent.
    Nobody,
}

impl EndedBy {
    fn as_str(self) -> &'static str {
        match self {
            EndedBy::Server => "server",
            EndedBy::Client => "client",
            EndedBy::Nobody => "nobody",
        }
    }
}

/// Why a consumer was too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slow {
    /// More bytes waited than may.
    Bytes,
    /// Nothing was taken for too long.
    Stall,
}

/// The metrics of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Sockets by worker.
    pub(crate) active: IntGaugeVec,
    /// Sockets that have authenticated.
    pub(crate) players: IntGauge,
    /// Sockets that have not.
    pub(crate) strangers: IntGauge,
    pub(crate) opened: IntCounter,
    latency: Histogram,
    sent: Named,
    received: Named,
    requests: NamedTimes,
    bus_lag: Histogram,
    /// Set at the end of each period.
    pub(crate) reconnect_rate: Gauge,
    pub(crate) alert_firing: IntGauge,
    pub(crate) reconnects: IntCounter,
    lifetimes: Histogram,
    closes: IntCounterVec,
    slow_by_bytes: IntCounter,
    slow_by_stall: IntCounter,
    /// Mailboxes that took nothing more.
    pub(crate) overflows: IntCounter,
    /// `RATE_LIMITED` by the bucket of the connection.
    pub(crate) limited_messages: IntCounter,
    /// `RATE_LIMITED` by a bucket of the player.
    pub(crate) limited_player: IntCounter,
    /// Sockets closed at the door with 4029, for their address has too many strangers.
    pub(crate) refused_address: IntCounter,
    /// Sockets closed at the door for the origin of their page.
    pub(crate) refused_origin: IntCounter,
    /// Connections beyond `limits.connections`.
    pub(crate) refused_places: IntCounter,
    /// Strangers that made room for newer ones.
    pub(crate) evicted_strangers: IntCounter,
    /// Sockets whose lease ran out and whose task did not say so itself.
    pub(crate) evicted_leases: IntCounter,
    pub(crate) webhook_delivered: IntCounter,
    pub(crate) webhook_failed: IntCounter,
    pub(crate) webhook_dropped: IntCounter,
    /// Changed certificates that were taken.
    pub(crate) tls_reloads: IntCounter,
    /// Changed certificates that were no good.
    pub(crate) tls_failures: IntCounter,
    http_requests: IntCounterVec,
    http_seconds: HistogramVec,
    /// Jobs that wait for the one writer.
    pub(crate) store_waiting: IntGauge,
    /// 1: the database can be written.
    pub(crate) store_writable: IntGauge,
    /// Jobs that came to nothing because it could not.
    pub(crate) store_refused: IntCounter,
    pub(crate) store_bytes: IntGauge,
    pub(crate) store_free_bytes: IntGauge,
}

impl Metrics {
    /// All metrics, at zero.
    ///
    /// # Errors
    /// A name that is given twice or malformed: a mistake in this file.
    pub(crate) fn new() -> prometheus::Result<Metrics> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        let to = &registry;
        build_info(to)?;
        let evicted = to.counters(
            "ws_evictions_total",
            "Sockets that a worker ended: the oldest unauthenticated one for a newer one, or one that outlived its lease",
            &["reason"],
        )?;
        let webhooks =
            to.counters("alert_webhooks_total", "Words about the alert to the webhook", &["outcome"])?;
        let reloads =
            to.counters("tls_reloads_total", "Changed certificate files, taken or refused", &["outcome"])?;
        let refused = to.counters("ws_refused_total", "Connections refused at the door", &["reason"])?;
        let limited =
            to.counters("ws_rate_limited_total", "Messages refused with RATE_LIMITED", &["limit"])?;
        let slow = to.counters(
            "ws_slow_consumers_total",
            "Sockets closed with 4008 for what waited to be written",
            &["cause"],
        )?;
        let closes = to.counters(
            "ws_closes_total",
            "Sockets that ended, by close code and who ended them",
            &["code", "by"],
        )?;
        for (code, by) in [
            ("1000", "client"),
            ("1001", "client"),
            ("1006", "nobody"),
            ("4008", "server"),
            ("4009", "server"),
        ] {
            closes.with_label_values(&[code, by]);
        }
        Ok(Metrics {
            active: to.add(IntGaugeVec::new(
                Opts::new("ws_active_connections", "Open WebSockets of a worker"),
                &["worker"],
            )?)?,
            players: to.add(IntGauge::new("ws_players", "Open WebSockets that have authenticated")?)?,
            strangers: to.add(IntGauge::new("ws_strangers", "Open WebSockets that have not yet authenticated")?)?,
            opened: to.add(IntCounter::new("ws_connections_total", "WebSockets opened")?)?,
            latency: to.histogram(
                "ws_message_latency_ms",
                "From the engine's word to the last byte taken by the socket, of messages that nobody asked for",
                MILLISECONDS,
            )?,
            sent: Named::new(to, "ws_messages_total", "Messages sent, by type", SENT)?,
            received: Named::new(to, "ws_received_messages_total", "Messages read, by type", RECEIVED)?,
            requests: NamedTimes::new(
                to,
                "ws_request_duration_seconds",
                "From a request read to its answer handed to the socket, by type",
                TIMED,
                SECONDS,
            )?,
            bus_lag: to.histogram("bus_lag_ms", "From a note's publication to its delivery in all mailboxes", SHORT_MILLISECONDS)?,
            reconnect_rate: to.add(Gauge::new(
                "reconnect_rate",
                "Share of the devices connected within the last window that came back after losing their socket",
            )?)?,
            alert_firing: to.add(IntGauge::new("reconnect_alert_firing", "1 while the reconnect rate is an alarm")?)?,
            reconnects: to.add(IntCounter::new(
                "ws_reconnects_total",
                "Sockets that authenticated after their device had lost one",
            )?)?,
            lifetimes: to.histogram("connection_ttl_seconds", "How long sockets lived that have ended", LIFETIMES)?,
            closes,
            slow_by_bytes: slow.with_label_values(&["bytes"]),
            slow_by_stall: slow.with_label_values(&["stall"]),
            overflows: to.add(IntCounter::new(
                "ws_mailbox_overflows_total",
                "Mailboxes of connections that were full; what was in them is dropped, and the socket closed with 4008",
            )?)?,
            limited_messages: limited.with_label_values(&["connection"]),
            limited_player: limited.with_label_values(&["player"]),
            refused_address: refused.with_label_values(&["address"]),
            refused_origin: refused.with_label_values(&["origin"]),
            refused_places: refused.with_label_values(&["places"]),
            evicted_strangers: evicted.with_label_values(&["unauthenticated"]),
            evicted_leases: evicted.with_label_values(&["lease"]),
            webhook_delivered: webhooks.with_label_values(&["delivered"]),
            webhook_failed: webhooks.with_label_values(&["failed"]),
            webhook_dropped: webhooks.with_label_values(&["dropped"]),
            tls_reloads: reloads.with_label_values(&["taken"]),
            tls_failures: reloads.with_label_values(&["refused"]),
            http_requests: to.counters(
                "http_requests_total",
                "HTTP requests answered, by route as it is declared and status",
                &["listener", "route", "status"],
            )?,
            http_seconds: to.add(HistogramVec::new(
                HistogramOpts::new("http_request_duration_seconds", "Time to an HTTP request's answer")
                    .buckets(SECONDS.to_vec()),
                &["listener", "route"],
            )?)?,
            store_waiting: to.add(IntGauge::new("store_waiting_jobs", "Jobs that wait for the database's one writer")?)?,
            store_writable: to.add(IntGauge::new("store_writable", "1 while the database can be written, else 0")?)?,
            store_refused: to.add(IntCounter::new(
                "store_refused_jobs_total",
                "Jobs that came to nothing because the database could not be written",
            )?)?,
            store_bytes: to.add(IntGauge::new("store_database_bytes", "Size of the database's file and its log")?)?,
            store_free_bytes: to.add(IntGauge::new("store_disk_free_bytes", "Room on the file system of the data directory")?)?,
            registry,
        })
    }

    /// Whether a close code has a series of its own.
    pub(crate) fn knows(code: u16) -> bool {
        CODES.contains(&code)
    }

    /// Messages sent so far.
    pub(crate) fn all_sent(&self) -> u64 {
        self.sent.all()
    }

    /// Messages read so far.
    pub(crate) fn all_received(&self) -> u64 {
        self.received.all()
    }

    /// A message is handed to a socket.
    pub(crate) fn sent(&self, kind: &str) {
        self.sent.count(kind);
    }

    /// A message was read.
    pub(crate) fn received(&self, kind: &str) {
        self.received.count(kind);
    }

    /// A request is answered.
    pub(crate) fn answered(&self, kind: &str, took: Duration) {
        self.requests.observe(kind, took.as_secs_f64());
    }

    /// The last byte of a message went to the socket, so long after the engine's word.
    pub(crate) fn written(&self, latency: Duration) {
        self.latency.observe(ms(latency));
    }

    /// A note has reached everybody.
    pub(crate) fn heard(&self, published: Instant) {
        self.bus_lag.observe(ms(published.elapsed()));
    }

    pub(crate) fn slow(&self, cause: Slow) {
        match cause {
            Slow::Bytes => self.slow_by_bytes.inc(),
            Slow::Stall => self.slow_by_stall.inc(),
        }
    }

    /// A socket has ended.
    pub(crate) fn ended(&self, code: u16, by: EndedBy, lifetime: Duration) {
        self.lifetimes.observe(lifetime.as_secs_f64());
        let text = if Metrics::knows(code) { code.to_string() } else { "other".to_owned() };
        self.closes.with_label_values(&[text.as_str(), by.as_str()]).inc();
    }

    /// An HTTP request is answered; `route` as it was declared, never as it was asked.
    pub(crate) fn http(&self, listener: &str, route: &str, status: u16, took: Duration) {
        self.http_requests.with_label_values(&[listener, route, status.to_string().as_str()]).inc();
        self.http_seconds.with_label_values(&[listener, route]).observe(took.as_secs_f64());
    }

    /// The text of `/metrics`, format 0.0.4.
    ///
    /// # Errors
    /// None that is known: the text goes to memory.
    pub(crate) fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// The content type of [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn build_info(to: &Registry) -> prometheus::Result<()> {
    let opts = Opts::new("castline_build_info", "1; the version is a label")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    to.add(IntGauge::with_opts(opts)?)?.set(1);
    Ok(())
}

/// Making and registering in one step.
trait Register {
    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> prometheus::Result<C>;
    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec>;
    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram>;
}

impl Register for Registry {
    fn add<C: Collector + Clone + 'static>(&self, metric: C) -> prometheus::Result<C> {
        self.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }
}
