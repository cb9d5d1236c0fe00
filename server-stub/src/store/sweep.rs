//! What time does to stored things: requeue and discard after two minutes, sessions after a day, keys after an hour.

use super::sql::{self, Connection};
use super::{StoreError, audit, bans, campaigns, offers, sessions};

/// How old things may become, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ages {
    pub(crate) requeue: i64,
    pub(crate) session: i64,
    pub(crate) key: i64,
    pub(crate) event_id: i64,
    pub(crate) audit: i64,
}

/// What a sweep made due.
#[derive(Debug)]
pub(crate) struct Swept {
    /// The players whose queue of offers grew.
    pub(crate) players: Vec<String>,
    /// A budget got a place back.
    pub(crate) freed: bool,
}

/// One sweep.
pub(crate) async fn sweep(c: &mut Connection, ages: Ages, now: i64) -> Result<Swept, StoreError> {
    let mut players = detached_two_minutes(c, now - ages.requeue).await?;
    // A claim: two minutes after its answer.
    let claimed: Vec<(String,)> = sql::query_as(
        "UPDATE player_offers SET state = 'queued' WHERE state = 'sent' AND session_id IS NULL AND sent_at <= ?
         RETURNING user_id",
    )
    .bind(now - ages.requeue)
    .fetch_all(&mut *c)
    .await?;
    players.extend(claimed.into_iter().map(|(player,)| player));
    let freed = offers::lapse(c, now).await?;
    campaigns::forget(c, now).await?;
    let old: Vec<(String,)> =
        sql::query_as("SELECT session_id FROM sessions WHERE detached_at <= ? LIMIT 500")
            .bind(now - ages.session)
            .fetch_all(&mut *c)
            .await?;
    for (session,) in old {
        sessions::end(c, &session).await?;
    }
    sql::query("DELETE FROM idempotency_keys WHERE created_at <= ?")
        .bind(now - ages.key)
        .execute(&mut *c)
        .await?;
    sql::query("DELETE FROM event_ids WHERE received_at <= ?")
        .bind(now - ages.event_id)
        .execute(&mut *c)
        .await?;
    audit::forget(c, now - ages.audit).await?;
    bans::lapse(c, now).await?;
    players.sort_unstable();
    players.dedup();
    Ok(Swept { players, freed })
}

/// Sessions without a socket since `before`: their offers go back to the player's queue, bet results stay, the rest is
/// discarded and counted.
async fn detached_two_minutes(c: &mut Connection, before: i64) -> Result<Vec<String>, StoreError> {
    let sessions: Vec<(String, String)> = sql::query_as(
        "SELECT session_id, user_id FROM sessions INDEXED BY sessions_detached
         WHERE detached_at <= ? AND EXISTS
             (SELECT 1 FROM messages m WHERE m.session_id = sessions.session_id AND m.kind <> 'bet_settled')
         LIMIT 500",
    )
    .bind(before)
    .fetch_all(&mut *c)
    .await?;
    let mut players = Vec::new();
    for (session, player) in sessions {
        let requeued = sql::query(
            "UPDATE player_offers SET state = 'queued', session_id = NULL
             WHERE user_id = ? AND session_id = ? AND state = 'sent'",
        )
        .bind(&player)
        .bind(&session)
        .execute(&mut *c)
        .await?;
        let (lost, highest): (i64, i64) = sql::query_as(
            "SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM messages
             WHERE session_id = ? AND kind <> 'bet_settled' AND offer_id IS NULL",
        )
        .bind(&session)
        .fetch_one(&mut *c)
        .await?;
        if lost > 0 {
            sql::query(
                "UPDATE sessions SET discarded = discarded + ?, discarded_to = MAX(discarded_to, ?) WHERE session_id = ?",
            )
            .bind(lost)
            .bind(highest)
            .bind(&session)
            .execute(&mut *c)
            .await?;
        }
        sql::query("DELETE FROM messages WHERE session_id = ? AND kind <> 'bet_settled'")
            .bind(&session)
            .execute(&mut *c)
            .await?;
        if requeued > 0 {
            players.push(player);
        }
    }
    Ok(players)
}
