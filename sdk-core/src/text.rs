//! Texts put together. The formatting of the standard library is ten kilobytes of a browser's module, and logs and addresses are all that
//! a client would need it for.

use crate::protocol::json::push_number;

/// One text of many.
pub(crate) fn join(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(part);
    }
    text
}

/// A number's digits. Above 2⁶³ nothing is ever counted.
pub(crate) fn number(number: u64) -> String {
    let mut digits = String::new();
    push_number(&mut digits, number as i64);
    digits
}

/// The number of a text of digits; `None` for any other text, and above what 19 digits hold.
pub(crate) fn digits(text: impl AsRef<[u8]>) -> Option<u64> {
    number_of(text.as_ref())
}

fn number_of(text: &[u8]) -> Option<u64> {
    let mut number = 0;
    for &byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        number = u64::wrapping_add(u64::wrapping_mul(number, 10), u64::from(byte - b'0'));
    }
    (1..=19).contains(&text.len()).then_some(number)
}

/// A number's last `digits` hexadecimal ones.
pub(crate) fn push_hex(out: &mut String, number: u64, digits: u32) {
    for digit in (0..digits).rev() {
        out.push(char::from(b"0123456789abcdef"[(number >> (4 * digit)) as usize & 15]));
    }
}
