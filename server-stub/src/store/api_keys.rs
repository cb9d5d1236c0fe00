//! The `api_keys` table.

use super::StoreError;
use super::sql::{self, Connection};

/// A key as its columns hold it; of the key itself there is only the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiKeyRow {
    pub(crate) name: String,
    pub(crate) hash: Vec<u8>,
    pub(crate) scopes: String,
    pub(crate) created_at: i64,
    pub(crate) created_by: String,
    pub(crate) last_used_at: Option<i64>,
    pub(crate) revoked_at: Option<i64>,
}

sql::row!(ApiKeyRow { name, hash, scopes, created_at, created_by, last_used_at, revoked_at });

const ALL: &str =
    "SELECT name, hash, scopes, created_at, created_by, last_used_at, revoked_at FROM api_keys ORDER BY name";

/// All keys, revoked ones too.
pub(crate) async fn all(c: &mut Connection) -> Result<Vec<ApiKeyRow>, StoreError> {
    Ok(sql::query_as(ALL).fetch_all(c).await?)
}

/// The same, as the writer sees them.
pub(crate) async fn seen(c: &mut Connection) -> Result<Vec<ApiKeyRow>, StoreError> {
    Ok(sql::query_as(ALL).fetch_all(c).await?)
}

pub(crate) async fn insert(c: &mut Connection, row: &ApiKeyRow) -> Result<(), StoreError> {
    sql::query("INSERT INTO api_keys (name, hash, scopes, created_at, created_by) VALUES (?, ?, ?, ?, ?)")
        .bind(&row.name)
        .bind(&row.hash)
        .bind(&row.scopes)
        .bind(row.created_at)
        .bind(&row.created_by)
        .execute(c)
        .await?;
    Ok(())
}

/// `false`: there is none of this name that is good.
pub(crate) async fn revoke(c: &mut Connection, name: &str, now: i64) -> Result<bool, StoreError> {
    let query = sql::query("UPDATE api_keys SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL");
    Ok(query.bind(now).bind(name).execute(c).await? == 1)
}

pub(crate) async fn used(c: &mut Connection, name: &str, at: i64) -> Result<(), StoreError> {
    let query = sql::query("UPDATE api_keys SET last_used_at = ? WHERE name = ?");
    query.bind(at).bind(name).execute(c).await?;
    Ok(())
}
