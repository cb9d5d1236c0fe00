//! The `player_traits` table: what the server knows of players.

use std::collections::BTreeMap;

use super::StoreError;
use super::sql::{self, Connection};

/// A player's traits.
pub(crate) async fn read(c: &mut Connection, player: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let rows: Vec<(String, String)> =
        sql::query_as("SELECT name, value FROM player_traits WHERE user_id = ?")
            .bind(player)
            .fetch_all(c)
            .await?;
    Ok(rows.into_iter().collect())
}

/// The same, as the writer sees them.
pub(crate) async fn of(c: &mut Connection, player: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = sql::query_as("SELECT name, value FROM player_traits WHERE user_id = ?");
    let rows: Vec<(String, String)> = rows.bind(player).fetch_all(c).await?;
    Ok(rows.into_iter().collect())
}

/// What rules may ask for: the traits, and what the player has paid.
pub(crate) async fn known(c: &mut Connection, player: &str) -> Result<BTreeMap<String, String>, StoreError> {
    let rows = sql::query_as("SELECT name, value FROM known_traits WHERE user_id = ?");
    let rows: Vec<(String, String)> = rows.bind(player).fetch_all(c).await?;
    Ok(rows.into_iter().collect())
}

/// Replaces all of a player's traits.
pub(crate) async fn replace(
    c: &mut Connection,
    player: &str,
    traits: &BTreeMap<String, String>,
    now: i64,
) -> Result<(), StoreError> {
    sql::query("DELETE FROM player_traits WHERE user_id = ?").bind(player).execute(&mut *c).await?;
    for (name, value) in traits {
        sql::query("INSERT INTO player_traits (user_id, name, value, updated_at) VALUES (?, ?, ?, ?)")
            .bind(player)
            .bind(name)
            .bind(value)
            .bind(now)
            .execute(&mut *c)
            .await?;
    }
    Ok(())
}
