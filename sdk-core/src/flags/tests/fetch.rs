//! A run's fetches, by the milliseconds of its clock.

use crate::event::Reason;
use crate::flags::fetch::{CachedFlags, FetchResult, FlagFetch};
use crate::flags::{Flags, Source};
use crate::io::{HttpFailure, HttpReply};
use crate::protocol::json::Members;
use crate::protocol::messages::client::Read;

const URL: &str = "https://live.example.com/castline";

fn body(version: &str, value: i64) -> String {
    format!(r#"{{"version":"{version}","flags":{{"f":{{"variant":"a","value":{value},"reason":"SPLIT"}}}}}}"#)
}

fn cached(version: &str) -> CachedFlags {
    CachedFlags {
        player: "p1".to_owned(),
        build: "2.0.0".to_owned(),
        etag: format!("\"{version}-00\""),
        body: body(version, 1),
        attributes: String::new(),
    }
}

fn request(fetch: &mut FlagFetch, t: u64) -> String {
    assert!(fetch.due().is_some_and(|due| due <= t), "nothing is due at {t}: {:?}", fetch.due());
    let request = fetch.request(t, URL, "p1", "2.0.0", None);
    assert_eq!(fetch.due(), None, "one at a time");
    request.url.strip_prefix(URL).unwrap().to_owned()
}

fn reply(fetch: &mut FlagFetch, t: u64, status: u16, headers: &[(&str, &str)], body: &str) -> FetchResult {
    let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    fetch.on_reply(t, Ok(HttpReply { status, headers: &headers, body: body.as_bytes() }))
}

/// A fetch at `t` with this good answer.
fn good(fetch: &mut FlagFetch, t: u64, version: &str) {
    request(fetch, t);
    let result = reply(fetch, t, 200, &[("etag", "\"e\"")], &body(version, 1));
    assert!(matches!(result, FetchResult::New { .. } | FetchResult::Unchanged { .. }), "{result:?}");
}

fn failed(result: FetchResult) -> (Option<Flags>, String) {
    match result {
        FetchResult::Failed { stale, reason } => (stale, reason),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_first_run() {
    let mut fetch = FlagFetch::new();
    assert_eq!(fetch.due(), None);
    fetch.start(5);
    assert_eq!(fetch.due(), Some(5));
    let sent = fetch.request(5, URL, "tg_0:é ü&", "2.0.0+7/x", Some("secret"));
    assert_eq!(
        sent.url,
        "https://live.example.com/castline/flags?player_id=tg_0%3A%C3%A9%20%C3%BC%26&build=2.0.0%2B7%2Fx"
    );
    assert_eq!(sent.headers, [("authorization", "Bearer secret".to_owned())]);
    let result = reply(&mut fetch, 9, 200, &[("etag", "\"v17-5f3a90c1\"")], &body("v17", 3));
    let FetchResult::New { flags } = result else { panic!("{result:?}") };
    assert_eq!((flags.i64("f", 0), flags.source(), flags.reason("f")), (3, Source::Session, Reason::Split));
    let cache = fetch.kept().unwrap();
    assert_eq!(
        (&*cache.etag, &*cache.body, &*cache.player),
        ("\"v17-5f3a90c1\"", &*body("v17", 3), "tg_0:é ü&")
    );
    assert_eq!(fetch.due(), None);
}

#[test]
fn a_later_run_asks_whether_anything_changed() {
    let mut fetch = FlagFetch::new();
    let flags = fetch.restore(cached("v17")).unwrap();
    assert_eq!(flags.reason("f"), Reason::Cached);
    flags.i64("f", 0);
    assert_eq!(flags.take_exposures().len(), 1);
    fetch.start(0);
    let sent = fetch.request(0, URL, "p1", "2.0.0", None);
    assert_eq!(sent.headers, [("if-none-match", "\"v17-00\"".to_owned())]);
    let result = reply(&mut fetch, 1, 304, &[], "");
    let FetchResult::Unchanged { flags } = result else { panic!("{result:?}") };
    assert_eq!((flags.version(), flags.reason("f")), ("v17", Reason::Split));
    // The same marks: a read before the answer is not exposed again after it.
    flags.i64("f", 0);
    assert!(flags.take_exposures().is_empty());
}

#[test]
fn the_same_body_keeps_the_marks_too() {
    let mut fetch = FlagFetch::new();
    let old = fetch.restore(cached("v17")).unwrap();
    old.i64("f", 0);
    assert_eq!(old.take_exposures().len(), 1);
    fetch.start(0);
    request(&mut fetch, 0);
    let result = reply(&mut fetch, 1, 200, &[("etag", "\"v17-00\"")], &body("v17", 1));
    let FetchResult::Unchanged { flags } = result else { panic!("{result:?}") };
    flags.i64("f", 0);
    assert!(flags.take_exposures().is_empty());
}

#[test]
fn nothing_bad_replaces_a_good_cache() {
    let oversized = body("v18", 1).replace(":1,", &format!(":\"{}\",", "x".repeat(2_048)));
    let good_body = body("v18", 2);
    let truncated = &good_body[..good_body.len() - 1];
    let bad: &[(u16, &str)] = &[
        (200, ""),
        (200, "<html>Welcome to the hotel</html>"),
        (200, "{\"error\":\"quota\"}"),
        (200, "not json"),
        (200, truncated),
        (200, &oversized),
        (204, ""),
        (206, &good_body),
        (301, &good_body),
        (302, "<html>"),
        (307, ""),
        (400, &good_body),
        (401, "{}"),
        (403, "{}"),
        (404, "{}"),
        (429, "{}"),
        (500, &good_body),
        (503, ""),
        (0, ""),
    ];
    for (status, body) in bad {
        let mut fetch = FlagFetch::new();
        fetch.restore(cached("v17")).unwrap();
        fetch.start(0);
        request(&mut fetch, 0);
        let (stale, reason) = failed(reply(&mut fetch, 1, *status, &[("etag", "\"x\"")], body));
        let stale = stale.unwrap();
        assert_eq!((stale.reason("f"), stale.i64("f", 0), stale.version()), (Reason::Stale, 1, "v17"));
        assert!(!reason.is_empty() && !reason.contains("\"f\""), "{reason}");
        assert_eq!(fetch.due(), None, "no timer of its own");
        // The next trigger asks on the same terms as before, and a good answer heals it.
        fetch.on_network(2);
        let sent = fetch.request(2, URL, "p1", "2.0.0", None);
        assert_eq!(sent.headers, [("if-none-match", "\"v17-00\"".to_owned())], "{status} {body}");
        let result = reply(&mut fetch, 3, 304, &[], "");
        assert!(matches!(result, FetchResult::Unchanged { flags } if flags.reason("f") == Reason::Split));
    }
    for failure in [HttpFailure::Unreachable, HttpFailure::TimedOut, HttpFailure::TooLarge] {
        let mut fetch = FlagFetch::new();
        fetch.restore(cached("v17")).unwrap();
        fetch.start(0);
        request(&mut fetch, 0);
        let (stale, _) = failed(fetch.on_reply(1, Err(failure)));
        assert_eq!(stale.unwrap().reason("f"), Reason::Stale);
        // Told once.
        fetch.on_network(2);
        request(&mut fetch, 2);
        assert!(failed(fetch.on_reply(3, Err(failure))).0.is_none());
    }
}

#[test]
fn a_sessions_answer_stays_when_a_later_fetch_fails() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    good(&mut fetch, 0, "v1");
    fetch.on_changed(10, "v2", 0);
    request(&mut fetch, 10);
    assert!(failed(fetch.on_reply(11, Err(HttpFailure::TimedOut))).0.is_none());
}

#[test]
fn a_304_that_nobody_asked_for_is_no_answer() {
    let mut fetch = FlagFetch::new();
    let mut other_build = cached("v17");
    other_build.build = "1.9.0".to_owned();
    assert_eq!(
        fetch.restore(other_build).unwrap().reason("f"),
        Reason::Cached,
        "a good answer to the last build"
    );
    fetch.start(0);
    let sent = fetch.request(0, URL, "p1", "2.0.0", None);
    assert!(sent.headers.is_empty(), "but its ETag is not sent");
    let (stale, reason) = failed(reply(&mut fetch, 1, 304, &[], ""));
    assert!(stale.is_some() && reason.contains("304"));
    assert_eq!(failed(reply(&mut fetch, 2, 200, &[], &body("v18", 1))).1, "an answer that nobody waited for");
}

#[test]
fn a_corrupt_cache_is_none() {
    for body in ["", "<html>", "{\"version\":\"v1\"", "{}"] {
        let corrupt = CachedFlags { body: body.to_owned(), ..cached("v1") };
        let mut fetch = FlagFetch::new();
        assert!(fetch.restore(corrupt).is_none());
        fetch.start(0);
        assert!(fetch.request(0, URL, "p1", "2.0.0", None).headers.is_empty());
        assert!(failed(fetch.on_reply(1, Err(HttpFailure::Unreachable))).0.is_none());
    }
    // What cannot be read never gets here; what can, comes back as it was.
    let written = cached("v1").write();
    let mut members = Members::of(&written);
    assert_eq!((CachedFlags::of(&mut members), members.end()), (cached("v1"), Ok(())));
    let mut members = Members::of("{\"player\":\"p1\"}");
    CachedFlags::of(&mut members);
    assert_eq!(members.end(), Err("build"));
}

#[test]
fn a_newer_version_is_fetched_with_min() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    good(&mut fetch, 0, "v17");
    for version in ["v17", "v16", "v9", ""] {
        fetch.on_changed(100, version, 50);
        fetch.on_authenticated(100, version, false);
        assert_eq!(fetch.due(), None, "{version}");
    }
    fetch.on_changed(100, "v18", 4_000);
    assert_eq!(fetch.due(), Some(4_100));
    fetch.on_changed(200, "v19", 9_000);
    assert_eq!(fetch.due(), Some(4_100), "the earlier of the two");
    assert_eq!(request(&mut fetch, 4_100), "/flags?player_id=p1&build=2.0.0&min=v19");
    reply(&mut fetch, 4_101, 200, &[], &body("v19", 1));
    assert_eq!(fetch.due(), None);
    // Versions count as numbers, not as text.
    fetch.on_authenticated(5_000, "v100", false);
    assert_eq!(request(&mut fetch, 5_000), "/flags?player_id=p1&build=2.0.0&min=v100");
}

#[test]
fn what_became_due_meanwhile_is_fetched_unless_the_answer_has_it() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    request(&mut fetch, 0);
    fetch.on_changed(1, "v18", 10);
    assert_eq!(fetch.due(), None, "one at a time");
    reply(&mut fetch, 2, 200, &[], &body("v18", 1));
    assert_eq!(fetch.due(), None);
    fetch.on_foreground(70_000);
    request(&mut fetch, 70_000);
    fetch.on_changed(70_001, "v19", 10);
    reply(&mut fetch, 70_002, 200, &[], &body("v18", 1));
    assert_eq!(fetch.due(), Some(70_011));
}

