//! Every number and switch of the server, with its default and its bounds. How they are read from a file, the environment
//! and flags `config` decides; what they mean is decided where they are used.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use castline::protocol::limits;
use ipnet::IpNet;

use crate::config::Bound::{self, Any, Bytes, Characters, Count, Ms, Origin, Real};
use crate::config::{ConfigError, Item, Section, join, settings};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
/// The longest time that a setting takes.
const LONGEST: u64 = 366 * DAY;

settings! {
    /// How a server is run. Begin with [`Settings::dev`] or [`Settings::new`] and change what differs.
    pub struct Settings {
        /// The players' address. Port 0 takes a free one.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), Any;
        /// The operators' address. Port 0 takes a free one.
        admin_listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)), Any;
        /// Where the database, and under `dev` the generated secrets, are kept. Created if absent.
        data: PathBuf = PathBuf::from("castline-data"), Any;
        /// Generated secrets and `POST /auth/token`; refuses any address but loopback.
        dev: bool = false, Any;
        /// The key of the players' tokens, at least 32 bytes; its UTF-8 bytes are the HS256 key. Under `dev` it is generated.
        jwt_secret: Option<Secret> = None, Bytes(32);
        /// The key before it, while tokens are about that were signed with it: both are good.
        jwt_previous_secret: Option<Secret> = None, Bytes(32);
        /// The operators' key, at least 32 characters. Under `dev` it is generated; without one `/admin` refuses everything.
        admin_key: Option<Secret> = None, Characters(32);
        /// A key that opens `/metrics` and nothing else, at least 32 characters: for Prometheus, which keeps its keys in files.
        metrics_key: Option<Secret> = None, Characters(32);
        /// `/metrics` asks for no key: for an operators' address that only Prometheus and operators can reach.
        metrics_open: bool = false, Any;
        /// Origins that browsers may call from, over HTTP and the WebSocket; under `dev` any.
        cors_origins: Vec<String> = Vec::new(), Origin;
        /// The proxies before this server, as networks: from these, and these alone, `X-Forwarded-For` is believed.
        trusted_proxies: Vec<IpNet> = Vec::new(), Any;
        /// Threads of the server's runtime; 0: one per processor.
        threads: usize = 0, Count(0, 1_024);
        section
        /// Speak TLS on the players' address.
        tls: Option<TlsFiles>;
        section
        /// When operators are called.
        alerts: Alerts;
        section
        /// What is written to the log.
        log: Log;
        section
        /// Players of a Telegram Mini App.
        telegram: TelegramSettings;
        section
        /// Times.
        timers: Timers;
        section
        /// Bounds.
        limits: Limits;
    }
}

impl Settings {
    /// For a machine of one's own: loopback, free ports, generated secrets.
    pub fn dev(data: impl Into<PathBuf>) -> Settings {
        Settings { dev: true, ..Settings::new(data) }
    }

    /// For the rest: loopback and free ports as well, but the JWT secret must be given.
    pub fn new(data: impl Into<PathBuf>) -> Settings {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Settings { listen: free, admin_listen: free, data: data.into(), ..Settings::default() }
    }

