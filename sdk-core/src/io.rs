//! The core's two doors: what comes in ([`Input`]) and what goes out ([`Output`]).
//!
//! A driver does what an `Output` says and reports what happened as an `Input`; it decides nothing. After each
//! [`Core::handle`](crate::Core::handle) it drains [`Core::poll_output`](crate::Core::poll_output) until that says `WakeAt`.

use crate::command::Command;
use crate::event::{Event, Lifecycle};
use crate::flags::Flags;
use crate::text::{join, number, push_hex};

/// A moment on both clocks, in milliseconds.
///
/// Elapsed time is the larger of the two differences and never negative: the player may set the wall clock back, and the
/// monotonic clock may stand still while the device sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Since any fixed point.
    pub mono: u64,
    /// Unix ms.
    pub wall: u64,
}

/// Names a socket that the core asked for. What comes from one that is no longer current is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SocketId(pub u64);

/// Names an HTTP request that the core asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HttpId(pub u64);

/// Names a question for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId(pub u64);

/// What can be kept on the device. Each key is one small file (or one item of a browser's storage).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StoreKey {
    /// The device id, the last player and his flags: what a start needs at once.
    Boot,
    /// A player's session, held offers, seen offer ids, open bets.
    Player(String),
    /// One page of a player's analytics queue.
    Events(String, u32),
}

impl StoreKey {
    /// A name that is safe as a file name on every platform and different for different keys (players differ by case only on
    /// some of them, so upper case is escaped too).
    pub fn file_name(&self) -> String {
        match self {
            StoreKey::Boot => "boot".to_owned(),
            StoreKey::Player(player) => join(&["player-", &escape(player)]),
            StoreKey::Events(player, page) => {
                join(&["events-", &escape(player), "-", &number(u64::from(*page))])
            }
        }
    }
}

fn escape(player: &str) -> String {
    let mut out = String::with_capacity(player.len());
    for byte in player.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            out.push(char::from(byte));
        } else {
            out.push('_');
            push_hex(&mut out, byte.into(), 2);
        }
    }
    out
}

/// How grave a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum LogLevel {
    /// Something is broken.
    Error = 1,
    /// Something was lost, refused or set aside.
    Warn = 2,
    /// The connection's moves.
    Info = 3,
    /// Everything else.
    Debug = 4,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
}

impl Method {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
        }
    }
}

/// An HTTP answer of any status. Redirects are not followed.
#[derive(Debug, Clone, Copy)]
pub struct HttpReply<'a> {
    /// The status.
    pub status: u16,
    /// Names in lower case.
    pub headers: &'a [(String, String)],
    /// At most 64 KiB; a longer body is [`HttpFailure::TooLarge`].
    pub body: &'a [u8],
}

impl<'a> HttpReply<'a> {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Why there is no HTTP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpFailure {
    /// No connection, no TLS, or it broke.
    Unreachable,
    /// No answer within the request's time.
    TimedOut,
    /// The body is above 64 KiB.
    TooLarge,
}

/// What happened. An id that is no longer current is ignored.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// The WebSocket's upgrade is done.
    SocketOpened {
        /// Which socket.
        socket: SocketId,
    },
    /// A text message came.
    Text {
        /// On which socket.
        socket: SocketId,
        /// The message.
        text: &'a str,
    },
    /// The socket ended, or could not be opened (1006).
    SocketClosed {
        /// Which socket.
        socket: SocketId,
        /// The close code; 1006 where there was none.
        code: u16,
        /// A refused upgrade's `Retry-After`.
        retry_after_ms: Option<u64>,
    },
    /// An HTTP request ended.
    HttpResponse {
        /// Which request.
        http: HttpId,
        /// Its answer.
        reply: Result<HttpReply<'a>, HttpFailure>,
    },
    /// Answers `Load`.
    Loaded {
        /// Which key.
        key: StoreKey,
        /// What was saved; `None`: nothing, or it was corrupt and set aside.
        bytes: Option<&'a [u8]>,
    },
    /// Answers `Save`: whether it is on the disk.
    Saved {
        /// Which key.
        key: StoreKey,
        /// Whether the bytes will survive the process.
        ok: bool,
    },
    /// Answers `FetchToken`.
    Token {
        /// Which question.
        ticket: TokenId,
        /// The token; `None`: none to be had now.
        token: Option<&'a str>,
    },
    /// The game has taken every event up to the `events`-th of this core (dropped ones count as taken).
    Taken {
        /// A running count; see [`Inbox::taken`](crate::Inbox::taken).
        events: u64,
    },
    /// The host's word on the app's life.
    Lifecycle(Lifecycle),
    /// A call of the game.
    Command(Command),
    /// A `WakeAt` came due. A spurious one is harmless.
    Wake,
}

/// What to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output {
    /// Open a WebSocket, offering sub-protocol `castline.v1`. At most one is wanted at a time; the one before is given up.
    OpenSocket {
        /// Names it.
        socket: SocketId,
        /// `wss://…/ws`.
        url: String,
    },
    /// Send a text message. In order; without waiting.
    SendText {
        /// On which socket.
        socket: SocketId,
        /// The message.
        text: String,
    },
    /// Close it after what was sent, and report nothing more of it.
    CloseSocket {
        /// Which.
        socket: SocketId,
        /// The close code to send.
        code: u16,
    },
    /// Do an HTTP request. It must not hold up the socket.
    HttpRequest {
        /// Names it.
        http: HttpId,
        /// The method.
        method: Method,
        /// The whole address.
        url: String,
        /// Header fields.
        headers: Vec<(&'static str, String)>,
        /// The body; empty with `GET`.
        body: String,
        /// The bound on the whole request.
        timeout_ms: u32,
    },
    /// Ask the game for a token.
    FetchToken {
        /// Goes back with the answer.
        ticket: TokenId,
    },
    /// Read what was saved. The driver answers with `Loaded` before it hands in anything else.
    Load {
        /// Which.
        key: StoreKey,
    },
    /// Keep bytes, replacing what was kept; no bytes: delete. Answer with `Saved`. In order with what follows.
    Save {
        /// Which.
        key: StoreKey,
        /// What to keep.
        bytes: Vec<u8>,
    },
    /// Freshly decoded flags, for [`Inbox::offer_flags`](crate::Inbox::offer_flags), which publishes them at the right moment.
    Flags(Flags),
    /// Tell the game, through [`Inbox::push`](crate::Inbox::push).
    Event {
        /// What.
        event: Event,
        /// Whether an acknowledgement waits for the game to take it.
        durable: bool,
    },
    /// A line for the log. It never holds a token.
    Log {
        /// How grave.
        level: LogLevel,
        /// The text.
        line: String,
    },
    /// Nothing more to do until this monotonic time; `u64::MAX`: no need. Always the last of a drain.
    WakeAt(u64),
}
