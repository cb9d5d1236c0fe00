//! One simulated player: the SDK's core and inbox with the tool's hands instead of the native driver's. What the core says
//! is done, what happened is reported; nothing about connections is decided here. A task of the crowd's one thread.

mod game;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use castline::protocol::CloseCode;
use castline::{
    Config, Core, Event, FlagUpdates, Flags, HttpFailure, HttpId, HttpReply, Inbox, Input, LogLevel, Now,
    Output, SocketId, State, StoreKey, TokenId,
};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use futures_util::{Sink as _, SinkExt as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use crate::net::{self, Refused, Reply, Socket};
use crate::tally::Shared;
use crate::target::Target;

use game::Game;
pub(crate) use game::Order;

/// How long a closed socket's peer may take to end its side; as the SDK's driver has it.
const LINGER: Duration = Duration::from_secs(1);

/// The clocks of all players.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) start: Instant,
}

impl Clock {
    fn now(self) -> Now {
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Now { mono: ms(self.start.elapsed()), wall: ms(wall) }
    }
}

/// Who a player is.
pub(crate) struct Identity {
    pub(crate) number: u32,
    pub(crate) name: String,
    pub(crate) seed: u64,
}

/// What happened next.
enum Happened {
    Order(Option<Order>),
    Opened(SocketId, Box<Result<Socket, Refused>>),
    Message(Option<Result<Message, WsError>>),
    Http(HttpId, Result<Reply, HttpFailure>),
    Time,
}

type Opening = BoxFuture<'static, Result<Socket, Refused>>;
type Asking = BoxFuture<'static, (HttpId, Result<Reply, HttpFailure>)>;

pub(crate) struct Player {
    number: u32,
    name: String,
    source: Option<IpAddr>,
    target: Arc<Target>,
    shared: Arc<Shared>,
    clock: Clock,
    orders: UnboundedReceiver<Order>,
    core: Core,
    inbox: Inbox,
    taken: u64,
    game: Game,
    /// The device's disk.
    disk: HashMap<StoreKey, Vec<u8>>,
    loads: VecDeque<StoreKey>,
    saved: VecDeque<StoreKey>,
    tokens: VecDeque<TokenId>,
    opening: Option<(SocketId, Opening)>,
    socket: Option<(SocketId, Socket)>,
    unflushed: bool,
    asking: FuturesUnordered<Asking>,
    wake_at: u64,
    sleep: Pin<Box<Sleep>>,
    armed: Option<Instant>,
    /// The crowd is told to go home.
    leaving: bool,
}

impl Player {
    /// A player who has just started the game; he connects as soon as [`Player::live`] is polled.
    pub(crate) fn new(
        who: Identity,
        clock: Clock,
        target: Arc<Target>,
        shared: Arc<Shared>,
        orders: UnboundedReceiver<Order>,
    ) -> Player {
        let mut config = Config::new(target.players.url.clone(), "1.0.0");
        config.player_id = Some(who.name.clone());
        config.persistent = true;
        Player {
            source: target.source(who.number as usize),
            core: Core::new(config, who.seed, clock.now()),
            inbox: Inbox::new(FlagUpdates::Immediate, Flags::defaults()),
            game: Game::new(who.number, who.seed, shared.clone()),
            number: who.number,
            name: who.name,
            target,
            shared,
            clock,
            orders,
            taken: 0,
            disk: HashMap::new(),
            loads: VecDeque::new(),
            saved: VecDeque::new(),
            tokens: VecDeque::new(),
            opening: None,
            socket: None,
            unflushed: false,
            asking: FuturesUnordered::new(),
            wake_at: u64::MAX,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            armed: None,
            leaving: false,
        }
    }

