//! A look into the server's tables from outside: what the server believes, to be held against what players saw.

use std::path::Path;

use anyhow::Context as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

/// What the tables say of a crowd.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// Player, `offerId`, state; every copy of every offer.
    pub(crate) offers: Vec<(String, String, String)>,
    /// Durable messages that nobody has acknowledged.
    pub(crate) unacknowledged: i64,
    /// Messages that were thrown away unacknowledged.
    pub(crate) discarded: i64,
    /// The events that players tracked themselves: player, and the member `n` of each.
    pub(crate) events: Vec<(String, i64)>,
    /// Sessions.
    pub(crate) sessions: i64,
}

impl Tables {
    /// Reads them while the server runs.
    pub(crate) fn read(database: &Path, event: &str) -> anyhow::Result<Tables> {
        let options = SqliteConnectOptions::new().filename(database).read_only(true);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime
            .block_on(async {
                let mut connection = options.connect().await?;
                let tables = read(&mut connection, event).await?;
                connection.close().await?;
                Ok::<_, sqlx::Error>(tables)
            })
            .context("the server's database could not be read")
    }
}

async fn read(c: &mut SqliteConnection, event: &str) -> sqlx::Result<Tables> {
    let offers =
        sqlx::query_as("SELECT user_id, offer_id, state FROM player_offers").fetch_all(&mut *c).await?;
    let (unacknowledged,) = sqlx::query_as("SELECT COUNT(*) FROM messages").fetch_one(&mut *c).await?;
    let (sessions, discarded) = sqlx::query_as("SELECT COUNT(*), COALESCE(SUM(discarded), 0) FROM sessions")
        .fetch_one(&mut *c)
        .await?;
    let events = sqlx::query_as(
        "SELECT user_id, CAST(json_extract(props, '$.n') AS INTEGER) FROM analytics_events WHERE name = ?",
    )
    .bind(event)
    .fetch_all(&mut *c)
    .await?;
    Ok(Tables { offers, unacknowledged, discarded, events, sessions })
}
