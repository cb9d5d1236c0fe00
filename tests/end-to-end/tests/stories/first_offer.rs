//! The first offer: connect, read a flag, finish a level, see the offer, accept it; and the server knows.

use std::time::{SystemTime, UNIX_EPOCH};

use castline::{Event, FlagUpdates, Outcome, Reason, State};
use castline_end_to_end::authority::Authority;
use castline_end_to_end::database::Database;
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::server::{http, offer};
use castline_server::FlagDefinition;
use serde_json::{Value, json};

use crate::{server, server_with, tempdir};

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[test]
fn from_connect_to_an_offer_that_is_closed_on_the_server() {
    let (server, data) = server();
    let mut price =
        FlagDefinition::new("control", &[("control", "\"$2.99\""), ("sale", "\"$1.99\"")]).unwrap();
    price.rollout_bp = 10_000;
    server.put_flag("starter_pack_price", price).unwrap();
    let mut starter = offer("Starter pack");
    starter.placements = Some(vec!["level_completed".into()]);
    server.put_offer("starter", starter).unwrap();

    // The token comes from the development server, as it would from the game's backend.
    let address = server.addr();
    let provider = move || {
        let body = json!({"playerId": "ann"}).to_string();
        let (status, answer) = http(address, "POST", "/auth/token", None, &body).ok()?;
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).ok()?;
        Some(answer["token"].as_str()?.to_owned())
    };
    let mut game = Game::with_tokens(options(&server.http_url()), Box::new(provider));
    assert_eq!(game.client.flags().string("starter_pack_price", "$4.99"), "$4.99", "before any answer");
    // Flags and socket come in any order.
    game.wait("flags", |event| matches!(event, Event::FlagsChanged { .. }).then_some(()));
    game.online();
    let flags = game.client.flags();
    assert_eq!(flags.string("starter_pack_price", "$4.99"), "$1.99");
    assert_eq!(
        (flags.variant("starter_pack_price"), flags.reason("starter_pack_price")),
        (Some("sale"), Reason::Split)
    );

    game.client.track("level_completed", r#"{"n":1}"#).unwrap();
    assert_eq!(game.break_at("shop_opened"), None, "this placement has no offer");
    let before = now_ms();
    let offer = game.break_at("level_completed").expect("the offer");
    // Server and test have one clock, so an hour is an hour; what the client makes of it is an estimate.
    let hour = 3_600_000;
    assert!((before + hour..=now_ms() + hour).contains(&offer.expires_at), "{before}: {offer:?}");
    assert!(game.client.server_time().abs_diff(now_ms()) < 60_000);
    assert_eq!((&*offer.offer_id, &*offer.title, offer.discount), ("starter", "Starter pack", 20.0));
    assert_eq!(offer.placement, "level_completed");
    game.client.offers().result("starter", Outcome::Shown).unwrap();
    game.client.offers().result("starter", Outcome::Accepted).unwrap();

    let database = Database::of(data.path());
    database.wait_for_offer("ann", "starter", "closed");
    assert_eq!(database.offer("ann", "starter").1, "accepted");
    assert_eq!(game.break_at("level_completed"), None, "once is enough");

    let events = game.end();
    assert_eq!(events.iter().filter(|e| matches!(e, Event::OfferReady { .. })).count(), 1);
    assert_eq!(events.iter().filter(|e| matches!(e, Event::TokenNeeded)).count(), 1, "one token is enough");
    assert_eq!(events.iter().filter(|e| matches!(e, Event::SessionLost)).count(), 0);
    assert!(matches!(events.last(), Some(Event::StateChanged { state: State::Closed, .. })), "{events:?}");
    // Both levels of truth agree: what was tracked, shown, exposed.
    assert_eq!(database.numbers("ann", "level_completed"), [1]);
    let stored = database.events("ann");
    let outcomes: Vec<_> =
        stored.iter().filter(|e| e.name == "$offer_result").map(|e| e.props.clone()).collect();
    assert_eq!(outcomes.len(), 2, "{stored:?}");
    assert_eq!(stored.iter().filter(|e| e.name == "$exposure").count(), 1, "{stored:?}");
}

