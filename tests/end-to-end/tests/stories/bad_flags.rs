//! Whatever answers in place of `/flags`, the last good answer stays, and the next good one counts.

use std::thread::scope;

use castline::{Event, Reason};
use castline_end_to_end::front::{Answer, Front};
use castline_end_to_end::game::{Game, options};
use castline_server::FlagDefinition;

use crate::{server, tempdir};

fn json(body: &str) -> Answer {
    Answer::http("200 OK", "content-type: application/json\r\n", body)
}

fn bad_answers() -> Vec<(&'static str, Answer)> {
    let html = "<html><body>Please log in</body></html>";
    let large = |bytes: usize| {
        format!(
            r#"{{"version":"v9","flags":{{"depth":{{"value":9}},"x":{{"value":"{}"}}}}}}"#,
            "x".repeat(bytes)
        )
    };
    let whole = r#"{"version":"v9","flags":{"depth":{"variant":"on","value":9,"reason":"STATIC"}}}"#;
    let truncated = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", whole.len(), &whole[..40]);
    vec![
        ("empty", json("")),
        ("cut off by the network", Answer::Bytes(truncated.into_bytes())),
        ("cut off by the server", json(&whole[..40])),
        ("too large", json(&large(2_048))),
        ("far too large", json(&large(100_000))),
        ("another form", json(r#"["depth", 9]"#)),
        ("no version", json(r#"{"flags":{"depth":{"value":9}}}"#)),
        ("a number", json("9")),
        ("a captive portal", Answer::http("200 OK", "content-type: text/html\r\n", html)),
        ("a redirect", Answer::http("302 Found", "location: http://127.0.0.1:1/\r\n", "")),
        ("HTTP 500", Answer::http("500 Internal Server Error", "", whole)),
        ("HTTP 429", Answer::http("429 Too Many Requests", "retry-after: 1\r\n", "")),
        ("dropped", Answer::Drop),
        ("garbage", Answer::Bytes(b"\0\xff\xfe".to_vec())),
        ("no answer", Answer::Never),
    ]
}

#[test]
fn the_last_good_answer_stays() {
    let (server, _data) = server();
    server.put_flag("depth", FlagDefinition::new("on", &[("on", "7")]).unwrap()).unwrap();
    scope(|threads| {
        for (number, (name, answer)) in bad_answers().into_iter().enumerate() {
            let server = &server;
            threads.spawn(move || {
                let (front, home, player) =
                    (Front::start(server.addr()), tempdir(), format!("player-{number}"));
                let start = || Game::with(options(&front.url()).data_dir(home.path()), &player);
                let mut game = start();
                game.until("a good answer", |game| (game.client.flags().i64("depth", 0) == 7).then_some(()));
                game.online();
                game.end();

                front.answer("/flags", answer);
                let mut game = start();
                let flags = game.client.flags();
                // From the first moment, before any network.
                assert_eq!((flags.i64("depth", 0), flags.reason("depth")), (7, Reason::Cached), "{name}");
                game.until("the failure", |game| {
                    let flags = game.client.flags();
                    assert_eq!(flags.i64("depth", 0), 7, "{name}");
                    (flags.reason("depth") == Reason::Stale).then_some(())
                });
                game.online();
                assert_eq!(game.client.flags().i64("depth", 0), 7, "{name}");

                front.answer("/flags", Answer::Good);
                game.until("a good answer again", |game| {
                    // A new reason to hope; the client has no timer for this.
                    game.network_changed();
                    let flags = game.client.flags();
                    assert_eq!(flags.i64("depth", 0), 7, "{name}");
                    (flags.reason("depth") == Reason::Default).then_some(())
                });
                // And it survives on disk.
                game.end();
                let game = start();
                assert_eq!(game.client.flags().i64("depth", 0), 7, "{name}");
            });
        }
    });
}

#[test]
fn a_malformed_flag_spoils_itself_alone() {
    let (server, _data) = server();
    server.put_flag("depth", FlagDefinition::new("on", &[("on", "7")]).unwrap()).unwrap();
    server.put_flag("price", FlagDefinition::new("on", &[("on", "\"$1\"")]).unwrap()).unwrap();
    let (front, home) = (Front::start(server.addr()), tempdir());
    let start = || Game::with(options(&front.url()).data_dir(home.path()), "ann");
    let mut game = start();
    game.until("a good answer", |game| (game.client.flags().i64("depth", 0) == 7).then_some(()));
    game.online();
    game.end();

    let half = r#"{"version":"v9","flags":{"depth":"seven","price":{"variant":"on","value":"$2","reason":"STATIC"}}}"#;
    front.answer("/flags", json(half));
    let mut game = start();
    game.wait("the answer", |event| matches!(event, Event::FlagsChanged { .. }).then_some(()));
    let flags = game.client.flags();
    assert_eq!((flags.string("price", ""), flags.reason("price")), ("$2", Reason::Static));
    assert_eq!((flags.i64("depth", -1), flags.reason("depth")), (-1, Reason::Error));
}

#[test]
fn without_any_good_answer_the_defaults_hold() {
    let (server, _data) = server();
    let front = Front::start(server.addr());
    front.answer("/flags", Answer::http("500 Internal Server Error", "", ""));
    server.put_flag("depth", FlagDefinition::new("on", &[("on", "7")]).unwrap()).unwrap();
    let mut game = Game::start(&front.url(), "ann");
    game.online();
    game.until("a failure", |_| (front.requests("/flags") > 0).then_some(()));
    let flags = game.client.flags();
    assert_eq!((flags.i64("depth", 3), flags.reason("depth")), (3, Reason::Default));
    front.answer("/flags", Answer::Good);
    game.until("a good answer", |game| {
        game.network_changed();
        (game.client.flags().i64("depth", 3) == 7).then_some(())
    });
}
