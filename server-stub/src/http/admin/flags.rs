//! `/admin/flags`: read, change, history, roll-back; and the traits that flags are targeted on.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::App;
use super::super::flags::check_player;
use super::super::form::{Body, Name, Parameters, json, name, parameters};
use super::super::problem::Problem;
use super::super::routes::Routes;
use super::answer;
use crate::engine::flags::{Change, FlagDefinition, HistoryLine, Traits, version_of};
use crate::store::audit::Author;

/// Lines of history in an answer, unless asked for fewer.
const LINES: usize = 50;

pub(in crate::http) fn routes() -> Routes {
    Routes::new()
        .route("/admin/flags", get(list))
        .route("/admin/flags/{name}", get(read).put(write).delete(delete))
        .route("/admin/flags/{name}/history", get(history))
        .route("/admin/flags/{name}/rollback", post(rollback))
        .route("/admin/players/{player}/traits", get(read_traits).put(write_traits))
}

fn changed(version: &str) -> Response {
    #[derive(Serialize)]
    struct Changed<'a> {
        version: &'a str,
    }
    answer(&Changed { version })
}

async fn list(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    Ok(answer(&app.engine.list_flags().await?))
}

async fn read(State(app): State<Arc<App>>, path: Name) -> Result<Response, Problem> {
    Ok(answer(&app.engine.flag(&name(path)?).await?))
}

async fn write(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let name = name(path)?;
    let flag: FlagDefinition = json(&headers, body)?;
    Ok(changed(&app.engine.change_flag(&name, Change::Put(Box::new(flag)), author).await?))
}

async fn delete(State(app): State<Arc<App>>, author: Author, path: Name) -> Result<Response, Problem> {
    Ok(changed(&app.engine.change_flag(&name(path)?, Change::Delete, author).await?))
}

async fn rollback(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rollback {
        to: String,
    }
    let name = name(path)?;
    let asked: Rollback = json(&headers, body)?;
    let to = version_of("to", &asked.to)?;
    Ok(changed(&app.engine.change_flag(&name, Change::Rollback(to), author).await?))
}

async fn history(State(app): State<Arc<App>>, path: Name, query: Parameters) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct History {
        changes: Vec<HistoryLine>,
        more: bool,
    }
    let name = name(path)?;
    let (mut before, mut limit) = (None, LINES);
    for (key, value) in parameters(query, &["before", "limit"])? {
        if key == "before" {
            before = Some(version_of(&key, &value)?);
        } else {
            let count = value.parse().ok().filter(|n| (1..=LINES).contains(n));
            limit = count.ok_or_else(|| Problem::at(key, format!("{value:?}; it must be 1 to {LINES}")))?;
        }
    }
    let (changes, more) = app.engine.flag_history(&name, before, limit).await?;
    Ok(answer(&History { changes, more }))
}

async fn read_traits(State(app): State<Arc<App>>, path: Name) -> Result<Response, Problem> {
    let player = name(path)?;
    check_player("player", &player)?;
    Ok(answer(&app.engine.stored_traits(&player).await?))
}

async fn write_traits(
    State(app): State<Arc<App>>,
    author: Author,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Result<Response, Problem> {
    let player = name(path)?;
    check_player("player", &player)?;
    let traits = traits_of(json(&headers, body)?)?;
    app.engine.put_traits(&player, traits, author).await?;
    Ok(answer(&BTreeMap::<&str, &str>::new()))
}

/// Traits as they are sent: scalars, kept as text.
pub(in crate::http) fn traits_of(given: BTreeMap<String, Value>) -> Result<Traits, Problem> {
    let mut traits = Traits::new();
    for (name, value) in given {
        let text = match value {
            Value::String(text) => text,
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => {
                return Err(Problem::at(
                    format!("traits[{name:?}]"),
                    "it must be a text, a number, true or false",
                ));
            }
        };
        traits.insert(name, text);
    }
    Ok(traits)
}
