//! The kinds of values that a setting can have: how each is read from a file, a variable or a flag, what it must be, and
//! how it is shown. An error says what was given and what is asked for; of a secret it says the length alone.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use jiff::{Span, SpanRelativeTo, Unit};

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Rate, Secret};

/// What a value must be, beyond its type.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bound {
    /// Whatever the type takes.
    Any,
    /// A time in milliseconds, both ends included; also read and shown as `30s`, `24h`.
    Ms(u64, u64),
    /// A whole number, both ends included.
    Count(u64, u64),
    /// A number with a fraction, both ends included.
    Real(f64, f64),
    /// A secret's least length in bytes.
    Bytes(usize),
    /// A secret's least length in characters.
    Characters(usize),
    /// A browser's origin: scheme and host, nothing behind.
    Origin,
    /// What the log lets through.
    Filter,
}

/// What somebody wrote.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Given {
    /// From a variable or a flag: of no type yet.
    Text(String),
    /// The types of a file.
    String(String),
    Number(String),
    Switch(bool),
    List(Vec<Given>),
    /// A kind of value that no setting has.
    Other(&'static str),
}

impl Given {
    fn text(&self) -> Option<&str> {
        match self {
            Given::Text(text) | Given::String(text) => Some(text),
            _ => None,
        }
    }

    fn number(&self) -> Option<&str> {
        match self {
            Given::Text(text) | Given::Number(text) => Some(text.trim()),
            _ => None,
        }
    }

    fn shown(&self) -> String {
        match self {
            Given::Text(text) | Given::String(text) => quoted(&shortened(text)),
            Given::Number(text) => shortened(text),
            Given::Switch(on) => on.to_string(),
            Given::List(_) => "a list".to_owned(),
            Given::Other(kind) => (*kind).to_owned(),
        }
    }

    fn is_no(&self, expected: impl std::fmt::Display) -> String {
        format!("{} is not {expected}", self.shown())
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

/// A TOML string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// One value of a type. A new type of setting implements this.
pub(crate) trait One: Sized {
    const SECRET: bool = false;
    const SWITCH: bool = false;
    /// What the help calls such a value.
    const NAME: &'static str;
    fn read(given: &Given, bound: &Bound) -> Result<Self, String>;
    fn check(&self, _bound: &Bound) -> Result<(), String> {
        Ok(())
    }
    /// As TOML.
    fn show(&self, bound: &Bound) -> String;
    fn secret(&self) -> Option<&Secret> {
        None
    }
}

/// A setting's value: one, perhaps one, or many.
pub(crate) trait Value {
    fn set(&mut self, given: &Given, bound: &Bound) -> Result<(), String>;
    fn check(&self, bound: &Bound) -> Result<(), String>;
    /// As TOML; `None`: not set.
    fn show(&self, bound: &Bound) -> Option<String>;
    fn form(&self) -> Form;
    /// The secret itself, for whoever judges it.
    fn secret(&self) -> Option<&Secret> {
        None
    }
}

/// What a flag for it looks like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) secret: bool,
    pub(crate) switch: bool,
    pub(crate) list: bool,
    pub(crate) name: &'static str,
}

impl Form {
    fn of<T: One>(list: bool) -> Form {
        Form { secret: T::SECRET, switch: T::SWITCH, list, name: T::NAME }
    }
}

impl<T: One> Value for T {
    fn set(&mut self, given: &Given, bound: &Bound) -> Result<(), String> {
        let value = T::read(given, bound)?;
        One::check(&value, bound)?;
        *self = value;
        Ok(())
    }

    fn check(&self, bound: &Bound) -> Result<(), String> {
        One::check(self, bound)
    }

    fn show(&self, bound: &Bound) -> Option<String> {
        Some(One::show(self, bound))
    }

    fn form(&self) -> Form {
        Form::of::<T>(false)
    }
}

impl<T: One> Value for Option<T> {
    fn set(&mut self, given: &Given, bound: &Bound) -> Result<(), String> {
        let value = T::read(given, bound)?;
        value.check(bound)?;
        *self = Some(value);
        Ok(())
    }

    fn check(&self, bound: &Bound) -> Result<(), String> {
        self.as_ref().map_or(Ok(()), |value| value.check(bound))
    }

    fn show(&self, bound: &Bound) -> Option<String> {
        self.as_ref().map(|value| value.show(bound))
    }

    fn form(&self) -> Form {
        Form::of::<T>(false)
    }

