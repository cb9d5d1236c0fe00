//! Names to addresses, without holding up the loop: `getaddrinfo` may block for many seconds, so it runs in a short-lived
//! thread. At most one such thread is alive; a second question for the same name waits for the first one's answer.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use mio::Waker;

/// More addresses than this are not tried: at 250 ms each, the handshake's bound would be over.
const MAX_ADDRESSES: usize = 16;

/// Finds a host's addresses. May block: it is called on a thread of its own.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// The addresses of `host`, best first.
    ///
    /// # Errors
    /// Whatever the system says.
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((host, port).to_socket_addrs()?.collect())
    }
}

#[derive(Debug)]
struct Lookup {
    host: String,
    port: u16,
    answer: Receiver<io::Result<Vec<SocketAddr>>>,
}

/// The one question that is under way.
#[derive(Debug)]
pub(crate) struct Lookups {
    resolver: Arc<dyn Resolve>,
    waker: Arc<Waker>,
    lookup: Option<Lookup>,
}

impl Lookups {
    pub(crate) fn new(resolver: Arc<dyn Resolve>, waker: Arc<Waker>) -> Lookups {
        Lookups { resolver, waker, lookup: None }
    }

    /// Asks, unless the same question is already open. The waker is woken when there is an answer.
    ///
    /// # Errors
    /// Another name is still being looked up, or no thread could be started.
    pub(crate) fn ask(&mut self, host: &str, port: u16) -> io::Result<()> {
        if let Some(open) = &self.lookup {
            if open.host == host && open.port == port {
                return Ok(());
            }
            // The system's resolver is stuck on another name; a second thread would only pile up behind it.
            match open.answer.try_recv() {
                Err(TryRecvError::Empty) => return Err(io::ErrorKind::ResourceBusy.into()),
                _ => self.lookup = None,
            }
        }
        let (sender, answer) = channel();
        let (resolver, waker, name) = (Arc::clone(&self.resolver), Arc::clone(&self.waker), host.to_owned());
        std::thread::Builder::new().name("castline-dns".to_owned()).spawn(move || {
            let found = resolver.resolve(&name, port);
            // The loop may have ended meanwhile; then nobody wants to know.
            let _ = sender.send(found);
            let _ = waker.wake();
        })?;
        self.lookup = Some(Lookup { host: host.to_owned(), port, answer });
        Ok(())
    }

    /// The answer, once: address families alternating, the system's first choice first.
    pub(crate) fn answer(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        let answer = match self.lookup.as_ref()?.answer.try_recv() {
            Ok(answer) => answer,
            Err(TryRecvError::Empty) => return None,
            // The resolver panicked.
            Err(TryRecvError::Disconnected) => Err(io::ErrorKind::Other.into()),
        };
        self.lookup = None;
        Some(answer.map(|found| alternate(&found)))
    }
}

/// RFC 8305, section 4: the families take turns, so that one dead family costs one delay and not one per address.
pub(crate) fn alternate(found: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = found.first() else { return Vec::new() };
    let (a, b): (Vec<SocketAddr>, Vec<SocketAddr>) =
        found.iter().partition(|x| x.is_ipv6() == first.is_ipv6());
    let (mut a, mut b) = (a.into_iter(), b.into_iter());
    let mut out = Vec::new();
    loop {
        let (x, y) = (a.next(), b.next());
        if x.is_none() && y.is_none() {
            break;
        }
        out.extend(x);
        out.extend(y);
    }
    out.truncate(MAX_ADDRESSES);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let addrs = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = addrs(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        assert_eq!(alternate(&found), addrs(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]));
        let found = addrs(&["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]);
        assert_eq!(alternate(&found), addrs(&["1.1.1.1:1", "[::1]:1", "2.2.2.2:1"]));
        assert_eq!(alternate(&[]), addrs(&[]));
        assert_eq!(alternate(&vec!["1.1.1.1:1".parse().unwrap(); 99]).len(), MAX_ADDRESSES);
    }
}
