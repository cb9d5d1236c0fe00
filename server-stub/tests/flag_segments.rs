//! Segments in flag rules: who belongs is decided from memory, what players do shows at once, and no segment goes that a flag asks for.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::time::{SystemTime, UNIX_EPOCH};

use castline_server::{Rate, RunningServer};
use serde_json::{Value, json};
use support::operator::Operator;
use support::{Client, get, http, start_with};
use tempfile::TempDir;

fn server() -> (RunningServer, TempDir) {
    start_with(|s| {
        (s.timers.flags_spread, s.limits.flags, s.limits.events) = (0, Rate::unlimited(), Rate::unlimited())
    })
}

fn price(segment: Value) -> Value {
    json!({
        "variants": {"control": "$4.99", "treatment": "$1.99"},
        "defaultVariant": "control",
        "rules": [{"when": {"segment": segment}, "variant": "treatment"}],
    })
}

async fn got(server: &RunningServer, player: &str, more: &str) -> String {
    let bearer = format!("Bearer {}", server.token(player).unwrap());
    let path = format!("/flags?player_id={player}&build=2{more}");
    let answer = get(server.addr(), &path, &[("authorization", &bearer)]).await;
    answer.json()["flags"]["price"]["variant"].as_str().unwrap().to_owned()
}

async fn fish(server: &RunningServer, player: &str, ids: std::ops::Range<u32>) {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let events: Vec<Value> =
        ids.map(|n| json!({"eventId": format!("e{n}"), "name": "fish", "timestamp": at})).collect();
    let bearer = format!("Bearer {}", server.token(player).unwrap());
    let body = json!({"events": events}).to_string();
    let answer = http(server.addr(), "POST", "/events", &[("authorization", &bearer)], &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_players_do_and_are_decides_at_once() {
    let (server, _data) = server();
    let operator = Operator::of(&server);
    let angler = json!({"when": {"event": {"name": "fish", "withinDays": 7, "atLeast": 3}}});
    operator.done("PUT", "/admin/segments/angler", angler).await;
    operator
        .done(
            "PUT",
            "/admin/segments/rich",
            json!({"when": {"trait": {"name": "spend", "op": ">=", "value": 100}}}),
        )
        .await;
    operator
        .done(
            "PUT",
            "/admin/segments/high",
            json!({"when": {"attribute": {"name": "level", "op": ">", "value": 9}}}),
        )
        .await;
    operator.done("PUT", "/admin/flags/price", price(json!(["angler", "rich", "high"]))).await;

    assert_eq!(got(&server, "ann", "").await, "control");
    fish(&server, "ann", 0..2).await;
    assert_eq!(got(&server, "ann", "").await, "control");
    fish(&server, "ann", 1..3).await;
    assert_eq!(got(&server, "ann", "").await, "treatment", "the third fish, for one of the four was known");
    assert_eq!(got(&server, "bob", "").await, "control");
    operator.done("PUT", "/admin/players/bob/traits", json!({"spend": 100.5})).await;
    assert_eq!(got(&server, "bob", "").await, "treatment");
    operator.done("PUT", "/admin/players/bob/traits", json!({})).await;
    assert_eq!(got(&server, "bob", "").await, "control");
    assert_eq!(
        (got(&server, "bob", "&attr.level=10").await, got(&server, "bob", "&attr.level=9").await),
        ("treatment".into(), "control".into())
    );
    // Without a token nothing is known of a player, whoever he says he is.
    let nobody = get(server.addr(), "/flags?player_id=ann&build=2", &[]).await.json();
    assert_eq!(nobody["flags"]["price"]["variant"], "control");
    // OpenFeature's providers get the same.
    let bearer = format!("Bearer {}", server.token("ann").unwrap());
    let body = json!({"context": {"targetingKey": "ann"}}).to_string();
    let answer =
        http(server.addr(), "POST", "/ofrep/v1/evaluate/flags/price", &[("authorization", &bearer)], &body)
            .await;
    assert_eq!(
        (&answer.json()["variant"], &answer.json()["reason"]),
        (&json!("treatment"), &json!("TARGETING_MATCH"))
    );
}

#[tokio::test]
async fn a_request_for_flags_reads_no_database() {
    let (server, data) = server();
    let operator = Operator::of(&server);
    operator
        .done("PUT", "/admin/segments/angler", json!({"when": {"event": {"name": "fish", "atLeast": 2}}}))
        .await;
    operator.done("PUT", "/admin/flags/price", price(json!(["angler"]))).await;
    fish(&server, "ann", 0..1).await;
    assert_eq!(got(&server, "ann", "").await, "control");
    // Somebody else writes into the table: a request that read it would see that.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    let written = sqlx::query("UPDATE player_event_days SET count = 99").execute(&mut other).await.unwrap();
    assert_eq!(written.rows_affected(), 2, "today and all time");
    for _ in 0..20 {
        assert_eq!(got(&server, "ann", "").await, "control");
    }
    // The next event brings the new count with it, by its own transaction.
    fish(&server, "ann", 1..2).await;
    assert_eq!(got(&server, "ann", "").await, "treatment");
}

#[tokio::test]
async fn a_segment_that_changes_is_a_new_version_for_whom_it_concerns() {
    let (server, _data) = server();
    let operator = Operator::of(&server);
    let from = |level: u32| json!({"when": {"attribute": {"name": "level", "op": ">=", "value": level}}});
    operator.done("PUT", "/admin/segments/high", from(10)).await;
    operator.done("PUT", "/admin/segments/other", from(10)).await;
    let saved = operator.done("PUT", "/admin/flags/price", price(json!({"notIn": ["high"]}))).await;
    assert_eq!(saved["version"], "v2");
    let (mut socket, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(got(&server, "p1", "&attr.level=7").await, "treatment");
    operator.done("PUT", "/admin/segments/high", from(5)).await;
    let told = socket.next().await;
    assert_eq!((&told["type"], &told["payload"]["version"]), (&json!("flags_changed"), &json!("v3")));
    assert_eq!(got(&server, "p1", "&attr.level=7").await, "control");
    operator.done("PUT", "/admin/segments/other", from(5)).await;
    socket.nothing_more().await;
    assert_eq!(
        operator.done("GET", "/admin/flags", Value::Null).await["version"],
        "v3",
        "nobody asks for the other one"
    );
}

#[tokio::test]
async fn what_a_flag_asks_for_is_there_and_stays() {
    let (server, _data) = server();
    let operator = Operator::of(&server);
    let refused = async |method: &str, path: &str, body: Value, field: &str, said: &str| {
        let answer = operator.ask(method, path, &body.to_string()).await;
        let json = answer.json();
        assert_eq!((answer.status, &json["field"]), (400, &json!(field)), "{answer:?}");
        assert!(json["detail"].as_str().unwrap().contains(said), "{answer:?}");
    };
    let at = "rules[0].when[\"segment\"]";
    refused("PUT", "/admin/flags/price", price(json!(["high"])), at, "there is no segment \"high\"").await;
    operator
        .done(
            "PUT",
            "/admin/segments/high",
            json!({"when": {"attribute": {"name": "level", "op": ">=", "value": 10}}}),
        )
        .await;
    for (test, field) in [
        (json!({"<": "high"}), "rules[0].when[\"segment\"][\"<\"]"),
        (json!(["high", ""]), "rules[0].when[\"segment\"][\"in\"]"),
        (json!([7]), "rules[0].when[\"segment\"][\"in\"]"),
        (json!("high"), "rules[0].when.segment"),
    ] {
        refused("PUT", "/admin/flags/price", price(test), field, "").await;
    }
    operator.done("PUT", "/admin/flags/price", price(json!(["high"]))).await;
    operator.done("PUT", "/admin/flags/other", price(json!({"!=": "high"}))).await;
    refused("DELETE", "/admin/segments/high", Value::Null, "name", "\"other\", \"price\"").await;
    operator.done("DELETE", "/admin/flags/other", Value::Null).await;
    refused("DELETE", "/admin/segments/high", Value::Null, "name", "the flags \"price\"; change those first")
        .await;
    // Campaigns ask too, those that are switched off included.
    let campaign =
        |segments: &str| json!({"title": "t", "expiresInSeconds": 60, "enabled": false, segments: ["high"]});
    operator.done("PUT", "/admin/campaigns/rich", campaign("segments")).await;
    operator.done("PUT", "/admin/campaigns/poor", campaign("notSegments")).await;
    let both = "\"high\" is asked for by the flags \"price\" and the campaigns ";
    refused("DELETE", "/admin/segments/high", Value::Null, "name", both).await;
    operator.done("DELETE", "/admin/campaigns/poor", Value::Null).await;
    // Once nobody asks for it, it may go; and then no flag can go back to when it did.
    let mut plain = price(json!(["high"]));
    plain["rules"] = json!([]);
    let with = operator.done("GET", "/admin/flags", Value::Null).await["version"].clone();
    operator.done("PUT", "/admin/flags/price", plain).await;
    refused("DELETE", "/admin/segments/high", Value::Null, "name", "by the campaigns \"rich\"; change those")
        .await;
    operator.done("DELETE", "/admin/campaigns/rich", Value::Null).await;
    operator.done("DELETE", "/admin/segments/high", Value::Null).await;
    refused("POST", "/admin/flags/price/rollback", json!({"to": with}), at, "there is no segment \"high\"")
        .await;
    operator
        .done(
            "PUT",
            "/admin/segments/high",
            json!({"when": {"attribute": {"name": "level", "op": ">=", "value": 20}}}),
        )
        .await;
    operator.done("POST", "/admin/flags/price/rollback", json!({"to": with})).await;
    assert_eq!(got(&server, "p1", "&attr.level=20").await, "treatment");
    let history = operator.done("GET", "/admin/flags/price/history", Value::Null).await;
    assert_eq!(
        history["changes"][0]["after"]["rules"],
        json!([{"when": {"segment": ["high"]}, "variant": "treatment"}])
    );
}
