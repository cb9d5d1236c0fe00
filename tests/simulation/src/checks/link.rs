//! The connection: when a socket may be asked for, who may speak on it, how long to wait, when to give up.

use std::collections::BTreeSet;

use castline::protocol::messages::{Authenticated, Reconnect};
use castline::protocol::{Channel, Envelope};
use castline::{Cause, Command, Event, Input, Lifecycle, Output, SocketId, State, TokenId};

use super::{Broken, Moment};
use crate::coverage::{Coverage, Mark};

const FLOOR_MS: u64 = 250;
const STABLE_MS: u64 = 10_000;

#[derive(Debug)]
struct Socket {
    id: SocketId,
    opened: bool,
    online_since: Option<u64>,
    /// An unanswered ping, and when it went out.
    ping: Option<u64>,
    said_hello: bool,
    /// `auth_failed` came.
    refused: bool,
}

#[derive(Debug)]
pub(super) struct LinkCheck {
    pub(super) state: State,
    cause: Cause,
    socket: Option<Socket>,
    asked: BTreeSet<u64>,
    has_token: bool,
    background: bool,
    network: bool,
    /// The last end of a socket, by the client's time.
    ended: Option<u64>,
    ended_step: u64,
    /// The server said: not before.
    not_before: u64,
    drain: Option<u64>,
    /// Something since the last end justifies an attempt at once.
    excused: bool,
    /// The last step in which such a thing came.
    excuse_step: u64,
    /// Ends in a row, counted generously and grudgingly.
    most: u32,
    least: u32,
    closing: bool,
    /// The server ended it for good.
    terminal: bool,
    /// The device is connected elsewhere, and the game has not taken it back.
    replaced: bool,
    pub(super) was_closed: bool,
    pub(super) failed_for_good: bool,
    input: &'static str,
    online_t: Option<u64>,
    /// When the state was told, by true time.
    state_t: u64,
    refusals: u32,
    jitter: (u64, u64),
    marks: Vec<Mark>,
    opens: std::collections::VecDeque<u64>,
}

impl Default for LinkCheck {
    fn default() -> Self {
        LinkCheck {
            state: State::Connecting,
            cause: Cause::None,
            socket: None,
            asked: BTreeSet::new(),
            has_token: false,
            background: false,
            network: true,
            ended: None,
            ended_step: 0,
            not_before: 0,
            drain: None,
            excused: false,
            excuse_step: 0,
            most: 0,
            least: 0,
            closing: false,
            terminal: false,
            replaced: false,
            was_closed: false,
            failed_for_good: false,
            input: "",
            online_t: None,
            state_t: 0,
            refusals: 0,
            jitter: (0, 0),
            marks: Vec::new(),
            opens: std::collections::VecDeque::new(),
        }
    }
}

fn ceiling(attempt: u32) -> u64 {
    (1_000u64 << attempt.min(5)).min(30_000)
}

impl LinkCheck {
    pub(super) fn process_starts(&mut self, _m: Moment, with_token: bool) {
        let (jitter, marks) = (self.jitter, std::mem::take(&mut self.marks));
        *self = LinkCheck { has_token: with_token, jitter, marks, ..LinkCheck::default() };
    }

    pub(super) fn process_dies(&mut self) {
        self.socket = None;
        self.asked.clear();
    }

    pub(super) fn closing(&mut self) {
        self.closing = true;
        self.was_closed = true;
    }

    pub(super) fn halted(&self) -> bool {
        matches!(self.state, State::Dormant | State::Failed | State::Replaced | State::Closed)
    }

    /// On its way for a while that any connection may take.
    pub(super) fn just_began(&self, t: u64) -> bool {
        matches!(self.state, State::Connecting | State::Waiting) && t < self.state_t + 15_000
    }

    pub(super) fn was_online_since(&self, t: u64) -> bool {
        self.state == State::Online || self.online_t.is_some_and(|at| at >= t)
    }

