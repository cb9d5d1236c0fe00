//! What is kept: SQLite, and the SQL itself, in the open, a file per subject.
//!
//! There is one writer, a thread of its own, which asks SQLite itself (`sql` says why). A job is a function over the connection; the writer runs as many as are waiting inside one
//! transaction, each within its savepoint, commits once, and only then answers. So every job is atomic, jobs never see
//! each other half done, and what was answered is on disk: `synchronous = FULL` costs one fsync for a whole batch.
//! The store decides nothing about offers or flags beyond what must be atomic; the engine does.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod bans;
pub(crate) mod campaigns;
pub(crate) mod copy;
mod database;
pub(crate) mod events;
pub(crate) mod experiment_days;
pub(crate) mod experiments;
pub(crate) mod flags;
mod health;
pub(crate) mod keys;
pub(crate) mod lookup;
pub(crate) mod offers;
pub(crate) mod players;
pub(crate) mod pool;
pub(crate) mod revenue;
pub(crate) mod sessions;
pub(crate) mod sql;
pub(crate) mod sweep;
pub(crate) mod traits;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqlitePool, SqlitePoolOptions};

use crate::settings::Settings;
use database::Opening;
pub(crate) use database::{DATABASE, Owned, sizes};
use health::Health;
pub(crate) use health::Trouble;
use sql::Connection;
use writer::Writer;
pub(crate) use writer::{BoxedJob, StoreError};

/// A reader that waits longer for its turn is told so.
const READER_WAIT: Duration = Duration::from_secs(5);

/// The database: one writer, a few readers.
pub(crate) struct Store {
    writer: Writer,
    readers: SqlitePool,
    health: Arc<Health>,
    openings: Arc<AtomicU64>,
}

impl Store {
    /// Opens or creates `castline.db` in the data directory and brings its tables up to date.
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Store> {
        let opening = Opening::of(settings);
        let database = opening.open(true).await?;
        let (health, openings) = (Arc::<Health>::default(), Arc::new(AtomicU64::new(1)));
        let opened = Arc::new(Mutex::new(Instant::now()));
        let readers = SqlitePoolOptions::new()
            .max_connections(2)
            .min_connections(0)
            .acquire_timeout(READER_WAIT)
            .before_acquire({
                let opened = opened.clone();
                move |_, meta| {
                    // A reader of the file that was lost is of no use.
                    let since = opened.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
                    Box::pin(async move { Ok(meta.age <= since) })
                }
            })
            .connect_lazy_with(opening.options.clone().create_if_missing(false).read_only(true));
        let anew = {
            let openings = openings.clone();
            move || {
                *opened.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                openings.fetch_add(1, Ordering::Relaxed);
            }
        };
        let writer = Writer::start(database, health.clone(), anew)?;
        Ok(Store { writer, readers, health, openings })
    }

    /// Why nothing can be stored just now; `None`: all is well.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.health.trouble()
    }

    /// Jobs that came to nothing because the database could not be written, since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.health.refused()
    }

    /// How often a database was opened: more than before means that it is another one, or an older state of it.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    /// Runs a job in the writer's transaction and returns what it returned, once that is on disk.
    ///
    /// # Errors
    /// The job's own, which undoes the job alone, or the database's.
    pub(crate) async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxedJob<'c, T> + Send + 'static,
    {
        self.writer.run(job).await
    }

    /// The same without waiting for the result; only a full queue holds the caller up. Failures are logged.
    pub(crate) async fn write_later<F>(&self, what: &'static str, job: F)
    where
        F: for<'c> FnOnce(&'c mut Connection) -> BoxedJob<'c, ()> + Send + 'static,
    {
        self.writer.run_later(what, job, || {}).await;
    }

    /// The same for what must not be lost: where nothing can be stored just now, `unavailable` is called.
    pub(crate) async fn write_later_or<F>(
        &self,
        what: &'static str,
        job: F,
        unavailable: impl FnOnce() + Send + 'static,
    ) where
        F: for<'c> FnOnce(&'c mut Connection) -> BoxedJob<'c, ()> + Send + 'static,
    {
        self.writer.run_later(what, job, unavailable).await;
    }

    /// Jobs that wait for the writer.
    pub(crate) fn waiting_writes(&self) -> usize {
        self.writer.waiting()
    }

    /// A reader of the database as it is at this moment.
    pub(crate) async fn reader(&self) -> Result<Connection, StoreError> {
        Ok(Connection::Elsewhere(self.readers.begin().await.map_err(sql::Error::from)?))
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
