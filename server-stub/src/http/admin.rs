//! The operators' requests, behind the admin key.

pub(super) mod api_keys;
pub(super) mod audit;
pub(super) mod bans;
pub(super) mod campaigns;
pub(super) mod flags;
pub(super) mod players;
pub(super) mod pool;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use castline::protocol::encode;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::{App, Peer, bearer_token};
use crate::settings::Secret;
use crate::store::audit::Author;

/// A name by which an operator signs, bytes.
const MAX_ACTOR: usize = 64;

/// Lets the request pass with the right key. Ten wrong ones a minute lock the address.
pub(super) async fn check_key(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    check(&app, peer.address, request.headers(), &[&app.admin_key])?;
    let author = author(request.headers(), &peer)?;
    request.extensions_mut().insert(author);
    Ok(next.run(request).await)
}

/// Lets Prometheus pass: with the admin key, with the key for the metrics alone, or with none where the settings say so.
pub(super) async fn check_metrics_key(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !app.settings.metrics_open {
        check(&app, peer.address, request.headers(), &[&app.admin_key, &app.settings.metrics_key])?;
    }
    Ok(next.run(request).await)
}

fn check(app: &App, address: IpAddr, headers: &HeaderMap, keys: &[&Option<Secret>]) -> Result<(), Problem> {
    if !app.wrong_keys.would_give(&address, Instant::now()) {
        return Err(Problem::rate_limited("wrong admin keys from this address", 6_000));
    }
    let given = bearer_token(headers);
    // Digests are compared: how long that takes tells nothing about the key.
    let same = |a: &str, b: &str| Sha256::digest(a.as_bytes()) == Sha256::digest(b.as_bytes());
    let fits = |key: &Secret| given.is_some_and(|given| same(given, key.expose()));
    if keys.iter().filter_map(|key| key.as_ref()).any(fits) {
        return Ok(());
    }
    if given.is_some() {
        let _ = app.wrong_keys.take(address, Instant::now());
    }
    Err(Problem::new(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", "the admin key is missing or wrong"))
}

/// Who signs the change: the header `castline-actor`, by the word of whoever holds the key.
fn author(headers: &HeaderMap, peer: &Peer) -> Result<Author, Problem> {
    let who = match headers.get("castline-actor") {
        None => "admin",
        Some(value) => match value.to_str() {
            Ok(text) if (1..=MAX_ACTOR).contains(&text.len()) => text,
            _ => {
                let detail = format!("{} bytes; it must be 1 to {MAX_ACTOR} of visible ASCII", value.len());
                return Err(Problem::at("castline-actor", detail));
            }
        },
    };
    Ok(Author { who: who.to_owned(), address: peer.address.to_string() })
}

/// Whoever let the request pass has said whose it is.
impl<S: Send + Sync> FromRequestParts<S> for Author {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Author, Problem> {
        parts.extensions.get::<Author>().cloned().ok_or_else(|| {
            tracing::error!("a change came by a way that asks for no key");
            Problem::new(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", "the admin key is missing or wrong")
        })
    }
}

pub(super) fn answer<T: Serialize>(body: &T) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], encode(body))
        .into_response()
}

/// It is done, and there is nothing to say about it.
pub(super) fn done() -> Response {
    answer(&std::collections::BTreeMap::<String, ()>::new())
}