    /// For a text on the socket that the client holds: whether it was authenticated before it.
    pub(super) fn input(&mut self, m: Moment, input: &Input<'_>, _misbehaving: bool) -> Option<bool> {
        self.input = "other";
        match input {
            Input::SocketOpened { socket } => {
                if let Some(held) = self.socket.as_mut().filter(|s| s.id == *socket) {
                    held.opened = true;
                }
            }
            Input::Text { socket, text } => return self.text(m, *socket, text),
            Input::SocketClosed { socket, code, retry_after_ms }
                if self.socket.as_ref().is_some_and(|s| s.id == *socket) =>
            {
                self.closed_by_server(m, *code, *retry_after_ms);
            }
            Input::Token { ticket, token } if self.asked.remove(&ticket.0) => {
                self.has_token = token.is_some();
            }
            Input::Lifecycle(what) => match what {
                Lifecycle::Background => self.background = true,
                Lifecycle::Foreground => (self.background, self.excused) = (false, true),
                Lifecycle::NetworkChanged => (self.network, self.excused) = (true, true),
                Lifecycle::NetworkLost => self.network = false,
                _ => {}
            },
            Input::Command(Command::Reconnect) => {
                (self.background, self.excused, self.replaced) = (false, true, false);
            }
            Input::Command(Command::SetToken(token)) => {
                self.asked.clear();
                // `None` answers a question; it takes no token away.
                self.has_token |= token.is_some();
                self.excused |= self.state == State::Failed;
            }
            // A reason to be connected ends dormancy at once.
            Input::Command(_) => self.excused |= self.state == State::Dormant,
            Input::Wake => self.input = "wake",
            _ => {}
        }
        if matches!(
            input,
            Input::Lifecycle(Lifecycle::Foreground | Lifecycle::NetworkChanged)
                | Input::Command(Command::Reconnect)
        ) {
            // The attempts count from none again.
            (self.least, self.excuse_step) = (0, m.step);
        }
        None
    }

    fn text(&mut self, m: Moment, socket: SocketId, text: &str) -> Option<bool> {
        let held = self.socket.as_mut().filter(|s| s.id == socket && s.opened)?;
        let Ok(envelope) = Envelope::decode(text) else { return Some(held.online_since.is_some()) };
        held.ping = None;
        let online = held.online_since.is_some();
        match (envelope.channel, &*envelope.kind) {
            (Channel::System, "authenticated")
                if !online && envelope.payload_as::<Authenticated>().is_ok() =>
            {
                held.online_since = Some(m.elapsed);
                self.online_t = Some(m.t);
                self.refusals = 0;
            }
            (Channel::System, "auth_failed") if !online => held.refused = true,
            (Channel::System, "reconnect") => {
                if let Ok(word) = envelope.payload_as::<Reconnect>() {
                    self.drain = Some(word.after_ms.min(600_000));
                }
            }
            _ => {}
        }
        Some(online)
    }

    fn closed_by_server(&mut self, m: Moment, code: u16, retry_after: Option<u64>) {
        let stable = self.end(m);
        match code {
            4500..=4999 => self.terminal = true,
            4003 => self.replaced = true,
            4029 => self.not_before = m.elapsed + 5_000,
            4009 => self.excused = stable,
            4001 => self.refused(),
            _ => {}
        }
        let reconnects = !matches!(code, 4003 | 4009 | 4500..=4999);
        if let Some(delay) = retry_after.or(self.drain.take()).filter(|_| reconnects && code != 4001) {
            self.not_before = self.not_before.max(m.elapsed + delay.min(600_000));
        } else if reconnects {
            self.least += 1;
        }
    }

    fn refused(&mut self) {
        self.has_token = false;
        self.refusals += 1;
        if self.refusals == 2 {
            self.marks.push(Mark::AuthTwice);
        }
    }

