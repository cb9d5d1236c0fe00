//! The operators' requests, behind the admin key.

pub(super) mod flags;

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::{App, Peer, bearer_token, text};
use crate::engine::OfferDefinition;

type Body = Result<Bytes, BytesRejection>;

/// Lets the request pass with the right key. Ten wrong ones a minute lock the address.
pub(super) async fn check_key(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !app.wrong_keys.would_give(&peer.address, Instant::now()) {
        return Err(Problem::rate_limited("wrong admin keys from this address", 6_000));
    }
    let given = bearer_token(request.headers());
    // Digests are compared: how long that takes tells nothing about the key.
    let same = |a: &str, b: &str| Sha256::digest(a.as_bytes()) == Sha256::digest(b.as_bytes());
    match (given, &app.admin_key) {
        (Some(given), Some(key)) if same(given, key.expose()) => Ok(next.run(request).await),
        (given, _) => {
            if given.is_some() {
                let _ = app.wrong_keys.take(peer.address, Instant::now());
            }
            Err(Problem::new(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", "the admin key is missing or wrong"))
        }
    }
}

/// `PUT /admin/offers/{id}`.
pub(super) async fn put_offer(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    let offer: OfferDefinition =
        serde_json::from_str(&text(body)?).map_err(|e| Problem::invalid(format!("body: {e}")))?;
    app.engine.put_offer(&id, &offer).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], "{}").into_response())
}
