//! The protocol's numbers, each in one place. Durations are milliseconds.

/// A text message, its envelope included, fragments joined; either direction.
pub const MAX_MESSAGE_BYTES: usize = 16_384;
/// JSON nested deeper than this is invalid.
pub const MAX_JSON_DEPTH: usize = 32;
/// Numbers on the wire are below 2⁵³, so that every JSON reader keeps them exact.
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Either direction silent for this long: the client pings.
pub const HEARTBEAT_MS: u64 = 30_000;
/// No frame from a client for this long: the server drops the connection.
pub const DEAD_AFTER_MS: u64 = 45_000;
/// No message but heartbeat for this long: the server closes with 4009.
pub const IDLE_TIMEOUT_MS: u64 = 300_000;
/// A ping unanswered for this long declares the socket dead.
pub const PING_TIMEOUT_MS: u64 = 10_000;
/// The same for the probe after Foreground, NetworkChanged or a late wake-up.
pub const PROBE_TIMEOUT_MS: u64 = 2_000;
/// The server's bound on the whole handshake, accept to `authenticate`.
pub const SERVER_HANDSHAKE_MS: u64 = 5_000;
/// The client's bound on connect, upgrade and authentication together.
pub const CLIENT_HANDSHAKE_MS: u64 = 10_000;
/// A wake-up later than this after its deadline means that the process slept.
pub const LATE_WAKE_MS: u64 = 2_000;
/// How long a connection must have been up before the back-off starts over.
pub const STABLE_AFTER_MS: u64 = 10_000;
/// Background grace before the socket is closed.
pub const BACKGROUND_GRACE_MS: u64 = 15_000;
/// An acknowledgement that found nothing to ride on is sent alone after at most this.
pub const ACK_DELAY_MS: u64 = 1_000;

/// The back-off never waits less than this.
pub const BACKOFF_MIN_MS: u64 = 250;
/// The ceiling of the first attempt; it doubles with each.
pub const BACKOFF_BASE_MS: u64 = 1_000;
/// The ceiling's ceiling.
pub const BACKOFF_MAX_MS: u64 = 30_000;
/// After close code 4029 the client waits at least this.
pub const RATE_LIMITED_MIN_MS: u64 = 5_000;

/// Requests open at once.
pub const MAX_OPEN_REQUESTS: usize = 64;
/// A request's default deadline.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// A request's longest deadline.
pub const REQUEST_TIMEOUT_MAX_MS: u64 = 600_000;
/// Events waiting for the game; beyond it the droppable ones are dropped.
pub const MAX_QUEUED_EVENTS: usize = 256;
/// Rooms a session may be in.
pub const MAX_ROOMS: usize = 8;
/// A `gameId` and an idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 64;
/// A placement, message type, event or flag name, in bytes.
pub const MAX_NAME_BYTES: usize = 128;

/// Default length of a lease.
pub const LEASE_MS: u64 = 10_000;
/// Shortest lease.
pub const LEASE_MIN_MS: u64 = 1_000;
/// Longest lease.
pub const LEASE_MAX_MS: u64 = 60_000;
/// No authenticated socket this long after `ready_for_offer`: the offer is claimed over HTTP.
pub const CLAIM_AFTER_MS: u64 = 1_500;
/// Offer ids remembered, so that none surfaces twice.
pub const MAX_SEEN_OFFERS: usize = 256;

/// The body of a `/flags` answer.
pub const MAX_FLAGS_BYTES: usize = 2_048;
/// Attributes that a game may state for targeting.
pub const MAX_ATTRIBUTES: usize = 8;
/// Their JSON text: they travel in the query of a URL, and up to three times as long there.
pub const MAX_ATTRIBUTES_BYTES: usize = 1_024;
/// Least interval between unasked flag fetches.
pub const FLAGS_INTERVAL_MS: u64 = 60_000;

/// Events in one analytics batch.
pub const MAX_BATCH_EVENTS: usize = 50;
/// Bytes of one analytics batch.
pub const MAX_BATCH_BYTES: usize = 12_288;
/// Bytes of one analytics event.
pub const MAX_ANALYTICS_EVENT_BYTES: usize = 2_048;
/// Bytes of the analytics queue on disk.
pub const MAX_ANALYTICS_BYTES: usize = 524_288;
/// Age at which a queued analytics event is dropped.
pub const MAX_ANALYTICS_AGE_MS: u64 = 6 * 24 * 3_600_000;

/// Durable messages that wait for one session's acknowledgement at the server.
pub const MAX_SESSION_BACKLOG: usize = 256;
/// The same, in bytes.
pub const MAX_SESSION_BACKLOG_BYTES: usize = 65_536;