    /// Every value that its bound forbids, for settings that were made by hand.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        self.clone().visit("", &mut |item| {
            if let Err(wrong) = item.value.check(&item.bound) {
                problems.push(format!("{}: {wrong}", item.key));
            }
        });
        problems.extend(self.contradictions());
        ConfigError::unless_empty(problems)
    }

    /// What single values do not show.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.dev {
            for (name, address) in [("listen", self.listen), ("admin_listen", self.admin_listen)] {
                if !address.ip().is_loopback() {
                    found.push(format!(
                        "{name}: dev makes tokens for anybody, so the server listens on loopback only; {address} is not"
                    ));
                }
            }
        } else if self.jwt_secret.is_none() {
            found.push(
                "jwt_secret: there is none: set CASTLINE_JWT_SECRET or jwt_secret_file (at least 32 bytes), or run with --dev"
                    .to_owned(),
            );
        }
        if let Some(previous) = &self.jwt_previous_secret {
            match &self.jwt_secret {
                None => found.push("jwt_previous_secret: it needs jwt_secret beside it".to_owned()),
                Some(current) if current == previous => {
                    found.push("jwt_previous_secret: it is jwt_secret; leave it out".to_owned());
                }
                Some(_) => {}
            }
        }
        if self.telegram.bot_token.is_some() && self.telegram.bot_id != 0 {
            found.push(
                "telegram.bot_id: telegram.bot_token is given too; one of them says how initData is checked"
                    .to_owned(),
            );
        }
        if self.listen == self.admin_listen && self.listen.port() != 0 {
            found.push(format!("admin_listen: {} is the players' address already", self.listen));
        }
        if let Some(tls) = &self.tls {
            for (name, path) in [("certificates", &tls.certificates), ("key", &tls.key)] {
                if path.as_os_str().is_empty() {
                    found.push(format!("tls.{name}: not set; TLS needs the certificates and their key"));
                }
            }
        }
        let (timers, limits) = (&self.timers, &self.limits);
        if timers.drain_min > timers.drain_max {
            found.push(format!(
                "timers.drain_min: {} ms is more than timers.drain_max, {} ms",
                timers.drain_min, timers.drain_max
            ));
        }
        if let Some(webhook) = &self.alerts.webhook
            && !is_safe_address(webhook.expose())
        {
            // The address itself is a secret.
            found.push(
                "alerts.webhook: it is no https address; http is for loopback alone (http://127.0.0.1:9093/…)".to_owned(),
            );
        }
        if self.alerts.reconnect_below > self.alerts.reconnect_above {
            found.push(format!(
                "alerts.reconnect_below: {} is more than alerts.reconnect_above, {}: the alert would end as it begins",
                self.alerts.reconnect_below, self.alerts.reconnect_above
            ));
        }
        if timers.heartbeat >= timers.dead_after {
            found.push(format!(
                "timers.dead_after: {} ms is not more than timers.heartbeat, {} ms: every connection would be dropped",
                timers.dead_after, timers.heartbeat
            ));
        }
        if limits.first_message_bytes > limits.message_bytes {
            found.push(format!(
                "limits.first_message_bytes: {} is more than limits.message_bytes, {}",
                limits.first_message_bytes, limits.message_bytes
            ));
        }
        found
    }
}

settings! {
    /// What is written to the log, which goes to stderr.
    pub struct Log {
        /// `error`, `warn`, `info`, `debug` or `trace`; also by module: `info,castline_server::gateway=debug`.
        level: String = "info".to_owned(), Bound::Filter;
        /// `text` for people or `json` for a collector, an object a line.
        format: LogFormat = LogFormat::Text, Any;
    }
}

settings! {
    /// Players of a Telegram Mini App: `POST /auth/telegram`. Off until the bot's token, or its id, is given.
    pub struct TelegramSettings {
        /// The bot's token. With it `initData` is checked by its hash.
        bot_token: Option<Secret> = None, Bytes(20);
        /// Instead of the token: the bot's id. Then `initData` is checked by Telegram's own signature. 0: none.
        bot_id: u64 = 0, Count(0, 1 << 53);
        /// With the id: the bot lives in Telegram's test environment.
        test: bool = false, Any;
        /// The key by which players get their names from their ids at Telegram, at least 32 bytes. Without it one is made and kept in the
        /// data directory. With another one all players are others.
        id_key: Option<Secret> = None, Bytes(32);
        /// How long `initData` is good after its `auth_date`.
        max_age: u64 = DAY, Ms(1_000, LONGEST);
    }
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// A certificate chain and its key, PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate first, then its issuers.
    pub certificates: PathBuf,
    /// PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
}

