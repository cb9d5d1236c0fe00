//! One message there and back on one connection.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use castline::native::socket::{Binary, Limits, SocketEvent, Sockets, SystemResolver, WAKER, client_config};
use castline::protocol::Channel;
use castline::{Client, Event, Request};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use super::Effort;
use crate::child::ServerProcess;
use crate::report::{Aim, Row, Section, Unit};
use crate::rounds::{Sides, Summary, alternate, median, quantile};
use crate::servers::Kind;
use crate::wire::typical_message;

const EXPLANATION: &str = "\
The typical message of 300 bytes on one connection over loopback, servers in processes of their own with one worker thread each. The
socket code of both ends: the driver's `Sockets` on a poller, as the driver's thread runs it, against the gateway's socket code with a
handler that sends every text back. The peer: the same poller and thread with a plain non-blocking TCP stream, against a TCP echo on
tokio. Blocks of the two alternate; of each block the median (and, below, the 99th percentile) counts. The last line is for information:
a whole `Client::request` through the game's thread, the driver's thread, the gateway and the engine (which answers
`UNKNOWN_MESSAGE_TYPE`), until the game's thread polls the answer. Its peer has two threads too: one hands the message to the other,
which makes a round trip over plain TCP and hands back that it is done.";

const LIMITS: Limits =
    Limits { max_message: 16_384, max_queued: 1 << 20, binary: Binary::Refuse, sub_protocol: None };
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that a message goes there and back through.
trait Trip {
    fn once(&mut self, message: &str) -> anyhow::Result<()>;

    /// So many trips; microseconds of each.
    fn block(&mut self, message: &str, trips: usize) -> anyhow::Result<Vec<f64>> {
        let mut times = Vec::with_capacity(trips);
        for _ in 0..trips {
            let start = Instant::now();
            self.once(message)?;
            times.push(start.elapsed().as_nanos() as f64 / 1e3);
        }
        Ok(times)
    }
}

struct Raw {
    poll: Poll,
    events: Events,
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Raw {
    fn new(server: &ServerProcess) -> anyhow::Result<Raw> {
        let poll = Poll::new()?;
        let stream = std::net::TcpStream::connect(server.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(1), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Raw { poll, events: Events::with_capacity(64), stream, buffer: vec![0; 4_096] })
    }
}

impl Trip for Raw {
    fn once(&mut self, message: &str) -> anyhow::Result<()> {
        let written = self.stream.write(message.as_bytes())?;
        ensure!(written == message.len(), "the server takes nothing more");
        let mut awaited = message.len();
        while awaited > 0 {
            self.poll.poll(&mut self.events, Some(PATIENCE))?;
            ensure!(!self.events.is_empty(), "no answer within {PATIENCE:?}");
            match self.stream.read(&mut self.buffer) {
                Ok(0) => bail!("the server ended the connection"),
                // Less than the buffer holds: all there is.
                Ok(n) => awaited -= n.min(awaited),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

struct Web {
    poll: Poll,
    events: Events,
    sockets: Sockets,
}

impl Web {
    fn new(server: &ServerProcess) -> anyhow::Result<Web> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let registry = poll.registry().try_clone()?;
        let sockets = Sockets::new(registry, waker, client_config(b"")?, Arc::new(SystemResolver), LIMITS);
        let mut web = Web { poll, events: Events::with_capacity(64), sockets };
        web.sockets.open(1, &format!("ws://{}/ws", server.address), Instant::now());
        web.until(|event| Ok(matches!(event, SocketEvent::Opened)))?;
        Ok(web)
    }

    /// Rounds as the driver's thread makes them: everything that happened, then what is to be written, then the
    /// poller.
    fn until(&mut self, mut done: impl FnMut(SocketEvent) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        loop {
            let mut finished = false;
            while let Some((_, event)) = self.sockets.next(Instant::now()) {
                if let SocketEvent::Closed { code, .. } = event {
                    bail!("the socket was closed with {code}");
                }
                finished |= done(event)?;
            }
            if finished {
                return Ok(());
            }
            self.sockets.flush();
            self.poll.poll(&mut self.events, Some(PATIENCE))?;
            ensure!(!self.events.is_empty(), "nothing came within {PATIENCE:?}");
            for event in &self.events {
                self.sockets.ready(event.token());
            }
        }
    }
}

impl Trip for Web {
    fn once(&mut self, message: &str) -> anyhow::Result<()> {
        self.sockets.send_text(1, message);
        self.until(|event| match event {
            SocketEvent::Text(text) => {
                ensure!(text.len() == message.len(), "the echo is another than the call");
                Ok(true)
            }
            _ => Ok(false),
        })
    }
}

/// A whole client.
struct Whole<'a>(&'a Client);

impl Trip for Whole<'_> {
    fn once(&mut self, message: &str) -> anyhow::Result<()> {
        let request = self.0.request(Request::new(Channel::Game, "fish_caught", message))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.0.poll_event() {
                Some(
                    Event::RequestFailed { request: answered, .. }
                    | Event::RequestCompleted { request: answered, .. },
                ) if answered == request => return Ok(()),
                Some(_) => {}
                None if Instant::now() > deadline => bail!("no answer within {PATIENCE:?}"),
                // A game would come back in the next frame; here the answer is awaited with impatience.
                None => std::thread::yield_now(),
            }
        }
    }
}

/// A thread that makes raw round trips when another asks for them.
struct Threaded {
    ask: Sender<()>,
    done: Receiver<anyhow::Result<()>>,
}

impl Threaded {
    fn new(mut raw: Raw, message: String) -> Threaded {
        let ((ask, asked), (finish, done)) = (channel(), channel());
        std::thread::spawn(move || while asked.recv().is_ok() && finish.send(raw.once(&message)).is_ok() {});
        Threaded { ask, done }
    }
}

impl Trip for Threaded {
    fn once(&mut self, _: &str) -> anyhow::Result<()> {
        self.ask.send(())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.done.try_recv() {
                Ok(done) => return done,
                Err(TryRecvError::Disconnected) => bail!("the thread has ended"),
                Err(TryRecvError::Empty) if Instant::now() > deadline => {
                    bail!("no answer within {PATIENCE:?}")
                }
                Err(TryRecvError::Empty) => std::thread::yield_now(),
            }
        }
    }
}

