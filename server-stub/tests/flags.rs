//! `GET /flags`: the answer, its ETag, who sees what, and what an operator's change does.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;

use castline::flags::bucketing::{choose, enrolled};
use castline_server::{FlagDefinition, Rate};
use serde_json::{Value, json};
use support::{Client, get, http, start, start_with};

fn price() -> FlagDefinition {
    FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap()
}

async fn flag(server: &castline_server::RunningServer, query: &str, name: &str) -> Value {
    let answer = get(server.addr(), &format!("/flags?{query}"), &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["flags"][name].clone()
}

#[tokio::test]
async fn players_get_the_variants_that_the_bucketing_says() {
    let (server, _data) = start();
    let mut definition = price();
    definition.rollout_bp = 5_000;
    definition.weights = Some(BTreeMap::from([("control".into(), 3_000), ("treatment".into(), 7_000)]));
    server.put_flag("starter_pack_price", definition).unwrap();
    for n in 0..200 {
        let player = format!("player-{n}");
        let expected = if enrolled("starter_pack_price", &player, 5_000) {
            let weights = [("control", 3_000), ("treatment", 7_000)];
            (choose("starter_pack_price", &player, &weights).unwrap(), "SPLIT")
        } else {
            ("control", "DEFAULT")
        };
        let value = if expected.0 == "control" { "$4.99" } else { "$1.99" };
        let got = flag(&server, &format!("player_id={player}&build=2.0.0"), "starter_pack_price").await;
        assert_eq!(got, json!({"variant": expected.0, "value": value, "reason": expected.1}), "{player}");
    }
}

#[tokio::test]
async fn an_unchanged_answer_is_304_and_a_change_shows_at_once() {
    let (server, _data) = start();
    server.put_flag("price", price()).unwrap();
    let path = "/flags?player_id=p1&build=2.0.0";
    let first = get(server.addr(), path, &[]).await;
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.starts_with("\"v2-"), "{etag}");
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    assert!(first.headers.iter().any(|(n, v)| n == "vary" && v == "Authorization"));
    assert_eq!(first.json()["version"], "v2");
    for tags in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let again = get(server.addr(), path, &[("if-none-match", &tags)]).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{tags}");
        assert_eq!(again.header("etag"), Some(etag.as_str()));
    }
    let mut changed = price();
    changed.rollout_bp = 10_000;
    assert_eq!(server.put_flag("price", changed).unwrap(), "v3");
    let second = get(server.addr(), &format!("{path}&min=v3"), &[("if-none-match", &etag)]).await;
    assert_eq!(second.status, 200);
    assert_eq!(second.json()["flags"]["price"]["variant"], "treatment");
    assert_ne!(second.header("etag"), Some(etag.as_str()));
}

#[tokio::test]
async fn sockets_are_told_of_a_change() {
    let (server, _data) = start_with(|s| s.timers.flags_spread = 1_234);
    let (mut client, session) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(session["flagsVersion"], "v1");
    let mut stranger = Client::open(server.addr()).await;
    server.put_flag("price", price()).unwrap();
    let message = client.next().await;
    assert_eq!(message["type"], "flags_changed");
    assert_eq!(message["payload"], json!({"version": "v2", "spreadMs": 1_234}));
    let reply = stranger.authenticate(&server.token("p2").unwrap(), "d1", None).await;
    assert_eq!((&reply["type"], &reply["payload"]["flagsVersion"]), (&json!("authenticated"), &json!("v2")));
}

#[tokio::test]
async fn min_reloads_what_another_process_changed() {
    let (server, data) = start();
    server.put_flag("price", price()).unwrap();
    let path = data.path().join("castline.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    for sql in ["UPDATE feature_flags SET rollout_bp = 10000", "UPDATE configuration SET version = 7"] {
        sqlx::query(sql).execute(&mut other).await.unwrap();
    }
    assert_eq!(flag(&server, "player_id=p1&build=2", "price").await["variant"], "control");
    assert_eq!(flag(&server, "player_id=p1&build=2&min=v7", "price").await["variant"], "treatment");
    // A version that nobody has yet is answered with the newest there is.
    assert_eq!(flag(&server, "player_id=p1&build=2&min=v99", "price").await["variant"], "treatment");
}

#[tokio::test]
async fn one_malformed_flag_spoils_that_flag_alone() {
    let (server, data) = start();
    server.put_flag("good", price()).unwrap();
    server.put_flag("bad", price()).unwrap();
    server.kill();
    let path = data.path().join("castline.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE feature_flags SET variants = '{{' WHERE flag_name = 'bad'")
        .execute(&mut other)
        .await
        .unwrap();
    sqlx::Connection::close(other).await.unwrap();
    let server = castline_server::Server::start(support::settings(&data)).unwrap();
    let answer = get(server.addr(), "/flags?player_id=p1&build=2", &[]).await.json();
    assert_eq!(answer["flags"].as_object().unwrap().keys().collect::<Vec<_>>(), ["good"]);
}

#[tokio::test]
async fn a_flag_that_would_break_the_budget_is_refused_with_the_sizes() {
    let (server, _data) = start();
    let wide = |n: usize| FlagDefinition::new("a", &[("a", &format!("\"{}\"", "x".repeat(n)))]).unwrap();
    server.put_flag("first", wide(1_400)).unwrap();
    let error = server.put_flag("second", wide(700)).unwrap_err().to_string();
    assert!(error.contains("2048") && error.contains("7"), "{error}");
    assert_eq!(server.put_flag("second", wide(300)).unwrap(), "v3");
    let answer = get(server.addr(), "/flags?player_id=p1&build=2", &[]).await;
    assert!(answer.body.len() <= 2_048);
}

