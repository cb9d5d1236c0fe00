//! What the game is told: events, and the words in them.
//!
//! Names, fields and numbers are the same in every face. Discriminants are the C values: never renumbered, new ones appended.

use crate::protocol::{Channel, Code};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal => $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)* }

        impl $name {
            /// Every value, in the order of its number.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The word that the text faces use.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// The value of a word.
            pub fn parse(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// Where the connection stands.
    State {
        /// A socket is being opened or authenticated.
        Connecting = 1 => "connecting",
        /// Authenticated.
        Online = 2 => "online",
        /// The next try comes in `retry_in`; with 0 it waits for the network or a token.
        Waiting = 3 => "waiting",
        /// No socket on purpose: idle, or in the background.
        Dormant = 4 => "dormant",
        /// `cause` says why. `Auth` alone can be left, by `set_token` or `reconnect`.
        Failed = 5 => "failed",
        /// The device is connected elsewhere; `reconnect` takes it back.
        Replaced = 6 => "replaced",
        /// The game closed the client.
        Closed = 7 => "closed",
    }
}

words! {
    /// Why the state is what it is.
    Cause {
        /// Nothing to explain.
        None = 0 => "none",
        /// The network failed, or the host reports none.
        Network = 1 => "network",
        /// The server ended the connection.
        Server = 2 => "server",
        /// Nothing happened for `idleTimeoutMs`.
        Idle = 3 => "idle",
        /// The game is in the background.
        Background = 4 => "background",
        /// A token is being waited for.
        Token = 5 => "token",
        /// The server refused two tokens in a row.
        Auth = 6 => "auth",
        /// The two ends do not speak the same protocol.
        Protocol = 7 => "protocol",
        /// The server wants a newer build of the game.
        BuildTooOld = 8 => "build-too-old",
        /// The player is banned.
        Banned = 9 => "banned",
        /// The SDK cannot run here.
        Unsupported = 10 => "unsupported",
        /// The game closed the client.
        Closed = 11 => "closed",
    }
}

words! {
    /// What was dropped because a bound was reached.
    Dropped {
        /// Events that the game did not poll.
        Events = 1 => "events",
        /// Analytics events.
        Analytics = 2 => "analytics",
        /// Durable messages at the server.
        Backlog = 3 => "backlog",
        /// Log lines.
        Logs = 4 => "logs",
    }
}

words! {
    /// What happened to a room.
    RoomChange {
        /// This client is in it; re-joins too.
        Joined = 1 => "joined",
        /// The server refused; `code` says why.
        JoinFailed = 2 => "join-failed",
        /// This client has left.
        Left = 3 => "left",
        /// Another player came.
        PlayerJoined = 4 => "player-joined",
        /// Another player went.
        PlayerLeft = 5 => "player-left",
    }
}

words! {
    /// How a bet ended.
    BetOutcome {
        /// A word that this version does not know.
        Unknown = 0 => "unknown",
        /// The player won.
        Win = 1 => "win",
        /// The player lost.
        Lose = 2 => "lose",
        /// The stake came back.
        Void = 3 => "void",
    }
}

words! {
    /// What the player did with an offer.
    Outcome {
        /// It is on the screen.
        Shown = 1 => "shown",
        /// Bought, or whatever accepting means.
        Accepted = 2 => "accepted",
        /// Sent away.
        Declined = 3 => "declined",
        /// It ran out; the SDK reports this itself when a surfaced offer ends.
        Expired = 4 => "expired",
    }
}

words! {
    /// What the host tells about the app's life.
    Lifecycle {
        /// The player sees the game.
        Foreground = 1 => "foreground",
        /// The player does not; after 15 s of grace the socket closes.
        Background = 2 => "background",
        /// There is a network, perhaps another one than before.
        NetworkChanged = 3 => "network-changed",
        /// There is none: nothing is tried until `NetworkChanged`.
        NetworkLost = 4 => "network-lost",
    }
}

words! {
    /// Why a flag has its value: OpenFeature's words and `OVERRIDE`.
    Reason {
        /// A word that this version does not know.
        Unknown = 0 => "UNKNOWN",
        /// The configuration has one value for everybody.
        Static = 1 => "STATIC",
        /// No such flag (it has no variant), or the server gave the default variant.
        Default = 2 => "DEFAULT",
        /// Chosen by weight.
        Split = 3 => "SPLIT",
        /// A rule matched.
        TargetingMatch = 4 => "TARGETING_MATCH",
        /// The flag is switched off.
        Disabled = 5 => "DISABLED",
        /// From disk; this run's fetch is still open.
        Cached = 6 => "CACHED",
        /// From disk; this run's fetch failed.
        Stale = 7 => "STALE",
        /// This flag was malformed.
        Error = 8 => "ERROR",
        /// A tester's override.
        Override = 9 => "OVERRIDE",
    }
}

words! {
    /// When fetched flags take effect.
    FlagUpdates {
        /// As soon as `FlagsChanged` is handed over.
        Immediate = 0 => "immediate",
        /// Only in `offers().ready` and `apply_flags`; but a run's first answer at once while no flag has been read.
        AtBreak = 1 => "at-break",
    }
}

/// Names a request of this client; never 0, but for the answer to an earlier run's bet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// An offer that may be shown now.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Offer {
    /// Names this offer to this player.
    pub offer_id: String,
    /// The campaign that it comes from.
    pub campaign_id: String,
    /// The headline.
    pub title: String,
    /// Per cent.
    pub discount: f64,
    /// `https`, or empty.
    pub image_url: String,
    /// The break that it surfaced in.
    pub placement: String,
    /// Server time, Unix ms. Count down against `server_time`.
    pub expires_at: i64,
    /// JSON that the campaign added, or empty.
    pub data: String,
}