    fn secret(&self) -> Option<&Secret> {
        self.as_ref().and_then(One::secret)
    }
}

/// A list: an array in a file, comma-separated in a variable, a flag given several times. What a higher place says replaces
/// what a lower one says.
impl<T: One> Value for Vec<T> {
    fn set(&mut self, given: &Given, bound: &Bound) -> Result<(), String> {
        let items = match given {
            Given::List(items) => items.clone(),
            Given::Text(text) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Given::Text(item.to_owned()))
                .collect(),
            other => return Err(other.is_no(format_args!("a list, such as [\"{}\"]", T::NAME))),
        };
        let values = items.iter().map(|item| {
            let value = T::read(item, bound)?;
            value.check(bound).map(|()| value)
        });
        *self = values.collect::<Result<_, String>>()?;
        Ok(())
    }

    fn check(&self, bound: &Bound) -> Result<(), String> {
        self.iter().try_for_each(|value| value.check(bound))
    }

    fn show(&self, bound: &Bound) -> Option<String> {
        let items: Vec<_> = self.iter().map(|value| value.show(bound)).collect();
        Some(format!("[{}]", items.join(", ")))
    }

    fn form(&self) -> Form {
        Form::of::<T>(true)
    }
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl One for $type {
            const NAME: &'static str = "NUMBER";

            fn read(given: &Given, bound: &Bound) -> Result<Self, String> {
                let expected = || given.is_no(expected(bound, <$type>::MAX as u64));
                let number = given.number().and_then(|text| text.parse::<u64>().ok());
                let time = || match bound {
                    Bound::Ms(..) => given.text().and_then(milliseconds),
                    _ => None,
                };
                let number = number.or_else(time).ok_or_else(expected)?;
                <$type>::try_from(number).map_err(|_| expected())
            }

            fn check(&self, bound: &Bound) -> Result<(), String> {
                let inside = match bound {
                    Bound::Ms(least, most) | Bound::Count(least, most) => {
                        (*least..=*most).contains(&(*self as u64))
                    }
                    _ => true,
                };
                let shown = One::show(self, bound);
                if inside { Ok(()) } else { Err(format!("{shown} is not {}", expected(bound, <$type>::MAX as u64))) }
            }

            fn show(&self, bound: &Bound) -> String {
                match bound {
                    Bound::Ms(..) => quoted(&in_words(*self as u64)),
                    _ => self.to_string(),
                }
            }
        }
    )*};
}

whole_numbers!(u64, u32, u16, usize);

fn expected(bound: &Bound, most: u64) -> String {
    match bound {
        Bound::Ms(least, most) => {
            format!("a time between {} and {}: milliseconds, or \"30s\"", in_words(*least), in_words(*most))
        }
        Bound::Count(least, most) => format!("a whole number between {least} and {most}"),
        _ => format!("a whole number between 0 and {most}"),
    }
}

fn milliseconds(text: &str) -> Option<u64> {
    let span: Span = text.parse().ok()?;
    let ms = span.total((Unit::Millisecond, SpanRelativeTo::days_are_24_hours())).ok()?;
    (ms >= 0.0 && ms.fract() == 0.0 && ms <= u32::MAX as f64 * 1_000.0).then_some(ms as u64)
}

/// With the greatest unit that leaves no fraction.
fn in_words(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    match units.into_iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
}

impl One for f64 {
    const NAME: &'static str = "NUMBER";

    fn read(given: &Given, bound: &Bound) -> Result<Self, String> {
        let number = given.number().and_then(|text| text.parse::<f64>().ok());
        number.ok_or_else(|| given.is_no(real(bound)))
    }

    fn check(&self, bound: &Bound) -> Result<(), String> {
        let inside = match bound {
            Bound::Real(least, most) => (*least..=*most).contains(self),
            _ => self.is_finite(),
        };
        if inside { Ok(()) } else { Err(format!("{self} is not {}", real(bound))) }
    }

    fn show(&self, _bound: &Bound) -> String {
        // With a point always: a float for TOML too.
        format!("{self:?}")
    }
}

fn real(bound: &Bound) -> String {
    match bound {
        Bound::Real(least, most) => format!("a number between {least} and {most}"),
        _ => "a number".to_owned(),
    }
}

impl One for bool {
    const SWITCH: bool = true;
    const NAME: &'static str = "true|false";

    fn read(given: &Given, _bound: &Bound) -> Result<Self, String> {
        match given {
            Given::Switch(on) => Ok(*on),
            Given::Text(text) if text == "true" => Ok(true),
            Given::Text(text) if text == "false" => Ok(false),
            other => Err(other.is_no("true or false")),
        }
    }

