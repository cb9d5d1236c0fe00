//! The HTTP surface: the players' address and the operators'. It reads requests and writes answers; the engine decides.

mod admin;
mod console;
mod cors;
mod experiments;
mod flags;
mod form;
pub(crate) mod forwarded;
pub(crate) mod listener;
mod metrics;
mod ofrep;
mod openapi;
mod players;
mod problem;
mod request_id;
mod routes;
mod server_api;
mod strict;
mod telegram;
pub(crate) mod tls;
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
use crate::metrics::Metrics;
use crate::rate::{ADDRESSES, Buckets};
use crate::settings::{Secret, Settings};

use problem::Problem;
use routes::Routes;

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
    pub(crate) metrics: Arc<Metrics>,
    admin_key: Option<Secret>,
    /// Wrong admin keys by address.
    wrong_keys: Buckets<IpAddr>,
    /// Wrong API keys by address.
    wrong_api_keys: Buckets<IpAddr>,
}

impl App {
    pub(crate) fn new(
        engine: Arc<Engine>,
        gateway: Arc<Gateway>,
        settings: Arc<Settings>,
        metrics: Arc<Metrics>,
        admin_key: Option<Secret>,
    ) -> App {
        let wrong_keys = || Buckets::bounded(settings.limits.wrong_keys, ADDRESSES);
        let (wrong_keys, wrong_api_keys) = (wrong_keys(), wrong_keys());
        App { engine, gateway, settings, metrics, admin_key, wrong_keys, wrong_api_keys }
    }

    /// Forgets the addresses whose wrong keys are long ago.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.wrong_keys.forget_full(now);
        self.wrong_api_keys.forget_full(now);
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
    let cors = axum::middleware::from_fn_with_state(app.clone(), cors::add);
    let count = axum::middleware::from_fn_with_state(app.clone(), metrics::count_players);
    finished(players_routes(), |router| router.layer(cors).layer(count)).with_state(app)
}

fn players_routes() -> Routes {
    Routes::new()
        .route("/ws", get(upgrade::ws))
        .route("/flags", get(flags::get_flags))
        .route("/ofrep/v1/evaluate/flags", post(ofrep::all))
        .route("/ofrep/v1/evaluate/flags/{key}", post(ofrep::one))
        .route("/auth/token", post(players::auth_token))
        .route("/auth/telegram", post(telegram::auth))
        .route("/offers/claim", post(players::claim))
        .route("/events", post(players::events))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(players::readyz))
}

/// The operators' address.
pub(crate) fn operators(app: Arc<App>) -> Router {
    let key = axum::middleware::from_fn_with_state(app.clone(), admin::check_key);
    let metrics_key = axum::middleware::from_fn_with_state(app.clone(), admin::check_metrics_key);
    let count = axum::middleware::from_fn_with_state(app.clone(), metrics::count_operators);
    let api_key = axum::middleware::from_fn_with_state(app.clone(), server_api::check_key);
    let routes = behind_the_key()
        .within(|router| router.layer(key))
        .merge(server_api::routes().within(|router| router.layer(api_key)))
        .merge(for_prometheus().within(|router| router.layer(metrics_key)))
        .merge(for_everybody());
    // The console is no part of the API that is documented.
    let plain = axum::middleware::map_response(console::as_it_is);
    finished(routes, |router| router.merge(console::routes()).layer(plain).layer(count)).with_state(app)
}

/// What takes the admin key.
fn behind_the_key() -> Routes {
    Routes::new()
        .merge(admin::flags::routes())
        .merge(experiments::routes())
        .merge(admin::campaigns::routes())
        .merge(admin::audit::routes())
        .merge(admin::bans::routes())
        .merge(admin::api_keys::routes())
        .merge(admin::pool::routes())
        .merge(admin::players::routes())
}

/// What takes the key for the metrics too.
fn for_prometheus() -> Routes {
    Routes::new().route("/metrics", get(metrics::get))
}

/// What the operators' address tells whoever asks.
fn for_everybody() -> Routes {
    Routes::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/openapi.json", get(openapi::operators))
        .route("/openapi/players.json", get(openapi::players))
}

#[cfg(test)]
fn operators_routes() -> Routes {
    behind_the_key().merge(server_api::routes()).merge(for_prometheus()).merge(for_everybody())
}

/// The routes with what holds for every request.
fn finished(routes: Routes, wrap: impl FnOnce(Router<Arc<App>>) -> Router<Arc<App>>) -> Router<Arc<App>> {
    let router = routes.into_router().fallback(not_found).method_not_allowed_fallback(wrong_method);
    let name = axum::middleware::from_fn(request_id::name);
    wrap(router).layer(name).layer(DefaultBodyLimit::max(MAX_BODY))
}

async fn not_found() -> Problem {
    no_path()
}

fn no_path() -> Problem {
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
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, Code::MessageTooLarge.as_str(), detail).on("body")
        }
        _ => Problem::at("body", "it could not be read"),
    })?;
    let text = String::from_utf8(bytes.into()).map_err(|_| Problem::at("body", "it is not UTF-8"))?;
    if castline::protocol::depth_exceeds(&text, castline::protocol::limits::MAX_JSON_DEPTH) {
        return Err(Problem::at("body", "it is nested deeper than 32 levels"));
    }
    Ok(text)
}
