//! Accepting: a long backlog, a bound on connections, TLS where configured (`tls.rs`), and hyper for what is said before an upgrade.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use castline::protocol::Code;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::forwarded::Proxies;
use super::problem::Problem;
use super::{Peer, REQUEST_TIMEOUT};
use crate::metrics::Metrics;

/// A short backlog turns the reconnect of a few thousand clients into retransmissions of their SYNs.
pub(crate) const BACKLOG: u32 = 4_096;
/// A request's head, and the silence between two requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
const TLS_TIMEOUT: Duration = Duration::from_secs(5);

/// Binds with a long backlog.
pub(crate) fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address).with_context(|| format!("cannot listen on {address}"))?;
    Ok(socket.listen(BACKLOG)?)
}

/// One of the server's doors.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) router: Router,
    pub(crate) tls: Option<TlsAcceptor>,
    /// Connections at once.
    pub(crate) max: usize,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Accepts until told to stop.
pub(crate) async fn accept(door: Door, mut stop: watch::Receiver<bool>) {
    let Door { listener, router, tls, max, proxies, metrics } = door;
    let places = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: give others the time to end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            metrics.refused_places.inc();
            tracing::warn!(max, "a connection above the limit was refused");
            continue;
        };
        let _ = stream.set_nodelay(true);
        let peer =
            Peer { address: address.ip().to_canonical(), accepted: Instant::now(), place: Arc::new(place) };
        let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
        let proxies = proxies.clone();
        tokio::spawn(async move {
            let result = match tls {
                None => serve(stream, router, peer, proxies, stop).await,
                Some(tls) => secure(stream, &tls, router, peer, proxies, stop).await,
            };
            if let Err(error) = result {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

/// Returns when the server is to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn secure(
    stream: TcpStream,
    tls: &TlsAcceptor,
    router: Router,
    peer: Peer,
    proxies: Arc<Proxies>,
    stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::time::timeout(TLS_TIMEOUT, tls.accept(stream)).await??;
    serve(stream, router, peer, proxies, stop).await
}

async fn serve<S>(
    stream: S,
    router: Router,
    peer: Peer,
    proxies: Arc<Proxies>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        let peer = Peer { address: proxies.client(peer.address, request.headers()), ..peer.clone() };
        request.extensions_mut().insert(peer);
        let answer = service.call(request);
        async move {
            match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
                Ok(answer) => answer,
                Err(_) => {
                    let detail = "the request did not come to its end in time";
                    Ok(Problem::new(StatusCode::REQUEST_TIMEOUT, Code::Internal.as_str(), detail)
                        .into_response())
                }
            }
        }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(16 * 1024)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended.map_err(|error| io::Error::other(error).into())
}