    /// A socket has ended: what counts from here.
    fn end(&mut self, m: Moment) -> bool {
        let Some(socket) = self.socket.take() else { return false };
        let stable = socket.online_since.is_some_and(|since| m.elapsed - since >= STABLE_MS);
        if stable {
            (self.most, self.least) = (0, 0);
        }
        self.most += 1;
        self.ended = Some(m.elapsed);
        self.ended_step = m.step;
        self.excused = self.excuse_step == m.step;
        stable
    }

    pub(super) fn output(&mut self, m: Moment, output: &Output, lateness: u64) -> Broken {
        match output {
            Output::OpenSocket { socket, .. } => self.open_socket(m, *socket),
            Output::SendText { socket, text } => self.send_text(m, *socket, text),
            Output::CloseSocket { socket, .. } => self.close_socket(m, *socket, lateness),
            Output::FetchToken { ticket } => self.fetch_token(*ticket),
            Output::Event {
                event: Event::StateChanged { state, previous, cause, code, retry_in }, ..
            } => self.state_changed(m, *state, *previous, *cause, *code, *retry_in),
            _ => Ok(()),
        }
    }

    fn open_socket(&mut self, m: Moment, id: SocketId) -> Broken {
        if self.closing {
            return Err("a socket is opened after close".into());
        }
        if !self.network {
            return Err("a socket is opened while the host reports no network".into());
        }
        if self.background {
            return Err("a socket is opened in background".into());
        }
        if !self.has_token {
            return Err("a socket is opened without a token in hand".into());
        }
        if self.terminal || self.replaced {
            return Err("a socket is opened although the server said not to come back".into());
        }
        match self.state {
            State::Failed | State::Replaced if !self.excused => {
                return Err(format!("a socket is opened in state {} without the game's word", self.state));
            }
            _ => {}
        }
        if m.elapsed < self.not_before {
            return Err(format!(
                "a socket is opened {} ms before the server's word",
                self.not_before - m.elapsed
            ));
        }
        if let Some(ended) = self.ended
            && !self.excused
            && m.elapsed < ended + FLOOR_MS
        {
            return Err(format!(
                "a socket is opened {} ms after the last ended; the floor is {FLOOR_MS}",
                m.elapsed - ended
            ));
        }
        self.opens.push_back(m.elapsed);
        while self.opens.front().is_some_and(|at| at + 10_000 < m.elapsed) {
            self.opens.pop_front();
        }
        if self.opens.len() > 40 {
            return Err("more than 40 sockets in 10 s".into());
        }
        self.excused = false;
        self.socket = Some(Socket {
            id,
            opened: false,
            online_since: None,
            ping: None,
            said_hello: false,
            refused: false,
        });
        Ok(())
    }

    /// What the server said for good is told at once.
    pub(super) fn drained(&self) -> Broken {
        match self.state {
            State::Closed => Ok(()),
            state if self.terminal && state != State::Failed => {
                Err(format!("a terminal end is told as {state}"))
            }
            state if self.replaced && state != State::Replaced => Err(format!("4003 is told as {state}")),
            _ => Ok(()),
        }
    }

    fn send_text(&mut self, m: Moment, id: SocketId, text: &str) -> Broken {
        let Some(socket) = self.socket.as_mut().filter(|s| s.id == id) else {
            // Said while it is being told of the end: a driver drops it.
            if self.ended_step == m.step {
                return Ok(());
            }
            return Err(format!("a text on socket {}, which is not held: {text}", id.0));
        };
        if !socket.opened {
            return Err(format!("a text on socket {} before it is open", id.0));
        }
        let Ok(envelope) = Envelope::decode(text) else { return Ok(()) };
        let hello = (envelope.channel, &*envelope.kind) == (Channel::System, "authenticate");
        if socket.online_since.is_none() && !hello {
            return Err(format!("{} before authenticated", envelope.kind));
        }
        if hello && std::mem::replace(&mut socket.said_hello, true) {
            return Err("authenticate twice on one socket".into());
        }
        if (envelope.channel, &*envelope.kind) == (Channel::System, "ping") {
            socket.ping = Some(m.elapsed);
        }
        Ok(())
    }

