//! JSON as a client needs it: the members of an object by name, scalars, and texts put together. It decides nothing.
//!
//! The server reads the same types with serde, which writes code for each type anew; a client is loaded by every player, so here one
//! function finds the members of all of them. Values stay text until somebody asks for a type. What is accepted is RFC 8259 to the
//! letter, and what both read they must read alike: `messages/client.rs` is tested against serde's word.

use std::borrow::Cow;

/// Deeper texts are refused, so that the stack is bounded; the wire's own bound is far below.
const MAX_DEPTH: u32 = 1_024;

/// The name of the member that is missing or wrong, or what the whole is not.
pub(crate) type Wrong = &'static str;
const NO_OBJECT: Wrong = "the whole: it is no JSON object";
const NO_LIST: Wrong = "the whole: it is no JSON array";

// ---- the grammar ----

fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The end of the value that begins at `at`.
fn value_end(bytes: &[u8], at: usize, depth: u32) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => string_end(bytes, at),
        b'{' | b'[' if depth == 0 => None,
        b'{' => {
            let mut at = space(bytes, at + 1);
            if bytes.get(at) == Some(&b'}') {
                return Some(at + 1);
            }
            loop {
                at = colon(bytes, string_end(bytes, at)?)?;
                at = space(bytes, value_end(bytes, at, depth - 1)?);
                match bytes.get(at)? {
                    b',' => at = space(bytes, at + 1),
                    b'}' => return Some(at + 1),
                    _ => return None,
                }
            }
        }
        b'[' => {
            let mut at = space(bytes, at + 1);
            if bytes.get(at) == Some(&b']') {
                return Some(at + 1);
            }
            loop {
                at = space(bytes, value_end(bytes, at, depth - 1)?);
                match bytes.get(at)? {
                    b',' => at = space(bytes, at + 1),
                    b']' => return Some(at + 1),
                    _ => return None,
                }
            }
        }
        b't' => word(bytes, at, b"true"),
        b'f' => word(bytes, at, b"false"),
        b'n' => word(bytes, at, b"null"),
        _ => number_end(bytes, at),
    }
}

fn word(bytes: &[u8], at: usize, word: &[u8]) -> Option<usize> {
    bytes.get(at..)?.starts_with(word).then_some(at + word.len())
}

/// Behind the colon that follows a name.
fn colon(bytes: &[u8], at: usize) -> Option<usize> {
    let at = space(bytes, at);
    (bytes.get(at) == Some(&b':')).then(|| space(bytes, at + 1))
}

fn string_end(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => at += 6,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

fn digits(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    (at > from).then_some(at)
}

fn number_end(bytes: &[u8], at: usize) -> Option<usize> {
    let first = at + usize::from(bytes.get(at) == Some(&b'-'));
    let mut at = if bytes.get(first) == Some(&b'0') { first + 1 } else { digits(bytes, first)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        at = digits(bytes, at + 1 + sign)?;
    }
    Some(at)
}

// ---- reading ----

/// A text that is one JSON value: that value, without the space around it.
pub(crate) fn whole(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let at = space(bytes, 0);
    let end = value_end(bytes, at, MAX_DEPTH)?;
    (space(bytes, end) == bytes.len()).then(|| &text[at..end])
}

/// The same for bytes.
pub(crate) fn whole_bytes(bytes: &[u8]) -> Option<&str> {
    whole(std::str::from_utf8(bytes).ok()?)
}

/// Each member of an object: its name, and its value as text.
pub(crate) fn members<'a>(
    text: &'a str,
    each: &mut dyn FnMut(Cow<'a, str>, &'a str) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let text = whole(text).filter(|text| text.starts_with('{')).ok_or(NO_OBJECT)?;
    let bytes = text.as_bytes();
    let mut at = space(bytes, 1);
    // What the grammar has let through is only walked again.
    while bytes.get(at) == Some(&b'"') {
        let end = string_end(bytes, at).ok_or(NO_OBJECT)?;
        let name = string(&text[at..end]).ok_or("a name: half a surrogate pair")?;
        let from = colon(bytes, end).ok_or(NO_OBJECT)?;
        let to = value_end(bytes, from, MAX_DEPTH).ok_or(NO_OBJECT)?;
        each(name, &text[from..to])?;
        at = space(bytes, space(bytes, to) + 1);
    }
    Ok(())
}

