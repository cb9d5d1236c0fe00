//! Accepting: a long backlog, a bound on connections, TLS where configured, and hyper for what is said before an upgrade.

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
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::problem::Problem;
use super::{Peer, REQUEST_TIMEOUT};
use crate::metrics::Metrics;
use crate::settings::TlsFiles;

/// A short backlog turns the reconnect of a few thousand clients into retransmissions of their SYNs.
const BACKLOG: u32 = 4_096;
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

/// Reads the certificate chain and key.
pub(crate) fn tls(files: &TlsFiles) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(&files.certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("no certificates could be read from {}", files.certificates.display()))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("no private key could be read from {}", files.key.display()))?;
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Accepts until told to stop.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    tls: Option<TlsAcceptor>,
    max: usize,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
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
        let peer = Peer { address: address.ip(), accepted: Instant::now(), place: Arc::new(place) };
        let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
        tokio::spawn(async move {
            let result = match tls {
                None => serve(stream, router, peer, stop).await,
                Some(tls) => secure(stream, &tls, router, peer, stop).await,
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
    stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::time::timeout(TLS_TIMEOUT, tls.accept(stream)).await??;
    serve(stream, router, peer, stop).await
}

async fn serve<S>(
    stream: S,
    router: Router,
    peer: Peer,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(peer.clone());
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
