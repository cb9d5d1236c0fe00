//! `GET /flags`: the form of the request, the ETag, the 304; and who is admitted to flags at all, which OFREP shares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use castline::protocol::limits::MAX_ATTRIBUTES;
use castline::protocol::{Code, is_name, is_player_id};

use super::problem::Problem;
use super::{App, Peer};
use crate::engine::flags::{Asker, version_of};
use crate::engine::now_ms;

/// Bytes of an attribute's value: a client's attributes are at most that in all.
const MAX_VALUE: usize = 1_024;

pub(super) async fn get_flags(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(pairs) = query.map_err(|e| Problem::at("query", e.body_text()))?;
    let (asker, min) = read(pairs)?;
    let asker = admit(&app, &peer, &headers, asker, "player_id").await?;
    if min.is_some_and(|min| min > app.engine.configuration().version)
        && let Err(error) = app.engine.reload_flags().await
    {
        tracing::error!(%error, "the flags could not be read anew");
    }
    let answer = app.engine.configuration().answer(&asker);
    Ok(tagged(&headers, &answer.etag, answer.body))
}

/// Whoever shows a token must be the player that he asks for, and is then known better. Everybody within his share.
pub(super) async fn admit(
    app: &App,
    peer: &Peer,
    headers: &HeaderMap,
    mut asker: Asker,
    field: &str,
) -> Result<Asker, Problem> {
    let limited = match app.bearer(headers)? {
        Some(player) if player != asker.player => {
            let detail = format!("{field} is not the player of the token");
            return Err(Problem::new(StatusCode::FORBIDDEN, Code::Forbidden.as_str(), detail));
        }
        Some(player) => {
            asker.proven = true;
            player
        }
        // Whoever only claims to be a player can't use up that player's share.
        None => format!("{} {}", peer.address, asker.player),
    };
    let rates = app.engine.http_rates();
    let taken = rates.flags.take(limited, Instant::now());
    taken.map_err(|wait| Problem::rate_limited("flag requests of this player", wait))?;
    if asker.proven {
        asker.known = app.engine.known(&asker.player).await?;
    }
    asker.now = now_ms();
    Ok(asker)
}

/// The answer, or 304 for who has it.
pub(super) fn tagged(headers: &HeaderMap, etag: &str, body: String) -> Response {
    let common =
        [(header::ETAG, etag), (header::CACHE_CONTROL, "private, no-cache"), (header::VARY, "Authorization")];
    if matches(headers, etag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn read(pairs: Vec<(String, String)>) -> Result<(Asker, Option<i64>), Problem> {
    let (mut player, mut build, mut min) = (None, None, None);
    let mut attributes = BTreeMap::new();
    for (name, value) in pairs {
        let seen_before = match name.as_str() {
            "player_id" => player.replace(value).is_some(),
            "build" => build.replace(value).is_some(),
            "min" => min.replace(version_of("min", &value)?).is_some(),
            other => match other.strip_prefix("attr.") {
                Some(attribute) => add_attribute(&mut attributes, &name, attribute, value)?,
                None => false,
            },
        };
        if seen_before {
            return Err(Problem::at(name, "given twice"));
        }
    }
    let player = player.ok_or_else(|| Problem::at("player_id", "missing"))?;
    check_player("player_id", &player)?;
    let build = build.unwrap_or_default();
    check_value("build", &build)?;
    Ok((Asker { player, build, attributes, ..Asker::default() }, min))
}

/// Adds an attribute; whether it had been there. `field` is what the client calls it.
pub(super) fn add_attribute(
    attributes: &mut BTreeMap<String, String>,
    field: &str,
    name: &str,
    value: String,
) -> Result<bool, Problem> {
    if !is_name(name) {
        let detail =
            format!("the name has {} bytes; it must be 1 to 128 without control characters", name.len());
        return Err(Problem::at(field, detail));
    }
    check_value(field, &value)?;
    let seen_before = attributes.insert(name.to_owned(), value).is_some();
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(Problem::at(
            field,
            format!("attribute {}; the limit is {MAX_ATTRIBUTES}", attributes.len()),
        ));
    }
    Ok(seen_before)
}

pub(super) fn check_player(field: &str, player: &str) -> Result<(), Problem> {
    if is_player_id(player) {
        return Ok(());
    }
    Err(Problem::at(field, format!("{} bytes; it must be 1 to 64 of A-Z a-z 0-9 _ . : -", player.len())))
}

pub(super) fn check_value(field: &str, value: &str) -> Result<(), Problem> {
    if value.len() > MAX_VALUE {
        return Err(Problem::at(field, format!("{} bytes; the limit is {MAX_VALUE}", value.len())));
    }
    Ok(())
}

/// `If-None-Match`: a list, or `*`; a weak tag matches its strong one.
pub(super) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}
