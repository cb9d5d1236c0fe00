//! What the getters give for what the server, or something that poses as it, said.

use std::sync::Arc;

use crate::event::Reason;
use crate::flags::{DecodeError, Flags, Source};
use crate::protocol::limits::MAX_FLAGS_BYTES;

fn decode(body: &str) -> Flags {
    Flags::decode(body.as_bytes(), Source::Session).unwrap()
}

/// One flag `f` with this value.
fn value(json: &str) -> Flags {
    decode(&format!(
        r#"{{"version":"v1","flags":{{"f":{{"variant":"a","value":{json},"reason":"STATIC"}}}}}}"#
    ))
}

fn refused(body: impl AsRef<[u8]>) -> DecodeError {
    Flags::decode(body.as_ref(), Source::Session).unwrap_err()
}

#[test]
fn the_seeds_example() {
    let body = r#"{ "version": "v17", "flags": { "starter_pack_price":
        { "variant": "treatment", "value": "$1.99", "reason": "SPLIT" } } }"#;
    let flags = decode(body);
    assert_eq!(flags.string("starter_pack_price", "$2.99"), "$1.99");
    assert_eq!(flags.json("starter_pack_price", "{}"), "\"$1.99\"");
    assert_eq!(flags.variant("starter_pack_price"), Some("treatment"));
    assert_eq!(flags.reason("starter_pack_price"), Reason::Split);
    assert_eq!((flags.version(), flags.len()), ("v17", 1));
    assert_eq!(
        flags.variants().into_iter().collect::<Vec<_>>(),
        [("starter_pack_price".to_owned(), "treatment".to_owned())]
    );
    assert_eq!(format!("{flags:?}"), r#"Flags { version: "v17", len: 1, source: Session }"#);
}

