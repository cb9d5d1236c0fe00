//! What `/admin/pool` says of the sockets, now and as they were.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{RunningServer, Server};
use serde_json::{Value, json};
use support::operator::Operator;
use support::{Client, get, rows, settings, start, start_with};

/// Asks until it is so.
async fn until(server: &RunningServer, path: &str, so: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + support::PATIENCE;
    loop {
        let answer = Operator::of(server).done("GET", path, Value::Null).await;
        if so(&answer) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{answer}");
    }
}

fn now_ms() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}

#[tokio::test]
async fn the_pool_is_shown_as_it_is() {
    let (server, _data) = start_with(|s| s.timers.pool_period = 50);
    let empty = Operator::of(&server).done("GET", "/admin/pool", Value::Null).await;
    assert_eq!((&empty["connections"], &empty["alert"]["state"]), (&json!(0), &json!("quiet")));
    assert_eq!(
        (&empty["window"]["averageTtlMs"], &empty["window"]["latencyMs"]),
        (&json!(null), &json!(null))
    );
    let _stranger = Client::open(server.addr()).await;
    let (player, _) = Client::login(&server, "p1", "d1", None).await;
    let now = Operator::of(&server).done("GET", "/admin/pool", Value::Null).await;
    assert_eq!((&now["connections"], &now["players"], &now["strangers"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(now["workers"][0]["connections"], 2);
    player.vanish();
    let (_player, _) = Client::login(&server, "p1", "d1", None).await;
    let later = until(&server, "/admin/pool", |pool| {
        pool["window"]["reconnected"] == 1 && pool["window"]["ended"] == 1
    })
    .await;
    assert_eq!(later["window"]["reconnectRate"], 1.0);
    assert!(later["window"]["averageTtlMs"].is_u64());
    // A single device rings no bell.
    assert_eq!(later["alert"]["state"], "quiet");
}

#[tokio::test]
async fn a_line_is_written_each_period_and_read_in_steps() {
    let (server, _data) = start_with(|s| s.timers.pool_period = 20);
    let path = format!("/admin/pool/history?step=500&from={}", now_ms() - 60_000);
    let (mut player, _) = Client::login(&server, "p1", "d1", None).await;
    server
        .put_flag("f", serde_json::from_value(json!({"variants": {"a": 1}, "defaultVariant": "a"})).unwrap())
        .unwrap();
    assert_eq!(player.next().await["type"], "flags_changed");
    // The pong comes after it is counted.
    player.nothing_more().await;
    // A connection may live and end between two lines.
    until(&server, &path, |history| {
        history["points"].as_array().unwrap().iter().any(|point| point["connections"]["max"] == 1.0)
    })
    .await;
    player.vanish();
    let steps = until(&server, &path, |history| {
        let points = history["points"].as_array().unwrap();
        points.iter().filter_map(|point| point["ended"].as_u64()).sum::<u64>() == 1
    })
    .await;
    let point = steps["points"].as_array().unwrap().iter().find(|point| point["ended"] == 1).unwrap();
    assert_eq!(point["closes"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>(), 1);
    assert!(point["averageTtlMs"].is_u64() && point["perWorker"]["0"].is_f64());
    let all = steps["points"].as_array().unwrap();
    let sum = |name: &str| all.iter().map(|point| point[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("opened"), sum("received")), (1, 2));
    // `connected`, `authenticated`, `pong` and `flags_changed`, of which the last is timed.
    assert_eq!(sum("sent"), 4);
    let timed: Vec<_> = all.iter().filter(|point| !point["latencyMs"].is_null()).collect();
    assert_eq!(timed.len(), 1);
    let latency = &timed[0]["latencyMs"];
    assert_eq!(latency["count"], 1);
    assert!(latency["p50"].as_f64().unwrap() > 0.0 && latency["p50"] == latency["worstP99"], "{latency}");
    assert!(all.iter().any(|point| point["connections"]["max"] == 1.0));
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_goes() {
    let (_server, data) = start_with(|s| (s.timers.pool_period, s.timers.pool_keep) = (20, 200));
    const FIRST: &str = "SELECT CAST(MIN(at) AS TEXT) FROM pool_metrics HAVING COUNT(*) > 0";
    let deadline = tokio::time::Instant::now() + support::PATIENCE;
    let mut first = Vec::new();
    while first.is_empty() || rows(&data, FIRST).await == first {
        assert!(tokio::time::Instant::now() < deadline, "nothing was taken away");
        first = if first.is_empty() { rows(&data, FIRST).await } else { first };
    }
}

/// A crash is a loss of all sockets; an orderly end is none.
#[tokio::test]
async fn who_comes_back_after_a_crash_has_reconnected() {
    for crash in [true, false] {
        let (server, data) = start_with(|s| s.timers.pool_period = 20);
        let players: Vec<_> = ["p1", "p2"].into();
        let mut sockets = Vec::new();
        for player in &players {
            sockets.push(Client::login(&server, player, "d1", None).await);
        }
        if crash {
            server.kill();
        } else {
            server.drain().await;
        }
        let mut again = settings(&data);
        again.timers.pool_period = 20;
        let server = Server::start(again).unwrap();
        let (_socket, _) = Client::login(&server, "p1", "d1", None).await;
        let (devices, reconnected) = if crash { (2, 1) } else { (1, 0) };
        // A line may lie between the opening of a socket and its login.
        let came = |pool: &Value| {
            pool["window"]["opened"] == 1
                && pool["window"]["devices"] == devices
                && pool["window"]["reconnected"] == reconnected
        };
        let pool = until(&server, "/admin/pool", came).await;
        let window = &pool["window"];
        assert_eq!((&window["devices"], &window["reconnected"]), (&json!(devices), &json!(reconnected)));
    }
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_told_so() {
    let (server, _data) = start();
    let operator = Operator::of(&server);
    for (query, field) in [
        ("from=x", "from"),
        ("from=1e3", "from"),
        ("to=-5", "to"),
        ("step=0", "step"),
        ("from=0&step=1", "step"),
        ("from=5&to=5", "from"),
        ("step=10&step=10", "step"),
        ("from=%00", "from"),
        ("when=1", "when"),
        ("from=99999999999999999999", "from"),
    ] {
        let path = format!("/admin/pool/history?{query}");
        let answer = operator.ask("GET", &path, "").await;
        assert_eq!(
            (answer.status, &answer.json()["field"]),
            (400, &json!(field)),
            "{query}: {}",
            answer.body
        );
    }
    for path in ["/admin/pool", "/admin/pool/history"] {
        assert_eq!(get(server.admin_addr(), path, &[]).await.status, 401);
    }
    assert_eq!(
        Operator::of(&server).done("GET", "/admin/pool/history?from=0&to=1000", Value::Null).await["points"],
        json!([])
    );
}
