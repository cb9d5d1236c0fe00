//! `GET /ws`: from an HTTP request to a socket. Afterwards nothing of the HTTP machinery stays in memory.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use castline::protocol::{CloseCode, SUBPROTOCOL};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tracing::Instrument as _;
use tungstenite::handshake::derive_accept_key;

use super::problem::Problem;
use super::{App, Peer, cors};
use crate::gateway::Arrival;

pub(super) async fn ws(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers();
    if !has_token(headers, header::CONNECTION, "upgrade") || !has_token(headers, header::UPGRADE, "websocket")
    {
        return Ok(expected_websocket());
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|v| v != "13") {
        return Ok(expected_websocket());
    }
    // Under `--dev` every origin may; otherwise those listed, and clients that are no browsers. A browser tells its page nothing of a
    // refused upgrade, so this one goes well, and the socket is closed with a code that ends the page's tries.
    let foreign = headers.contains_key(header::ORIGIN) && cors::allowed(&app, headers).is_none();
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let accept = key
        .map(|key| derive_accept_key(key.as_bytes()))
        .ok_or_else(|| Problem::invalid("Sec-WebSocket-Key is missing or not 24 characters"))?;
    let offers_some = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    if offers_some && !has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        return Err(Problem::invalid(format!("of the sub-protocols only {SUBPROTOCOL} is spoken here")));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    let gateway = app.gateway.clone();
    let refused = foreign.then_some(CloseCode::ORIGIN_REFUSED);
    let arrival = Arrival { address: peer.address, accepted: peer.accepted, refused };
    // The request that it came by stays in its log lines.
    let span = tracing::Span::current();
    let socket = async move {
        match upgrade.await {
            Ok(upgraded) => match streams(upgraded) {
                Some(Streams::Plain(stream, early)) => {
                    gateway.serve(stream, early, arrival).await;
                }
                Some(Streams::Tls(stream, early)) => {
                    gateway.serve(stream, early, arrival).await;
                }
                None => tracing::error!("an upgraded connection is of a kind that nobody made"),
            },
            Err(error) => tracing::debug!(%error, "an upgrade came to nothing"),
        }
        drop(peer.place);
    };
    tokio::spawn(socket.instrument(span));
    let mut response = (StatusCode::SWITCHING_PROTOCOLS, Body::empty()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if offers_some {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

enum Streams {
    Plain(TcpStream, Vec<u8>),
    Tls(Box<TlsStream<TcpStream>>, Vec<u8>),
}

/// The bare stream, with what was read beyond the request: hyper's buffers end here.
fn streams(upgraded: Upgraded) -> Option<Streams> {
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => Some(Streams::Plain(parts.io.into_inner(), parts.read_buf.to_vec())),
        Err(upgraded) => {
            let parts = upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>().ok()?;
            Some(Streams::Tls(Box::new(parts.io.into_inner()), parts.read_buf.to_vec()))
        }
    }
}

fn expected_websocket() -> Response {
    let headers = [
        (header::UPGRADE, "websocket"),
        (header::CONNECTION, "Upgrade"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
    ];
    (StatusCode::UPGRADE_REQUIRED, headers, "Expected WebSocket").into_response()
}

/// Whether a comma-separated header has the word, in any case.
fn has_token(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(word))
}
