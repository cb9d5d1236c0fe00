//! JSON as a client needs it: the members of an object by name, scalars, and texts put together. It decides nothing.
//!
//! The server reads the same types with serde, which writes code for each type anew; a client is loaded by every player, so here one
//! function finds the members of all of them. Values stay text until somebody asks for a type. What is accepted is RFC 8259 to the
//! letter, and what both read they must read alike: `messages/client.rs` is tested against serde's word.

use std::borrow::Cow;
use std::str::Chars;

/// Deeper texts are refused, so that the stack is bounded; the wire's own bound is far below.
const MAX_DEPTH: u32 = 1_024;

/// The name of the member that is missing or wrong, or what the whole is not.
pub(crate) type Wrong = &'static str;
const NO_OBJECT: Wrong = "the whole: it is no JSON object";

// ---- the grammar ----

fn space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The end of the value that begins at `at`.
fn value_end(bytes: &[u8], at: usize, depth: u32) -> Option<usize> {
    match *bytes.get(at)? {
        b'"' => string_end(bytes, at),
        open @ (b'{' | b'[') => {
            let depth = depth.checked_sub(1)?;
            let mut at = space(bytes, at + 1);
            if bytes.get(at) == Some(&closing(open)) {
                return Some(at + 1);
            }
            loop {
                if open == b'{' {
                    at = colon(bytes, string_end(bytes, at)?)?;
                }
                at = space(bytes, value_end(bytes, at, depth)?);
                match *bytes.get(at)? {
                    b',' => at = space(bytes, at + 1),
                    end => return (end == closing(open)).then_some(at + 1),
                }
            }
        }
        b't' => word(bytes, at, b"true"),
        b'f' => word(bytes, at, b"false"),
        b'n' => word(bytes, at, b"null"),
        _ => number_end(bytes, at),
    }
}

/// The bracket that ends what this one begins: in ASCII it is the next but one.
fn closing(open: u8) -> u8 {
    open + 2
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
    if space(bytes, end) == bytes.len() { text.get(at..end) } else { None }
}

/// The same for bytes.
pub(crate) fn whole_bytes(bytes: &[u8]) -> Option<&str> {
    whole(std::str::from_utf8(bytes).ok()?)
}

/// A part of an object or array: its name, which is empty in an array, and its value, both as they stand there.
type Part<'a> = (&'a str, &'a str);

/// What is between the brackets of an object (`{`) or array (`[`), in the order in which it stands there.
fn parts(text: &str, open: u8) -> Option<Vec<Part<'_>>> {
    let text = whole(text)?;
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    if bytes[0] != open {
        return None;
    }
    let mut at = space(bytes, 1);
    // What the grammar has let through is only walked again.
    while *bytes.get(at)? != closing(open) {
        let mut name = "";
        if open == b'{' {
            let end = string_end(bytes, at)?;
            name = text.get(at..end)?;
            // Half a surrogate pair names nothing.
            string(name)?;
            at = colon(bytes, end)?;
        }
        let end = value_end(bytes, at, MAX_DEPTH)?;
        parts.push((name, text.get(at..end)?));
        at = space(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = space(bytes, at + 1);
        }
    }
    Some(parts)
}

/// Whether JSON text is neither object nor array.
pub(crate) fn is_scalar(raw: &str) -> bool {
    !raw.starts_with('{') && !raw.starts_with('[')
}

/// Each value of an array, as the second of a pair.
pub(crate) fn array(text: &str) -> Option<Vec<Part<'_>>> {
    parts(text, b'[')
}

/// The members of an object in byte order of their names; of two with one name the last.
pub(crate) fn sorted(text: &str) -> Option<Vec<(String, &str)>> {
    let mut sorted: Vec<(String, &str)> = Vec::new();
    for &(name, value) in &parts(text, b'{')? {
        let name = String::of(name)?;
        match sorted.binary_search_by(|(known, _)| known.cmp(&name)) {
            Ok(at) => sorted[at].1 = value,
            Err(at) => sorted.insert(at, (name, value)),
        }
    }
    Some(sorted)
}

/// The members of an object, to be asked for by name. What is missing or wrong is noted, and something stands in for it: whoever asks
/// looks at the end ([`Members::end`]). Members that nobody asks for are passed over.
pub(crate) struct Members<'a> {
    parts: Vec<Part<'a>>,
    wrong: Option<Wrong>,
}

