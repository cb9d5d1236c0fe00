//! `wss` and `https` with a certificate of a local authority.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use castline_server::TlsFiles;
use futures_util::StreamExt;
use support::start_with;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;

#[tokio::test]
async fn the_players_address_speaks_tls() {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(authority, authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &authority).unwrap();
    let files = TempDir::new().unwrap();
    let tls = TlsFiles { certificates: files.path().join("chain.pem"), key: files.path().join("key.pem") };
    std::fs::write(&tls.certificates, certificate.pem()).unwrap();
    std::fs::write(&tls.key, key.serialize_pem()).unwrap();
    let (server, _data) = start_with(|s| s.tls = Some(tls));
    assert!(server.ws_url().starts_with("wss://"));

    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let (mut socket, _) =
        client_async(format!("wss://localhost:{}/ws", server.addr().port()), stream).await.unwrap();
    let message = tokio::time::timeout(support::PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    assert!(message.to_text().unwrap().contains("\"connected\""));
    // Whoever speaks without TLS gets no answer but an end.
    assert!(client_async(server.ws_url(), TcpStream::connect(server.addr()).await.unwrap()).await.is_err());
}
