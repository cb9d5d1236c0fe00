//! The operators' requests, behind the admin key.

pub(super) mod campaigns;
pub(super) mod flags;

use std::sync::Arc;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::{App, Peer, bearer_token};

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
