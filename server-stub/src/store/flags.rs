//! The `feature_flags` table and the configuration's version.

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::StoreError;

/// A flag as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
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
}

const ALL: &str =
    "SELECT flag_name, variants, default_variant, rollout_bp, weights, salt, build, rules, enabled, private
                   FROM feature_flags ORDER BY flag_name";

/// The version and all flags, as one consistent snapshot.
pub(crate) async fn load(readers: &SqlitePool) -> Result<(i64, Vec<FlagRow>), StoreError> {
    let mut tx = readers.begin().await?;
    let version = version(&mut tx).await?;
    let rows = sqlx::query_as(ALL).fetch_all(&mut *tx).await?;
    Ok((version, rows))
}

/// All flags as the writer sees them.
pub(crate) async fn all(c: &mut SqliteConnection) -> Result<Vec<FlagRow>, StoreError> {
    Ok(sqlx::query_as(ALL).fetch_all(c).await?)
}

/// The configuration's version.
pub(crate) async fn version(c: &mut SqliteConnection) -> Result<i64, StoreError> {
    let (version,) = sqlx::query_as("SELECT version FROM configuration").fetch_one(c).await?;
    Ok(version)
}

/// Creates or replaces a flag and raises the version, which it returns.
pub(crate) async fn put(c: &mut SqliteConnection, row: &FlagRow, now: i64) -> Result<i64, StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO feature_flags (flag_name, variants, default_variant, rollout_bp, weights, salt, build,
             rules, enabled, private, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
    .bind(now)
    .execute(&mut *c)
    .await?;
    let (version,) = sqlx::query_as("UPDATE configuration SET version = version + 1 RETURNING version")
        .fetch_one(c)
        .await?;
    Ok(version)
}

/// One line of the audit table.
pub(crate) async fn audit(
    c: &mut SqliteConnection,
    action: &str,
    subject: &str,
    detail: &str,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at, action, subject, detail) VALUES (?, ?, ?, ?)")
        .bind(now)
        .bind(action)
        .bind(subject)
        .bind(detail)
        .execute(c)
        .await?;
    Ok(())
}