    fn show(&self, _bound: &Bound) -> String {
        self.to_string()
    }
}

impl One for SocketAddr {
    const NAME: &'static str = "ADDRESS";

    fn read(given: &Given, _bound: &Bound) -> Result<Self, String> {
        let address = given.text().and_then(|text| text.trim().parse().ok());
        address.ok_or_else(|| given.is_no("an address with a port, such as 127.0.0.1:8080 or [::1]:8080"))
    }

    fn show(&self, _bound: &Bound) -> String {
        quoted(&self.to_string())
    }
}

/// A single address is a network of one.
impl One for IpNet {
    const NAME: &'static str = "NETWORK";

    fn read(given: &Given, _bound: &Bound) -> Result<Self, String> {
        let parsed = given.text().map(str::trim).and_then(|text| {
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        });
        parsed.ok_or_else(|| given.is_no("a network, such as 10.0.0.0/8 or fd00::/8, or an address"))
    }

    fn show(&self, _bound: &Bound) -> String {
        quoted(&self.trunc().to_string())
    }
}

impl One for PathBuf {
    const NAME: &'static str = "PATH";

    fn read(given: &Given, _bound: &Bound) -> Result<Self, String> {
        let path = given.text().filter(|text| !text.is_empty() && !text.contains('\0'));
        path.map(PathBuf::from).ok_or_else(|| given.is_no("a path"))
    }

    fn show(&self, _bound: &Bound) -> String {
        quoted(&self.to_string_lossy())
    }
}

impl One for String {
    const NAME: &'static str = "TEXT";

    fn read(given: &Given, bound: &Bound) -> Result<Self, String> {
        let text = given.text().map(str::to_owned);
        text.ok_or_else(|| match bound {
            Bound::Origin => given.is_no(ORIGIN),
            _ => given.is_no("a text"),
        })
    }

    fn check(&self, bound: &Bound) -> Result<(), String> {
        let fits = match bound {
            Bound::Filter if EnvFilter::try_new(self).is_err() || self.is_empty() => {
                return Err(format!("{} is not {FILTER}", quoted(&shortened(self))));
            }
            Bound::Origin => self.split_once("://").is_some_and(|(scheme, host)| {
                !scheme.is_empty()
                    && !host.is_empty()
                    && !self.contains(|c: char| c.is_whitespace() || c.is_uppercase() || "*,?#@".contains(c))
                    && !host.contains('/')
            }),
            _ => true,
        };
        if fits { Ok(()) } else { Err(format!("{} is not {ORIGIN}", quoted(&shortened(self)))) }
    }

    fn show(&self, _bound: &Bound) -> String {
        quoted(self)
    }
}

const FILTER: &str =
    "a level (error, warn, info, debug, trace) or levels by module, such as info,castline_server=debug";
const ORIGIN: &str =
    "an origin such as https://game.example: lower case, with a port where it is unusual, no path";

impl One for LogFormat {
    const NAME: &'static str = "text|json";

    fn read(given: &Given, _bound: &Bound) -> Result<Self, String> {
        match given.text() {
            Some("text") => Ok(LogFormat::Text),
            Some("json") => Ok(LogFormat::Json),
            _ => Err(given.is_no("\"text\" or \"json\"")),
        }
    }