#[test]
fn a_getter_gives_its_default_for_another_type() {
    let all = |json: &str| {
        let f = value(json);
        (f.bool("f", true), f.i64("f", -7), f.f64("f", -7.5), f.string("f", "d").to_owned())
    };
    let d = || "d".to_owned();
    assert_eq!(all("false"), (false, -7, -7.5, d()));
    assert_eq!(all("true"), (true, -7, -7.5, d()));
    assert_eq!(all("5"), (true, 5, 5.0, d()));
    assert_eq!(all("\"5\""), (true, -7, -7.5, "5".to_owned()));
    for json in ["null", "{}", "[]", r#"{"a":[1,"x"]}"#, "[1, 2]"] {
        assert_eq!(all(json), (true, -7, -7.5, d()), "{json}");
        assert_eq!(value(json).json("f", "d"), json);
    }
    assert_eq!(value(r#""tab\tquote\" é 🐟""#).string("f", ""), "tab\tquote\" é 🐟");
}

#[test]
fn which_numbers_are_integers() {
    let int = |json: &str| value(json).i64("f", -1);
    let integers = [
        ("0", 0),
        ("-0", 0),
        ("-0.0", 0),
        ("1.0", 1),
        ("1e3", 1_000),
        ("1E+3", 1_000),
        ("12.50e1", 125),
        ("-42", -42),
        ("9007199254740991", 9_007_199_254_740_991),
        ("-9007199254740991", -9_007_199_254_740_991),
        ("9007199254740991.0", 9_007_199_254_740_991),
    ];
    for (json, expected) in integers {
        assert_eq!(int(json), expected, "{json}");
    }
    for json in
        ["0.5", "1e-3", "9007199254740992", "-9007199254740992", "9223372036854775807", "1e19", "1e300"]
    {
        assert_eq!(int(json), -1, "{json}");
    }
    assert!(value("-0").f64("f", 1.0).is_sign_negative());
    assert_eq!(value("9007199254740993").f64("f", 0.0), 9_007_199_254_740_992.0);
    assert_eq!(value("1e308").f64("f", 0.0), 1e308);
    assert_eq!(value("0.1").f64("f", 0.0), 0.1);
}

#[test]
fn a_malformed_flag_spoils_itself_alone() {
    let deep = format!(r#"{{"variant":"a","value":{}1{}}}"#, "[".repeat(30), "]".repeat(30));
    let bad = [
        "null",
        "1",
        "[]",
        "\"text\"",
        "{}",
        r#"{"variant":"a"}"#,
        r#"{"value":1}"#,
        r#"{"variant":1,"value":1}"#,
        r#"{"variant":"","value":1}"#,
        r#"{"variant":"a","value":1,"reason":7}"#,
        r#"{"variant":"a","variant":"b","value":1}"#,
        r#"{"variant":"a","value":"\ud800"}"#,
        r#"{"variant":"a","value":1e999}"#,
        &deep,
    ];
    for flag in bad {
        let flags = decode(&format!(
            r#"{{"version":"v1","flags":{{"bad":{flag},"good":{{"variant":"a","value":3,"reason":"SPLIT"}}}}}}"#
        ));
        assert_eq!(flags.reason("bad"), Reason::Error, "{flag}");
        assert_eq!(flags.variant("bad"), None, "{flag}");
        assert_eq!((flags.i64("bad", 9), flags.json("bad", "d")), (9, "d"), "{flag}");
        assert_eq!((flags.i64("good", 9), flags.reason("good")), (3, Reason::Split), "{flag}");
        assert_eq!(flags.with_source(Source::Stale).reason("bad"), Reason::Error);
        assert_eq!(flags.variants().len(), 1);
    }
}

#[test]
fn just_deep_enough() {
    // Two levels of the answer, one of the flag, 29 of the value: 32.
    let nest = |n: usize| value(&format!("{}1{}", "[".repeat(n), "]".repeat(n))).reason("f");
    assert_eq!(nest(29), Reason::Static);
    assert_eq!(nest(30), Reason::Error);
    // As deep as the body's bound allows, and no stack is used up.
    let deepest = (MAX_FLAGS_BYTES - 80) / 2;
    assert_eq!(nest(deepest), Reason::Error);
    let open = format!(r#"{{"version":"v1","later":{}"#, "[".repeat(1_900));
    assert!(matches!(refused(open), DecodeError::NotJson(_)));
}

#[test]
fn what_is_no_answer_is_refused() {
    assert_eq!(refused(""), DecodeError::Empty);
    assert_eq!(refused(" \r\n"), DecodeError::Empty);
    assert_eq!(refused("<!doctype html><title>Log in to the hotel's network</title>"), DecodeError::Html);
    assert_eq!(refused("\n<html></html>"), DecodeError::Html);
    for body in ["OK", "{", r#"{"version":"v1","flags":{}} x"#, "{'version':'v1'}", "\u{feff}{}"] {
        assert!(matches!(refused(body), DecodeError::NotJson(_)), "{body}");
    }
    assert!(matches!(refused(b"{\"version\":\"v1\xff\",\"flags\":{}}"), DecodeError::NotJson(_)));
    let forms = [
        "null",
        "[]",
        "17",
        "{}",
        r#"{"version":"v1"}"#,
        r#"{"flags":{}}"#,
        r#"{"version":17,"flags":{}}"#,
        r#"{"version":"","flags":{}}"#,
        r#"{"version":"v\n","flags":{}}"#,
        r#"{"version":"v1","flags":null}"#,
        r#"{"version":"v1","flags":[]}"#,
        r#"{"error":"quota exceeded"}"#,
    ];
    for body in forms {
        assert!(matches!(refused(body), DecodeError::WrongForm(_)), "{body}");
    }
}

#[test]
fn every_cut_of_a_good_answer_is_refused() {
    let body = r#"{"version":"v1","flags":{"f":{"variant":"a","value":"é","reason":"SPLIT"}}}"#;
    decode(body);
    for end in 0..body.len() {
        refused(&body.as_bytes()[..end]);
    }
}

#[test]
fn the_bound_on_the_body_is_exact() {
    let body = |bytes: usize| {
        let frame = r#"{"version":"v1","flags":{"f":{"variant":"a","value":""}}}"#;
        frame.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes - frame.len())))
    };
    let largest = body(MAX_FLAGS_BYTES);
    assert_eq!(largest.len(), 2_048);
    assert!(decode(&largest).string("f", "").starts_with("xxx"));
    assert_eq!(refused(body(2_049)), DecodeError::TooLarge { bytes: 2_049, limit: 2_048 });
    assert_eq!(refused(body(2_049)).to_string(), "the body is 2049 bytes; the limit is 2048");
}

#[test]
fn a_word_from_the_future_is_no_error() {
    let flags = decode(
        r#"{"version":"v1","flags":{"a":{"variant":"x","value":1,"reason":"ASTROLOGY"},"b":{"variant":"x","value":1}},"more":1}"#,
    );
    assert_eq!((flags.reason("a"), flags.i64("a", 0)), (Reason::Unknown, 1));
    assert_eq!((flags.reason("b"), flags.i64("b", 0)), (Reason::Unknown, 1));
    for word in ["STATIC", "DEFAULT", "SPLIT", "TARGETING_MATCH", "DISABLED", "ERROR", "OVERRIDE"] {
        let flags = decode(&format!(
            r#"{{"version":"v1","flags":{{"f":{{"variant":"x","value":1,"reason":"{word}"}}}}}}"#
        ));
        assert_eq!(flags.reason("f").as_str(), word);
    }
}

#[test]
fn the_source_decides_the_reason() {
    let flags = value("1");
    assert_eq!(flags.reason("f"), Reason::Static);
    assert_eq!(flags.with_source(Source::Cached).reason("f"), Reason::Cached);
    assert_eq!(flags.with_source(Source::Stale).reason("f"), Reason::Stale);
    assert_eq!(flags.with_source(Source::Stale).reason("absent"), Reason::Default);
    assert_eq!(flags.with_source(Source::Cached).i64("f", 0), 1);
    let none = Flags::defaults();
    assert_eq!((none.reason("f"), none.i64("f", 4), none.version(), none.len()), (Reason::Default, 4, "", 0));
}

/// An answer with `n` flags, larger than the wire allows.
fn many(n: usize) -> Flags {
    let flags: Vec<String> =
        (0..n).map(|i| format!(r#""flag_{i}":{{"variant":"v{i}","value":{i},"reason":"SPLIT"}}"#)).collect();
    let body = format!(r#"{{"version":"v1","flags":{{{}}}}}"#, flags.join(","));
    Flags::decode_within(1 << 20, body.as_bytes(), Source::Session).unwrap()
}

#[test]
fn each_of_two_hundred_is_found_and_none_that_is_absent() {
    for n in [0, 1, 2, 3, 200, 5_000] {
        let flags = many(n);
        assert_eq!(flags.len(), n);
        for i in 0..n {
            assert_eq!(flags.i64(&format!("flag_{i}"), -1), i as i64);
            assert_eq!(flags.i64(&format!("flag_{i}x"), -1), -1);
        }
        assert_eq!(flags.i64("", -1), -1);
        assert_eq!(flags.take_exposures().len(), n);
    }
}

#[test]
fn a_read_is_exposed_once() {
    let flags = many(5);
    assert!(!flags.any_read() && !flags.has_exposures());
    flags.variant("flag_1");
    flags.reason("flag_1");
    assert!(!flags.any_read() && flags.take_exposures().is_empty());
    for _ in 0..3 {
        flags.i64("flag_2", 0);
        flags.clone().with_source(Source::Stale).json("flag_2", "");
    }
    assert!(flags.any_read() && flags.has_exposures());
    assert_eq!(flags.take_exposures(), [("flag_2".to_owned(), "v2".to_owned())]);
    flags.i64("flag_2", 0);
    assert!(!flags.has_exposures() && flags.take_exposures().is_empty());
}

#[test]
fn what_gave_the_default_is_read_but_not_exposed() {
    let flags = decode(
        r#"{"version":"v1","flags":{"bad":1,"s":{"variant":"a","value":"x","reason":"SPLIT"},
        "o":{"variant":"a","value":1,"reason":"OVERRIDE"}}}"#,
    );
    flags.i64("absent", 0);
    assert!(flags.any_read());
    flags.i64("bad", 0);
    flags.i64("s", 0);
    assert_eq!(flags.i64("o", 0), 1);
    assert_eq!(flags.take_exposures(), []);
    flags.string("s", "");
    assert_eq!(flags.take_exposures(), [("s".to_owned(), "a".to_owned())]);
}

#[test]
fn an_unchanged_variant_keeps_its_mark() {
    let body = |version: &str, b: &str| {
        decode(&format!(
            r#"{{"version":"{version}","flags":{{"a":{{"variant":"x","value":1}},"b":{{"variant":"{b}","value":1}},
            "c":{{"variant":"x","value":1}},"d":{{"variant":"x","value":1}}}}}}"#
        ))
    };
    let old = body("v1", "x");
    old.i64("a", 0);
    assert_eq!(old.take_exposures().len(), 1);
    old.i64("b", 0);
    old.i64("c", 0);
    let new = body("v2", "y");
    new.adopt_reads(&old);
    // `c` moved, `b` has another variant now and stays with the old one.
    assert_eq!(old.take_exposures(), [("b".to_owned(), "x".to_owned())]);
    assert_eq!(new.take_exposures(), [("c".to_owned(), "x".to_owned())]);
    for name in ["a", "b", "c", "d"] {
        new.i64(name, 0);
    }
    assert_eq!(new.take_exposures(), [("b".to_owned(), "y".to_owned()), ("d".to_owned(), "x".to_owned())]);
}

