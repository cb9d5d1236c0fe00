//! The `feature_flags` table, the configuration's version, and the flags' history.

use super::StoreError;
use super::sql::{self, Connection};

/// A flag as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FlagRow {
    pub(crate) flag_name: String,
    pub(crate) variants: String,
    pub(crate) default_variant: String,
    pub(crate) rollout_bp: i64,
    pub(crate) weights: Option<String>,
    pub(crate) salt: Option<String>,
    pub(crate) build: Option<String>,
    pub(crate) rules: String,
    pub(crate) enabled: bool,
    pub(crate) private: bool,
    pub(crate) schedule: Option<String>,
    pub(crate) overrides: String,
    pub(crate) prerequisite: Option<String>,
    pub(crate) updated_at: i64,
}

sql::row!(FlagRow {
    flag_name,
    variants,
    default_variant,
    rollout_bp,
    weights,
    salt,
    build,
    rules,
    enabled,
    private,
    schedule,
    overrides,
    prerequisite,
    updated_at
});

/// A line of `flag_changes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) version: i64,
    pub(crate) at: i64,
    pub(crate) who: String,
    pub(crate) address: String,
    pub(crate) action: String,
    /// The definition as JSON; `None`: there was none.
    pub(crate) before: Option<String>,
    /// The same; `None`: deleted.
    pub(crate) after: Option<String>,
}

sql::row!(Change { version, at, who, address, action, before, after });

const ALL: &str =
    "SELECT flag_name, variants, default_variant, rollout_bp, weights, salt, build, rules, enabled, private,
                          schedule, overrides, prerequisite, updated_at
                   FROM feature_flags ORDER BY flag_name";

/// All flags as this transaction, or this reader, sees them.
pub(crate) async fn all(c: &mut Connection) -> Result<Vec<FlagRow>, StoreError> {
    Ok(sql::query_as(ALL).fetch_all(c).await?)
}

/// The configuration's version.
pub(crate) async fn version(c: &mut Connection) -> Result<i64, StoreError> {
    let (version,) = sql::query_as("SELECT version FROM configuration").fetch_one(c).await?;
    Ok(version)
}

/// Raises the configuration's version above one that players know.
pub(crate) async fn raise_version_above(c: &mut Connection, known: i64) -> Result<(), StoreError> {
    let query = sql::query("UPDATE configuration SET version = max(version, ?) + 1");
    query.bind(known).execute(c).await?;
    Ok(())
}

/// Raises the configuration's version and returns it.
pub(crate) async fn raise_version(c: &mut Connection) -> Result<i64, StoreError> {
    let (version,) = sql::query_as("UPDATE configuration SET version = version + 1 RETURNING version")
        .fetch_one(c)
        .await?;
    Ok(version)
}

/// Creates or replaces a flag.
pub(crate) async fn put(c: &mut Connection, row: &FlagRow) -> Result<(), StoreError> {
    sql::query(
        "INSERT OR REPLACE INTO feature_flags (flag_name, variants, default_variant, rollout_bp, weights, salt, build,
             rules, enabled, private, schedule, overrides, prerequisite, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&row.flag_name)
    .bind(&row.variants)
    .bind(&row.default_variant)
    .bind(row.rollout_bp)
    .bind(&row.weights)
    .bind(&row.salt)
    .bind(&row.build)
    .bind(&row.rules)
    .bind(row.enabled)
    .bind(row.private)
    .bind(&row.schedule)
    .bind(&row.overrides)
    .bind(&row.prerequisite)
    .bind(row.updated_at)
    .execute(c)
    .await?;
    Ok(())
}

/// Whether there is a flag, well-formed or not.
pub(crate) async fn exists(c: &mut Connection, name: &str) -> Result<bool, StoreError> {
    let found: Option<(i64,)> =
        sql::query_as("SELECT 1 FROM feature_flags WHERE flag_name = ?").bind(name).fetch_optional(c).await?;
    Ok(found.is_some())
}

/// Takes a flag away.
pub(crate) async fn delete(c: &mut Connection, name: &str) -> Result<(), StoreError> {
    sql::query("DELETE FROM feature_flags WHERE flag_name = ?").bind(name).execute(c).await?;
    Ok(())
}

/// Writes a line of history.
pub(crate) async fn record(c: &mut Connection, name: &str, change: &Change) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO flag_changes (flag_name, version, at, who, address, action, before, after)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(name)
    .bind(change.version)
    .bind(change.at)
    .bind(&change.who)
    .bind(&change.address)
    .bind(&change.action)
    .bind(&change.before)
    .bind(&change.after)
    .execute(c)
    .await?;
    Ok(())
}

/// A flag's changes below a version, the latest first.
pub(crate) async fn history(
    c: &mut Connection,
    name: &str,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Change>, StoreError> {
    let changes = sql::query_as(
        "SELECT version, at, who, address, action, before, after FROM flag_changes
         WHERE flag_name = ? AND version < ? ORDER BY version DESC, number DESC LIMIT ?",
    )
    .bind(name)
    .bind(before.unwrap_or(i64::MAX))
    .bind(limit as i64)
    .fetch_all(c)
    .await?;
    Ok(changes)
}

/// The definition that a flag had in a version of the configuration, as JSON; `Some(None)`: there was no such flag then. `None`: the
/// history knows nothing of it. A flag older than its history is what its first recorded change found.
pub(crate) async fn state_at(
    c: &mut Connection,
    name: &str,
    version: i64,
) -> Result<Option<Option<String>>, StoreError> {
    let upto = "SELECT after FROM flag_changes WHERE flag_name = ? AND version <= ? ORDER BY version DESC, number DESC LIMIT 1";
    let beyond = "SELECT before FROM flag_changes WHERE flag_name = ? AND version > ? ORDER BY version, number LIMIT 1";
    for sql in [upto, beyond] {
        let found: Option<(Option<String>,)> =
            sql::query_as(sql).bind(name).bind(version).fetch_optional(&mut *c).await?;
        if let Some((state,)) = found {
            return Ok(Some(state));
        }
    }
    Ok(None)
}