    /// Plays until the crowd goes home.
    pub(crate) async fn live(mut self) {
        self.settle();
        while !self.leaving {
            let happened = std::future::poll_fn(|cx| self.poll(cx)).await;
            self.take(happened);
            self.settle();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Happened> {
        if let Poll::Ready(order) = self.orders.poll_recv(cx) {
            return Poll::Ready(Happened::Order(order));
        }
        if let Some((id, opening)) = &mut self.opening
            && let Poll::Ready(opened) = opening.poll_unpin(cx)
        {
            let id = *id;
            self.opening = None;
            return Poll::Ready(Happened::Opened(id, Box::new(opened)));
        }
        if let Some((_, socket)) = &mut self.socket {
            // Whether it failed, reading will tell.
            if self.unflushed && socket.poll_flush_unpin(cx).is_ready() {
                self.unflushed = false;
            }
            if let Poll::Ready(message) = socket.poll_next_unpin(cx) {
                return Poll::Ready(Happened::Message(message));
            }
        }
        if let Poll::Ready(Some((id, reply))) = self.asking.poll_next_unpin(cx) {
            return Poll::Ready(Happened::Http(id, reply));
        }
        let due = [self.clock.start.checked_add(Duration::from_millis(self.wake_at)), self.game.next_act()];
        let due = due.into_iter().flatten().min();
        if due != self.armed {
            self.armed = due;
            if let Some(due) = due {
                self.sleep.as_mut().reset(due.into());
            }
        }
        if self.armed.is_some() && self.sleep.as_mut().poll(cx).is_ready() {
            self.armed = None;
            return Poll::Ready(Happened::Time);
        }
        Poll::Pending
    }

    fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Order(None | Some(Order::GoHome)) => {
                self.leaving = true;
                self.shared.lock().offline(self.number);
                if let Some((_, socket)) = self.socket.take() {
                    say_goodbye(socket, CloseCode::NORMAL);
                }
            }
            Happened::Order(Some(order)) => self.game.take(order),
            Happened::Opened(socket, opened) => match *opened {
                Ok(stream) => {
                    self.socket = Some((socket, stream));
                    self.handle(Input::SocketOpened { socket });
                }
                Err(refused) => {
                    self.shared.lock().error(refused.why);
                    let (code, retry_after_ms) = (CloseCode::ABNORMAL, refused.retry_after_ms);
                    self.handle(Input::SocketClosed { socket, code, retry_after_ms });
                }
            },
            Happened::Message(message) => self.take_message(message),
            Happened::Http(http, reply) => {
                match &reply {
                    Ok(reply) if reply.status >= 400 => {
                        self.shared.lock().error(format!("http: status {}", reply.status));
                    }
                    Ok(_) => {}
                    Err(failure) => self.shared.lock().error(format!("http: {failure:?}")),
                }
                let reply = match &reply {
                    Ok(Reply { status, headers, body }) => Ok(HttpReply { status: *status, headers, body }),
                    Err(failure) => Err(*failure),
                };
                self.handle(Input::HttpResponse { http, reply });
            }
            Happened::Time => {
                if self.clock.now().mono >= self.wake_at {
                    self.handle(Input::Wake);
                }
            }
        }
    }

