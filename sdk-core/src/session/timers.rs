//! The timer table: an enum and an array; the next wake-up is the minimum.

/// What can come due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The next attempt to connect.
    Reconnect,
    /// The client's bound on connect, upgrade and authentication.
    Handshake,
    /// The next ping.
    Heartbeat,
    /// An unanswered ping declares the socket dead.
    PingTimeout,
    /// An acknowledgement that found nothing to ride on.
    Ack,
    /// The background grace.
    Grace,
    /// The HTTP claim of a break without a socket.
    Claim,
    /// The end of a break.
    Lease,
    /// The first surfaced or held offer to expire.
    Expiry,
    /// The first deadline of an open request.
    Requests,
    /// Ask a failing token provider again.
    Token,
    /// Fetch flags.
    Flags,
    /// Write what changed to disk.
    Save,
}

const ALL: [Timer; 13] = [
    Timer::Reconnect,
    Timer::Handshake,
    Timer::Heartbeat,
    Timer::PingTimeout,
    Timer::Ack,
    Timer::Grace,
    Timer::Claim,
    Timer::Lease,
    Timer::Expiry,
    Timer::Requests,
    Timer::Token,
    Timer::Flags,
    Timer::Save,
];

/// No deadline.
const NEVER: u64 = u64::MAX;

/// Deadlines in core time.
#[derive(Debug)]
pub(crate) struct Timers([u64; ALL.len()]);

impl Default for Timers {
    fn default() -> Timers {
        Timers([NEVER; ALL.len()])
    }
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, deadline: Option<u64>) {
        self.0[timer as usize] = deadline.unwrap_or(NEVER);
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<u64> {
        Some(self.0[timer as usize]).filter(|deadline| *deadline != NEVER)
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<u64> {
        self.0.iter().copied().min().filter(|deadline| *deadline != NEVER)
    }

    /// Takes the earliest timer that is due at `t`.
    pub(crate) fn take_due(&mut self, t: u64) -> Option<Timer> {
        let first = self.next().filter(|deadline| *deadline <= t)?;
        let timer = ALL.into_iter().find(|timer| self.0[*timer as usize] == first)?;
        self.stop(timer);
        Some(timer)
    }
}
