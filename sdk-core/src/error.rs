//! What a call of the game can fail with.

use std::fmt;

/// Why a call did nothing. What the network or the server does comes as an event, never as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// An argument is not of its form; the text names the argument and the bound.
    InvalidArgument(&'static str),
    /// The client was closed.
    Closed,
    /// A bound is reached: 64 open requests, 8 rooms, too many commands waiting.
    Full,
    /// The message with its envelope is above 16,384 bytes, or the analytics event above 2,048.
    TooLarge,
    /// Another client uses this data directory.
    InUse,
    /// `close` waited as long as it was allowed to; the client goes on closing by itself.
    TimedOut,
    /// A defect of the SDK. The client is `Failed`.
    Internal,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidArgument(what) => write!(f, "invalid argument: {what}"),
            Error::Closed => f.write_str("the client is closed"),
            Error::Full => f.write_str("a bound is reached"),
            Error::TooLarge => f.write_str("the message is too large"),
            Error::InUse => f.write_str("another client uses this data directory"),
            Error::TimedOut => f.write_str("the wait was longer than allowed"),
            Error::Internal => f.write_str("internal error"),
        }
    }
}

impl std::error::Error for Error {}
