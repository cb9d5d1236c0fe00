//! The pool's past: lines of the gateway's accounts, kept for a month, and read as points of a chart. What the numbers mean
//! is said in `gateway/health`.

use std::collections::BTreeMap;

use castline::protocol::encode;
use serde::Serialize;

use super::{Engine, Failure};
use crate::gateway::health::{Percentiles, Sample};
use crate::store::pool::{self, PoolRow, Span, Step};

/// One step of `GET /admin/pool/history`. A step in which the server did not run is absent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolPoint {
    /// The beginning of the step, Unix ms.
    at: i64,
    connections: Average,
    /// Connections by worker, on average over the step.
    per_worker: BTreeMap<i64, f64>,
    players: f64,
    strangers: f64,
    opened: i64,
    ended: i64,
    average_ttl_ms: Option<i64>,
    closes: BTreeMap<i64, i64>,
    sent: i64,
    received: i64,
    reconnect_rate: Average,
    latency_ms: Option<Latency>,
    /// The alert rang at some moment of the step.
    firing: bool,
}

#[derive(Debug, Serialize)]
struct Average {
    average: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Latency {
    #[serde(flatten)]
    of: Percentiles,
    /// The highest of the step's ten-second p99s.
    worst_p99: f64,
}

impl PoolPoint {
    fn of(step: Step, span: Span) -> PoolPoint {
        let lines = step.lines.max(1) as f64;
        let latency_ms = match (step.p50, step.p95, step.p99, step.worst_p99) {
            (Some(p50), Some(p95), Some(p99), Some(worst_p99)) => {
                Some(Latency { of: Percentiles { count: step.timed as u64, p50, p95, p99 }, worst_p99 })
            }
            _ => None,
        };
        PoolPoint {
            at: span.from + step.step * span.step,
            connections: Average { average: step.connections, max: step.most_connections as f64 },
            per_worker: step
                .by_worker
                .into_iter()
                .map(|(worker, sum)| (worker, sum as f64 / lines))
                .collect(),
            players: step.players,
            strangers: step.strangers,
            opened: step.opened,
            ended: step.ended,
            average_ttl_ms: step.lived_ms.checked_div(step.ended),
            closes: step.closes,
            sent: step.sent,
            received: step.received,
            reconnect_rate: Average { average: step.reconnect_rate, max: step.most_reconnect_rate },
            latency_ms,
            firing: step.firing,
        }
    }
}

impl Engine {
    /// Keeps a line. Nobody waits for it: a database that is locked costs a line, not a heartbeat.
    pub(crate) async fn record_pool(&self, sample: &Sample) {
        let sum = |of: fn(&crate::gateway::health::WorkerView) -> u32| -> i64 {
            sample.workers.iter().map(|worker| i64::from(of(worker))).sum()
        };
        let workers: BTreeMap<_, _> = sample.workers.iter().map(|w| (w.worker, w.connections)).collect();
        let row = PoolRow {
            at: sample.at,
            connections: sum(|w| w.connections),
            players: i64::from(sample.players),
            strangers: sum(|w| w.strangers),
            workers: encode(&workers),
            opened: sample.opened as i64,
            ended: sample.ended.count as i64,
            lived_ms: sample.ended.lived_ms as i64,
            closes: encode(&sample.ended.closes),
            sent: sample.sent as i64,
            received: sample.received as i64,
            devices: i64::from(sample.share.devices),
            reconnected: i64::from(sample.share.reconnected),
            reconnect_rate: sample.share.rate,
            timed: sample.latency.map_or(0, |latency| latency.count as i64),
            latency: sample.latency.map(|latency| [latency.p50, latency.p95, latency.p99]),
            firing: sample.firing,
        };
        let before = sample.at - self.settings.timers.pool_keep as i64;
        self.store
            .write_later("pool metrics", move |c| Box::pin(async move { pool::add(c, &row, before).await }))
            .await;
    }

    /// The pool's past in steps.
    pub(crate) async fn pool_history(&self, span: Span) -> Result<Vec<PoolPoint>, Failure> {
        let steps = pool::steps(&mut self.store.reader().await?, span).await?;
        Ok(steps.into_iter().map(|step| PoolPoint::of(step, span)).collect())
    }
}