/// Each value of an array, as text.
pub(crate) fn items<'a>(
    text: &'a str,
    each: &mut dyn FnMut(&'a str) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let text = whole(text).filter(|text| text.starts_with('[')).ok_or(NO_LIST)?;
    let bytes = text.as_bytes();
    let mut at = space(bytes, 1);
    while at < bytes.len() && bytes[at] != b']' {
        let to = value_end(bytes, at, MAX_DEPTH).ok_or(NO_LIST)?;
        each(&text[at..to])?;
        at = space(bytes, space(bytes, to) + 1);
    }
    Ok(())
}

/// The members of these names; others are passed over, one that comes twice is wrong.
pub(crate) fn fields<const N: usize>(text: &str, names: [Wrong; N]) -> Result<[Option<&str>; N], Wrong> {
    let mut values = [None; N];
    find(text, &names, &mut values)?;
    Ok(values)
}

fn find<'a>(text: &'a str, names: &[Wrong], values: &mut [Option<&'a str>]) -> Result<(), Wrong> {
    members(text, &mut |name, value| {
        if let Some(at) = names.iter().position(|wanted| *wanted == name)
            && values[at].replace(value).is_some()
        {
            return Err(names[at]);
        }
        Ok(())
    })
}

/// One member of an object, of bytes that came from anywhere.
pub(crate) fn member<T: for<'a> Value<'a>>(bytes: &[u8], name: Wrong) -> Option<T> {
    let [value] = fields(std::str::from_utf8(bytes).ok()?, [name]).ok()?;
    need(value, name).ok()
}

/// The value of a JSON string; `None` for any other value, and for half a surrogate pair.
pub(crate) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    let Some(first) = inner.find('\\') else { return Some(Cow::Borrowed(inner)) };
    let mut out = String::with_capacity(inner.len());
    out.push_str(&inner[..first]);
    let mut rest = &inner[first..];
    while let Some(escaped) = rest.strip_prefix('\\') {
        let plain = match escaped.as_bytes().first()? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let mut code = hex(escaped)?;
                rest = &escaped[5..];
                if (0xd800..0xdc00).contains(&code) {
                    let low = hex(rest.strip_prefix('\\')?).filter(|low| (0xdc00..0xe000).contains(low))?;
                    code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    rest = &rest[6..];
                }
                out.push(char::from_u32(code)?);
                rest = copy(&mut out, rest);
                continue;
            }
            other => char::from(*other),
        };
        out.push(plain);
        rest = copy(&mut out, &escaped[1..]);
    }
    Some(Cow::Owned(out))
}

/// Copies up to the next escape, and returns what is left.
fn copy<'a>(out: &mut String, text: &'a str) -> &'a str {
    let (plain, rest) = text.split_at(text.find('\\').unwrap_or(text.len()));
    out.push_str(plain);
    rest
}

/// The code of `uXXXX`.
fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok()
}

/// A type that a member may have.
pub(crate) trait Value<'a>: Sized {
    /// Of JSON text; `None`: it is of another type, or out of range.
    fn of(raw: &'a str) -> Option<Self>;
}

impl<'a> Value<'a> for Cow<'a, str> {
    fn of(raw: &'a str) -> Option<Self> {
        string(raw)
    }
}

impl Value<'_> for String {
    fn of(raw: &str) -> Option<Self> {
        string(raw).map(Cow::into_owned)
    }
}

impl Value<'_> for u64 {
    fn of(raw: &str) -> Option<Self> {
        raw.parse().ok()
    }
}

impl Value<'_> for u32 {
    fn of(raw: &str) -> Option<Self> {
        u64::of(raw)?.try_into().ok()
    }
}

impl Value<'_> for i64 {
    fn of(raw: &str) -> Option<Self> {
        raw.parse().ok()
    }
}

impl Value<'_> for f64 {
    fn of(raw: &str) -> Option<Self> {
        float(raw)
    }
}

impl Value<'_> for bool {
    fn of(raw: &str) -> Option<Self> {
        match raw {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

/// Any JSON, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Json(pub(crate) String);

impl Value<'_> for Json {
    fn of(raw: &str) -> Option<Self> {
        Some(Json(raw.to_owned()))
    }
}

impl<'a, T: Value<'a>> Value<'a> for Vec<T> {
    fn of(raw: &'a str) -> Option<Self> {
        let mut list = Vec::new();
        items(raw, &mut |item| T::of(item).map(|value| list.push(value)).ok_or(NO_LIST)).ok()?;
        Some(list)
    }
}

