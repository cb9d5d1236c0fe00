//! A name for every request: the caller's own, where it is short and plain, so that one line through all systems can be found; else
//! one of ours. It is in every log line of the request and in its answer.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of a caller's name for its request.
const MAX: usize = 64;

pub(super) async fn name(mut request: Request, next: Next) -> Response {
    let given = request.headers().get(&HEADER).filter(|id| is_plain(id.as_bytes())).cloned();
    let id = given.unwrap_or_else(|| {
        let id = hex::encode(rand::random::<[u8; 8]>());
        HeaderValue::from_str(&id).expect("hexadecimal digits are a header value")
    });
    request.headers_mut().insert(HEADER, id.clone());
    // The route as it is declared: a path may hold a player, and a query anything.
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
    let method = request.method().as_str();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default(), method, route);
    let began = Instant::now();
    let mut response = async {
        let response = next.run(request).await;
        let (status, ms) = (response.status().as_u16(), began.elapsed().as_millis() as u64);
        if response.status().is_server_error() {
            tracing::warn!(status, ms, "answered");
        } else {
            tracing::debug!(status, ms, "answered");
        }
        response
    }
    .instrument(span)
    .await;
    response.headers_mut().insert(HEADER, id);
    response
}

fn is_plain(id: &[u8]) -> bool {
    (1..=MAX).contains(&id.len()) && id.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
}
