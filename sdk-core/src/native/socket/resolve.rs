//! Names to addresses, without holding up the loop: `getaddrinfo` may block for many seconds, so it runs in a short-lived
//! thread. Each socket asks anew, for the network may be another one by now; but at most [`MAX_LOOKUPS`] such threads are
//! alive, and beyond that a question waits for an earlier one's answer.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use mio::Waker;

/// More addresses than this are not tried: at 250 ms each, the handshake's bound would be over.
const MAX_ADDRESSES: usize = 16;

/// Questions under way at once: the last one, and two that hang on a network that went away.
const MAX_LOOKUPS: usize = 3;

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

/// The questions that are under way.
#[derive(Debug)]
pub(crate) struct Lookups {
    resolver: Arc<dyn Resolve>,
    waker: Arc<Waker>,
    lookups: Vec<Lookup>,
    /// Whose addresses [`Lookups::answer`] gives.
    host: String,
    port: u16,
}

impl Lookups {
    pub(crate) fn new(resolver: Arc<dyn Resolve>, waker: Arc<Waker>) -> Lookups {
        Lookups { resolver, waker, lookups: Vec::new(), host: String::new(), port: 0 }
    }

    /// Asks for a host's addresses. The waker is woken when there is an answer.
    ///
    /// # Errors
    /// All threads hang on other names, or none could be started.
    pub(crate) fn ask(&mut self, host: &str, port: u16) -> io::Result<()> {
        (self.host, self.port) = (host.to_owned(), port);
        // An answer that nobody waited for is from another time, perhaps from another network.
        self.lookups.retain(|old| matches!(old.answer.try_recv(), Err(TryRecvError::Empty)));
        if self.lookups.len() == MAX_LOOKUPS {
            let same = self.lookups.iter().any(|old| old.host == host && old.port == port);
            return if same { Ok(()) } else { Err(io::ErrorKind::ResourceBusy.into()) };
        }
        let (sender, answer) = channel();
        let (resolver, waker, name) = (Arc::clone(&self.resolver), Arc::clone(&self.waker), host.to_owned());
        std::thread::Builder::new().name("castline-dns".to_owned()).spawn(move || {
            let _waking = Waking(waker);
            // Declared later, so that it is gone when a panic's way out wakes the loop.
            let sender = sender;
            let found = resolver.resolve(&name, port);
            // The loop may have ended meanwhile; then nobody wants to know.
            let _ = sender.send(found);
        })?;
        self.lookups.push(Lookup { host: host.to_owned(), port, answer });
        Ok(())
    }

    /// The answer to the last question, once: address families alternating, the system's first choice first. A failure counts
    /// when nobody is left who could do better.
    pub(crate) fn answer(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        let mut failure = None;
        let mut at = 0;
        while at < self.lookups.len() {
            let lookup = &self.lookups[at];
            if lookup.host != self.host || lookup.port != self.port {
                at += 1;
                continue;
            }
            match lookup.answer.try_recv() {
                Err(TryRecvError::Empty) => at += 1,
                Ok(Ok(found)) => {
                    self.lookups.remove(at);
                    return Some(Ok(alternate(&found)));
                }
                Ok(Err(error)) => {
                    self.lookups.remove(at);
                    failure = Some(error);
                }
                // The resolver panicked.
                Err(TryRecvError::Disconnected) => {
                    self.lookups.remove(at);
                    failure = Some(io::ErrorKind::Other.into());
                }
            }
        }
        let left = self.lookups.iter().any(|l| l.host == self.host && l.port == self.port);
        if left { None } else { failure.map(Err) }
    }
}

/// Wakes the loop when the lookup is over, also by a panic.
struct Waking(Arc<Waker>);

impl Drop for Waking {
    fn drop(&mut self) {
        let _ = self.0.wake();
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
    use std::sync::atomic::{AtomicU16, Ordering};

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

    #[derive(Debug, Default)]
    struct Counting(AtomicU16);

    impl Resolve for Counting {
        fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                2 => panic!("even this is told"),
                n => Ok(vec![SocketAddr::from(([127, 0, 0, 1], n))]),
            }
        }
    }

    #[test]
    fn an_answer_that_nobody_waited_for_is_not_kept_for_the_next_socket() {
        let mut poll = mio::Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let mut lookups = Lookups::new(Arc::new(Counting::default()), waker);
        let mut wait = || {
            let mut events = mio::Events::with_capacity(4);
            poll.poll(&mut events, Some(std::time::Duration::from_secs(20))).unwrap();
            assert!(!events.is_empty(), "no answer woke the loop");
        };
        lookups.ask("game.test", 1).unwrap();
        wait();
        lookups.ask("game.test", 1).unwrap();
        wait();
        assert_eq!(lookups.answer().unwrap().unwrap()[0].port(), 1, "the second question's");
        assert!(lookups.answer().is_none(), "once");
        lookups.ask("game.test", 1).unwrap();
        wait();
        assert!(lookups.answer().unwrap().is_err());
    }
}
