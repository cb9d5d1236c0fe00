//! Each player's copies of offers with their states: queued → sent → received → closed, or lapsed. What may be sent the
//! engine decides; here a copy changes its state by a step that only one can make.

use super::sessions::{Backlog, Durable, NewDurable, append};
use super::sql::{self, Connection};
use super::{StoreError, campaigns};

/// A player's copies of one campaign, first sent on one day.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CopiesRow {
    pub(crate) definition_id: String,
    pub(crate) day: String,
    /// The highest number.
    pub(crate) number: i64,
    /// Copies that may still be shown.
    pub(crate) open: i64,
    /// Copies that count against the caps: all but those that nobody received in their life.
    pub(crate) counted: i64,
    /// When the last of those was first sent.
    pub(crate) last: Option<i64>,
}

sql::row!(CopiesRow { definition_id, day, number, open, counted, last });

/// All of a player's copies, summed up.
pub(crate) async fn copies(c: &mut Connection, player: &str, now: i64) -> Result<Vec<CopiesRow>, StoreError> {
    Ok(sql::query_as(
        "SELECT definition_id, day, MAX(number) AS number,
                SUM(state IN ('queued', 'sent', 'received') AND expires_at > ?2) AS open,
                SUM(state <> 'lapsed' AND NOT (state = 'queued' AND expires_at <= ?2)) AS counted,
                MAX(CASE WHEN state <> 'lapsed' AND NOT (state = 'queued' AND expires_at <= ?2)
                    THEN created_at END) AS last
         FROM player_offers WHERE user_id = ?1 GROUP BY definition_id, day",
    )
    .bind(player)
    .bind(now)
    .fetch_all(c)
    .await?)
}

/// A copy that waits to be sent (again).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueuedRow {
    pub(crate) offer_id: String,
    pub(crate) definition_id: String,
    pub(crate) expires_at: i64,
    pub(crate) variant: String,
}

sql::row!(QueuedRow { offer_id, definition_id, expires_at, variant });

pub(crate) async fn queued(c: &mut Connection, player: &str, now: i64) -> Result<Vec<QueuedRow>, StoreError> {
    Ok(sql::query_as(
        "SELECT offer_id, definition_id, expires_at, variant FROM player_offers
         WHERE user_id = ? AND state = 'queued' AND expires_at > ?",
    )
    .bind(player)
    .bind(now)
    .fetch_all(c)
    .await?)
}

/// Makes a queued copy *sent*. `false`: it is not queued any more.
pub(crate) async fn send_queued(
    c: &mut Connection,
    player: &str,
    offer_id: &str,
    session: Option<&str>,
    now: i64,
) -> Result<bool, StoreError> {
    let taken = sql::query(
        "UPDATE player_offers SET state = 'sent', session_id = ?, sent_at = ?
         WHERE user_id = ? AND offer_id = ? AND state = 'queued'",
    )
    .bind(session)
    .bind(now)
    .bind(player)
    .bind(offer_id)
    .execute(c)
    .await?;
    Ok(taken == 1)
}

/// A copy that is made in being sent.
#[derive(Debug)]
pub(crate) struct NewCopy<'a> {
    pub(crate) player: &'a str,
    pub(crate) definition_id: &'a str,
    pub(crate) number: i64,
    pub(crate) session: Option<&'a str>,
    pub(crate) expires_at: i64,
    pub(crate) day: &'a str,
    pub(crate) charged: bool,
    pub(crate) variant: &'a str,
    pub(crate) now: i64,
}

/// Makes a copy, *sent* from the start, against its budget if it has one. Returns its id.
pub(crate) async fn send_new(c: &mut Connection, copy: &NewCopy<'_>) -> Result<String, StoreError> {
    let id = copy_id(copy.definition_id, copy.number);
    sql::query(
        "INSERT INTO player_offers (user_id, offer_id, definition_id, number, state, session_id, sent_at, expires_at,
             created_at, day, charged, variant)
         VALUES (?1, ?2, ?3, ?4, 'sent', ?5, ?6, ?7, ?6, ?8, ?9, ?10)",
    )
    .bind(copy.player)
    .bind(&id)
    .bind(copy.definition_id)
    .bind(copy.number)
    .bind(copy.session)
    .bind(copy.now)
    .bind(copy.expires_at)
    .bind(copy.day)
    .bind(copy.charged)
    .bind(copy.variant)
    .execute(&mut *c)
    .await?;
    if copy.charged {
        campaigns::charge(c, copy.definition_id, copy.day, 1).await?;
    }
    Ok(id)
}

