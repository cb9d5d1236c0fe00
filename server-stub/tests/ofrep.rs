//! The OpenFeature Remote Evaluation Protocol over plain HTTP: the forms of its answers, the ETag, its error codes, the token's rule.
//! What OpenFeature's own providers make of it is in `ofrep_providers.rs`.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::net::SocketAddr;

use castline_server::{FlagDefinition, Rate};
use serde_json::{Value, json};
use support::{Answer, get, http, start, start_with};

const ALL: &str = "/ofrep/v1/evaluate/flags";

async fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut all = vec![("content-type", "application/json; charset=utf-8")];
    all.extend(headers);
    http(address, "POST", path, &all, body).await
}

fn context(player: &str) -> String {
    json!({"context": {"targetingKey": player, "build": "2.0.0", "tier": "gold", "level": 12}}).to_string()
}

fn price() -> FlagDefinition {
    let mut flag =
        FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap();
    flag.rules = serde_json::from_value(json!([
        {"when": {"attr.tier": ["gold"], "attr.level": {">=": 10}, "build": {"range": ">=2"}}, "variant": "treatment"}
    ]))
    .unwrap();
    flag
}

#[tokio::test]
async fn the_same_answers_as_flags_in_openfeatures_form() {
    let (server, _data) = start();
    server.put_flag("price", price()).unwrap();
    server.put_flag("boat", FlagDefinition::new("a", &[("a", r#"{"speed":2}"#)]).unwrap()).unwrap();
    let answer = post(server.addr(), ALL, &[], &context("p1")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let metadata = json!({"version": "v3"});
    let boat = json!({"key": "boat", "value": {"speed": 2}, "reason": "DEFAULT", "variant": "a", "metadata": metadata});
    let price = json!({"key": "price", "value": "$1.99", "reason": "TARGETING_MATCH", "variant": "treatment", "metadata": metadata});
    assert_eq!(answer.json(), json!({"flags": [boat, price], "metadata": metadata}));
    let plain =
        get(server.addr(), "/flags?player_id=p1&build=2.0.0&attr.tier=gold&attr.level=12", &[]).await.json();
    assert_eq!(
        plain["flags"]["price"],
        json!({"variant": "treatment", "value": "$1.99", "reason": "TARGETING_MATCH"})
    );
    let one = post(server.addr(), &format!("{ALL}/price"), &[], &context("p1")).await;
    assert_eq!((one.status, one.json()), (200, price));
}

#[tokio::test]
async fn an_unchanged_answer_is_304() {
    let (server, _data) = start();
    server.put_flag("price", price()).unwrap();
    let first = post(server.addr(), ALL, &[], &context("p1")).await;
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.starts_with("\"v2-"), "{etag}");
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let again = post(server.addr(), ALL, &[("if-none-match", &etag)], &context("p1")).await;
    assert_eq!((again.status, again.body.as_str(), again.header("etag")), (304, "", Some(etag.as_str())));
    server.put_flag("other", price()).unwrap();
    let changed = post(server.addr(), ALL, &[("if-none-match", &etag)], &context("p1")).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), Some(etag.as_str()));
}

#[tokio::test]
async fn a_token_admits_its_own_player_and_shows_him_more() {
    let (server, _data) = start();
    let mut private = price();
    private.private = true;
    server.put_flag("secret", private).unwrap();
    let bearer = format!("Bearer {}", server.token("p1").unwrap());
    let ask = async |headers: &[(&str, &str)], player: &str| {
        post(server.addr(), &format!("{ALL}/secret"), headers, &context(player)).await
    };
    assert_eq!(ask(&[("authorization", &bearer)], "p1").await.json()["variant"], "treatment");
    let unknown = ask(&[], "p1").await;
    assert_eq!(
        (unknown.status, &unknown.json()["key"], &unknown.json()["errorCode"]),
        (404, &json!("secret"), &json!("FLAG_NOT_FOUND"))
    );
    let other = ask(&[("authorization", &bearer)], "p2").await;
    assert_eq!((other.status, &other.json()["code"]), (403, &json!("FORBIDDEN")));
    let bad = ask(&[("authorization", "Bearer x")], "p1").await;
    assert_eq!((bad.status, &bad.json()["code"]), (401, &json!("INVALID_TOKEN")));
}

#[tokio::test]
async fn too_many_requests_are_told_when_to_come_back() {
    let (server, _data) = start_with(|s| s.limits.flags = Rate::per_minute(2.0));
    for status in [200, 200, 429] {
        let answer = post(server.addr(), ALL, &[], &context("p1")).await;
        assert_eq!(answer.status, status);
        if status == 429 {
            let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=60).contains(&seconds), "{seconds}");
        }
    }
    assert_eq!(post(server.addr(), ALL, &[], &context("p2")).await.status, 200);
}

