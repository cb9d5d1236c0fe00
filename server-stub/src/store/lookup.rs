//! One player's rows, as an operator looks at them.

use super::StoreError;
use super::sql::{self, Connection};

/// A session of a player's device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) device: String,
    pub(crate) build: String,
    pub(crate) created_at: i64,
    /// `None`: a socket holds it.
    pub(crate) detached_at: Option<i64>,
    pub(crate) unacknowledged: i64,
}

sql::row!(SessionRow { device, build, created_at, detached_at, unacknowledged });

/// A copy of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopyRow {
    pub(crate) offer_id: String,
    pub(crate) campaign: String,
    pub(crate) state: String,
    pub(crate) outcome: Option<String>,
    pub(crate) variant: String,
    pub(crate) created_at: i64,
    pub(crate) sent_at: Option<i64>,
    pub(crate) shown_at: Option<i64>,
    pub(crate) expires_at: i64,
}

sql::row!(CopyRow { offer_id, campaign, state, outcome, variant, created_at, sent_at, shown_at, expires_at });

/// When a player was first seen; `None`: never. 0: before that was kept.
pub(crate) async fn first_seen(c: &mut Connection, player: &str) -> Result<Option<i64>, StoreError> {
    let row: Option<(i64,)> =
        sql::query_as("SELECT at FROM player_first WHERE user_id = ?").bind(player).fetch_optional(c).await?;
    Ok(row.map(|(at,)| at))
}

/// A player's sessions: those with a socket first, then the latest.
pub(crate) async fn sessions(c: &mut Connection, player: &str) -> Result<Vec<SessionRow>, StoreError> {
    let rows = sql::query_as(
        "SELECT device, build, created_at, detached_at,
                (SELECT COUNT(*) FROM messages m WHERE m.session_id = s.session_id AND m.seq > s.acked) AS unacknowledged
         FROM sessions s WHERE user_id = ? ORDER BY detached_at IS NULL DESC, detached_at DESC, device",
    );
    Ok(rows.bind(player).fetch_all(c).await?)
}

/// A player's copies of offers, the latest first.
pub(crate) async fn offers(
    c: &mut Connection,
    player: &str,
    limit: usize,
) -> Result<Vec<CopyRow>, StoreError> {
    let rows = sql::query_as(
        "SELECT offer_id, definition_id AS campaign, state, outcome, variant, created_at, sent_at, shown_at, expires_at
         FROM player_offers WHERE user_id = ? ORDER BY created_at DESC, offer_id LIMIT ?",
    );
    Ok(rows.bind(player).bind(limit as i64).fetch_all(c).await?)
}
