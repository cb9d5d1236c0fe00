//! One WebSocket on one connection: the upgrade, messages in and out, the closing handshake. It decides what a peer may send
//! ([`Limits`]) and which close code answers a breach; what messages mean is left to others.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use mio::Token;
use tungstenite::client::IntoClientRequest;
use tungstenite::error::{Error as WsError, ProtocolError};
use tungstenite::handshake::client::ClientHandshake;
use tungstenite::handshake::{HandshakeError, MidHandshake};
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Bytes, Message, Utf8Bytes, WebSocket};

use super::stream::Stream;
use super::target::Target;
use crate::protocol::CloseCode;

/// tungstenite's own 128 KiB cost five times the CPU and forty times the memory.
const READ_BUFFER: usize = 4096;
/// How long the peer may take to end its side of a closed connection.
const LINGER: Duration = Duration::from_secs(1);
/// RFC 6455: the peer broke the protocol.
const PROTOCOL_ERROR: u16 = 1002;

/// What the socket accepts and holds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one message from the peer, its fragments joined; beyond it the socket is closed with 1009.
    pub max_message: usize,
    /// Bytes that wait to be written; beyond it the connection counts as lost.
    pub max_queued: usize,
    /// What becomes of binary messages.
    pub binary: Binary,
    /// The sub-protocol to insist on.
    pub sub_protocol: Option<&'static str>,
}

/// What becomes of a binary message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// The socket is closed with 1003.
    Refuse,
    /// It is handed over.
    Accept,
}

/// What happened on a socket.
#[derive(Debug)]
pub enum SocketEvent {
    /// The upgrade is done.
    Opened,
    /// A text message.
    Text(Utf8Bytes),
    /// A binary message; only with [`Binary::Accept`].
    Binary(Bytes),
    /// A frame that is nobody's business: a ping (answered already) or a pong.
    Control,
    /// It ended, or could not be opened. The last event of a socket.
    Closed {
        /// The peer's close code, or the one that answered a breach; 1006 where there was none.
        code: u16,
        /// A refused upgrade's `Retry-After`.
        retry_after_ms: Option<u64>,
    },
}

impl SocketEvent {
    pub(crate) fn lost() -> SocketEvent {
        SocketEvent::Closed { code: CloseCode::ABNORMAL, retry_after_ms: None }
    }
}

#[derive(Debug)]
enum Phase {
    Upgrading(Box<MidHandshake<ClientHandshake<Stream>>>),
    Open(Box<WebSocket<Stream>>),
    /// The closing handshake is due; nothing more is read as a message.
    Closing(Stream),
    Gone,
}

/// A connected socket.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) token: Token,
    phase: Phase,
    limits: Limits,
    /// The poller has spoken since the last read that found nothing.
    ready: bool,
    /// Writing failed. What the peer said before it went, such as a close code, may still be there to read.
    broken: bool,
    masks: Masks,
}

impl Connection {
    /// Begins the upgrade; it goes on in [`Connection::next`].
    pub(crate) fn upgrade(
        token: Token,
        stream: Stream,
        target: &Target,
        limits: Limits,
    ) -> Result<Connection, WsError> {
        let mut request = target.uri.clone().into_client_request()?;
        let agent = HeaderValue::from_static(concat!("castline/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        if let Some(name) = limits.sub_protocol {
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            // `Stream` buffers; a second buffer would only delay.
            .write_buffer_size(0)
            .max_message_size(Some(limits.max_message))
            .max_frame_size(Some(limits.max_message));
        let upgrade = ClientHandshake::start(stream, request, Some(config))?;
        let phase = Phase::Upgrading(Box::new(upgrade));
        Ok(Connection { token, phase, limits, ready: true, broken: false, masks: Masks::default() })
    }

    /// The poller has something for this connection.
    pub(crate) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether [`Connection::next`] may have more without the poller's word.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready
    }

    /// Takes a message to send.
    pub(crate) fn send(&mut self, text: bool, message: &[u8]) {
        let Phase::Open(ws) = &mut self.phase else { return };
        if !ws.can_write() || self.broken {
            return;
        }
        let queued = self.masks.next().and_then(|mask| queue_frame(ws.get_mut(), text, mask, message));
        if let Err(error) = queued {
            self.lose(&error);
        }
    }

    /// Writes what the peer takes.
    pub(crate) fn flush(&mut self) {
        let Phase::Open(ws) = &mut self.phase else { return };
        if let Err(error) = ws.get_mut().write_out() {
            self.lose(&error);
        }
    }

    /// Ends in [`SocketEvent::Closed`] as soon as there is nothing left to read.
    fn lose(&mut self, error: &io::Error) {
        log::debug!("castline: writing to the socket failed: {error}");
        self.broken = true;
        self.ready = true;
    }

    /// The next thing that happened.
    pub(crate) fn next(&mut self) -> Option<SocketEvent> {
        if !self.ready {
            return None;
        }
        match std::mem::replace(&mut self.phase, Phase::Gone) {
            Phase::Upgrading(upgrade) => match upgrade.handshake() {
                Ok((ws, _)) => {
                    self.phase = Phase::Open(Box::new(ws));
                    Some(SocketEvent::Opened)
                }
                Err(HandshakeError::Interrupted(upgrade)) => {
                    self.ready = false;
                    self.phase = Phase::Upgrading(Box::new(upgrade));
                    None
                }
                Err(HandshakeError::Failure(error)) => Some(refused(&error)),
            },
            Phase::Open(ws) => self.read(ws),
            phase @ (Phase::Closing(_) | Phase::Gone) => {
                self.phase = phase;
                None
            }
        }
    }

    fn read(&mut self, mut ws: Box<WebSocket<Stream>>) -> Option<SocketEvent> {
        if !self.broken
            && let Err(error) = ws.get_mut().write_out()
        {
            self.lose(&error);
        }
        let breach = match ws.read() {
            Ok(Message::Text(text)) => {
                self.phase = Phase::Open(ws);
                return Some(SocketEvent::Text(text));
            }
            Ok(Message::Binary(bytes)) if self.limits.binary == Binary::Accept => {
                self.phase = Phase::Open(ws);
                return Some(SocketEvent::Binary(bytes));
            }
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                self.phase = Phase::Open(ws);
                return Some(SocketEvent::Control);
            }
            Ok(Message::Close(frame)) => {
                // Queues the answer to the peer's close.
                let _ = ws.flush();
                self.phase = Phase::Closing(ws.into_inner());
                let code = frame.map_or(CloseCode::ABNORMAL, |f| u16::from(f.code));
                return Some(SocketEvent::Closed { code, retry_after_ms: None });
            }
            Err(WsError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.ready = false;
                if self.broken {
                    return Some(SocketEvent::lost());
                }
                self.phase = Phase::Open(ws);
                return None;
            }
            Ok(Message::Binary(_)) => CloseCode::UNSUPPORTED_DATA,
            Err(WsError::Capacity(_)) => CloseCode::TOO_LARGE,
            Err(WsError::Utf8(_)) => CloseCode::INVALID_TEXT,
            Err(WsError::Protocol(error)) if error != ProtocolError::ResetWithoutClosingHandshake => {
                log::debug!("castline: the server broke the WebSocket protocol: {error}");
                PROTOCOL_ERROR
            }
            Err(error) => {
                log::debug!("castline: the socket ended: {error}");
                return Some(SocketEvent::lost());
            }
        };
        self.say_goodbye(ws, breach);
        Some(SocketEvent::Closed { code: breach, retry_after_ms: None })
    }

