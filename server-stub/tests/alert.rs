//! The alert on the reconnect rate, from sockets that break to the webhook that is told.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::sync::Arc;

use castline_server::{RunningServer, Secret, Server, Settings};
use serde_json::{Value, json};
use support::metrics::{scrape, until};
use support::operator::Operator;
use support::{Client, start_with};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A window of a second and a half, looked at every 20 ms.
fn quick(settings: &mut Settings) {
    (settings.timers.pool_period, settings.timers.reconnect_window) = (20, 1_500);
    settings.alerts.min_devices = 5;
}

/// Twenty players.
async fn online(server: &RunningServer) -> Vec<Client> {
    let mut players = Vec::new();
    for n in 0..20 {
        players.push(Client::login(server, &format!("p{n}"), "d1", None).await.0);
    }
    players
}

/// A quarter of them lose their sockets and come back, one by one, again and again until `so` finds something; also how often. On a busy
/// machine the window may be over before a few of them are back, so there is no number of them that would do.
async fn storm<T>(
    server: &RunningServer,
    players: &mut [Client],
    mut so: impl AsyncFnMut() -> Option<T>,
) -> (T, u32) {
    let (deadline, mut count) = (tokio::time::Instant::now() + support::PATIENCE, 0);
    loop {
        for (n, player) in players.iter_mut().enumerate().take(5) {
            let (again, _) = Client::login(server, &format!("p{n}"), "d1", None).await;
            std::mem::replace(player, again).vanish();
            count += 1;
            if let Some(found) = so().await {
                return (found, count);
            }
        }
        assert!(tokio::time::Instant::now() < deadline, "{count} came back, and nothing came of it");
    }
}

async fn state(server: &RunningServer) -> Value {
    Operator::of(server).done("GET", "/admin/pool", Value::Null).await["alert"].clone()
}

#[tokio::test]
async fn it_begins_above_five_per_cent_and_ends_when_the_storm_is_over() {
    let (server, _data) = start_with(quick);
    let mut players = online(&server).await;
    let rings = async || {
        let samples = scrape(&server).await;
        let rings = samples["reconnect_alert_firing"] == 1.0 && samples["reconnect_rate"] > 0.05;
        rings.then_some(samples)
    };
    let (samples, count) = storm(&server, &mut players, rings).await;
    assert_eq!(samples["ws_reconnects_total"], f64::from(count));
    let told = async || Some(state(&server).await).filter(|alert| alert["state"] == "firing");
    let (alert, _) = storm(&server, &mut players, told).await;
    assert!(alert["since"].is_i64());
    until(&server, "reconnect_alert_firing", |firing| firing == 0.0).await;
    assert_eq!(state(&server).await["since"], json!(null));
}

#[tokio::test]
async fn one_player_of_twenty_does_not_ring_however_often() {
    let (server, _data) = start_with(|s| {
        quick(s);
        s.timers.reconnect_window = 60_000;
    });
    let _players = online(&server).await;
    for _ in 0..5 {
        Client::login(&server, "p0", "d1", None).await.0.vanish();
    }
    let samples = until(&server, "reconnect_rate", |rate| rate > 0.0).await;
    assert_eq!((samples["reconnect_rate"], samples["reconnect_alert_firing"]), (0.05, 0.0));
}

/// A server that gives these answers, in turn, then 200; it says what was posted.
async fn receiver(
    answers: &'static [&'static str],
    tls: Option<tokio_rustls::TlsAcceptor>,
) -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, posted) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut answers = answers.iter();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer =
                |answers: &mut std::slice::Iter<'_, &str>| (*answers.next().unwrap_or(&"200 OK")).to_owned();
            let request = match &tls {
                None => serve(stream, &answer(&mut answers)).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => serve(stream, &answer(&mut answers)).await,
                    Err(_) => continue,
                },
            };
            if told.send(request).await.is_err() {
                return;
            }
        }
    });
    (port, posted)
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, status: &str) -> String {
    let mut bytes = Vec::new();
    let request = loop {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "cut off");
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.expect("a length") {
            break text;
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.unwrap();
    let _ = stream.shutdown().await;
    request
}

async fn next(posted: &mut mpsc::Receiver<String>) -> (String, Value) {
    let request =
        tokio::time::timeout(support::PATIENCE, posted.recv()).await.expect("nothing posted").unwrap();
    parted(&request)
}

fn parted(request: &str) -> (String, Value) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), serde_json::from_str(body).unwrap())
}

