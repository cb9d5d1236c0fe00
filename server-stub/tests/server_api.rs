//! What the game's backend says: keys with scopes, pushed offers, traits, revenue of record, bans; each once, and none without its key.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{Rate, RunningServer, Server};
use serde_json::{Value, json};
use support::operator::Operator;
use support::{Answer, Client, get, http, rows, start, start_with};

async fn key(server: &RunningServer, name: &str, scopes: &[&str]) -> String {
    let made =
        Operator::of(server).done("POST", "/admin/api-keys", json!({"name": name, "scopes": scopes})).await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(
        key.strip_prefix("cstl_")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    );
    key
}

async fn call(server: &RunningServer, key: &str, method: &str, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let path = format!("/server/v1/players/{path}");
    http(server.admin_addr(), method, &path, &[("authorization", &bearer)], body).await
}

async fn done(server: &RunningServer, key: &str, method: &str, path: &str, body: Value) -> Value {
    let answer = call(server, key, method, path, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
    answer.json()
}

const ALL: [&str; 4] = ["offers", "traits", "revenue", "bans"];

#[tokio::test]
async fn a_key_is_shown_once_opens_its_scopes_and_nothing_after_it_is_revoked() {
    let (server, data) = start();
    let operator = Operator::of(&server);
    let shop = key(&server, "shop", &["revenue", "revenue"]).await;
    let all = key(&server, "all", &ALL).await;
    let payment = json!({"transactionId": "t1", "amountMinor": 499, "currency": "USD"}).to_string();
    assert_eq!(call(&server, &shop, "POST", "p1/revenue", &payment).await.status, 200);
    for (method, path, scope) in [
        ("POST", "p1/offers", "offers"),
        ("PUT", "p1/traits", "traits"),
        ("PUT", "p1/ban", "bans"),
        ("DELETE", "p1/ban", "bans"),
    ] {
        let refused = call(&server, &shop, method, path, "{}").await;
        assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("FORBIDDEN")), "{method} {path}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(scope));
    }
    // Neither key opens what the other kind opens.
    let bearer = format!("Bearer {all}");
    assert_eq!(get(server.admin_addr(), "/admin/flags", &[("authorization", &bearer)]).await.status, 401);
    let admin = operator.ask("POST", "/server/v1/players/p1/revenue", &payment).await;
    assert_eq!((admin.status, &admin.json()["code"]), (401, &json!("INVALID_TOKEN")));
    assert_eq!(http(server.addr(), "POST", "/server/v1/players/p1/revenue", &[], &payment).await.status, 404);

    let listed = operator.done("GET", "/admin/api-keys", Value::Null).await;
    let keys = listed["keys"].as_array().unwrap();
    assert_eq!(
        (&keys[1]["name"], &keys[1]["scopes"], &keys[1]["createdBy"]),
        (&json!("shop"), &json!(["revenue"]), &json!("ann"))
    );
    assert!(keys[1]["lastUsedAt"].as_i64().unwrap() > 0 && keys[1]["revokedAt"].is_null());
    assert!(!listed.to_string().contains(&shop[5..]));
    let stored = rows(&data, "SELECT hex(hash) || scopes || name FROM api_keys").await.concat();
    let audited =
        rows(&data, "SELECT action || subject || coalesce(before, '') || coalesce(after, '') FROM audit")
            .await
            .concat();
    for text in [stored.to_lowercase(), audited] {
        assert!(!text.contains(&shop[5..]) && !text.contains(&all[5..]), "{text}");
    }

    operator.done("DELETE", "/admin/api-keys/shop", Value::Null).await;
    assert_eq!(call(&server, &shop, "POST", "p1/revenue", &payment).await.status, 401);
    assert_eq!(operator.ask("DELETE", "/admin/api-keys/shop", "").await.status, 404);
    // A name is given once, so that the audit table never speaks of two by one name.
    let again = json!({"name": "shop", "scopes": ["bans"]}).to_string();
    assert_eq!(operator.ask("POST", "/admin/api-keys", &again).await.json()["field"], "name");
    assert_eq!(
        operator.audit("subject=shop").await.iter().map(|(_, action, _)| action.as_str()).collect::<Vec<_>>(),
        ["revoke API key", "make API key"]
    );
    drop(server);
    let server = Server::start(support::settings(&data)).unwrap();
    assert_eq!(call(&server, &all, "POST", "p1/revenue", &payment).await.json(), json!({"duplicate": true}));
    assert_eq!(call(&server, &shop, "POST", "p1/revenue", &payment).await.status, 401);
}

