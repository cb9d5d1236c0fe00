//! `GET /flags`: the answer, its ETag, who sees what, and what an operator's change does.
#![allow(clippy::unwrap_used)]

use crate::support;

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
    let long = "x".repeat(1_025);
    for (query, field) in [
        ("build=2", "player_id"),
        ("", "player_id"),
        ("player_id=&build=2", "player_id"),
        ("player_id=a%20b&build=2", "player_id"),
        ("player_id=%00", "player_id"),
        ("player_id=%F0%9F%90%9F", "player_id"),
        ("player_id=p1'--", "player_id"),
        (&format!("player_id={}", "x".repeat(65)), "player_id"),
        ("player_id=p1&player_id=p2", "player_id"),
        ("player_id=p1&build=1&build=2", "build"),
        (&format!("player_id=p1&build={long}"), "build"),
        ("player_id=p1&min=18", "min"),
        ("player_id=p1&min=v99999999999999999999", "min"),
        (&format!("player_id=p1{nine}"), "attr.a8"),
        ("player_id=p1&attr.=1", "attr."),
        ("player_id=p1&attr.a%00=1", "attr.a\0"),
        ("player_id=p1&attr.a=1&attr.a=1", "attr.a"),
        (&format!("player_id=p1&attr.a={long}"), "attr.a"),
    ] {
        let answer = get(server.addr(), &format!("/flags?{query}"), &[]).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("INVALID_PAYLOAD")), "{query}");
        assert_eq!(answer.json()["field"], field, "{query}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    // What is no UTF-8 is read as well as it can be, and is no player either.
    assert_eq!(get(server.addr(), "/flags?player_id=%FF", &[]).await.status, 400);
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
    // Ten, as by default, without the refill: how long ten requests take is the machine's affair.
    let (server, data) = start_with(|s| s.limits.wrong_keys = Rate::per_second(0.001, 10.0));
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
    assert_eq!(
        (&bad.json()["field"], &bad.json()["detail"]),
        (&json!("variants"), &json!("variants: empty; a flag has at least one"))
    );
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
    assert_eq!(audit, [("put flag".into(), "turbo".into()), ("put campaign".into(), "pack".into())]);
}

#[tokio::test]
async fn a_schedule_holds_by_the_servers_clock() {
    let (server, _data) = start();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let hour = 3_600_000;
    for (name, schedule) in [
        ("over", json!({"until": now})),
        ("running", json!({"from": now, "until": now + hour})),
        ("coming", json!({"from": now + hour})),
    ] {
        let mut definition = price();
        definition.rollout_bp = 10_000;
        definition.schedule = Some(serde_json::from_value(schedule).unwrap());
        server.put_flag(name, definition).unwrap();
    }
    let answer = get(server.addr(), "/flags?player_id=p1&build=2", &[]).await.json();
    let reasons = ["over", "running", "coming"].map(|name| answer["flags"][name]["reason"].clone());
    assert_eq!(reasons, ["DISABLED", "SPLIT", "DISABLED"]);
}