#[tokio::test]
async fn the_webhook_is_told_of_both_ends_and_tried_again() {
    let (port, mut posted) = receiver(&["500 Oops"], None).await;
    let (server, _data) = start_with(|s| {
        quick(s);
        s.alerts.webhook = Some(Secret::new(format!("http://127.0.0.1:{port}/hooks/s3cr3t")));
    });
    let mut players = online(&server).await;
    // The first try fails, the second brings the same.
    let (request, _) = storm(&server, &mut players, async || posted.try_recv().ok()).await;
    let (head, first) = parted(&request);
    assert!(head.starts_with("POST /hooks/s3cr3t HTTP/1.1"), "{head}");
    let (_, again) = next(&mut posted).await;
    assert_eq!(first, again);
    assert_eq!((&first["alert"], &first["state"]), (&json!("reconnect_rate"), &json!("firing")));
    assert!(
        first["reconnectRate"].as_f64().unwrap() > 0.05 && first["text"].as_str().unwrap().contains("of")
    );
    assert_eq!(next(&mut posted).await.1["state"], "quiet");
    // Where the machine was slow the alert may have rung twice.
    let samples = until(&server, r#"alert_webhooks_total{outcome="delivered"}"#, |count| count >= 2.0).await;
    assert_eq!(samples[r#"alert_webhooks_total{outcome="failed"}"#], 0.0);
}

#[tokio::test]
async fn a_refusal_is_final_and_holds_nothing_up() {
    let (port, mut posted) =
        receiver(&["404 Not Found", "302 Found\r\nlocation: http://127.0.0.1:1/"], None).await;
    let (server, _data) = start_with(|s| {
        quick(s);
        s.alerts.webhook = Some(Secret::new(format!("http://localhost:{port}/")));
    });
    let mut players = online(&server).await;
    storm(&server, &mut players, async || posted.try_recv().ok()).await;
    players[7].nothing_more().await;
    // The end of it is told too; a redirect is not followed.
    assert_eq!(next(&mut posted).await.1["state"], "quiet");
    until(&server, r#"alert_webhooks_total{outcome="failed"}"#, |count| count >= 2.0).await;
}

#[tokio::test]
async fn over_tls_the_given_authority_vouches_and_no_other() {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
    let (port, mut posted) = receiver(&[], Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))).await;
    let directory = TempDir::new().unwrap();
    let roots = directory.path().join("roots.pem");
    std::fs::write(&roots, issuer.pem()).unwrap();
    for roots in [Some(roots), None] {
        let trusted = roots.is_some();
        let (server, _data) = start_with(|s| {
            quick(s);
            s.alerts.webhook = Some(Secret::new(format!("https://localhost:{port}/{trusted}")));
            s.alerts.webhook_roots = roots;
        });
        let mut players = online(&server).await;
        if trusted {
            let (request, _) = storm(&server, &mut players, async || posted.try_recv().ok()).await;
            assert_eq!(parted(&request).1["state"], "firing");
        } else {
            storm(&server, &mut players, async || (state(&server).await["state"] == "firing").then_some(()))
                .await;
            // Three tries, with one and four seconds between.
            until(&server, r#"alert_webhooks_total{outcome="failed"}"#, |count| count >= 1.0).await;
            while let Ok(request) = posted.try_recv() {
                assert!(request.starts_with("POST /true "), "it came all the same: {request}");
            }
        }
    }
}

#[test]
fn an_address_that_is_not_safe_is_refused_and_not_repeated() {
    for (address, good) in [
        ("https://hooks.example/s3cr3t", true),
        ("http://127.0.0.1:9/s3cr3t", true),
        ("http://[::1]:9/s3cr3t", true),
        ("http://hooks.example/s3cr3t", false),
        ("http://127.0.0.1.evil.example/s3cr3t", false),
        ("ftp://127.0.0.1/s3cr3t", false),
        ("s3cr3t", false),
        ("https://s3cr3t with blanks", false),
    ] {
        let data = TempDir::new().unwrap();
        let mut settings = support::settings(&data);
        settings.alerts.webhook = Some(Secret::new(address));
        assert!(!format!("{settings:?}").contains("s3cr3t"));
        match Server::start(settings) {
            Ok(_) => assert!(good, "{address}"),
            Err(error) => {
                let told = format!("{error:#}");
                assert!(!good && told.contains("alerts.webhook: ") && !told.contains("s3cr3t"), "{told}");
            }
        }
    }
}

#[tokio::test]
async fn the_roots_must_be_there() {
    let data = TempDir::new().unwrap();
    let mut settings = support::settings(&data);
    settings.alerts.webhook = Some(Secret::new("https://hooks.example/"));
    settings.alerts.webhook_roots = Some(data.path().join("none.pem"));
    let told = format!("{:#}", Server::start(settings).unwrap_err());
    assert!(told.contains("alerts.webhook_roots: cannot read"), "{told}");
}
