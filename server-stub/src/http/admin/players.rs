//! `GET /admin/players/{player}`: all that is known of one player.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::super::App;
use super::super::flags::check_value;
use super::super::form::{Name, Parameters, parameters};
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::answer;
use super::bans::player;

pub(in crate::http) fn routes() -> Routes {
    Routes::new().route("/admin/players/{player}", get(look_up))
}

/// `?build=2.0.0` evaluates the flags for that build.
async fn look_up(State(app): State<Arc<App>>, path: Name, query: Parameters) -> Result<Response, Problem> {
    let player = player(path)?;
    let mut build = None;
    for (_, value) in parameters(query, &["build"])? {
        check_value("build", &value)?;
        build = Some(value);
    }
    Ok(answer(&app.engine.look_up(&player, build).await?))
}
