//! A TCP proxy that fails on demand. It decides nothing about what passes through it, TLS or not: it only delays, holds, spoils
//! or ends it, as the story says, and counts.
//!
//! There are lasting faults ([`Faults`], which hold for all connections until they are changed) and sudden ones
//! ([`Proxy::cut`], [`Proxy::half_open`], [`Proxy::inject`], which hit the connections that are open at that moment).

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::runtime;

/// Bytes of one direction that the proxy holds back before it stops reading.
const MAX_HELD: usize = 1 << 20;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// A reset to both ends: what was on its way is lost.
    Reset,
    /// An orderly end of the stream to both ends, without a WebSocket close.
    End,
}

/// Which end is gone without a word to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The client's socket stays open and takes bytes; the server's is closed.
    Server,
    /// The reverse.
    Client,
}

/// What is wrong with the network for as long as it lasts. The default: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Accept a connection and reset it at once.
    pub refuse: bool,
    /// Accept the client's bytes, forward none; they go on when the stall ends.
    pub stall_up: bool,
    /// The same for the server's bytes.
    pub stall_down: bool,
    /// Each piece arrives so much later.
    pub latency: Duration,
    /// Pieces of at most so many bytes, this long apart.
    pub slow: Option<(usize, Duration)>,
}

impl Faults {
    /// Nothing passes either way, and nobody is told.
    pub fn stalled() -> Faults {
        Faults { stall_up: true, stall_down: true, ..Faults::default() }
    }
}

#[derive(Debug, Clone)]
enum Sudden {
    Cut(Cut),
    Gone(Gone),
    Inject(Way, Vec<u8>),
}

#[derive(Debug)]
struct Shared {
    upstream: Mutex<SocketAddr>,
    faults: watch::Sender<Faults>,
    sudden: broadcast::Sender<Sudden>,
    accepted: AtomicU64,
    open: AtomicUsize,
    bytes: [AtomicU64; 2],
}

