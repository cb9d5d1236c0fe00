//! `/admin/flags`: what operators read, change, look back on and roll back; and that nothing they send gets a 5xx.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{Rate, RunningServer};
use serde_json::{Value, json};
use support::{Answer, Client, get, http, start, start_with};

/// An operator with the key.
struct Operator<'a> {
    server: &'a RunningServer,
    bearer: String,
}

impl<'a> Operator<'a> {
    fn of(server: &'a RunningServer) -> Operator<'a> {
        let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
        Operator { server, bearer: format!("Bearer {key}") }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_with(method, path, &[], body).await
    }

    async fn ask_with(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = vec![("authorization", self.bearer.as_str())];
        headers.extend(more);
        http(self.server.admin_addr(), method, path, &headers, body).await
    }

    async fn put(&self, name: &str, body: Value) -> String {
        let answer = self.ask("PUT", &format!("/admin/flags/{name}"), &body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["version"].as_str().unwrap().to_owned()
    }
}

fn price(rollout: u16) -> Value {
    json!({"variants": {"control": "$4.99", "treatment": "$1.99"}, "defaultVariant": "control", "rolloutBp": rollout})
}

async fn reason(server: &RunningServer, flag: &str) -> Value {
    get(server.addr(), "/flags?player_id=p1&build=2", &[]).await.json()["flags"][flag]["reason"].clone()
}

#[tokio::test]
async fn a_flag_is_read_as_it_was_written_with_its_size_and_the_budget() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    let mut full = price(1_250);
    for (member, value) in [
        ("weights", json!({"control": 2_500, "treatment": 7_500})),
        ("salt", json!("autumn")),
        ("build", json!(">=2.0, <3")),
        (
            "rules",
            json!([{"when": {"attr.level": {"<": 20, ">=": 10}, "trait.country": ["DE"]}, "variant": "treatment"}]),
        ),
        ("enabled", json!(true)),
        ("private", json!(false)),
        ("schedule", json!({"from": 1, "until": 4_000_000_000_000_i64})),
        ("overrides", json!({"ann": "treatment"})),
    ] {
        full[member] = value;
    }
    operator.put("price", full.clone()).await;
    operator.put("плавник", json!({"variants": {"a": 1}, "defaultVariant": "a"})).await;
    let read = operator.ask("GET", "/admin/flags/price", "").await;
    assert_eq!((read.status, read.header("content-type")), (200, Some("application/json")));
    let read = read.json();
    for (member, value) in full.as_object().unwrap() {
        assert_eq!(&read[member], value, "{member}");
    }
    assert_eq!(read["name"], "price");
    let list = operator.ask("GET", "/admin/flags", "").await.json();
    assert_eq!((&list["version"], &list["limitBytes"]), (&json!("v3"), &json!(2_048)));
    let flags = list["flags"].as_array().unwrap();
    assert_eq!((flags.len(), &flags[0], &flags[1]["name"]), (2, &read, &json!("плавник")));
    let answer = get(server.addr(), "/flags?player_id=p1&build=2.5", &[]).await.body.len();
    assert!(list["worstCaseBytes"].as_u64().unwrap() as usize >= answer);
    assert!(flags.iter().all(|flag| flag["bytes"].as_u64().unwrap() > 30));
    // What was read can be written back, without what the server added.
    let mut again = read.clone();
    let _ = ["name", "updatedAt", "bytes"].map(|member| again.as_object_mut().unwrap().remove(member));
    assert_eq!(operator.put("price", again).await, "v4");
}

#[tokio::test]
async fn the_history_says_who_when_before_and_after_and_one_call_rolls_back() {
    let (server, _data) = start_with(|s| (s.timers.flags_spread, s.limits.flags) = (777, Rate::unlimited()));
    let operator = Operator::of(&server);
    let (mut socket, _) = Client::login(&server, "p1", "d1", None).await;
    let mut told = async |version: &str| {
        let message = socket.next().await;
        assert_eq!(
            (&message["type"], &message["payload"]),
            (&json!("flags_changed"), &json!({"version": version, "spreadMs": 777}))
        );
    };
    assert_eq!(operator.put("price", price(0)).await, "v2");
    told("v2").await;
    let signed = [("castline-actor", "ann@studio")];
    let raised = operator.ask_with("PUT", "/admin/flags/price", &signed, &price(10_000).to_string()).await;
    assert_eq!(raised.json(), json!({"version": "v3"}));
    told("v3").await;
    assert_eq!(reason(&server, "price").await, "SPLIT");

    let rolled = operator.ask_with("POST", "/admin/flags/price/rollback", &signed, r#"{"to":"v2"}"#).await;
    assert_eq!((rolled.status, rolled.json()), (200, json!({"version": "v4"})));
    told("v4").await;
    assert_eq!(reason(&server, "price").await, "DEFAULT");
    assert_eq!(operator.ask("DELETE", "/admin/flags/price", "").await.json(), json!({"version": "v5"}));
    told("v5").await;
    assert_eq!(reason(&server, "price").await, Value::Null);
    assert_eq!(operator.ask("GET", "/admin/flags/price", "").await.status, 404);
    // A deleted flag has its history still, and can be brought back.
    assert_eq!(
        operator.ask("POST", "/admin/flags/price/rollback", r#"{"to":"v3"}"#).await.json(),
        json!({"version": "v6"})
    );
    told("v6").await;
    assert_eq!(reason(&server, "price").await, "SPLIT");

    let history = operator.ask("GET", "/admin/flags/price/history", "").await.json();
    let lines = history["changes"].as_array().unwrap();
    let shown: Vec<Value> = lines
        .iter()
        .map(|l| {
            json!([l["version"], l["action"], l["who"], l["before"]["rolloutBp"], l["after"]["rolloutBp"]])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!(["v6", "roll back flag", "admin", null, 10_000]),
            json!(["v5", "delete flag", "admin", 0, null]),
            json!(["v4", "roll back flag", "ann@studio", 10_000, 0]),
            json!(["v3", "put flag", "ann@studio", 0, 10_000]),
            json!(["v2", "put flag", "admin", null, 0]),
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| line["at"].as_i64().unwrap() > 1_600_000_000_000 && line["address"] == "127.0.0.1")
    );
    assert_eq!((&lines[0]["before"], &lines[4]["before"]), (&Value::Null, &Value::Null));
    // In pages.
    let page = operator.ask("GET", "/admin/flags/price/history?limit=2&before=v6", "").await.json();
    let versions: Vec<Value> =
        page["changes"].as_array().unwrap().iter().map(|line| line["version"].clone()).collect();
    assert_eq!((json!(versions), &page["more"]), (json!(["v5", "v4"]), &json!(true)));
    // A change by the process itself is in the history too.
    server.put_flag("other", castline_server::FlagDefinition::new("a", &[("a", "1")]).unwrap()).unwrap();
    let other = operator.ask("GET", "/admin/flags/other/history", "").await.json();
    assert_eq!(other["changes"][0]["who"], "embedded");
}

#[tokio::test]
async fn a_roll_back_must_fit_todays_flags() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    let refused = async |to: &str| {
        let answer =
            operator.ask("POST", "/admin/flags/price/rollback", &json!({"to": to}).to_string()).await;
        (answer.status, answer.json()["field"].clone(), answer.json()["detail"].as_str().unwrap().to_owned())
    };
    assert_eq!(refused("v1").await.0, 404, "nothing is known of it");
    operator.put("base", json!({"variants": {"off": 0, "on": 1}, "defaultVariant": "off"})).await;
    let mut child = price(0);
    child["prerequisite"] = json!({"flag": "base", "variants": ["on"]});
    let with_base = operator.put("price", child).await;
    operator.put("price", price(0)).await;
    assert_eq!(operator.ask("DELETE", "/admin/flags/base", "").await.status, 200);
    let (status, field, detail) = refused(&with_base).await;
    assert_eq!((status, &field), (400, &json!("prerequisite.flag")), "{detail}");
    for (to, said) in [
        ("v2", "there was no flag"),
        ("v99", "the configuration is at v5"),
        ("17", "no version"),
        ("", "no version"),
    ] {
        let (status, field, detail) = refused(to).await;
        assert_eq!((status, &field), (400, &json!("to")), "{detail}");
        assert!(detail.contains(said), "{detail}");
    }
    // Nothing of this changed anything.
    assert_eq!(operator.ask("GET", "/admin/flags", "").await.json()["version"], "v5");
}

#[tokio::test]
async fn what_others_build_on_is_neither_deleted_nor_cut() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    operator.put("base", json!({"variants": {"off": 0, "on": 1}, "defaultVariant": "off"})).await;
    let mut child = price(0);
    child["prerequisite"] = json!({"flag": "base", "variants": ["on"]});
    operator.put("price", child).await;
    let deleted = operator.ask("DELETE", "/admin/flags/base", "").await;
    assert_eq!((deleted.status, &deleted.json()["field"]), (400, &json!("name")));
    assert!(
        deleted.json()["detail"].as_str().unwrap().contains("\"price\" has \"base\" as its prerequisite")
    );
    let cut =
        operator.ask("PUT", "/admin/flags/base", r#"{"variants":{"off":0},"defaultVariant":"off"}"#).await;
    assert_eq!((cut.status, &cut.json()["field"]), (400, &json!("variants")));
    let circle = json!({"variants": {"off": 0, "on": 1}, "defaultVariant": "off", "prerequisite": {"flag": "price", "variants": ["control"]}});
    let circle = operator.ask("PUT", "/admin/flags/base", &circle.to_string()).await;
    assert_eq!((circle.status, &circle.json()["field"]), (400, &json!("prerequisite.flag")));
    assert!(
        circle.json()["detail"].as_str().unwrap().contains("a circle: base → price → base"),
        "{circle:?}"
    );
}

#[tokio::test]
async fn the_budget_is_refused_with_every_size() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    let wide = |n: usize| json!({"variants": {"a": "x".repeat(n)}, "defaultVariant": "a"});
    operator.put("first", wide(1_400)).await;
    let refused = operator.ask("PUT", "/admin/flags/second", &wide(700).to_string()).await;
    assert_eq!((refused.status, &refused.json()["field"]), (400, &json!("variants")));
    let first = operator.ask("GET", "/admin/flags/first", "").await.json()["bytes"].clone();
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    for part in ["2048".to_owned(), format!("first {first}"), "second 7".to_owned()] {
        assert!(detail.contains(&part), "{part}: {detail}");
    }
}

#[tokio::test]
async fn bad_bodies_and_names_are_refused_with_the_member() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
    let ok = r#""variants":{"a":1},"defaultVariant":"a""#;
    for (body, status, field) in [
        (String::new(), 400, "body"),
        ("   ".to_owned(), 400, "body"),
        ("{".to_owned(), 400, "body"),
        ("null".to_owned(), 400, "body"),
        ("[]".to_owned(), 400, "body"),
        ("\"🐟\"".to_owned(), 400, "body"),
        (format!("{{{ok}}} {{}}"), 400, "body"),
        (format!("{{{ok},\"extra\":1}}"), 400, "extra"),
        (format!("{{{ok},\"defaultVariant\":\"a\"}}"), 400, "defaultVariant"),
        (r#"{"variants":{"a":1,"a":2},"defaultVariant":"a"}"#.to_owned(), 400, "variants.a"),
        (r#"{"variants":[1],"defaultVariant":"a"}"#.to_owned(), 400, "variants"),
        (r#"{"variants":{"a":[1]},"defaultVariant":"a"}"#.to_owned(), 400, "variants[\"a\"]"),
        (r#"{"variants":{"a":1e999},"defaultVariant":"a"}"#.to_owned(), 400, "variants[\"a\"]"),
        (r#"{"variants":{"":1},"defaultVariant":""}"#.to_owned(), 400, "variants[\"\"]"),
        (r#"{"variants":{"a\u0000":1},"defaultVariant":"a\u0000"}"#.to_owned(), 400, "variants[\"a\\0\"]"),
        (format!("{{{ok},\"rolloutBp\":\"10\"}}"), 400, "rolloutBp"),
        (format!("{{{ok},\"rolloutBp\":-1}}"), 400, "rolloutBp"),
        (format!("{{{ok},\"rolloutBp\":10001}}"), 400, "rolloutBp"),
        (format!("{{{ok},\"rolloutBp\":0.5}}"), 400, "rolloutBp"),
        (format!("{{{ok},\"rolloutBp\":1e300}}"), 400, "rolloutBp"),
        (format!("{{{ok},\"weights\":{{\"a\":1}}}}"), 400, "weights"),
        (format!("{{{ok},\"weights\":{{\"a\":\"x\"}}}}"), 400, "weights.a"),
        (format!("{{{ok},\"enabled\":\"yes\"}}"), 400, "enabled"),
        (format!("{{{ok},\"salt\":\"\"}}"), 400, "salt"),
        (format!("{{{ok},\"build\":\"<two\"}}"), 400, "build"),
        (
            format!("{{{ok},\"rules\":[{{\"when\":{{\"attr.x\":{{\"=>\":1}}}},\"variant\":\"a\"}}]}}"),
            400,
            "rules[0].when.attr.x",
        ),
        (
            format!("{{{ok},\"rules\":[{{\"when\":{{\"attr.x\":{{\"<\":\"a\"}}}},\"variant\":\"a\"}}]}}"),
            400,
            "rules[0].when[\"attr.x\"][\"<\"]",
        ),
        (
            format!("{{{ok},\"rules\":[{{\"when\":{{\"attr.x\":[1]}},\"variant\":\"b\"}}]}}"),
            400,
            "rules[0].variant",
        ),
        (format!("{{{ok},\"rules\":[{{\"variant\":\"a\"}}]}}"), 400, "rules[0]"),
        (format!("{{{ok},\"schedule\":{{\"from\":\"now\"}}}}"), 400, "schedule.from"),
        (format!("{{{ok},\"schedule\":{{\"from\":5,\"until\":1}}}}"), 400, "schedule.until"),
        (
            format!("{{{ok},\"overrides\":{{\"'; DROP TABLE feature_flags; --\":\"a\"}}}}"),
            400,
            "overrides[\"'; DROP TABLE feature_flags; --\"]",
        ),
        (
            format!("{{{ok},\"prerequisite\":{{\"flag\":\"x\",\"variants\":[\"a\"]}}}}"),
            400,
            "prerequisite.flag",
        ),
        (
            format!("{{{ok},\"prerequisite\":{{\"flag\":\"f\",\"variants\":[\"a\"]}}}}"),
            400,
            "prerequisite.flag",
        ),
    ] {
        let answer = operator.ask("PUT", "/admin/flags/f", &body).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(
            (&answer.json()["code"], &answer.json()["field"]),
            (&json!("INVALID_PAYLOAD"), &json!(field)),
            "{body}: {answer:?}"
        );
    }
    let good = format!("{{{ok}}}");
    assert_eq!(operator.ask("PUT", "/admin/flags/f", &deep).await.status, 400);
    let huge = format!("{{{ok},\"salt\":\"{}\"}}", "x".repeat(40_000));
    assert_eq!(operator.ask("PUT", "/admin/flags/f", &huge).await.status, 413);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "x"] {
        let answer = operator.ask_with("PUT", "/admin/flags/f", &[("content-type", kind)], &good).await;
        assert_eq!(answer.status, 415, "{kind}");
        assert!(answer.json()["detail"].as_str().unwrap().starts_with("content-type: "));
    }
    for (path, status) in [
        ("/admin/flags/%00", 400),
        ("/admin/flags/%FF", 400),
        (&format!("/admin/flags/{}", "x".repeat(129)), 400),
        ("/admin/flags/", 404),
        ("/admin/flags/a/b", 404),
    ] {
        let answer = operator.ask("PUT", path, &good).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{path}"
        );
        if status == 400 {
            assert_eq!(answer.json()["field"], "name");
        }
    }
    for actor in ["", &"x".repeat(65), "ann\u{1F41F}"] {
        let answer = operator.ask_with("PUT", "/admin/flags/f", &[("castline-actor", actor)], &good).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("castline-actor")), "{actor}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("before=5", "before"),
        ("a=1", "a"),
        ("limit=1&limit=1", "limit"),
    ] {
        let answer = operator.ask("GET", &format!("/admin/flags/f/history?{query}"), "").await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{query}");
    }
    for (method, path, body) in [
        ("GET", "/admin/flags/none", ""),
        ("DELETE", "/admin/flags/none", ""),
        ("GET", "/admin/flags/none/history", ""),
        ("POST", "/admin/flags/none/rollback", r#"{"to":"v1"}"#),
    ] {
        let answer = operator.ask(method, path, body).await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("NOT_FOUND")), "{method} {path}");
    }
    for body in ["", "{}", r#"{"to":2}"#, r#"{"to":"v1","to":"v2"}"#, r#"{"to":"v1","x":1}"#] {
        assert_eq!(operator.ask("POST", "/admin/flags/f/rollback", body).await.status, 400, "{body}");
    }
    // After all that the server has the one configuration that it began with, and takes a good flag.
    assert_eq!(operator.ask("GET", "/admin/flags", "").await.json()["version"], "v1");
    assert_eq!(operator.ask("PUT", "/admin/flags/f", &good).await.status, 200);
}

#[tokio::test]
async fn operators_see_a_flag_that_somebody_broke_in_the_table() {
    let (server, data) = start();
    let operator = Operator::of(&server);
    operator.put("price", price(0)).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    sqlx::query("UPDATE feature_flags SET rules = '[{]'").execute(&mut other).await.unwrap();
    let read = operator.ask("GET", "/admin/flags/price", "").await.json();
    assert!(read["malformed"].as_str().unwrap().starts_with("rules: "), "{read}");
    // And write over it, or go back.
    assert_eq!(operator.ask("POST", "/admin/flags/price/rollback", r#"{"to":"v2"}"#).await.status, 200);
    assert_eq!(operator.ask("GET", "/admin/flags/price", "").await.json()["malformed"], Value::Null);
}
