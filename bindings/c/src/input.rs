//! What comes from C: texts, structures that may have another size than here, numbers that ought to be words. Each is checked and
//! copied; a pointer that the game gave is not kept. What goes back as a `castline_result` is put into that form here, too.

use std::ffi::{CStr, c_char};
use std::mem::{MaybeUninit, offset_of, size_of};

use sdk::protocol::{Channel, limits};
use sdk::{Error, FlagUpdates, Lifecycle, Outcome};

use crate::types::{castline_bet, castline_options, castline_request_options};
use crate::words::castline_result::{self, *};

/// Why a call does nothing: what it returns, and what the log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) result: castline_result,
    pub(crate) why: &'static str,
}

impl Refusal {
    pub(crate) const fn new(result: castline_result, why: &'static str) -> Self {
        Refusal { result, why }
    }
}

const fn invalid(why: &'static str) -> Refusal {
    Refusal::new(CASTLINE_INVALID_ARGUMENT, why)
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidArgument(why) => invalid(why),
            Error::Closed => Refusal::new(CASTLINE_CLOSED, "the client is closed"),
            Error::Full => Refusal::new(CASTLINE_FULL, "a bound is reached"),
            Error::TooLarge => Refusal::new(CASTLINE_TOO_LARGE, "the message is too large"),
            Error::InUse => Refusal::new(CASTLINE_IN_USE, "another client uses this data directory"),
            Error::TimedOut => Refusal::new(CASTLINE_TIMED_OUT, "the wait was longer than allowed"),
            // And whatever the Rust crate may learn to say.
            _ => Refusal::new(CASTLINE_INTERNAL, "internal error"),
        }
    }
}

/// A text that must be there. `why` is said where it is not.
///
/// # Safety
/// `ptr` is NULL or points to bytes that end with a NUL and stay as they are for `'a`.
pub(crate) unsafe fn text<'a>(ptr: *const c_char, why: &'static str) -> Result<&'a str, Refusal> {
    // SAFETY: the caller's contract.
    unsafe { optional(ptr, why) }?.ok_or(invalid(why))
}

/// A text or NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional<'a>(ptr: *const c_char, why: &'static str) -> Result<Option<&'a str>, Refusal> {
    if ptr.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the rest is the caller's contract.
    let bytes = unsafe { CStr::from_ptr(ptr) };
    bytes.to_str().map(Some).map_err(|_| invalid(why))
}

/// A flag's name, of which no more is looked at than a name can have: `None` for what cannot be one.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn flag_name<'a>(ptr: *const c_char) -> Option<&'a str> {
    if ptr.is_null() {
        return None;
    }
    let bytes = ptr.cast::<u8>();
    // SAFETY: the text ends with a NUL, and nothing behind the first one is read.
    let len = (0..=limits::MAX_NAME_BYTES).find(|at| unsafe { *bytes.add(*at) } == 0)?;
    // SAFETY: `len` bytes were just read.
    std::str::from_utf8(unsafe { std::slice::from_raw_parts(bytes, len) }).ok()
}

/// A structure that grows at its end and begins with its size as the caller knew it.
///
/// # Safety
/// All zeros is a value of it, as is any content that a C caller may write.
pub(crate) unsafe trait Growing: Copy {
    /// Where a structure of an older version may have ended: behind each field.
    const ENDS: &'static [usize];
}

/// The largest size that is looked at: what lies beyond cannot be ours.
const MAX_STRUCT_SIZE: usize = 1 << 12;

macro_rules! growing {
    ($name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        // SAFETY: integers, pointers and an optional function pointer.
        unsafe impl Growing for $name {
            const ENDS: &'static [usize] = &[$(offset_of!($name, $field) + size_of::<$type>(),)* size_of::<$name>()];
        }
    };
}

growing!(castline_options {
    struct_size: u32, flag_updates: u32, url: *const c_char, build: *const c_char, player_id: *const c_char,
    token: *const c_char, telegram_init_data: *const c_char, data_dir: *const c_char,
    log: crate::types::castline_log_fn, log_user_data: *mut std::ffi::c_void, log_level: u32,
});
growing!(castline_request_options { struct_size: u32, timeout_ms: u32, idempotency_key: *const c_char });
growing!(castline_bet {
    struct_size: u32, game_id: *const c_char, amount: i64, selection: *const c_char, client_seed: *const c_char,
    idempotency_key: *const c_char,
});

/// Copies a structure. A smaller one is read as if zeros followed; a larger one must have zeros where this version knows nothing.
/// One whose end lies inside a field, or that was not given a size, is refused: half a pointer is worse than none.
///
/// # Safety
/// `ptr` is NULL or points to as many readable bytes as the `u32` at its beginning says.
pub(crate) unsafe fn structure<T: Growing>(ptr: *const T, null: &'static str) -> Result<T, Refusal> {
    if ptr.is_null() {
        return Err(invalid(null));
    }
    let unsupported = |why| Err(Refusal::new(CASTLINE_UNSUPPORTED, why));
    // SAFETY: the caller's contract; read without regard to alignment.
    let size = unsafe { ptr.cast::<u32>().read_unaligned() } as usize;
    if size > MAX_STRUCT_SIZE || (size < size_of::<T>() && !T::ENDS.contains(&size)) {
        return unsupported("struct_size must be the sizeof of the structure");
    }
    // SAFETY: the caller's contract, for `size` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(ptr.cast::<u8>(), size) };
    if bytes.iter().skip(size_of::<T>()).any(|byte| *byte != 0) {
        return unsupported("the structure has fields that this version of the library does not know");
    }
    let mut copy = MaybeUninit::<T>::zeroed();
    // SAFETY: at most the size of `T` is copied to a local of that size; and `T: Growing` says that what results is a value.
    unsafe {
        copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), size.min(size_of::<T>()));
        Ok(copy.assume_init())
    }
}

