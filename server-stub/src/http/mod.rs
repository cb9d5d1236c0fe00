//! The HTTP surface: the players' address and the operators'. It reads requests and writes answers; the engine decides.

mod admin;
mod cors;
mod experiments;
mod flags;
mod form;
pub(crate) mod listener;
mod ofrep;
mod players;
mod problem;
mod upgrade;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use castline::protocol::Code;

use tokio::sync::OwnedSemaphorePermit;

use crate::engine::{BadToken, Engine};
use crate::gateway::Gateway;
use crate::rate::Buckets;
use crate::settings::{Rate, Secret, Settings};

use problem::Problem;

/// Bytes of a request body.
const MAX_BODY: usize = 32 * 1024;
/// A request that is not answered by then is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the handlers need.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) engine: Arc<Engine>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) settings: Arc<Settings>,
    admin_key: Option<Secret>,
    /// Wrong admin keys by address.
    wrong_keys: Buckets<IpAddr>,
}

impl App {
    pub(crate) fn new(
        engine: Arc<Engine>,
        gateway: Arc<Gateway>,
        settings: Arc<Settings>,
        admin_key: Option<Secret>,
    ) -> App {
        App { engine, gateway, settings, admin_key, wrong_keys: Buckets::new(Rate::per_minute(10.0)) }
    }

    /// The player of the request's bearer token; `None` without one.
    fn bearer(&self, headers: &HeaderMap) -> Result<Option<String>, BadToken> {
        bearer_token(headers).map(|token| self.engine.check_token(token)).transpose()
    }
}

/// Who is at the other end, and since when.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) accepted: Instant,
    /// Its place among the connections that the server holds at once; an upgraded socket keeps it.
    pub(crate) place: Arc<OwnedSemaphorePermit>,
}

fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The players' address.
pub(crate) fn players(app: Arc<App>) -> Router {
    Router::new()
        .route("/ws", get(upgrade::ws))
        .route("/flags", get(flags::get_flags))
        .route("/ofrep/v1/evaluate/flags", post(ofrep::all))
        .route("/ofrep/v1/evaluate/flags/{key}", post(ofrep::one))
        .route("/auth/token", post(players::auth_token))
        .route("/offers/claim", post(players::claim))
        .route("/events", post(players::events))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(players::readyz))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::middleware::from_fn_with_state(app.clone(), cors::add))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

/// The operators' address.
pub(crate) fn operators(app: Arc<App>) -> Router {
    Router::new()
        .merge(admin::flags::routes())
        .merge(experiments::routes())
        .merge(admin::campaigns::routes())
        .merge(admin::audit::routes())
        .layer(axum::middleware::from_fn_with_state(app.clone(), admin::check_key))
        .route("/healthz", get(|| async { "ok" }))
        .fallback(not_found)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, Code::NotFound.as_str(), "there is nothing at this path")
}

async fn wrong_method() -> Problem {
    let detail = "this path does not take this method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, Code::InvalidPayload.as_str(), detail)
}

/// A body as text, or the problem with it.
fn text(
    body: Result<axum::body::Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<String, Problem> {
    let bytes = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("the body is longer than {MAX_BODY} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Code::MessageTooLarge.as_str(), detail)
        }
        _ => Problem::invalid("the body could not be read"),
    })?;
    let text = String::from_utf8(bytes.into()).map_err(|_| Problem::invalid("the body is not UTF-8"))?;
    if castline::protocol::depth_exceeds(&text, castline::protocol::limits::MAX_JSON_DEPTH) {
        return Err(Problem::invalid("the body is nested deeper than 32 levels"));
    }
    Ok(text)
}
