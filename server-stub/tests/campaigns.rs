//! Campaigns: what makes them due, how often, for whom; segments, experiments, dry runs, funnels.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{FlagDefinition, OfferDefinition, Rate, RunningServer};
use serde_json::{Value, json};
use support::{Answer, Client, http, start, start_with};

async fn admin(server: &RunningServer, method: &str, path: &str, body: Value) -> Answer {
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let bearer = format!("Bearer {key}");
    http(server.admin_addr(), method, &format!("/admin/{path}"), &[("authorization", &bearer)], &body).await
}

async fn put(server: &RunningServer, path: &str, body: Value) {
    let answer = admin(server, "PUT", path, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A campaign with a title, a life of an hour, and what else it says.
async fn campaign(server: &RunningServer, id: &str, more: Value) {
    let mut body = json!({"title": id, "expiresInSeconds": 3_600});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    put(server, &format!("campaigns/{id}"), body).await;
}

async fn ready(client: &mut Client, payload: Value) -> u64 {
    let lease = client.request("offers", "ready_for_offer", payload).await;
    assert_eq!(lease["type"], "lease", "{lease}");
    lease["payload"]["pending"].as_u64().unwrap()
}

async fn at_x(client: &mut Client) -> u64 {
    ready(client, json!({"placement": "x"})).await
}

async fn event(client: &mut Client, id: &str, name: &str, props: Value) {
    let batch = json!({"events": [{"eventId": id, "name": name, "timestamp": 1, "props": props}]});
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    // The sender's clock is the event's: it has just happened.
    let mut batch = batch;
    batch["events"][0]["timestamp"] = json!(now);
    let reply = client.request("analytics", "events", batch).await;
    assert_eq!(reply["type"], "accepted", "{reply}");
}

async fn outcome(client: &mut Client, offer: &str, word: &str) {
    event(client, &format!("{offer}-{word}"), "$offer_result", json!({"offerId": offer, "outcome": word}))
        .await;
}

#[tokio::test]
async fn an_event_makes_a_campaign_due_and_one_firing_is_good_for_one_copy() {
    let (server, _data) = start();
    campaign(&server, "rare", json!({"perPlayer": 9, "trigger": {"event": "fish", "where": [{"name": "rarity", "op": ">=", "value": 4}]}})).await;
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(at_x(&mut client).await, 0);
    assert_eq!(client.request("offers", "not_ready", json!({})).await["type"], "ok");
    event(&mut client, "e1", "fish", json!({"rarity": 3})).await;
    event(&mut client, "e2", "fish", json!({"rarity": "5"})).await;
    event(&mut client, "e3", "other", json!({"rarity": 5})).await;
    assert_eq!(at_x(&mut client).await, 0, "none of these was it");
    assert_eq!(client.request("offers", "not_ready", json!({})).await["type"], "ok");
    event(&mut client, "e4", "fish", json!({"rarity": 5})).await;
    client.nothing_more().await;
    assert_eq!(at_x(&mut client).await, 1, "outside a lease it waits");
    assert_eq!(client.next().await["payload"]["offerId"], "rare");
    client.ack(1).await;
    outcome(&mut client, "rare", "declined").await;
    assert_eq!(at_x(&mut client).await, 0, "that firing has been answered");
    // An event that is known already sets off nothing; a new one is sent into the open lease at once.
    event(&mut client, "e4", "fish", json!({"rarity": 5})).await;
    client.nothing_more().await;
    event(&mut client, "e5", "fish", json!({"rarity": 4})).await;
    assert_eq!(client.next().await["payload"]["offerId"], "rare.2");
    // Another player's events are his own.
    let (mut other, _) = Client::login(&server, "p2", "d1", None).await;
    assert_eq!(at_x(&mut other).await, 0);
}

#[tokio::test]
async fn several_events_within_a_time_and_over_http() {
    let (server, _data) = start();
    campaign(&server, "third", json!({"trigger": {"event": "lost", "count": 3, "withinSeconds": 600}})).await;
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(at_x(&mut client).await, 0);
    event(&mut client, "e1", "lost", json!({})).await;
    event(&mut client, "e2", "lost", json!({})).await;
    client.nothing_more().await;
    let bearer = format!("Bearer {}", server.token("p1").unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let post = |id: &str, at: i64| {
        let body = json!({"timestamp": now, "events": [{"eventId": id, "name": "lost", "timestamp": at}]})
            .to_string();
        let (address, bearer) = (server.addr(), bearer.clone());
        async move { http(address, "POST", "/events", &[("authorization", &bearer)], &body).await }
    };
    // One that lies an hour back is no third within ten minutes.
    assert_eq!(post("e3", now - 3_600_000).await.status, 200);
    client.nothing_more().await;
    assert_eq!(post("e4", now).await.status, 200);
    assert_eq!(
        client.next().await["payload"]["offerId"],
        "third",
        "sent into the lease that the socket has open"
    );
}

#[tokio::test]
async fn traits_segments_attributes_and_history_decide() {
    let (server, _data) = start();
    put(&server, "segments/whales", json!({"when": {"all": [
        {"trait": {"name": "spend", "op": ">=", "value": 100}}, {"trait": {"name": "country", "op": "in", "value": ["DE", "FR"]}}]}})).await;
    put(
        &server,
        "segments/buyers",
        json!({"when": {"event": {"name": "purchase", "withinDays": 7, "atLeast": 2}}}),
    )
    .await;
    campaign(&server, "rich", json!({"segments": ["whales"], "placements": ["a"]})).await;
    campaign(&server, "poor", json!({"notSegments": ["whales"], "placements": ["b"]})).await;
    campaign(&server, "again", json!({"segments": ["buyers"], "placements": ["c"]})).await;
    campaign(
        &server,
        "gold",
        json!({"when": {"attribute": {"name": "tier", "op": "=", "value": "gold"}}, "placements": ["d"]}),
    )
    .await;
    campaign(&server, "nobody", json!({"segments": ["no such"], "placements": ["e"]})).await;
    campaign(
        &server,
        "level",
        json!({"when": {"trait": {"name": "level", "op": ">=", "value": 10}}, "placements": ["f"]}),
    )
    .await;
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    for placement in ["a", "c", "d", "e", "f"] {
        assert_eq!(
            ready(&mut client, json!({"placement": placement, "context": {"tier": "silver", "level": 99}}))
                .await,
            0,
            "{placement}"
        );
    }
    assert_eq!(ready(&mut client, json!({"placement": "d", "context": {"tier": "gold"}})).await, 1);
    client.next().await;
    // What the backend says reaches the lease that is open.
    assert_eq!(ready(&mut client, json!({"placement": "f"})).await, 0);
    put(&server, "players/p1/traits", json!({"spend": 100.5, "country": "DE", "level": 10})).await;
    assert_eq!(client.next().await["payload"]["offerId"], "level");
    assert_eq!(ready(&mut client, json!({"placement": "a"})).await, 1);
    client.next().await;
    assert_eq!(ready(&mut client, json!({"placement": "b"})).await, 0);
    event(&mut client, "e1", "purchase", json!({})).await;
    assert_eq!(ready(&mut client, json!({"placement": "c"})).await, 0);
    event(&mut client, "e2", "purchase", json!({})).await;
    assert_eq!(client.next().await["payload"]["offerId"], "again");
    // A segment that asks for what happened before it was made counts that too.
    put(
        &server,
        "segments/ever",
        json!({"when": {"event": {"name": "purchase", "atLeast": 2, "atMost": 2}}}),
    )
    .await;
    campaign(&server, "past", json!({"segments": ["ever"], "placements": ["g"]})).await;
    assert_eq!(ready(&mut client, json!({"placement": "g"})).await, 1);
}

#[tokio::test]
async fn the_first_session_is_the_first_alone() {
    let (server, _data) = start();
    campaign(&server, "welcome", json!({"firstSession": true, "perPlayer": 9})).await;
    let (mut client, first) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(at_x(&mut client).await, 1);
    client.next().await;
    client.ack(1).await;
    outcome(&mut client, "welcome", "accepted").await;
    client.vanish();
    let resume = json!({"sessionId": first["sessionId"], "lastSeq": 1});
    let (mut client, again) = Client::login(&server, "p1", "d1", Some(resume)).await;
    assert_eq!(again["resumed"], true);
    assert_eq!(at_x(&mut client).await, 1, "resumed is the same session");
    client.next().await;
    client.ack(2).await;
    outcome(&mut client, "welcome.2", "accepted").await;
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(at_x(&mut client).await, 0, "a new process is a new session");
    let (mut tablet, _) = Client::login(&server, "p1", "d2", None).await;
    assert_eq!(at_x(&mut tablet).await, 0);
}

#[tokio::test]
async fn dates_caps_and_cooldown_bound_what_a_player_gets() {
    let (server, _data) = start();
    campaign(&server, "past", json!({"endsAt": 1_000, "placements": ["a"]})).await;
    campaign(&server, "future", json!({"startsAt": 4_000_000_000_000_i64, "placements": ["b"]})).await;
    campaign(
        &server,
        "daily",
        json!({"perPlayer": 9, "perPlayerPerDay": 1, "timeZone": "Pacific/Kiritimati", "placements": ["c"]}),
    )
    .await;
    campaign(&server, "cool", json!({"perPlayer": 9, "cooldownSeconds": 3_600, "placements": ["d"]})).await;
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    for placement in ["a", "b"] {
        assert_eq!(ready(&mut client, json!({"placement": placement})).await, 0);
    }
    for (seq, (placement, id, rule)) in
        (1..).zip([("c", "daily", "perPlayerPerDay"), ("d", "cool", "cooldownSeconds")])
    {
        assert_eq!(ready(&mut client, json!({"placement": placement})).await, 1);
        client.next().await;
        client.ack(seq).await;
        outcome(&mut client, id, "declined").await;
        assert_eq!(ready(&mut client, json!({"placement": placement})).await, 0);
        let ask = json!({"player": "p1", "placement": placement});
        let no = admin(&server, "POST", &format!("campaigns/{id}/dry-run"), ask).await.json();
        assert_eq!((&no["would"], &no["because"]["rule"]), (&json!(false), &json!(rule)));
        // A day later he would.
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        let ask = json!({"player": "p1", "placement": placement, "at": now + 86_400_000});
        let yes = admin(&server, "POST", &format!("campaigns/{id}/dry-run"), ask).await.json();
        assert_eq!(yes["would"], true, "{yes}");
    }
}

#[tokio::test]
async fn what_begins_while_a_lease_is_open_is_sent_in_it() {
    let (server, _data) = start_with(|s| s.timers.sweep = 10);
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(ready(&mut client, json!({"placement": "x", "leaseMs": 60_000})).await, 0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    campaign(&server, "soon", json!({"startsAt": now + 500})).await;
    let offer = client.next().await;
    assert_eq!(offer["payload"]["offerId"], "soon");
    assert!(offer["timestamp"].as_i64().unwrap() >= now + 500, "{offer}");
}

#[tokio::test]
async fn a_budget_is_never_passed_by_many_at_once() {
    let (server, _data) = start_with(|s| s.limits.claim = Rate::unlimited());
    campaign(&server, "total", json!({"budget": {"total": 10}, "perPlayer": 5})).await;
    campaign(&server, "day", json!({"budget": {"perDay": 7, "total": 100}})).await;
    let mut clients = Vec::new();
    for player in 0..32 {
        clients.push(Client::login(&server, &format!("p{player}"), "d1", None).await.0);
    }
    let sockets = clients.iter_mut().map(|client| async move {
        let mut got = Vec::new();
        for _ in 0..3 {
            for _ in 0..ready(client, json!({"placement": "x", "max": 2})).await {
                got.push(client.next().await["payload"]["campaignId"].as_str().unwrap().to_owned());
            }
        }
        got
    });
    let claims = (0..32).map(|player| {
        let bearer = format!("Bearer {}", server.token(&format!("p{player}")).unwrap());
        let address = server.addr();
        async move {
            let body = r#"{"device":"d2","placement":"x"}"#;
            let answer =
                http(address, "POST", "/offers/claim", &[("authorization", &bearer)], body).await.json();
            let offers = answer["offers"].as_array().unwrap().clone();
            offers.iter().map(|o| o["campaignId"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        }
    });
    use futures_util::future::join_all;
    let (sockets, claims) = tokio::join!(join_all(sockets), join_all(claims));
    let all: Vec<String> = sockets.into_iter().chain(claims).flatten().collect();
    let count = |id: &str| all.iter().filter(|got| *got == id).count();
    assert_eq!((count("total"), count("day")), (10, 7));
    let view = admin(&server, "GET", "campaigns/total", Value::Null).await.json();
    assert_eq!((&view["spent"]["total"], &view["spent"]["today"]), (&json!(10), &json!(10)));
}

#[tokio::test]
async fn what_nobody_received_gives_its_budget_back() {
    let (server, _data) = start_with(|s| (s.timers.requeue, s.timers.sweep) = (20, 10));
    put(&server, "campaigns/short", json!({"title": "t", "expiresInSeconds": 1, "budget": {"total": 1}}))
        .await;
    let (mut lost, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(at_x(&mut lost).await, 1);
    lost.next().await;
    let (mut other, _) = Client::login(&server, "p2", "d1", None).await;
    assert_eq!(
        ready(&mut other, json!({"placement": "x", "leaseMs": 60_000})).await,
        0,
        "the one place is taken"
    );
    lost.vanish();
    // Its life ends unreceived, it lapses, and the place goes to whoever's break is open.
    assert_eq!(other.next().await["payload"]["offerId"], "short");
    let view = admin(&server, "GET", "campaigns/short", Value::Null).await.json();
    assert_eq!(view["spent"]["total"], 1, "{view}");
}

#[tokio::test]
async fn a_flag_varies_the_offer_and_the_server_records_the_exposure() {
    let (server, data) = start();
    let mut flag =
        FlagDefinition::new("control", &[("control", "1"), ("cheap", "2"), ("none", "3")]).unwrap();
    flag.rules = serde_json::from_value(json!([
        {"when": {"player": ["p2"]}, "variant": "cheap"}, {"when": {"player": ["p3"]}, "variant": "none"}]))
    .unwrap();
    server.put_flag("price", flag).unwrap();
    campaign(
        &server,
        "pack",
        json!({"discount": 10, "data": {"sku": 1}, "split": {"flag": "price", "variants": {
        "cheap": {"title": "Cheap", "discount": 50}, "none": {"holdOut": true}}}}),
    )
    .await;
    for (player, expected) in [("p1", Some(("pack", 10.0))), ("p2", Some(("Cheap", 50.0))), ("p3", None)] {
        let (mut client, _) = Client::login(&server, player, "d1", None).await;
        assert_eq!(at_x(&mut client).await, u64::from(expected.is_some()), "{player}");
        if let Some((title, discount)) = expected {
            let offer = client.next().await;
            assert_eq!(
                (&offer["payload"]["title"], &offer["payload"]["discount"]),
                (&json!(title), &json!(discount))
            );
            assert_eq!(offer["payload"]["data"], json!({"sku": 1}));
        }
        assert_eq!(at_x(&mut client).await, 0);
    }
    let view = admin(&server, "GET", "campaigns/pack", Value::Null).await.json();
    assert_eq!(view["variants"]["cheap"]["unreceived"], 1, "{view}");
    let ask = json!({"player": "p3", "placement": "x"});
    let no = admin(&server, "POST", "campaigns/pack/dry-run", ask).await.json();
    assert_eq!((&no["because"]["rule"], &no["variant"]), (&json!("split"), &json!("none")));
    drop(server);
    let mut exposed =
        support::rows(&data, "SELECT user_id || ' ' || props FROM analytics_events WHERE name = '$exposure'")
            .await;
    exposed.sort();
    let line = |player: &str, variant: &str| {
        format!("{player} {}", json!({"campaign": "pack", "flag": "price", "variant": variant}))
    };
    assert_eq!(
        exposed,
        [line("p1", "control"), line("p2", "cheap"), line("p3", "none")],
        "once each, the dry run not"
    );
}

#[tokio::test]
async fn an_experiment_on_the_flag_counts_who_got_the_offer() {
    let (server, _data) = start();
    let mut flag = FlagDefinition::new("control", &[("control", "1"), ("cheap", "2")]).unwrap();
    flag.rollout_bp = 10_000;
    flag.weights = Some([("control".to_owned(), 5_000), ("cheap".to_owned(), 5_000)].into());
    server.put_flag("price", flag).unwrap();
    let declared = json!({"flag": "price", "metric": {"kind": "conversion", "event": "purchase"}});
    put(&server, "experiments/pack", declared).await;
    let split = json!({"flag": "price", "variants": {"cheap": {"discount": 50}}});
    campaign(&server, "pack", json!({"discount": 10, "split": split})).await;
    let (mut cheap, mut plain) = (0, 0);
    for player in 0..12 {
        let (mut client, _) = Client::login(&server, &format!("p{player}"), "d1", None).await;
        assert_eq!(at_x(&mut client).await, 1);
        let discount = client.next().await["payload"]["discount"].as_f64().unwrap();
        if discount == 50.0 { cheap += 1 } else { plain += 1 }
    }
    assert!(cheap > 0 && plain > 0);
    let found = admin(&server, "GET", "experiments/pack/report", Value::Null).await.json();
    let report = &found["report"];
    assert_eq!(
        (&report["controlPlayers"], &report["arms"][0]["players"]),
        (&json!(plain), &json!(cheap)),
        "{found}"
    );
}

#[tokio::test]
async fn a_dry_run_names_every_rule_and_changes_nothing() {
    let (server, _data) = start();
    let rules = [
        "enabled",
        "startsAt",
        "endsAt",
        "hours",
        "placements",
        "players",
        "trigger",
        "firstSession",
        "segments",
        "notSegments",
        "when",
        "oneAtATime",
        "perPlayer",
        "perPlayerPerDay",
        "cooldownSeconds",
        "budget.total",
        "budget.perDay",
        "split",
    ];
    campaign(&server, "first", json!({"priority": 5})).await;
    campaign(&server, "c", json!({})).await;
    let dry = |id: &'static str, ask: Value| {
        let server = &server;
        async move { admin(server, "POST", &format!("campaigns/{id}/dry-run"), ask).await }
    };
    let yes = dry("c", json!({"player": "p1", "placement": "x"})).await.json();
    let told: Vec<_> =
        yes["checks"].as_array().unwrap().iter().map(|c| c["rule"].as_str().unwrap()).collect();
    assert_eq!(told, rules);
    assert_eq!((&yes["would"], &yes["before"]), (&json!(true), &json!(["first"])));
    for (rule, more) in [
        ("enabled", json!({"enabled": false})),
        ("startsAt", json!({"startsAt": 4_000_000_000_000_i64})),
        ("endsAt", json!({"endsAt": 1})),
        ("hours", json!({"hours": [{"from": "10:00", "to": "11:00"}], "timeZone": "Asia/Tokyo"})),
        ("placements", json!({"placements": ["y"]})),
        ("players", json!({"players": ["p2"]})),
        ("trigger", json!({"trigger": {"event": "e"}})),
        ("segments", json!({"segments": ["s"]})),
        ("notSegments", json!({"notSegments": ["s"]})),
        ("when", json!({"when": {"trait": {"name": "level", "op": ">", "value": 1}}})),
        ("budget.total", json!({"budget": {"total": 0}})),
        ("budget.perDay", json!({"budget": {"perDay": 0}})),
    ] {
        campaign(&server, "c", more).await;
        // 1970-01-02 00:00 UTC is nine in the morning in Tokyo.
        let no = dry("c", json!({"player": "p1", "placement": "x", "at": 86_400_000})).await.json();
        assert_eq!((&no["would"], &no["because"]["rule"]), (&json!(false), &json!(rule)), "{no}");
        assert!(no["checks"].as_array().unwrap().len() == rules.len(), "all the rest is told too");
    }
    for (ask, field) in [
        (json!({"player": "", "placement": "x"}), "player"),
        (json!({"player": "p", "placement": ""}), "placement"),
        (json!({"player": "p", "placement": "x", "at": -1}), "at"),
        (json!({"player": "p", "placement": "x", "context": {"a": [1]}}), "context.a"),
        (json!({"player": "p", "placement": "x", "device": 1}), "device"),
    ] {
        let answer = dry("c", ask).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)));
    }
    assert_eq!(dry("none", json!({"player": "p", "placement": "x"})).await.status, 404);
}

#[tokio::test]
async fn the_funnel_counts_and_campaigns_can_be_switched_off_and_deleted() {
    let (server, data) = start();
    campaign(&server, "c", json!({})).await;
    for (player, outcomes) in [
        ("p1", vec!["shown", "accepted"]),
        ("p2", vec!["shown", "declined"]),
        ("p3", vec!["expired"]),
        ("p4", vec!["accepted"]),
        ("p5", vec![]),
        ("p6", vec!["shown"]),
    ] {
        let (mut client, _) = Client::login(&server, player, "d1", None).await;
        assert_eq!(at_x(&mut client).await, 1);
        client.next().await;
        for word in outcomes {
            outcome(&mut client, "c", word).await;
        }
    }
    let list = admin(&server, "GET", "campaigns", Value::Null).await.json();
    let expected =
        json!({"unreceived": 1, "delivered": 5, "shown": 4, "accepted": 2, "declined": 1, "expired": 1});
    assert_eq!(list["campaigns"][0]["funnel"], expected);
    assert_eq!(list["campaigns"][0]["definition"]["title"], "c");
    let (mut client, _) = Client::login(&server, "p9", "d1", None).await;
    assert_eq!(admin(&server, "POST", "campaigns/c/disable", Value::Null).await.status, 200);
    assert_eq!(at_x(&mut client).await, 0);
    assert_eq!(
        admin(&server, "GET", "campaigns/c", Value::Null).await.json()["definition"]["enabled"],
        false
    );
    assert_eq!(admin(&server, "DELETE", "campaigns/c", Value::Null).await.status, 200);
    for (method, path) in [
        ("GET", "campaigns/c"),
        ("DELETE", "campaigns/c"),
        ("POST", "campaigns/c/disable"),
        ("DELETE", "segments/s"),
        ("GET", "segments/s"),
    ] {
        assert_eq!(admin(&server, method, path, Value::Null).await.status, 404, "{method} {path}");
    }
    // Made anew: an id is never used twice for a player.
    campaign(&server, "c", json!({"perPlayer": 2})).await;
    let (mut client, _) = Client::login(&server, "p1", "d1", None).await;
    assert_eq!(client.next().await["payload"]["offerId"], "c", "the replay of what was never acknowledged");
    assert_eq!(at_x(&mut client).await, 1);
    assert_eq!(client.next().await["payload"]["offerId"], "c.2");
    drop(server);
    let audit = support::rows(&data, "SELECT action || ' ' || subject FROM audit ORDER BY number").await;
    assert_eq!(audit, ["put campaign c", "disable campaign c", "delete campaign c", "put campaign c"]);
}

#[tokio::test]
async fn what_is_wrong_is_named_by_its_member() {
    let (server, _data) = start();
    for (more, field) in [
        (json!({"title": 5}), "title"),
        (json!({"budget": {"total": -1}}), "budget.total"),
        (json!({"budget": {"weekly": 1}}), "budget.weekly"),
        (json!({"hours": [{"from": "25:00", "to": "26:00"}]}), "hours[0].from"),
        (json!({"timeZone": "Mars/Olympus"}), "timeZone"),
        (json!({"trigger": {"event": "$exposure"}}), "trigger.event"),
        (json!({"trigger": {"event": "x", "count": 2}}), "trigger.withinSeconds"),
        (json!({"trigger": {"event": "x", "count": 101, "withinSeconds": 1}}), "trigger.count"),
        (json!({"when": {"all": []}}), "when"),
        (json!({"perPlayer": 0}), "perPlayer"),
        (json!({"startsAt": 5, "endsAt": 5}), "endsAt"),
        (json!({"cooldownSeconds": -1}), "cooldownSeconds"),
        (json!({"split": {"flag": "f", "variants": {"a": {"discount": 101}}}}), "split.variants.a.discount"),
        (json!({"players": ["a", "b c"]}), "players[1]"),
    ] {
        let mut body = json!({"title": "t", "expiresInSeconds": 1});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = admin(&server, "PUT", "campaigns/c", body).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{answer:?}");
    }
    let answer =
        admin(&server, "PUT", "segments/s", json!({"when": {"trait": {"name": "a", "op": "~", "value": 1}}}))
            .await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let answer = admin(&server, "PUT", "players/p1/traits", json!({"a": [1]})).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("INVALID_PAYLOAD")));
    assert_eq!(http(server.admin_addr(), "GET", "/admin/campaigns", &[], "").await.status, 401);
    let mut bad = OfferDefinition::new("x", 1.0, 1);
    bad.time_zone = "nowhere".into();
    assert!(server.put_offer("x", bad).unwrap_err().to_string().contains("timeZone"));
}
