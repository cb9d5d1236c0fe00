//! `GET /admin/players/{player}`: all that is known of one player.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use castline::protocol::encode;

use super::super::App;
use super::super::flags::{check_player, check_value};
use super::super::form::{Name, name};
use super::super::problem::Problem;
use super::super::routes::Routes;

pub(in crate::http) fn routes() -> Routes {
    Routes::new().route("/admin/players/{player}", get(look_up))
}

/// `?build=2.0.0` evaluates the flags for that build.
async fn look_up(
    State(app): State<Arc<App>>,
    path: Name,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let player = name(path)?;
    check_player("player", &player)?;
    let Query(pairs) = query.map_err(|e| Problem::at("query", e.body_text()))?;
    let mut build = None;
    for (key, value) in pairs {
        if key != "build" {
            return Err(Problem::at(key, "unknown; there is build"));
        }
        check_value("build", &value)?;
        if build.replace(value).is_some() {
            return Err(Problem::at("build", "given twice"));
        }
    }
    let found = app.engine.look_up(&player, build).await?;
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], encode(&found))
        .into_response())
}
