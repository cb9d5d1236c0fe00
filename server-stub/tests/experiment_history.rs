//! An experiment over time: a point a day, made up for after the server was down, and gone when the experiment starts anew.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use castline_server::{FlagDefinition, RunningServer, Server};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _};
use support::{Answer, PATIENCE, http, settings, start};
use tempfile::TempDir;

const DAY: i64 = 86_400_000;

async fn admin(server: &RunningServer, method: &str, path: &str, body: &str) -> Answer {
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    let bearer = format!("Bearer {key}");
    http(server.admin_addr(), method, path, &[("authorization", &bearer)], body).await
}

async fn points(server: &RunningServer) -> Vec<Value> {
    let answer = admin(server, "GET", "/admin/experiments/cheaper/history", "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["points"].as_array().unwrap().clone()
}

/// What a server that ran for these days would have stored: the experiment began `days` ago, and each day ten players of each variant
/// came, of whom two of the control and five of the treatment bought.
async fn pretend(data: &TempDir, days: i64, now: i64) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut c = options.connect().await.unwrap();
    let started = (now / DAY - days) * DAY;
    for sql in ["UPDATE experiments SET started_at = ?", "UPDATE feature_flags SET updated_at = ?"] {
        sqlx::query(sql).bind(started).execute(&mut c).await.unwrap();
    }
    let insert =
        "INSERT INTO analytics_events (user_id, event_id, name, happened_at, received_at, flags, props)
                  VALUES (?1, ?2, ?3, ?4, ?4, '{}', ?5)";
    for day in 0..days {
        for n in 0..20_i64 {
            let variant = if n % 2 == 0 { "control" } else { "treatment" };
            let (player, at) = (format!("p{day}.{n}"), started + day * DAY + n);
            let props = json!({"flag": "price", "variant": variant}).to_string();
            let exposed = sqlx::query(insert).bind(&player).bind("1").bind("$exposure").bind(at).bind(props);
            exposed.execute(&mut c).await.unwrap();
            if n / 2 < if variant == "control" { 2 } else { 5 } {
                let bought =
                    sqlx::query(insert).bind(&player).bind("2").bind("purchase").bind(at + 1).bind("{}");
                bought.execute(&mut c).await.unwrap();
            }
        }
    }
    c.close().await.unwrap();
}

#[tokio::test]
async fn an_experiment_has_a_point_for_each_day_that_passed() {
    let (server, data) = start();
    let mut flag =
        FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap();
    flag.rollout_bp = 10_000;
    flag.weights = Some([("control".into(), 5_000), ("treatment".into(), 5_000)].into());
    server.put_flag("price", flag).unwrap();
    let body = json!({"flag": "price", "metric": {"kind": "conversion", "event": "purchase"}}).to_string();
    assert_eq!(admin(&server, "PUT", "/admin/experiments/cheaper", &body).await.status, 200);
    assert!(points(&server).await.is_empty(), "no day is over, and nobody has looked");
    server.drain().await;

    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    pretend(&data, 9, now).await;
    let server = Server::start(settings(&data)).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let days = loop {
        let days = points(&server).await;
        if days.len() >= 9 {
            break days;
        }
        assert!(Instant::now() < deadline, "{} days only", days.len());
    };
    assert_eq!(days.len(), 9, "today is not over, and nobody has read the report");
    for (n, day) in (1_i64..).zip(&days) {
        assert_eq!((&day["players"], &day["controlPlayers"]), (&json!(20 * n), &json!(10 * n)));
        assert_eq!(day["asOf"], json!((now / DAY - 9 + n) * DAY - 1));
        let arm = &day["arms"][0];
        assert!((arm["effect"].as_f64().unwrap() - 0.3).abs() < 1e-12, "{arm}");
        assert!(arm["low"].as_f64().unwrap() < 0.3 && arm["high"].as_f64().unwrap() > 0.3, "{arm}");
    }
    let widths: Vec<f64> = days
        .iter()
        .map(|day| day["arms"][0]["high"].as_f64().unwrap() - day["arms"][0]["low"].as_f64().unwrap())
        .collect();
    assert!(widths.is_sorted_by(|a, b| a > b), "a sequence gets narrower: {widths:?}");

    // Whoever reads the report adds today's point, once.
    for _ in 0..2 {
        let report = admin(&server, "GET", "/admin/experiments/cheaper/report", "").await.json();
        let days = points(&server).await;
        assert_eq!((days.len(), &days[9]["asOf"]), (10, &report["report"]["asOf"]));
        assert_eq!(days[9]["words"], report["report"]["verdict"]["words"]);
    }
    let list = admin(&server, "GET", "/admin/experiments", "").await.json();
    let listed = &list["experiments"][0];
    assert_eq!((&listed["name"], &listed["definition"]["flag"]), (&json!("cheaper"), &json!("price")));
    assert_eq!((&listed["latest"]["players"], &list["more"]), (&json!(180), &json!(false)));

    let other = body.replace("purchase", "level_up");
    assert_eq!(admin(&server, "PUT", "/admin/experiments/cheaper", &other).await.status, 200);
    assert!(points(&server).await.is_empty(), "it begins anew");
    assert_eq!(admin(&server, "GET", "/admin/experiments/none/history", "").await.status, 404);
}
