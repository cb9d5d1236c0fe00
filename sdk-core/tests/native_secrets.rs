//! No token and no initData reaches a log, whatever the level and whichever library writes it.
#![cfg(feature = "native")]
#![allow(clippy::unwrap_used)] // Where a test fails is the test's business.

mod support;

use std::sync::Mutex;

use castline::{Client, Options};
use serde_json::json;
use support::game_server::*;
use support::*;

static LINES: Mutex<String> = Mutex::new(String::new());

struct Keep;

impl log::Log for Keep {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // The fake server uses the same WebSocket library, on threads of its own, and reads what is secret.
        if std::thread::current().name().is_some_and(|name| name.starts_with("castline-")) {
            use std::fmt::Write;
            writeln!(LINES.lock().unwrap(), "{} {}", record.target(), record.args()).unwrap();
        }
    }

    fn flush(&self) {}
}

#[test]
fn tokens_stay_out_of_every_log() {
    log::set_logger(&Keep).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let secret = token("anna");
    let answer = json!({"token": secret, "expiresAt": now() + 3_600_000}).to_string();
    let address = game_server(
        |mut session| while session.next().is_some() {},
        move |request| match request.path.as_str() {
            "/auth/telegram" => http_answer("200 OK", "", &answer),
            _ => flags_answer("v1", "$0.99"),
        },
    );
    let init_data = "query_id=veryverysecret&hash=00";
    let url = format!("http://{address}");
    for options in
        [Options::new(&url, "1").token(&secret), Options::new(&url, "1").telegram_init_data(init_data)]
    {
        let debug = format!("{options:?}");
        assert!(!debug.contains(&secret) && !debug.contains(init_data), "{debug}");
        let client = Client::connect(options).unwrap();
        wait_until_ready(&client);
        client.close(PATIENCE).unwrap();
    }
    let lines = LINES.lock().unwrap();
    for library in ["tungstenite", "ureq", "castline"] {
        assert!(lines.lines().any(|line| line.starts_with(library)), "{library} logged at all");
    }
    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    for secret in [secret.as_str(), init_data] {
        for line in lines.lines() {
            assert!(!line.contains(secret) && !line.contains(&hex(secret)), "{line}");
        }
    }
}
