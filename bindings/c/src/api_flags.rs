//! Flags: the getters, which never wait, never allocate and never fail, and the two calls about them.

use std::ffi::{CStr, c_char};

use sdk::Flags;

use crate::input::{flag_name, text};
use crate::types::castline_client;
use crate::words::castline_reason as words;
use crate::words::raw::*;
use crate::{client, command, guarded};

/// What a getter finds, or its default.
///
/// # Safety
/// `key` is NULL or ends with a NUL.
unsafe fn read<T: Copy>(
    handle: *const castline_client,
    key: *const c_char,
    default: T,
    get: impl FnOnce(&Flags, &str) -> T,
) -> T {
    guarded(default, || {
        // SAFETY: the caller's contract.
        match (client(handle), unsafe { flag_name(key) }) {
            (Some(client), Some(key)) => get(&client.client.flags(), key),
            _ => default,
        }
    })
}

/// A flag whose value is a boolean.
///
/// Wait-free, no allocation, no failure. key: read during the call. Any thread. Returns default_value for a bad handle or key, an
/// unknown flag, another type. The first read of a flag records an exposure.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_flags_bool(
    client: *const castline_client,
    key: *const c_char,
    default_value: bool,
) -> bool {
    // SAFETY: the caller's contract.
    unsafe { read(client, key, default_value, |flags, key| flags.bool(key, default_value)) }
}

/// A flag whose value is a number without fraction within +-(2^53-1). Otherwise as castline_flags_bool.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_flags_i64(
    client: *const castline_client,
    key: *const c_char,
    default_value: i64,
) -> i64 {
    // SAFETY: the caller's contract.
    unsafe { read(client, key, default_value, |flags, key| flags.i64(key, default_value)) }
}

/// A flag whose value is a number. Otherwise as castline_flags_bool.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_flags_f64(
    client: *const castline_client,
    key: *const c_char,
    default_value: f64,
) -> f64 {
    // SAFETY: the caller's contract.
    unsafe { read(client, key, default_value, |flags, key| flags.f64(key, default_value)) }
}

/// A flag whose value is a string: copies it and a NUL into buffer, which is yours and may be CASTLINE_FLAG_MAX bytes to hold any.
///
/// A value that does not fit is not cut: the default is copied instead (cut if it must be, at a character). Otherwise as
/// castline_flags_bool; default_value NULL is "". Returns the length of the value, or of the default where that holds, without the
/// NUL: it was copied whole when that is less than capacity. capacity 0: the length alone, and buffer may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_flags_string(
    client: *const castline_client,
    key: *const c_char,
    default_value: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe {
        copy(client, key, default_value, buffer, capacity, |flags, key| Some(flags.string(key, ABSENT)))
    }
}

/// Any flag's value as JSON text. Otherwise as castline_flags_string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_flags_json(
    client: *const castline_client,
    key: *const c_char,
    default_json: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe { copy(client, key, default_json, buffer, capacity, |flags, key| Some(flags.json(key, ABSENT))) }
}

/// The flag's variant, "" when there is none: copies it and a NUL into buffer. No exposure. Otherwise as castline_flags_string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_flags_variant(
    client: *const castline_client,
    key: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
) -> usize {
    // SAFETY: the caller's contract.
    unsafe { copy(client, key, std::ptr::null(), buffer, capacity, Flags::variant) }
}

/// Why the flag has its value. No exposure. Wait-free, no allocation, no failure. key: read during the call. Any thread. Returns
/// DEFAULT for a bad handle or key and an unknown flag, too; castline_flags_variant has none for those.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_flags_reason(
    client: *const castline_client,
    key: *const c_char,
) -> castline_reason {
    // SAFETY: the caller's contract.
    unsafe { read(client, key, words::CASTLINE_REASON_DEFAULT as u32, |flags, key| flags.reason(key) as u32) }
}

