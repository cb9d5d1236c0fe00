//! The wire: what a message looks like, for both ends.
//!
//! This module decides nothing. It holds the envelope ([`Envelope`]), the message types of each channel, the close codes and
//! the error codes, and the limits of `PROTOCOL.md`. Payloads stay raw text until somebody asks for a type.

mod close;
mod code;
mod envelope;
pub(crate) mod json;
pub mod limits;
pub mod messages;
mod names;

pub use close::{CloseAction, CloseCode};
pub use code::Code;
pub use envelope::{Channel, Envelope, EnvelopeError, depth_exceeds, encode};
#[cfg(target_arch = "wasm32")]
pub use json::read_doubles_by;
pub use names::{is_game_id, is_key, is_name, is_player_id};

/// The WebSocket sub-protocol that both ends name in the handshake.
pub const SUBPROTOCOL: &str = "castline.v1";