#[tokio::test]
async fn rules_builds_attributes_and_private_flags() {
    let (server, _data) = start();
    let mut definition = price();
    definition.rules =
        serde_json::from_str(r#"[{"when":{"attr.tier":["gold"]},"variant":"treatment"}]"#).unwrap();
    server.put_flag("price", definition).unwrap();
    let mut private = price();
    private.private = true;
    server.put_flag("secret", private).unwrap();
    let mut old = price();
    old.build = Some("1.0".into());
    old.enabled = false;
    server.put_flag("old", old).unwrap();

    let got = flag(&server, "player_id=p1&build=2.0&attr.tier=gold", "price").await;
    assert_eq!((&got["variant"], &got["reason"]), (&json!("treatment"), &json!("TARGETING_MATCH")));
    assert_eq!(flag(&server, "player_id=p1&build=2.0", "secret").await, Value::Null);
    assert_eq!(flag(&server, "player_id=p1&build=2.0", "old").await, Value::Null);
    assert_eq!(flag(&server, "player_id=p1&build=1.0", "old").await["reason"], "DISABLED");

    let bearer = format!("Bearer {}", server.token("p1").unwrap());
    let proven = get(server.addr(), "/flags?player_id=p1&build=2", &[("authorization", &bearer)]).await;
    assert_eq!(proven.json()["flags"]["secret"]["variant"], "control");
    let other = get(server.addr(), "/flags?player_id=p2&build=2", &[("authorization", &bearer)]).await;
    assert_eq!((other.status, &other.json()["code"]), (403, &json!("FORBIDDEN")));
    let bad = get(server.addr(), "/flags?player_id=p1&build=2", &[("authorization", "Bearer x")]).await;
    assert_eq!((bad.status, &bad.json()["code"]), (401, &json!("INVALID_TOKEN")));
}

#[tokio::test]
async fn bad_queries_are_400_with_a_problem() {
    let (server, _data) = start();
    let nine: String = (0..9).map(|n| format!("&attr.a{n}=1")).collect();
    for query in [
        "build=2",
        "player_id=&build=2",
        "player_id=a%20b&build=2",
        "player_id=p1&player_id=p2",
        "player_id=p1&min=18",
        &format!("player_id=p1{nine}"),
        "player_id=p1&attr.=1",
    ] {
        let answer = get(server.addr(), &format!("/flags?{query}"), &[]).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("INVALID_PAYLOAD")), "{query}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    let eight: String = (0..8).map(|n| format!("&attr.a{n}=1")).collect();
    assert_eq!(get(server.addr(), &format!("/flags?player_id=p1{eight}"), &[]).await.status, 200);
}

#[tokio::test]
async fn who_only_claims_to_be_a_player_cannot_use_up_his_share() {
    let (server, _data) = start_with(|s| s.limits.flags = Rate::per_minute(2.0));
    for status in [200, 200, 429] {
        assert_eq!(get(server.addr(), "/flags?player_id=p1&build=2", &[]).await.status, status);
    }
    let bearer = format!("Bearer {}", server.token("p1").unwrap());
    let proven = get(server.addr(), "/flags?player_id=p1&build=2", &[("authorization", &bearer)]).await;
    assert_eq!(proven.status, 200);
}

#[tokio::test]
async fn operators_change_flags_and_offers_with_their_key() {
    let (server, data) = start();
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    assert!(key.len() >= 32);
    let bearer = format!("Bearer {key}");
    let admin = async |path: &str, headers: &[(&str, &str)], body: &str| {
        http(server.admin_addr(), "PUT", path, headers, body).await
    };
    let body = r#"{"variants":{"off":false,"on":{"speed":2}},"defaultVariant":"off","rolloutBp":10000}"#;
    let saved = admin("/admin/flags/turbo", &[("authorization", &bearer)], body).await;
    assert_eq!((saved.status, saved.json()), (200, json!({"version": "v2"})));
    assert_eq!(flag(&server, "player_id=p1&build=2", "turbo").await["value"], json!({"speed": 2}));
    let offer = r#"{"title":"Pack","discount":50,"expiresInSeconds":60,"placements":["x"]}"#;
    assert_eq!(admin("/admin/offers/pack", &[("authorization", &bearer)], offer).await.status, 200);
    // Clear about what is wrong.
    let bad =
        admin("/admin/flags/turbo", &[("authorization", &bearer)], r#"{"variants":{},"defaultVariant":"a"}"#)
            .await;
    assert_eq!(bad.status, 400);
    assert!(bad.json()["detail"].as_str().unwrap().contains("\"a\""));
    // Nobody else, and not on the players' address.
    assert_eq!(admin("/admin/flags/turbo", &[], body).await.status, 401);
    assert_eq!(
        http(server.addr(), "PUT", "/admin/flags/turbo", &[("authorization", &bearer)], body).await.status,
        404
    );
    // Ten wrong keys lock the address, the right key included.
    for _ in 0..10 {
        assert_eq!(admin("/admin/flags/turbo", &[("authorization", "Bearer wrong")], body).await.status, 401);
    }
    assert_eq!(admin("/admin/flags/turbo", &[("authorization", &bearer)], body).await.status, 429);
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    let audit: Vec<(String, String)> =
        sqlx::query_as("SELECT action, subject FROM audit ORDER BY number").fetch_all(&mut db).await.unwrap();
    assert_eq!(audit, [("put flag".into(), "turbo".into()), ("put offer".into(), "pack".into())]);
}
