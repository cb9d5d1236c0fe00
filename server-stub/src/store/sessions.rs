//! Sessions and their durable messages: fencing, numbering, acknowledgement, resume (`PROTOCOL.md`, section 5).

use super::StoreError;
use super::sql::{self, Connection};

/// A durable message as it is stored. The timestamp is the moment of writing it to a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Durable {
    pub(crate) seq: u64,
    pub(crate) channel: String,
    pub(crate) kind: String,
    pub(crate) payload: String,
}

/// What an `authenticate` asks for.
#[derive(Debug, Clone)]
pub(crate) struct LoginAsk {
    pub(crate) player: String,
    pub(crate) device: String,
    pub(crate) build: String,
    /// `sessionId` and `lastSeq`.
    pub(crate) resume: Option<(String, u64)>,
    /// The id for a new session, if it comes to that.
    pub(crate) fresh_id: String,
    pub(crate) now: i64,
    pub(crate) max_sessions: u32,
}

/// What it got.
#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) session_id: String,
    pub(crate) epoch: i64,
    pub(crate) resumed: bool,
    pub(crate) discarded: u64,
    /// The last number that the client has; the replay goes on from here.
    pub(crate) sent_to: u64,
    pub(crate) acked: u64,
    pub(crate) replay: Vec<Durable>,
    /// Devices of this player whose sessions ended to make room.
    pub(crate) ended_devices: Vec<String>,
}

struct Row {
    session_id: String,
    epoch: i64,
    last_seq: i64,
    acked: i64,
    discarded: i64,
}

sql::row!(Row { session_id, epoch, last_seq, acked, discarded });

