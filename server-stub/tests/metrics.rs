//! What `/metrics` says, and to whom.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{OfferDefinition, Secret};
use serde_json::json;
use support::metrics::{scrape, until, until_all};
use support::{Client, get, start, start_with};

#[tokio::test]
async fn what_happens_is_counted_under_the_names_of_the_protocol() {
    let (server, _data) = start();
    server.put_offer("o1", OfferDefinition::new("Offer", 1.0, 60)).unwrap();
    let before = scrape(&server).await;
    assert_eq!(before[r#"ws_active_connections{worker="0"}"#], 0.0);
    assert_eq!(before["ws_message_latency_ms_count"], 0.0);
    let bounds: Vec<_> = before
        .keys()
        .filter_map(|name| name.strip_prefix("ws_message_latency_ms_bucket{le=\"")?.strip_suffix("\"}"))
        .collect();
    assert_eq!(bounds.len(), 8);
    for bound in ["5", "10", "25", "50", "100", "250", "500", "+Inf"] {
        assert!(bounds.contains(&bound), "{bound} of {bounds:?}");
    }

    let stranger = Client::open(server.addr()).await;
    let (mut player, _) = Client::login(&server, "p1", "d1", None).await;
    let reply = player.request("offers", "ready_for_offer", json!({"placement": "x"})).await;
    assert_eq!(reply["payload"]["pending"], 1);
    assert_eq!(player.next().await["type"], "new_offer");
    player.request("game", "no such thing", json!({})).await;
    player.text("no JSON").await;
    assert_eq!(player.next().await["type"], "error");
    // A flag is put: every player hears of it over the bus.
    server
        .put_flag("f", serde_json::from_value(json!({"variants": {"a": 1}, "defaultVariant": "a"})).unwrap())
        .unwrap();
    assert_eq!(player.next().await["type"], "flags_changed");
    player.nothing_more().await;

    let counted = [
        (r#"ws_active_connections{worker="0"}"#, 2.0),
        ("ws_players", 1.0),
        ("ws_strangers", 1.0),
        ("ws_connections_total", 2.0),
        (r#"ws_messages_total{type="connected"}"#, 2.0),
        (r#"ws_messages_total{type="authenticated"}"#, 1.0),
        (r#"ws_messages_total{type="new_offer"}"#, 1.0),
        (r#"ws_messages_total{type="lease"}"#, 1.0),
        (r#"ws_messages_total{type="flags_changed"}"#, 1.0),
        (r#"ws_messages_total{type="error"}"#, 2.0),
        (r#"ws_messages_total{type="other"}"#, 0.0),
        (r#"ws_received_messages_total{type="ready_for_offer"}"#, 1.0),
        (r#"ws_received_messages_total{type="other"}"#, 1.0),
        (r#"ws_request_duration_seconds_count{type="ready_for_offer"}"#, 1.0),
        (r#"http_requests_total{listener="players",route="/ws",status="101"}"#, 2.0),
        ("connection_ttl_seconds_count", 0.0),
        ("ws_message_latency_ms_count", 2.0),
    ];
    until_all(&server, &counted).await;
    // What is one too many comes late as well.
    player.nothing_more().await;
    until_all(&server, &counted).await;
    let now = until(&server, "bus_lag_ms_count", |count| count >= 1.0).await;
    assert!(now.keys().any(|name| name.starts_with("castline_build_info{version=")));
    #[cfg(target_os = "linux")]
    assert!(now["process_resident_memory_bytes"] > 1e6 && now["process_open_fds"] > 5.0);

    player.socket.close(None).await.unwrap();
    stranger.vanish();
    let ended = [
        ("connection_ttl_seconds_count", 2.0),
        (r#"ws_active_connections{worker="0"}"#, 0.0),
        ("ws_players", 0.0),
        ("ws_strangers", 0.0),
        (r#"ws_closes_total{by="client",code="1005"}"#, 1.0),
        (r#"ws_closes_total{by="nobody",code="1006"}"#, 1.0),
    ];
    until_all(&server, &ended).await;
}

#[tokio::test]
async fn no_player_makes_a_series() {
    let (server, _data) = start();
    let (mut player, _) = Client::login(&server, "p1", "d1", None).await;
    let series = scrape(&server).await.len();
    for n in 0..20 {
        player.request("game", &format!("type{n}"), json!({})).await;
        get(server.addr(), &format!("/nothing/{n}"), &[]).await;
    }
    use futures_util::SinkExt;
    use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};
    let frame = CloseFrame { code: 3_999.into(), reason: "".into() };
    player.socket.send(Message::Close(Some(frame))).await.unwrap();
    let counted = [
        (r#"ws_closes_total{by="client",code="other"}"#, 1.0),
        (r#"ws_received_messages_total{type="other"}"#, 20.0),
        (r#"http_requests_total{listener="players",route="none",status="404"}"#, 20.0),
    ];
    let after = until_all(&server, &counted).await;
    // The close code's one; the counter, and the buckets, sum and count of two routes' times.
    assert!(after.len() <= series + 1 + 2 * 15, "{series} and then {}", after.len());
}

#[tokio::test]
async fn the_metrics_need_a_key_and_have_one_of_their_own() {
    let key = "m".repeat(32);
    let (server, _data) = start_with(|s| s.metrics_key = Some(Secret::new(key.clone())));
    let ask = async |bearer: Option<&str>, path: &str| {
        let bearer = bearer.map(|key| format!("Bearer {key}"));
        let headers: Vec<_> = bearer.iter().map(|value| ("authorization", value.as_str())).collect();
        get(server.admin_addr(), path, &headers).await.status
    };
    assert_eq!(ask(None, "/metrics").await, 401);
    assert_eq!(ask(Some("wrong"), "/metrics").await, 401);
    assert_eq!(ask(Some(&key), "/metrics").await, 200);
    // It opens nothing else, and the players' address has no metrics at all.
    assert_eq!(ask(Some(&key), "/admin/flags").await, 401);
    assert_eq!(get(server.addr(), "/metrics", &[]).await.status, 404);
    scrape(&server).await;
    let (open, _data) = start_with(|s| s.metrics_open = true);
    assert_eq!(get(open.admin_addr(), "/metrics", &[]).await.status, 200);
    assert_eq!(get(open.admin_addr(), "/admin/flags", &[]).await.status, 401);
}