/// What the game is told. Ignore what you do not know.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection's state changed; several moves between two polls may be told as one.
    StateChanged {
        /// The state now.
        state: State,
        /// The state told before.
        previous: State,
        /// Why.
        cause: Cause,
        /// The close code, or 0.
        code: u16,
        /// Milliseconds to the next try; 0 where nothing is timed.
        retry_in: u64,
    },
    /// Answer with `set_token`. Told once until answered.
    TokenNeeded,
    /// The resume failed: fetch your state afresh.
    SessionLost,
    /// A bound was reached.
    Dropped {
        /// What was dropped.
        what: Dropped,
        /// How many since the last report.
        count: u64,
    },
    /// Answer to `ready`: show it now.
    OfferReady {
        /// The offer.
        offer: Offer,
    },
    /// Answer to `ready`: nothing to show. What comes later waits for the next `ready`.
    NoOffer {
        /// The break's placement.
        placement: String,
    },
    /// A surfaced offer ran out unanswered: take it off the screen.
    OfferExpired {
        /// Which.
        offer_id: String,
    },
    /// What the getters return changes with this event.
    FlagsChanged {
        /// The configuration's version.
        version: String,
    },
    /// A request's reply.
    RequestCompleted {
        /// Which request.
        request: RequestId,
        /// Its key, or empty.
        idempotency_key: String,
        /// The reply's type.
        kind: String,
        /// The reply's payload, JSON.
        payload: String,
    },
    /// A request failed.
    RequestFailed {
        /// Which request.
        request: RequestId,
        /// Its key, or empty.
        idempotency_key: String,
        /// Why.
        code: Code,
        /// The server's word for it.
        code_text: String,
        /// What was wrong.
        message: String,
        /// Milliseconds to wait before another try, or 0.
        retry_after: u64,
    },
    /// A room changed.
    RoomChanged {
        /// The room.
        game_id: String,
        /// How.
        change: RoomChange,
        /// The other player, or empty.
        user_id: String,
        /// Distinct players in it now.
        player_count: u32,
        /// With `JoinFailed`: why.
        code: Option<Code>,
    },
    /// A room's event.
    RoomMessage {
        /// The room.
        game_id: String,
        /// The player who sent it; empty: the engine.
        from: String,
        /// Its name.
        event: String,
        /// Its data, JSON.
        data: String,
    },
    /// Room messages were missed: read the room's state afresh.
    RoomGap {
        /// The room.
        game_id: String,
        /// How many.
        missing: u64,
    },
    /// A bet's outcome; once a bet, perhaps after a restart.
    BetSettled {
        /// The bet.
        idempotency_key: String,
        /// How it ended.
        outcome: BetOutcome,
        /// Gross, in minor units.
        payout: i64,
        /// After the payout.
        balance: i64,
        /// 0 … sides − 1.
        roll: i64,
        /// Faces of the die.
        sides: i64,
        /// The revealed seed, hex.
        server_seed: String,
        /// Its SHA-256, hex.
        server_seed_hash: String,
        /// The player's share of the roll.
        client_seed: String,
    },
    /// Any other message: chat, announcements, the game's own.
    Message {
        /// The channel.
        channel: Channel,
        /// The type.
        kind: String,
        /// The payload, JSON.
        payload: String,
    },
}
