//! Campaigns, segments, what stands against a budget, and triggers that have fired or are about to.

use super::StoreError;
use super::sql::{self, Connection};

/// A campaign as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CampaignRow {
    pub(crate) definition_id: String,
    pub(crate) body: String,
    pub(crate) updated_at: i64,
}

sql::row!(CampaignRow { definition_id, body, updated_at });

/// A number that is another one after every change of campaigns or segments.
pub(crate) async fn stamp(c: &mut Connection) -> Result<i64, StoreError> {
    let (stamp,) = sql::query_as("SELECT stamp FROM offer_plan").fetch_one(c).await?;
    Ok(stamp)
}

/// The same where this epoch still holds the session.
pub(crate) async fn stamp_for(c: &mut Connection, session: &str, epoch: i64) -> Result<i64, StoreError> {
    let query =
        "SELECT stamp, EXISTS (SELECT 1 FROM sessions WHERE session_id = ? AND epoch = ?) FROM offer_plan";
    let (stamp, held) = sql::query_as(query).bind(session).bind(epoch).fetch_one(c).await?;
    if held { Ok(stamp) } else { Err(StoreError::Fenced) }
}

/// Random, not counted: a number whose transaction was rolled back never comes again with another content.
async fn new_stamp(c: &mut Connection) -> Result<(), StoreError> {
    sql::query("UPDATE offer_plan SET stamp = random()").execute(c).await?;
    Ok(())
}

pub(crate) async fn all(c: &mut Connection) -> Result<Vec<CampaignRow>, StoreError> {
    let rows = sql::query_as("SELECT definition_id, body, updated_at FROM campaigns ORDER BY definition_id");
    Ok(rows.fetch_all(c).await?)
}

pub(crate) async fn get(c: &mut Connection, id: &str) -> Result<Option<CampaignRow>, StoreError> {
    let row = sql::query_as("SELECT definition_id, body, updated_at FROM campaigns WHERE definition_id = ?");
    Ok(row.bind(id).fetch_optional(c).await?)
}

/// Creates or replaces a campaign.
pub(crate) async fn put(c: &mut Connection, id: &str, body: &str, now: i64) -> Result<(), StoreError> {
    sql::query("INSERT OR REPLACE INTO campaigns (definition_id, body, updated_at) VALUES (?, ?, ?)")
        .bind(id)
        .bind(body)
        .bind(now)
        .execute(&mut *c)
        .await?;
    new_stamp(c).await
}

/// Deletes a campaign with its budget and triggers. Copies that players have stay theirs; queued ones lapse.
pub(crate) async fn delete(c: &mut Connection, id: &str) -> Result<bool, StoreError> {
    let gone = sql::query("DELETE FROM campaigns WHERE definition_id = ?").bind(id).execute(&mut *c).await?;
    for table in [
        "DELETE FROM campaign_budgets WHERE definition_id = ?",
        "DELETE FROM campaign_due WHERE definition_id = ?",
        "DELETE FROM campaign_progress WHERE definition_id = ?",
        "UPDATE player_offers SET state = 'lapsed' WHERE definition_id = ? AND state = 'queued'",
        "UPDATE player_offers SET charged = 0 WHERE definition_id = ?",
    ] {
        sql::query(table).bind(id).execute(&mut *c).await?;
    }
    new_stamp(c).await?;
    Ok(gone > 0)
}

/// Names and bodies.
pub(crate) async fn segments(c: &mut Connection) -> Result<Vec<(String, String)>, StoreError> {
    Ok(sql::query_as("SELECT name, body FROM segments ORDER BY name").fetch_all(c).await?)
}

pub(crate) async fn put_segment(
    c: &mut Connection,
    name: &str,
    body: &str,
    now: i64,
) -> Result<(), StoreError> {
    sql::query("INSERT OR REPLACE INTO segments (name, body, updated_at) VALUES (?, ?, ?)")
        .bind(name)
        .bind(body)
        .bind(now)
        .execute(&mut *c)
        .await?;
    new_stamp(c).await
}

