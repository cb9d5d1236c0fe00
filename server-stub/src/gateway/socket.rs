//! One WebSocket, from the upgrade to its end: framing, limits, closing, back-pressure. What the messages mean is the
//! [`Handler`]'s business; the same code serves the gateway and the echo server that the Autobahn suite is run against.
//!
//! One task a connection. The buffers are small and the slow branches of a handler should be boxed, for most connections do
//! nothing most of the time. Frames are tungstenite's; reading and writing go straight to the stream's own poll functions.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::error::{CapacityError, Error, ProtocolError};
use tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Message, Utf8Bytes, WebSocket};

use super::mailbox::{Mail, Mailbox};

/// Bytes read at once. Idle connections keep a buffer of this size.
const READ_BUFFER: usize = 2_048;
/// Replies to messages that came together are written together, up to this.
const WRITE_BUFFER: usize = 4_096;
/// How long the peer may take to answer our close.
const LINGER: Duration = Duration::from_secs(1);
/// What is read and thrown away meanwhile.
const LINGER_BYTES: usize = 1 << 20;

/// The bounds of one socket.
#[derive(Debug, Clone, Copy)]
pub struct SocketOptions {
    /// The longest message, bytes, fragments joined: beyond it close 1009.
    pub max_message_bytes: usize,
    /// What may wait to be written, bytes: beyond it close 4008.
    pub max_outgoing_bytes: usize,
    /// Without progress in writing for this long: close 4008.
    pub write_stall: Duration,
}

/// What a handler wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// To go on.
    Continue,
    /// To close with this code, after what is in the outbox.
    Close(u16),
    /// To end without a close frame: the peer is gone.
    Drop,
}

/// What is to be sent, in order.
#[derive(Debug, Default)]
pub struct Outbox {
    messages: Vec<Message>,
    /// When the messages whose way is timed were made.
    made: Vec<Instant>,
}

impl Outbox {
    /// A text message.
    pub fn text(&mut self, text: impl Into<Utf8Bytes>) {
        self.messages.push(Message::Text(text.into()));
    }

    /// A text message made at `made`: [`Handler::written`] is told when its last byte has gone.
    pub fn timed(&mut self, text: impl Into<Utf8Bytes>, made: Instant) {
        self.text(text);
        self.made.push(made);
    }

    /// A binary message.
    pub fn binary(&mut self, bytes: Vec<u8>) {
        self.messages.push(Message::Binary(bytes.into()));
    }

    /// A WebSocket Ping.
    pub fn ping(&mut self) {
        self.messages.push(Message::Ping(Vec::new().into()));
    }
}

/// The logic behind a socket.
pub trait Handler: Send {
    /// What others post to this connection.
    type Note: Send;

    /// The socket is open.
    fn opened(&mut self, out: &mut Outbox);

    /// A text message. Nothing else is read meanwhile.
    fn text(&mut self, text: &str, out: &mut Outbox) -> impl Future<Output = Flow> + Send;

    /// A binary message.
    fn binary(&mut self, bytes: &[u8], out: &mut Outbox) -> Flow;

    /// A control frame came: the peer lives.
    fn control(&mut self);

    /// Something from the mailbox.
    fn note(&mut self, note: Self::Note, out: &mut Outbox) -> impl Future<Output = Flow> + Send;

    /// When [`Handler::timer`] is to be called next. Asked for after each call of it; an earlier call is harmless.
    fn deadline(&self) -> Instant;

    /// The deadline has passed.
    fn timer(&mut self, now: Instant, out: &mut Outbox) -> Flow;

    /// The messages made at these moments ([`Outbox::timed`]) have gone to the stream, to their last byte.
    fn written(&mut self, _made: &[Instant]) {}

    /// The peer is too slow, and is closed for it: it took nothing for too long, or too much waited.
    fn too_slow(&mut self, _stalled: bool) {}

    /// The longest message now, if that is less than the option says.
    fn max_message_bytes(&self) -> Option<usize> {
        None
    }
}

/// How a socket ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The peer closed, with this code; 1005 where it gave none.
    ByPeer(u16),
    /// We closed, with this code.
    ByUs(u16),
    /// It broke.
    Lost,
}

/// A stream whose poll functions serve as `Read` and `Write`: not ready is `WouldBlock`, and the task will be woken.
struct Polled<S> {
    stream: S,
    waker: Waker,
    /// Bytes that the stream took since the last full flush.
    written: usize,
}

