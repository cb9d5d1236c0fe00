//! Bytes: a connection from a chosen address, a WebSocket on it, one HTTP request. What they are for is decided elsewhere.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use castline::HttpFailure;
use castline::protocol::SUBPROTOCOL;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpSocket;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, error::ProtocolError};

use crate::target::Place;

/// tungstenite's own 128 KiB, thousands of times, would be most of the tool's memory.
const READ_BUFFER: usize = 4_096;
/// The longest answer to an HTTP request; as the SDK's driver has it.
const MAX_BODY: usize = 65_536;

/// With or without TLS.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

pub(crate) type Socket = WebSocketStream<Box<dyn Io>>;

/// Connects, from `source` where one is given.
pub(crate) async fn connect(place: &Place, source: Option<IpAddr>) -> io::Result<Box<dyn Io>> {
    let socket = if place.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(place.address).await?;
    stream.set_nodelay(true)?;
    Ok(match &place.tls {
        None => Box::new(stream),
        Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
    })
}

/// Why there is no socket.
#[derive(Debug)]
pub(crate) struct Refused {
    /// For the list of errors.
    pub(crate) why: String,
    pub(crate) retry_after_ms: Option<u64>,
}

/// Opens a WebSocket as the SDK's driver does.
pub(crate) async fn open(place: &Place, source: Option<IpAddr>, url: &str) -> Result<Socket, Refused> {
    let refused = |why: String| Refused { why, retry_after_ms: None };
    let stream =
        connect(place, source).await.map_err(|error| refused(format!("connect: {}", error.kind())))?;
    let mut request = url.into_client_request().map_err(|error| refused(error.to_string()))?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(16_384))
        .max_frame_size(Some(16_384));
    let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await;
    opened.map(|(socket, _)| socket).map_err(|error| match error {
        WsError::Http(answer) => {
            let seconds =
                answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
            Refused {
                why: format!("upgrade: status {}", answer.status().as_u16()),
                retry_after_ms: seconds.map(|seconds| seconds * 1_000),
            }
        }
        WsError::Io(error) => refused(format!("upgrade: {}", error.kind())),
        // The server was killed within the upgrade.
        WsError::Protocol(ProtocolError::HandshakeIncomplete) => refused("upgrade: ended".to_owned()),
        error => refused(format!("upgrade: {error}")),
    })
}

/// An HTTP answer of any status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// One request on a connection of its own, bounded in time and size.
pub(crate) async fn request(
    place: &Place,
    source: Option<IpAddr>,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
    body: String,
    timeout: Duration,
) -> Result<Reply, HttpFailure> {
    let asked = async {
        let stream = connect(place, source).await.map_err(|_| HttpFailure::Unreachable)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
                .await
                .map_err(|_| HttpFailure::Unreachable)?;
        let mut request = hyper::Request::builder().method(method).uri(path).header("host", &place.host);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::from(body)).map_err(|_| HttpFailure::Unreachable)?;
        let answer = async {
            let (head, body) =
                sender.send_request(request).await.map_err(|_| HttpFailure::Unreachable)?.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await.map_err(|_| HttpFailure::TooLarge)?;
            let headers = head.headers.iter().filter_map(|(name, value)| {
                Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
            });
            let (status, headers) = (head.status.as_u16(), headers.collect());
            Ok(Reply { status, headers, body: body.to_bytes().to_vec() })
        };
        // The connection is driven here, by whoever waits for the answer, and ends with it.
        let mut connection = std::pin::pin!(connection);
        let mut answer = std::pin::pin!(answer);
        let mut ended = false;
        std::future::poll_fn(|cx| {
            if !ended && connection.as_mut().poll(cx).is_ready() {
                ended = true;
            }
            answer.as_mut().poll(cx)
        })
        .await
    };
    tokio::time::timeout(timeout, asked).await.unwrap_or(Err(HttpFailure::TimedOut))
}