/// A safe point: what was fetched is visible on return; FLAGS_CHANGED follows if it differs. No event tells that something waits, and where
/// nothing does nothing happens: call it wherever values may change before the player's eyes, in each frame of a menu if you like. Any
/// thread. Returns OK; CLOSED.
#[unsafe(no_mangle)]
pub extern "C" fn castline_flags_apply(client: *mut castline_client) -> castline_result {
    command("castline_flags_apply", client, |client| {
        client.client.check_alive()?;
        client.client.apply_flags();
        Ok(())
    })
}

/// What targeting may use: fetches the flags anew.
///
/// attributes: flat JSON, at most 8 scalars and 1,024 bytes; copied. Any thread. Returns OK; INVALID_ARGUMENT; CLOSED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn castline_flags_set_attributes(
    client: *mut castline_client,
    attributes: *const c_char,
) -> castline_result {
    command("castline_flags_set_attributes", client, |client| {
        // SAFETY: the caller's contract.
        let attributes = unsafe { text(attributes, "attributes must be UTF-8 and not NULL") }?;
        Ok(client.client.set_attributes(attributes)?)
    })
}

/// Stands for "no such flag, or another type" where the getter of the Rust crate wants a text: known by its address, for a flag may
/// have any text as its value.
static ABSENT: &str = "\0absent";

/// Copies a value, or the default.
///
/// # Safety
/// As [`castline_flags_string`].
unsafe fn copy(
    handle: *const castline_client,
    key: *const c_char,
    default: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    get: impl for<'a> FnOnce(&'a Flags, &str) -> Option<&'a str>,
) -> usize {
    let default = if default.is_null() {
        c"".to_bytes()
    } else {
        // SAFETY: not NULL, and the rest is the caller's contract.
        unsafe { CStr::from_ptr(default) }.to_bytes()
    };
    let capacity = if buffer.is_null() { 0 } else { capacity };
    // SAFETY: here and below, the caller's contract, and a capacity of 0 where there is no buffer.
    let put = |bytes: &[u8]| unsafe { put(buffer.cast(), capacity, bytes) };
    let length = guarded(None, || {
        // SAFETY: the caller's contract.
        let (client, key) = (client(handle)?, unsafe { flag_name(key) }?);
        let flags = client.client.flags();
        let value = get(&flags, key).filter(|value| !std::ptr::eq(*value, ABSENT))?.as_bytes();
        put(if value.len() < capacity { value } else { default });
        Some(value.len())
    });
    length.unwrap_or_else(|| {
        put(default);
        default.len()
    })
}

/// Copies a text and a NUL, as much of it as fits, cut before a character that does not.
///
/// # Safety
/// `capacity` bytes may be written to `buffer`, and `bytes` is elsewhere.
unsafe fn put(buffer: *mut u8, capacity: usize, bytes: &[u8]) {
    let Some(room) = capacity.checked_sub(1) else { return };
    let mut len = bytes.len().min(room);
    // A byte 10xxxxxx goes on with a character.
    while len > 0 && bytes.get(len).is_some_and(|byte| byte & 0xC0 == 0x80) {
        len -= 1;
    }
    // SAFETY: `len` is at most the length of `bytes` and less than `capacity`; the rest is the caller's contract.
    unsafe {
        buffer.copy_from_nonoverlapping(bytes.as_ptr(), len);
        buffer.add(len).write(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_a_character_and_always_ended() {
        for (capacity, expected) in
            [(0, ""), (1, ""), (2, "a"), (3, "a"), (4, "aé"), (5, "aé"), (6, "aé"), (7, "aé€"), (9, "aé€")]
        {
            let mut buffer = [0xAA_u8; 10];
            // SAFETY: no more than the buffer holds.
            unsafe { put(buffer.as_mut_ptr(), capacity, "aé€".as_bytes()) };
            if capacity > 0 {
                assert_eq!(CStr::from_bytes_until_nul(&buffer).unwrap().to_str(), Ok(expected), "{capacity}");
            }
            assert!(buffer[capacity..].iter().all(|byte| *byte == 0xAA), "{capacity}");
        }
    }
}