impl<S: AsyncRead + Unpin> io::Read for Polled<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        let mut cx = Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(())) => Ok(buffer.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: AsyncWrite + Unpin> io::Write for Polled<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_write(&mut cx, bytes) {
            Poll::Ready(Ok(n)) => {
                self.written += n;
                Ok(n)
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut cx = Context::from_waker(&self.waker);
        match Pin::new(&mut self.stream).poll_flush(&mut cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

enum Event<T> {
    Message(Message),
    Mail(Mail<T>),
    Timer,
    Failed(Error),
}

/// Serves one upgraded connection to its end. `early` is what the peer sent together with its upgrade request.
pub async fn serve<S, H>(
    stream: S,
    early: Vec<u8>,
    options: SocketOptions,
    mailbox: Arc<Mailbox<H::Note>>,
    handler: &mut H,
) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Handler,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(usize::MAX)
        .max_message_size(Some(options.max_message_bytes))
        .max_frame_size(Some(options.max_message_bytes));
    let stream = Polled { stream, waker: Waker::noop().clone(), written: 0 };
    let mut socket = Socket {
        web: WebSocket::from_partially_read(stream, early, Role::Server, Some(config)),
        framed: 0,
        dirty: false,
        stalled: None,
        stall_began: false,
        made: Vec::new(),
        gone: false,
        farewell: None,
    };
    let mut out = Outbox::default();
    handler.opened(&mut out);
    let mut armed = handler.deadline();
    let mut sleep = pin!(tokio::time::sleep_until(armed.into()));
    let mut flow = Flow::Continue;
    loop {
        if let Err(error) = socket.queue(&mut out) {
            return Box::pin(failed(socket, error)).await;
        }
        match flow {
            Flow::Continue if socket.waiting() <= options.max_outgoing_bytes => {}
            Flow::Continue => {
                handler.too_slow(false);
                return Box::pin(close(socket, SLOW_CONSUMER)).await;
            }
            Flow::Close(code) => return Box::pin(close(socket, code)).await,
            Flow::Drop => return Ended::Lost,
        }
        let limit = handler.max_message_bytes();
        let event = poll_fn(|cx| {
            if let Poll::Ready(mail) = mailbox.poll_next(cx) {
                return Poll::Ready(Event::Mail(mail));
            }
            if let Poll::Ready(event) = socket.poll(cx) {
                return Poll::Ready(event);
            }
            if std::mem::take(&mut socket.gone) {
                handler.written(&socket.made);
                socket.made.clear();
            }
            if std::mem::take(&mut socket.stall_began) {
                armed = armed.min(Instant::now() + options.write_stall);
                sleep.as_mut().reset(armed.into());
            }
            sleep.as_mut().poll(cx).map(|()| Event::Timer)
        })
        .await;
        flow = match event {
            Event::Message(message) if limit.is_some_and(|limit| message.len() > limit) => {
                Flow::Close(TOO_LARGE)
            }
            Event::Message(Message::Text(text)) => handler.text(text.as_str(), &mut out).await,
            Event::Message(Message::Binary(bytes)) => handler.binary(&bytes, &mut out),
            Event::Message(message) => {
                if let Message::Close(frame) = message {
                    socket.farewell = Some(frame.map_or(NO_CODE, |frame| frame.code.into()));
                }
                handler.control();
                Flow::Continue
            }
            Event::Mail(Mail::Item(note)) => handler.note(note, &mut out).await,
            Event::Mail(Mail::Overflow) => {
                handler.too_slow(false);
                Flow::Close(SLOW_CONSUMER)
            }
            Event::Failed(error) => return Box::pin(failed(socket, error)).await,
            Event::Timer => {
                let now = Instant::now();
                let flow = match socket.stalled {
                    Some(since) if now.duration_since(since) >= options.write_stall => {
                        handler.too_slow(true);
                        Flow::Close(SLOW_CONSUMER)
                    }
                    _ => handler.timer(now, &mut out),
                };
                armed = handler.deadline();
                if let Some(since) = socket.stalled {
                    armed = armed.min((since + options.write_stall).max(now));
                }
                sleep.as_mut().reset(armed.into());
                flow
            }
        };
        // The timer is not moved by every message: it fires early and asks again. It only never fires late.
        if handler.deadline() < armed {
            armed = handler.deadline();
            sleep.as_mut().reset(armed.into());
        }
    }
}

const TOO_LARGE: u16 = castline::protocol::CloseCode::TOO_LARGE;
const SLOW_CONSUMER: u16 = castline::protocol::CloseCode::SLOW_CONSUMER;
/// A close frame without a code.
const NO_CODE: u16 = 1005;

struct Socket<S> {
    web: WebSocket<Polled<S>>,
    /// Bytes framed since the last full flush.
    framed: usize,
    /// Something may have to be flushed.
    dirty: bool,
    /// Since when the stream has taken nothing, though there is something to write.
    stalled: Option<Instant>,
    stall_began: bool,
    /// Timed messages that are framed and not yet gone.
    made: Vec<Instant>,
    /// They are gone.
    gone: bool,
    /// The code of the peer's close frame, once it has come.
    farewell: Option<u16>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Frames what is in the outbox. Writing waits until there is nothing more to read.
    fn queue(&mut self, out: &mut Outbox) -> Result<(), Error> {
        self.made.append(&mut out.made);
        for message in out.messages.drain(..) {
            self.framed += message.len() + 10;
            self.dirty = true;
            match self.web.write(message) {
                Ok(()) => {}
                Err(error) if would_block(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Bytes that wait for the stream, roughly: answers to pings are not counted.
    fn waiting(&self) -> usize {
        self.framed.saturating_sub(self.web.get_ref().written)
    }

    fn poll<T>(&mut self, cx: &mut Context<'_>) -> Poll<Event<T>> {
        if !self.web.get_ref().waker.will_wake(cx.waker()) {
            self.web.get_mut().waker = cx.waker().clone();
        }
        // While the peer takes nothing, nothing is taken from it: a flood of requests ends in its own buffers.
        if self.stalled.is_none() {
            match self.web.read() {
                Ok(message) => {
                    // tungstenite answers pings and closes by itself, at the next flush.
                    self.dirty |= !matches!(message, Message::Text(_) | Message::Binary(_));
                    return Poll::Ready(Event::Message(message));
                }
                Err(error) if would_block(&error) => {}
                Err(error) => return Poll::Ready(Event::Failed(error)),
            }
        }
        if self.dirty {
            let before = self.web.get_ref().written;
            match self.web.flush() {
                Ok(()) => {
                    self.dirty = false;
                    self.framed = 0;
                    self.gone = !self.made.is_empty();
                    self.web.get_mut().written = 0;
                    if self.stalled.take().is_some() {
                        // Reading was off; look again.
                        cx.waker().wake_by_ref();
                    }
                }
                Err(error) if would_block(&error) => {
                    if self.stalled.is_none() || self.web.get_ref().written != before {
                        self.stall_began = self.stalled.is_none();
                        self.stalled = Some(Instant::now());
                    }
                }
                Err(error) => return Poll::Ready(Event::Failed(error)),
            }
        }
        Poll::Pending
    }
}

fn would_block(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// The end after an error: a close frame where the peer broke the rules, nothing where the connection is gone.
async fn failed<S: AsyncRead + AsyncWrite + Unpin>(socket: Socket<S>, error: Error) -> Ended {
    // Whoever has said farewell may slam the door.
    if let Some(code) = socket.farewell {
        return Ended::ByPeer(code);
    }
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Ended::ByPeer(NO_CODE),
        Error::Capacity(CapacityError::MessageTooLong { .. }) => close(socket, TOO_LARGE).await,
        Error::Utf8(_) => close(socket, castline::protocol::CloseCode::INVALID_TEXT).await,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) | Error::Io(_) => Ended::Lost,
        _ => close(socket, 1002).await,
    }
}

/// Sends what is queued and a close frame, ends our half, and waits a moment for the peer's, so that the frame is not lost
/// to a reset.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>, code: u16) -> Ended {
    let frame = CloseFrame { code: WireCode::from(code), reason: Utf8Bytes::from_static("") };
    let mut asked = Some(frame);
    let mut thrown_away = 0;
    let farewell = poll_fn(|cx| {
        socket.web.get_mut().waker = cx.waker().clone();
        let written = match asked.take() {
            Some(frame) => socket.web.close(Some(frame)),
            None => socket.web.flush(),
        };
        match written {
            Err(error) if would_block(&error) => Poll::Pending,
            _ => Poll::Ready(()),
        }
    });
    if tokio::time::timeout(LINGER, farewell).await.is_err() {
        return Ended::ByUs(code);
    }
    let stream = &mut socket.web.get_mut().stream;
    let goodbye = async {
        if poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await.is_err() {
            return;
        }
        let mut scrap = [0u8; 512];
        while thrown_away < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut scrap);
            match poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut buffer)).await {
                Ok(()) if !buffer.filled().is_empty() => thrown_away += buffer.filled().len(),
                _ => return,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, goodbye).await;
    Ended::ByUs(code)
}
