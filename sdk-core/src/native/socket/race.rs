//! Happy eyeballs (RFC 8305): connect to the first address; after 250 ms, or at once when it fails, to the next as well; the
//! first to answer wins and the others are dropped. A dead IPv6 route costs at most 250 ms.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// RFC 8305's "Connection Attempt Delay".
pub(crate) const STAGGER: Duration = Duration::from_millis(250);

#[derive(Debug)]
struct Attempt {
    token: Token,
    stream: TcpStream,
    ready: bool,
}

/// Connection attempts under way.
#[derive(Debug)]
pub(crate) struct Race {
    waiting: VecDeque<SocketAddr>,
    attempts: Vec<Attempt>,
    next_at: Instant,
    last_error: io::Error,
}

/// How a race stands.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Nobody has answered yet.
    Open,
    /// Connected.
    Won(Token, TcpStream),
    /// Every address failed; the last one like this.
    Lost(io::Error),
}

impl Race {
    pub(crate) fn new(addresses: Vec<SocketAddr>, now: Instant) -> Race {
        let last_error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        Race { waiting: addresses.into(), attempts: Vec::new(), next_at: now, last_error }
    }

    /// When the next address is due; `None` where none is left.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next_at)
    }

    /// The poller has something for this token, which may be one of the race's.
    pub(crate) fn ready(&mut self, token: Token) {
        if let Some(attempt) = self.attempts.iter_mut().find(|a| a.token == token) {
            attempt.ready = true;
        }
    }

    /// Looks at what is ready, starts what is due.
    pub(crate) fn advance(&mut self, registry: &Registry, tokens: &mut Tokens, now: Instant) -> Standing {
        let mut i = 0;
        while i < self.attempts.len() {
            if !std::mem::take(&mut self.attempts[i].ready) {
                i += 1;
                continue;
            }
            match connected(&self.attempts[i].stream) {
                Ok(true) => {
                    let won = self.attempts.swap_remove(i);
                    return Standing::Won(won.token, won.stream);
                }
                Ok(false) => i += 1,
                Err(error) => {
                    log::debug!("castline: a connection attempt failed: {error}");
                    self.attempts.swap_remove(i);
                    self.last_error = error;
                    self.next_at = now;
                }
            }
        }
        while self.attempts.is_empty() || now >= self.next_at {
            let Some(address) = self.waiting.pop_front() else { break };
            match start(address, registry, tokens) {
                Ok(attempt) => {
                    self.attempts.push(attempt);
                    self.next_at = now + STAGGER;
                }
                // No route to this family, most likely: the next address at once.
                Err(error) => self.last_error = error,
            }
        }
        if self.attempts.is_empty() {
            let error = std::mem::replace(&mut self.last_error, io::ErrorKind::NotConnected.into());
            return Standing::Lost(error);
        }
        Standing::Open
    }
}

fn start(address: SocketAddr, registry: &Registry, tokens: &mut Tokens) -> io::Result<Attempt> {
    let mut stream = TcpStream::connect(address)?;
    let token = tokens.next();
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(Attempt { token, stream, ready: false })
}

/// Whether a non-blocking connect is done (mio's advice for `TcpStream::connect`).
fn connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => {
            stream.set_nodelay(true)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Hands out poller tokens, none twice.
#[derive(Debug)]
pub(crate) struct Tokens(pub(crate) usize);

impl Tokens {
    pub(crate) fn next(&mut self) -> Token {
        self.0 += 1;
        Token(self.0)
    }
}
