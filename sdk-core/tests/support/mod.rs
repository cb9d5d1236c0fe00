//! A fake server on loopback that does what a test tells it, down to single bytes, and a pump for a socket under test.
// Each test crate uses its part, where a test fails is the test's business, and tungstenite's callback has a large error.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::result_large_err,
    missing_debug_implementations
)]

pub mod game_server;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use castline::native::socket::{Binary, Limits, Resolve, SocketEvent, Sockets, WAKER, client_config};
use mio::{Events, Poll, Waker};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, WebSocket};

/// The longest that a test waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const LIMITS: Limits = Limits {
    max_message: 16_384,
    max_queued: 1 << 20,
    binary: Binary::Refuse,
    sub_protocol: Some("castline.v1"),
};

/// Serves each connection with `serve`, on a thread of its own, until the process ends.
pub fn serve(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let (serve, tcp) = (Arc::clone(&serve), tcp.unwrap());
            tcp.set_read_timeout(Some(PATIENCE)).unwrap();
            std::thread::spawn(move || serve(tcp));
        }
    });
    address
}

/// Serves WebSockets.
pub fn serve_ws(handle: impl Fn(WebSocket<TcpStream>) + Send + Sync + 'static) -> SocketAddr {
    serve(move |tcp| {
        if let Some(ws) = accept(tcp) {
            handle(ws);
        }
    })
}

/// The server's side of the upgrade; `None` where the client went away.
pub fn accept<S: Read + Write>(stream: S) -> Option<WebSocket<S>> {
    let answer = |request: &Request, mut response: Response| {
        assert!(request.headers().get("origin").is_none(), "a native client names no origin");
        if let Some(offered) = request.headers().get("sec-websocket-protocol") {
            assert_eq!(offered, "castline.v1");
            response.headers_mut().insert("sec-websocket-protocol", offered.clone());
        }
        Ok(response)
    };
    tungstenite::accept_hdr(stream, answer).ok()
}

/// Sends every text back until the client closes.
pub fn echo<S: Read + Write>(mut ws: WebSocket<S>) {
    while let Ok(message) = ws.read() {
        if message.is_text() && ws.send(message).is_err() {
            return;
        }
    }
}

/// Reads until the connection ends; the close code that came, if any.
pub fn close_code_of<S: Read + Write>(ws: &mut WebSocket<S>) -> Option<u16> {
    let mut code = None;
    loop {
        match ws.read() {
            Ok(Message::Close(frame)) => code = frame.map(|f| u16::from(f.code)),
            Ok(_) => {}
            Err(_) => return code,
        }
    }
}

/// A local certificate authority and a server certificate for `localhost` and 127.0.0.1.
pub struct Authority {
    pub ca_pem: String,
    pub server: Arc<ServerConfig>,
}

pub fn authority() -> Authority {
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).unwrap();
    let issuer = rcgen::Issuer::from_params(&params, &ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    Authority { ca_pem: ca.pem(), server: Arc::new(server) }
}

pub type Tls = StreamOwned<ServerConnection, TcpStream>;

pub fn tls(config: &Arc<ServerConfig>, tcp: TcpStream) -> Tls {
    StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), tcp)
}

/// An address that refuses connections for as long as the socket lives: it is bound, so nobody else gets the port, and never listens.
pub fn refusing_address() -> (SocketAddr, socket2::Socket) {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}

/// An address that takes no connection and does not refuse one either: its backlog is full. The sockets keep it full.
pub fn dead_address() -> (SocketAddr, Vec<socket2::Socket>) {
    use socket2::{Domain, Socket, Type};
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = vec![listener];
    for _ in 0..4 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address);
        held.push(filler);
    }
    (address.as_socket().unwrap(), held)
}

/// A resolver that answers what it is told.
#[derive(Debug)]
pub struct Fixed(pub Vec<SocketAddr>);

impl Resolve for Fixed {
    fn resolve(&self, _host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.0.clone())
    }
}