#[tokio::test]
async fn bad_requests_have_their_code_and_name_the_member() {
    let (server, _data) = start_with(|s| s.limits.flags = Rate::unlimited());
    server.put_flag("price", price()).unwrap();
    let nine: serde_json::Map<String, Value> = (0..9).map(|n| (format!("a{n}"), json!(n))).collect();
    let mut nine = json!(nine);
    nine["targetingKey"] = json!("p1");
    let deep =
        format!("{{\"context\":{{\"targetingKey\":\"p1\",\"a\":{}1{}}}}}", "[".repeat(40), "]".repeat(40));
    let long = "x".repeat(1_025);
    for (body, code, said) in [
        (String::new(), "PARSE_ERROR", "body: empty"),
        ("{".to_owned(), "PARSE_ERROR", "body: "),
        ("[]".to_owned(), "PARSE_ERROR", "body: "),
        ("\"рыба\"".to_owned(), "PARSE_ERROR", "body: "),
        (deep, "PARSE_ERROR", "deeper than 32"),
        (
            r#"{"context":{"targetingKey":"p1","targetingKey":"p2"}}"#.to_owned(),
            "PARSE_ERROR",
            "context.targetingKey: given twice",
        ),
        ("{}".to_owned(), "INVALID_CONTEXT", "context: missing"),
        (r#"{"context":null}"#.to_owned(), "INVALID_CONTEXT", "context: it must be an object"),
        (r#"{"context":[]}"#.to_owned(), "INVALID_CONTEXT", "context: it must be an object"),
        (r#"{"context":{}}"#.to_owned(), "TARGETING_KEY_MISSING", "context.targetingKey: missing"),
        (r#"{"context":{"targetingKey":""}}"#.to_owned(), "TARGETING_KEY_MISSING", "context.targetingKey"),
        (r#"{"context":{"targetingKey":null}}"#.to_owned(), "TARGETING_KEY_MISSING", "context.targetingKey"),
        (
            r#"{"context":{"targetingKey":7}}"#.to_owned(),
            "INVALID_CONTEXT",
            "context.targetingKey: a number is no text",
        ),
        (
            r#"{"context":{"targetingKey":"a b"}}"#.to_owned(),
            "INVALID_CONTEXT",
            "context.targetingKey: 3 bytes",
        ),
        (
            r#"{"context":{"targetingKey":"p\u0000"}}"#.to_owned(),
            "INVALID_CONTEXT",
            "context.targetingKey: 2 bytes",
        ),
        (
            r#"{"context":{"targetingKey":"'; DROP TABLE feature_flags"}}"#.to_owned(),
            "INVALID_CONTEXT",
            "context.targetingKey",
        ),
        (
            json!({"context": {"targetingKey": "x".repeat(65)}}).to_string(),
            "INVALID_CONTEXT",
            "context.targetingKey: 65 bytes",
        ),
        (
            r#"{"context":{"targetingKey":"p1","build":2}}"#.to_owned(),
            "INVALID_CONTEXT",
            "context.build: a number is no text",
        ),
        (
            json!({"context": {"targetingKey": "p1", "build": long}}).to_string(),
            "INVALID_CONTEXT",
            "context.build: 1025 bytes",
        ),
        (
            json!({"context": {"targetingKey": "p1", "a": long}}).to_string(),
            "INVALID_CONTEXT",
            "context.a: 1025 bytes",
        ),
        (
            json!({"context": {"targetingKey": "p1", "": 1}}).to_string(),
            "INVALID_CONTEXT",
            "context.: the name has 0 bytes",
        ),
        (json!({"context": nine}).to_string(), "INVALID_CONTEXT", "context.a8: attribute 9; the limit is 8"),
    ] {
        for path in [ALL.to_owned(), format!("{ALL}/price")] {
            let answer = post(server.addr(), &path, &[], &body).await;
            assert_eq!(
                (answer.status, &answer.json()["errorCode"]),
                (400, &json!(code)),
                "{body}: {answer:?}"
            );
            assert!(answer.json()["errorDetails"].as_str().unwrap().contains(said), "{body}: {answer:?}");
            assert_eq!(answer.json()["key"], if path == ALL { Value::Null } else { json!("price") });
        }
    }
    for (path, status) in
        [("none", 404), ("%00", 404), ("%F0%9F%90%9F", 404), ("%FF", 400), (&"x".repeat(2_000), 404)]
    {
        let answer = post(server.addr(), &format!("{ALL}/{path}"), &[], &context("p1")).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["errorCode"].is_string());
    }
    let plain = http(server.addr(), "POST", ALL, &[("content-type", "text/plain")], &context("p1")).await;
    assert_eq!((plain.status, plain.header("content-type")), (415, Some("application/problem+json")));
    let huge = json!({"context": {"targetingKey": "p1", "a": "x".repeat(40_000)}}).to_string();
    assert_eq!(post(server.addr(), ALL, &[], &huge).await.status, 413);
    assert_eq!(get(server.addr(), ALL, &[]).await.status, 405);
    // What cannot be targeted is passed over: a context may hold more than flags are interested in.
    let rich =
        json!({"context": {"targetingKey": "p1", "a": null, "b": [1], "c": {"d": 1}, "e": true}}).to_string();
    assert_eq!(post(server.addr(), ALL, &[], &rich).await.status, 200);
}
