//! Castline: a client SDK for games.
//!
//! Over one WebSocket a game gets offers at the right moment, flags that can always be read, and rooms, bets and events that
//! survive a bad network.
//!
//! The core ([`Core`]) decides everything and touches nothing: no socket, no thread, no clock, no global random. Feature
//! `native` adds the driver for real sockets and the `Client` that a game uses.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod address;
mod analytics;
mod command;
mod config;
mod core;
mod error;
mod event;
pub mod flags;
mod inbox;
mod io;
#[cfg(feature = "native")]
#[doc(hidden)]
pub mod native;
mod offers;
pub mod protocol;
mod rng;
mod rooms;
mod session;
mod text;

pub use command::{Command, Secret};
pub use config::Config;
pub use core::Core;
pub use error::Error;
pub use event::{
    BetOutcome, Cause, Dropped, Event, FlagUpdates, Lifecycle, Offer, Outcome, Reason, RequestId, RoomChange,
    State,
};
pub use flags::Flags;
pub use inbox::{Handed, Inbox};
pub use io::{
    HttpFailure, HttpId, HttpReply, Input, LogLevel, Method, Now, Output, SocketId, StoreKey, TokenId,
};
#[cfg(feature = "native")]
pub use native::{Bet, Bets, Break, Client, Offers, Options, Request, Rooms};
pub use session::backoff;
pub use session::clock::ServerClock;

/// The example of the project's first page, which must compile.
#[cfg(all(doctest, feature = "native"))]
#[doc = include_str!("../../README.md")]
struct Readme;
