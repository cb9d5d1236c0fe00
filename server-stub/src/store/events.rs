//! Analytics events: each (player, event id) once within seven days.

use sqlx::sqlite::SqliteConnection;

use super::StoreError;

/// An event that has passed the checks.
#[derive(Debug, Clone)]
pub(crate) struct NewEvent {
    pub(crate) event_id: String,
    pub(crate) name: String,
    pub(crate) happened_at: i64,
    pub(crate) props: String,
    /// From `$offer_result`: the offer and what became of it.
    pub(crate) offer_result: Option<(String, String)>,
}

/// Stores an event; `false`: it is known already.
pub(crate) async fn insert(
    c: &mut SqliteConnection,
    player: &str,
    event: &NewEvent,
    flags: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let stored = sqlx::query(
        "INSERT OR IGNORE INTO event_ids (user_id, event_id, received_at) VALUES ($1, $2, $5);
         INSERT INTO analytics_events (user_id, event_id, name, happened_at, received_at, flags, props)
         SELECT $1, $2, $3, $4, $5, $6, $7 WHERE changes() > 0",
    )
    .bind(player)
    .bind(&event.event_id)
    .bind(&event.name)
    .bind(event.happened_at)
    .bind(now)
    .bind(flags)
    .bind(&event.props)
    .execute(c)
    .await?;
    Ok(stored.rows_affected() > 0)
}
