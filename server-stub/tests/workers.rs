//! Workers: who is seated where, who makes room, who is ended though its task hangs.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{RunningServer, Settings};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use support::metrics::{scrape, until_all};
use support::operator::Operator;
use support::{Client, start_with};

fn small(settings: &mut Settings) {
    settings.limits.places_per_worker = 4;
    settings.limits.unauthenticated_share = 1.0;
}

/// Connections by worker, from both ways of asking.
async fn workers(server: &RunningServer) -> Vec<(u64, u64)> {
    let pool = Operator::of(server).done("GET", "/admin/pool", Value::Null).await;
    let workers = pool["workers"].as_array().unwrap().iter();
    workers.map(|w| (w["worker"].as_u64().unwrap(), w["connections"].as_u64().unwrap())).collect()
}

async fn until_so(server: &RunningServer, so: impl Fn(&[(u64, u64)]) -> bool) {
    let deadline = tokio::time::Instant::now() + support::PATIENCE;
    loop {
        let now = workers(server).await;
        if so(&now) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{now:?}");
    }
}

#[tokio::test]
async fn a_socket_goes_to_the_emptiest_worker_and_a_new_one_comes_when_all_are_full() {
    let (server, _data) = start_with(|s| {
        small(s);
        s.timers.worker_retire = 100;
    });
    assert_eq!(workers(&server).await, [(0, 0)]);
    let mut players = Vec::new();
    for n in 0..9 {
        players.push(Client::login(&server, &format!("p{n}"), "d1", None).await.0);
    }
    assert_eq!(workers(&server).await, [(0, 4), (1, 4), (2, 1)]);
    let samples = scrape(&server).await;
    for (worker, count) in [(0, 4.0), (1, 4.0), (2, 1.0)] {
        assert_eq!(samples[&format!("ws_active_connections{{worker=\"{worker}\"}}")], count);
    }
    // The third has the fewest, until it has as many.
    for n in 9..12 {
        players.push(Client::login(&server, &format!("p{n}"), "d1", None).await.0);
    }
    assert_eq!(workers(&server).await, [(0, 4), (1, 4), (2, 4)]);

    // The second one empties and retires; its series goes with it.
    players.drain(4..8).for_each(Client::vanish);
    until_so(&server, |workers| *workers == [(0, 4), (2, 4)]).await;
    let gone = "ws_active_connections{worker=\"1\"}";
    assert!(!scrape(&server).await.contains_key(gone));
    // A note for everybody reaches every worker.
    server
        .put_flag("f", serde_json::from_value(json!({"variants": {"a": 1}, "defaultVariant": "a"})).unwrap())
        .unwrap();
    for player in &mut players {
        assert_eq!(player.next().await["type"], "flags_changed");
    }
    // Its number is given again.
    players.push(Client::login(&server, "p20", "d1", None).await.0);
    assert_eq!(workers(&server).await, [(0, 4), (1, 1), (2, 4)]);
    // The last worker stays, empty as it is.
    players.drain(..).for_each(Client::vanish);
    until_so(&server, |workers| workers.len() == 1 && workers[0].1 == 0).await;
}

#[tokio::test]
async fn the_oldest_stranger_makes_room_and_no_player_does() {
    let (server, _data) = start_with(|s| {
        s.limits.places_per_worker = 20;
        s.limits.unauthenticated_share = 0.1;
        s.timers.stranger_grace = 0;
    });
    let mut players = Vec::new();
    for n in 0..5 {
        players.push(Client::login(&server, &format!("p{n}"), "d1", None).await.0);
    }
    let mut strangers = Vec::new();
    for _ in 0..4 {
        strangers.push(Client::open(server.addr()).await);
    }
    // Of four, two are too many: the first two.
    assert_eq!(strangers[0].closed().await, 4002);
    assert_eq!(strangers[1].closed().await, 4002);
    strangers[3].request("system", "ping", json!({})).await;
    for player in &mut players {
        player.nothing_more().await;
    }
    let samples = scrape(&server).await;
    assert_eq!(samples[r#"ws_evictions_total{reason="unauthenticated"}"#], 2.0);
    let pool = Operator::of(&server).done("GET", "/admin/pool", Value::Null).await;
    assert_eq!(
        (&pool["workers"][0]["connections"], &pool["workers"][0]["strangers"]),
        (&json!(7), &json!(2))
    );
    // Those who authenticate are no strangers any more: others may come.
    let token = server.token("p9").unwrap();
    assert_eq!(strangers[2].authenticate(&token, "d1", None).await["type"], "authenticated");
    let mut another = Client::open(server.addr()).await;
    strangers[3].request("system", "ping", json!({})).await;
    another.request("system", "ping", json!({})).await;
    strangers[2].nothing_more().await;
}

/// After a restart everybody is a stranger at once, and nobody has to go for that.
#[tokio::test]
async fn a_stranger_that_has_only_just_come_makes_no_room() {
    let (server, _data) = start_with(|s| {
        s.limits.places_per_worker = 20;
        s.limits.unauthenticated_share = 0.1;
        s.timers.stranger_grace = 60_000;
    });
    let mut crowd = Vec::new();
    for _ in 0..6 {
        crowd.push(Client::open(server.addr()).await);
    }
    for (n, stranger) in crowd.iter_mut().enumerate() {
        let token = server.token(&format!("p{n}")).unwrap();
        assert_eq!(stranger.authenticate(&token, "d1", None).await["type"], "authenticated");
    }
    assert_eq!(workers(&server).await, [(0, 6)]);
}

/// A flood of strangers neither fills workers nor keeps a player out.
#[tokio::test]
async fn a_flood_of_strangers_locks_nobody_out() {
    let (server, _data) = start_with(|s| {
        s.limits.places_per_worker = 10;
        s.limits.unauthenticated_per_address = 1_000;
        s.timers.stranger_grace = 0;
    });
    let mut flood = Vec::new();
    for n in 0..100 {
        flood.push(Client::open(server.addr()).await);
        if n % 20 == 0 {
            Client::login(&server, &format!("p{n}"), "d1", None).await.0.nothing_more().await;
        }
    }
    let mut player = Client::login(&server, "p1", "d1", None).await.0;
    player.nothing_more().await;
    // One stranger a worker, and one worker is enough. The players of before have vanished, and the server notices.
    until_so(&server, |workers| workers.len() == 1 && workers[0].1 <= 2).await;
}

/// The connection's task waits for a database that somebody else has locked; it cannot look at the clock. Its worker does.
#[tokio::test]
async fn a_socket_that_outlives_its_lease_is_ended_by_its_worker() {
    let (server, data) = start_with(|s| {
        // As long as the test may be kept from asking: until then it does not read, so it answers no ping.
        (s.timers.heartbeat, s.timers.dead_after, s.timers.lease_grace) = (1_000, 4_000, 100);
        s.timers.database_wait = 20_000;
    });
    let file = data.path().join("castline.db");
    let mut other = sqlx::sqlite::SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let (mut player, _) = Client::login(&server, "p1", "d1", None).await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let ask =
        r#"{"channel":"offers","type":"ready_for_offer","payload":{"placement":"x"},"id":"c1","key":"k1"}"#;
    player.text(ask).await;
    assert_eq!(player.got().await, support::Got::Closed(1006), "no answer, and no farewell");
    let ended =
        [(r#"ws_evictions_total{reason="lease"}"#, 1.0), (r#"ws_active_connections{worker="0"}"#, 0.0)];
    until_all(&server, &ended).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    // Nobody else is harmed, and the device comes back.
    let (mut again, _) = Client::login(&server, "p1", "d1", None).await;
    again.nothing_more().await;
}
