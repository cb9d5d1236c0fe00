//! The parts of a connection, each a small state machine of its own; `crate::core` puts them together.
//!
//! Times are the core's own (`t`): milliseconds that never run backwards, made from both clocks by [`clock::Clock`].

pub mod backoff;
pub(crate) mod clock;
pub(crate) mod delivery;
pub(crate) mod heartbeat;
pub(crate) mod link;
pub(crate) mod requests;
pub(crate) mod timers;
pub(crate) mod token;
