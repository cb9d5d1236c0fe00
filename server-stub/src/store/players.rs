//! What is known about a player: traits, how often his events came, the session in which he was first seen.

use super::StoreError;
use super::sql::{self, Connection};

/// Names and values.
pub(crate) async fn traits(c: &mut Connection, player: &str) -> Result<Vec<(String, String)>, StoreError> {
    let rows = sql::query_as("SELECT name, value FROM known_traits WHERE user_id = ? ORDER BY name");
    Ok(rows.bind(player).fetch_all(c).await?)
}

/// One more event of this name, on its UTC day and in all. Returns what both counts are now, by day; all time is the day -1.
pub(crate) async fn count_event(
    c: &mut Connection,
    player: &str,
    name: &str,
    day: i64,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let counts = sql::query_as(
        "INSERT INTO player_event_days (user_id, name, day, count) VALUES (?1, ?2, ?3, 1), (?1, ?2, -1, 1)
         ON CONFLICT DO UPDATE SET count = count + 1 RETURNING day, count",
    );
    Ok(counts.bind(player).bind(name).bind(day).fetch_all(c).await?)
}

/// Event name, day, count: of the days from `from` on, and the sum of all time under the day -1.
pub(crate) async fn event_days(
    c: &mut Connection,
    player: &str,
    from: i64,
) -> Result<Vec<(String, i64, i64)>, StoreError> {
    let rows = sql::query_as(
        "SELECT name, day, count FROM player_event_days WHERE user_id = ? AND (day = -1 OR day >= ?)",
    );
    Ok(rows.bind(player).bind(from).fetch_all(c).await?)
}

/// From now on events of exactly these names are counted. A name that is new is counted from the event log, once.
pub(crate) async fn count_only(
    c: &mut Connection,
    names: impl Iterator<Item = &str>,
) -> Result<(), StoreError> {
    let before: Vec<(String,)> = sql::query_as("SELECT name FROM counted_events").fetch_all(&mut *c).await?;
    let names: Vec<&str> = names.collect();
    for (gone,) in before.iter().filter(|(name,)| !names.contains(&name.as_str())) {
        for table in
            ["DELETE FROM counted_events WHERE name = ?", "DELETE FROM player_event_days WHERE name = ?"]
        {
            sql::query(table).bind(gone).execute(&mut *c).await?;
        }
    }
    for new in names.into_iter().filter(|name| !before.iter().any(|(known,)| known == name)) {
        sql::query("INSERT INTO counted_events (name) VALUES (?)").bind(new).execute(&mut *c).await?;
        sql::query(
            "INSERT INTO player_event_days (user_id, name, day, count)
             SELECT user_id, name, happened_at / 86400000, COUNT(*) FROM analytics_events WHERE name = ?1 GROUP BY 1, 3
             UNION ALL SELECT user_id, name, -1, COUNT(*) FROM analytics_events WHERE name = ?1 GROUP BY 1",
        )
        .bind(new)
        .execute(&mut *c)
        .await?;
    }
    Ok(())
}

/// Remembers the session in which a player was first seen.
pub(crate) async fn seen(
    c: &mut Connection,
    player: &str,
    session: &str,
    now: i64,
) -> Result<(), StoreError> {
    sql::query("INSERT OR IGNORE INTO player_first (user_id, session_id, at) VALUES (?, ?, ?)")
        .bind(player)
        .bind(session)
        .bind(now)
        .execute(c)
        .await?;
    Ok(())
}

/// The session in which a player was first seen; `None`: he never was.
pub(crate) async fn first_session(c: &mut Connection, player: &str) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> = sql::query_as("SELECT session_id FROM player_first WHERE user_id = ?")
        .bind(player)
        .fetch_optional(c)
        .await?;
    Ok(row.map(|(session,)| session))
}

/// The session of a player's device and its build.
pub(crate) async fn session_of(
    c: &mut Connection,
    player: &str,
    device: &str,
) -> Result<Option<(String, String)>, StoreError> {
    let row = sql::query_as("SELECT session_id, build FROM sessions WHERE user_id = ? AND device = ?");
    Ok(row.bind(player).bind(device).fetch_optional(c).await?)
}
