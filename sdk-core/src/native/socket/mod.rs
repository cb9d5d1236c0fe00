//! The driver's socket: a non-blocking WebSocket over TCP or TLS, found by happy eyeballs, driven by a poller that the caller
//! owns. It knows nothing of the core.
//!
//! Not part of the stable interface: it is public for the example `autobahn_client`, which puts exactly this code to the test.
//!
//! One socket is current at a time. [`Sockets::ready`] tells it what the poller said, [`Sockets::next`] says what happened,
//! [`Sockets::deadline`] when to come back without the poller's word.

pub(crate) mod race;
pub(crate) mod resolve;
mod stream;
mod target;
mod tls;
mod ws;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Registry, Token, Waker};
use rustls::ClientConfig;

use race::{Race, Standing, Tokens};
use resolve::Lookups;
pub use resolve::{Resolve, SystemResolver};
use stream::Stream;
use target::Target;
pub use tls::client_config;
pub use ws::{Binary, Limits, SocketEvent};
use ws::{Connection, Farewell};

/// The waker's token; sockets get the numbers above it.
pub const WAKER: Token = Token(0);
/// Closed sockets whose peer has not ended its side; beyond it the oldest is cut.
const MAX_FAREWELLS: usize = 4;

#[derive(Debug)]
enum Stage {
    Resolving,
    Racing(Race),
    Connected(Box<Connection>),
    /// It ended before it began; to be told.
    Failed,
}

#[derive(Debug)]
struct Current {
    id: u64,
    target: Option<Target>,
    stage: Stage,
}

/// The current socket, and the closed ones that still say goodbye.
pub struct Sockets {
    registry: Registry,
    tls: Arc<ClientConfig>,
    limits: Limits,
    lookups: Lookups,
    tokens: Tokens,
    current: Option<Current>,
    farewells: Vec<Farewell>,
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("current", &self.current).finish_non_exhaustive()
    }
}

impl Sockets {
    /// Sockets on the poller of `registry`, whose waker (token [`WAKER`]) is woken when a name was looked up.
    pub fn new(
        registry: Registry,
        waker: Arc<Waker>,
        tls: Arc<ClientConfig>,
        resolver: Arc<dyn Resolve>,
        limits: Limits,
    ) -> Sockets {
        let lookups = Lookups::new(resolver, waker);
        Sockets {
            registry,
            tls,
            limits,
            lookups,
            tokens: Tokens(WAKER.0),
            current: None,
            farewells: Vec::new(),
        }
    }

    /// Begins to open a socket to a `ws://` or `wss://` address; whatever was current is given up. Failures come as
    /// [`SocketEvent::Closed`].
    pub fn open(&mut self, id: u64, url: &str, now: Instant) {
        if let Some(old) = &self.current {
            self.close(old.id, crate::protocol::CloseCode::NORMAL, now);
        }
        let target = Target::parse(url);
        let stage = match &target {
            None => Stage::Failed,
            Some(target) => match target.literal() {
                Some(address) => Stage::Racing(Race::new(vec![address], now)),
                None => match self.lookups.ask(&target.host, target.port) {
                    Ok(()) => Stage::Resolving,
                    Err(error) => {
                        log::debug!("castline: the name could not be looked up: {error}");
                        Stage::Failed
                    }
                },
            },
        };
        self.current = Some(Current { id, target, stage });
    }

    /// Takes a text message to send on a socket, if that is current and open. [`Sockets::flush`] sends it.
    pub fn send_text(&mut self, id: u64, text: &str) {
        self.send(id, true, text.as_bytes());
    }

    /// Takes a binary message.
    pub fn send_binary(&mut self, id: u64, bytes: &[u8]) {
        self.send(id, false, bytes);
    }

    fn send(&mut self, id: u64, text: bool, message: &[u8]) {
        if let Some(Current { id: current, stage: Stage::Connected(connection), .. }) = &mut self.current
            && *current == id
        {
            connection.send(text, message);
        }
    }

    /// Writes what was taken, as far as the peer takes it.
    pub fn flush(&mut self) {
        if let Some(Current { stage: Stage::Connected(connection), .. }) = &mut self.current {
            connection.flush();
        }
    }

