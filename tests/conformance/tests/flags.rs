//! `flags.json`: bodies of `GET /flags`, and what each getter gives.

use std::collections::BTreeMap;

use castline::Flags;
use castline::flags::{DecodeError, Source};
use castline_conformance::{Nothing, load};
use serde_json::value::RawValue;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    source: String,
    body: String,
    error: Option<String>,
    version: Option<String>,
    #[serde(default)]
    flags: BTreeMap<String, About>,
    #[serde(default)]
    reads: Vec<Read>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    variant: Option<String>,
    reason: String,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    flag: String,
    get: String,
    default: Box<RawValue>,
    expected: Box<RawValue>,
}

impl Read {
    fn check(&self, flags: &Flags, case: &str) {
        let Read { flag, get, default, expected } = self;
        let about = format!("{case}: {get} of {flag:?}, default {default}");
        match &**get {
            "bool" => assert_eq!(flags.bool(flag, read(default)), read::<bool>(expected), "{about}"),
            "i64" => assert_eq!(flags.i64(flag, read(default)), read::<i64>(expected), "{about}"),
            // The sign of zero is none.
            "f64" => assert_eq!(flags.f64(flag, float(default)), float(expected), "{about}"),
            "string" => {
                assert_eq!(flags.string(flag, &read::<String>(default)), read::<String>(expected), "{about}");
            }
            "json" => {
                assert_eq!(flags.json(flag, &read::<String>(default)), read::<String>(expected), "{about}");
            }
            other => panic!("{case}: no getter {other}"),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(raw: &RawValue) -> T {
    serde_json::from_str(raw.get()).expect("the getter's type")
}

/// By the standard library's reading, which is exact to the last bit.
fn float(raw: &RawValue) -> f64 {
    raw.get().parse().expect("a number")
}

fn class(error: &DecodeError) -> &'static str {
    match error {
        DecodeError::Empty => "empty",
        DecodeError::TooLarge { .. } => "tooLarge",
        DecodeError::Html => "html",
        DecodeError::NotJson(_) => "notJson",
        DecodeError::WrongForm(_) => "wrongForm",
        _ => "?",
    }
}

#[test]
fn bodies_and_getters() {
    for case in load::<Case, Nothing>("flags.json").cases {
        let name = &case.name;
        let source = match &*case.source {
            "session" => Source::Session,
            "cached" => Source::Cached,
            "stale" => Source::Stale,
            other => panic!("{name}: no source {other}"),
        };
        let flags = match (Flags::decode(case.body.as_bytes(), source), &case.error) {
            (Ok(flags), None) => flags,
            (Err(error), Some(expected)) => {
                assert_eq!(class(&error), expected, "{name}: {error}");
                continue;
            }
            (Ok(_), Some(expected)) => panic!("{name}: accepted, expected {expected}"),
            (Err(error), None) => panic!("{name}: {error}"),
        };
        assert_eq!(Some(flags.version()), case.version.as_deref(), "{name}");
        for (flag, about) in &case.flags {
            assert_eq!(flags.variant(flag), about.variant.as_deref(), "{name}: {flag}");
            assert_eq!(flags.reason(flag).as_str(), about.reason, "{name}: {flag}");
        }
        for read in &case.reads {
            read.check(&flags, name);
        }
    }
}
