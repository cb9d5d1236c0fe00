//! The `bans` table.

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::StoreError;

/// A ban as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct BanRow {
    pub(crate) user_id: String,
    pub(crate) reason: String,
    pub(crate) until: Option<i64>,
    pub(crate) banned_at: i64,
    pub(crate) who: String,
}

/// Everybody who is banned at `now`, and until when.
pub(crate) async fn all(readers: &SqlitePool, now: i64) -> Result<Vec<(String, Option<i64>)>, StoreError> {
    let rows = sqlx::query_as("SELECT user_id, until FROM bans WHERE until IS NULL OR until > ?");
    Ok(rows.bind(now).fetch_all(readers).await?)
}

/// Bans in force, by player, after this one.
pub(crate) async fn page(
    readers: &SqlitePool,
    after: &str,
    limit: usize,
    now: i64,
) -> Result<Vec<BanRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT user_id, reason, until, banned_at, who FROM bans
         WHERE user_id > ? AND (until IS NULL OR until > ?) ORDER BY user_id LIMIT ?",
    )
    .bind(after)
    .bind(now)
    .bind(limit as i64)
    .fetch_all(readers)
    .await?)
}

/// A player's ban, lapsed or not.
pub(crate) async fn get<'c>(
    c: impl sqlx::Executor<'c, Database = sqlx::Sqlite>,
    player: &str,
) -> Result<Option<BanRow>, StoreError> {
    let row = sqlx::query_as("SELECT user_id, reason, until, banned_at, who FROM bans WHERE user_id = ?");
    Ok(row.bind(player).fetch_optional(c).await?)
}

/// How many there are.
pub(crate) async fn count(c: &mut SqliteConnection) -> Result<i64, StoreError> {
    let (count,) = sqlx::query_as("SELECT COUNT(*) FROM bans").fetch_one(c).await?;
    Ok(count)
}

/// Bans, or bans anew.
pub(crate) async fn put(c: &mut SqliteConnection, ban: &BanRow) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO bans (user_id, reason, until, banned_at, who) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&ban.user_id)
    .bind(&ban.reason)
    .bind(ban.until)
    .bind(ban.banned_at)
    .bind(&ban.who)
    .execute(c)
    .await?;
    Ok(())
}

pub(crate) async fn delete(c: &mut SqliteConnection, player: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM bans WHERE user_id = ?").bind(player).execute(c).await?;
    Ok(())
}

/// Deletes those that have lapsed.
pub(crate) async fn lapse(c: &mut SqliteConnection, now: i64) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM bans WHERE until <= ?").bind(now).execute(c).await?;
    Ok(())
}