#[tokio::test]
async fn what_the_server_knows_of_a_player_targets_him_and_changes_at_once() {
    let (server, data) = start_with(|s| s.limits.flags = Rate::unlimited());
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    let admin = format!("Bearer {key}");
    let traits = async |player: &str, body: &str| {
        http(
            server.admin_addr(),
            "PUT",
            &format!("/admin/players/{player}/traits"),
            &[("authorization", &admin)],
            body,
        )
        .await
    };
    let mut definition = price();
    definition.rules = serde_json::from_value(json!([
        {"when": {"trait.country": ["DE", "AT"], "trait.spend": {">=": 10}}, "variant": "treatment"}
    ]))
    .unwrap();
    server.put_flag("price", definition).unwrap();
    let bearer = format!("Bearer {}", server.token("ann").unwrap());
    let proven = async || {
        let answer = get(server.addr(), "/flags?player_id=ann&build=2", &[("authorization", &bearer)]).await;
        answer.json()["flags"]["price"]["variant"].clone()
    };
    assert_eq!(proven().await, "control", "nothing is known yet, and that is remembered");
    assert_eq!(traits("ann", r#"{"country":"DE","spend":12.5,"vip":true}"#).await.status, 200);
    assert_eq!(proven().await, "treatment");
    // Claims are no traits, and without a token nobody is known.
    let claims = "player_id=ann&build=2&attr.country=DE&attr.spend=99";
    assert_eq!(flag(&server, claims, "price").await["variant"], "control");
    // The cache answers: what another process writes shows when the cache has aged, not before.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE player_traits SET value = 'FR' WHERE name = 'country'")
        .execute(&mut other)
        .await
        .unwrap();
    assert_eq!(proven().await, "treatment", "no database read");
    assert_eq!(traits("ann", r#"{"country":"FR"}"#).await.status, 200);
    assert_eq!(proven().await, "control");
    let read =
        http(server.admin_addr(), "GET", "/admin/players/ann/traits", &[("authorization", &admin)], "").await;
    assert_eq!((read.status, read.json()), (200, json!({"country": "FR"})));
    let many: serde_json::Map<String, Value> = (0..17).map(|n| (format!("t{n}"), json!(n))).collect();
    for (player, body, field) in [
        ("ann", json!(many).to_string(), "traits"),
        ("ann", json!({"a": "x".repeat(257)}).to_string(), "traits[\"a\"]"),
        ("ann", r#"{"":1}"#.to_owned(), "traits[\"\"]"),
        ("ann", r#"{"a":[1]}"#.to_owned(), "traits[\"a\"]"),
        ("ann", r#"{"a":1,"a":2}"#.to_owned(), "a"),
        ("ann", "[]".to_owned(), "body"),
        ("a%20b", "{}".to_owned(), "player"),
    ] {
        let refused = traits(player, &body).await;
        assert_eq!((refused.status, &refused.json()["field"]), (400, &json!(field)), "{body}");
    }
}

#[tokio::test]
async fn testers_see_their_variant_and_flags_build_on_flags() {
    let (server, _data) = start();
    let mut shop = FlagDefinition::new("off", &[("off", "false"), ("on", "true")]).unwrap();
    shop.enabled = false;
    shop.overrides = BTreeMap::from([("tester".into(), "on".into())]);
    server.put_flag("shop", shop).unwrap();
    let mut child = price();
    child.rollout_bp = 10_000;
    child.prerequisite = Some(serde_json::from_value(json!({"flag": "shop", "variants": ["on"]})).unwrap());
    server.put_flag("price", child).unwrap();
    let both = async |player: &str| {
        let answer = get(server.addr(), &format!("/flags?player_id={player}&build=2"), &[]).await.json();
        ["shop", "price"]
            .map(|name| (answer["flags"][name]["variant"].clone(), answer["flags"][name]["reason"].clone()))
    };
    let is = |variant: &str, reason: &str| (json!(variant), json!(reason));
    assert_eq!(both("tester").await, [is("on", "OVERRIDE"), is("treatment", "OVERRIDE")]);
    assert_eq!(both("ann").await, [is("off", "DISABLED"), is("control", "DEFAULT")]);
    let mut circle = FlagDefinition::new("off", &[("off", "false"), ("on", "true")]).unwrap();
    circle.prerequisite =
        Some(serde_json::from_value(json!({"flag": "price", "variants": ["treatment"]})).unwrap());
    let error = server.put_flag("shop", circle).unwrap_err().to_string();
    assert!(error.contains("shop → price → shop"), "{error}");
    // A circle that somebody wrote into the table ends too: see the evaluation's own tests.
}

#[tokio::test]
async fn rollouts_are_exact_to_a_hundredth_of_a_percent() {
    let (server, _data) = start_with(|s| s.limits.flags = Rate::unlimited());
    let bucket = |player: &str| castline::flags::bucketing::bucket(&format!("price:{player}"));
    let player = (0..100_000).map(|n| format!("p{n}")).find(|p| bucket(p) == 1).unwrap();
    for (rollout, reason) in [(1, "DEFAULT"), (2, "SPLIT")] {
        let mut definition = price();
        definition.rollout_bp = rollout;
        server.put_flag("price", definition).unwrap();
        assert_eq!(flag(&server, &format!("player_id={player}&build=2"), "price").await["reason"], reason);
    }
}
