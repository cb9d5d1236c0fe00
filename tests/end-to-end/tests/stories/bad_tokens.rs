//! Tokens that are wrong, old or not to be had; and a token of somebody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::scope;
use std::time::Duration;

use castline::protocol::{Channel, Code};
use castline::{Cause, Error, Event, Reason, Request, State};
use castline_end_to_end::database::Database;
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::proxy::{Cut, Faults, Proxy};
use castline_end_to_end::server::{SECRET, WRONG_SECRET, now_s, offer, signed, token};
use castline_server::FlagDefinition;
use serde_json::json;

use crate::{server, tempdir};

#[test]
fn two_refusals_are_enough_and_a_good_token_is_the_way_back() {
    let (server, _data) = server();
    let now = now_s();
    // alg "none", without a signature.
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJpYXQiOjF9.";
    let bad = [
        ("another's secret", signed(WRONG_SECRET, &json!({"sub": "ann", "iat": now, "exp": now + 300}))),
        ("expired", signed(SECRET, &json!({"sub": "ann", "iat": now - 200, "exp": now - 100}))),
        ("too old", signed(SECRET, &json!({"sub": "ann", "iat": now - 4_000, "exp": now + 4_000}))),
        ("of the future", signed(SECRET, &json!({"sub": "ann", "iat": now + 4_000, "exp": now + 5_000}))),
        ("of nobody", signed(SECRET, &json!({"iat": now, "exp": now + 300}))),
        ("of no player's name", signed(SECRET, &json!({"sub": "a b", "iat": now, "exp": now + 300}))),
        ("no JWT", "not-a-token".to_owned()),
        ("unsigned", none.to_owned()),
    ];
    scope(|threads| {
        for (number, (name, token)) in bad.into_iter().enumerate() {
            let server = &server;
            threads.spawn(move || {
                let given = token.clone();
                let tokens = Box::new(move || Some(given.clone()));
                let mut game = Game::with_tokens(options(&server.http_url()), tokens);
                let failed = game.wait_for(State::Failed);
                assert_eq!((failed.cause, failed.code, failed.retry_in), (Cause::Auth, 4001, 0), "{name}");
                assert_eq!(game.asked, 2, "{name}: one fresh token, one more try");
                assert_eq!(game.break_at("level_completed"), None, "{name}: answered at once");
                assert!(!format!("{game:?}").contains(&token), "{name}: a token is in nobody's debug output");
                if number % 2 == 0 {
                    game.client.set_token(Some(&self::token("ann"))).unwrap();
                } else {
                    // The player's tap: the game is asked again.
                    game.change_tokens(Box::new(|| Some(self::token("ann"))));
                    game.client.reconnect().unwrap();
                }
                game.until("to be online or replaced", |game| {
                    // All of them are on devices of their own.
                    (game.client.state() == State::Online).then_some(())
                });
            });
        }
    });
}

#[test]
fn one_refusal_is_forgiven() {
    let (server, _data) = server();
    let stale = signed(SECRET, &json!({"sub": "ann", "iat": now_s() - 4_000, "exp": now_s() - 3_700}));
    let mut game = Game::with(options(&server.http_url()).token(stale), "ann");
    game.wait_for(State::Online);
    assert_eq!(game.asked, 1);
    assert_eq!(game.count(|e| matches!(e, Event::StateChanged { state: State::Failed, .. })), 0);
}

#[test]
fn a_provider_that_fails_is_asked_again() {
    let (server, _data) = server();
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let provider = Box::new(move || match count.fetch_add(1, Ordering::Relaxed) {
        0 => None,
        // No token: refused at the call, and none given.
        1 => Some("two words".to_owned()),
        2 => Some("x".repeat(4_000)),
        _ => Some(token("ann")),
    });
    let mut game = Game::with_tokens(options(&server.http_url()), provider);
    let waiting = game.wait_for(State::Waiting);
    assert_eq!(waiting.cause, Cause::Token);
    game.wait_for(State::Online);
    assert_eq!((asked.load(Ordering::Relaxed), game.asked), (4, 4));
    assert!(matches!(game.client.set_token(Some("two words")), Err(Error::InvalidArgument(_))));
    assert!(matches!(game.client.set_token(Some("")), Err(Error::InvalidArgument(_))));
}