/// A socket under test with its poller.
pub struct Pump {
    poll: Poll,
    pub sockets: Sockets,
    polled: Events,
}

impl Pump {
    pub fn new(limits: Limits, extra_ca: &str, resolver: impl Resolve + 'static) -> Pump {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).unwrap());
        let tls = client_config(extra_ca.as_bytes()).unwrap();
        let registry = poll.registry().try_clone().unwrap();
        let sockets = Sockets::new(registry, waker, tls, Arc::new(resolver), limits);
        Pump { poll, sockets, polled: Events::with_capacity(16) }
    }

    pub fn open(&mut self, id: u64, url: &str) {
        self.sockets.open(id, url, Instant::now());
    }

    /// The next event but for control frames; `None` when `until` says stop first.
    pub fn next_or(&mut self, mut until: impl FnMut(&Sockets) -> bool) -> Option<(u64, SocketEvent)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.sockets.flush();
            while let Some((id, event)) = self.sockets.next(Instant::now()) {
                if !matches!(event, SocketEvent::Control) {
                    return Some((id, event));
                }
            }
            if until(&self.sockets) {
                return None;
            }
            let now = Instant::now();
            assert!(now < deadline, "nothing came: {:?}", self.sockets);
            let due = self.sockets.deadline(now).map_or(Duration::from_millis(50), |d| d - now.min(d));
            self.poll.poll(&mut self.polled, Some(due.min(Duration::from_millis(50)))).unwrap();
            for event in &self.polled {
                self.sockets.ready(event.token());
            }
        }
    }

    pub fn next(&mut self) -> SocketEvent {
        self.next_or(|_| false).unwrap().1
    }

    pub fn expect_open(&mut self) {
        let event = self.next();
        assert!(matches!(event, SocketEvent::Opened), "{event:?}");
    }

    pub fn expect_text(&mut self) -> String {
        match self.next() {
            SocketEvent::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The close code and `Retry-After`.
    pub fn expect_closed(&mut self) -> (u16, Option<u64>) {
        match self.next() {
            SocketEvent::Closed { code, retry_after_ms } => (code, retry_after_ms),
            other => panic!("{other:?}"),
        }
    }

    /// Pumps until goodbyes are said; nothing may be reported meanwhile.
    pub fn finish(&mut self) {
        if let Some(event) = self.next_or(Sockets::is_idle) {
            panic!("{event:?} after the end");
        }
    }
}

/// A channel whose receiving end waits no longer than [`PATIENCE`].
pub fn mailbox<T: Send + 'static>() -> (impl Fn(T) + Send + Sync + 'static, impl Fn() -> T) {
    let (sender, receiver): (_, Receiver<T>) = channel();
    let sender = std::sync::Mutex::new(sender);
    let put = move |value| drop(sender.lock().unwrap().send(value));
    (put, move || receiver.recv_timeout(PATIENCE).unwrap())
}

/// Polls until an event is what `wanted` wants; what came before it is dropped.
pub fn wait_for<T>(client: &castline::Client, mut wanted: impl FnMut(castline::Event) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.poll_event() {
            Some(event) => {
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
            // What a game does between two frames.
            None => std::thread::park_timeout(Duration::from_millis(2)),
        }
        assert!(Instant::now() < deadline, "it never came; the state is {}", client.state());
    }
}

/// Polls until the client is in this state.
pub fn wait_for_state(client: &castline::Client, wanted: castline::State) {
    use castline::Event::StateChanged;
    wait_for(client, |event| matches!(event, StateChanged { state, .. } if state == wanted).then_some(()));
}

/// Polls until the client is online and has this run's flags.
pub fn wait_until_ready(client: &castline::Client) {
    use castline::Event::{FlagsChanged, StateChanged};
    let (mut online, mut flags) = (false, false);
    wait_for(client, |event| {
        online |= matches!(event, StateChanged { state: castline::State::Online, .. });
        flags |= matches!(event, FlagsChanged { .. });
        (online && flags).then_some(())
    });
}

/// Waits until `done`.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