#[tokio::test]
async fn wrong_keys_lock_backends_and_not_operators() {
    // Ten, as by default, without the refill: how long ten requests take is the machine's affair.
    let (server, _data) = start_with(|s| s.limits.wrong_keys = Rate::per_second(0.001, 10.0));
    let good = key(&server, "all", &ALL).await;
    let wrong = format!("cstl_{}", "0".repeat(64));
    for _ in 0..10 {
        let refused = call(&server, &wrong, "PUT", "p1/traits", "{}").await;
        assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("INVALID_TOKEN")));
    }
    assert_eq!(call(&server, &good, "PUT", "p1/traits", "{}").await.status, 429);
    Operator::of(&server).done("GET", "/admin/api-keys", Value::Null).await;
}

#[tokio::test]
async fn a_pushed_offer_reaches_its_player_once() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    let key = key(&server, "crm", &["offers"]).await;
    // Nobody would get this one by its own rules.
    let never = json!({"trait": {"name": "never", "op": "exists", "value": true}});
    let mut campaign = json!({"title": "Gift", "expiresInSeconds": 3_600, "when": never, "budget": {"total": 2}, "perPlayer": 1});
    operator.done("PUT", "/admin/campaigns/gift", campaign.clone()).await;
    let (mut ready, _) = Client::login(&server, "p1", "d1", None).await;
    let reply = ready.request("offers", "ready_for_offer", json!({"placement": "shop"})).await;
    assert_eq!(reply["payload"]["pending"], 0);
    // A lease is open: it comes at once.
    let push = json!({"campaign": "gift", "idempotencyKey": "order-7"});
    let pushed = done(&server, &key, "POST", "p1/offers", push.clone()).await;
    let offer = ready.next().await;
    assert_eq!((&offer["type"], &offer["payload"]["offerId"]), (&json!("new_offer"), &pushed["offerId"]));
    assert_eq!(offer["payload"]["expiresAt"], pushed["expiresAt"]);
    // The same again: the same answer, and no second copy.
    assert_eq!(done(&server, &key, "POST", "p1/offers", push.clone()).await, pushed);
    ready.nothing_more().await;
    let other = json!({"campaign": "other", "idempotencyKey": "order-7"}).to_string();
    let mismatch = call(&server, &key, "POST", "p1/offers", &other).await;
    assert_eq!((mismatch.status, &mismatch.json()["code"]), (409, &json!("IDEMPOTENCY_MISMATCH")));
    let open = json!({"campaign": "gift", "idempotencyKey": "order-8"}).to_string();
    let refused = call(&server, &key, "POST", "p1/offers", &open).await;
    assert_eq!((refused.status, &refused.json()["field"]), (400, &json!("campaign")));

    // Who is away finds it at his next break.
    assert_eq!(
        call(&server, &key, "POST", "p2/offers", &push.to_string()).await.status,
        409,
        "the key is another request's"
    );
    done(&server, &key, "POST", "p2/offers", json!({"campaign": "gift", "idempotencyKey": "order-9"})).await;
    let (mut late, _) = Client::login(&server, "p2", "d1", None).await;
    let reply = late.request("offers", "ready_for_offer", json!({"placement": "shop"})).await;
    assert_eq!(reply["payload"]["pending"], 1);
    assert_eq!(late.next().await["payload"]["title"], "Gift");
    // The budget is everybody's.
    for player in ["p3", "p4"] {
        let push = json!({"campaign": "gift", "idempotencyKey": "k"}).to_string();
        let refused = call(&server, &key, "POST", &format!("{player}/offers"), &push).await;
        assert!(
            refused.status == 400 && refused.json()["detail"].as_str().unwrap().contains("budget"),
            "{refused:?}"
        );
    }
    campaign["budget"] = json!({});
    campaign["enabled"] = json!(false);
    operator.done("PUT", "/admin/campaigns/gift", campaign).await;
    let push = json!({"campaign": "gift", "idempotencyKey": "k"}).to_string();
    assert_eq!(call(&server, &key, "POST", "p5/offers", &push).await.json()["field"], "campaign");
    let lines = operator.audit("action=push%20offer").await;
    assert_eq!(
        lines.iter().map(|(who, _, p)| (who.as_str(), p.as_str())).collect::<Vec<_>>(),
        [("api-key:crm", "p2"), ("api-key:crm", "p1")]
    );
}

