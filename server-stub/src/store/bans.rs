//! The `bans` table.

use super::StoreError;
use super::sql::{self, Connection};

/// A ban as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BanRow {
    pub(crate) user_id: String,
    pub(crate) reason: String,
    pub(crate) until: Option<i64>,
    pub(crate) banned_at: i64,
    pub(crate) who: String,
}

sql::row!(BanRow { user_id, reason, until, banned_at, who });

/// Everybody who is banned at `now`, and until when.
pub(crate) async fn all(c: &mut Connection, now: i64) -> Result<Vec<(String, Option<i64>)>, StoreError> {
    let rows = sql::query_as("SELECT user_id, until FROM bans WHERE until IS NULL OR until > ?");
    Ok(rows.bind(now).fetch_all(c).await?)
}

/// Bans in force, by player, after this one.
pub(crate) async fn page(
    c: &mut Connection,
    after: &str,
    limit: usize,
    now: i64,
) -> Result<Vec<BanRow>, StoreError> {
    Ok(sql::query_as(
        "SELECT user_id, reason, until, banned_at, who FROM bans
         WHERE user_id > ? AND (until IS NULL OR until > ?) ORDER BY user_id LIMIT ?",
    )
    .bind(after)
    .bind(now)
    .bind(limit as i64)
    .fetch_all(c)
    .await?)
}

/// A player's ban, lapsed or not.
pub(crate) async fn get(c: &mut Connection, player: &str) -> Result<Option<BanRow>, StoreError> {
    let row = sql::query_as("SELECT user_id, reason, until, banned_at, who FROM bans WHERE user_id = ?");
    Ok(row.bind(player).fetch_optional(c).await?)
}

/// How many there are.
pub(crate) async fn count(c: &mut Connection) -> Result<i64, StoreError> {
    let (count,) = sql::query_as("SELECT COUNT(*) FROM bans").fetch_one(c).await?;
    Ok(count)
}

/// Bans, or bans anew.
pub(crate) async fn put(c: &mut Connection, ban: &BanRow) -> Result<(), StoreError> {
    sql::query("INSERT OR REPLACE INTO bans (user_id, reason, until, banned_at, who) VALUES (?, ?, ?, ?, ?)")
        .bind(&ban.user_id)
        .bind(&ban.reason)
        .bind(ban.until)
        .bind(ban.banned_at)
        .bind(&ban.who)
        .execute(c)
        .await?;
    Ok(())
}

pub(crate) async fn delete(c: &mut Connection, player: &str) -> Result<(), StoreError> {
    sql::query("DELETE FROM bans WHERE user_id = ?").bind(player).execute(c).await?;
    Ok(())
}

/// Deletes those that have lapsed.
pub(crate) async fn lapse(c: &mut Connection, now: i64) -> Result<(), StoreError> {
    sql::query("DELETE FROM bans WHERE until <= ?").bind(now).execute(c).await?;
    Ok(())
}
