//! `/admin/api-keys`: the keys of the game's backends; and what those backends said that a player paid.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{delete, get};
use serde::Serialize;

use super::super::App;
use super::super::form::{Body, Name, json, name};
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::bans::player;
use super::{answer, done};
use crate::engine::NewApiKey;
use crate::store::audit::Author;

pub(in crate::http) fn routes() -> Routes {
    Routes::new()
        .route("/admin/api-keys", get(list).post(make))
        .route("/admin/api-keys/{name}", delete(revoke))
        .route("/admin/players/{player}/revenue", get(revenue))
}

async fn list(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct List<T> {
        keys: T,
    }
    Ok(answer(&List { keys: app.engine.list_api_keys().await? }))
}

async fn make(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let new: NewApiKey = json(&headers, body)?;
    Ok(answer(&app.engine.make_api_key(new, author).await?))
}

async fn revoke(State(app): State<Arc<App>>, author: Author, path: Name) -> Result<Response, Problem> {
    app.engine.revoke_api_key(&name(path)?, author).await?;
    Ok(done())
}

async fn revenue(State(app): State<Arc<App>>, path: Name) -> Result<Response, Problem> {
    Ok(answer(&app.engine.spend_of(&player(path)?).await?))
}