#[tokio::test]
async fn revenue_of_record_counts_once_and_feeds_rules_campaigns_and_experiments() {
    let (server, data) = start_with(|s| s.limits.flags = Rate::unlimited());
    let operator = Operator::of(&server);
    let key = key(&server, "shop", &["revenue"]).await;
    let rich = json!({"variants": {"no": 0, "yes": 1}, "defaultVariant": "no", "private": true,
        "rules": [{"when": {"trait.$spend.USD": {">=": 900}}, "variant": "yes"}]});
    operator.done("PUT", "/admin/flags/rich", rich).await;
    let segment = json!({"when": {"all": [
        {"trait": {"name": "$spend.USD", "op": ">=", "value": 900}},
        {"event": {"name": "$revenue", "withinDays": 2, "atLeast": 2}},
    ]}});
    operator.done("PUT", "/admin/segments/whale", segment).await;
    operator
        .done(
            "PUT",
            "/admin/campaigns/thanks",
            json!({"title": "T", "expiresInSeconds": 60, "segments": ["whale"]}),
        )
        .await;
    let trigger = json!({"event": "$revenue", "where": [{"name": "EUR", "op": ">", "value": 0}]});
    operator
        .done(
            "PUT",
            "/admin/campaigns/euro",
            json!({"title": "E", "expiresInSeconds": 60, "trigger": trigger}),
        )
        .await;
    let bearer = format!("Bearer {}", server.token("p1").unwrap());
    let flag = async || {
        let answer = get(server.addr(), "/flags?player_id=p1", &[("authorization", &bearer)]).await;
        answer.json()["flags"]["rich"]["variant"].as_str().unwrap().to_owned()
    };
    let (mut socket, _) = Client::login(&server, "p1", "d1", None).await;
    let lease = json!({"placement": "shop", "max": 5});
    assert_eq!(socket.request("offers", "ready_for_offer", lease).await["payload"]["pending"], 0);
    assert_eq!(flag().await, "no");

    let pay = |id: &str, amount: i64, currency: &str| json!({"transactionId": id, "amountMinor": amount, "currency": currency});
    assert_eq!(
        done(&server, &key, "POST", "p1/revenue", pay("t1", 499, "USD")).await,
        json!({"duplicate": false})
    );
    assert_eq!(
        done(&server, &key, "POST", "p1/revenue", pay("t1", 499, "USD")).await,
        json!({"duplicate": true})
    );
    assert_eq!(flag().await, "no", "it counted once");
    assert_eq!(
        done(&server, &key, "POST", "p1/revenue", pay("t2", 499, "USD")).await,
        json!({"duplicate": false})
    );
    assert_eq!(
        socket.next().await["payload"]["title"],
        "T",
        "the segment has him now, in the lease that is open"
    );
    assert_eq!(flag().await, "yes");
    done(&server, &key, "POST", "p1/revenue", pay("t3", 100, "EUR")).await;
    assert_eq!(socket.next().await["payload"]["title"], "E");
    done(&server, &key, "POST", "p1/revenue", pay("t4", -499, "USD")).await;
    assert_eq!(flag().await, "no", "a refund");
    for other in [pay("t1", 500, "USD"), pay("t1", 499, "EUR")] {
        let refused = call(&server, &key, "POST", "p1/revenue", &other.to_string()).await;
        assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("IDEMPOTENCY_MISMATCH")));
    }
    assert_eq!(
        call(&server, &key, "POST", "p2/revenue", &pay("t1", 499, "USD").to_string()).await.status,
        409
    );

    let spend = operator.done("GET", "/admin/players/p1/revenue", Value::Null).await;
    assert_eq!(
        spend["spend"],
        json!({"EUR": {"amountMinor": 100, "transactions": 1}, "USD": {"amountMinor": 499, "transactions": 3}})
    );
    assert_eq!(spend["latest"].as_array().unwrap().len(), 4);
    assert!(spend["latest"].as_array().unwrap().iter().all(|line| line["who"] == "api-key:shop"));
    // What backends say is not what operators wrote, so it is not in what they read to write it back.
    assert_eq!(operator.done("GET", "/admin/players/p1/traits", Value::Null).await, json!({}));
    assert_eq!(rows(&data, "SELECT name FROM analytics_events").await.len(), 4);
    // A game cannot say it itself.
    let forged = json!({"flags": {}, "events": [{"eventId": "e", "name": "$revenue", "timestamp": 1, "props": {"USD": 9}}]});
    let answer =
        http(server.addr(), "POST", "/events", &[("authorization", &bearer)], &forged.to_string()).await;
    assert_eq!(answer.json()["rejected"], json!(["e"]));
}

