//! Tells somebody else's server that the alert has begun or ended: one POST of JSON, tried three times, on a thread of its own.
//!
//! It holds nothing up: what does not fit into the queue is dropped and counted, and while one is tried the others wait. The address is a
//! secret, for with most services it is the whole of the proof; so it shows in no log, and an error says of what kind it was and no more.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use anyhow::Context;
use castline::protocol::encode;
use serde::Serialize;
use ureq::Agent;
use ureq::config::Config;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::alert::Turn;
use crate::metrics::Metrics;
use crate::settings::{Alerts, Secret};

/// Words that wait while another one is tried.
const WAITING: usize = 8;
/// For one try, connecting included.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Before the second try, and before the third.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// The way to the thread.
pub(crate) struct Webhook {
    queue: SyncSender<String>,
    metrics: Arc<Metrics>,
}

/// What is posted. `text` is what chat services show.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    alert: &'static str,
    state: &'static str,
    at: i64,
    reconnect_rate: f64,
    reconnected: u32,
    devices: u32,
    text: String,
}

impl Webhook {
    /// Starts the thread; it ends with this. `None` where no address is set.
    ///
    /// # Errors
    /// Roots that cannot be read.
    pub(crate) fn start(settings: &Alerts, metrics: Arc<Metrics>) -> anyhow::Result<Option<Webhook>> {
        let Some(address) = settings.webhook.clone() else { return Ok(None) };
        let roots = match &settings.webhook_roots {
            None => RootCerts::WebPki,
            Some(file) => {
                let text = std::fs::read(file)
                    .with_context(|| format!("alerts.webhook_roots: cannot read {}", file.display()))?;
                let found: Vec<Certificate<'static>> = parse_pem(&text)
                    .filter_map(|item| match item {
                        Ok(PemItem::Certificate(certificate)) => Some(certificate),
                        _ => None,
                    })
                    .collect();
                anyhow::ensure!(
                    !found.is_empty(),
                    "alerts.webhook_roots: no certificate is in {}",
                    file.display()
                );
                RootCerts::from(found)
            }
        };
        let tls = TlsConfig::builder()
            .root_certs(roots)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config: Config = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent("castline-server")
            .build();
        let (queue, waiting) = sync_channel(WAITING);
        let counted = metrics.clone();
        std::thread::Builder::new()
            .name("castline-webhook".into())
            .spawn(move || tell_all(&Agent::new_with_config(config), &address, &waiting, &counted))?;
        Ok(Some(Webhook { queue, metrics }))
    }

    /// Tells of a turn; never waits.
    pub(crate) fn tell(&self, turn: Turn) {
        let (state, word) =
            if turn.firing { ("firing", "is an alarm") } else { ("quiet", "is no alarm any more") };
        let share = turn.share;
        let percent = share.rate * 100.0;
        let text = format!(
            "Castline: the reconnect rate {word}: {percent:.1} % ({} of {} devices)",
            share.reconnected, share.devices
        );
        let body = Body {
            alert: "reconnect_rate",
            state,
            at: turn.at,
            reconnect_rate: share.rate,
            reconnected: share.reconnected,
            devices: share.devices,
            text,
        };
        if self.queue.try_send(encode(&body)).is_err() {
            self.metrics.webhook_dropped.inc();
            tracing::error!("the webhook is behind; a word about the alert is dropped");
        }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

fn tell_all(agent: &Agent, address: &Secret, waiting: &Receiver<String>, metrics: &Metrics) {
    while let Ok(body) = waiting.recv() {
        let mut pauses = PAUSES.iter();
        loop {
            match post(agent, address, &body) {
                Ok(()) => {
                    metrics.webhook_delivered.inc();
                    break;
                }
                Err(failed) => match pauses.next().filter(|_| failed.again) {
                    Some(pause) => {
                        tracing::warn!(why = %failed.why, "the webhook failed; it is tried again");
                        std::thread::sleep(*pause);
                    }
                    None => {
                        metrics.webhook_failed.inc();
                        tracing::error!(why = %failed.why, "the webhook failed; the alert was not told");
                        break;
                    }
                },
            }
        }
    }
}

struct Failed {
    why: String,
    again: bool,
}

fn post(agent: &Agent, address: &Secret, body: &str) -> Result<(), Failed> {
    let sent = agent.post(address.expose()).header("content-type", "application/json").send(body);
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => {
            let status = answer.status().as_u16();
            Err(Failed {
                why: format!("status {status}"),
                again: status >= 500 || status == 429 || status == 408,
            })
        }
        // The error's own words could repeat the address.
        Err(error) => {
            let why = match error {
                ureq::Error::Timeout(_) => "no answer in time",
                ureq::Error::Io(_) | ureq::Error::ConnectionFailed => "no connection",
                ureq::Error::HostNotFound => "no such host",
                ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "TLS",
                ureq::Error::BadUri(_) => "the address is malformed",
                _ => "no HTTP answer",
            };
            Err(Failed { why: why.to_owned(), again: true })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::devices::Share;
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_and_never_waits() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let (queue, waiting) = sync_channel(WAITING);
        let webhook = Webhook { queue, metrics: metrics.clone() };
        let share = Share { devices: 100, reconnected: 8, rate: 0.08 };
        for at in 0..20 {
            webhook.tell(Turn { firing: true, at, share });
        }
        assert_eq!(metrics.webhook_dropped.get(), 20 - WAITING as u64);
        assert!(waiting.recv().unwrap().contains("8.0 % (8 of 100 devices)"));
    }
}
