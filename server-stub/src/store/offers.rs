//! Offers: definitions, and each player's copies with their states: queued → sent → received → closed, or lapsed.

use sqlx::sqlite::SqliteConnection;

use super::StoreError;
use super::sessions::{Backlog, Durable, NewDurable, append};

/// A definition as its columns hold it.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(crate) struct DefinitionRow {
    pub(crate) definition_id: String,
    pub(crate) campaign_id: String,
    pub(crate) title: String,
    pub(crate) discount: f64,
    pub(crate) expires_in_s: i64,
    pub(crate) image_url: String,
    pub(crate) data: Option<String>,
    pub(crate) placements: Option<String>,
    pub(crate) players: Option<String>,
    pub(crate) priority: i64,
    pub(crate) per_player: i64,
    pub(crate) enabled: bool,
}

/// Creates or replaces a definition.
pub(crate) async fn define(c: &mut SqliteConnection, d: &DefinitionRow, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO offer_definitions (definition_id, campaign_id, title, discount, expires_in_s, image_url,
             data, placements, players, priority, per_player, enabled, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&d.definition_id)
    .bind(&d.campaign_id)
    .bind(&d.title)
    .bind(d.discount)
    .bind(d.expires_in_s)
    .bind(&d.image_url)
    .bind(&d.data)
    .bind(&d.placements)
    .bind(&d.players)
    .bind(d.priority)
    .bind(d.per_player)
    .bind(d.enabled)
    .bind(now)
    .execute(c)
    .await?;
    Ok(())
}

/// One thing that could be sent now: a queued copy, or a definition that the player may get a (further) copy of.
#[derive(Debug, Clone, sqlx::FromRow)]
struct Candidate {
    /// NULL: no copy yet.
    offer_id: Option<String>,
    expires_at: Option<i64>,
    number: i64,
    definition_id: String,
    campaign_id: String,
    title: String,
    discount: f64,
    expires_in_s: i64,
    image_url: String,
    data: Option<String>,
}

/// An offer that has just become *sent*.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) offer_id: String,
    pub(crate) campaign_id: String,
    pub(crate) title: String,
    pub(crate) discount: f64,
    pub(crate) expires_at: i64,
    pub(crate) image_url: String,
    pub(crate) data: Option<String>,
}

/// For whom, and where in the game.
#[derive(Debug, Clone)]
pub(crate) struct Break {
    pub(crate) player: String,
    pub(crate) placement: String,
    /// The session that will carry it; `None`: an HTTP answer will.
    pub(crate) session: Option<String>,
    pub(crate) max: u32,
    pub(crate) now: i64,
}