#[tokio::test]
async fn an_experiment_adds_up_revenue_of_record() {
    let (server, _data) =
        start_with(|s| (s.limits.events, s.limits.flags) = (Rate::unlimited(), Rate::unlimited()));
    let operator = Operator::of(&server);
    let key = key(&server, "shop", &["revenue"]).await;
    let flag = json!({"variants": {"a": 1, "b": 2}, "defaultVariant": "a", "rolloutBp": 10_000, "weights": {"a": 5_000, "b": 5_000}});
    operator.done("PUT", "/admin/flags/price", flag).await;
    let experiment = json!({"flag": "price", "metric": {"kind": "revenue", "currency": "USD"}});
    operator.done("PUT", "/admin/experiments/cheaper", experiment).await;
    for bad in ["usd", "US", "", "$US"] {
        let body = json!({"flag": "price", "metric": {"kind": "revenue", "currency": bad}}).to_string();
        let answer = operator.ask("PUT", "/admin/experiments/other", &body).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("metric.currency")));
    }
    let mut paid = 0;
    for n in 0..6 {
        let player = format!("p{n}");
        let bearer = format!("Bearer {}", server.token(&player).unwrap());
        let variant = get(server.addr(), &format!("/flags?player_id={player}"), &[]).await.json();
        let variant = variant["flags"]["price"]["variant"].as_str().unwrap().to_owned();
        let exposure = json!({"flags": {}, "events": [{"eventId": "x", "name": "$exposure", "timestamp": 1_763_660_000_000_i64,
            "props": {"flag": "price", "variant": variant}}]});
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        let mut exposure = exposure;
        (exposure["timestamp"], exposure["events"][0]["timestamp"]) = (json!(now), json!(now));
        let told =
            http(server.addr(), "POST", "/events", &[("authorization", &bearer)], &exposure.to_string())
                .await;
        assert_eq!(told.json()["count"], 1, "{told:?}");
        if variant == "a" {
            paid += 1;
            for (id, amount, currency) in [("x", 300, "USD"), ("y", 200, "USD"), ("z", 9_999, "EUR")] {
                let payment = json!({"transactionId": format!("{player}-{id}"), "amountMinor": amount, "currency": currency});
                done(&server, &key, "POST", &format!("{player}/revenue"), payment).await;
            }
        }
    }
    let report = operator.done("GET", "/admin/experiments/cheaper/report", Value::Null).await;
    let everyone = &report["report"];
    assert_eq!(everyone["controlPlayers"], paid, "{report}");
    assert_eq!(everyone["controlValue"], 500.0, "{report}");
}

#[tokio::test]
async fn backends_set_traits_and_ban() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    let key = key(&server, "game", &["traits", "bans"]).await;
    done(&server, &key, "PUT", "p1/traits", json!({"level": 3})).await;
    assert_eq!(operator.done("GET", "/admin/players/p1/traits", Value::Null).await, json!({"level": "3"}));
    let (mut socket, _) = Client::login(&server, "p1", "d1", None).await;
    done(&server, &key, "PUT", "p1/ban", json!({"reason": "a bot"})).await;
    assert_eq!(socket.closed().await, 4503);
    assert_eq!(operator.done("GET", "/admin/bans/p1", Value::Null).await["who"], "api-key:game");
    assert_eq!(call(&server, &key, "DELETE", "p1/ban", "").await.status, 200);
    assert_eq!(call(&server, &key, "DELETE", "p1/ban", "").await.status, 404);
    Client::login(&server, "p1", "d1", None).await;
    let actions: Vec<(String, String)> =
        operator.audit("").await.into_iter().map(|(w, a, _)| (w, a)).collect();
    assert_eq!(
        actions[..3].iter().map(|(w, a)| format!("{w} {a}")).collect::<Vec<_>>(),
        ["api-key:game unban player", "api-key:game ban player", "api-key:game put traits"]
    );
}

