//! Idempotency keys: one reply for one (player, key), recorded in the transaction of the effect.

use sha2::{Digest, Sha256};

use super::StoreError;
use super::sql::{self, Connection};

/// A request that may be repeated.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    pub(crate) player: String,
    pub(crate) key: String,
    /// SHA-256 of type and payload text.
    pub(crate) hash: Vec<u8>,
}

/// A reply as it is recorded and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) channel: String,
    pub(crate) kind: String,
    pub(crate) payload: String,
}

impl Key {
    pub(crate) fn new(player: &str, key: &str, kind: &str, payload: &str) -> Key {
        let mut hash = Sha256::new();
        hash.update(kind.as_bytes());
        hash.update([0]);
        hash.update(payload.as_bytes());
        Key { player: player.to_owned(), key: key.to_owned(), hash: hash.finalize().to_vec() }
    }
}

/// The recorded reply, if this very request was done before.
///
/// A request that is still running holds the writer, so that asking is waiting for it.
pub(crate) async fn recorded(connection: &mut Connection, key: &Key) -> Result<Option<Reply>, StoreError> {
    let row: Option<(Vec<u8>, String, String, String)> = sql::query_as(
        "SELECT hash, channel, kind, payload FROM idempotency_keys WHERE user_id = ? AND key = ?",
    )
    .bind(&key.player)
    .bind(&key.key)
    .fetch_optional(connection)
    .await?;
    match row {
        None => Ok(None),
        Some((hash, ..)) if hash != key.hash => Err(StoreError::KeyMismatch),
        Some((_, channel, kind, payload)) => Ok(Some(Reply { channel, kind, payload })),
    }
}

/// Records the reply. Failures are not recorded: they never come here.
pub(crate) async fn record(
    connection: &mut Connection,
    key: &Key,
    reply: &Reply,
    now: i64,
) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO idempotency_keys (user_id, key, hash, channel, kind, payload, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&key.player)
    .bind(&key.key)
    .bind(&key.hash)
    .bind(&reply.channel)
    .bind(&reply.kind)
    .bind(&reply.payload)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
