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

/// A number's last `digits` hexadecimal ones.
pub(crate) fn push_hex(out: &mut String, number: u64, digits: u32) {
    for digit in (0..digits).rev() {
        out.push(char::from(b"0123456789abcdef"[(number >> (4 * digit)) as usize & 15]));
    }
}