/// `client` is connected to a server without limits on messages.
pub(crate) fn run(effort: Effort, client: &Client) -> anyhow::Result<Section> {
    let (blocks, trips) = (effort.pick(8, 40), effort.pick(250, 1_000));
    let message = typical_message();
    let (raw_server, web_server) =
        (ServerProcess::start(Kind::RawEcho, false)?, ServerProcess::start(Kind::SocketEcho, false)?);
    let mut ends =
        (Web::new(&web_server).context("no WebSocket")?, Raw::new(&raw_server).context("no connection")?);
    ends.0.block(&message, trips)?;
    ends.1.block(&message, trips)?;

    let mut slowest = (Vec::new(), Vec::new());
    let middle = alternate(
        blocks,
        &mut ends,
        |ends| {
            let times = ends.0.block(&message, trips)?;
            slowest.0.push(quantile(&times, 0.99));
            Ok(median(&times))
        },
        |ends| {
            let times = ends.1.block(&message, trips)?;
            slowest.1.push(quantile(&times, 0.99));
            Ok(median(&times))
        },
    )?;
    let slowest = Sides { ours: slowest.0, peer: slowest.1 };

    let asked = r#"{"fish":"golden_koi","weight":12.75}"#;
    let mut pair = (Whole(client), Threaded::new(ends.1, message.clone()));
    pair.0.block(asked, trips / 4)?;
    pair.1.block(&message, trips / 4)?;
    let whole = alternate(
        blocks / 2,
        &mut pair,
        |pair| Ok(median(&pair.0.block(asked, trips / 4)?)),
        |pair| Ok(median(&pair.1.block(&message, trips / 4)?)),
    )?;

    let row = |what: &str, peer: &str, aim, summary: Summary, n: String| {
        let (what, peer) = (what.to_owned(), peer.to_owned());
        Row { what, peer, aim, unit: Unit::Microseconds, summary, n }
    };
    let each = format!("{blocks} blocks of {trips} a side");
    let rows = vec![
        row("both ends' socket code, p50", "raw TCP", Aim::Ratio(1.3), middle.summary(), each.clone()),
        row("both ends' socket code, p99", "raw TCP", Aim::None, slowest.summary(), each),
        row(
            "a whole Client::request, p50",
            "raw TCP behind a thread",
            Aim::None,
            whole.summary(),
            format!("{} blocks of {} a side", blocks / 2, trips / 4),
        ),
    ];
    Ok(Section { title: "Round trip".into(), explanation: EXPLANATION.into(), rows })
}
