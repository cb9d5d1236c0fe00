//! The C interface: what `include/castline.h` declares, over the Rust client.
//!
//! Nothing is decided here. Each function checks what C can get wrong (handles, pointers, texts, numbers), converts, and calls the
//! Rust client; the rest is in the crate `castline`. The header is printed from these sources by `cargo xtask header`, so the
//! comments on what is exported are written for a C programmer.
//!
//! What every exported `unsafe fn` relies on is the header's contract: a text is NULL or ends with a NUL, a structure is as large as
//! its `struct_size` says, what is written to is NULL or writable, a function may be called with its user data, and what a comment
//! calls "read during the call" stays as it is for so long.
//!
//! Who frees what: [`table`]. What is lent to the game: [`events`]. What comes from it: [`input`].
// The contract is above, once; the comments on the functions are the header's.
#![allow(clippy::missing_safety_doc)]

pub mod types;
pub mod words;

mod client;
mod events;
mod input;
mod table;

pub mod api_client;
pub mod api_flags;
pub mod api_messages;
pub mod api_offers;
pub mod api_rooms;

use std::panic::{AssertUnwindSafe, catch_unwind};

use client::{CClient, CLIENTS};
use input::Refusal;
use table::Inside;
use types::castline_client;
use words::castline_result::*;

/// The panic boundary: every exported function is inside it, so that nothing unwinds into C.
pub(crate) fn guarded<T>(after_panic: T, f: impl FnOnce() -> T) -> T {
    // What a panic may leave half done is a client's, and the next call on it fails or works as a whole: all of it is behind the
    // Rust client's own locks and atomics.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or(after_panic)
}

/// The client of a handle, for as long as the call lasts.
pub(crate) fn client(handle: *const castline_client) -> Option<Inside<'static, CClient>> {
    CLIENTS.enter(handle.addr())
}

/// A command: looks up the handle, does it, and turns what came of it into a result.
pub(crate) fn command(
    function: &str,
    handle: *const castline_client,
    f: impl FnOnce(&Inside<'static, CClient>) -> Result<(), Refusal>,
) -> u32 {
    let result = guarded(CASTLINE_INTERNAL, || {
        let Some(client) = client(handle) else { return CASTLINE_INVALID_HANDLE };
        match f(&client) {
            Ok(()) => CASTLINE_OK,
            Err(refusal) => client.note(function, refusal),
        }
    });
    result as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_result() {
        assert_eq!(guarded(CASTLINE_INTERNAL, || panic!("as the test wants it")), CASTLINE_INTERNAL);
        assert_eq!(guarded(CASTLINE_INTERNAL, || CASTLINE_OK), CASTLINE_OK);
    }
}
