//! Flags: the snapshot that the game reads, bucketing, the fetch.
//!
//! `snapshot` holds one decoded answer and its getters, `decode` makes it from a body, `fetch` decides when to ask for the next
//! one. When a snapshot takes effect is not decided here but in [`Inbox`](crate::Inbox).

pub mod bucketing;
mod decode;
pub(crate) mod fetch;
mod forms;
mod snapshot;
#[cfg(test)]
mod tests;

pub use decode::DecodeError;
pub use snapshot::{Flags, Source};