/// Takes the session of (player, device) over, or begins one. Whoever held it is fenced from here on.
pub(crate) async fn login(c: &mut Connection, ask: &LoginAsk) -> Result<Login, StoreError> {
    let row: Option<Row> = sql::query_as(
        "SELECT session_id, epoch, last_seq, acked, discarded FROM sessions WHERE user_id = ? AND device = ?",
    )
    .bind(&ask.player)
    .bind(&ask.device)
    .fetch_optional(&mut *c)
    .await?;
    let epoch = row.as_ref().map_or(0, |r| r.epoch) + 1;
    let (acked, discarded) = row.as_ref().map_or((0, 0), |r| (r.acked, r.discarded));
    if let (Some(row), Some((id, last_seq))) = (&row, &ask.resume) {
        // `last_seq` is what the client has received: never less than it acknowledged, never more than was numbered.
        let last_seq = i64::try_from(*last_seq).unwrap_or(i64::MAX);
        let known = row.session_id == *id && (row.acked..=row.last_seq).contains(&last_seq);
        if known && row.discarded == 0 {
            let replay = renumber(c, &row.session_id, last_seq, &row.session_id, last_seq).await?;
            sql::query(
                "UPDATE sessions SET epoch = ?, last_seq = ?, detached_at = NULL, build = ? WHERE session_id = ?",
            )
            .bind(epoch)
            .bind(last_seq + replay.len() as i64)
            .bind(&ask.build)
            .bind(&row.session_id)
            .execute(c)
            .await?;
            return Ok(Login {
                session_id: row.session_id.clone(),
                epoch,
                resumed: true,
                discarded: 0,
                sent_to: last_seq as u64,
                acked: acked as u64,
                replay,
                ended_devices: Vec::new(),
            });
        }
    }
    let mut ended_devices = Vec::new();
    let replay = match row {
        Some(old) => {
            let replay = renumber(c, &old.session_id, 0, &ask.fresh_id, 0).await?;
            sql::query("UPDATE player_offers SET session_id = ? WHERE session_id = ? AND user_id = ?")
                .bind(&ask.fresh_id)
                .bind(&old.session_id)
                .bind(&ask.player)
                .execute(&mut *c)
                .await?;
            sql::query("DELETE FROM sessions WHERE session_id = ?")
                .bind(&old.session_id)
                .execute(&mut *c)
                .await?;
            replay
        }
        None => {
            ended_devices = make_room(c, &ask.player, ask.max_sessions).await?;
            Vec::new()
        }
    };
    super::players::seen(c, &ask.player, &ask.fresh_id, ask.now).await?;
    sql::query(
        "INSERT INTO sessions (session_id, user_id, device, build, epoch, last_seq, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&ask.fresh_id)
    .bind(&ask.player)
    .bind(&ask.device)
    .bind(&ask.build)
    .bind(epoch)
    .bind(replay.len() as i64)
    .bind(ask.now)
    .execute(c)
    .await?;
    Ok(Login {
        session_id: ask.fresh_id.clone(),
        epoch,
        resumed: false,
        discarded: discarded as u64,
        sent_to: 0,
        acked: 0,
        replay,
        ended_devices,
    })
}

/// Moves what lies beyond `after` to `to_session`, numbered from `base + 1` without holes: an offer that went back to the
/// queue leaves one, and a client takes a hole for a loss.
async fn renumber(
    c: &mut Connection,
    session: &str,
    after: i64,
    to_session: &str,
    base: i64,
) -> Result<Vec<Durable>, StoreError> {
    let rows: Vec<(i64, String, String, String)> = sql::query_as(
        "SELECT seq, channel, kind, payload FROM messages WHERE session_id = ? AND seq > ? ORDER BY seq",
    )
    .bind(session)
    .bind(after)
    .fetch_all(&mut *c)
    .await?;
    let mut messages = Vec::with_capacity(rows.len());
    for ((old, channel, kind, payload), seq) in rows.into_iter().zip(base + 1..) {
        if old != seq || session != to_session {
            sql::query("UPDATE messages SET session_id = ?, seq = ? WHERE session_id = ? AND seq = ?")
                .bind(to_session)
                .bind(seq)
                .bind(session)
                .bind(old)
                .execute(&mut *c)
                .await?;
        }
        messages.push(Durable { seq: seq as u64, channel, kind, payload });
    }
    Ok(messages)
}

/// Ends the sessions detached longest until one more fits, and returns their devices.
async fn make_room(c: &mut Connection, player: &str, max: u32) -> Result<Vec<String>, StoreError> {
    let sessions: Vec<(String, String)> = sql::query_as(
        "SELECT session_id, device FROM sessions WHERE user_id = ?
         ORDER BY detached_at IS NULL, detached_at, created_at",
    )
    .bind(player)
    .fetch_all(&mut *c)
    .await?;
    let too_many = (sessions.len() + 1).saturating_sub(max.max(1) as usize);
    let mut devices = Vec::new();
    for (session, device) in sessions.into_iter().take(too_many) {
        end(c, &session).await?;
        devices.push(device);
    }
    Ok(devices)
}

/// Ends a session: its offers go back to the player's queue, the rest of its messages goes with it.
pub(crate) async fn end(c: &mut Connection, session: &str) -> Result<(), StoreError> {
    sql::query(
        "UPDATE player_offers SET state = 'queued', session_id = NULL
         WHERE user_id = (SELECT user_id FROM sessions WHERE session_id = ?1) AND session_id = ?1 AND state = 'sent'",
    )
    .bind(session)
    .execute(&mut *c)
    .await?;
    sql::query("DELETE FROM messages WHERE session_id = ?").bind(session).execute(&mut *c).await?;
    sql::query("DELETE FROM sessions WHERE session_id = ?").bind(session).execute(c).await?;
    Ok(())
}

/// Fails with [`StoreError::Fenced`] unless this epoch still holds the session.
pub(crate) async fn check_epoch(c: &mut Connection, session: &str, epoch: i64) -> Result<(), StoreError> {
    let held: Option<(i64,)> = sql::query_as("SELECT 1 FROM sessions WHERE session_id = ? AND epoch = ?")
        .bind(session)
        .bind(epoch)
        .fetch_optional(c)
        .await?;
    held.map(|_| ()).ok_or(StoreError::Fenced)
}

/// Everything up to `seq` has been taken: offers among it are received, the messages are done with.
pub(crate) async fn ack(c: &mut Connection, session: &str, epoch: i64, seq: u64) -> Result<(), StoreError> {
    let seq = seq as i64;
    sql::query(
        "UPDATE sessions SET acked = ?3, discarded = CASE WHEN discarded_to <= ?3 THEN 0 ELSE discarded END
         WHERE session_id = ?1 AND epoch = ?2 AND acked < ?3 AND last_seq >= ?3",
    )
    .bind(session)
    .bind(epoch)
    .bind(seq)
    .execute(&mut *c)
    .await?;
    // This one, or an earlier one, has moved the session so far.
    let query = "SELECT user_id FROM sessions WHERE session_id = ? AND epoch = ? AND acked >= ?";
    let holder = sql::query_as(query).bind(session).bind(epoch).bind(seq).fetch_optional(&mut *c).await?;
    let Some((player,)): Option<(String,)> = holder else { return Ok(()) };
    let taken: Vec<(Option<String>,)> =
        sql::query_as("DELETE FROM messages WHERE session_id = ? AND seq <= ? RETURNING offer_id")
            .bind(session)
            .bind(seq)
            .fetch_all(&mut *c)
            .await?;
    for offer in taken.into_iter().filter_map(|(offer,)| offer) {
        sql::query(
            "UPDATE player_offers SET state = 'received'
             WHERE user_id = ? AND offer_id = ? AND session_id = ? AND state = 'sent'",
        )
        .bind(&player)
        .bind(offer)
        .bind(session)
        .execute(&mut *c)
        .await?;
    }
    Ok(())
}

/// What a message is, before it has a number.
#[derive(Debug, Clone)]
pub(crate) struct NewDurable<'a> {
    pub(crate) channel: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) payload: String,
    pub(crate) offer_id: Option<&'a str>,
}

