//! The message types, a file per channel. Both ends read and write them through these types alone.

mod analytics;
pub(crate) mod client;
mod flags;
mod game;
mod offers;
mod system;

use serde::Serialize;

use super::Channel;

pub use analytics::{Accepted, AnalyticsEvent, Events};
pub use flags::{FlagWire, FlagsAnswer, FlagsChanged};
pub use game::{
    Balance, BalanceQuery, BetAcknowledged, BetQuery, BetSettled, ChatRelay, GameEvent, GameJoined, GameRef,
    PlaceBet, PlayerMoved,
};
pub use offers::{Claim, ClaimAnswer, Lease, NewOffer, NotReady, ReadyForOffer};
pub use system::{
    Ack, Announcement, AuthFailed, Authenticate, Authenticated, Connected, ErrorReply, OkReply, Ping, Pong,
    Reconnect, Resume, RoomState, SdkInfo,
};

/// A payload that has a place on the wire.
pub trait Message: Serialize {
    /// Its channel.
    const CHANNEL: Channel;
    /// Its `type`.
    const KIND: &'static str;
}

macro_rules! messages {
    ($($channel:ident / $kind:literal => $type:ty;)*) => {
        $(impl Message for $type {
            const CHANNEL: Channel = Channel::$channel;
            const KIND: &'static str = $kind;
        })*
    };
}

messages! {
    System / "connected" => Connected;
    System / "authenticate" => Authenticate<'_>;
    System / "authenticated" => Authenticated;
    System / "auth_failed" => AuthFailed;
    System / "system_announcement" => Announcement;
    System / "ping" => Ping;
    System / "pong" => Pong;
    System / "ack" => Ack;
    System / "ok" => OkReply;
    System / "error" => ErrorReply;
    System / "reconnect" => Reconnect;
    System / "flags_changed" => FlagsChanged;
    Offers / "ready_for_offer" => ReadyForOffer;
    Offers / "lease" => Lease;
    Offers / "not_ready" => NotReady;
    Offers / "new_offer" => NewOffer;
    Analytics / "events" => Events<'_>;
    Analytics / "accepted" => Accepted;
    Game / "join_game" => GameRef;
    Game / "game_joined" => GameJoined;
    Game / "game_event" => GameEvent;
    Game / "place_bet" => PlaceBet;
    Game / "bet_acknowledged" => BetAcknowledged;
    Game / "bet_settled" => BetSettled;
    Game / "bet_status" => BetQuery;
    Game / "balance" => Balance;
    Social / "chat" => ChatRelay;
}
