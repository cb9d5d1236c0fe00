//! A look into the server's database from outside, for what a client cannot see: what the server believes.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Row};

use crate::{eventually, runtime};

/// The database of a server, running or not.
#[derive(Debug, Clone)]
pub struct Database {
    file: PathBuf,
}

/// An analytics event as the server stored it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its name.
    pub name: String,
    /// Its properties, JSON.
    pub props: String,
}

impl Database {
    /// Of the server with this data directory.
    pub fn of(data: &Path) -> Database {
        Database { file: data.join("castline.db") }
    }

    fn read<T>(&self, query: impl AsyncFnOnce(&mut SqliteConnection) -> sqlx::Result<T>) -> T {
        let options = SqliteConnectOptions::new().filename(&self.file).read_only(true);
        runtime()
            .block_on(async {
                let mut connection = options.connect().await?;
                query(&mut connection).await
            })
            .expect("the server's database can be read")
    }

    /// A player's events in the order of arrival, those of the SDK (`$…`) too.
    pub fn events(&self, player: &str) -> Vec<StoredEvent> {
        self.read(async |c| {
            let rows =
                sqlx::query("SELECT name, props FROM analytics_events WHERE user_id = ? ORDER BY number")
                    .bind(player)
                    .fetch_all(c)
                    .await?;
            Ok(rows.iter().map(|row| StoredEvent { name: row.get(0), props: row.get(1) }).collect())
        })
    }

    /// The member `n` of each event of this name, in the order of arrival.
    pub fn numbers(&self, player: &str, name: &str) -> Vec<u64> {
        let events = self.events(player);
        let numbers = events.iter().filter(|e| e.name == name).map(|e| {
            let props: serde_json::Value = serde_json::from_str(&e.props).expect("props are JSON");
            props["n"].as_u64().expect("a number n")
        });
        numbers.collect()
    }

    /// The state of a player's offer and its outcome: `queued`, `sent`, `received`, `closed`, `lapsed`; "" where there is none.
    pub fn offer(&self, player: &str, offer: &str) -> (String, String) {
        self.read(async |c| {
            let row = sqlx::query(
                "SELECT state, COALESCE(outcome, '') FROM player_offers WHERE user_id = ? AND offer_id = ?",
            )
            .bind(player)
            .bind(offer)
            .fetch_optional(c)
            .await?;
            Ok(row.map_or_else(Default::default, |row| (row.get(0), row.get(1))))
        })
    }

    /// Waits until a player's offer is in this state.
    pub fn wait_for_offer(&self, player: &str, offer: &str, state: &str) {
        let what = format!("{offer} of {player} to be {state}");
        eventually(&what, || (self.offer(player, offer).0 == state).then_some(()));
    }
}
