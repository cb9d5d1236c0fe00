//! Whatever answers in the server's place, the game is told, keeps what it has, and is back when the server is.

use std::thread::scope;
use std::time::Duration;

use castline::{Break, Cause, Event, Outcome, State};
use castline_end_to_end::database::Database;
use castline_end_to_end::front::{Answer, Front, close, frame, text};
use castline_end_to_end::game::{Game, options};
use castline_end_to_end::proxy::{Cut, Proxy};
use castline_end_to_end::server::offer;
use castline_server::{FlagDefinition, RunningServer};
use tempfile::TempDir;

use crate::{server, tempdir};

const PORTAL: &str = "<!DOCTYPE html><html><body>Welcome to our Wi-Fi. Please log in.</body></html>";

fn portal() -> Answer {
    Answer::http("200 OK", "content-type: text/html\r\n", PORTAL)
}

fn stocked_server() -> (RunningServer, TempDir) {
    let (server, data) = server();
    server.put_flag("depth", FlagDefinition::new("on", &[("on", "7")]).unwrap()).unwrap();
    server.put_offer("first", offer("First")).unwrap();
    (server, data)
}

/// What a case's game was told when its attempt failed: cause and close code.
struct Case {
    name: &'static str,
    answer: Answer,
    told: (Cause, u16),
    /// The server said when to come back.
    retry_in: Option<u64>,
}

fn case(name: &'static str, answer: Answer, told: (Cause, u16)) -> Case {
    Case { name, answer, told, retry_in: None }
}

