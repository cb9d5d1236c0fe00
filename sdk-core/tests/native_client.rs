//! The client as a game holds it, against a small server on real sockets.
#![cfg(feature = "native")]
#![allow(clippy::unwrap_used)] // Where a test fails is the test's business.

mod support;

use std::fs;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use castline::flags::Source;
use castline::protocol::{Channel, Code};
use castline::{Bet, Break, Client, Error, Event, Lifecycle, Options, Outcome, Reason, Request, State};
use serde_json::json;
use support::game_server::*;
use support::*;

fn options(address: std::net::SocketAddr) -> Options {
    Options::new(format!("http://{address}"), "2.0.0").token(token("anna"))
}

fn no_http(_: HttpRequest) -> String {
    http_answer("404 Not Found", "", "")
}

/// Keeps a session until the client ends it.
fn idle<S: std::io::Read + std::io::Write>(mut session: Session<S>) {
    while session.next().is_some() {}
}

#[test]
fn from_connect_to_close() {
    let (seen, first) = mailbox();
    let address = game_server(
        move |mut session| {
            seen(session.authenticate.clone());
            while let Some(message) = session.next() {
                if message["type"] == "echo" {
                    let payload = message["payload"].clone();
                    session.reply(&message, "game", "echoed", payload);
                }
            }
        },
        |request| {
            assert!(request.path.starts_with("/flags?"), "{}", request.path);
            flags_answer("v17", "$1.99")
        },
    );
    let client = Client::connect(Options::new(format!("http://{address}"), "2.0.0")).unwrap();
    assert_eq!(client.flags().string("starter_pack_price", "$2.99"), "$2.99");
    wait_for(&client, |event| matches!(event, Event::TokenNeeded).then_some(()));
    client.set_token(Some(&token("anna"))).unwrap();

    let (mut online, mut flags) = (false, None);
    wait_for(&client, |event| {
        match event {
            Event::StateChanged { state, .. } => online = state == State::Online,
            Event::FlagsChanged { version } => flags = Some((version, client.flags())),
            other => panic!("{other:?}"),
        }
        (online && flags.is_some()).then_some(())
    });
    assert_eq!(client.state(), State::Online);
    let (version, flags) = flags.unwrap();
    assert_eq!(version, "v17");
    assert_eq!(flags.string("starter_pack_price", "$2.99"), "$1.99", "with the event, not after it");
    assert_eq!(flags.reason("starter_pack_price"), Reason::Split);
    let authenticate = first();
    assert_eq!(authenticate["build"], "2.0.0");
    assert!(client.server_time().abs_diff(now()) < 60_000);

    let id = client.request(Request::new(Channel::Game, "echo", r#"{"n":1}"#)).unwrap();
    wait_for(&client, |event| match event {
        Event::RequestCompleted { request, kind, payload, .. } => {
            assert_eq!((request, kind.as_str(), payload.as_str()), (id, "echoed", r#"{"n":1}"#));
            Some(())
        }
        other => panic!("{other:?}"),
    });

    // Two are open at the end, and a break.
    let open: Vec<_> =
        (0..2).map(|_| client.request(Request::new(Channel::Game, "silence", "{}")).unwrap()).collect();
    client.offers().ready("level_completed").unwrap();
    client.close(PATIENCE).unwrap();
    assert_eq!(client.close(Duration::ZERO), Ok(()), "it is closed");
    let mut failed = Vec::new();
    let mut no_offer = 0;
    let mut last = None;
    while let Some(event) = client.poll_event() {
        match &event {
            Event::RequestFailed { request, code, .. } => {
                assert_eq!(*code, Code::Closed);
                failed.push(*request);
            }
            Event::NoOffer { placement } => {
                assert_eq!(placement, "level_completed");
                no_offer += 1;
            }
            _ => {}
        }
        last = Some(event);
    }
    assert_eq!((failed, no_offer), (open, 1), "each has its one answer");
    assert!(matches!(last, Some(Event::StateChanged { state: State::Closed, .. })), "{last:?}");
    assert_eq!(client.state(), State::Closed);
    assert_eq!(client.flags().string("starter_pack_price", "$2.99"), "$1.99", "the last values stay");
    client.lifecycle(Lifecycle::Foreground);
    for call in [
        client.track("late", "{}"),
        client.reconnect(),
        client.set_token(None),
        client.offers().ready("x"),
        client.rooms().join("pond"),
        client.bets().place(Bet::new("dice", 1, "{}")).map(drop),
        client.request(Request::new(Channel::Game, "echo", "{}")).map(drop),
    ] {
        assert_eq!(call, Err(Error::Closed));
    }
    assert_eq!(client.poll_event(), None, "nothing after the end");
}

#[test]
fn socket_and_http_over_tls_trust_the_same_authority() {
    let ours = authority();
    let address = tls_game_server(ours.server.clone(), idle, |_| flags_answer("v1", "$0.99"));
    let url = format!("https://localhost:{}", address.port());
    let options = Options::new(&url, "1").token(token("anna"));

    let client = Client::connect(options.clone().dev_extra_ca(ours.ca_pem.clone())).unwrap();
    wait_until_ready(&client);
    assert_eq!(client.flags().string("starter_pack_price", ""), "$0.99");
    client.close(PATIENCE).unwrap();

    let stranger = Client::connect(options.dev_extra_ca(authority().ca_pem)).unwrap();
    wait_for_state(&stranger, State::Waiting);
    assert_eq!(stranger.flags().reason("starter_pack_price"), Reason::Default);
}

#[test]
fn an_http_answer_that_does_not_come_delays_nothing() {
    let (release, held) = channel::<()>();
    let held = Mutex::new(held);
    let address = game_server(
        |mut session| {
            while let Some(message) = session.next() {
                session.reply(&message, "system", "ok", json!({}));
            }
        },
        move |_| {
            let _ = held.lock().unwrap().recv_timeout(PATIENCE);
            flags_answer("v1", "$0.99")
        },
    );
    let client = Client::connect(options(address)).unwrap();
    wait_for_state(&client, State::Online);
    for _ in 0..3 {
        let id = client.request(Request::new(Channel::Game, "ping_pong", "{}")).unwrap();
        wait_for(&client, |event| {
            assert!(!matches!(event, Event::FlagsChanged { .. }));
            matches!(event, Event::RequestCompleted { request, .. } if request == id).then_some(())
        });
    }
    drop(release);
    wait_for(&client, |event| matches!(event, Event::FlagsChanged { .. }).then_some(()));
}

#[test]
fn the_last_runs_flags_are_there_when_connect_returns() {
    let dir = tempfile::tempdir().unwrap();
    let address = game_server(idle, |_| flags_answer("v3", "$1.49"));
    let client = Client::connect(options(address).data_dir(dir.path())).unwrap();
    wait_for(&client, |event| matches!(event, Event::FlagsChanged { .. }).then_some(()));
    client.close(PATIENCE).unwrap();
    drop(client);

    // Nobody is there any more.
    let (gone, _bound) = refusing_address();
    let client = Client::connect(options(gone).data_dir(dir.path())).unwrap();
    let flags = client.flags();
    assert_eq!(flags.string("starter_pack_price", "$2.99"), "$1.49");
    assert_eq!((flags.source(), flags.reason("starter_pack_price")), (Source::Cached, Reason::Cached));
    wait_for_state(&client, State::Waiting);
}

#[test]
fn a_corrupt_cache_is_set_aside_and_everything_goes_on() {
    for damage in [&b""[..], b"castlin1", b"{\"version\":\"v1\"}", &[0xff; 5000]] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("castline")).unwrap();
        for file in ["boot", "player-anna"] {
            fs::write(dir.path().join("castline").join(file), damage).unwrap();
        }
        let address = game_server(idle, |_| flags_answer("v3", "$1.49"));
        let client = Client::connect(options(address).data_dir(dir.path())).unwrap();
        assert_eq!(client.flags().reason("starter_pack_price"), Reason::Default);
        wait_for_state(&client, State::Online);
        client.close(PATIENCE).unwrap();
        for file in ["boot.corrupt", "player-anna.corrupt"] {
            assert_eq!(fs::read(dir.path().join("castline").join(file)).unwrap(), damage);
        }
    }
}

#[test]
fn a_disk_that_takes_nothing_costs_memory_of_the_past_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("castline/boot.tmp")).unwrap();
    let address = game_server(idle, |_| flags_answer("v3", "$1.49"));
    let client = Client::connect(options(address).data_dir(dir.path())).unwrap();
    wait_for(&client, |event| matches!(event, Event::FlagsChanged { .. }).then_some(()));
    assert_eq!(client.flags().string("starter_pack_price", ""), "$1.49");
    client.close(PATIENCE).unwrap();
    assert!(!dir.path().join("castline/boot").exists());
}

