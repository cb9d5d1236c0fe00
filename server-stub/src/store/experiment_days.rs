//! The `experiment_days` table: what experiments looked like day by day.

use super::StoreError;
use super::sql::{self, Connection};

/// Days kept of an experiment; the oldest go.
pub(crate) const KEPT_DAYS: i64 = 400;
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A moment whose report is not stored yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) name: String,
    pub(crate) started_at: i64,
    pub(crate) as_of: i64,
}

/// The ends of days, and of experiments, that have passed without being stored; the oldest first.
pub(crate) async fn missing(c: &mut Connection, now: i64) -> Result<Vec<Missing>, StoreError> {
    let open: Vec<(String, i64, Option<i64>)> = sql::query_as(
        "SELECT name, started_at, ended_at FROM experiments e WHERE ended_at IS NULL OR NOT EXISTS
             (SELECT 1 FROM experiment_days d WHERE d.name = e.name AND d.as_of >= e.ended_at)
         ORDER BY name",
    )
    .fetch_all(&mut *c)
    .await?;
    let mut missing = Vec::new();
    for (name, started_at, ended_at) in open {
        let known: Vec<(i64, i64)> = sql::query_as("SELECT day, as_of FROM experiment_days WHERE name = ?")
            .bind(&name)
            .fetch_all(&mut *c)
            .await?;
        // Of a running one the last day is the one that is over.
        let last = ended_at.map_or(now.div_euclid(DAY_MS) - 1, |at| at.div_euclid(DAY_MS));
        let first = started_at.div_euclid(DAY_MS).max(last - KEPT_DAYS + 1);
        for day in first..=last {
            let as_of = (day * DAY_MS + DAY_MS - 1).min(ended_at.unwrap_or(i64::MAX));
            if !known.iter().any(|(known, at)| *known == day && *at >= as_of) {
                missing.push(Missing { name: name.clone(), started_at, as_of });
            }
        }
    }
    Ok(missing)
}

/// Stores a day's report, unless a later one of that day is there, or the experiment was started anew meanwhile.
pub(crate) async fn put(c: &mut Connection, of: &Missing, body: &str) -> Result<(), StoreError> {
    let day = of.as_of.div_euclid(DAY_MS);
    sql::query(
        "INSERT INTO experiment_days (name, day, as_of, body)
         SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM experiments WHERE name = ?1 AND started_at = ?5)
         ON CONFLICT DO UPDATE SET as_of = excluded.as_of, body = excluded.body WHERE excluded.as_of >= as_of",
    )
    .bind(&of.name)
    .bind(day)
    .bind(of.as_of)
    .bind(body)
    .bind(of.started_at)
    .execute(&mut *c)
    .await?;
    sql::query("DELETE FROM experiment_days WHERE name = ? AND day <= ?")
        .bind(&of.name)
        .bind(day - KEPT_DAYS)
        .execute(c)
        .await?;
    Ok(())
}

/// Forgets what an experiment was before it was started anew.
pub(crate) async fn forget(c: &mut Connection, name: &str) -> Result<(), StoreError> {
    sql::query("DELETE FROM experiment_days WHERE name = ?").bind(name).execute(c).await?;
    Ok(())
}

/// What is stored of an experiment, by day.
pub(crate) async fn all(c: &mut Connection, name: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = sql::query_as("SELECT body FROM experiment_days WHERE name = ? ORDER BY day")
        .bind(name)
        .fetch_all(c)
        .await?;
    Ok(rows.into_iter().map(|(body,)| body).collect())
}

/// The last day stored.
pub(crate) async fn latest(c: &mut Connection, name: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> =
        sql::query_as("SELECT body FROM experiment_days WHERE name = ? ORDER BY day DESC LIMIT 1")
            .bind(name)
            .fetch_optional(c)
            .await?;
    Ok(row.map(|(body,)| body))
}
