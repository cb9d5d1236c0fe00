//! The audit table: each change that an operator or a game's backend made, in the transaction that made it.

use sha2::{Digest, Sha256};

use super::StoreError;
use super::sql::{self, Connection};

/// Bytes of what was, and of what is, that a line keeps. Longer ones are known by their hash.
const MAX_STATE: usize = 8_192;
/// Lines that one sweep takes away at most.
const AT_ONCE: i64 = 10_000;

/// A change, to be written down.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Change<'a> {
    pub(crate) action: &'a str,
    pub(crate) subject: &'a str,
    /// JSON; never a secret.
    pub(crate) before: Option<&'a str>,
    /// The same.
    pub(crate) after: Option<&'a str>,
}

/// A line as its columns hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: i64,
    pub(crate) at: i64,
    pub(crate) who: String,
    pub(crate) address: String,
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

sql::row!(Line { number, at, who, address, action, subject, before, after });

/// Which lines are wanted; an empty text wants all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) subject: String,
    /// Only lines before this number.
    pub(crate) before: Option<i64>,
}

/// Who makes a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Author {
    /// An operator by his own word (the key that he holds is what proved him), `api-key:<name>`, or what in this process.
    pub(crate) who: String,
    /// From where.
    pub(crate) address: String,
}

impl Author {
    /// Something in this process.
    pub(crate) fn within(what: impl Into<String>) -> Author {
        Author { who: what.into(), address: String::new() }
    }
}

/// Writes a change down.
pub(crate) async fn record(
    c: &mut Connection,
    author: &Author,
    change: Change<'_>,
    now: i64,
) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO audit (at, who, address, action, subject, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(now)
    .bind(&author.who)
    .bind(&author.address)
    .bind(change.action)
    .bind(change.subject)
    .bind(change.before.map(bounded))
    .bind(change.after.map(bounded))
    .execute(c)
    .await?;
    Ok(())
}

fn bounded(state: &str) -> String {
    if state.len() <= MAX_STATE {
        return state.to_owned();
    }
    let hash = hex::encode(Sha256::digest(state.as_bytes()));
    serde_json::json!({ "tooLong": { "bytes": state.len(), "sha256": hash } }).to_string()
}

/// The latest first.
pub(crate) async fn page(c: &mut Connection, wanted: &Wanted, limit: usize) -> Result<Vec<Line>, StoreError> {
    Ok(sql::query_as(
        "SELECT number, at, who, address, action, subject, before, after FROM audit
         WHERE number < ?1 AND (?2 = '' OR who = ?2) AND (?3 = '' OR action = ?3) AND (?4 = '' OR subject = ?4)
         ORDER BY number DESC LIMIT ?5",
    )
    .bind(wanted.before.unwrap_or(i64::MAX))
    .bind(&wanted.who)
    .bind(&wanted.action)
    .bind(&wanted.subject)
    .bind(limit as i64)
    .fetch_all(c)
    .await?)
}

/// Takes away what is older.
pub(crate) async fn forget(c: &mut Connection, before: i64) -> Result<(), StoreError> {
    sql::query("DELETE FROM audit WHERE number IN (SELECT number FROM audit WHERE at <= ? LIMIT ?)")
        .bind(before)
        .bind(AT_ONCE)
        .execute(c)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_is_too_long_is_known_by_its_hash() {
        let (short, long) = ("x".repeat(MAX_STATE), "x".repeat(MAX_STATE + 1));
        assert_eq!(bounded(&short), short);
        let kept = bounded(&long);
        assert!(kept.len() < 128 && kept.contains("\"bytes\":8193"), "{kept}");
        assert_ne!(kept, bounded(&"y".repeat(MAX_STATE + 1)));
    }
}