/// Makes a copy that waits to be sent, against its budget.
pub(crate) async fn queue_new(c: &mut Connection, copy: &NewCopy<'_>) -> Result<String, StoreError> {
    let id = send_new(c, copy).await?;
    sql::query(
        "UPDATE player_offers SET state = 'queued', sent_at = NULL WHERE user_id = ? AND offer_id = ?",
    )
    .bind(copy.player)
    .bind(&id)
    .execute(c)
    .await?;
    Ok(id)
}

/// A player's first copy has the definition's id, a further one its number behind it: an id is never used twice for a player.
fn copy_id(definition: &str, number: i64) -> String {
    if number == 1 { definition.to_owned() } else { format!("{definition}.{number}") }
}

/// Puts an offer that has been taken for this session into its durable queue.
pub(crate) async fn put_in_session(
    c: &mut Connection,
    session: &str,
    offer_id: &str,
    payload: String,
    now: i64,
    bound: Backlog,
) -> Result<Durable, StoreError> {
    let message = NewDurable { channel: "offers", kind: "new_offer", payload, offer_id: Some(offer_id) };
    append(c, session, message, now, bound).await
}

/// What a player's `$offer_result` does: the first of accepted, declined, expired closes the offer; received and shown
/// mean that it arrived.
pub(crate) async fn result(
    c: &mut Connection,
    player: &str,
    offer_id: &str,
    outcome: &str,
    now: i64,
) -> Result<(), StoreError> {
    // A copy that had lapsed and was received after all stands against its budget again: it did happen. A queued one that
    // was received after all is not sent again.
    const LAPSED: &str = "UPDATE player_offers SET charged = 1
        WHERE user_id = ? AND offer_id = ? AND state = 'lapsed' AND charged = -1 RETURNING definition_id, day";
    const SHOWN: &str = "UPDATE player_offers SET shown_at = ?3
        WHERE user_id = ?1 AND offer_id = ?2 AND shown_at IS NULL";
    const CLOSED: &str = "UPDATE player_offers SET state = 'closed', outcome = ?3
        WHERE user_id = ?1 AND offer_id = ?2 AND state <> 'closed'";
    const RECEIVED: &str = "UPDATE player_offers SET state = 'received'
        WHERE user_id = ? AND offer_id = ? AND state IN ('queued', 'sent', 'lapsed')";
    let charged: Vec<(String, String)> =
        sql::query_as(LAPSED).bind(player).bind(offer_id).fetch_all(&mut *c).await?;
    for (definition, day) in charged {
        campaigns::charge(c, &definition, &day, 1).await?;
    }
    if matches!(outcome, "accepted" | "declined" | "shown") {
        sql::query(SHOWN).bind(player).bind(offer_id).bind(now).execute(&mut *c).await?;
    }
    if matches!(outcome, "accepted" | "declined" | "expired") {
        sql::query(CLOSED).bind(player).bind(offer_id).bind(outcome).execute(c).await?;
    } else {
        sql::query(RECEIVED).bind(player).bind(offer_id).execute(c).await?;
    }
    Ok(())
}

/// Queued copies whose life is over lapse, and give their place in the budget back. `true`: one did.
pub(crate) async fn lapse(c: &mut Connection, now: i64) -> Result<bool, StoreError> {
    let gone: Vec<(String, String, i64)> = sql::query_as(
        "UPDATE player_offers SET state = 'lapsed', charged = -charged WHERE state = 'queued' AND expires_at <= ?
         RETURNING definition_id, day, charged",
    )
    .bind(now)
    .fetch_all(&mut *c)
    .await?;
    let mut freed = false;
    for (definition, day, _) in gone.iter().filter(|(_, _, charged)| *charged != 0) {
        campaigns::charge(c, definition, day, -1).await?;
        freed = true;
    }
    Ok(freed)
}

/// How many copies of a campaign came how far, by variant: variant, delivered, shown, accepted, declined, expired, and sent but
/// not (yet) received.
pub(crate) type FunnelRow = (String, i64, i64, i64, i64, i64, i64);

pub(crate) async fn funnel(c: &mut Connection, definition: &str) -> Result<Vec<FunnelRow>, StoreError> {
    Ok(sql::query_as(
        "SELECT variant, SUM(state IN ('received', 'closed')), SUM(shown_at IS NOT NULL),
                SUM(outcome IS 'accepted'), SUM(outcome IS 'declined'), SUM(outcome IS 'expired'),
                SUM(state IN ('queued', 'sent', 'lapsed'))
         FROM player_offers WHERE definition_id = ? GROUP BY variant ORDER BY variant",
    )
    .bind(definition)
    .fetch_all(c)
    .await?)
}
