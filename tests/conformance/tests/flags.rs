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
        let (default, expected) = (default.get(), expected.get());
        let about = format!("{case}: {get} of {flag:?}, default {default}");
        match &**get {
            "bool" => {
                assert_eq!(flags.bool(flag, default == "true").to_string(), expected, "{about}");
            }
            "i64" => assert_eq!(flags.i64(flag, default.parse().unwrap()).to_string(), expected, "{about}"),
            "f64" => {
                // By the standard library's reading: exact, and the sign of zero is none.
                let expected: f64 = expected.parse().unwrap();
                assert_eq!(flags.f64(flag, default.parse().unwrap()), expected, "{about}");
            }
            "string" | "json" => {
                let (default, expected): (String, String) =
                    (serde_json::from_str(default).unwrap(), serde_json::from_str(expected).unwrap());
                let got =
                    if get == "json" { flags.json(flag, &default) } else { flags.string(flag, &default) };
                assert_eq!(got, expected, "{about}");
            }
            other => panic!("{case}: no getter {other}"),
        }
    }
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
