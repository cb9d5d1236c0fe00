//! `GET /flags`: the form of the request, the ETag, the 304.

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
use crate::engine::flags::{Asker, parse_version};

/// Bytes of an attribute's value: a client's attributes are at most that in all.
const MAX_VALUE: usize = 1_024;

pub(super) async fn get_flags(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(pairs) = query.map_err(|e| Problem::invalid(e.body_text()))?;
    let (mut asker, min) = read(pairs)?;
    let limited = match app.bearer(&headers)? {
        Some(player) if player != asker.player => {
            let detail = "player_id is not the player of the token";
            return Err(Problem::new(StatusCode::FORBIDDEN, Code::Forbidden.as_str(), detail));
        }
        Some(player) => {
            asker.proven = true;
            player
        }
        // Whoever only claims to be a player can't use up that player's share.
        None => format!("{} {}", peer.address, asker.player),
    };
    app.engine
        .http_rates()
        .flags
        .take(limited, Instant::now())
        .map_err(|wait| Problem::rate_limited("flag requests of this player", wait))?;
    if min.is_some_and(|min| min > app.engine.configuration().version)
        && let Err(error) = app.engine.reload_flags().await
    {
        tracing::error!(%error, "the flags could not be read anew");
    }
    let answer = app.engine.configuration().answer(&asker);
    let common = [
        (header::ETAG, answer.etag.as_str()),
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "Authorization"),
    ];
    if matches(&headers, &answer.etag) {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok((common, [(header::CONTENT_TYPE, "application/json")], answer.body.clone()).into_response())
}

fn read(pairs: Vec<(String, String)>) -> Result<(Asker, Option<i64>), Problem> {
    let (mut player, mut build, mut min) = (None, None, None);
    let mut attributes = BTreeMap::new();
    for (name, value) in pairs {
        let seen_before = match name.as_str() {
            "player_id" => player.replace(value).is_some(),
            "build" => build.replace(value).is_some(),
            "min" => {
                let version = parse_version(&value);
                let version = version.ok_or_else(|| Problem::invalid("min is no version such as v18"))?;
                min.replace(version).is_some()
            }
            other => match other.strip_prefix("attr.") {
                Some(attribute) if is_name(attribute) && value.len() <= MAX_VALUE => {
                    attributes.insert(attribute.to_owned(), value).is_some()
                }
                Some(_) => {
                    let detail =
                        format!("an attribute's name is 1 to 128 bytes, its value at most {MAX_VALUE}");
                    return Err(Problem::invalid(detail));
                }
                None => false,
            },
        };
        if seen_before {
            return Err(Problem::invalid(format!("{name} is given twice")));
        }
    }
    if attributes.len() > MAX_ATTRIBUTES {
        let detail = format!("{} attributes; the limit is {MAX_ATTRIBUTES}", attributes.len());
        return Err(Problem::invalid(detail));
    }
    let player = player
        .filter(|p| is_player_id(p))
        .ok_or_else(|| Problem::invalid("player_id is missing or not 1 to 64 of A-Z a-z 0-9 _ . : -"))?;
    let build = build.unwrap_or_default();
    if build.len() > MAX_VALUE {
        return Err(Problem::invalid(format!("build is {} bytes; the limit is {MAX_VALUE}", build.len())));
    }
    Ok((Asker { player, build, attributes, proven: false }, min))
}

/// `If-None-Match`: a list, or `*`; a weak tag matches its strong one.
fn matches(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == etag || tag == "*")
}
