//! The players' requests beside the socket: a token under `--dev`, the claim of an offer, events.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use castline::protocol::messages::Claim;
use castline::protocol::{Code, encode, is_player_id};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::{App, text};
use crate::engine::{BadToken, parse_http_events};

type Body = Result<Bytes, BytesRejection>;

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body).into_response()
}

/// `POST /auth/token {playerId}` → `{token, expiresAt}`, on a development server alone.
pub(super) async fn auth_token(State(app): State<Arc<App>>, body: Body) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Ask {
        player_id: String,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Token {
        token: String,
        expires_at: i64,
    }
    if !app.settings.dev {
        let detail = "tokens come from the game's backend; this server makes them only under --dev";
        return Err(Problem::new(StatusCode::NOT_FOUND, Code::NotFound.as_str(), detail));
    }
    let ask: Ask = serde_json::from_str(&text(body)?).map_err(|e| Problem::invalid(format!("body: {e}")))?;
    if !is_player_id(&ask.player_id) {
        let detail =
            format!("playerId is {} bytes; it must be 1 to 64 of A-Z a-z 0-9 _ . : -", ask.player_id.len());
        return Err(Problem::invalid(detail));
    }
    let (token, expires_at) = app.engine.make_token(&ask.player_id).map_err(|error| {
        tracing::error!(error, "a token could not be made");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Internal.as_str(),
            "the token could not be made",
        )
    })?;
    Ok(json(encode(&Token { token, expires_at })))
}

/// `POST /offers/claim {device, placement, context}` → `{offers: […]}`.
pub(super) async fn claim(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let player = app.bearer(&headers)?.ok_or(BadToken::Invalid)?;
    let claim: Claim =
        serde_json::from_str(&text(body)?).map_err(|e| Problem::invalid(format!("body: {e}")))?;
    app.engine
        .http_rates()
        .claim
        .take(player.clone(), Instant::now())
        .map_err(|wait| Problem::rate_limited("claims of this player", wait))?;
    Ok(json(encode(&app.engine.claim(&player, &claim).await?)))
}

/// `POST /events`: a batch. A page that is being left sends `text/plain` with its token in the body.
pub(super) async fn events(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = text(body)?;
    let extra = parse_http_events(&body)?;
    let player = match (app.bearer(&headers)?, &extra.token) {
        (Some(player), _) => player,
        (None, Some(token)) => app.engine.check_token(token)?,
        (None, None) => return Err(BadToken::Invalid.into()),
    };
    app.engine
        .http_rates()
        .events
        .take(player.clone(), Instant::now())
        .map_err(|wait| Problem::rate_limited("event batches of this player", wait))?;
    Ok(json(app.engine.events_http(&player, &body, extra.timestamp).await?))
}

/// 503 as soon as the server drains, so that no balancer sends anybody here.
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    if app.gateway.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response()
    } else {
        "ok".into_response()
    }
}