#[test]
fn one_client_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let address = game_server(idle, no_http);
    let first = Client::connect(options(address).data_dir(dir.path())).unwrap();
    let second = Client::connect(options(address).data_dir(dir.path()));
    assert_eq!(second.unwrap_err(), Error::InUse);
    let other_dir = tempfile::tempdir().unwrap();
    let other = Client::connect(options(address).data_dir(other_dir.path())).unwrap();
    wait_for_state(&first, State::Online);
    wait_for_state(&other, State::Online);
    first.close(PATIENCE).unwrap();
    Client::connect(options(address).data_dir(dir.path())).unwrap();
}

#[test]
fn bad_options_name_themselves() {
    let good = || Options::new("https://live.example.com", "1");
    let file = tempfile::NamedTempFile::new().unwrap();
    let cases: Vec<(&str, Options)> = vec![
        ("url", Options::new("live.example.com", "1")),
        ("url", Options::new("http://live.example.com", "1")),
        ("url", Options::new("https://user:pw@live.example.com", "1")),
        ("url", Options::new("https://live.example.com?x=1", "1")),
        ("build", Options::new("https://live.example.com", "")),
        ("build", Options::new("https://live.example.com", "x".repeat(129))),
        ("player_id", good().player_id("anna karenina")),
        ("token", good().token("")),
        ("token", good().token("a.b.c").telegram_init_data("query_id=1")),
        ("telegram_init_data", good().telegram_init_data("zwei Wörter")),
        ("data_dir", good().data_dir("")),
        ("data_dir", good().data_dir(file.path())),
        ("dev_extra_ca", good().dev_extra_ca("no certificate")),
    ];
    for (option, options) in cases {
        let debug = format!("{options:?}");
        match Client::connect(options) {
            Err(Error::InvalidArgument(text)) => assert!(text.contains(option), "{option}: {text}"),
            other => panic!("{debug}: {other:?}"),
        }
    }
}