impl<'a> Members<'a> {
    pub(crate) fn of(text: &'a str) -> Members<'a> {
        match parts(text, b'{') {
            Some(parts) => Members { parts, wrong: None },
            None => Members { parts: Vec::new(), wrong: Some(NO_OBJECT) },
        }
    }

    /// A member's text; one that comes twice is wrong.
    pub(crate) fn raw(&mut self, name: Wrong) -> Option<&'a str> {
        let mut value = None;
        let mut twice = false;
        for (known, raw) in &self.parts {
            if string(known).is_some_and(|known| known == name) {
                twice |= value.replace(*raw).is_some();
            }
        }
        if twice {
            self.refuse(name);
        }
        value
    }

    /// The member is missing or wrong.
    pub(crate) fn refuse(&mut self, name: Wrong) {
        self.wrong = self.wrong.or(Some(name));
    }

    fn value<T: Value<'a> + Default>(&mut self, name: Wrong, raw: Option<&'a str>) -> T {
        let value = raw.and_then(T::of);
        if value.is_none() {
            self.refuse(name);
        }
        value.unwrap_or_default()
    }

    /// A member that must be there.
    pub(crate) fn need<T: Value<'a> + Default>(&mut self, name: Wrong) -> T {
        let raw = self.raw(name);
        self.value(name, raw)
    }

    /// A member that may be left out.
    pub(crate) fn or<T: Value<'a> + Default>(&mut self, name: Wrong, default: T) -> T {
        match self.raw(name) {
            None => default,
            raw => self.value(name, raw),
        }
    }

    /// The same, where nothing stands for itself.
    pub(crate) fn maybe<T: Value<'a> + Default>(&mut self, name: Wrong) -> Option<T> {
        match self.raw(name) {
            None | Some("null") => None,
            raw => Some(self.value(name, raw)),
        }
    }

    /// The values of an array that may be left out.
    pub(crate) fn list(&mut self, name: Wrong) -> Vec<Part<'a>> {
        let raw = self.raw(name).unwrap_or("[]");
        array(raw).unwrap_or_else(|| {
            self.refuse(name);
            Vec::new()
        })
    }

    /// The first that was missing or wrong.
    pub(crate) fn wrong(&self) -> Option<Wrong> {
        self.wrong
    }

    /// Whether all that was asked for was good.
    pub(crate) fn end(self) -> Result<(), Wrong> {
        self.wrong.map_or(Ok(()), Err)
    }
}

/// One member of an object, of bytes that came from anywhere.
pub(crate) fn member<T: for<'a> Value<'a> + Default>(bytes: &[u8], name: Wrong) -> Option<T> {
    let mut members = Members::of(std::str::from_utf8(bytes).ok()?);
    let value = members.need(name);
    members.end().ok().map(|()| value)
}

/// The value of a JSON string; `None` for any other value, and for half a surrogate pair.
pub(crate) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.bytes().any(|byte| byte == b'\\') {
        return Some(Cow::Borrowed(inner));
    }
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(char) = chars.next() {
        out.push(if char == '\\' { escaped(&mut chars)? } else { char });
    }
    Some(Cow::Owned(out))
}

/// The character that an escape stands for, behind its backslash.
fn escaped(chars: &mut Chars<'_>) -> Option<char> {
    let mut code = match chars.next()? {
        'b' => return Some('\u{8}'),
        'f' => return Some('\u{c}'),
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        'u' => hex(chars)?,
        other => return Some(other),
    };
    if (0xd800..0xdc00).contains(&code) {
        let low = if (chars.next()?, chars.next()?) == ('\\', 'u') { hex(chars)? } else { 0 };
        if !(0xdc00..0xe000).contains(&low) {
            return None;
        }
        code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    char::from_u32(code)
}

fn hex(chars: &mut Chars<'_>) -> Option<u32> {
    let mut code = 0;
    for _ in 0..4 {
        code = code << 4 | chars.next()?.to_digit(16)?;
    }
    Some(code)
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
        crate::text::digits(raw)
    }
}

impl Value<'_> for u32 {
    fn of(raw: &str) -> Option<Self> {
        u64::of(raw)?.try_into().ok()
    }
}