#[test]
fn a_server_in_trouble_is_not_asked_twice() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    request(&mut fetch, 0);
    fetch.on_authenticated(1, "v1", true);
    fetch.on_changed(2, "v2", 900);
    failed(reply(&mut fetch, 3, 500, &[], "{}"));
    assert_eq!(fetch.due(), None, "asked for at 1, and at 902 with the same fetch");
    fetch.on_changed(4, "v3", 900);
    request(&mut fetch, 904);
    fetch.on_changed(905, "v4", 900);
    failed(reply(&mut fetch, 910, 500, &[], "{}"));
    assert_eq!(fetch.due(), Some(1_805), "the spread still holds");
    // Another network while the fetch hung on the old one is new hope.
    request(&mut fetch, 1_805);
    fetch.on_network(1_900);
    failed(fetch.on_reply(2_000, Err(HttpFailure::TimedOut)));
    assert_eq!(fetch.due(), Some(1_900));
}

#[test]
fn an_older_answer_never_replaces_a_newer_one() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    good(&mut fetch, 0, "v17");
    for t in [100_000, 200_000, 300_000] {
        fetch.on_foreground(t);
        request(&mut fetch, t);
        let (stale, reason) = failed(reply(&mut fetch, t, 200, &[], &body("v16", 9)));
        assert!(stale.is_none());
        assert_eq!(reason, "the answer is version v16, older than v17");
    }
}

