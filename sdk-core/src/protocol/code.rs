//! Why a request failed.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// An error code: the protocol's fourteen, the SDK's five, and `Unknown` for a server's word that this version does not know.
        ///
        /// The discriminants are the C values: never renumbered, new ones appended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u32)]
        pub enum Code { $($(#[$doc])* $name = $number,)* }

        impl Code {
            /// Every code, in the order of its number.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            const WORDS: &'static [(Code, &'static str)] = &[$((Code::$name, $word)),*];

            /// The word on the wire, `"RATE_LIMITED"`.
            pub fn as_str(self) -> &'static str {
                Code::WORDS.iter().find(|(code, _)| *code == self).map_or("UNKNOWN", |(_, word)| word)
            }

            /// The code of a word from the wire; [`Code::Unknown`] for any other.
            pub fn parse(word: &str) -> Code {
                Code::WORDS.iter().find(|(_, known)| *known == word).map_or(Code::Unknown, |(code, _)| *code)
            }
        }
    };
}

codes! {
    /// A word that this version does not know.
    Unknown = 0, "UNKNOWN";
    /// Not JSON, too deep, a member missing, of the wrong type or out of range.
    InvalidPayload = 1, "INVALID_PAYLOAD";
    /// Sent before `authenticated`.
    NotAuthenticated = 2, "NOT_AUTHENTICATED";
    /// A known channel, an unknown type.
    UnknownMessageType = 3, "UNKNOWN_MESSAGE_TYPE";
    /// An unknown channel.
    UnknownChannel = 4, "UNKNOWN_CHANNEL";
    /// The message, with its envelope, is above 16,384 bytes.
    MessageTooLarge = 5, "MESSAGE_TOO_LARGE";
    /// Not executed; try again after `retryAfterMs`.
    RateLimited = 6, "RATE_LIMITED";
    /// The token does not admit the player.
    Forbidden = 7, "FORBIDDEN";
    /// There is no such thing; for an earlier bet: it was not placed and never will be.
    NotFound = 8, "NOT_FOUND";
    /// The room was not joined.
    NotInRoom = 9, "NOT_IN_ROOM";
    /// The room is full.
    RoomFull = 10, "ROOM_FULL";
    /// The balance is below the stake.
    InsufficientBalance = 11, "INSUFFICIENT_BALANCE";
    /// The server seed was used; the SDK answers it itself.
    SeedUsed = 12, "SEED_USED";
    /// The key was used for another request.
    IdempotencyMismatch = 13, "IDEMPOTENCY_MISMATCH";
    /// The server's fault.
    Internal = 14, "INTERNAL";
    /// Made by the SDK: the deadline passed and nothing was ever written to a socket.
    NotSent = 100, "NOT_SENT";
    /// Made by the SDK: it was written and not answered; it may have been executed.
    UnknownOutcome = 101, "UNKNOWN_OUTCOME";
    /// Made by the SDK: the request belonged to another player.
    IdentityChanged = 102, "IDENTITY_CHANGED";
    /// Made by the SDK: a queue is full.
    QueueFull = 103, "QUEUE_FULL";
    /// Made by the SDK: the client was closed.
    Closed = 104, "CLOSED";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
