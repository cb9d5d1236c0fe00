//! Analytics events: each once, each checked, over the socket and over HTTP.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::FlagDefinition;
use serde_json::{Value, json};
use support::{Client, http, start};
use tempfile::TempDir;

async fn stored(data: &TempDir) -> Vec<(String, String, i64, String, String)> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query_as(
        "SELECT user_id, event_id, happened_at, flags, props FROM analytics_events ORDER BY number",
    )
    .fetch_all(&mut db)
    .await
    .unwrap()
}

fn event(id: &str, name: &str, props: Value) -> Value {
    json!({"eventId": id, "name": name, "timestamp": 1_000, "props": props})
}

#[tokio::test]
async fn an_event_is_taken_once_whatever_the_way() {
    let (server, data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let batch = json!({"flags": {}, "events": [event("1", "level_completed", json!({"n": 3})), event("2", "x", json!({}))]});
    let reply = client.request("analytics", "events", batch.clone()).await;
    assert_eq!(reply["type"], "accepted");
    assert_eq!(reply["payload"], json!({"count": 2, "duplicates": 0, "rejected": []}));
    let reply = client.request("analytics", "events", batch.clone()).await;
    assert_eq!(reply["payload"], json!({"count": 0, "duplicates": 2, "rejected": []}));
    let bearer = format!("Bearer {}", server.token("p1").unwrap());
    let answer =
        http(server.addr(), "POST", "/events", &[("authorization", &bearer)], &batch.to_string()).await;
    assert_eq!(answer.json(), json!({"count": 0, "duplicates": 2, "rejected": []}));
    // Another player's event of the same id is another event; a page that is left has its token in the body.
    let mut beacon = batch.clone();
    beacon["token"] = json!(server.token("p2").unwrap());
    let answer =
        http(server.addr(), "POST", "/events", &[("content-type", "text/plain")], &beacon.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"count": 2, "duplicates": 0, "rejected": []})));
    let rows = stored(&data).await;
    let who: Vec<_> = rows.iter().map(|row| (row.0.as_str(), row.1.as_str())).collect();
    assert_eq!(who, [("p1", "1"), ("p1", "2"), ("p2", "1"), ("p2", "2")]);
    assert_eq!(rows[0].4, r#"{"n":3}"#);
}

#[tokio::test]
async fn the_senders_clock_is_corrected() {
    let (server, data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    // The client's clock is at 10,000 ms after 1970; the event happened 9 s before it was sent.
    let text = json!({"channel": "analytics", "type": "events", "id": "a", "timestamp": 10_000,
        "payload": {"events": [event("1", "x", json!({}))]}});
    client.text(text.to_string()).await;
    let reply = client.next().await;
    let received = reply["timestamp"].as_i64().unwrap();
    let happened = stored(&data).await[0].2;
    assert!((received - 9_000 - happened).abs() < 5_000, "{happened} against {received}");
}

#[tokio::test]
async fn what_will_never_be_taken_is_named_and_the_rest_is_taken() {
    let (server, data) = start();
    server
        .put_flag("price", FlagDefinition::new("control", &[("control", "1"), ("treatment", "2")]).unwrap())
        .unwrap();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let batch = json!({
        "flags": {"price": "treatment", "gone": "a", "other": "b"},
        "events": [
            event("1", "x", json!({})),
            event("2", "$mine", json!({})),
            event("3", "$exposure", json!({"flag": "price", "variant": "invented"})),
            event("4", "$exposure", json!({"flag": "price", "variant": "control"})),
            event("5", "$offer_result", json!({"offerId": "o", "outcome": "eaten"})),
            event("6", "x", json!({"long": "a".repeat(2_048)})),
        ],
    });
    let reply = client.request("analytics", "events", batch).await;
    assert_eq!(reply["payload"], json!({"count": 2, "duplicates": 0, "rejected": ["2", "3", "5", "6"]}));
    assert_eq!(stored(&data).await[0].3, r#"{"price":"treatment"}"#);
}

#[tokio::test]
async fn a_batch_has_bounds_and_a_form() {
    let (server, _data) = start();
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let many: Vec<_> = (0..51).map(|n| event(&n.to_string(), "x", json!({}))).collect();
    for payload in [json!({"events": many}), json!({}), json!({"events": [{"name": "x"}]})] {
        let reply = client.request("analytics", "events", payload).await;
        assert_eq!(reply["payload"]["code"], "INVALID_PAYLOAD");
    }
    let bearer = format!("Bearer {}", server.token("p1").unwrap());
    for (headers, body, status) in [
        (vec![], r#"{"events":[]}"#.to_owned(), 401),
        (vec![("authorization", bearer.as_str())], "{".to_owned(), 400),
        (vec![("authorization", bearer.as_str())], "x".repeat(40_000), 413),
        (vec![("authorization", bearer.as_str())], format!("{}{}", "[".repeat(40), "]".repeat(40)), 400),
    ] {
        let answer = http(server.addr(), "POST", "/events", &headers, &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.json()["code"].is_string());
    }
}
