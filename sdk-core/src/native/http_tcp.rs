//! TCP for HTTP, by the same happy eyeballs as the socket's: ureq's own connector gives a dead first address half of the
//! request's time. And unlike that one, a connect under way can be broken off.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Waker};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, ShutdownHandle, Transport,
};

use super::socket::WAKER;
use super::socket::race::{Race, Standing, Tokens};
use super::socket::resolve::alternate;

/// The first link of ureq's chain of connectors.
#[derive(Debug)]
pub(crate) struct RacingConnector;

impl Connector<()> for RacingConnector {
    type Out = TcpTransport;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<TcpTransport>, Error> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let connecting = Arc::new(Connecting { waker, cancelled: AtomicBool::new(false) });
        let handle: Weak<dyn ShutdownHandle> = Arc::downgrade(&connecting) as Weak<dyn ShutdownHandle>;
        (details.register_shutdown)(handle)?;
        let limit = details.timeout.not_zero().map(|left| *left);
        let Some(tcp) = connecting.race(poll, alternate(&details.addrs), limit)? else {
            return Err(Error::Timeout(details.timeout.reason));
        };
        let tcp = Arc::new(tcp);
        let handle: Weak<dyn ShutdownHandle> = Arc::downgrade(&tcp) as Weak<dyn ShutdownHandle>;
        (details.register_shutdown)(handle)?;
        let (input, output) = (details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(TcpTransport { tcp, buffers: LazyBuffers::new(input, output) }))
    }
}

/// A connect under way.
struct Connecting {
    waker: Waker,
    cancelled: AtomicBool,
}

impl ShutdownHandle for Connecting {
    fn shutdown(&self) {
        self.cancelled.store(true, Ordering::Release);
        let _ = self.waker.wake();
    }
}

impl Connecting {
    /// `None`: the time is over.
    fn race(
        &self,
        mut poll: Poll,
        addresses: Vec<SocketAddr>,
        limit: Option<Duration>,
    ) -> io::Result<Option<TcpStream>> {
        let started = Instant::now();
        let end = limit.and_then(|limit| started.checked_add(limit));
        let mut race = Race::new(addresses, started);
        let mut tokens = Tokens(WAKER.0);
        let mut events = Events::with_capacity(16);
        loop {
            let now = Instant::now();
            match race.advance(poll.registry(), &mut tokens, now) {
                Standing::Won(_, mut tcp) => {
                    poll.registry().deregister(&mut tcp)?;
                    let tcp = TcpStream::from(tcp);
                    tcp.set_nonblocking(false)?;
                    return Ok(Some(tcp));
                }
                Standing::Lost(error) => return Err(error),
                Standing::Open => {}
            }
            if self.cancelled.load(Ordering::Acquire) {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            if end.is_some_and(|end| now >= end) {
                return Ok(None);
            }
            let due = [race.deadline(), end].into_iter().flatten().min();
            match poll.poll(&mut events, due.map(|due| due.saturating_duration_since(now))) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => other?,
            }
            for event in &events {
                race.ready(event.token());
            }
        }
    }
}

/// A connection without TLS.
pub(crate) struct TcpTransport {
    /// Shared with whoever breaks it off.
    tcp: Arc<TcpStream>,
    buffers: LazyBuffers,
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpTransport").field("tcp", &self.tcp).finish_non_exhaustive()
    }
}

/// A socket's own time-out says `WouldBlock`.
fn in_time<T>(result: io::Result<T>, timeout: NextTimeout) -> Result<T, Error> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    })
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.tcp.set_write_timeout(timeout.not_zero().map(|left| *left))?;
        in_time((&*self.tcp).write_all(&self.buffers.output()[..amount]), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.tcp.set_read_timeout(timeout.not_zero().map(|left| *left))?;
        let read = loop {
            match (&*self.tcp).read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let n = in_time(read, timeout)?;
        self.buffers.input_appended(n);
        Ok(n > 0)
    }

    /// Nothing is kept for another request, so nobody depends on it.
    fn is_open(&mut self) -> bool {
        self.tcp.peer_addr().is_ok()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    use super::*;

    /// An address that takes no connection and does not refuse one either: its backlog is full. The sockets keep it full.
    pub(crate) fn dead_address() -> (SocketAddr, Vec<Socket>) {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let mut held = vec![socket()];
        held[0].bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        held[0].listen(0).unwrap();
        let address = held[0].local_addr().unwrap();
        for _ in 0..4 {
            let filler = socket();
            filler.set_nonblocking(true).unwrap();
            let _ = filler.connect(&address);
            held.push(filler);
        }
        (address.as_socket().unwrap(), held)
    }

    fn race(addresses: Vec<SocketAddr>, limit: Option<Duration>) -> io::Result<Option<TcpStream>> {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), WAKER).unwrap();
        Connecting { waker, cancelled: AtomicBool::new(false) }.race(poll, addresses, limit)
    }

    #[test]
    fn dead_addresses_are_passed_over_and_the_time_is_kept() {
        let (dead, _held) = dead_address();
        let alive = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = alive.local_addr().unwrap();
        let tcp = race(vec![dead, dead, address], Some(Duration::from_secs(20))).unwrap().unwrap();
        assert_eq!(tcp.peer_addr().unwrap(), address);
        assert!(race(vec![dead], Some(Duration::from_millis(20))).unwrap().is_none());
        assert!(race(vec![], None).is_err());
    }
}