#[test]
fn bad_arguments_fail_at_the_call() {
    let address = game_server(idle, no_http);
    let client = Client::connect(options(address)).unwrap();
    let invalid = |result: Result<(), Error>, word: &str| match result {
        Err(Error::InvalidArgument(text)) => assert!(text.contains(word), "{word}: {text}"),
        other => panic!("{word}: {other:?}"),
    };
    invalid(client.offers().ready(""), "placement");
    invalid(client.offers().ready(Break::new("x").context("[1]")), "context");
    invalid(client.offers().ready(Break::new("x").lease(Duration::from_millis(999))), "lease");
    invalid(client.rooms().join("no spaces"), "game_id");
    invalid(client.rooms().send("pond", "cast", "not json"), "data");
    invalid(client.bets().place(Bet::new("dice", 0, "{}")).map(drop), "amount");
    invalid(client.send(Channel::System, "x", "{}"), "channel");
    invalid(client.set_attributes(r#"{"a":[1]}"#), "attributes");
    invalid(client.set_token(Some("with space")), "token");
    let request = Request::new(Channel::Game, "x", "{}").timeout(Duration::from_secs(601));
    invalid(client.request(request).map(drop), "timeout");
    let long = format!("{{\"x\":\"{}\"}}", "x".repeat(16_384));
    assert_eq!(client.send(Channel::Game, "x", &long), Err(Error::TooLarge));
    assert_eq!(client.track("x", &long[..]), Err(Error::TooLarge));
}

#[test]
fn the_65th_open_request_and_the_9th_room_are_refused_at_the_call() {
    let (release, go) = channel::<()>();
    let go = Mutex::new(go);
    let address = game_server(
        move |mut session| {
            let mut open = Vec::new();
            while open.len() < 64 {
                let Some(message) = session.next() else { return };
                if message["type"] == "wait" {
                    open.push(message);
                }
            }
            let _ = go.lock().unwrap().recv_timeout(PATIENCE);
            for message in &open {
                session.reply(message, "system", "ok", json!({}));
            }
            idle(session);
        },
        no_http,
    );
    let client = Client::connect(options(address)).unwrap();
    let request = || Request::new(Channel::Game, "wait", "{}").timeout(Duration::from_secs(60));
    for _ in 0..64 {
        client.request(request()).unwrap();
    }
    assert_eq!(client.request(request()), Err(Error::Full));
    assert_eq!(client.bets().place(Bet::new("dice", 1, "{}")), Err(Error::Full));
    drop(release);
    for _ in 0..64 {
        wait_for(&client, |event| matches!(event, Event::RequestCompleted { .. }).then_some(()));
    }
    assert!(client.request(request()).is_ok());
    assert!(matches!(client.request(Request::new(Channel::Game, "", "{}")), Err(Error::InvalidArgument(_))));

    for room in 0..8 {
        client.rooms().join(&format!("room{room}")).unwrap();
    }
    assert_eq!(client.rooms().join("room0"), Ok(()), "joining again takes no place");
    assert_eq!(client.rooms().join("room8"), Err(Error::Full));
    client.rooms().leave("room3").unwrap();
    assert_eq!(client.rooms().join("room8"), Ok(()));

    // Closed is told before full.
    client.close(PATIENCE).unwrap();
    assert_eq!(client.rooms().join("room9"), Err(Error::Closed));
}

#[test]
fn one_poller_at_a_time() {
    let address = game_server(
        |mut session| {
            for n in 0..3 {
                session.push("game", "note", json!({ "n": n }));
            }
            idle(session);
        },
        no_http,
    );
    let client = Client::connect(options(address)).unwrap();
    let mut notes = Vec::new();
    eventually("three notes came", || {
        client.tick(Duration::ZERO, |event| {
            assert_eq!(client.poll_event(), None, "the poller inside");
            client.tick(PATIENCE, |event| panic!("a tick inside: {event:?}"));
            if let Event::Message { payload, .. } = event {
                notes.push(payload);
            }
        });
        notes.len() == 3
    });
    assert_eq!(notes, [r#"{"n":0}"#, r#"{"n":1}"#, r#"{"n":2}"#]);
    // A closure that panics leaves the next tick alone.
    client.offers().result("nobody", Outcome::Shown).unwrap();
    client.reconnect().unwrap();
    client.close(PATIENCE).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        client.tick(PATIENCE, |_| panic!("the game's own defect"));
    }));
    assert!(panicked.is_err(), "there was a StateChanged at least");
    client.tick(PATIENCE, drop);
    assert_eq!(client.poll_event(), None);
}

#[test]
fn a_durable_message_is_acknowledged_when_the_game_has_it() {
    let (told, server_saw) = mailbox();
    let address = game_server(
        move |mut session| {
            session.push_durable("game", "news", json!({"n": 1}));
            session.push_durable("game", "news", json!({"n": 2}));
            while let Some(message) = session.next() {
                if !message["ack"].is_null() {
                    told(message["ack"].clone());
                }
            }
        },
        no_http,
    );
    let client = Client::connect(options(address)).unwrap();
    for n in [1, 2] {
        let news = format!("{{\"n\":{n}}}");
        wait_for(&client, |event| {
            matches!(event, Event::Message { payload, .. } if payload == news).then_some(())
        });
        assert_eq!(server_saw(), n);
    }
}

#[test]
fn a_quiet_client_does_not_wake_up() {
    let address = game_server(idle, |_| flags_answer("v1", "$0.99"));
    let client = Client::connect(options(address)).unwrap();
    wait_until_ready(&client);
    // The core's own deadline ends the silence: a loop that ticked would have turned many times until then.
    let request = Request::new(Channel::Game, "silence", "{}").timeout(Duration::from_secs(2));
    let before = client.rounds();
    client.request(request).unwrap();
    wait_for(&client, |event| matches!(event, Event::RequestFailed { .. }).then_some(()));
    let turns = client.rounds() - before;
    // The command, the deadline; and, where it falls into the two seconds, the heartbeat with its answer.
    assert!((1..=6).contains(&turns), "{turns} rounds in two silent seconds");
}

#[test]
fn closing_and_dropping_while_nobody_answers() {
    // It accepts, and says nothing.
    let (put, _hold) = mailbox();
    let half_open = serve(put);
    let client = Client::connect(options(half_open)).unwrap();
    client.close(PATIENCE).unwrap();
    assert_eq!(client.state(), State::Closed);

    let (dead, _held) = dead_address();
    let client = Client::connect(options(dead)).unwrap();
    drop(client);
}

#[test]
fn a_peer_that_never_says_goodbye_is_not_waited_for_longer_than_asked() {
    let (told, hold) = mailbox();
    let address = game_server(told, no_http);
    let client = Client::connect(options(address)).unwrap();
    wait_for_state(&client, State::Online);
    let _silent = hold();
    assert_eq!(client.close(Duration::ZERO), Err(Error::TimedOut));
    assert_eq!(client.close(PATIENCE), Ok(()), "it went on by itself");
}
