//! Which number means what at the two doors. `npm/build.mjs` makes `npm/src/numbers.ts` of it, name by name.

/// What the module is called for. The texts and numbers of each stand beside it; `?` may be absent.
pub(crate) mod call {
    /// `url`, `build`, `player_id?`, `token?`, `init_data?`, at break?, persistent?; the seed's halves.
    pub(crate) const START: u32 = 0;
    pub(crate) const FREE: u32 = 1;
    /// 1: an event was told; 0: there is none. The one before counts as taken now.
    pub(crate) const HAND: u32 = 2;
    pub(crate) const APPLY: u32 = 3;
    /// `key`; 0 any type, 1 bool, 2 integer, 3 number, 4 string.
    pub(crate) const FLAG: u32 = 4;
    pub(crate) const NAMES: u32 = 5;
    /// `key`.
    pub(crate) const VARIANT: u32 = 6;
    /// `key`.
    pub(crate) const REASON: u32 = 7;
    pub(crate) const STATE: u32 = 8;
    pub(crate) const SERVER_TIME: u32 = 9;
    pub(crate) const WOKEN: u32 = 10;
    /// The socket.
    pub(crate) const OPENED: u32 = 11;
    /// `text`; the socket.
    pub(crate) const TEXT: u32 = 12;
    /// The socket, the code.
    pub(crate) const SHUT: u32 = 13;
    /// `body`, `etag?`, `retry-after?`; the request, the status.
    pub(crate) const ANSWERED: u32 = 14;
    /// The request; 0: unreachable, 1: not in time, 2: too large.
    pub(crate) const UNANSWERED: u32 = 15;
    /// `token?`; the ticket.
    pub(crate) const TOKEN: u32 = 16;
    /// A number of `Lifecycle`.
    pub(crate) const LIFECYCLE: u32 = 17;
    pub(crate) const CLOSE: u32 = 18;
    pub(crate) const NOT_READY: u32 = 19;
    /// `placement`, `context?`; the lease.
    pub(crate) const READY: u32 = 20;
    /// `offer_id`, `outcome`.
    pub(crate) const RESULT: u32 = 21;
    /// `channel`, `type`, `payload`, `key?`; the id, the timeout.
    pub(crate) const REQUEST: u32 = 22;
    /// `channel`, `type`, `payload`.
    pub(crate) const SEND: u32 = 23;
    /// `name`, `props`.
    pub(crate) const TRACK: u32 = 24;
    /// `json`.
    pub(crate) const ATTRIBUTES: u32 = 25;
    /// `game_id`.
    pub(crate) const JOIN: u32 = 26;
    /// `game_id`.
    pub(crate) const LEAVE: u32 = 27;
    /// `game_id`, `event`, `data`.
    pub(crate) const SAY: u32 = 28;
    /// `game_id`, `selection`, `client_seed?`, `key?`; the id, the amount.
    pub(crate) const BET: u32 = 29;
    pub(crate) const RECONNECT: u32 = 30;
}

/// What the module tells, and asks to be done.
pub(crate) mod tell {
    /// `url`; the socket.
    pub(crate) const OPEN: u32 = 0;
    /// `text`; the socket.
    pub(crate) const SEND: u32 = 1;
    /// The socket, the code.
    pub(crate) const SHUT: u32 = 2;
    /// `method`, `url`, `body`, then name and value of each header; the request, the timeout.
    pub(crate) const FETCH: u32 = 3;
    /// The ticket of a question for a token.
    pub(crate) const ASK: u32 = 4;
    /// `name`. 1: its text is in the room; 0: there is none.
    pub(crate) const LOAD: u32 = 5;
    /// `name`, `text`; no text: delete. 1: it is kept.
    pub(crate) const SAVE: u32 = 6;
    /// Monotonic ms; infinity: no need.
    pub(crate) const WAKE: u32 = 7;
    /// `line`; the level.
    pub(crate) const LOG: u32 = 8;
    /// What the getters give is another snapshot now.
    pub(crate) const FLAGS: u32 = 9;
    /// The texts that were asked for.
    pub(crate) const GIVE: u32 = 10;
    /// `code`, `message`: why a call of the game did nothing.
    pub(crate) const REFUSE: u32 = 11;
    /// An event waits.
    pub(crate) const WAITS: u32 = 12;
    /// And above: an event, by its number in `told.rs`.
    pub(crate) const EVENT: u32 = 16;
}