    /// Closes a socket after what was sent; nothing more is reported of it.
    pub fn close(&mut self, id: u64, code: u16, now: Instant) {
        if self.current.as_ref().is_none_or(|current| current.id != id) {
            return;
        }
        if let Some(Current { stage: Stage::Connected(mut connection), .. }) = self.current.take() {
            connection.close(code);
            self.bid_farewell(*connection, now);
        }
    }

    fn bid_farewell(&mut self, connection: Connection, now: Instant) {
        if let Some(mut farewell) = connection.into_farewell(now)
            && !farewell.advance(now)
        {
            if self.farewells.len() == MAX_FAREWELLS {
                self.farewells.remove(0);
            }
            self.farewells.push(farewell);
        }
    }

    /// The poller has something for this token.
    pub fn ready(&mut self, token: Token) {
        match self.current.as_mut().map(|current| &mut current.stage) {
            // The registry knows no token twice, so it is nobody else's either way.
            Some(Stage::Racing(race)) => race.ready(token),
            Some(Stage::Connected(connection)) if connection.token == token => connection.set_ready(),
            _ => {}
        }
        if let Some(farewell) = self.farewells.iter_mut().find(|f| f.token == token) {
            farewell.ready = true;
        }
    }

    /// When to call [`Sockets::next`] without the poller's word: `now` or earlier where there is more to do at once.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let current = match self.current.as_ref().map(|current| &current.stage) {
            Some(Stage::Racing(race)) => race.deadline(),
            Some(Stage::Connected(connection)) => connection.is_ready().then_some(now),
            Some(Stage::Failed) => Some(now),
            Some(Stage::Resolving) | None => None,
        };
        let farewells = self.farewells.iter().map(|f| if f.ready { now } else { f.until });
        farewells.chain(current).min()
    }

    /// Whether nothing is left to do: no current socket, no farewells.
    pub fn is_idle(&self) -> bool {
        self.current.is_none() && self.farewells.is_empty()
    }

    /// The next thing that happened, and on which socket. Call it until it has nothing, or a bounded number of times.
    pub fn next(&mut self, now: Instant) -> Option<(u64, SocketEvent)> {
        self.farewells.retain_mut(|farewell| !farewell.advance(now));
        loop {
            let current = self.current.as_mut()?;
            let id = current.id;
            let event = match &mut current.stage {
                Stage::Failed => SocketEvent::lost(),
                Stage::Resolving => match self.lookups.answer()? {
                    Ok(addresses) => {
                        current.stage = Stage::Racing(Race::new(addresses, now));
                        continue;
                    }
                    Err(error) => {
                        log::debug!("castline: the name could not be looked up: {error}");
                        SocketEvent::lost()
                    }
                },
                Stage::Racing(race) => match race.advance(&self.registry, &mut self.tokens, now) {
                    Standing::Open => return None,
                    Standing::Lost(error) => {
                        log::debug!("castline: no connection: {error}");
                        SocketEvent::lost()
                    }
                    Standing::Won(token, tcp) => {
                        let target = current.target.as_ref()?;
                        match upgrade(token, tcp, target, &self.tls, self.limits) {
                            Some(connection) => {
                                current.stage = Stage::Connected(Box::new(connection));
                                continue;
                            }
                            None => SocketEvent::lost(),
                        }
                    }
                },
                Stage::Connected(connection) => connection.next()?,
            };
            if matches!(event, SocketEvent::Closed { .. })
                && let Some(Current { stage: Stage::Connected(connection), .. }) = self.current.take()
            {
                self.bid_farewell(*connection, now);
            }
            return Some((id, event));
        }
    }
}

fn upgrade(
    token: Token,
    tcp: TcpStream,
    target: &Target,
    tls: &Arc<ClientConfig>,
    limits: Limits,
) -> Option<Connection> {
    let tls = target.tls.then(|| (Arc::clone(tls), target.host.as_str()));
    let stream: io::Result<Stream> = Stream::new(tcp, tls, limits.max_queued);
    let upgraded = stream
        .map_err(tungstenite::Error::Io)
        .and_then(|stream| Connection::upgrade(token, stream, target, limits));
    upgraded.inspect_err(|error| log::debug!("castline: no upgrade: {error}")).ok()
}