    fn show(&self, _bound: &Bound) -> String {
        quoted(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

impl One for Secret {
    const SECRET: bool = true;
    const NAME: &'static str = "FILE";

    fn read(given: &Given, _bound: &Bound) -> Result<Self, String> {
        // What was given is not repeated.
        given.text().map(|text| Secret::new(text.trim())).ok_or_else(|| "a secret is a text".to_owned())
    }

    fn check(&self, bound: &Bound) -> Result<(), String> {
        let (has, least, unit) = match bound {
            Bound::Bytes(least) => (self.expose().len(), *least, "bytes"),
            Bound::Characters(least) => (self.expose().chars().count(), *least, "characters"),
            _ => (self.expose().len(), 1, "bytes"),
        };
        if has >= least { Ok(()) } else { Err(format!("it has {has} {unit}; it must have at least {least}")) }
    }

    fn secret(&self) -> Option<&Secret> {
        Some(self)
    }

    fn show(&self, _bound: &Bound) -> String {
        quoted(&format!("********** ({} bytes)", self.expose().len()))
    }
}

impl One for Rate {
    const NAME: &'static str = "RATE";

    fn read(given: &Given, _bound: &Bound) -> Result<Self, String> {
        given.text().and_then(rate).ok_or_else(|| given.is_no(RATE))
    }

    fn check(&self, bound: &Bound) -> Result<(), String> {
        let fits = self.per_second > 0.0 && self.burst >= 1.0;
        if fits { Ok(()) } else { Err(format!("{} is not {RATE}", One::show(self, bound))) }
    }

    fn show(&self, _bound: &Bound) -> String {
        let Rate { per_second, burst } = *self;
        quoted(&if *self == Rate::unlimited() {
            "unlimited".to_owned()
        } else if *self == Rate::per_minute(burst) {
            format!("{burst}/min")
        } else {
            format!("{per_second}/s burst {burst}")
        })
    }
}

const RATE: &str = "a rate such as \"10/min\", \"30/s burst 60\" or \"unlimited\", more than 0 and with a burst of at least 1";

fn rate(text: &str) -> Option<Rate> {
    if text.trim() == "unlimited" {
        return Some(Rate::unlimited());
    }
    let mut words = text.split_whitespace();
    let (count, unit) = words.next()?.split_once('/')?;
    let count: f64 = count.parse().ok().filter(|count: &f64| count.is_finite())?;
    let seconds = match unit {
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    let burst = match (words.next(), words.next(), words.next()) {
        (None, ..) => count,
        (Some("burst"), Some(burst), None) => burst.parse().ok().filter(|burst: &f64| burst.is_finite())?,
        _ => return None,
    };
    Some(Rate { per_second: count / seconds, burst })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Given {
        Given::Text(text.to_owned())
    }

    #[test]
    fn a_time_has_a_unit_or_is_milliseconds() {
        let bound = Bound::Ms(10, 86_400_000);
        let read = |given: &Given| {
            let mut ms = 0_u64;
            ms.set(given, &bound).map(|()| ms)
        };
        assert_eq!(read(&text("1500")), Ok(1_500));
        assert_eq!(read(&Given::Number("1500".into())), Ok(1_500));
        assert_eq!(read(&text("30s")), Ok(30_000));
        assert_eq!(read(&Given::String("1h 30m".into())), Ok(5_400_000));
        assert_eq!(read(&text("1d")), Ok(86_400_000));
        for wrong in ["9", "2d", "-1s", "soon", "", "1.5", "0.0001s", "99999999999999999999", "1 month"] {
            let error = read(&text(wrong)).unwrap_err();
            assert!(error.contains(wrong) || wrong == "2d", "{error}");
            assert!(error.contains("between 10ms and 1d"), "{error}");
        }
        assert_eq!(in_words(0), "0ms");
        assert_eq!(in_words(90_000), "90s");
    }

    #[test]
    fn what_is_shown_can_be_read() {
        for rate in [
            Rate::unlimited(),
            Rate::per_minute(10.0),
            Rate::per_second(30.0, 60.0),
            Rate::per_second(0.001, 5.0),
        ] {
            let shown = One::show(&rate, &Bound::Any);
            assert_eq!(Rate::read(&text(shown.trim_matches('"')), &Bound::Any), Ok(rate), "{shown}");
        }
        for wrong in
            ["0/s", "-1/s", "1/s burst 0.5", "nan/s", "inf/s", "1/year", "1/s burst", "1/s burst 2 3"]
        {
            assert!(Rate::unlimited().set(&text(wrong), &Bound::Any).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_says_what_type_it_means() {
        let mut number = 0_u32;
        assert!(number.set(&Given::String("4".into()), &Bound::Any).is_err());
        assert!(number.set(&Given::Number("-4".into()), &Bound::Any).is_err());
        assert!(number.set(&Given::Number("4294967296".into()), &Bound::Any).is_err());
        let mut on = false;
        assert!(on.set(&Given::String("true".into()), &Bound::Any).is_err());
        let mut list = Vec::<String>::new();
        assert!(list.set(&Given::String("a".into()), &Bound::Any).is_err());
        list.set(&text("https://a.example, https://b.example"), &Bound::Origin).unwrap();
        assert_eq!(list.len(), 2);
        for wrong in ["*", "a.example", "https://a.example/", "https://A.example", "https://a b"] {
            assert!(list.set(&text(wrong), &Bound::Origin).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_repeated() {
        let mut secret = None::<Secret>;
        let error = secret.set(&text("hunter2"), &Bound::Bytes(32)).unwrap_err();
        assert_eq!(error, "it has 7 bytes; it must have at least 32");
        secret = Some(Secret::new("hunter2"));
        assert!(!Value::show(&secret, &Bound::Any).unwrap().contains("hunter2"));
    }
}
