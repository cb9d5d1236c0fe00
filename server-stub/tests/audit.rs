//! The audit table: each change by its author, with what was and what is; bounded, paged, never a secret.
#![allow(clippy::unwrap_used)]

use crate::support;

use serde_json::{Value, json};
use support::operator::Operator;
use support::{http, rows, start, start_with};

fn price() -> Value {
    json!({"variants": {"control": 5, "sale": 3}, "defaultVariant": "control", "rolloutBp": 5_000})
}

fn line(who: &str, action: &str, subject: &str) -> (String, String, String) {
    (who.to_owned(), action.to_owned(), subject.to_owned())
}

#[tokio::test]
async fn each_change_has_a_line_with_its_author_and_what_was_before() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    operator.done("PUT", "/admin/flags/price", price()).await;
    operator.ask_as("bob", "PUT", "/admin/flags/price", &price().to_string()).await;
    operator.done("PUT", "/admin/segments/vip", json!({"when": {"event": {"name": "bought"}}})).await;
    operator.done("PUT", "/admin/campaigns/starter", json!({"title": "S", "expiresInSeconds": 60})).await;
    operator.done("POST", "/admin/campaigns/starter/disable", Value::Null).await;
    operator.done("PUT", "/admin/players/p1/traits", json!({"level": 3})).await;
    operator.done("PUT", "/admin/players/p1/traits", json!({"level": 4})).await;
    let purchase = json!({"flag": "price", "metric": {"kind": "conversion", "event": "purchase"}});
    operator.done("PUT", "/admin/experiments/cheaper", purchase).await;
    operator.done("POST", "/admin/experiments/cheaper/promote", json!({"variant": "sale"})).await;
    operator.done("DELETE", "/admin/campaigns/starter", Value::Null).await;
    operator.done("DELETE", "/admin/segments/vip", Value::Null).await;
    operator.done("DELETE", "/admin/flags/price", Value::Null).await;
    // Nothing was changed by what is refused.
    assert_eq!(operator.ask("DELETE", "/admin/flags/price", "").await.status, 404);
    assert_eq!(operator.ask("PUT", "/admin/flags/price", "{}").await.status, 400);
    let expected = [
        line("ann", "delete flag", "price"),
        line("ann", "delete segment", "vip"),
        line("ann", "delete campaign", "starter"),
        line("ann", "promote experiment", "cheaper"),
        line("ann, experiment cheaper", "promote", "price"),
        line("ann", "put experiment", "cheaper"),
        line("ann", "put traits", "p1"),
        line("ann", "put traits", "p1"),
        line("ann", "disable campaign", "starter"),
        line("ann", "put campaign", "starter"),
        line("ann", "put segment", "vip"),
        line("bob", "put flag", "price"),
        line("ann", "put flag", "price"),
    ];
    assert_eq!(operator.audit("").await, expected);

    let traits = operator.done("GET", "/admin/audit?subject=p1", Value::Null).await;
    assert_eq!(
        [&traits["lines"][0]["before"], &traits["lines"][0]["after"], &traits["lines"][1]["before"]],
        [&json!({"level": "3"}), &json!({"level": "4"}), &json!({})]
    );
    let flags = operator.done("GET", "/admin/audit?subject=price&action=put%20flag", Value::Null).await;
    assert_eq!(flags["lines"][1]["before"], Value::Null);
    assert_eq!(flags["lines"][0]["before"], flags["lines"][1]["after"]);
    assert_eq!(flags["lines"][0]["after"]["rolloutBp"], 5_000);
    assert_eq!(flags["lines"][0]["address"], "127.0.0.1");
    let gone = operator.done("GET", "/admin/audit?action=delete%20campaign", Value::Null).await;
    assert_eq!(
        (&gone["lines"][0]["before"]["title"], &gone["lines"][0]["after"]),
        (&json!("S"), &Value::Null)
    );
}

#[tokio::test]
async fn the_table_is_read_in_pages_and_bad_questions_are_refused_by_name() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    for level in 0..7 {
        operator.done("PUT", &format!("/admin/players/p{level}/traits"), json!({"level": level})).await;
    }
    let (mut seen, mut query) = (Vec::new(), "limit=3".to_owned());
    loop {
        let page = operator.done("GET", &format!("/admin/audit?{query}"), Value::Null).await;
        let lines = page["lines"].as_array().unwrap().clone();
        seen.extend(lines.iter().map(|l| l["subject"].as_str().unwrap().to_owned()));
        if page["more"] == false {
            break;
        }
        query = format!("limit=3&before={}", lines.last().unwrap()["number"]);
    }
    assert_eq!(seen, ["p6", "p5", "p4", "p3", "p2", "p1", "p0"]);
    let long = "x".repeat(129);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=1&limit=1", "limit"),
        ("before=0", "before"),
        ("before=99999999999999999999", "before"),
        ("who=", "who"),
        (&format!("subject={long}"), "subject"),
        ("a=1", "a"),
    ] {
        let answer = operator.ask("GET", &format!("/admin/audit?{query}"), "").await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{query}");
    }
    let sql = operator.audit("subject='%20OR%201=1%20--").await;
    assert!(sql.is_empty());
    let stranger = http(server.admin_addr(), "GET", "/admin/audit", &[], "").await;
    assert_eq!(stranger.status, 401);
}

#[tokio::test]
async fn lines_are_bounded_in_size_and_in_age() {
    let (server, data) = start_with(|s| (s.timers.sweep, s.timers.audit_keep) = (10, 10));
    let operator = Operator::of(&server);
    let players: Vec<String> = (0..300).map(|n| format!("a-player-of-a-rather-long-name-{n}")).collect();
    let campaign = json!({"title": "S", "expiresInSeconds": 60, "players": players});
    operator.done("PUT", "/admin/campaigns/starter", campaign).await;
    // It is gone by the next sweep; each question waits for the one before.
    let begun = std::time::Instant::now();
    while !rows(&data, "SELECT action FROM audit").await.is_empty() {
        assert!(begun.elapsed() < support::PATIENCE, "it was never swept");
    }

    let (server, _data) = support::start();
    let operator = Operator::of(&server);
    let campaign = json!({"title": "S", "expiresInSeconds": 60, "players": players});
    operator.done("PUT", "/admin/campaigns/starter", campaign).await;
    let page = operator.done("GET", "/admin/audit", Value::Null).await;
    assert!(page["lines"][0]["after"]["tooLong"]["bytes"].as_u64().unwrap() > 8_192, "{page}");
}