#[test]
fn what_counts_as_the_same() {
    let one = r#"{"version":"v1","flags":{"f":{"variant":"a","value":1,"reason":"SPLIT"},"g":0}}"#;
    let same = |other: &str| decode(one).same_as(&decode(other));
    assert!(same(one) && same(&one.replace("SPLIT", "STATIC")));
    assert!(decode(one).with_source(Source::Cached).same_as(&decode(one)));
    for (from, to) in [("v1", "v2"), ("\"a\"", "\"b\""), (":1,", ":2,"), ("\"f\"", "\"e\""), (",\"g\":0", "")]
    {
        assert!(!same(&one.replace(from, to)), "{to}");
    }
    assert!(!decode(one).same_as(&Flags::defaults()));
}

#[test]
fn reads_from_many_threads_are_exposed_once_each() {
    let flags = Arc::new(many(200));
    let taken = std::thread::scope(|scope| {
        for thread in 0..4 {
            let flags = Arc::clone(&flags);
            scope.spawn(move || {
                for i in 0..200 {
                    let name = format!("flag_{}", (i + thread * 50) % 200);
                    assert!(flags.i64(&name, -1) >= 0);
                }
            });
        }
        let mut taken = Vec::new();
        for _ in 0..50 {
            taken.append(&mut flags.take_exposures());
        }
        taken
    });
    let mut all: Vec<_> = taken.into_iter().chain(flags.take_exposures()).collect();
    all.sort();
    let total = all.len();
    all.dedup();
    assert_eq!((all.len(), total), (200, 200));
}