/// A member that must be there.
pub(crate) fn need<'a, T: Value<'a>>(raw: Option<&'a str>, name: Wrong) -> Result<T, Wrong> {
    raw.and_then(T::of).ok_or(name)
}

/// A member that may be left out.
pub(crate) fn or<'a, T: Value<'a>>(raw: Option<&'a str>, name: Wrong, default: T) -> Result<T, Wrong> {
    raw.map_or(Some(default), T::of).ok_or(name)
}

/// The same, where nothing stands for itself.
pub(crate) fn maybe<'a, T: Value<'a>>(raw: Option<&'a str>, name: Wrong) -> Result<Option<T>, Wrong> {
    raw.filter(|raw| *raw != "null").map(|raw| T::of(raw).ok_or(name)).transpose()
}

/// The nearest double of a JSON number; `None` for any other value, and beyond what a double holds.
pub(crate) fn float(raw: &str) -> Option<f64> {
    let is_number = matches!(raw.as_bytes().first()?, b'-' | b'0'..=b'9');
    raw.parse().ok().filter(|number: &f64| is_number && number.is_finite())
}

// ---- writing ----

/// A JSON string.
pub(crate) fn push_text(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x8 => "\\b",
            0xc => "\\f",
            0..0x20 => "\\u00",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(short);
        if short.len() > 2 {
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// The same as a text of its own.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    push_text(&mut out, value);
    out
}

/// A whole number.
pub(crate) fn push_number(out: &mut String, number: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push('-');
    }
    for digit in &digits[at..] {
        out.push(char::from(*digit));
    }
}

/// The same as a text of its own.
pub(crate) fn number(value: i64) -> String {
    let mut out = String::new();
    push_number(&mut out, value);
    out
}

/// A number with a fraction, to 15 digits: enough for what people write.
fn push_float(out: &mut String, number: f64) {
    const MAX: f64 = 9_007_199_254_740_992.0;
    let (mut mantissa, mut exponent) = (number, 0_i64);
    while mantissa.abs() >= MAX && exponent < 400 {
        mantissa /= 10.0;
        exponent += 1;
    }
    let mut scale = 1.0;
    while (number * scale).fract() != 0.0 && (number * scale * 10.0).abs() < MAX / 9.0 && exponent > -22 {
        scale *= 10.0;
        exponent -= 1;
        mantissa = number * scale;
    }
    push_number(out, mantissa.round() as i64);
    if exponent != 0 && mantissa != 0.0 {
        out.push('e');
        push_number(out, exponent);
    }
}

