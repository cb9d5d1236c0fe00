//! Flags and the database: requests are answered from memory, changes by others are noticed, changes at once do not pass the budget
//! together, and a database that fails, like a body that is nonsense, fails its own request alone.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{FlagDefinition, Rate, RunningServer};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use support::{Answer, Client, get, http, start_with};
use tempfile::TempDir;

async fn database(data: &TempDir) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    SqliteConnection::connect_with(&options).await.unwrap()
}

fn by_country() -> FlagDefinition {
    let mut flag = FlagDefinition::new("control", &[("control", "1"), ("treatment", "2")]).unwrap();
    flag.rules =
        serde_json::from_value(json!([{"when": {"trait.country": ["DE"]}, "variant": "treatment"}])).unwrap();
    flag
}

async fn put(server: &RunningServer, path: &str, body: &str) -> Answer {
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    http(server.admin_addr(), "PUT", path, &[("authorization", &format!("Bearer {key}"))], body).await
}

#[tokio::test]
async fn requests_are_answered_without_the_database() {
    let (server, data) = start_with(|s| s.limits.flags = Rate::unlimited());
    server.put_flag("price", by_country()).unwrap();
    assert_eq!(put(&server, "/admin/players/ann/traits", r#"{"country":"DE"}"#).await.status, 200);
    let bearer = |player: &str| format!("Bearer {}", server.token(player).unwrap());
    let (ann, bob) = (bearer("ann"), bearer("bob"));
    let flags = async |player: &str, token: &str| {
        let headers: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("authorization", token)] };
        get(server.addr(), &format!("/flags?player_id={player}&build=2"), headers).await
    };
    let ofrep = async |player: &str, token: &str| {
        let body = json!({"context": {"targetingKey": player}}).to_string();
        http(server.addr(), "POST", "/ofrep/v1/evaluate/flags/price", &[("authorization", token)], &body)
            .await
    };
    assert_eq!(flags("ann", &ann).await.json()["flags"]["price"]["variant"], "treatment");
    let (mut socket, _) = Client::login(&server, "ann", "d1", None).await;

    // Whoever read a table now would fail.
    let mut other = database(&data).await;
    for sql in ["DROP TABLE feature_flags", "DROP TABLE player_traits"] {
        sqlx::query(sql).execute(&mut other).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(flags("ann", &ann).await.json()["flags"]["price"]["variant"], "treatment");
        assert_eq!(flags("eve", "").await.json()["flags"]["price"]["variant"], "control");
        assert_eq!(ofrep("ann", &ann).await.json()["variant"], "treatment");
    }
    // Of bob nothing is known yet, and a price must not be guessed: the request fails, and his cached flags stay what they are.
    let unknown = flags("bob", &bob).await;
    assert_eq!((unknown.status, &unknown.json()["code"]), (500, &json!("INTERNAL")));
    let unknown = ofrep("bob", &bob).await;
    assert_eq!(
        (unknown.status, &unknown.json()["errorCode"], &unknown.json()["key"]),
        (500, &json!("GENERAL"), &json!("price"))
    );
    let refused = put(&server, "/admin/flags/price", r#"{"variants":{"a":1},"defaultVariant":"a"}"#).await;
    assert_eq!((refused.status, refused.header("content-type")), (500, Some("application/problem+json")));
    assert!(
        !refused.body.contains("feature_flags"),
        "the database's own words stay in the log: {}",
        refused.body
    );
    socket.nothing_more().await;
}

#[tokio::test]
async fn what_another_process_changes_is_noticed_and_told() {
    let (server, data) = start_with(|s| (s.timers.flags_cache, s.timers.sweep) = (50, 20));
    server.put_flag("price", by_country()).unwrap();
    let (mut socket, session) = Client::login(&server, "ann", "d1", None).await;
    assert_eq!(session["flagsVersion"], "v2");
    let mut other = database(&data).await;
    let mut change = other.begin().await.unwrap();
    for sql in ["UPDATE feature_flags SET rollout_bp = 10000", "UPDATE configuration SET version = 9"] {
        sqlx::query(sql).execute(&mut *change).await.unwrap();
    }
    change.commit().await.unwrap();
    let told = socket.next().await;
    assert_eq!((&told["type"], &told["payload"]["version"]), (&json!("flags_changed"), &json!("v9")));
    let answer = get(server.addr(), "/flags?player_id=ann&build=2", &[]).await.json();
    assert_eq!((&answer["version"], &answer["flags"]["price"]["reason"]), (&json!("v9"), &json!("SPLIT")));
}

#[tokio::test]
async fn changes_at_once_do_not_pass_the_budget_or_close_a_circle_together() {
    let (server, _data) = start_with(|_| {});
    let wide = json!({"variants": {"a": "x".repeat(700)}, "defaultVariant": "a"}).to_string();
    let names: Vec<String> = (0..8).map(|n| format!("/admin/flags/wide-{n}")).collect();
    let answers = futures_util::future::join_all(names.iter().map(|name| put(&server, name, &wide))).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(400)), (2, 6), "700 bytes each, 2048 in all");
    let longest = get(server.addr(), "/flags?player_id=p1&build=2", &[]).await.body.len();
    assert!(longest <= 2_048, "{longest}");

    let (server, _data) = start_with(|_| {});
    let plain = json!({"variants": {"a": 1}, "defaultVariant": "a"});
    for name in ["one", "two"] {
        assert_eq!(put(&server, &format!("/admin/flags/{name}"), &plain.to_string()).await.status, 200);
    }
    let on = |other: &str| {
        let mut flag = plain.clone();
        flag["prerequisite"] = json!({"flag": other, "variants": ["a"]});
        flag.to_string()
    };
    let (first, second) = (on("two"), on("one"));
    let (a, b) =
        tokio::join!(put(&server, "/admin/flags/one", &first), put(&server, "/admin/flags/two", &second));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn damaged_bodies_never_make_a_5xx() {
    let (server, _data) = start_with(|s| s.limits.flags = Rate::unlimited());
    let flag = json!({
        "variants": {"control": "$4.99", "b": {"speed": 2.5}}, "defaultVariant": "control", "rolloutBp": 1000,
        "weights": {"control": 4000, "b": 6000}, "build": ">=2, <3", "overrides": {"ann": "b"},
        "rules": [{"when": {"attr.level": {">=": 10}, "trait.country": ["DE"], "build": {"range": "^2"}}, "variant": "b"}],
        "schedule": {"from": 1, "until": 4_000_000_000_000_i64}, "enabled": true, "private": false
    });
    let context = json!({"context": {"targetingKey": "ann", "build": "2.0", "level": 12, "tier": "gold"}});
    let mut rng = StdRng::seed_from_u64(4);
    let mut good = 0;
    for n in 0..400 {
        let body = if n % 2 == 0 { &flag } else { &context };
        let mut text: Vec<char> = body.to_string().chars().collect();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..text.len());
            match rng.random_range(0..4) {
                0 if text.len() > 1 => drop(text.remove(at)),
                1 => text[at] = rng.random(),
                2 => text.insert(
                    at,
                    ['\0', '"', '\\', '{', '}', '[', ']', ':', ',', '-', '9', '🐟'][rng.random_range(0..12)],
                ),
                _ => text.truncate(at.max(1)),
            }
        }
        let text: String = text.into_iter().collect();
        let answer = match n % 2 {
            0 => put(&server, "/admin/flags/price", &text).await,
            _ => http(server.addr(), "POST", "/ofrep/v1/evaluate/flags", &[], &text).await,
        };
        match answer.status {
            200 => good += 1,
            400 => {
                let json: Value = answer.json();
                assert!(
                    json["field"].is_string()
                        || json["errorDetails"].is_string()
                        || json["detail"].is_string(),
                    "{text}"
                );
            }
            status => panic!("{status} for {text:?}: {answer:?}"),
        }
    }
    assert!(good > 10 && good < 390, "{good} of 400 were still sound");
}
