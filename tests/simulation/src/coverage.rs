//! What the histories of a run have reached. A mark that no history reached means that the simulation tests less than it says.

macro_rules! marks {
    ($($name:ident => $word:literal,)*) => {
        /// A fault that was done to the client, or a state that it came into.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Mark { $($name,)* }
        const WORDS: &[&str] = &[$($word),*];
    };
}

marks! {
    Cut => "connection cut",
    CutInFlight => "cut with data in flight",
    HalfOpen => "half-open connection",
    Stall => "stall",
    ConnectFailed => "connect failed",
    ConnectHung => "connect hung",
    UpgradeRefused => "upgrade refused with Retry-After",
    LateReport => "report of a socket given up",
    ServerRestart => "server restart",
    Drain => "drain with 4010",
    Replaced => "replaced, 4003",
    ClosedBy4001 => "token refused, 4001",
    AuthTwice => "two tokens refused in a row",
    ClosedBy4002 => "close 4002",
    ClosedBy4008 => "close 4008",
    ClosedBy4009 => "close 4009, idle",
    ClosedBy4029 => "close 4029",
    ClosedBy45xx => "terminal close",
    TokenSlow => "slow token",
    TokenNone => "no token to be had",
    TokenExpired => "expired token",
    IdentitySwitch => "another player",
    SaveFailed => "save failed",
    LoadCorrupt => "load found nothing where bytes were",
    KilledMidSave => "death between save and saved",
    Restarted => "process death and restart",
    HiddenTab => "hidden tab, a timer a minute",
    Suspended => "suspension, monotonic clock stopped",
    Frozen => "freeze, both clocks ran",
    WallForward => "wall clock jumped ahead",
    WallBack => "wall clock jumped back",
    NetworkLost => "network lost",
    NetworkChanged => "network changed",
    Background => "background",
    BackgroundClose => "socket closed in background",
    SlowGame => "game that polls rarely",
    InboxFull => "inbox reached its bound",
    OfferLive => "offer surfaced from the socket",
    OfferHeld => "offer held and surfaced later",
    OfferClaimed => "offer claimed over HTTP",
    OfferExpiredUnseen => "offer expired before it was shown",
    OfferTwiceSent => "offer sent twice",
    NoOffer => "no offer",
    OfferExpired => "surfaced offer expired",
    DurableReplayed => "durable message replayed",
    Resumed => "session resumed",
    SessionLost => "session lost",
    Discarded => "durable messages discarded by the server",
    RequestDone => "request completed",
    RequestResent => "request repeated with its key",
    RequestRecorded => "recorded reply replayed",
    NotSent => "request not sent",
    UnknownOutcome => "request with unknown outcome",
    RequestRefused => "request refused",
    TooManyRequests => "too many open requests",
    BackoffDeep => "fourth attempt in a row or later",
    Hole => "hole in the sequence",
    Duplicate => "duplicate in the sequence",
    Garbage => "garbage from the server",
    FlagsNew => "flags fetched",
    FlagsUnchanged => "flags not modified",
    FlagsBad => "bad flags answer",
    FlagsPushed => "flags changed pushed",
    EventsStored => "analytics stored",
    EventsDuplicate => "analytics repeated",
    EventsDropped => "analytics dropped at the bound",
    EventsOverHttp => "analytics over HTTP",
    Dormant => "dormant",
    Failed => "failed",
    Closed => "closed by the game",
    RoomJoined => "room joined",
    RoomGap => "gap in a room",
    SeedUsed => "bet on a used seed",
    BetAskedFor => "earlier bet asked for",
    BetSettled => "bet settled",
    Withdrawn => "offer taken back before the game saw it",
    CalmOnline => "online at the end",
}

const COUNT: usize = WORDS.len();

/// How often each mark was hit, and the figures that only many histories together can judge.
#[derive(Debug, Clone)]
pub(crate) struct Coverage {
    hits: [u64; COUNT],
    /// Wakes that did nothing but ask for the next one.
    pub(crate) idle_wakes: u64,
    /// All wakes at their deadline.
    pub(crate) wakes: u64,
    /// Per-mille of the ceiling waited, summed, and how many waits: full jitter over the right ceiling averages one half.
    pub(crate) jitter: (u64, u64),
    /// Inputs handled.
    pub(crate) steps: u64,
    /// Simulated time, ms.
    pub(crate) time: u64,
}

impl Default for Coverage {
    fn default() -> Coverage {
        Coverage { hits: [0; COUNT], idle_wakes: 0, wakes: 0, jitter: (0, 0), steps: 0, time: 0 }
    }
}

impl Coverage {
    pub(crate) fn hit(&mut self, mark: Mark) {
        self.hits[mark as usize] += 1;
    }

    pub(crate) fn add(&mut self, other: &Coverage) {
        for (sum, more) in self.hits.iter_mut().zip(other.hits) {
            *sum += more;
        }
        self.idle_wakes += other.idle_wakes;
        self.wakes += other.wakes;
        self.jitter.0 += other.jitter.0;
        self.jitter.1 += other.jitter.1;
        self.steps += other.steps;
        self.time += other.time;
    }

    /// The marks that nothing reached.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        WORDS.iter().zip(self.hits).filter(|(_, n)| *n == 0).map(|(w, _)| *w).collect()
    }

    pub(crate) fn table(&self) -> String {
        WORDS.iter().zip(self.hits).map(|(word, n)| format!("  {n:>9}  {word}\n")).collect()
    }
}
