//! The operators' requests on experiments, behind the admin key.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use castline::protocol::encode;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::{App, text};
use crate::engine::trials::{End, ExperimentDefinition};

type Body = Result<Bytes, BytesRejection>;

fn json(body: &impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], encode(body))
        .into_response()
}

/// `PUT /admin/experiments/{name}`.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let definition: ExperimentDefinition =
        serde_json::from_str(&text(body)?).map_err(|e| Problem::invalid(format!("body: {e}")))?;
    Ok(json(&app.engine.put_experiment(&name, definition).await?))
}

/// `GET /admin/experiments/{name}/report`.
pub(super) async fn report(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    Ok(json(&app.engine.experiment_report(&name).await?))
}

/// `POST /admin/experiments/{name}/promote`, with `{"variant"}` or without a body: the verdict's.
pub(super) async fn promote(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    #[derive(Deserialize, Default)]
    #[serde(deny_unknown_fields)]
    struct Ask {
        #[serde(default)]
        variant: Option<String>,
    }
    let body = text(body)?;
    let ask: Ask = match body.trim() {
        "" => Ask::default(),
        body => serde_json::from_str(body).map_err(|e| Problem::invalid(format!("body: {e}")))?,
    };
    Ok(json(&app.engine.end_experiment(&name, End::Promote(ask.variant)).await?))
}

/// `POST /admin/experiments/{name}/drop`.
pub(super) async fn drop_it(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    Ok(json(&app.engine.end_experiment(&name, End::Drop).await?))
}
