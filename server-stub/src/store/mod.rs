//! What is kept: SQLite, and the SQL itself, in the open, a file per subject.
//!
//! There is one writer. A job is a function over the connection; the writer runs as many as are waiting inside one
//! transaction, each within its savepoint, commits once, and only then answers. So every job is atomic, jobs never see
//! each other half done, and what was answered is on disk: `synchronous = FULL` costs one fsync for a whole batch.
//! The store decides nothing about offers or flags beyond what must be atomic; the engine does.

pub(crate) mod audit;
pub(crate) mod bans;
pub(crate) mod campaigns;
pub(crate) mod copy;
pub(crate) mod events;
pub(crate) mod experiment_days;
pub(crate) mod experiments;
pub(crate) mod flags;
pub(crate) mod keys;
pub(crate) mod offers;
pub(crate) mod players;
pub(crate) mod pool;
pub(crate) mod sessions;
pub(crate) mod sweep;
pub(crate) mod traits;
mod writer;

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use writer::Writer;
pub(crate) use writer::{BoxedJob, StoreError};

/// The database's file in the data directory.
pub(crate) const DATABASE: &str = "castline.db";

/// The database: one writer, a few readers.
pub(crate) struct Store {
    writer: Writer,
    readers: SqlitePool,
}

impl Store {
    /// Opens or creates `castline.db` in the data directory and brings its tables up to date.
    pub(crate) async fn open(directory: &Path) -> anyhow::Result<Store> {
        let options = SqliteConnectOptions::new()
            .filename(directory.join(DATABASE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(false)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        sqlx::migrate!("./migrations").run(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(2)
            .min_connections(0)
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        Ok(Store { writer: Writer::start(connection), readers })
    }

    /// Runs a job in the writer's transaction and returns what it returned, once that is on disk.
    ///
    /// # Errors
    /// The job's own, which undoes the job alone, or the database's.
    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxedJob<'c, T> + Send + 'static,
    {
        self.writer.run(job).await
    }

    /// The same without waiting for the result; only a full queue holds the caller up. Failures are logged.
    pub(crate) async fn write_later<F>(&self, what: &'static str, job: F)
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxedJob<'c, ()> + Send + 'static,
    {
        self.writer.run_later(what, job).await;
    }

    /// Jobs that wait for the writer.
    pub(crate) fn waiting_writes(&self) -> usize {
        self.writer.waiting()
    }

    /// The readers' pool.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Finishes what is queued and closes the files.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

async fn close_connection(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::warn!(%error, "the database did not close cleanly");
    }
}
