//! `GET /admin/audit`: who changed what, from where, when.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use castline::protocol::encode;
use serde::Serialize;

use super::super::App;
use super::super::form::{Parameters, parameters};
use super::super::problem::Problem;
use super::super::routes::Routes;
use crate::store::audit::Wanted;

/// Lines in an answer at most.
const LINES: usize = 200;
/// Lines in an answer, unless asked for another number.
const USUAL: usize = 50;
/// Bytes of what is asked for.
const MAX_WANTED: usize = 128;

pub(in crate::http) fn routes() -> Routes {
    Routes::new().route("/admin/audit", get(read))
}

async fn read(State(app): State<Arc<App>>, query: Parameters) -> Result<Response, Problem> {
    #[derive(Serialize)]
    struct Page<T> {
        lines: Vec<T>,
        more: bool,
    }
    let mut wanted = Wanted::default();
    let mut limit = USUAL;
    for (key, value) in parameters(query, &["who", "action", "subject", "before", "limit"])? {
        match key.as_str() {
            "who" => wanted.who = text(&key, value)?,
            "action" => wanted.action = text(&key, value)?,
            "subject" => wanted.subject = text(&key, value)?,
            "before" => wanted.before = Some(number(&key, &value, i64::MAX)?),
            _ => limit = number(&key, &value, LINES as i64)? as usize,
        }
    }
    let (lines, more) = app.engine.audit(&wanted, limit).await?;
    let body = encode(&Page { lines, more });
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body)
        .into_response())
}

fn text(field: &str, value: String) -> Result<String, Problem> {
    if (1..=MAX_WANTED).contains(&value.len()) {
        return Ok(value);
    }
    Err(Problem::at(field, format!("{} bytes; it must be 1 to {MAX_WANTED}", value.len())))
}

fn number(field: &str, value: &str, most: i64) -> Result<i64, Problem> {
    let number = value.parse().ok().filter(|n| (1..=most).contains(n));
    number.ok_or_else(|| Problem::at(field, format!("it must be a whole number from 1 to {most}")))
}
