//! `/admin/campaigns`, `/admin/segments` and `/admin/offers`: what operators say about offers, behind the admin key.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use castline::protocol::Code;
use serde::Serialize;

use super::super::App;
use super::super::form::{Body, Name, json, name};
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::{answer, done};
use crate::engine::segments::{Fault, Segment};
use crate::engine::{DryRun, OfferDefinition, OfferRefused};
use crate::store::audit::Author;

/// The paths.
pub(in crate::http) fn routes() -> Routes {
    Routes::new()
        .route("/admin/offers/{id}", put(put_campaign))
        .route("/admin/campaigns", get(list))
        .route("/admin/campaigns/{id}", get(read).put(put_campaign).delete(delete))
        .route("/admin/campaigns/{id}/disable", post(disable))
        .route("/admin/campaigns/{id}/dry-run", post(dry_run))
        .route("/admin/segments", get(segments))
        .route("/admin/segments/{name}", get(segment).put(put_segment).delete(delete_segment))
}

impl From<OfferRefused> for Problem {
    fn from(refused: OfferRefused) -> Self {
        match refused {
            OfferRefused::Fault(Fault { field, why }) => Problem::at(field, why),
            OfferRefused::Absent(what) => Problem::new(StatusCode::NOT_FOUND, Code::NotFound.as_str(), what),
            OfferRefused::Failure(failure) => failure.into(),
        }
    }
}

async fn put_campaign(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let definition: OfferDefinition = json(&headers, body)?;
    app.engine.put_campaign(&name(path)?, &definition, author).await?;
    Ok(done())
}

async fn list(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct List<T> {
        campaigns: T,
    }
    Ok(answer(&List { campaigns: app.engine.campaigns(None).await? }))
}

async fn read(State(app): State<Arc<App>>, path: Name) -> Result<Response, Problem> {
    let found = app.engine.campaigns(Some(&name(path)?)).await?;
    found.first().map(answer).ok_or_else(|| OfferRefused::Absent("there is no such campaign").into())
}

async fn delete(State(app): State<Arc<App>>, author: Author, path: Name) -> Result<Response, Problem> {
    app.engine.delete_campaign(&name(path)?, author).await?;
    Ok(done())
}

async fn disable(State(app): State<Arc<App>>, author: Author, path: Name) -> Result<Response, Problem> {
    app.engine.disable_campaign(&name(path)?, author).await?;
    Ok(done())
}

async fn dry_run(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let ask: DryRun = json(&headers, body)?;
    Ok(answer(&app.engine.dry_run(&name(path)?, ask).await?))
}

async fn segments(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct List<T> {
        segments: T,
    }
    Ok(answer(&List { segments: app.engine.segments().await? }))
}

async fn segment(State(app): State<Arc<App>>, path: Name) -> Result<Response, Problem> {
    let segments = app.engine.segments().await?;
    segments
        .get(&name(path)?)
        .map(answer)
        .ok_or_else(|| OfferRefused::Absent("there is no such segment").into())
}

async fn put_segment(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let segment: Segment = json(&headers, body)?;
    app.engine.put_segment(&name(path)?, &segment, author).await?;
    Ok(done())
}

async fn delete_segment(
    State(app): State<Arc<App>>,
    author: Author,
    path: Name,
) -> Result<Response, Problem> {
    app.engine.delete_segment(&name(path)?, author).await?;
    Ok(done())
}
