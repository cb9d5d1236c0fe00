//! The operators' console in Chromium: this starts two servers with a past, installs Playwright and axe at the locked versions, and lets
//! `tests/console/console.test.mjs` click, type, and judge.
//!
//! It needs Chromium, Node.js 20 with npm, and the npm registry at its first run; so a plain `cargo test` leaves it out (`test = false`
//! in `Cargo.toml`), and the step `console` of `cargo xtask test` runs it.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use castline_server::{FlagDefinition, Rate, RunningServer, Server};
use futures_util::StreamExt as _;
use serde_json::json;
use sqlx::{ConnectOptions as _, Connection as _};
use support::npm::{install, node};
use support::{Client, http, settings, start, start_with};
use tempfile::TempDir;

const DAY: i64 = 86_400_000;
/// How long the experiment has been running.
const DAYS: i64 = 12;

fn admin_key(server: &RunningServer) -> String {
    std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap()
}

async fn put(server: &RunningServer, path: &str, body: serde_json::Value) {
    let bearer = format!("Bearer {}", admin_key(server));
    let headers = [("authorization", bearer.as_str()), ("castline-actor", "seed")];
    let answer =
        http(server.admin_addr(), "PUT", &format!("/admin/{path}"), &headers, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
}

/// What the server would have noted of the last hour: two workers, a storm of reconnects half an hour ago.
async fn pool_of_an_hour(c: &mut sqlx::SqliteConnection, now: i64) {
    for n in 0..360_i64 {
        let storm = (170..200).contains(&n);
        let (first, second) = (900 + (n * 7) % 60, 400 + n / 3 - if storm { 200 } else { 0 });
        let rate = if storm { 0.09 } else { 0.004 + (n % 9) as f64 * 0.001 };
        let closes =
            json!({"1000": n % 5, "4009": n % 3, "1006": if storm { 40 } else { n % 2 }}).to_string();
        let p50 = 0.6 + (n % 7) as f64 * 0.1 + if storm { 2.0 } else { 0.0 };
        sqlx::query(
            "INSERT INTO pool_metrics VALUES (?1, ?2, ?2, 0, ?3, 5, 4, 900000, ?4, 90, 80, 1400, ?5, ?6, 90, ?7, ?7 * 3, ?7 * 9, ?8)",
        )
        .bind(now - (360 - n) * 10_000)
        .bind(first + second)
        .bind(json!({"0": first, "1": second}).to_string())
        .bind(closes)
        .bind((1_400.0 * rate) as i64)
        .bind(rate)
        .bind(p50)
        .bind(storm)
        .execute(&mut *c)
        .await
        .unwrap();
    }
}

/// What an operator and some players did, and then twelve days: an experiment with a hundred players a day and variant, a campaign with
/// offers on their way.
async fn with_a_past() -> (RunningServer, TempDir) {
    let (server, data) = start();
    let half = || {
        let mut flag =
            FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap();
        flag.rollout_bp = 10_000;
        flag.weights = Some([("control".into(), 5_000), ("treatment".into(), 5_000)].into());
        flag
    };
    server.put_flag("price", half()).unwrap();
    server.put_flag("speed", half()).unwrap();
    put(
        &server,
        "flags/lucky_hour",
        json!({"variants": {"off": false, "on": true}, "defaultVariant": "off", "rolloutBp": 125,
        "rules": [{"when": {"trait.country": ["DE"]}, "variant": "on"}], "overrides": {"tester1": "on"}}),
    )
    .await;
    for (name, flag) in [("cheaper", "price"), ("faster", "speed")] {
        let metric = json!({"kind": "conversion", "event": "purchase"});
        put(&server, &format!("experiments/{name}"), json!({"flag": flag, "metric": metric})).await;
    }
    put(&server, "segments/whales", json!({"description": "Spent a hundred", "when": {"trait": {"name": "spend", "op": ">=", "value": 100}}})).await;
    put(
        &server,
        "campaigns/starter",
        json!({"title": "Starter pack", "discount": 50, "expiresInSeconds": 864_000,
        "placements": ["level_completed"], "budget": {"total": 500}, "segments": ["whales"], "priority": 5}),
    )
    .await;
    put(
        &server,
        "campaigns/weekend",
        json!({"title": "Weekend pearls", "expiresInSeconds": 3_600, "enabled": false}),
    )
    .await;
    put(&server, "players/ann/traits", json!({"country": "DE", "spend": 120})).await;
    server.drain().await;

    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let started = (now / DAY - DAYS) * DAY;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("castline.db"));
    let mut c = options.connect().await.unwrap();
    let mut c = c.begin().await.unwrap();
    for sql in [
        "UPDATE experiments SET started_at = ? WHERE name = 'cheaper'",
        "UPDATE feature_flags SET updated_at = ? WHERE flag_name = 'price'",
    ] {
        sqlx::query(sql).bind(started).execute(&mut *c).await.unwrap();
    }
    let insert =
        "INSERT INTO analytics_events (user_id, event_id, name, happened_at, received_at, flags, props)
                  VALUES (?1, ?2, ?3, ?4, ?4, '{}', ?5)";
    for (day, n) in (0..DAYS).flat_map(|day| (0..200_i64).map(move |n| (day, n))) {
        let (variant, share) = if n % 2 == 0 { ("control", 10) } else { ("treatment", 17) };
        let (player, at) = (format!("p{day}.{n}"), started + day * DAY + n);
        let props = json!({"flag": "price", "variant": variant}).to_string();
        let exposed = sqlx::query(insert).bind(&player).bind("1").bind("$exposure").bind(at).bind(props);
        exposed.execute(&mut *c).await.unwrap();
        if (n / 2 * 37 + day * 11) % 100 < share {
            let bought = sqlx::query(insert).bind(&player).bind("2").bind("purchase").bind(at + 1).bind("{}");
            bought.execute(&mut *c).await.unwrap();
        }
    }
    for n in 0..60_i64 {
        let (state, outcome) = match n {
            0..8 => ("sent", None),
            8..20 => ("received", None),
            20..38 => ("closed", Some("accepted")),
            _ => ("closed", Some("declined")),
        };
        sqlx::query(
            "INSERT INTO player_offers (user_id, offer_id, definition_id, number, state, sent_at, expires_at, outcome, created_at, day, shown_at)
             VALUES (?1, 'starter', 'starter', 1, ?2, ?3, ?4, ?5, ?3, '', ?6)",
        )
        .bind(if n == 20 { "ann".to_owned() } else { format!("p{n}") })
        .bind(state)
        .bind(now - n * 60_000)
        .bind(now + DAY)
        .bind(outcome)
        .bind((n >= 14).then_some(now - n * 60_000 + 900))
        .execute(&mut *c)
        .await
        .unwrap();
    }
    pool_of_an_hour(&mut c, now).await;
    c.commit().await.unwrap();
    let mut settings = settings(&data);
    settings.timers.pool_period = 1_000;
    (Server::start(settings).unwrap(), data)
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_do_their_day_in_a_browser() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/console");
    install(&directory);
    let (server, _data) = with_a_past().await;
    // A game that is there while the operator looks.
    let (mut ann, _) = Client::login(&server, "ann", "phone", None).await;
    let playing = tokio::spawn(async move { while ann.socket.next().await.is_some() {} });
    // Wrong keys lock an address, so they are typed at a server of their own.
    // Ten do, as by default, without the refill: how long a browser takes to type them is the machine's affair.
    let (locked, _locked_data) =
        start_with(|settings| settings.limits.wrong_keys = Rate::per_second(0.001, 10.0));
    let environment = [
        ("CASTLINE_CONSOLE", format!("http://{}", server.admin_addr())),
        ("CASTLINE_KEY", admin_key(&server)),
        ("CASTLINE_LOCKED", format!("http://{}", locked.admin_addr())),
        ("CASTLINE_PLAYERS", server.http_url()),
    ];
    let arguments = ["--test", "--test-timeout=300000", "console.test.mjs"];
    let judged = tokio::task::spawn_blocking(move || node("node", &arguments, &directory, &environment));
    assert!(judged.await.unwrap(), "the console's tests failed; see above");
    playing.abort();
}