#[test]
fn flags_that_wait_for_a_break_and_a_change_that_is_pushed() {
    let (server, _data) = server_with(|settings| settings.timers.flags_spread = 0);
    let flag = |value| FlagDefinition::new("on", &[("on", value)]).unwrap();
    server.put_flag("depth", flag("1")).unwrap();
    let mut game = Game::with(options(&server.http_url()).flag_updates(FlagUpdates::AtBreak), "ann");
    // Nothing was read yet, so the first answer counts at once.
    game.wait("the first answer", |event| matches!(event, Event::FlagsChanged { .. }).then_some(()));
    assert_eq!(game.client.flags().i64("depth", 0), 1);
    game.online();
    server.put_flag("depth", flag("2")).unwrap();
    // Breaks come until the answer is there; between them nothing changes under the game's feet.
    game.until("the second value at a break", |game| {
        let before = game.client.flags().i64("depth", 0);
        game.frame();
        assert_eq!(game.client.flags().i64("depth", 0), before, "a price changed in the middle of play");
        game.break_at("level_completed");
        (game.client.flags().i64("depth", 0) == 2).then_some(())
    });
}

#[test]
fn over_tls_with_a_local_authority() {
    let authority = Authority::new().unwrap();
    let files = tempdir();
    let certificate = authority.certify(&["localhost", "127.0.0.1"], files.path()).unwrap();
    let (server, data) = server_with(|settings| settings.tls = Some(certificate));
    server.put_offer("starter", offer("Starter pack")).unwrap();
    server.put_flag("depth", FlagDefinition::new("on", &[("on", "7")]).unwrap()).unwrap();
    assert!(server.http_url().starts_with("https://"));

    // By address and by name.
    let by_name = format!("https://localhost:{}", server.addr().port());
    for (player, url) in [("ann", server.http_url()), ("bob", by_name)] {
        let mut game = Game::with(options(&url).dev_extra_ca(authority.pem.clone()), player);
        let offer = game.break_at("level_completed").expect("the offer");
        game.client.offers().result(&offer.offer_id, Outcome::Declined).unwrap();
        // The socket and HTTP have TLS stacks of their own.
        game.until("flags", |game| (game.client.flags().i64("depth", 0) == 7).then_some(()));
        Database::of(data.path()).wait_for_offer(player, "starter", "closed");
    }

    // Who does not know the authority gets nothing, and says so without giving up.
    let stranger = Authority::new().unwrap();
    for ca in [String::new(), stranger.pem] {
        let mut game = Game::with(options(&server.http_url()).dev_extra_ca(ca), "eve");
        for _ in 0..2 {
            let failed = game.lost();
            assert_eq!(failed.code, 1006);
            assert_eq!(failed.cause, castline::Cause::Network);
        }
        assert_eq!(game.client.flags().i64("depth", 0), 0);
        assert_eq!(game.count(|e| matches!(e, Event::StateChanged { state: State::Online, .. })), 0);
    }
}

#[test]
fn closed_right_after_the_offer() {
    // Where the socket is late the break claims over HTTP; a claim that is late as well is due again soon, at a further break.
    let (server, data) =
        server_with(|settings| (settings.timers.requeue, settings.timers.sweep) = (1_000, 100));
    server.put_offer("starter", offer("Starter pack")).unwrap();
    let database = Database::of(data.path());
    // Which of them comes first to the client's thread is a matter of luck, so several try theirs.
    for n in 0..8 {
        let (player, home) = (format!("player-{n}"), tempdir());
        let open = || Game::with(options(&server.http_url()).data_dir(home.path()), &player);
        let mut game = open();
        assert_eq!(game.offer_at("level_completed").offer_id, "starter");
        game.end();
        database.wait_for_offer(&player, "starter", "received");
        let mut game = open();
        game.online();
        assert_eq!(game.break_at("level_completed"), None, "it was seen");
    }
}
