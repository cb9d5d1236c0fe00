//! `POST /auth/telegram`: from Telegram's word to a player's socket, and every word that is not believed.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::time::{SystemTime, UNIX_EPOCH};

use castline_server::{Rate, RunningServer, Secret, Server};
use ring::hmac;
use serde_json::json;
use support::operator::Operator;
use support::{Answer, Client, http, start, start_with};

const BOT: &str = "123456:a-token-of-no-bot-at-all";

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What Telegram would say of a player, `age` seconds ago.
fn init_data(id: u64, age: i64) -> String {
    let date = now_s() as i64 - age;
    let lines = format!("auth_date={date}\nstart_param=spring\nuser={{\"id\":{id}}}");
    let key = |key: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, key);
    let secret = hmac::sign(&key(b"WebAppData"), BOT.as_bytes());
    let hash = hex::encode(hmac::sign(&key(secret.as_ref()), lines.as_bytes()));
    format!("user=%7B%22id%22%3A{id}%7D&auth_date={date}&start_param=spring&hash={hash}")
}

fn bot(settings: &mut castline_server::Settings) {
    settings.telegram.bot_token = Some(Secret::new(BOT));
}

async fn ask(server: &RunningServer, authorization: &str) -> Answer {
    http(server.addr(), "POST", "/auth/telegram", &[("authorization", authorization)], "").await
}

async fn login(server: &RunningServer, id: u64) -> String {
    let answer = ask(server, &format!("tma {}", init_data(id, 10))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let answer = answer.json();
    let life = answer["expiresAt"].as_i64().unwrap() - now_s() as i64 * 1000;
    assert!((200_000..=301_000).contains(&life), "{life}");
    let mut client = Client::open(server.addr()).await;
    let reply = client.authenticate(answer["token"].as_str().unwrap(), "d1", None).await;
    assert_eq!(reply["type"], "authenticated", "{reply}");
    reply["payload"]["userId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn telegrams_players_get_tokens_and_keep_their_names() {
    let (server, data) = start_with(bot);
    let (ann, bob) = (login(&server, 279_058_397).await, login(&server, 7).await);
    assert!(ann.starts_with("tg_") && ann.len() == 23 && ann != bob, "{ann} {bob}");
    // The same word is good again while it lasts: that is how a page that was reloaded gets a fresh token.
    assert_eq!(login(&server, 279_058_397).await, ann);
    drop(server);
    let mut settings = support::settings(&data);
    bot(&mut settings);
    // The key of the names lies in the data directory, for this user's eyes alone.
    let server = Server::start(settings).unwrap();
    assert_eq!(login(&server, 279_058_397).await, ann);
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(data.path().join("telegram-id.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_word_that_is_not_believed_is_401_and_not_repeated() {
    let (server, _data) = start_with(|s| {
        bot(s);
        s.limits.telegram = Rate::unlimited();
    });
    let good = init_data(7, 0);
    let long = format!("tma {good}&x={}", "x".repeat(9_000));
    for (authorization, code, field) in [
        (format!("tma {}", init_data(7, 86_410)), "EXPIRED_TOKEN", "auth_date"),
        (format!("tma {}", init_data(7, -70)), "INVALID_TOKEN", "auth_date"),
        (format!("tma {good}&more=1"), "INVALID_TOKEN", "hash"),
        (format!("tma {}", good.replace("id%22%3A7", "id%22%3A8")), "INVALID_TOKEN", "hash"),
        (format!("tma {}", good.split("&hash=").next().unwrap()), "INVALID_TOKEN", "hash"),
        (format!("tma {good}&user=%7B%22id%22%3A8%7D"), "INVALID_TOKEN", "initData"),
        ("tma ".to_owned(), "INVALID_TOKEN", "authorization"),
        ("tma x".to_owned(), "INVALID_TOKEN", "initData"),
        ("tma a=%FF".to_owned(), "INVALID_TOKEN", "initData"),
        ("tma a=рыба".to_owned(), "INVALID_TOKEN", "authorization"),
        (long, "INVALID_TOKEN", "initData"),
        (format!("Bearer {good}"), "INVALID_TOKEN", "authorization"),
        (good.clone(), "INVALID_TOKEN", "authorization"),
    ] {
        let answer = ask(&server, &authorization).await;
        let problem = answer.json();
        assert_eq!(
            (answer.status, &problem["code"], &problem["field"]),
            (401, &json!(code), &json!(field)),
            "{authorization}: {answer:?}"
        );
        let secret = authorization.split("hash=").nth(1).unwrap_or("%7B%22id");
        assert!(!answer.body.contains(secret) && !answer.body.contains(BOT), "{answer:?}");
    }
    let both = format!("tma {good}");
    let twice = [("authorization", both.as_str()), ("authorization", both.as_str())];
    assert_eq!(http(server.addr(), "POST", "/auth/telegram", &twice, "").await.status, 401);
    assert_eq!(http(server.addr(), "POST", "/auth/telegram", &[], "").await.status, 401);
    assert_eq!(http(server.addr(), "GET", "/auth/telegram", &[], "").await.status, 405);
    assert_eq!(ask(&server, &both).await.status, 200);
}

#[tokio::test]
async fn an_address_logs_in_so_often_and_no_more_and_a_banned_player_not_at_all() {
    let (server, _data) = start_with(|s| {
        bot(s);
        s.limits.telegram = Rate::per_minute(3.0);
    });
    let name = login(&server, 7).await;
    let operator = Operator::of(&server);
    operator.done("PUT", &format!("/admin/bans/{name}"), json!({"reason": "a bot"})).await;
    let word = format!("tma {}", init_data(7, 0));
    let answer = ask(&server, &word).await;
    assert_eq!((answer.status, &answer.json()["code"]), (403, &json!("BANNED")));
    // Wrong words count as well.
    assert_eq!(ask(&server, "tma x").await.status, 401);
    let limited = ask(&server, &format!("tma {}", init_data(8, 0))).await;
    assert_eq!((limited.status, &limited.json()["code"]), (429, &json!("RATE_LIMITED")));
    assert!(limited.header("retry-after").unwrap().parse::<u64>().unwrap() <= 20);
}

#[tokio::test]
async fn without_a_bot_there_is_nothing_and_two_ways_at_once_are_none() {
    let (server, data) = start();
    assert_eq!(ask(&server, &format!("tma {}", init_data(7, 0))).await.status, 404);
    drop(server);
    let mut settings = support::settings(&data);
    bot(&mut settings);
    settings.telegram.bot_id = 123_456;
    assert!(!format!("{settings:?}").contains(BOT));
    let error = Server::start(settings).unwrap_err().to_string();
    assert!(error.contains("telegram.bot_id") && !error.contains(BOT), "{error}");
}