#[test]
fn a_configuration_that_was_set_back_is_believed_the_second_time() {
    let mut fetch = FlagFetch::new();
    fetch.restore(cached("v17")).unwrap();
    fetch.start(0);
    assert_eq!(request(&mut fetch, 0), "/flags?player_id=p1&build=2.0.0");
    let (stale, _) = failed(reply(&mut fetch, 1, 200, &[], &body("v5", 9)));
    assert_eq!(stale.unwrap().i64("f", 0), 1);
    fetch.on_authenticated(10, "v5", false);
    // Whoever lags behind reads its configuration again before it answers this.
    assert_eq!(request(&mut fetch, 10), "/flags?player_id=p1&build=2.0.0&min=v17");
    let result = reply(&mut fetch, 11, 200, &[], &body("v5", 9));
    assert!(matches!(result, FetchResult::New { flags, .. } if flags.i64("f", 0) == 9));
}

#[test]
fn it_is_not_believed_when_the_server_itself_spoke_of_the_newer_one() {
    let mut fetch = FlagFetch::new();
    fetch.restore(cached("v17")).unwrap();
    fetch.on_authenticated(0, "v17", false);
    for t in [0, 10, 20] {
        fetch.on_network(t);
        request(&mut fetch, t);
        failed(reply(&mut fetch, t, 200, &[], &body("v16", 9)));
    }
}