fn cases(player: &str) -> Vec<Case> {
    let lost = (Cause::Network, 1006);
    let given_up = (Cause::Network, 0);
    let authenticated = |rest: &str| {
        let payload = format!(
            r#"{{"userId":"{player}","sessionId":"s","resumed":false,"discarded":0,"flagsVersion":"","rooms":[]}}"#
        );
        let message =
            format!(r#"{{"channel":"system","type":"authenticated","payload":{payload},"timestamp":1}}"#);
        Answer::Socket([text(&message), text(rest)].concat())
    };
    let nonsense = [
        text("hello"),
        text(""),
        text("[1,2,3]"),
        text(&("[".repeat(10_000) + &"]".repeat(100))),
        text(r#"{"channel":"system","type":"welcome","payload":{},"timestamp":1}"#),
        text(r#"{"channel":"casino","type":"connected","payload":{},"timestamp":1}"#),
        text(r#"{"channel":"system","type":"connected","payload":{"serverTime":"noon"},"timestamp":1}"#),
    ];
    vec![
        // In place of the upgrade.
        case("accepts and drops", Answer::Drop, lost),
        case("never answers", Answer::Never, given_up),
        case("speaks garbage", Answer::Bytes(b"SSH-2.0-OpenSSH_9.2p1\r\n\0\xff\xfe".to_vec()), lost),
        case("HTTP 500", Answer::http("500 Internal Server Error", "", "oops"), lost),
        Case {
            retry_in: Some(2_000),
            ..case("HTTP 429", Answer::http("429 Too Many Requests", "retry-after: 2\r\n", ""), lost)
        },
        Case {
            retry_in: Some(3_000),
            ..case("HTTP 503", Answer::http("503 Service Unavailable", "retry-after: 3\r\n", ""), lost)
        },
        case("a redirect", Answer::http("302 Found", "location: http://127.0.0.1:1/login\r\n", ""), lost),
        case("a captive portal", portal(), lost),
        case(
            "an upgrade that is none",
            Answer::Bytes(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
                    .to_vec(),
            ),
            lost,
        ),
        // After the upgrade.
        case("is silent after the upgrade", Answer::Socket(Vec::new()), given_up),
        case("garbage for frames", Answer::Socket(vec![0xff; 64]), (Cause::Server, 1002)),
        case("a binary message", Answer::Socket(frame(2, b"\0\x01\x02")), (Cause::Server, 1003)),
        case("too large a message", Answer::Socket(text(&"x".repeat(16_385))), (Cause::Server, 1009)),
        case("text that is no UTF-8", Answer::Socket(frame(1, b"\xff\xfe")), (Cause::Server, 1007)),
        case(
            "nonsense",
            Answer::Socket([&nonsense[..], &[close(1011)]].concat().concat()),
            (Cause::Server, 1011),
        ),
        case(
            "authenticated as nobody",
            Answer::Socket(text(r#"{"channel":"system","type":"authenticated","payload":{},"timestamp":1}"#)),
            (Cause::Protocol, 0),
        ),
        case(
            "a hole in what must not be lost",
            authenticated(r#"{"channel":"offers","type":"new_offer","payload":{},"timestamp":1,"seq":5}"#),
            (Cause::Protocol, 0),
        ),
        case("is going away", Answer::Socket(close(1001)), (Cause::Server, 1001)),
        case("calls us slow", Answer::Socket(close(4002)), (Cause::Server, 4002)),
        case("a code of tomorrow", Answer::Socket(close(4321)), (Cause::Server, 4321)),
        Case {
            retry_in: Some(5_000),
            ..case("calls us loud", Answer::Socket(close(4029)), (Cause::Server, 4029))
        },
    ]
}

#[test]
fn each_is_told_and_survived() {
    let (server, data) = stocked_server();
    let database = Database::of(data.path());
    scope(|threads| {
        for number in 0..cases("").len() {
            let (server, database) = (&server, &database);
            threads.spawn(move || {
                let player = format!("player-{number}");
                let case = cases(&player).swap_remove(number);
                let name = case.name;
                let front = Front::start(server.addr());
                front.answer("/ws", case.answer);
                let mut game = Game::start(&front.url(), &player);
                let told = game.lost();
                assert_eq!((told.cause, told.code), case.told, "{name}");
                if let Some(retry_in) = case.retry_in {
                    assert!(told.retry_in >= retry_in, "{name}: {told:?}");
                }
                // Play goes on: flags come by another way, events are kept.
                game.until("flags", |game| (game.client.flags().i64("depth", 0) == 7).then_some(()));
                game.client.track("bite", r#"{"n":1}"#).unwrap();
                assert!(front.requests("/ws") >= 1, "{name}");

                front.answer("/ws", Answer::Good);
                game.impatient = true;
                game.online();
                assert_eq!(game.offer_at("level_completed").offer_id, "first", "{name}");
                game.end();
                assert_eq!(database.numbers(&player, "bite"), [1], "{name}");
            });
        }
    });
}

#[test]
fn a_word_that_is_final_is_obeyed() {
    let (server, _data) = stocked_server();
    let cases =
        [(4500, Cause::Protocol), (4501, Cause::BuildTooOld), (4503, Cause::Banned), (4777, Cause::Server)];
    scope(|threads| {
        for (code, cause) in cases {
            let server = &server;
            threads.spawn(move || {
                let front = Front::start(server.addr());
                front.answer("/ws", Answer::Socket(close(code)));
                let mut game = Game::start(&front.url(), "ann");
                let failed = game.wait_for(State::Failed);
                assert_eq!((failed.cause, failed.code, failed.retry_in), (cause, code, 0));
                front.answer("/ws", Answer::Good);
                // Neither another network nor the player's tap changes it.
                game.network_changed();
                game.client.reconnect().unwrap();
                assert_eq!(game.break_at("level_completed"), None, "answered at once");
                game.until("flags", |game| (game.client.flags().i64("depth", 0) == 7).then_some(()));
                assert_eq!(game.client.state(), State::Failed);
                assert_eq!(front.requests("/ws"), 1);
            });
        }
    });
}

#[test]
fn a_captive_portal_takes_nothing() {
    let (server, data) = stocked_server();
    server.put_offer("second", offer("Second")).unwrap();
    let database = Database::of(data.path());
    let front = Front::start(server.addr());
    let proxy = Proxy::start(front.address());
    let home = tempdir();
    let mut game = Game::with(options(&proxy.url()).data_dir(home.path()), "ann");
    game.wait_for(State::Online);
    let first = game.offer_at("level_completed");
    game.until("flags", |game| (game.client.flags().i64("depth", 0) == 7).then_some(()));

    // The player walks into a café: whatever is asked there, "200 OK" is the answer.
    for path in ["/ws", "/flags", "/offers/claim", "/events"] {
        front.answer(path, portal());
    }
    proxy.cut(Cut::Reset);
    game.lost();
    // Both must go out at once, so they go over HTTP.
    game.client.offers().result(&first.offer_id, Outcome::Accepted).unwrap();
    for n in 0..5 {
        game.client.track("bite", &format!("{{\"n\":{n}}}")).unwrap();
    }
    game.ready(short_break());
    game.until("the portal to be asked", |_| (front.requests("/offers/claim") > 0).then_some(()));
    game.until("the portal to take the events", |_| (front.requests("/events") > 0).then_some(()));
    assert_eq!(game.answer(), None, "an answer all the same, when the break is over");
    assert_eq!(game.client.flags().i64("depth", 0), 7);
    assert_ne!(database.offer("ann", &first.offer_id).0, "closed");

    for path in ["/ws", "/flags", "/offers/claim", "/events"] {
        front.answer(path, Answer::Good);
    }
    game.network_changed();
    game.online();
    database.wait_for_offer("ann", &first.offer_id, "closed");
    assert_ne!(game.offer_at("level_completed").offer_id, first.offer_id);
    assert_eq!(game.count(|e| *e == Event::SessionLost), 0);
    game.end();
    let mut numbers = database.numbers("ann", "bite");
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
}

/// A break that is over soon.
fn short_break() -> Break {
    Break::new("level_completed").lease(Duration::from_secs(3))
}