/// Gives a message the session's next number and keeps it until it is acknowledged. Beyond the bound the oldest goes
/// (bet results never), and is counted.
pub(crate) async fn append(
    c: &mut Connection,
    session: &str,
    message: NewDurable<'_>,
    now: i64,
    bound: Backlog,
) -> Result<Durable, StoreError> {
    let query = "UPDATE sessions SET last_seq = last_seq + 1 WHERE session_id = ? RETURNING last_seq";
    let numbered: Option<(i64,)> = sql::query_as(query).bind(session).fetch_optional(&mut *c).await?;
    let (seq,) = numbered.ok_or(StoreError::Fenced)?;
    sql::query(
        "INSERT INTO messages (session_id, seq, channel, kind, payload, offer_id, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(session)
    .bind(seq)
    .bind(message.channel)
    .bind(message.kind)
    .bind(&message.payload)
    .bind(message.offer_id)
    .bind(now)
    .execute(&mut *c)
    .await?;
    trim(c, session, bound).await?;
    Ok(Durable {
        seq: seq as u64,
        channel: message.channel.to_owned(),
        kind: message.kind.to_owned(),
        payload: message.payload,
    })
}

/// How much may wait for one session's acknowledgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backlog {
    pub(crate) messages: u32,
    pub(crate) bytes: u32,
}

impl Backlog {
    fn holds(self, count: i64, bytes: i64) -> bool {
        count <= i64::from(self.messages) && bytes <= i64::from(self.bytes)
    }
}

async fn trim(c: &mut Connection, session: &str, bound: Backlog) -> Result<(), StoreError> {
    loop {
        let (count, bytes): (i64, i64) = sql::query_as(
            "SELECT COUNT(*), COALESCE(SUM(LENGTH(CAST(payload AS BLOB))), 0) FROM messages WHERE session_id = ?",
        )
        .bind(session)
        .fetch_one(&mut *c)
        .await?;
        if bound.holds(count, bytes) {
            return Ok(());
        }
        let oldest: Option<(i64, Option<String>)> = sql::query_as(
            "DELETE FROM messages WHERE session_id = ?1 AND seq =
                 (SELECT MIN(seq) FROM messages WHERE session_id = ?1 AND kind <> 'bet_settled')
             RETURNING seq, offer_id",
        )
        .bind(session)
        .fetch_optional(&mut *c)
        .await?;
        let Some((seq, offer)) = oldest else { return Ok(()) };
        sql::query("UPDATE sessions SET discarded = discarded + 1, discarded_to = ? WHERE session_id = ?")
            .bind(seq)
            .bind(session)
            .execute(&mut *c)
            .await?;
        if let Some(offer) = offer {
            sql::query(
                "UPDATE player_offers SET state = 'queued', session_id = NULL
                 WHERE user_id = (SELECT user_id FROM sessions WHERE session_id = ?1) AND session_id = ?1
                     AND offer_id = ?2 AND state = 'sent'",
            )
            .bind(session)
            .bind(offer)
            .execute(&mut *c)
            .await?;
        }
    }
}

/// The stored messages beyond `after`, in order.
pub(crate) async fn beyond(
    c: &mut Connection,
    session: &str,
    after: u64,
) -> Result<Vec<Durable>, StoreError> {
    let rows: Vec<(i64, String, String, String)> = sql::query_as(
        "SELECT seq, channel, kind, payload FROM messages WHERE session_id = ? AND seq > ? ORDER BY seq",
    )
    .bind(session)
    .bind(after as i64)
    .fetch_all(c)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(seq, channel, kind, payload)| Durable { seq: seq as u64, channel, kind, payload })
        .collect())
}

/// The socket ended: from now on the clock of the session runs.
pub(crate) async fn detach(
    c: &mut Connection,
    session: &str,
    epoch: i64,
    now: i64,
) -> Result<(), StoreError> {
    sql::query(
        "UPDATE sessions SET detached_at = ? WHERE session_id = ? AND epoch = ? AND detached_at IS NULL",
    )
    .bind(now)
    .bind(session)
    .bind(epoch)
    .execute(c)
    .await?;
    Ok(())
}

/// After a start: whoever was attached when the former process ended is so no longer. Returns them, player and device.
pub(crate) async fn detach_all(c: &mut Connection, now: i64) -> Result<Vec<(String, String)>, StoreError> {
    let query = "UPDATE sessions SET detached_at = ? WHERE detached_at IS NULL RETURNING user_id, device";
    Ok(sql::query_as(query).bind(now).fetch_all(c).await?)
}