pub(crate) async fn delete_segment(c: &mut Connection, name: &str) -> Result<bool, StoreError> {
    let gone = sql::query("DELETE FROM segments WHERE name = ?").bind(name).execute(&mut *c).await?;
    new_stamp(c).await?;
    Ok(gone > 0)
}

/// What stands against a budget: in all and on this day.
pub(crate) async fn spent(c: &mut Connection, id: &str, day: &str) -> Result<(i64, i64), StoreError> {
    Ok(sql::query_as(
        "SELECT COALESCE(SUM(spent) FILTER (WHERE day = ''), 0), COALESCE(SUM(spent) FILTER (WHERE day <> ''), 0)
         FROM campaign_budgets WHERE definition_id = ? AND day IN ('', ?)",
    )
    .bind(id)
    .bind(day)
    .fetch_one(c)
    .await?)
}

/// Puts one copy against the budget (`by` = 1) or takes it off (`by` = -1).
pub(crate) async fn charge(c: &mut Connection, id: &str, day: &str, by: i64) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO campaign_budgets (definition_id, day, spent) VALUES (?1, '', MAX(?3, 0)), (?1, ?2, MAX(?3, 0))
         ON CONFLICT DO UPDATE SET spent = MAX(spent + ?3, 0)",
    )
    .bind(id)
    .bind(day)
    .bind(by)
    .execute(c)
    .await?;
    Ok(())
}

/// The campaigns whose triggers have fired for a player, and until when that holds.
pub(crate) async fn due(
    c: &mut Connection,
    player: &str,
    now: i64,
) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = sql::query_as(
        "SELECT definition_id, due_until FROM campaign_due WHERE user_id = ? AND due_until > ?",
    );
    Ok(rows.bind(player).bind(now).fetch_all(c).await?)
}

pub(crate) async fn set_due(
    c: &mut Connection,
    player: &str,
    id: &str,
    until: i64,
) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO campaign_due (user_id, definition_id, due_until) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET due_until = MAX(due_until, excluded.due_until)",
    )
    .bind(player)
    .bind(id)
    .bind(until)
    .execute(c)
    .await?;
    Ok(())
}

/// The firing has been answered with a copy.
pub(crate) async fn clear_due(c: &mut Connection, player: &str, id: &str) -> Result<(), StoreError> {
    let query = sql::query("DELETE FROM campaign_due WHERE user_id = ? AND definition_id = ?");
    query.bind(player).bind(id).execute(c).await?;
    Ok(())
}

/// When the events came that a trigger has counted so far: a JSON array.
pub(crate) async fn progress(
    c: &mut Connection,
    player: &str,
    id: &str,
) -> Result<Option<String>, StoreError> {
    let row: Option<(String,)> =
        sql::query_as("SELECT times FROM campaign_progress WHERE user_id = ? AND definition_id = ?")
            .bind(player)
            .bind(id)
            .fetch_optional(c)
            .await?;
    Ok(row.map(|(times,)| times))
}

/// `None`: begins from nothing.
pub(crate) async fn set_progress(
    c: &mut Connection,
    player: &str,
    id: &str,
    times: Option<(&str, i64)>,
) -> Result<(), StoreError> {
    let query = match times {
        Some((times, keep_until)) => sql::query(
            "INSERT OR REPLACE INTO campaign_progress (times, keep_until, user_id, definition_id) VALUES (?, ?, ?, ?)",
        )
        .bind(times.to_owned())
        .bind(keep_until),
        None => sql::query("DELETE FROM campaign_progress WHERE user_id = ? AND definition_id = ?"),
    };
    query.bind(player).bind(id).execute(c).await?;
    Ok(())
}

/// Forgets what is too old to matter.
pub(crate) async fn forget(c: &mut Connection, now: i64) -> Result<(), StoreError> {
    sql::query("DELETE FROM campaign_due WHERE due_until <= ?").bind(now).execute(&mut *c).await?;
    sql::query("DELETE FROM campaign_progress WHERE keep_until <= ?").bind(now).execute(c).await?;
    Ok(())
}