/// An object in the making.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Object {
        Object("{".to_owned())
    }

    fn name(mut self, name: &str) -> Object {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_text(&mut self.0, name);
        self.0.push(':');
        self
    }

    pub(crate) fn text(self, name: &str, value: &str) -> Object {
        let mut object = self.name(name);
        push_text(&mut object.0, value);
        object
    }

    /// Numbers of the wire are below 2⁵³.
    pub(crate) fn number(self, name: &str, value: i64) -> Object {
        let mut object = self.name(name);
        push_number(&mut object.0, value);
        object
    }

    pub(crate) fn float(self, name: &str, value: f64) -> Object {
        let mut object = self.name(name);
        push_float(&mut object.0, value);
        object
    }

    /// JSON text, as it is.
    pub(crate) fn raw(self, name: &str, json: &str) -> Object {
        let mut object = self.name(name);
        object.0.push_str(json);
        object
    }

    pub(crate) fn list(self, name: &str, items: &mut dyn Iterator<Item = String>) -> Object {
        self.raw(name, &list(items))
    }

    /// What there is, to be gone on with.
    pub(crate) fn open(self) -> String {
        self.0
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// An array of JSON texts.
pub(crate) fn list(items: &mut dyn Iterator<Item = String>) -> String {
    let mut out = "[".to_owned();
    for item in items {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&item);
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use serde_json::value::RawValue;

    /// Texts of JSON's alphabet, most of them no JSON, and pieces of it glued together.
    fn texts() -> impl Iterator<Item = String> {
        const PIECES: &[&str] = &[
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"a\"",
            "\"\\u00e9\"",
            "\"\\ud83d\\udc1f\"",
            "\"\\ud800\"",
            "\\",
            "\"\\x\"",
            "0",
            "-0",
            "1",
            "01",
            "-",
            "1.5",
            "1.",
            ".5",
            "1e3",
            "1E+3",
            "1e",
            "-7",
            "true",
            "false",
            "null",
            "nul",
            " ",
            "\n",
            "\t",
            "é",
            "\u{1}",
            "\"tab\t\"",
            "{\"a\":1}",
            "[1,2]",
            "{}",
            "[]",
            "\"b\":",
            "\"a\":",
            "\"\\n\\t\\/\"",
        ];
        let mut rng = Rng::new(7);
        (0..60_000).map(move |_| {
            let count = 1 + rng.below(9);
            (0..count).map(|_| PIECES[rng.below(PIECES.len() as u64) as usize]).collect()
        })
    }

    #[test]
    fn what_is_json_serde_says_too() {
        let mut good = 0;
        for text in texts() {
            let theirs = serde_json::from_str::<&RawValue>(&text).ok().map(RawValue::get);
            assert_eq!(whole(&text), theirs, "{text:?}");
            good += usize::from(theirs.is_some());
        }
        assert!(good > 1_000, "{good}");
    }

    #[test]
    fn scalars_are_what_serde_says() {
        let mut seen = 0;
        for raw in texts().filter_map(|text| whole(&text).map(str::to_owned)) {
            assert_eq!(String::of(&raw), serde_json::from_str::<String>(&raw).ok(), "{raw:?}");
            assert_eq!(u64::of(&raw), serde_json::from_str(&raw).ok(), "{raw:?}");
            assert_eq!(u32::of(&raw), serde_json::from_str(&raw).ok(), "{raw:?}");
            // serde calls `-0` a fraction; here it is nought.
            if raw != "-0" {
                assert_eq!(i64::of(&raw), serde_json::from_str(&raw).ok(), "{raw:?}");
            }
            assert_eq!(bool::of(&raw), serde_json::from_str(&raw).ok(), "{raw:?}");
            assert_eq!(f64::of(&raw), serde_json::from_str(&raw).ok(), "{raw:?}");
            seen += 1;
        }
        assert!(seen > 1_000, "{seen}");
    }

    #[test]
    fn members_are_found_whatever_is_around_them() {
        let text = " { \"x\" : [ {\"a\":9} ] , \"\\u0061\":1 ,\"b\" : \"}\" } ";
        assert_eq!(fields(text, ["a", "b", "c"]), Ok([Some("1"), Some("\"}\""), None]));
        assert_eq!(fields("{}", ["a"]), Ok([None]));
        assert_eq!(fields("{\"a\":1,\"\\u0061\":2}", ["a"]), Err("a"), "twice");
        assert_eq!(fields("[1]", ["a"]), Err(NO_OBJECT));
        let mut all = Vec::new();
        items(" [ 1 , [2,3] ,\"]\"] ", &mut |item| {
            all.push(item.to_owned());
            Ok(())
        })
        .unwrap();
        assert_eq!(all, ["1", "[2,3]", "\"]\""]);
        assert_eq!(Vec::<u64>::of("[]"), Some(vec![]));
        assert_eq!(Vec::<u64>::of("[1,\"2\"]"), None);
    }

    #[test]
    fn deep_texts_end() {
        let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(whole(&nested(1_024)).is_some());
        assert!(whole(&nested(1_025)).is_none());
        assert!(whole(&"[".repeat(1 << 20)).is_none());
    }

    #[test]
    fn texts_are_written_as_serde_writes_them() {
        for sample in (0..0x300_u32).filter_map(char::from_u32).chain(['🐟', '\u{2028}']) {
            let sample = format!("a{sample}b{sample}");
            assert_eq!(text(&sample), serde_json::to_string(&sample).unwrap());
        }
        for number in [0, 7, -7, 10, 1 << 53, i64::MAX, i64::MIN] {
            let mut out = String::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }

    #[test]
    fn what_people_write_as_a_fraction_comes_back() {
        let mut rng = Rng::new(3);
        let decimals =
            (0..20_000).map(|_| rng.below(1_000_000_000_000) as f64 / 10_f64.powi(rng.below(9) as i32));
        for number in [0.0, 60.0, 12.5, 33.33, 0.1, -2.75, 1e19, 1e-7].into_iter().chain(decimals) {
            let mut out = String::new();
            push_float(&mut out, number);
            assert_eq!(float(&out), Some(number), "{out}");
        }
    }
}
