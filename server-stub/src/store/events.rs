//! Analytics events: each (player, event id) once within seven days.

use super::StoreError;
use super::sql::{self, Connection};

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
    c: &mut Connection,
    player: &str,
    event: &NewEvent,
    flags: &str,
    now: i64,
) -> Result<bool, StoreError> {
    let query = "INSERT OR IGNORE INTO event_ids (user_id, event_id, received_at) VALUES (?, ?, ?)";
    let new = sql::query(query).bind(player).bind(&event.event_id).bind(now).execute(&mut *c).await?;
    if new == 0 {
        return Ok(false);
    }
    sql::query(
        "INSERT INTO analytics_events (user_id, event_id, name, happened_at, received_at, flags, props)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
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
    Ok(true)
}
