//! A client that breaks every rule, beside one that keeps them: each breach has its answer, and the other one notices nothing.

use castline::protocol::Channel;
use castline::{Error, Event, Request, State};
use castline_end_to_end::game::Game;
use castline_end_to_end::raw::{Raw, Said};
use castline_end_to_end::server::{offer, token};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::server;

#[test]
fn each_breach_has_its_answer_and_the_server_lives_on() {
    let (server, _data) = server();
    server.put_offer("first", offer("First")).unwrap();
    let mut game = Game::start(&server.http_url(), "ann");
    game.wait_for(State::Online);
    let address = server.addr();
    let login = |device: &str| Raw::login(address, &token("eve"), device);

    // Answered, and the socket stays open.
    let mut raw = login("d1");
    let deep =
        format!(r#"{{"channel":"game","type":"x","payload":{}1{}}}"#, "{\"a\":".repeat(40), "}".repeat(40));
    let answers = [
        ("not JSON", "INVALID_PAYLOAD"),
        ("", "INVALID_PAYLOAD"),
        ("[]", "INVALID_PAYLOAD"),
        (&deep, "INVALID_PAYLOAD"),
        (r#"{"channel":"casino","type":"x","payload":{}}"#, "UNKNOWN_CHANNEL"),
        (r#"{"channel":"game","type":"no_such_thing","payload":{}}"#, "UNKNOWN_MESSAGE_TYPE"),
        (r#"{"channel":"offers","type":"ready_for_offer","payload":{"placement":7}}"#, "INVALID_PAYLOAD"),
        (
            r#"{"channel":"offers","type":"ready_for_offer","payload":{"placement":"x","leaseMs":999999}}"#,
            "INVALID_PAYLOAD",
        ),
    ];
    for (text, code) in answers {
        assert_eq!(raw.refused(text), code, "{text:.60}");
    }
    // As long as a message may be.
    let envelope =
        |fill: usize| format!(r#"{{"channel":"game","type":"x","payload":{{"x":"{}"}}}}"#, "x".repeat(fill));
    let room = 16_384 - envelope(0).len();
    assert_eq!(raw.refused(&envelope(room)), "UNKNOWN_MESSAGE_TYPE");
    // Closed, with the code that says why.
    raw.text(&envelope(room + 1));
    assert_eq!(raw.said(), Said::Closed(1009));
    let mut raw = login("d2");
    raw.send(Message::binary(vec![0, 1, 2]));
    assert_eq!(raw.said(), Said::Closed(1003));

    // Before the login.
    assert_eq!(Raw::connect(address, "casino.v1").unwrap_err(), 400);
    let mut stranger = Raw::connect(address, "castline.v1").unwrap();
    assert_eq!(stranger.message()["type"], "connected");
    let ready = r#"{"channel":"offers","type":"ready_for_offer","payload":{"placement":"x"}}"#;
    assert_eq!(stranger.refused(ready), "NOT_AUTHENTICATED");
    let authenticate = |token: &str| {
        let payload = json!({"token": token, "device": "d3", "build": "2.0.0"});
        json!({"channel": "system", "type": "authenticate", "payload": payload}).to_string()
    };
    stranger.text(&authenticate(&"x".repeat(4_096)));
    assert_eq!(stranger.said(), Said::Closed(1009), "longer than any token");
    let mut stranger = Raw::connect(address, "castline.v1").unwrap();
    assert_eq!(stranger.message()["type"], "connected");
    stranger.text(&authenticate("not a token"));
    let Said::Message(failed) = stranger.said() else { panic!("a reason comes before the close") };
    assert_eq!(
        (&failed["type"], &failed["payload"]["reason"]),
        (&json!("auth_failed"), &json!("INVALID_TOKEN"))
    );
    assert_eq!(stranger.said(), Said::Closed(4001));

    // The client that keeps the rules would not even send such things …
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(16_384));
    let refused = game.client.request(Request::new(Channel::Game, "x", large));
    assert_eq!(refused.unwrap_err(), Error::TooLarge);
    // … and has noticed nothing.
    assert_eq!(game.break_at("level_completed").expect("the offer").offer_id, "first");
    assert_eq!(game.count(|e| matches!(e, Event::StateChanged { state: State::Online, .. })), 1);
    assert_eq!(game.client.state(), State::Online);
}