#[test]
fn retry_after_is_honoured() {
    let cases = [("7", 7_000), ("0", 0), ("999999999", 3_600_000), ("Wed, 21 Oct 2026 07:28:00 GMT", 60_000)];
    for (header, wait) in cases {
        let mut fetch = FlagFetch::new();
        fetch.start(0);
        request(&mut fetch, 0);
        failed(reply(&mut fetch, 100, 429, &[("retry-after", header)], "{}"));
        assert_eq!(fetch.due(), None);
        fetch.on_authenticated(200, "v1", true);
        assert_eq!(fetch.due(), Some(200.max(100 + wait)), "{header}");
    }
}

#[test]
fn retries_ride_on_triggers_and_traffic() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    let mut t = 0;
    // The back-off of what rides along: 30 s, doubling, at most 10 min.
    for wait in [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000] {
        request(&mut fetch, t);
        failed(fetch.on_reply(t, Err(HttpFailure::Unreachable)));
        fetch.on_awake(t + wait - 1);
        assert_eq!(fetch.due(), None);
        t += wait;
        fetch.on_awake(t);
        assert_eq!(fetch.due(), Some(t));
    }
    // New hope does not wait for it.
    request(&mut fetch, t);
    failed(fetch.on_reply(t, Err(HttpFailure::Unreachable)));
    fetch.on_network(t + 1);
    good(&mut fetch, t + 1, "v1");
    // And with an answer there is nothing to retry.
    fetch.on_awake(t + 1_000_000);
    fetch.on_network(t + 1_000_000);
    fetch.on_authenticated(t + 1_000_000, "v1", false);
    assert_eq!(fetch.due(), None);
}

#[test]
fn the_foreground_fetches_at_most_once_a_minute() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    good(&mut fetch, 0, "v1");
    fetch.on_foreground(59_999);
    assert_eq!(fetch.due(), None);
    fetch.on_foreground(60_000);
    assert_eq!(fetch.due(), Some(60_000));
}

