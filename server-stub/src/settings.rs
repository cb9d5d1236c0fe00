//! Every number and switch of the server, with its default. What the settings mean is decided elsewhere.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use castline::protocol::limits;

/// How a server is run. Begin with [`Settings::dev`] or [`Settings::new`] and change what differs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The players' address. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The operators' address. Port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// Where the database, and under `dev` the generated secrets, are kept. Created if absent.
    pub data: PathBuf,
    /// Generated secrets and `POST /auth/token`; refuses any address but loopback.
    pub dev: bool,
    /// The key of the players' tokens, at least 32 bytes; its UTF-8 bytes are the HS256 key. Under `dev` it is generated.
    pub jwt_secret: Option<Secret>,
    /// The operators' key, at least 32 characters. Under `dev` it is generated; without one `/admin` refuses everything.
    pub admin_key: Option<Secret>,
    /// Origins that browsers may call from; under `dev` any.
    pub cors_origins: Vec<String>,
    /// Speak TLS on the players' address.
    pub tls: Option<TlsFiles>,
    /// Threads of the server's runtime; 0: one per processor.
    pub threads: usize,
    /// Times.
    pub timers: Timers,
    /// Bounds.
    pub limits: Limits,
}

impl Settings {
    /// For a machine of one's own: loopback, free ports, generated secrets.
    pub fn dev(data: impl Into<PathBuf>) -> Settings {
        Settings { dev: true, ..Settings::new(data) }
    }

    /// For the rest: loopback and free ports as well, but the JWT secret must be given.
    pub fn new(data: impl Into<PathBuf>) -> Settings {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Settings {
            listen: free,
            admin_listen: free,
            data: data.into(),
            dev: false,
            jwt_secret: None,
            admin_key: None,
            cors_origins: Vec::new(),
            tls: None,
            threads: 0,
            timers: Timers::default(),
            limits: Limits::default(),
        }
    }
}

/// A certificate chain and its key, PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate first, then its issuers.
    pub certificates: PathBuf,
    /// PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
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

/// Times, all in milliseconds. The defaults are the protocol's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Timers {
    /// Told to clients as `heartbeatMs`; after 1.25 × this silence the server sends a WebSocket Ping.
    pub heartbeat: u64,
    /// No frame for this long: the connection is dropped.
    pub dead_after: u64,
    /// No message but heartbeat for this long, no lease open: close 4009.
    pub idle: u64,
    /// From the accept to a valid `authenticate`, everything included: close 4002.
    pub handshake: u64,
    /// Outgoing bytes without progress for this long: close 4008.
    pub write_stall: u64,
    /// When draining: clients are told to come back after a time spread flat from here …
    pub drain_min: u64,
    /// … to here.
    pub drain_max: u64,
    /// When draining: how long `/readyz` says 503 before the first client is sent away.
    pub drain_notice: u64,
    /// An unacknowledged offer goes back to the queue this long after the socket ended, or the claim was answered.
    pub requeue: u64,
    /// How often the store is swept for what has come due.
    pub sweep: u64,
    /// A session without a socket is kept this long.
    pub session_keep: u64,
    /// The reply to a request with a key is kept this long.
    pub key_keep: u64,
    /// An event id is known this long.
    pub event_id_keep: u64,
    /// A line of the audit table is kept this long.
    pub audit_keep: u64,
    /// `spreadMs` of `flags_changed`.
    pub flags_spread: u64,
    /// The flag configuration is read anew after this, for changes that another process made.
    pub flags_cache: u64,
    /// Life of a token from `POST /auth/token`.
    pub token_life: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Timers {
            heartbeat: limits::HEARTBEAT_MS,
            dead_after: limits::DEAD_AFTER_MS,
            idle: limits::IDLE_TIMEOUT_MS,
            handshake: limits::SERVER_HANDSHAKE_MS,
            write_stall: 10_000,
            drain_min: 1_000,
            drain_max: 4_000,
            drain_notice: 0,
            requeue: 120_000,
            sweep: 5_000,
            session_keep: 24 * 3_600_000,
            key_keep: 3_600_000,
            event_id_keep: 7 * 24 * 3_600_000,
            audit_keep: 365 * 24 * 3_600_000,
            flags_spread: 10_000,
            flags_cache: 60_000,
            token_life: 300_000,
        }
    }
}

/// Bounds. The defaults are the protocol's.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message read, bytes, fragments joined.
    pub message_bytes: usize,
    /// The longest message before authentication, bytes.
    pub first_message_bytes: usize,
    /// What may wait to be written to one socket, bytes: beyond it close 4008.
    pub outgoing_bytes: usize,
    /// Sessions of one player; a further one ends the one detached longest.
    pub sessions_per_player: u32,
    /// Durable messages waiting for one session's acknowledgement.
    pub backlog_messages: u32,
    /// The same, in bytes of payload.
    pub backlog_bytes: u32,
    /// Messages of one connection.
    pub messages: Rate,
    /// `RATE_LIMITED` answers within 10 s after which the connection is closed with 4029.
    pub refusals: u32,
    /// `ready_for_offer` of one player.
    pub ready_for_offer: Rate,
    /// `authenticate` of one player.
    pub authenticate: Rate,
    /// `POST /offers/claim` of one player.
    pub claim: Rate,
    /// `GET /flags` of one player.
    pub flags: Rate,
    /// `POST /events` of one player.
    pub events: Rate,
    /// Sockets of one address that are not yet authenticated; a further one is closed with 4029.
    pub unauthenticated_per_address: u32,
    /// Sockets in all; further ones are refused at the accept.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            message_bytes: limits::MAX_MESSAGE_BYTES,
            first_message_bytes: 4_096,
            outgoing_bytes: 65_536,
            sessions_per_player: 8,
            backlog_messages: limits::MAX_SESSION_BACKLOG as u32,
            backlog_bytes: limits::MAX_SESSION_BACKLOG_BYTES as u32,
            messages: Rate::per_second(30.0, 60.0),
            refusals: 100,
            ready_for_offer: Rate::per_second(1.0, 3.0),
            authenticate: Rate::per_minute(10.0),
            claim: Rate::per_minute(6.0),
            flags: Rate::per_minute(12.0),
            events: Rate::per_minute(30.0),
            unauthenticated_per_address: 20,
            connections: 65_536,
        }
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
