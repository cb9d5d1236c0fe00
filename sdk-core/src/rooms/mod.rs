//! Rooms and bets: what the device knows of them (`PROTOCOL.md`, section 10). Sending and telling is the core's.

pub(crate) mod bets;
pub(crate) mod table;
