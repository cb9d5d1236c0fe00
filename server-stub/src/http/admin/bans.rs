//! `/admin/bans`: who may not play, why and until when.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::super::App;
use super::super::flags::check_player;
use super::super::form::{Body, Name, Parameters, json, name, parameters};
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::{answer, done};
use crate::engine::NewBan;
use crate::store::audit::Author;

/// Bans in an answer at most.
const BANS: usize = 200;
/// Bans in an answer, unless asked for another number.
const USUAL: usize = 50;

pub(in crate::http) fn routes() -> Routes {
    Routes::new()
        .route("/admin/bans", get(list))
        .route("/admin/bans/{player}", get(read).put(ban).delete(unban))
}

/// A player in the path.
pub(in crate::http) fn player(path: Name) -> Result<String, Problem> {
    let player = name(path).map_err(|problem| problem.on("player"))?;
    check_player("player", &player)?;
    Ok(player)
}

async fn list(State(app): State<Arc<App>>, query: Parameters) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Page<T> {
        bans: Vec<T>,
        more: bool,
    }
    let (mut after, mut limit) = (String::new(), USUAL);
    for (key, value) in parameters(query, &["after", "limit"])? {
        if key == "after" {
            check_player("after", &value)?;
            after = value;
        } else {
            let count = value.parse().ok().filter(|n| (1..=BANS).contains(n));
            limit = count
                .ok_or_else(|| Problem::at("limit", format!("it must be a whole number from 1 to {BANS}")))?;
        }
    }
    let (bans, more) = app.engine.bans(&after, limit).await?;
    Ok(answer(&Page { bans, more }))
}

async fn read(State(app): State<Arc<App>>, path: Name) -> Result<Response, Problem> {
    Ok(answer(&app.engine.ban_of(&player(path)?).await?))
}

pub(in crate::http) async fn ban(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let player = player(path)?;
    let ban: NewBan = json(&headers, body)?;
    app.engine.ban(&player, ban, author).await?;
    Ok(done())
}

pub(in crate::http) async fn unban(
    State(app): State<Arc<App>>,
    author: Author,
    path: Name,
) -> Result<Response, Problem> {
    app.engine.unban(&player(path)?, author).await?;
    Ok(done())
}