#[test]
fn another_player_on_the_same_install() {
    let (server, data) = server();
    let database = Database::of(data.path());
    let flag = r#"{"variants": {"shallow": 1, "deep": 2}, "defaultVariant": "shallow",
        "rules": [{"when": {"player": ["ann"]}, "variant": "deep"}]}"#;
    let flag: FlagDefinition = serde_json::from_str(flag).unwrap();
    server.put_flag("depth", flag).unwrap();
    let proxy = Proxy::start(server.addr());
    let home = tempdir();
    let start = |player: &str| Game::with(options(&proxy.url()).data_dir(home.path()), player);
    let depth = |game: &mut Game, depth| {
        game.until("flags", |game| (game.client.flags().i64("depth", 0) == depth).then_some(()));
    };

    // Ann's flags, an offer that waits for her next break, and events that could not leave.
    let mut ann = start("ann");
    ann.online();
    depth(&mut ann, 2);
    assert_eq!(ann.break_at("level_completed"), None);
    let mut hers = offer("Ann's");
    hers.players = Some(vec!["ann".into()]);
    server.put_offer("hers", hers).unwrap();
    database.wait_for_offer("ann", "hers", "received");
    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut(Cut::Reset);
    ann.lost();
    for n in 0..5 {
        ann.client.track("bite", &format!("{{\"n\":{n}}}")).unwrap();
    }
    ann.end();
    proxy.heal();

    let mut bob = start("bob");
    bob.online();
    depth(&mut bob, 1);
    assert_eq!(bob.break_at("level_completed"), None, "it is Ann's");
    bob.client.track("bite", r#"{"n":100}"#).unwrap();
    assert_eq!(bob.break_at("level_completed"), None);
    assert_eq!(bob.client.flags().variant("depth"), Some("shallow"));
    bob.end();
    assert_eq!(database.numbers("bob", "bite"), [100]);
    assert_eq!(database.numbers("ann", "bite"), [] as [u64; 0], "events wait for her own token");

    let mut ann = start("ann");
    ann.online();
    depth(&mut ann, 2);
    assert_eq!(ann.break_at("level_completed").expect("her offer").offer_id, "hers");
    ann.end();
    let mut numbers = database.numbers("ann", "bite");
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    assert_eq!(database.numbers("bob", "bite"), [100]);
}

#[test]
fn another_player_in_the_middle_of_a_run() {
    let (server, data) = server();
    let mut hers = offer("Ann's");
    hers.players = Some(vec!["ann".into()]);
    server.put_offer("hers", hers).unwrap();
    let proxy = Proxy::start(server.addr());
    let home = tempdir();
    let mut game = Game::with(options(&proxy.url()).data_dir(home.path()), "ann");
    game.wait_for(State::Online);
    assert_eq!(game.offer_at("level_completed").offer_id, "hers");

    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut(Cut::Reset);
    game.lost();
    let pending =
        Request::new(Channel::Game, "anything", "{}").idempotency_key("k").timeout(Duration::from_secs(120));
    let pending = game.client.request(pending).unwrap();
    game.client.set_token(Some(&token("bob"))).unwrap();
    game.change_tokens(Box::new(|| Some(token("bob"))));
    proxy.heal();
    game.network_changed();
    let code = game.wait("the request's end", |event| match event {
        Event::RequestFailed { request, code, .. } if *request == pending => Some(*code),
        _ => None,
    });
    assert_eq!(code, Code::IdentityChanged, "what Ann asked for is not asked in Bob's name");
    game.online();
    game.frame();
    assert_eq!(game.count(|e| *e == Event::SessionLost), 1);
    assert_eq!(game.count(|e| matches!(e, Event::OfferExpired { offer_id } if offer_id == "hers")), 1);
    assert_eq!(game.break_at("level_completed"), None);
    game.client.track("bite", r#"{"n":1}"#).unwrap();
    assert_eq!(game.client.flags().reason("depth"), Reason::Default);
    game.end();
    let database = Database::of(data.path());
    assert_eq!((database.numbers("ann", "bite").len(), database.numbers("bob", "bite").len()), (0, 1));
}
