//! The players' requests beside the socket: a token under `--dev`, the claim of an offer, events.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use castline::protocol::messages::{AnalyticsEvent, Claim, Events};
use castline::protocol::{Code, encode};
use serde::{Deserialize, Serialize};

use super::App;
use super::flags::check_player;
use super::form::{Body, from_text, json, json_text};
use super::problem::Problem;
use crate::engine::BadToken;

fn answer(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// `POST /auth/token {playerId}` → `{token, expiresAt}`, on a development server alone.
pub(super) async fn auth_token(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ask {
        player_id: String,
    }
    if !app.settings.dev {
        let detail = "tokens come from the game's backend; this server makes them only under --dev";
        return Err(Problem::new(StatusCode::NOT_FOUND, Code::NotFound.as_str(), detail));
    }
    let ask: Ask = json(&headers, body)?;
    check_player("playerId", &ask.player_id)?;
    token_for(&app, &ask.player_id)
}

/// A fresh token, and when it ends.
pub(super) fn token_for(app: &App, player: &str) -> Result<Response, Problem> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Token {
        token: String,
        expires_at: i64,
    }
    let (token, expires_at) = app.engine.make_token(player).map_err(|error| {
        tracing::error!(error, "a token could not be made");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal.as_str(),
            "the token could not be made",
        )
    })?;
    Ok(answer(encode(&Token { token, expires_at })))
}

/// `POST /offers/claim {device, placement, context}` → `{offers: […]}`.
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let player = app.bearer(&headers)?.ok_or(BadToken::Invalid)?;
    let claim: Claim = json(&headers, body)?;
    app.engine
        .http_rates()
        .claim
        .take(player.clone(), Instant::now())
        .map_err(|wait| Problem::rate_limited("claims of this player", wait))?;
    Ok(answer(encode(&app.engine.claim(&player, &claim).await?)))
}

/// `POST /events`: a batch. A page that is being left sends `text/plain` with its token in the body.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    struct Ask<'a> {
        /// For a request without headers of its own.
        #[serde(default)]
        token: Option<String>,
        /// The sender's clock at sending, Unix ms, as in an envelope.
        #[serde(default)]
        timestamp: i64,
        #[serde(default)]
        flags: BTreeMap<String, String>,
        #[serde(borrow)]
        events: Vec<AnalyticsEvent<'a>>,
    }
    let body = json_text(&headers, &["text/plain"], body)?;
    let Ask { token, timestamp, flags, events } = from_text(&body)?;
    let player = match (app.bearer(&headers)?, &token) {
        (Some(player), _) => player,
        (None, Some(token)) => app.engine.check_token(token)?,
        (None, None) => return Err(BadToken::Invalid.into()),
    };
    app.engine
        .http_rates()
        .events
        .take(player.clone(), Instant::now())
        .map_err(|wait| Problem::rate_limited("event batches of this player", wait))?;
    Ok(answer(app.engine.events_http(&player, &Events { flags, events }, body.len(), timestamp).await?))
}

/// 503 as soon as the server drains, or cannot store anything, so that no balancer sends anybody here.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    if app.gateway.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response()
    } else if let Some(trouble) = app.engine.trouble() {
        (StatusCode::SERVICE_UNAVAILABLE, trouble.to_string()).into_response()
    } else {
        "ok".into_response()
    }
}
