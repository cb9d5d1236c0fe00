//! Experiments as an operator runs them: declared, reported from what players' games sent, ended by one call.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::time::{SystemTime, UNIX_EPOCH};

use castline::flags::bucketing::choose;
use castline_server::{FlagDefinition, RunningServer};
use serde_json::{Value, json};
use support::{Answer, Client, get, http, start};

/// Half control, half treatment.
fn price() -> FlagDefinition {
    let mut flag =
        FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap();
    flag.rollout_bp = 10_000;
    flag.weights = Some([("control".into(), 5_000), ("treatment".into(), 5_000)].into());
    flag
}

fn purchase() -> Value {
    json!({"flag": "price", "metric": {"kind": "conversion", "event": "purchase"}})
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn admin(server: &RunningServer, method: &str, path: &str, body: &str) -> Answer {
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    let bearer = format!("Bearer {key}");
    http(
        server.admin_addr(),
        method,
        &format!("/admin/experiments/{path}"),
        &[("authorization", &bearer)],
        body,
    )
    .await
}

async fn declare(server: &RunningServer, name: &str, definition: &Value) -> Value {
    let answer = admin(server, "PUT", name, &definition.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

async fn report(server: &RunningServer, name: &str) -> Value {
    let answer = admin(server, "GET", &format!("{name}/report"), "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

fn event(id: &str, name: &str, at: i64, props: Value) -> Value {
    json!({"eventId": id, "name": name, "timestamp": at, "props": props})
}

fn exposure(id: &str, at: i64, variant: &str) -> Value {
    event(id, "$exposure", at, json!({"flag": "price", "variant": variant}))
}

async fn send(server: &RunningServer, player: &str, events: &[Value]) {
    let bearer = format!("Bearer {}", server.token(player).unwrap());
    let body = json!({"flags": {}, "events": events}).to_string();
    let answer = http(server.addr(), "POST", "/events", &[("authorization", &bearer)], &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["count"], json!(events.len()), "{}", answer.body);
}

/// Sends for 2,400 players what their games would: the variant that the flag gives them, and for one in `one_in` a purchase.
async fn play(server: &RunningServer, one_in: impl Fn(&str) -> u64) -> [u64; 2] {
    let mut seen = [0_u64; 2];
    let mut batches = Vec::new();
    for n in 0..2_400_usize {
        let player = format!("p{n}");
        let variant = choose("price", &player, &[("control", 5_000), ("treatment", 5_000)]).unwrap();
        let count = &mut seen[usize::from(variant == "treatment")];
        *count += 1;
        let at = now();
        let mut events = vec![exposure("1", at, variant)];
        if count.is_multiple_of(one_in(variant)) {
            events.push(event("2", "purchase", at, json!({})));
        }
        batches.push((player, events));
    }
    // Many at once: the server commits what waits together.
    for some in batches.chunks(64) {
        let sends = some.iter().map(|(player, events)| send(server, player, events));
        futures_util::future::join_all(sends).await;
    }
    seen
}

async fn variant_of(server: &RunningServer, player: &str) -> Value {
    let answer = get(server.addr(), &format!("/flags?player_id={player}&build=2"), &[]).await;
    answer.json()["flags"]["price"]["variant"].clone()
}

#[tokio::test]
async fn a_better_variant_is_found_and_promoted_to_everybody() {
    let (server, _data) = start();
    server.put_flag("price", price()).unwrap();
    declare(&server, "cheaper", &purchase()).await;
    let [controls, treated] = play(&server, |variant| if variant == "control" { 10 } else { 4 }).await;
    let found = report(&server, "cheaper").await;
    let (all, arm) = (&found["report"], &found["report"]["arms"][0]);
    assert_eq!(
        (&all["controlPlayers"], &arm["players"], &arm["nonzero"]),
        (&json!(controls), &json!(treated), &json!(treated / 4))
    );
    assert_eq!(all["sampleRatio"]["fair"], true);
    assert_eq!(
        (&all["verdict"]["decision"], &all["verdict"]["because"], &all["verdict"]["variant"]),
        (&json!("promote"), &json!("better"), &json!("treatment"))
    );
    assert!(all["verdict"]["words"].as_str().unwrap().starts_with("Promote treatment: 2"), "{all}");
    assert_eq!((&arm["finding"], &arm["oneLook"]["method"]), (&json!("better"), &json!("twoProportionZ")));
    assert!(arm["sequence"]["interval"]["low"].as_f64().unwrap() > 0.0);

    // One call, and every game hears of it.
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    let ended = admin(&server, "POST", "cheaper/promote", "").await;
    assert_eq!((ended.status, &ended.json()["variant"]), (200, &json!("treatment")), "{}", ended.body);
    let push = client.next().await;
    assert_eq!(
        (&push["type"], &push["payload"]["version"]),
        (&json!("flags_changed"), &ended.json()["version"])
    );
    for n in 0..20 {
        assert_eq!(variant_of(&server, &format!("p{n}")).await, "treatment");
    }
    // The report stays what it was; what comes later is no part of it.
    send(&server, "late", &[exposure("1", now() + 1_000, "treatment")]).await;
    let after = report(&server, "cheaper").await;
    assert_eq!(after["promoted"], "treatment");
    assert_eq!(after["report"]["arms"][0]["players"], json!(treated));
    assert_eq!(after["report"]["verdict"]["decision"], "promote");
    let again = admin(&server, "POST", "cheaper/drop", "").await;
    assert_eq!(again.status, 400);
    assert!(again.json()["detail"].as_str().unwrap().contains("ended at"));
}

#[tokio::test]
async fn players_that_do_not_split_as_the_flag_says_forbid_a_verdict() {
    let (server, _data) = start();
    let mut flag = price();
    // The games still hold the old split; the flag says one in ten.
    flag.rollout_bp = 2_000;
    server.put_flag("price", flag).unwrap();
    declare(&server, "cheaper", &purchase()).await;
    play(&server, |variant| if variant == "control" { 10 } else { 4 }).await;
    let found = report(&server, "cheaper").await;
    let verdict = &found["report"]["verdict"];
    assert_eq!((&verdict["decision"], &verdict["because"]), (&json!("inconclusive"), &json!("sampleRatio")));
    assert!(verdict["words"].as_str().unwrap().contains("instead of 240 "), "{verdict}");
    // Nothing is promoted on such numbers, unless the operator names it.
    let refused = admin(&server, "POST", "cheaper/promote", "").await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["detail"].as_str().unwrap().contains("did not split"), "{}", refused.body);
    let bad = admin(&server, "POST", "cheaper/promote", r#"{"variant":"gold"}"#).await;
    assert!(bad.status == 400 && bad.json()["detail"].as_str().unwrap().contains("\"gold\""), "{}", bad.body);
    let named = admin(&server, "POST", "cheaper/promote", r#"{"variant":"control"}"#).await;
    assert_eq!(named.status, 200, "{}", named.body);
    assert_eq!(variant_of(&server, "p1").await, "control");
}

#[tokio::test]
async fn players_count_from_their_first_exposure_on() {
    let (server, _data) = start();
    server.put_flag("price", price()).unwrap();
    // Exposed before the experiment was declared: not until he is exposed again.
    send(&server, "early", &[exposure("1", now() - 60_000, "control")]).await;
    let started = declare(
        &server,
        "revenue",
        &json!({
            "flag": "price",
            "metric": {"kind": "mean", "event": "purchase", "prop": "amount"},
            "segmentBy": {"event": "profile", "prop": "tier"},
        }),
    )
    .await["startedAt"]
        .as_i64()
        .unwrap();
    let bought = |id: &str, at: i64, amount: Value| event(id, "purchase", at, json!({"amount": amount}));
    let tier = |id: &str, at: i64, tier: &str| event(id, "profile", at, json!({"tier": tier}));
    // The server takes what lies in the future for now; the times below must have passed.
    while now() < started + 50 {
        tokio::task::yield_now().await;
    }
    let at = |ms: i64| started + ms;
    send(
        &server,
        "buyer",
        &[
            tier("0", at(-5), "bronze"),
            tier("1", at(1), "gold"),
            bought("2", at(5), json!(100.0)),
            exposure("3", at(10), "treatment"),
            bought("4", at(10), json!(2.5)),
            bought("5", at(20), json!(4)),
            bought("6", at(21), json!("9")),
            bought("7", at(22), json!(null)),
            // Exposed again, and in a better tier: neither changes anything.
            exposure("8", at(30), "treatment"),
            tier("9", at(31), "platinum"),
        ],
    )
    .await;
    send(&server, "looker", &[exposure("1", at(3), "treatment")]).await;
    send(&server, "plain", &[exposure("1", at(2), "control"), bought("2", at(9), json!(1))]).await;
    send(&server, "both", &[exposure("1", at(2), "control"), exposure("2", at(9), "treatment")]).await;
    send(&server, "stranger", &[bought("1", at(9), json!(1_000))]).await;
    let other = event("1", "$exposure", at(2), json!({"flag": "price", "variant": "control", "more": [1]}));
    send(&server, "tolerated", &[other]).await;

    let found = report(&server, "revenue").await;
    let all = &found["report"];
    let arm = &all["arms"][0];
    assert_eq!((&arm["players"], &arm["nonzero"], &arm["value"]), (&json!(2), &json!(1), &json!(3.25)));
    assert_eq!((&all["controlPlayers"], &all["controlValue"]), (&json!(2), &json!(0.5)));
    assert_eq!(all["leftOut"]["twoVariants"], 1);
    assert_eq!(all["verdict"]["because"], "tooEarly");
    let segments: Vec<(&str, u64)> = all["segments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["segment"].as_str().unwrap(), s["players"].as_u64().unwrap()))
        .collect();
    assert_eq!(segments, [("gold", 1), ("unknown", 3)]);
    assert_eq!(found["definition"]["metric"], json!({"kind": "mean", "event": "purchase", "prop": "amount"}));
    // Exposed again after the start, he counts too.
    send(&server, "early", &[exposure("2", now(), "control")]).await;
    assert_eq!(report(&server, "revenue").await["report"]["controlPlayers"], 3);
}

#[tokio::test]
async fn a_change_of_the_flag_ends_what_can_be_said() {
    let (server, _data) = start();
    server.put_flag("price", price()).unwrap();
    let first = declare(&server, "cheaper", &purchase()).await;
    assert_eq!(first["started"], true);
    assert_eq!(
        declare(&server, "cheaper", &purchase()).await,
        json!({"started": false, "name": "cheaper", "startedAt": first["startedAt"]})
    );
    let because = async || report(&server, "cheaper").await["report"]["verdict"]["because"].clone();
    assert_eq!(because().await, "nothingToCompare");
    while now() <= first["startedAt"].as_i64().unwrap() {
        tokio::task::yield_now().await;
    }
    let mut flag = price();
    flag.variants.insert("treatment".into(), serde_json::from_str("\"$0.99\"").unwrap());
    server.put_flag("price", flag).unwrap();
    assert_eq!(because().await, "flagChanged");
    assert_eq!(declare(&server, "cheaper", &purchase()).await["started"], true);
    assert_eq!(because().await, "nothingToCompare");
    // Another metric is another experiment, and begins with nothing.
    let other = json!({"flag": "price", "metric": {"kind": "conversion", "event": "level_completed"}});
    assert_eq!(declare(&server, "cheaper", &other).await["started"], true);
    assert_eq!(declare(&server, "cheaper", &other).await["started"], false);
}

#[tokio::test]
async fn dropping_gives_everybody_the_default() {
    let (server, data) = start();
    server.put_flag("price", price()).unwrap();
    declare(&server, "cheaper", &purchase()).await;
    let players: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    let mut before = 0;
    for player in &players {
        before += usize::from(variant_of(&server, player).await == "treatment");
    }
    assert!(before > 0);
    let ended = admin(&server, "POST", "cheaper/drop", "").await;
    assert_eq!(
        (ended.status, ended.json()),
        (200, json!({"flag": "price", "variant": "control", "version": "v3"}))
    );
    for player in &players {
        assert_eq!(variant_of(&server, player).await, "control");
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut db = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options).await.unwrap();
    let audit: Vec<(String, String)> =
        sqlx::query_as("SELECT action, subject FROM audit ORDER BY number").fetch_all(&mut db).await.unwrap();
    let lines: Vec<(&str, &str)> = audit.iter().map(|(a, s)| (a.as_str(), s.as_str())).collect();
    let expected = [
        ("put flag", "price"),
        ("put experiment", "cheaper"),
        ("drop", "price"),
        ("drop experiment", "cheaper"),
    ];
    assert_eq!(lines, expected);
    // The flag is free for the next one, which needs players of both kinds.
    let refused = admin(&server, "PUT", "again", &purchase().to_string()).await;
    assert!(refused.status == 400 && refused.json()["detail"].as_str().unwrap().contains("rolloutBp 0"));
    server.put_flag("price", price()).unwrap();
    assert_eq!(declare(&server, "again", &purchase()).await["started"], true);
}

#[tokio::test]
async fn what_cannot_be_an_experiment_is_refused_with_the_reason() {
    let (server, _data) = start();
    server.put_flag("price", price()).unwrap();
    let mut everybody = price();
    everybody.weights = None;
    server.put_flag("everybody", everybody).unwrap();
    let mut off = price();
    off.enabled = false;
    server.put_flag("off", off).unwrap();
    let mut ruled = price();
    ruled.rules = serde_json::from_str(r#"[{"when":{"attr.tier":["gold"]},"variant":"treatment"}]"#).unwrap();
    server.put_flag("ruled", ruled).unwrap();
    declare(&server, "first", &purchase()).await;
    let conversion =
        |flag: &str| json!({"flag": flag, "metric": {"kind": "conversion", "event": "x"}}).to_string();
    for (body, part) in [
        (conversion("none"), "no flag \"none\""),
        (conversion("off"), "disabled"),
        (conversion("ruled"), "targeting rules"),
        (conversion("everybody"), "gives nobody its default variant"),
        (conversion("price"), "\"first\" runs on flag"),
        (conversion(""), "flag: 0 bytes"),
        (
            json!({"flag": "price", "metric": {"kind": "conversion", "event": "$exposure"}}).to_string(),
            "$exposure",
        ),
        (json!({"flag": "price", "metric": {"kind": "mean", "event": "x"}}).to_string(), "prop"),
        (json!({"flag": "price", "metric": {"kind": "median", "event": "x"}}).to_string(), "median"),
        (
            json!({"flag": "price", "metric": {"kind": "conversion", "event": "x"}, "until": 1}).to_string(),
            "until",
        ),
        ("{\"flag\": \"price\"".to_owned(), "body"),
        ("[".repeat(100), "deeper"),
        (String::new(), "body"),
    ] {
        let answer = admin(&server, "PUT", "second", &body).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("INVALID_PAYLOAD")), "{body}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(part), "{}", answer.body);
    }
    let long = admin(&server, "PUT", &"n".repeat(129), &purchase().to_string()).await;
    assert_eq!(long.status, 400);
    for (method, path) in [("GET", "none/report"), ("POST", "none/promote"), ("POST", "none/drop")] {
        let answer = admin(&server, method, path, "").await;
        assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("NOT_FOUND")), "{path}");
    }
    let unnamed = http(server.admin_addr(), "GET", "/admin/experiments/first/report", &[], "").await;
    assert_eq!(unnamed.status, 401);
    let elsewhere = http(server.addr(), "GET", "/admin/experiments/first/report", &[], "").await;
    assert_eq!(elsewhere.status, 404);
}