#[test]
fn a_token_makes_the_answer_the_players_own() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    good(&mut fetch, 0, "v1");
    fetch.on_authenticated(10, "v1", true);
    assert_eq!(fetch.due(), Some(10));
    fetch.request(10, URL, "p1", "2.0.0", Some("t"));
    reply(&mut fetch, 11, 200, &[], &body("v1", 1));
    fetch.on_authenticated(20, "v1", true);
    assert_eq!(fetch.due(), None);
}

#[test]
fn attributes_go_into_the_query_in_one_order() {
    let mut fetch = FlagFetch::new();
    fetch.restore(cached("v1")).unwrap();
    fetch.on_attributes(3, r#"{"tier":"gold & more","level":1.50,"vip":true,"none":null,"a b":"\u00e9"}"#);
    assert_eq!(fetch.due(), Some(3));
    let sent = fetch.request(3, URL, "p1", "2.0.0", None);
    assert_eq!(
        sent.url.strip_prefix(URL).unwrap(),
        "/flags?player_id=p1&build=2.0.0&attr.a%20b=%C3%A9&attr.level=1.50&attr.tier=gold%20%26%20more&attr.vip=true"
    );
    assert!(sent.headers.is_empty(), "the cached answer was for other attributes");
    // The same again, in another order, is no change.
    reply(&mut fetch, 4, 200, &[], &body("v1", 1));
    fetch.on_attributes(5, r#"{"a b":"é","vip":true,"level":1.50,"tier":"gold & more"}"#);
    assert_eq!(fetch.due(), None);
}

#[test]
fn an_answer_for_former_attributes_does_not_flicker() {
    let mut fetch = FlagFetch::new();
    fetch.start(0);
    request(&mut fetch, 0);
    fetch.on_attributes(1, r#"{"tier":"gold"}"#);
    assert!(failed(reply(&mut fetch, 2, 200, &[], &body("v1", 9))).0.is_none());
    assert_eq!(fetch.due(), Some(1));
    assert_eq!(request(&mut fetch, 2), "/flags?player_id=p1&build=2.0.0&attr.tier=gold");
}

#[test]
fn another_player_starts_afresh() {
    let mut fetch = FlagFetch::new();
    assert!(!fetch.on_player(0, "p1"));
    fetch.restore(cached("v17")).unwrap();
    fetch.on_attributes(0, r#"{"tier":"gold"}"#);
    request(&mut fetch, 0);
    assert!(!fetch.on_player(1, "p1"));
    assert!(fetch.on_player(2, "p2"));
    assert_eq!(fetch.due(), None, "the former player's fetch is still under way");
    let (stale, reason) = failed(reply(&mut fetch, 3, 200, &[], &body("v17", 9)));
    assert!(stale.is_none() && reason.contains("former"), "{reason}");
    assert_eq!(fetch.due(), Some(2));
    let sent = fetch.request(3, URL, "p2", "2.0.0", None);
    assert!(sent.url.ends_with("/flags?player_id=p2&build=2.0.0"), "{}", sent.url);
    assert!(sent.headers.is_empty());
    // A failure has nothing of the former player to fall back on.
    assert!(failed(fetch.on_reply(4, Err(HttpFailure::Unreachable))).0.is_none());
}

#[test]
fn another_players_cache_is_not_restored() {
    let mut fetch = FlagFetch::new();
    fetch.on_player(0, "p2");
    assert!(fetch.restore(cached("v17")).is_none());
}

#[test]
fn an_etag_that_cannot_be_sent_back_is_not_kept() {
    for etag in ["\"a\r\nx: y\"", "\u{e9}", &"x".repeat(257)] {
        let mut fetch = FlagFetch::new();
        fetch.start(0);
        request(&mut fetch, 0);
        let result = reply(&mut fetch, 1, 200, &[("etag", etag)], &body("v1", 1));
        assert!(matches!(result, FetchResult::New { .. }));
        assert!(fetch.kept().unwrap().etag.is_empty());
    }
}