    fn close_socket(&mut self, m: Moment, id: SocketId, lateness: u64) -> Broken {
        let Some(socket) = self.socket.as_ref().filter(|s| s.id == id) else {
            return Err(format!("socket {} is closed, which is not held", id.0));
        };
        // With nothing but time as a reason: a ping must be unanswered, and the time must have been waited awake.
        let by_time = self.input == "wake" && !self.background && socket.online_since.is_some();
        if by_time {
            match socket.ping {
                None => return Err("a socket is given up without an unanswered ping".into()),
                Some(at) if m.elapsed < at + 2_000 => {
                    return Err(format!("a socket is given up {} ms after its ping", m.elapsed - at));
                }
                Some(_) if lateness > 2_000 => {
                    return Err(format!(
                        "a socket is given up after a sleep of {lateness} ms; sleep is no evidence"
                    ));
                }
                Some(_) => {}
            }
        }
        let refused = socket.refused;
        self.end(m);
        if refused {
            self.refused();
        }
        // The word was for those who stay; one who leaves for the background, or has no good token, comes back in his own time.
        if let Some(delay) = self.drain.take().filter(|_| !self.background && !refused) {
            self.not_before = self.not_before.max(m.elapsed + delay);
        } else {
            self.least += u32::from(!self.background && !self.closing);
        }
        Ok(())
    }

    fn fetch_token(&mut self, ticket: TokenId) -> Broken {
        if !self.asked.is_empty() {
            return Err("a second question for a token while one is open".into());
        }
        if self.closing || self.background || !self.network {
            return Err("a question for a token that can't be used now".into());
        }
        self.asked.insert(ticket.0);
        Ok(())
    }

    fn state_changed(
        &mut self,
        m: Moment,
        state: State,
        previous: State,
        cause: Cause,
        code: u16,
        retry: u64,
    ) -> Broken {
        if previous != self.state {
            return Err(format!("told as coming from {previous}, but the last told was {}", self.state));
        }
        if self.state == State::Closed {
            return Err(format!("{state} after closed"));
        }
        (self.state, self.cause, self.state_t) = (state, cause, m.t);
        let online = self.socket.as_ref().is_some_and(|s| s.online_since.is_some());
        if (state == State::Online) != online {
            return Err(format!(
                "told {state}, but the socket is {}",
                if online { "authenticated" } else { "not" }
            ));
        }
        self.failed_for_good = state == State::Failed && cause != Cause::Auth;
        if state == State::Dormant && cause == Cause::Background {
            self.marks.push(Mark::BackgroundClose);
        }
        if state != State::Waiting || retry == 0 {
            return Ok(());
        }
        let _ = code;
        let fresh = self.ended_step == m.step;
        let server_ms = self.not_before.saturating_sub(m.elapsed);
        let most = ceiling(self.most.saturating_sub(1))
            .max(FLOOR_MS)
            .max(server_ms)
            .max(5_000 * u64::from(code == 4029));
        if retry > most {
            return Err(format!("waits {retry} ms at attempt {}; the ceiling is {most}", self.most));
        }
        if fresh && retry < FLOOR_MS.max(server_ms.min(retry + 1)) {
            return Err(format!("waits {retry} ms; the floor is {FLOOR_MS}, the server's word {server_ms}"));
        }
        if fresh && server_ms == 0 && self.least > 0 {
            let ceiling = ceiling(self.least - 1);
            if self.least >= 3 {
                self.jitter.0 += retry * 1_000 / ceiling;
                self.jitter.1 += 1;
            }
            if self.least >= 4 {
                self.marks.push(Mark::BackoffDeep);
            }
        }
        Ok(())
    }

    pub(super) fn report(&mut self, cover: &mut Coverage) {
        cover.jitter.0 += self.jitter.0;
        cover.jitter.1 += self.jitter.1;
        for mark in self.marks.drain(..) {
            cover.hit(mark);
        }
    }
}
