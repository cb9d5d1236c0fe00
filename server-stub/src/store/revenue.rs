//! Revenue of record: each transaction once, for ever, and the sums that rules ask for.

use super::StoreError;
use super::sql::{self, Connection};

/// A transaction as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevenueRow {
    pub(crate) transaction_id: String,
    pub(crate) user_id: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) at: i64,
    pub(crate) recorded_at: i64,
    pub(crate) who: String,
}

sql::row!(RevenueRow { transaction_id, user_id, amount, currency, at, recorded_at, who });

pub(crate) async fn get(c: &mut Connection, id: &str) -> Result<Option<RevenueRow>, StoreError> {
    let row = sql::query_as(
        "SELECT transaction_id, user_id, amount, currency, at, recorded_at, who FROM revenue WHERE transaction_id = ?",
    );
    Ok(row.bind(id).fetch_optional(c).await?)
}

/// Stores a transaction that is not there yet, and adds it to the player's sum.
pub(crate) async fn insert(c: &mut Connection, row: &RevenueRow) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO revenue (transaction_id, user_id, amount, currency, at, recorded_at, who) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&row.transaction_id)
    .bind(&row.user_id)
    .bind(row.amount)
    .bind(&row.currency)
    .bind(row.at)
    .bind(row.recorded_at)
    .bind(&row.who)
    .execute(&mut *c)
    .await?;
    sql::query(
        "INSERT INTO player_spend (user_id, currency, amount, count) VALUES (?1, ?2, ?3, 1)
         ON CONFLICT DO UPDATE SET amount = amount + ?3, count = count + 1",
    )
    .bind(&row.user_id)
    .bind(&row.currency)
    .bind(row.amount)
    .execute(c)
    .await?;
    Ok(())
}

/// A player's sums: currency, amount, transactions.
pub(crate) async fn spend(c: &mut Connection, player: &str) -> Result<Vec<(String, i64, i64)>, StoreError> {
    let rows =
        sql::query_as("SELECT currency, amount, count FROM player_spend WHERE user_id = ? ORDER BY currency");
    Ok(rows.bind(player).fetch_all(c).await?)
}

/// In how many currencies he has paid, and what in this one.
pub(crate) async fn currencies(
    c: &mut Connection,
    player: &str,
    currency: &str,
) -> Result<(i64, Option<i64>), StoreError> {
    let row = sql::query_as(
        "SELECT COUNT(*), SUM(amount) FILTER (WHERE currency = ?) FROM player_spend WHERE user_id = ?",
    );
    Ok(row.bind(currency).bind(player).fetch_one(c).await?)
}

/// His last transactions, the latest first.
pub(crate) async fn latest(
    c: &mut Connection,
    player: &str,
    limit: i64,
) -> Result<Vec<RevenueRow>, StoreError> {
    let rows = sql::query_as(
        "SELECT transaction_id, user_id, amount, currency, at, recorded_at, who FROM revenue
         WHERE user_id = ? ORDER BY recorded_at DESC, transaction_id LIMIT ?",
    );
    Ok(rows.bind(player).bind(limit).fetch_all(c).await?)
}
