//! What the rest of the HTTP surface says: health, CORS, tokens, problems.
#![allow(clippy::unwrap_used)]

use crate::support;

use castline_server::{Secret, Server, Settings};
use serde_json::json;
use support::{get, http, start};
use tempfile::TempDir;

#[tokio::test]
async fn health_and_unknown_paths() {
    let (server, _data) = start();
    assert_eq!(get(server.addr(), "/healthz", &[]).await.body, "ok");
    assert_eq!(get(server.addr(), "/readyz", &[]).await.body, "ok");
    assert_eq!(get(server.admin_addr(), "/healthz", &[]).await.body, "ok");
    let answer = get(server.addr(), "/nowhere", &[]).await;
    assert_eq!((answer.status, &answer.json()["code"]), (404, &json!("NOT_FOUND")));
    assert_eq!(get(server.addr(), "/events", &[]).await.status, 405);
}

#[tokio::test]
async fn browsers_may_ask_from_the_configured_origins() {
    let (dev, _data) = start();
    let ask = [("origin", "https://game.example"), ("access-control-request-method", "GET")];
    let answer = http(dev.addr(), "OPTIONS", "/flags", &ask, "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://game.example"));
    assert_eq!(
        answer.header("access-control-allow-headers"),
        Some("authorization, content-type, if-none-match, x-request-id")
    );
    assert_eq!(answer.header("access-control-max-age"), Some("7200"));
    let answer = get(dev.addr(), "/healthz", &ask[..1]).await;
    assert_eq!(answer.header("access-control-expose-headers"), Some("etag, retry-after, x-request-id"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);

    let data = TempDir::new().unwrap();
    let mut settings = Settings::new(data.path());
    settings.jwt_secret = Some(Secret::new("a secret of no less than thirty-two bytes"));
    settings.cors_origins = vec!["https://game.example".into()];
    let server = Server::start(settings).unwrap();
    let answer = get(server.addr(), "/healthz", &ask[..1]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://game.example"));
    let answer = get(server.addr(), "/healthz", &[("origin", "https://evil.example")]).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
    // Tokens come from the game's backend here, and without a key nobody is an operator.
    assert_eq!(http(server.addr(), "POST", "/auth/token", &[], r#"{"playerId":"p1"}"#).await.status, 404);
    let key = [("authorization", "Bearer ")];
    assert_eq!(http(server.admin_addr(), "PUT", "/admin/offers/x", &key, "{}").await.status, 401);
}

#[tokio::test]
async fn a_development_server_makes_tokens() {
    let (server, _data) = start();
    let answer = http(server.addr(), "POST", "/auth/token", &[], r#"{"playerId":"p1"}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.json()["expiresAt"].as_i64().unwrap() > 1_700_000_000_000);
    for body in ["", "{}", r#"{"playerId":"a b"}"#] {
        assert_eq!(http(server.addr(), "POST", "/auth/token", &[], body).await.status, 400);
    }
}