impl Value<'_> for i64 {
    fn of(raw: &str) -> Option<Self> {
        match raw.strip_prefix('-') {
            None => u64::of(raw)?.try_into().ok(),
            Some(raw) => 0_i64.checked_sub_unsigned(u64::of(raw)?),
        }
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

/// The nearest double of a JSON number; `None` for any other value, and beyond what a double holds.
pub(crate) fn float(raw: &str) -> Option<f64> {
    let is_number = matches!(raw.as_bytes().first()?, b'-' | b'0'..=b'9');
    is_number.then(|| nearest(raw)).filter(|number| number.is_finite())
}

#[cfg(target_arch = "wasm32")]
thread_local! {
    static NEAREST: std::cell::Cell<fn(&str) -> f64> = const { std::cell::Cell::new(|_| f64::NAN) };
}

/// Who reads fractions in a module: its host can, and the standard library's way is 16 KB of tables and code. Before this is called no
/// number that a double is wanted of is good.
#[cfg(target_arch = "wasm32")]
pub fn read_doubles_by(nearest: fn(&str) -> f64) {
    NEAREST.set(nearest);
}

#[cfg(target_arch = "wasm32")]
fn nearest(raw: &str) -> f64 {
    NEAREST.get()(raw)
}

#[cfg(not(target_arch = "wasm32"))]
fn nearest(raw: &str) -> f64 {
    raw.parse().unwrap_or(f64::NAN)
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

/// An object in the making.
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Object {
        Object("{".to_owned())
    }

    fn name(&mut self, name: &str) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        push_text(&mut self.0, name);
        self.0.push(':');
        &mut self.0
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Object {
        push_text(self.name(name), value);
        self
    }

    /// Numbers of the wire are below 2⁵³.
    pub(crate) fn number(&mut self, name: &str, value: i64) -> &mut Object {
        push_number(self.name(name), value);
        self
    }

    /// JSON text, as it is.
    pub(crate) fn raw(&mut self, name: &str, json: &str) -> &mut Object {
        self.name(name).push_str(json);
        self
    }

    /// What there is, to be gone on with.
    pub(crate) fn open(&mut self) -> String {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn end(&mut self) -> String {
        self.0.push('}');
        self.open()
    }
}

/// An array in the making.
pub(crate) struct List(String);

impl List {
    pub(crate) fn new() -> List {
        List("[".to_owned())
    }

    fn next(&mut self) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        &mut self.0
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut List {
        push_text(self.next(), value);
        self
    }

    pub(crate) fn number(&mut self, value: i64) -> &mut List {
        push_number(self.next(), value);
        self
    }

    /// JSON text, as it is.
    pub(crate) fn raw(&mut self, json: &str) -> &mut List {
        self.next().push_str(json);
        self
    }

    pub(crate) fn end(&mut self) -> String {
        self.0.push(']');
        std::mem::take(&mut self.0)
    }
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
        let mut members = Members::of(text);
        assert_eq!((members.raw("a"), members.raw("b"), members.raw("c")), (Some("1"), Some("\"}\""), None));
        assert_eq!(members.end(), Ok(()), "nobody needs c");
        let wrong = |text, name| {
            let mut members = Members::of(text);
            let value = members.need::<u64>(name);
            members.end().map(|()| value)
        };
        assert_eq!(wrong("{\"a\":1}", "a"), Ok(1));
        assert_eq!(wrong("{\"a\":\"\"}", "a"), Err("a"));
        assert_eq!(wrong("{}", "a"), Err("a"));
        assert_eq!(wrong("{\"a\":1,\"\\u0061\":2}", "a"), Err("a"), "twice");
        assert_eq!(wrong("[1]", "a"), Err(NO_OBJECT));
        let all: Vec<_> = array(" [ 1 , [2,3] ,\"]\"] ").unwrap().into_iter().map(|(_, item)| item).collect();
        assert_eq!(all, ["1", "[2,3]", "\"]\""]);
        assert_eq!(array("{}"), None);
        assert_eq!(
            sorted("{\"b\":1,\"a\":2,\"b\":3}"),
            Some(vec![("a".to_owned(), "2"), ("b".to_owned(), "3")])
        );
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
            let mut out = String::new();
            push_text(&mut out, &sample);
            assert_eq!(out, serde_json::to_string(&sample).unwrap());
        }
        for number in [0, 7, -7, 10, 1 << 53, i64::MAX, i64::MIN] {
            let mut out = String::new();
            push_number(&mut out, number);
            assert_eq!(out, number.to_string());
        }
    }
}