/// A running proxy. Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts on a free port, in front of `upstream`.
    pub fn start(upstream: SocketAddr) -> Proxy {
        let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            upstream: Mutex::new(upstream),
            faults: watch::Sender::new(Faults::default()),
            sudden: broadcast::Sender::new(64),
            accepted: AtomicU64::new(0),
            open: AtomicUsize::new(0),
            bytes: Default::default(),
        });
        let task = runtime().spawn(accept(listener, shared.clone()));
        Proxy { address, shared, task }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://…`, for the client's options.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// New connections go here from now on, such as to a server that was started anew.
    pub fn forward_to(&self, upstream: SocketAddr) {
        *self.shared.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    /// What is wrong from now on, for open connections and new ones.
    pub fn set(&self, faults: Faults) {
        self.shared.faults.send_replace(faults);
    }

    /// All is well again.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// Ends every open connection.
    pub fn cut(&self, how: Cut) {
        let _ = self.shared.sudden.send(Sudden::Cut(how));
    }

    /// One end of every open connection is gone, and the other is not told.
    pub fn half_open(&self, gone: Gone) {
        let _ = self.shared.sudden.send(Sudden::Gone(gone));
    }

    /// Puts bytes into the stream of every open connection.
    pub fn inject(&self, way: Way, bytes: &[u8]) {
        let _ = self.shared.sudden.send(Sudden::Inject(way, bytes.to_vec()));
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> u64 {
        self.shared.accepted.load(Ordering::Relaxed)
    }

    /// Connections open now, half-open ones included.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Bytes forwarded so far.
    pub fn bytes(&self, way: Way) -> u64 {
        self.shared.bytes[way as usize].load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut(Cut::Reset);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        // Subscribed before anything passes, so that no cut misses it.
        let sudden = shared.sudden.subscribe();
        let shared = shared.clone();
        tokio::spawn(async move {
            shared.open.fetch_add(1, Ordering::Relaxed);
            connection(client, &shared, sudden).await;
            shared.open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

async fn connection(mut client: TcpStream, shared: &Shared, mut sudden: broadcast::Receiver<Sudden>) {
    let upstream = *shared.upstream.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.faults.borrow().refuse {
        return reset(&client);
    }
    let Ok(mut server) = TcpStream::connect(upstream).await else { return reset(&client) };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));

    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let ((put_up, up), (put_down, down)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let up = Pump { way: Way::Up, injected: up, shared };
        let down = Pump { way: Way::Down, injected: down, shared };
        let mut both = pin!(async {
            tokio::try_join!(up.run(from_client, to_server), down.run(from_server, to_client))
        });
        loop {
            tokio::select! {
                ended = both.as_mut() => break ended.err().map(|_| Sudden::Cut(Cut::Reset)),
                order = sudden.recv() => match order {
                    Ok(Sudden::Inject(way, bytes)) => {
                        let _ = if way == Way::Up { put_up.send(bytes) } else { put_down.send(bytes) };
                    }
                    Ok(end) => break Some(end),
                    Err(_) => break Some(Sudden::Cut(Cut::Reset)),
                },
            }
        }
    };
    match end {
        Some(Sudden::Cut(Cut::Reset)) => {
            reset(&client);
            reset(&server);
        }
        Some(Sudden::Gone(Gone::Server)) => {
            reset(&server);
            drop(server);
            swallow(client, &mut sudden).await;
        }
        Some(Sudden::Gone(Gone::Client)) => {
            reset(&client);
            drop(client);
            swallow(server, &mut sudden).await;
        }
        _ => {}
    }
}

/// Keeps a socket whose other end is gone: it takes bytes, says nothing, and ends with the next cut.
async fn swallow(mut stream: TcpStream, sudden: &mut broadcast::Receiver<Sudden>) {
    let mut scratch = [0; 4096];
    loop {
        tokio::select! {
            read = stream.read(&mut scratch) => if !matches!(read, Ok(1..)) { return },
            order = sudden.recv() => if !matches!(order, Ok(Sudden::Inject(..) | Sudden::Gone(_))) {
                return reset(&stream);
            },
        }
    }
}

/// The socket's end will be a reset.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// One direction of a connection.
struct Pump<'a> {
    way: Way,
    injected: mpsc::UnboundedReceiver<Vec<u8>>,
    shared: &'a Shared,
}

impl Pump<'_> {
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut faults = self.shared.faults.subscribe();
        let mut held = std::collections::VecDeque::<(Instant, Vec<u8>)>::new();
        let (mut bytes_held, mut ended) = (0, false);
        let mut scratch = [0; 4096];
        loop {
            let now = *faults.borrow_and_update();
            let stalled = if self.way == Way::Up { now.stall_up } else { now.stall_down };
            if ended && held.is_empty() && !stalled {
                return to.shutdown().await;
            }
            let due = held.front().map(|(due, _)| *due);
            tokio::select! {
                biased;
                injected = self.injected.recv() => if let Some(bytes) = injected { to.write_all(&bytes).await?; },
                changed = faults.changed() => if changed.is_err() { return Ok(()) },
                read = from.read(&mut scratch), if !ended && bytes_held < MAX_HELD => {
                    let count = read?;
                    ended = count == 0;
                    if !ended {
                        bytes_held += count;
                        held.push_back((Instant::now() + now.latency, scratch[..count].to_vec()));
                    }
                }
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() && !stalled => {
                    let Some((due, mut piece)) = held.pop_front() else { continue };
                    if let Some((size, pause)) = now.slow {
                        if piece.len() > size.max(1) {
                            held.push_front((due, piece.split_off(size.max(1))));
                        }
                        tokio::time::sleep(pause).await;
                    }
                    bytes_held -= piece.len();
                    // Counted first: who reads the bytes may look at the count.
                    self.shared.bytes[self.way as usize].fetch_add(piece.len() as u64, Ordering::Relaxed);
                    to.write_all(&piece).await?;
                }
            }
        }
    }
}
