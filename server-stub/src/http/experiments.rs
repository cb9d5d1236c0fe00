//! `/admin/experiments`: declare, report, list, history, promote, drop. Behind the admin key.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use castline::protocol::encode;
use serde::{Deserialize, Serialize};

use super::App;
use super::form::{Body, Name, json, json_or_nothing, name};
use super::problem::Problem;
use super::routes::Routes;
use crate::engine::trials::{End, ExperimentDefinition};
use crate::store::audit::Author;

pub(super) fn routes() -> Routes {
    Routes::new()
        .route("/admin/experiments", get(list))
        .route("/admin/experiments/{name}", put(declare))
        .route("/admin/experiments/{name}/report", get(report))
        .route("/admin/experiments/{name}/history", get(history))
        .route("/admin/experiments/{name}/promote", post(promote))
        .route("/admin/experiments/{name}/drop", post(drop_it))
}

fn answer(body: &impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], encode(body))
        .into_response()
}

async fn list(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(answer(&app.engine.experiments().await?))
}

async fn declare(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let definition: ExperimentDefinition = json(&headers, body)?;
    Ok(answer(&app.engine.put_experiment(&name(path)?, definition, author).await?))
}

async fn report(State(app): State<Arc<App>>, path: Name) -> Result<Response, Problem> {
    Ok(answer(&app.engine.experiment_report(&name(path)?).await?))
}

async fn history(State(app): State<Arc<App>>, path: Name) -> Result<Response, Problem> {
    Ok(answer(&app.engine.experiment_history(&name(path)?).await?))
}

/// With `{"variant"}`, or without a body: the verdict's.
async fn promote(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    #[derive(Deserialize, Default)]
    #[serde(deny_unknown_fields)]
    struct Ask {
        #[serde(default)]
        variant: Option<String>,
    }
    let ask: Ask = json_or_nothing(&headers, body)?.unwrap_or_default();
    Ok(answer(&app.engine.end_experiment(&name(path)?, End::Promote(ask.variant), author).await?))
}

async fn drop_it(State(app): State<Arc<App>>, author: Author, path: Name) -> Result<Response, Problem> {
    Ok(answer(&app.engine.end_experiment(&name(path)?, End::Drop, author).await?))
}