    /// Closes it after what was queued. Nothing more is reported.
    pub(crate) fn close(&mut self, code: u16) {
        // Before the upgrade there is nobody to say goodbye to.
        if let Phase::Open(ws) = std::mem::replace(&mut self.phase, Phase::Gone) {
            self.say_goodbye(ws, code);
        }
    }

    fn say_goodbye(&mut self, mut ws: Box<WebSocket<Stream>>, code: u16) {
        let _ = ws.close(Some(CloseFrame { code: code.into(), reason: Utf8Bytes::from_static("") }));
        self.phase = Phase::Closing(ws.into_inner());
    }

    /// What is left to do after the end, if anything.
    pub(crate) fn into_farewell(self, now: Instant) -> Option<Farewell> {
        match self.phase {
            Phase::Closing(stream) if !self.broken => {
                Some(Farewell { token: self.token, stream, until: now + LINGER, ready: true })
            }
            _ => None,
        }
    }
}

/// A closed socket: its last frames leave, and the peer's end is awaited for a second, so that no reset overtakes them.
#[derive(Debug)]
pub(crate) struct Farewell {
    pub(crate) token: Token,
    stream: Stream,
    pub(crate) until: Instant,
    pub(crate) ready: bool,
}

impl Farewell {
    /// Whether it is over.
    pub(crate) fn advance(&mut self, now: Instant) -> bool {
        if now >= self.until {
            self.stream.notify_end();
            return true;
        }
        if !std::mem::take(&mut self.ready) {
            return false;
        }
        if self.stream.write_out().is_err() {
            return true;
        }
        // Unread bytes would turn the end of the connection into a reset. Their meaning is nobody's concern any more, so a
        // message that was too large is not read as one again.
        let mut scratch = [0; READ_BUFFER];
        for _ in 0..16 {
            match self.stream.read(&mut scratch) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        self.ready = true;
        false
    }
}

fn refused(error: &WsError) -> SocketEvent {
    log::debug!("castline: the connection was refused: {error}");
    let WsError::Http(response) = error else { return SocketEvent::lost() };
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
    // The form with a date needs a clock that both ends share; the reference server sends seconds.
    let seconds = retry_after.and_then(|v| v.trim().parse::<u32>().ok());
    SocketEvent::Closed { code: CloseCode::ABNORMAL, retry_after_ms: seconds.map(|s| u64::from(s) * 1000) }
}

/// Writes one unfragmented, masked frame. tungstenite could, but it writes whatever it sends to its trace log, and the first
/// message on a socket holds the token.
fn queue_frame(stream: &mut Stream, text: bool, mask: [u8; 4], message: &[u8]) -> io::Result<()> {
    let mut frame = Vec::with_capacity(message.len() + 14);
    frame.push(if text { 0x81 } else { 0x82 });
    match message.len() {
        n @ 0..=125 => frame.push(0x80 | n as u8),
        n @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(message.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    stream.queue(&frame)
}

/// Masking keys, which RFC 6455 wants unpredictable; one system call brings 64 of them.
#[derive(Debug)]
struct Masks {
    pool: [u8; 256],
    used: usize,
}

impl Default for Masks {
    fn default() -> Masks {
        Masks { pool: [0; 256], used: 256 }
    }
}

impl Masks {
    fn next(&mut self) -> io::Result<[u8; 4]> {
        if self.used == self.pool.len() {
            getrandom::fill(&mut self.pool).map_err(|_| io::Error::other("no random bytes"))?;
            self.used = 0;
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.pool[self.used..self.used + 4]);
        self.used += 4;
        Ok(mask)
    }
}