#[tokio::test]
async fn bad_input_is_refused_by_the_member() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    let key = key(&server, "all", &ALL).await;
    let long = "x".repeat(129);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let pay = |more: &str| format!(r#"{{"transactionId":"t","amountMinor":1,"currency":"USD"{more}}}"#);
    for (path, body, field) in [
        ("p1/revenue", String::new(), "body"),
        ("p1/revenue", "[]".to_owned(), "body"),
        ("p1/revenue", "{".to_owned(), "body"),
        ("p1/revenue", pay(r#","currency":"EUR""#), "currency"),
        ("p1/revenue", pay(r#","tax":1"#), "tax"),
        ("p1/revenue", pay(r#","at":"now""#), "at"),
        ("p1/revenue", pay(r#","at":0"#), "at"),
        ("p1/revenue", pay(&format!(r#","at":{}"#, now + 120_000)), "at"),
        ("p1/revenue", pay(r#","at":1e300"#), "at"),
        ("p1/revenue", pay("").replace("\"t\"", "\"\""), "transactionId"),
        ("p1/revenue", pay("").replace("\"t\"", "7"), "transactionId"),
        ("p1/revenue", pay("").replace("\"t\"", r#""a\u0000""#), "transactionId"),
        ("p1/revenue", pay("").replace("\"t\"", &format!("\"{long}\"")), "transactionId"),
        ("p1/revenue", pay("").replace(":1,", ":0,"), "amountMinor"),
        ("p1/revenue", pay("").replace(":1,", ":1.5,"), "amountMinor"),
        ("p1/revenue", pay("").replace(":1,", ":\"1\","), "amountMinor"),
        ("p1/revenue", pay("").replace(":1,", ":1000000000001,"), "amountMinor"),
        ("p1/revenue", pay("").replace(":1,", ":-9223372036854775808,"), "amountMinor"),
        ("p1/revenue", pay("").replace(":1,", ":1e99,"), "amountMinor"),
        ("p1/revenue", pay("").replace("USD", "usd"), "currency"),
        ("p1/revenue", pay("").replace("USD", "ЮСД"), "currency"),
        ("p1/offers", r#"{"campaign":"none","idempotencyKey":"k"}"#.to_owned(), "campaign"),
        (
            "p1/offers",
            r#"{"campaign":"'; DROP TABLE campaigns; --","idempotencyKey":"k"}"#.to_owned(),
            "campaign",
        ),
        ("p1/offers", r#"{"campaign":7,"idempotencyKey":"k"}"#.to_owned(), "campaign"),
        ("p1/offers", r#"{"campaign":"c","idempotencyKey":""}"#.to_owned(), "idempotencyKey"),
        (
            "p1/offers",
            r#"{"campaign":"c","idempotencyKey":"k","idempotencyKey":"k"}"#.to_owned(),
            "idempotencyKey",
        ),
        ("p1/offers", format!(r#"{{"campaign":"c","idempotencyKey":"{long}"}}"#), "idempotencyKey"),
        ("p%201/offers", "{}".to_owned(), "player"),
        ("%00/offers", "{}".to_owned(), "player"),
        ("%FF/revenue", "{}".to_owned(), "player"),
    ] {
        let answer = call(&server, &key, "POST", path, &body).await;
        assert_eq!(
            (answer.status, &answer.json()["field"]),
            (400, &json!(field)),
            "{path} {body}: {answer:?}"
        );
    }
    for (path, body, field) in [
        ("p1/traits", r#"{"$spend.USD":9}"#, "traits[\"$spend.USD\"]"),
        ("p1/traits", r#"{"a":[1]}"#, "traits[\"a\"]"),
        ("p1/traits", r#"{"a":1,"a":2}"#, "a"),
        ("p1/ban", "{}", "body"),
        ("p1/ban", r#"{"reason":""}"#, "reason"),
    ] {
        let answer = call(&server, &key, "PUT", path, body).await;
        assert_eq!(
            (answer.status, &answer.json()["field"]),
            (400, &json!(field)),
            "{path} {body}: {answer:?}"
        );
    }
    for (body, field) in [
        (r#"{"name":"a b","scopes":["bans"]}"#, "name"),
        (r#"{"name":"","scopes":["bans"]}"#, "name"),
        (r#"{"name":"all","scopes":["bans"]}"#, "name"),
        (r#"{"name":"x","scopes":[]}"#, "scopes"),
        (r#"{"name":"x","scopes":["everything"]}"#, "scopes[0]"),
        (r#"{"name":"x","scopes":"bans"}"#, "scopes"),
        (r#"{"name":"x","scopes":["bans"],"key":"cstl_1"}"#, "key"),
        (r#"{"name":"x"}"#, "body"),
    ] {
        let answer = operator.ask("POST", "/admin/api-keys", body).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{body}: {answer:?}");
    }
    let huge = format!(r#"{{"campaign":"{}"}}"#, "x".repeat(40_000));
    assert_eq!(call(&server, &key, "POST", "p1/offers", &huge).await.status, 413);
    let bearer = format!("Bearer {key}");
    let text = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    let wrong = http(server.admin_addr(), "POST", "/server/v1/players/p1/revenue", &text, &pay("")).await;
    assert_eq!((wrong.status, &wrong.json()["field"]), (415, &json!("content-type")));
    assert_eq!(call(&server, &key, "POST", "p1/revenue", &pay("")).await.status, 200);
    assert_eq!(call(&server, &key, "GET", "p1/revenue", "").await.status, 405);
}
