//! Where the connection stands, and what the game is told of it.

use crate::event::{Cause, State};
use crate::io::SocketId;
use crate::protocol::CloseCode;

/// The one socket, or its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No socket; something else than time is waited for (token, network, a reason, the game).
    Idle,
    /// No socket until the back-off ends.
    Backoff,
    /// Asked for, not open yet.
    Opening,
    /// Open, not authenticated yet.
    Handshake,
    /// Authenticated.
    Online,
}

/// Why nothing is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Halt {
    pub(crate) state: State,
    pub(crate) cause: Cause,
    pub(crate) code: u16,
}

impl Halt {
    pub(crate) fn new(state: State, cause: Cause, code: u16) -> Self {
        Halt { state, cause, code }
    }

    /// What a terminal close code means.
    pub(crate) fn of_terminal(code: u16) -> Self {
        let cause = match code {
            CloseCode::BUILD_TOO_OLD => Cause::BuildTooOld,
            CloseCode::BANNED => Cause::Banned,
            CloseCode::PROTOCOL => Cause::Protocol,
            _ => Cause::Server,
        };
        Halt::new(State::Failed, cause, code)
    }
}

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) phase: Phase,
    /// `Failed`, `Replaced`, `Dormant` or `Closed`.
    pub(crate) halt: Option<Halt>,
    /// Attempts since the last connection that stayed up.
    pub(crate) attempt: u32,
    /// When the present connection was authenticated.
    pub(crate) online_since: u64,
    /// The host reports a network.
    pub(crate) network: bool,
    /// The game is in the background.
    pub(crate) background: bool,
    /// Why the last socket ended.
    pub(crate) last_cause: Cause,
    pub(crate) last_code: u16,
    /// `system/reconnect` said when to come back.
    pub(crate) server_delay: Option<u64>,
    /// The server forbade an attempt before this core time; no reason of ours overrides it.
    pub(crate) not_before: u64,
    /// The present socket, or the last one.
    pub(crate) newest: SocketId,
}

impl Link {
    pub(crate) fn new() -> Self {
        Link {
            phase: Phase::Idle,
            halt: None,
            attempt: 0,
            online_since: 0,
            network: true,
            background: false,
            last_cause: Cause::None,
            last_code: 0,
            server_delay: None,
            not_before: 0,
            newest: SocketId(0),
        }
    }

    pub(crate) fn next_socket(&mut self) -> SocketId {
        self.newest.0 += 1;
        self.newest
    }

    pub(crate) fn socket(&self) -> Option<SocketId> {
        (!matches!(self.phase, Phase::Idle | Phase::Backoff)).then_some(self.newest)
    }

    pub(crate) fn is_online(&self) -> bool {
        self.phase == Phase::Online
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.halt.is_some_and(|halt| halt.state == State::Closed)
    }

    pub(crate) fn is_dormant(&self) -> bool {
        self.halt.is_some_and(|halt| halt.state == State::Dormant)
    }

    /// Whether only time keeps the next attempt.
    pub(crate) fn may_connect(&self) -> bool {
        self.halt.is_none() && self.network && !self.background
    }

    /// What the game is told: state, cause, close code.
    pub(crate) fn told(&self, has_token: bool) -> (State, Cause, u16) {
        if let Some(halt) = self.halt {
            return (halt.state, halt.cause, halt.code);
        }
        match self.phase {
            Phase::Online => (State::Online, Cause::None, 0),
            Phase::Opening | Phase::Handshake => (State::Connecting, self.last_cause, self.last_code),
            Phase::Backoff | Phase::Idle if !self.network => (State::Waiting, Cause::Network, self.last_code),
            Phase::Backoff => (State::Waiting, self.last_cause, self.last_code),
            Phase::Idle if self.background => (State::Dormant, Cause::Background, 0),
            Phase::Idle if !has_token => (State::Waiting, Cause::Token, self.last_code),
            Phase::Idle => (State::Connecting, self.last_cause, self.last_code),
        }
    }
}
