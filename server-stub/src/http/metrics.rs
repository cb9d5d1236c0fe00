//! `GET /metrics` for Prometheus, and the counting of HTTP requests.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use castline::protocol::Code;

use super::App;
use super::problem::Problem;
use crate::metrics::CONTENT_TYPE;

pub(super) async fn get(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let metrics = &app.metrics;
    metrics.store_waiting.set(app.engine.waiting_writes() as i64);
    metrics.store_writable.set(i64::from(app.engine.trouble().is_none()));
    metrics.store_refused.inc_by(app.engine.refused_writes().saturating_sub(metrics.store_refused.get()));
    let (used, free) = crate::store::sizes(&app.settings.data);
    metrics.store_bytes.set(used as i64);
    metrics.store_free_bytes.set(free as i64);
    match app.metrics.text() {
        Ok(text) => Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            let detail = "the metrics could not be written";
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal.as_str(), detail))
        }
    }
}

/// Counts a request to the players' address.
pub(super) async fn count_players(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    count(&app, "players", request, next).await
}

/// Counts a request to the operators' address.
pub(super) async fn count_operators(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    count(&app, "operators", request, next).await
}

async fn count(app: &App, listener: &'static str, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let began = Instant::now();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics.http(listener, route, response.status().as_u16(), began.elapsed());
    response
}