/// Takes the best offers that this break may show, at most `max`, and makes them *sent*: nobody else can take them.
pub(crate) async fn take(c: &mut SqliteConnection, at: &Break) -> Result<Vec<Sent>, StoreError> {
    // A definition gives a copy while none of the player's copies of it is open, and the cap is not reached. A copy that
    // lapsed without ever being received does not count.
    let candidates: Vec<Candidate> = sqlx::query_as(
        "SELECT p.offer_id, p.expires_at, p.number, d.definition_id, d.campaign_id, d.title, d.discount, d.expires_in_s,
                d.image_url, d.data, d.priority AS priority, d.updated_at AS updated_at
         FROM player_offers p JOIN offer_definitions d USING (definition_id)
         WHERE p.user_id = ?1 AND p.state = 'queued' AND p.expires_at > ?3 AND d.enabled
           AND (d.placements IS NULL OR EXISTS (SELECT 1 FROM json_each(d.placements) WHERE value = ?2))
         UNION ALL
         SELECT NULL, NULL,
                1 + (SELECT COALESCE(MAX(number), 0) FROM player_offers p
                     WHERE p.user_id = ?1 AND p.definition_id = d.definition_id),
                d.definition_id, d.campaign_id, d.title, d.discount, d.expires_in_s, d.image_url, d.data, d.priority,
                d.updated_at
         FROM offer_definitions d
         WHERE d.enabled
           AND (d.placements IS NULL OR EXISTS (SELECT 1 FROM json_each(d.placements) WHERE value = ?2))
           AND (d.players IS NULL OR EXISTS (SELECT 1 FROM json_each(d.players) WHERE value = ?1))
           AND NOT EXISTS (SELECT 1 FROM player_offers p WHERE p.user_id = ?1 AND p.definition_id = d.definition_id
                           AND p.state IN ('queued', 'sent', 'received') AND p.expires_at > ?3)
           AND d.per_player > (SELECT COUNT(*) FROM player_offers p WHERE p.user_id = ?1
                               AND p.definition_id = d.definition_id AND p.state <> 'lapsed'
                               AND NOT (p.state IN ('queued', 'sent') AND p.expires_at <= ?3))
         ORDER BY priority DESC, updated_at, 4 LIMIT ?4",
    )
    .bind(&at.player)
    .bind(&at.placement)
    .bind(at.now)
    .bind(at.max)
    .fetch_all(&mut *c)
    .await?;
    let mut sent = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let (offer_id, expires_at) = match (candidate.offer_id, candidate.expires_at) {
            (Some(id), Some(expires_at)) => {
                let taken = sqlx::query(
                    "UPDATE player_offers SET state = 'sent', session_id = ?, sent_at = ?
                     WHERE user_id = ? AND offer_id = ? AND state = 'queued'",
                )
                .bind(&at.session)
                .bind(at.now)
                .bind(&at.player)
                .bind(&id)
                .execute(&mut *c)
                .await?;
                if taken.rows_affected() != 1 {
                    continue;
                }
                (id, expires_at)
            }
            _ => {
                let expires_at = at.now + candidate.expires_in_s * 1000;
                let id = copy_id(&candidate.definition_id, candidate.number);
                sqlx::query(
                    "INSERT INTO player_offers (user_id, offer_id, definition_id, number, state, session_id, sent_at,
                         expires_at, created_at)
                     VALUES (?, ?, ?, ?, 'sent', ?, ?, ?, ?)",
                )
                .bind(&at.player)
                .bind(&id)
                .bind(&candidate.definition_id)
                .bind(candidate.number)
                .bind(&at.session)
                .bind(at.now)
                .bind(expires_at)
                .bind(at.now)
                .execute(&mut *c)
                .await?;
                (id, expires_at)
            }
        };
        sent.push(Sent {
            offer_id,
            campaign_id: candidate.campaign_id,
            title: candidate.title,
            discount: candidate.discount,
            expires_at,
            image_url: candidate.image_url,
            data: candidate.data,
        });
    }
    Ok(sent)
}

/// A player's first copy has the definition's id, a further one its number behind it: an id is never used twice for a player.
fn copy_id(definition: &str, number: i64) -> String {
    if number == 1 { definition.to_owned() } else { format!("{definition}.{number}") }
}

/// Puts an offer that has been taken for this session into its durable queue.
pub(crate) async fn put_in_session(
    c: &mut SqliteConnection,
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
    c: &mut SqliteConnection,
    player: &str,
    offer_id: &str,
    outcome: &str,
) -> Result<(), StoreError> {
    let query = match outcome {
        "accepted" | "declined" | "expired" => sqlx::query(
            "UPDATE player_offers SET state = 'closed', outcome = ?
             WHERE user_id = ? AND offer_id = ? AND state <> 'closed'",
        )
        .bind(outcome),
        // A queued offer that was received after all is not sent again.
        _ => sqlx::query(
            "UPDATE player_offers SET state = 'received'
             WHERE user_id = ? AND offer_id = ? AND state IN ('queued', 'sent')",
        ),
    };
    query.bind(player).bind(offer_id).execute(c).await?;
    Ok(())
}
