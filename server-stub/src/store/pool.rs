//! The `pool_metrics` table: a line every ten seconds, kept for a month, read in steps.

use std::collections::BTreeMap;

use super::StoreError;
use super::sql::{self, Connection};

/// Lines that one write takes away at most, so that a shortened keeping does not hold up the writer.
const AT_ONCE: i64 = 1_000;

/// A line as its columns hold it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PoolRow {
    pub(crate) at: i64,
    pub(crate) connections: i64,
    pub(crate) players: i64,
    pub(crate) strangers: i64,
    /// JSON.
    pub(crate) workers: String,
    pub(crate) opened: i64,
    pub(crate) ended: i64,
    pub(crate) lived_ms: i64,
    /// JSON.
    pub(crate) closes: String,
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) devices: i64,
    pub(crate) reconnected: i64,
    pub(crate) reconnect_rate: f64,
    pub(crate) timed: i64,
    /// p50, p95 and p99.
    pub(crate) latency: Option<[f64; 3]>,
    pub(crate) firing: bool,
}

/// Lines that lie in one step, as one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Which one, from 0.
    pub(crate) step: i64,
    pub(crate) lines: i64,
    pub(crate) connections: f64,
    pub(crate) most_connections: i64,
    pub(crate) players: f64,
    pub(crate) strangers: f64,
    pub(crate) opened: i64,
    pub(crate) ended: i64,
    pub(crate) lived_ms: i64,
    pub(crate) sent: i64,
    pub(crate) received: i64,
    pub(crate) reconnect_rate: f64,
    pub(crate) most_reconnect_rate: f64,
    pub(crate) timed: i64,
    pub(crate) p50: Option<f64>,
    pub(crate) p95: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) worst_p99: Option<f64>,
    pub(crate) firing: bool,
    /// The sum over the lines, by worker.
    pub(crate) by_worker: BTreeMap<i64, i64>,
    /// By close code.
    pub(crate) closes: BTreeMap<i64, i64>,
}

impl sql::FromRow for Step {
    fn from_row(columns: &mut sql::Columns<'_>) -> Result<Step, sql::Error> {
        Ok(Step {
            step: columns.next()?,
            lines: columns.next()?,
            connections: columns.next()?,
            most_connections: columns.next()?,
            players: columns.next()?,
            strangers: columns.next()?,
            opened: columns.next()?,
            ended: columns.next()?,
            lived_ms: columns.next()?,
            sent: columns.next()?,
            received: columns.next()?,
            reconnect_rate: columns.next()?,
            most_reconnect_rate: columns.next()?,
            timed: columns.next()?,
            p50: columns.next()?,
            p95: columns.next()?,
            p99: columns.next()?,
            worst_p99: columns.next()?,
            firing: columns.next()?,
            by_worker: BTreeMap::new(),
            closes: BTreeMap::new(),
        })
    }
}

/// Which lines, in which steps, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: i64,
    /// Not included.
    pub(crate) to: i64,
    pub(crate) step: i64,
}

/// Adds a line, and takes away what is older than `before`.
pub(crate) async fn add(c: &mut Connection, row: &PoolRow, before: i64) -> Result<(), StoreError> {
    let [p50, p95, p99] = row.latency.map_or([None; 3], |latency| latency.map(Some));
    sql::query(
        "INSERT OR REPLACE INTO pool_metrics
             (at, connections, players, strangers, workers, opened, ended, lived_ms, closes, sent, received, devices, reconnected,
              reconnect_rate, timed, p50, p95, p99, firing)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.at)
    .bind(row.connections)
    .bind(row.players)
    .bind(row.strangers)
    .bind(&row.workers)
    .bind(row.opened)
    .bind(row.ended)
    .bind(row.lived_ms)
    .bind(&row.closes)
    .bind(row.sent)
    .bind(row.received)
    .bind(row.devices)
    .bind(row.reconnected)
    .bind(row.reconnect_rate)
    .bind(row.timed)
    .bind(p50)
    .bind(p95)
    .bind(p99)
    .bind(row.firing)
    .execute(&mut *c)
    .await?;
    sql::query(
        "DELETE FROM pool_metrics WHERE at IN (SELECT at FROM pool_metrics WHERE at < ? ORDER BY at LIMIT ?)",
    )
    .bind(before)
    .bind(AT_ONCE)
    .execute(c)
    .await?;
    Ok(())
}

/// The steps that have lines, in order. Percentiles of several lines are their mean, weighted by what was timed.
pub(crate) async fn steps(c: &mut Connection, span: Span) -> Result<Vec<Step>, StoreError> {
    let mut steps: Vec<Step> = sql::query_as(
        "SELECT (at - ?1) / ?3 AS step, COUNT(*) AS lines, AVG(connections) AS connections,
                MAX(connections) AS most_connections, AVG(players) AS players, AVG(strangers) AS strangers,
                SUM(opened) AS opened, SUM(ended) AS ended, SUM(lived_ms) AS lived_ms, SUM(sent) AS sent,
                SUM(received) AS received, AVG(reconnect_rate) AS reconnect_rate,
                MAX(reconnect_rate) AS most_reconnect_rate, SUM(timed) AS timed,
                SUM(p50 * timed) / SUM(timed) AS p50, SUM(p95 * timed) / SUM(timed) AS p95,
                SUM(p99 * timed) / SUM(timed) AS p99, MAX(p99) AS worst_p99, MAX(firing) AS firing
         FROM pool_metrics WHERE at >= ?1 AND at < ?2 GROUP BY 1 ORDER BY 1",
    )
    .bind(span.from)
    .bind(span.to)
    .bind(span.step)
    .fetch_all(&mut *c)
    .await?;
    let workers = sums(
        &mut *c,
        span,
        "SELECT (at - ?1) / ?3, CAST(e.key AS INTEGER), SUM(e.value) FROM pool_metrics, json_each(workers) e
         WHERE at >= ?1 AND at < ?2 GROUP BY 1, 2",
    );
    for (step, worker, sum) in workers.await? {
        if let Ok(place) = steps.binary_search_by_key(&step, |s| s.step) {
            steps[place].by_worker.insert(worker, sum);
        }
    }
    let closes = sums(
        &mut *c,
        span,
        "SELECT (at - ?1) / ?3, CAST(e.key AS INTEGER), SUM(e.value) FROM pool_metrics, json_each(closes) e
         WHERE at >= ?1 AND at < ?2 GROUP BY 1, 2",
    );
    for (step, code, sum) in closes.await? {
        if let Ok(place) = steps.binary_search_by_key(&step, |s| s.step) {
            steps[place].closes.insert(code, sum);
        }
    }
    Ok(steps)
}

async fn sums(
    c: &mut Connection,
    span: Span,
    query: &'static str,
) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let rows = sql::query_as(query).bind(span.from).bind(span.to).bind(span.step);
    Ok(rows.fetch_all(c).await?)
}
