//! The driver for real sockets: one background thread that does what the core says.
//!
//! It decides nothing: [`Core`](crate::Core) does. It leaves the game alone: the only calls that a game's thread sees are the
//! ones of [`Client`](crate::Client), and none of them waits for this thread, but `close`.

mod client;
mod clock;
mod disk;
mod handles;
mod http;
mod http_tcp;
mod http_tls;
pub mod logs;
mod options;
mod shared;
pub mod socket;
mod thread;

pub use client::Client;
pub use handles::{Bet, Bets, Break, Offers, Request, Rooms};
pub use options::Options;
