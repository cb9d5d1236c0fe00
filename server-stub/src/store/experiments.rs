//! The `experiments` table, and the events that a report reads.

use super::StoreError;
use super::sql::{self, Connection};

/// An experiment as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExperimentRow {
    pub(crate) name: String,
    pub(crate) flag_name: String,
    pub(crate) definition: String,
    pub(crate) control: String,
    pub(crate) shares: String,
    pub(crate) started_at: i64,
    pub(crate) ended_at: Option<i64>,
    pub(crate) promoted: Option<String>,
    pub(crate) flag_changed: bool,
}

sql::row!(ExperimentRow {
    name,
    flag_name,
    definition,
    control,
    shares,
    started_at,
    ended_at,
    promoted,
    flag_changed
});

/// One experiment.
pub(crate) async fn get(c: &mut Connection, name: &str) -> Result<Option<ExperimentRow>, StoreError> {
    let row = sql::query_as(
        "SELECT name, flag_name, definition, control, shares, started_at, ended_at, promoted, flag_changed
         FROM experiments WHERE name = ?",
    )
    .bind(name)
    .fetch_optional(c)
    .await?;
    Ok(row)
}

/// Those that run, the youngest first, then those that ended, the latest first.
pub(crate) async fn list(c: &mut Connection, limit: usize) -> Result<Vec<ExperimentRow>, StoreError> {
    let rows = sql::query_as(
        "SELECT name, flag_name, definition, control, shares, started_at, ended_at, promoted, flag_changed
         FROM experiments ORDER BY ended_at IS NULL DESC, COALESCE(ended_at, started_at) DESC, name LIMIT ?",
    );
    Ok(rows.bind(limit as i64).fetch_all(c).await?)
}

/// The experiment that runs on a flag.
pub(crate) async fn running_on(c: &mut Connection, flag: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> =
        sql::query_as("SELECT name FROM experiments WHERE flag_name = ? AND ended_at IS NULL")
            .bind(flag)
            .fetch_optional(c)
            .await?;
    Ok(row.map(|(name,)| name))
}

/// Starts an experiment, or starts it anew.
pub(crate) async fn start(c: &mut Connection, row: &ExperimentRow) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO experiments (name, flag_name, definition, control, shares, started_at) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET flag_name = excluded.flag_name, definition = excluded.definition,
             control = excluded.control, shares = excluded.shares, started_at = excluded.started_at,
             ended_at = NULL, promoted = NULL, flag_changed = 0",
    )
    .bind(&row.name)
    .bind(&row.flag_name)
    .bind(&row.definition)
    .bind(&row.control)
    .bind(&row.shares)
    .bind(row.started_at)
    .execute(c)
    .await?;
    Ok(())
}

/// Ends an experiment.
pub(crate) async fn finish(
    c: &mut Connection,
    name: &str,
    promoted: Option<&str>,
    flag_changed: bool,
    now: i64,
) -> Result<(), StoreError> {
    sql::query("UPDATE experiments SET ended_at = ?, promoted = ?, flag_changed = ? WHERE name = ?")
        .bind(now)
        .bind(promoted)
        .bind(flag_changed)
        .bind(name)
        .execute(c)
        .await?;
    Ok(())
}

/// When the flag was last written; `None`: there is none.
pub(crate) async fn flag_changed_at(c: &mut Connection, flag: &str) -> Result<Option<i64>, StoreError> {
    let row: Option<(i64,)> = sql::query_as("SELECT updated_at FROM feature_flags WHERE flag_name = ?")
        .bind(flag)
        .fetch_optional(c)
        .await?;
    Ok(row.map(|(at,)| at))
}

/// Hands every event of this name from `from` to just before `until` to `each`, in the order they happened: player, time, props.
/// They are streamed: the memory it takes does not grow with their number.
pub(crate) async fn each_event(
    c: &mut Connection,
    name: &str,
    from: i64,
    until: i64,
    mut each: impl FnMut(String, i64, &str) + Send,
) -> Result<(), StoreError> {
    let rows = sql::query_as::<(String, i64, String)>(
        "SELECT user_id, happened_at, props FROM analytics_events
         WHERE name = ? AND happened_at >= ? AND happened_at < ? ORDER BY happened_at, number",
    );
    let rows = rows.bind(name).bind(from).bind(until);
    Ok(rows.fetch_each(c, |(player, at, props)| each(player, at, &props)).await?)
}