/// TLS is on as soon as one of the files is named; that the other is missing is a contradiction.
impl Section for Option<TlsFiles> {
    fn visit(&mut self, at: &str, see: &mut dyn FnMut(Item<'_>)) {
        let named = |path: PathBuf| Some(path).filter(|path| !path.as_os_str().is_empty());
        let (mut certificates, mut key) =
            self.take().map_or((None, None), |tls| (named(tls.certificates), named(tls.key)));
        let doc = &[" A PEM certificate chain, the certificate first: speak TLS on the players' address."];
        see(Item { key: join(at, "certificates"), doc, value: &mut certificates, bound: Any });
        let doc = &[" The key of that certificate, PEM: PKCS #8, PKCS #1 or SEC 1."];
        see(Item { key: join(at, "key"), doc, value: &mut key, bound: Any });
        if certificates.is_some() || key.is_some() {
            let (certificates, key) = (certificates.unwrap_or_default(), key.unwrap_or_default());
            *self = Some(TlsFiles { certificates, key });
        }
    }
}

/// A text that never shows in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

settings! {
    /// Times, all in milliseconds. The defaults are the protocol's.
    pub struct Timers {
        /// Told to clients as `heartbeatMs`; after 1.25 × this silence the server sends a WebSocket Ping.
        heartbeat: u64 = limits::HEARTBEAT_MS, Ms(10, HOUR);
        /// No frame for this long: the connection is dropped.
        dead_after: u64 = limits::DEAD_AFTER_MS, Ms(10, DAY);
        /// No message but heartbeat for this long, no lease open: close 4009.
        idle: u64 = limits::IDLE_TIMEOUT_MS, Ms(10, LONGEST);
        /// From the accept to a valid `authenticate`, everything included: close 4002.
        handshake: u64 = limits::SERVER_HANDSHAKE_MS, Ms(10, HOUR);
        /// Outgoing bytes without progress for this long: close 4008.
        write_stall: u64 = 10_000, Ms(10, HOUR);
        /// When draining: clients are told to come back after a time spread flat from here …
        drain_min: u64 = 1_000, Ms(0, HOUR);
        /// … to here.
        drain_max: u64 = 4_000, Ms(0, HOUR);
        /// When draining: how long `/readyz` says 503 before the first client is sent away.
        drain_notice: u64 = 0, Ms(0, HOUR);
        /// An unacknowledged offer goes back to the queue this long after the socket ended, or the claim was answered.
        requeue: u64 = 120_000, Ms(10, DAY);
        /// A write waits this long for a lock on the database that another process holds; then it fails, and the client tries again.
        database_wait: u64 = 2_000, Ms(0, 20_000);
        /// How often the store is swept for what has come due.
        sweep: u64 = 5_000, Ms(10, HOUR);
        /// A session without a socket is kept this long.
        session_keep: u64 = 24 * 3_600_000, Ms(10, LONGEST);
        /// The reply to a request with a key is kept this long.
        key_keep: u64 = 3_600_000, Ms(10, LONGEST);
        /// An event id is known this long.
        event_id_keep: u64 = 7 * 24 * 3_600_000, Ms(10, LONGEST);
        /// A line of the audit table is kept this long.
        audit_keep: u64 = 365 * DAY, Ms(10, 10 * LONGEST);
        /// A socket whose task does not end by itself so long after its peer's time is over is ended by its worker.
        lease_grace: u64 = 5_000, Ms(10, HOUR);
        /// A socket that is not yet authenticated makes room for another only when it is older than this: a crowd that comes back at once
        /// after a restart is no flood.
        stranger_grace: u64 = 1_000, Ms(0, HOUR);
        /// A worker without a socket for this long goes, unless it is the last.
        worker_retire: u64 = 30_000, Ms(10, DAY);
        /// How often a line about the pool is written.
        pool_period: u64 = 10_000, Ms(10, HOUR);
        /// Such a line is kept this long.
        pool_keep: u64 = 30 * DAY, Ms(10, 10 * LONGEST);
        /// The reconnect rate is of the devices that were connected within this time.
        reconnect_window: u64 = 300_000, Ms(10, DAY);
        /// How often it is looked whether the certificate's files have changed. SIGHUP looks at once.
        tls_reload: u64 = 10_000, Ms(10, DAY);
        /// `spreadMs` of `flags_changed`.
        flags_spread: u64 = 10_000, Ms(0, HOUR);
        /// The flag configuration is read anew after this, for changes that another process made.
        flags_cache: u64 = 60_000, Ms(10, DAY);
        /// Life of a token from `POST /auth/token`.
        token_life: u64 = 300_000, Ms(1_000, LONGEST);
    }
}

/// An https address, or one that never leaves the machine.
fn is_safe_address(text: &str) -> bool {
    let Ok(uri) = text.parse::<axum::http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    !host.is_empty()
        && match uri.scheme_str() {
            Some("https") => true,
            Some("http") => loopback,
            _ => false,
        }
}

settings! {
    /// When operators are called, and how.
    pub struct Alerts {
        /// The alert begins when the reconnect rate is above this share …
        reconnect_above: f64 = 0.05, Real(0.0, 1.0);
        /// … and ends when it is below this one.
        reconnect_below: f64 = 0.025, Real(0.0, 1.0);
        /// With fewer devices in `timers.reconnect_window` it does not begin: one player's bad network is no incident.
        min_devices: u32 = 50, Count(1, 1_000_000);
        /// Told by a POST of JSON when the alert begins and ends: an address with https, or http on loopback. It is kept secret.
        webhook: Option<Secret> = None, Any;
        /// Who vouches for the webhook's certificate, a PEM file, in place of the public authorities.
        webhook_roots: Option<PathBuf> = None, Any;
    }
}

settings! {
    /// Bounds. The defaults are the protocol's.
    pub struct Limits {
        /// The longest message read, bytes, fragments joined.
        message_bytes: usize = limits::MAX_MESSAGE_BYTES, Count(1_024, 16 * 1024 * 1024);
        /// The longest message before authentication, bytes.
        first_message_bytes: usize = 4_096, Count(1_024, 16 * 1024 * 1024);
        /// What may wait to be written to one socket, bytes: beyond it close 4008.
        outgoing_bytes: usize = 65_536, Count(1_024, 64 * 1024 * 1024);
        /// Sessions of one player; a further one ends the one detached longest.
        sessions_per_player: u32 = 8, Count(1, 1_000);
        /// Durable messages waiting for one session's acknowledgement.
        backlog_messages: u32 = limits::MAX_SESSION_BACKLOG as u32, Count(1, 65_536);
        /// The same, in bytes of payload.
        backlog_bytes: u32 = limits::MAX_SESSION_BACKLOG_BYTES as u32, Count(1_024, 64 * 1024 * 1024);
        /// Messages of one connection.
        messages: Rate = Rate::per_second(30.0, 60.0), Any;
        /// `RATE_LIMITED` answers within 10 s after which the connection is closed with 4029.
        refusals: u32 = 100, Count(1, 1_000_000);
        /// `ready_for_offer` of one player.
        ready_for_offer: Rate = Rate::per_second(1.0, 3.0), Any;
        /// `authenticate` of one player.
        authenticate: Rate = Rate::per_minute(10.0), Any;
        /// `POST /offers/claim` of one player.
        claim: Rate = Rate::per_minute(6.0), Any;
        /// `GET /flags` of one player.
        flags: Rate = Rate::per_minute(12.0), Any;
        /// `POST /events` of one player.
        events: Rate = Rate::per_minute(30.0), Any;
        /// `POST /auth/telegram` of one address, which may be a carrier's.
        telegram: Rate = Rate::per_minute(60.0), Any;
        /// Wrong operators' keys from one address; above that it is locked out for a while.
        wrong_keys: Rate = Rate::per_minute(10.0), Any;
        /// Sockets of one address that are not yet authenticated; a further one is closed with 4029.
        unauthenticated_per_address: u32 = 20, Count(1, 1_000_000);
        /// The database's file grows to this many bytes at most, and what needs more is refused; 0: as far as the disk goes.
        database_bytes: u64 = 0, Count(0, 1 << 47);
        /// Sockets of one worker; when all workers are full there is a new one.
        places_per_worker: usize = 1_000, Count(1, 1_000_000);
        /// Of a worker's places, what sockets that are not yet authenticated may take: beyond it the oldest one makes room (4002).
        unauthenticated_share: f64 = 0.1, Real(0.0, 1.0);
        /// Sockets in all; further ones are refused at the accept.
        connections: usize = 65_536, Count(1, 10_000_000);
    }
}

/// A token bucket's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Refill, per second.
    pub per_second: f64,
    /// What may come at once.
    pub burst: f64,
}

impl Rate {
    /// So many a second, and so many at once.
    pub const fn per_second(per_second: f64, burst: f64) -> Rate {
        Rate { per_second, burst }
    }

    /// So many a minute, all of which may come at once.
    pub const fn per_minute(count: f64) -> Rate {
        Rate { per_second: count / 60.0, burst: count }
    }

    /// No bound, for benchmarks and for tests of something else.
    pub const fn unlimited() -> Rate {
        Rate { per_second: f64::INFINITY, burst: f64::INFINITY }
    }
}