pub(crate) fn lifecycle(number: u32) -> Result<Lifecycle, Refusal> {
    word(Lifecycle::ALL, |what| what as u32 == number, "lifecycle must be 1 to 4")
}

pub(crate) fn outcome(number: u32) -> Result<Outcome, Refusal> {
    word(Outcome::ALL, |what| what as u32 == number, "outcome must be 1 to 4")
}

pub(crate) fn flag_updates(number: u32) -> Result<FlagUpdates, Refusal> {
    word(FlagUpdates::ALL, |when| when as u32 == number, "flag_updates must be 0 or 1")
}

pub(crate) fn channel(number: u32) -> Result<Channel, Refusal> {
    // The others are the SDK's own, which the Rust crate says as well; a number that is no channel gets the same answer.
    const OPEN: &[Channel] = &[Channel::Social, Channel::Game];
    word(OPEN, |channel| channel as u32 == number, "channel must be game or social; the others are the SDK's")
}

fn word<T: Copy>(all: &[T], is: impl Fn(T) -> bool, why: &'static str) -> Result<T, Refusal> {
    all.iter().copied().find(|value| is(*value)).ok_or(invalid(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Larger {
        known: castline_request_options,
        unknown: u64,
    }

    fn options(struct_size: u32) -> castline_request_options {
        castline_request_options { struct_size, timeout_ms: 7, idempotency_key: c"key".as_ptr() }
    }

    fn read(options: &castline_request_options) -> Result<castline_request_options, castline_result> {
        // SAFETY: a whole structure; the sizes that are too large are refused before they are read.
        unsafe { structure(options, "NULL") }.map_err(|refusal| refusal.result)
    }

    #[test]
    fn a_structure_of_an_older_version_is_read_as_if_zeros_followed() {
        let whole = read(&options(size_of::<castline_request_options>() as u32)).unwrap();
        assert!(whole.timeout_ms == 7 && !whole.idempotency_key.is_null());
        let older = read(&options(8)).unwrap();
        assert!(older.timeout_ms == 7 && older.idempotency_key.is_null());
        let oldest = read(&options(4)).unwrap();
        assert!(oldest.timeout_ms == 0 && oldest.idempotency_key.is_null());
    }

    #[test]
    fn a_size_that_is_none_is_refused() {
        for size in [0, 1, 3, 5, 7, 9, 12, 15, 5_000, u32::MAX] {
            assert_eq!(read(&options(size)).err(), Some(CASTLINE_UNSUPPORTED), "{size}");
        }
        // SAFETY: NULL is allowed.
        let null = unsafe { structure::<castline_bet>(std::ptr::null(), "bet must not be NULL") };
        assert_eq!(null.err().map(|refusal| refusal.result), Some(CASTLINE_INVALID_ARGUMENT));
    }

    #[test]
    fn a_structure_of_a_newer_version_is_read_while_its_news_are_zero() {
        let mut larger = Larger { known: options(size_of::<Larger>() as u32), unknown: 0 };
        let read = |larger: &Larger| {
            let whole = std::ptr::from_ref(larger).cast::<castline_request_options>();
            // SAFETY: the pointer covers as many bytes as the size says.
            unsafe { structure(whole, "NULL") }.map_err(|refusal| refusal.result)
        };
        assert_eq!(read(&larger).map(|known| known.timeout_ms), Ok(7));
        larger.unknown = 1;
        assert_eq!(read(&larger).err(), Some(CASTLINE_UNSUPPORTED));
    }

    #[test]
    fn a_flag_name_is_read_no_further_than_a_name_can_be_long() {
        // SAFETY: literals with a NUL, or longer than what is read.
        unsafe {
            assert_eq!(flag_name(c"price".as_ptr()), Some("price"));
            assert_eq!(flag_name(c"".as_ptr()), Some(""));
            assert_eq!(flag_name(std::ptr::null()), None);
            assert_eq!(flag_name(c"\xff".as_ptr()), None);
            let longest = format!("{}\0", "x".repeat(128));
            assert_eq!(flag_name(longest.as_ptr().cast()).map(str::len), Some(128));
            let endless = [b'x'; 129];
            assert_eq!(flag_name(endless.as_ptr().cast()), None);
        }
    }

    #[test]
    fn numbers_out_of_range_are_no_words() {
        for number in [0, 5, 6, 100, u32::MAX] {
            assert!(lifecycle(number).is_err() && outcome(number).is_err(), "{number}");
        }
        for number in [0, 1, 2, 4, 6, u32::MAX] {
            assert!(channel(number).is_err(), "{number}");
        }
        assert!(flag_updates(2).is_err());
        assert_eq!(channel(5), Ok(Channel::Game));
    }
}
