//! `wss` and `https` with a certificate of a local authority, and its replacement while the server runs.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use castline_server::{RunningServer, TlsFiles};
use futures_util::{SinkExt, StreamExt};
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use support::binary::Binary;
use support::metrics::until;
use support::start_with;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    connector: tokio_rustls::TlsConnector,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Authority { issuer, connector: tokio_rustls::TlsConnector::from(Arc::new(config)) }
    }

    /// A new certificate and its key, as PEM.
    fn certify(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    async fn connect(&self, port: u16) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        self.connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
    }

    /// The certificate that the server shows.
    async fn shown(&self, port: u16) -> Vec<u8> {
        let stream = self.connect(port).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    }

    async fn until_shown(&self, port: u16, wanted: &str) {
        let wanted = der(wanted);
        let deadline = tokio::time::Instant::now() + support::PATIENCE;
        while self.shown(port).await != wanted {
            assert!(tokio::time::Instant::now() < deadline, "the certificate is never shown");
        }
    }

    async fn socket(&self, port: u16) -> WebSocketStream<TlsStream<TcpStream>> {
        let stream = self.connect(port).await;
        let (mut socket, _) = client_async(format!("wss://localhost:{port}/ws"), stream).await.unwrap();
        assert!(text(&mut socket).await.contains("\"connected\""));
        socket
    }
}

async fn text(socket: &mut WebSocketStream<TlsStream<TcpStream>>) -> String {
    let message = tokio::time::timeout(support::PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    message.to_text().unwrap().to_owned()
}

fn der(pem: &str) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject as _;
    rustls_pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

fn files(directory: &TempDir, (certificate, key): &(String, String)) -> TlsFiles {
    let files =
        TlsFiles { certificates: directory.path().join("chain.pem"), key: directory.path().join("key.pem") };
    std::fs::write(&files.certificates, certificate).unwrap();
    std::fs::write(&files.key, key).unwrap();
    files
}

/// As those who renew certificates do it: the new file takes the old one's name.
fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(beside, file).unwrap();
}

fn start_tls(files: &TlsFiles) -> (RunningServer, TempDir) {
    let files = files.clone();
    start_with(|s| {
        s.tls = Some(files);
        s.timers.tls_reload = 20;
    })
}

#[tokio::test]
async fn the_players_address_speaks_tls() {
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (server, _data) = start_tls(&files(&directory, &authority.certify()));
    assert!(server.ws_url().starts_with("wss://"));
    authority.socket(server.addr().port()).await;
    // Whoever speaks without TLS gets no answer but an end.
    assert!(client_async(server.ws_url(), TcpStream::connect(server.addr()).await.unwrap()).await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_open_sockets_stay() {
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (first, second) = (authority.certify(), authority.certify());
    let files = files(&directory, &first);
    let (server, _data) = start_tls(&files);
    let port = server.addr().port();
    assert_eq!(authority.shown(port).await, der(&first.0));
    let mut open = authority.socket(port).await;
    // Between the two files nothing fits: the old pair goes on, and the log says why.
    replace(&files.certificates, &second.0);
    until(&server, r#"tls_reloads_total{outcome="refused"}"#, |count| count == 1.0).await;
    assert_eq!(authority.shown(port).await, der(&first.0));
    replace(&files.key, &second.1);
    authority.until_shown(port, &second.0).await;
    until(&server, r#"tls_reloads_total{outcome="taken"}"#, |count| count == 1.0).await;
    let ask = r#"{"channel":"system","type":"ping","payload":{},"id":"c1"}"#;
    open.send(Message::text(ask)).await.unwrap();
    assert!(text(&mut open).await.contains("\"re\":\"c1\""));
}

#[tokio::test]
async fn files_that_are_no_good_change_nothing() {
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (first, second) = (authority.certify(), authority.certify());
    let files = files(&directory, &first);
    let (server, _data) = start_tls(&files);
    let port = server.addr().port();
    let half = &second.0[..second.0.len() / 2];
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let mut refused = 0.0;
    for bad in ["", "rubbish", half, not_der, &second.1] {
        replace(&files.certificates, bad);
        refused += 1.0;
        until(&server, r#"tls_reloads_total{outcome="refused"}"#, |count| count == refused).await;
        assert_eq!(authority.shown(port).await, der(&first.0), "{bad:?}");
    }
    // A file that is away is no reason to end either.
    std::fs::remove_file(&files.certificates).unwrap();
    assert_eq!(authority.shown(port).await, der(&first.0));
    replace(&files.key, &second.1);
    replace(&files.certificates, &second.0);
    authority.until_shown(port, &second.0).await;
}

#[tokio::test]
async fn the_process_looks_at_a_hangup() {
    let (authority, directory) = (Authority::new(), TempDir::new().unwrap());
    let (first, second) = (authority.certify(), authority.certify());
    let files = files(&directory, &first);
    let data = TempDir::new().unwrap();
    let (certificates, key) = (files.certificates.to_str().unwrap(), files.key.to_str().unwrap());
    let arguments = ["--tls-certificates", certificates, "--tls-key", key, "--timers-tls-reload", "1d"];
    let server = Binary::start_by(&mut Command::new("env"), data.path(), &arguments);
    let port = server.players.port();
    assert_eq!(authority.shown(port).await, der(&first.0));
    replace(&files.certificates, &second.0);
    replace(&files.key, &second.1);
    server.hang_up();
    authority.until_shown(port, &second.0).await;
}
