//! The one writer: runs queued jobs in shared transactions.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use sqlx::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use super::close_connection;

/// Jobs that may wait; a caller beyond it waits for room.
const QUEUE: usize = 4096;
/// Jobs that share one transaction at most.
const BATCH: usize = 256;

/// What a job returns while it runs.
pub(crate) type BoxedJob<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// Why a job came to nothing.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// A newer socket holds the session, or the session has ended: nothing was written.
    Fenced,
    /// The idempotency key belongs to another request.
    KeyMismatch,
    /// Refused for what it says; the text is for the caller.
    Refused(String),
    /// The same for one member, which is named.
    RefusedAt(&'static str, String),
    /// The database's fault.
    Database(sqlx::Error),
    /// The store is closed.
    Closed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Fenced => f.write_str("the session belongs to a newer socket"),
            StoreError::KeyMismatch => f.write_str("the idempotency key was used for another request"),
            StoreError::Refused(why) => f.write_str(why),
            StoreError::RefusedAt(field, why) => write!(f, "{field}: {why}"),
            StoreError::Database(error) => write!(f, "database: {error}"),
            StoreError::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::Database(error)
    }
}

type Running<'c> = Pin<Box<dyn Future<Output = Result<Finish, ()>> + Send + 'c>>;
/// Tells the caller, once it is known whether the commit went well.
type Finish = Box<dyn FnOnce(bool) + Send>;
type Job = Box<dyn for<'c> FnOnce(&'c mut SqliteConnection) -> Running<'c> + Send>;

enum Order {
    Run(Job),
    Close(oneshot::Sender<()>),
}

/// The queue to the writer's task.
pub(crate) struct Writer {
    queue: mpsc::Sender<Order>,
}

impl Writer {
    /// Starts the task that owns the connection.
    pub(crate) fn start(connection: SqliteConnection) -> Writer {
        let (queue, orders) = mpsc::channel(QUEUE);
        tokio::spawn(work(connection, orders));
        Writer { queue }
    }

    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxedJob<'c, T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.enqueue(job, move |result| drop(answer.send(result))).await?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(crate) async fn run_later<F>(&self, what: &'static str, job: F)
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxedJob<'c, ()> + Send + 'static,
    {
        let told = move |result| match result {
            Ok(()) | Err(StoreError::Fenced | StoreError::Closed) => {}
            Err(error) => tracing::error!(%error, what, "a write failed"),
        };
        let _ = self.enqueue(job, told).await;
    }

    async fn enqueue<T, F, A>(&self, job: F, answer: A) -> Result<(), StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxedJob<'c, T> + Send + 'static,
        A: FnOnce(Result<T, StoreError>) + Send + 'static,
    {
        let run: Job = Box::new(move |connection| {
            Box::pin(async move {
                match job(connection).await {
                    Ok(value) => Ok(Box::new(move |committed| {
                        answer(if committed { Ok(value) } else { Err(StoreError::Closed) });
                    }) as Finish),
                    Err(error) => {
                        answer(Err(error));
                        Err(())
                    }
                }
            })
        });
        self.queue.send(Order::Run(run)).await.map_err(|_| StoreError::Closed)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    pub(crate) async fn close(&self) {
        let (done, finished) = oneshot::channel();
        if self.queue.send(Order::Close(done)).await.is_ok() {
            let _ = finished.await;
        }
    }
}

async fn work(mut connection: SqliteConnection, mut orders: mpsc::Receiver<Order>) {
    let mut closing = None;
    while closing.is_none() {
        let Some(first) = orders.recv().await else { break };
        let mut next = Some(first);
        if let Err(error) = execute(&mut connection, "BEGIN IMMEDIATE").await {
            // The callers' answers are dropped, which they read as `Closed`.
            tracing::error!(%error, "no transaction could be begun");
            continue;
        }
        let mut finishes = Vec::new();
        let mut count = 0;
        while let Some(order) = next.take() {
            match order {
                Order::Run(job) => {
                    if let Some(finish) = in_savepoint(&mut connection, job).await {
                        finishes.push(finish);
                    }
                    count += 1;
                    if count < BATCH {
                        next = orders.try_recv().ok();
                    }
                }
                Order::Close(done) => closing = Some(done),
            }
        }
        let committed = match execute(&mut connection, "COMMIT").await {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "a transaction was not committed");
                let _ = execute(&mut connection, "ROLLBACK").await;
                false
            }
        };
        for finish in finishes {
            finish(committed);
        }
    }
    orders.close();
    close_connection(connection).await;
    if let Some(done) = closing {
        let _ = done.send(());
    }
}

async fn in_savepoint(connection: &mut SqliteConnection, job: Job) -> Option<Finish> {
    if let Err(error) = execute(connection, "SAVEPOINT job").await {
        tracing::error!(%error, "no savepoint could be set");
        return None;
    }
    let outcome = job(connection).await;
    let end = if outcome.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    if let Err(error) = execute(connection, end).await {
        tracing::error!(%error, "a savepoint could not be closed");
        return None;
    }
    outcome.ok()
}

async fn execute(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}