    fn take_message(&mut self, message: Option<Result<Message, WsError>>) {
        let Some((socket, _)) = &self.socket else { return };
        let socket = *socket;
        let code = match message {
            Some(Ok(Message::Text(text))) => {
                self.game.look_at(&text);
                return self.handle(Input::Text { socket, text: &text });
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => return,
            Some(Ok(Message::Binary(_))) => CloseCode::UNSUPPORTED_DATA,
            Some(Ok(Message::Close(frame))) => frame.map_or(CloseCode::ABNORMAL, |frame| frame.code.into()),
            Some(Err(_)) | None => CloseCode::ABNORMAL,
        };
        self.shared.lock().error(format!("closed: {code}"));
        if let Some((_, socket)) = self.socket.take() {
            say_goodbye(socket, code);
        }
        self.handle(Input::SocketClosed { socket, code, retry_after_ms: None });
    }

    /// Does everything that follows: what the core wants done, what the game makes of it, until all are content.
    fn settle(&mut self) {
        loop {
            self.drain();
            while let Some(handed) = self.inbox.pop() {
                self.notice(&handed.event);
                self.game.play(handed.event);
            }
            self.game.act(Instant::now(), &mut self.inbox);
            let taken = self.inbox.taken();
            if taken > self.taken {
                self.taken = taken;
                self.handle(Input::Taken { events: taken });
            } else if let Some(command) = self.game.next_command() {
                self.handle(Input::Command(command));
            } else {
                return;
            }
        }
    }

    fn notice(&self, event: &Event) {
        let Event::StateChanged { state, .. } = event else { return };
        let mut tally = self.shared.lock();
        match state {
            State::Online => tally.online(self.number, Instant::now()),
            State::Failed | State::Replaced => {
                tally.offline(self.number);
                tally.error(format!("state: {state}"));
            }
            _ => tally.offline(self.number),
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        self.core.handle(input, self.clock.now());
        self.drain();
    }

    /// Does what the core says. What the disk and the game's backend are asked is answered on the spot.
    fn drain(&mut self) {
        loop {
            loop {
                match self.core.poll_output() {
                    Output::WakeAt(mono) => {
                        self.wake_at = mono;
                        break;
                    }
                    output => self.perform(output),
                }
            }
            let now = self.clock.now();
            if let Some(key) = self.loads.pop_front() {
                let bytes = self.disk.get(&key).cloned();
                self.core.handle(Input::Loaded { key, bytes: bytes.as_deref() }, now);
            } else if let Some(key) = self.saved.pop_front() {
                self.core.handle(Input::Saved { key, ok: true }, now);
            } else if let Some(ticket) = self.tokens.pop_front() {
                let token = self.target.token(&self.name);
                self.core.handle(Input::Token { ticket, token: token.as_deref() }, now);
            } else {
                return;
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::OpenSocket { socket, url } => {
                self.socket = None;
                let (target, source) = (self.target.clone(), self.source);
                let opening = async move { net::open(&target.players, source, &url).await };
                self.opening = Some((socket, opening.boxed()));
            }
            Output::SendText { socket, text } => {
                if let Some((id, stream)) = &mut self.socket
                    && *id == socket
                {
                    // Whether it failed, reading will tell.
                    let _ = Pin::new(stream).start_send(Message::text(text));
                    self.unflushed = true;
                }
            }
            Output::CloseSocket { socket, code } => {
                if self.opening.as_ref().is_some_and(|(id, _)| *id == socket) {
                    self.opening = None;
                }
                if let Some((_, stream)) = self.socket.take_if(|(id, _)| *id == socket) {
                    self.shared.lock().error(format!("given up: {code}"));
                    say_goodbye(stream, code);
                }
            }
            Output::HttpRequest { http, method, url, headers, body, timeout_ms } => {
                let (target, source) = (self.target.clone(), self.source);
                let timeout = Duration::from_millis(timeout_ms.into());
                let asking = async move {
                    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                    let path = rest.find('/').map_or("/", |at| &rest[at..]);
                    let asked =
                        net::request(&target.players, source, method.as_str(), path, &headers, body, timeout);
                    (http, asked.await)
                };
                self.asking.push(asking.boxed());
            }
            Output::FetchToken { ticket } => self.tokens.push_back(ticket),
            Output::Load { key } => self.loads.push_back(key),
            Output::Save { key, bytes } => {
                if bytes.is_empty() {
                    self.disk.remove(&key);
                } else {
                    self.disk.insert(key.clone(), bytes);
                }
                self.saved.push_back(key);
            }
            // They are published with the event that tells of them; the inbox holds what is current.
            Output::Flags(flags) => drop(self.inbox.offer_flags(flags)),
            Output::Event { event, durable } => self.inbox.push(event, durable),
            Output::Log { level: LogLevel::Error | LogLevel::Warn, line } => self.shared.lock().error(line),
            _ => {}
        }
    }
}

/// Sends a close frame and awaits the peer's end for a second.
fn say_goodbye(mut socket: Socket, code: u16) {
    tokio::spawn(async move {
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        let goodbye = async {
            let _ = socket.close(Some(frame)).await;
            while let Some(Ok(_)) = socket.next().await {}
        };
        let _ = tokio::time::timeout(LINGER, goodbye).await;
    });
}
