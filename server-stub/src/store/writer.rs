//! The one writer: runs queued jobs in shared transactions, and says what could not be stored.
//!
//! Nothing is answered before its transaction is on disk, in the file that is at the path. When the database cannot be written
//! the writer fails what waits, quickly, and looks every [`LOOK`] whether it can be written again.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::database::Database;
use super::health::{Health, Trouble};
use super::sql::{self, Connection};

/// Jobs that may wait; a caller beyond it waits for room.
const QUEUE: usize = 4096;
/// Jobs that share one transaction at most.
const BATCH: usize = 256;
/// How often it is looked whether a database in trouble can be written again.
const LOOK: Duration = Duration::from_millis(500);

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
    /// Nothing can be stored just now.
    Unavailable(Trouble),
    /// The statement's fault: a defect.
    Database(sql::Error),
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
            StoreError::Unavailable(trouble) => trouble.fmt(f),
            StoreError::Database(error) => write!(f, "database: {error}"),
            StoreError::Closed => f.write_str("the store is closed"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<sql::Error> for StoreError {
    fn from(error: sql::Error) -> Self {
        match Trouble::of(&error) {
            Some(trouble) => StoreError::Unavailable(trouble),
            None => StoreError::Database(error),
        }
    }
}

type Running<'c> = Pin<Box<dyn Future<Output = Result<Finish, Option<Trouble>>> + Send + 'c>>;
/// Tells the caller, once it is known whether the commit went well.
type Finish = Box<dyn FnOnce(Result<(), Trouble>) + Send>;

/// A job in the queue. It ends by one of the two.
trait Job: Send {
    fn run<'c>(self: Box<Self>, connection: &'c mut Connection) -> Running<'c>;
    fn refuse(self: Box<Self>, trouble: Trouble);
}

struct Queued<F, A, T> {
    job: F,
    answer: A,
    _returns: std::marker::PhantomData<fn() -> T>,
}

impl<T, F, A> Job for Queued<F, A, T>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut Connection) -> BoxedJob<'c, T> + Send + 'static,
    A: FnOnce(Result<T, StoreError>) + Send + 'static,
{
    fn run<'c>(self: Box<Self>, connection: &'c mut Connection) -> Running<'c> {
        let Queued { job, answer, .. } = *self;
        Box::pin(async move {
            match job(connection).await {
                Ok(value) => Ok(Box::new(move |committed: Result<(), Trouble>| {
                    answer(committed.map(|()| value).map_err(StoreError::Unavailable));
                }) as Finish),
                Err(error) => {
                    let trouble = match error {
                        StoreError::Unavailable(trouble) => Some(trouble),
                        _ => None,
                    };
                    answer(Err(error));
                    Err(trouble)
                }
            }
        })
    }

    fn refuse(self: Box<Self>, trouble: Trouble) {
        (self.answer)(Err(StoreError::Unavailable(trouble)));
    }
}

enum Order {
    Run(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

/// The queue to the writer's thread.
pub(crate) struct Writer {
    queue: mpsc::Sender<Order>,
    /// Goes with the last handle: what is under way then is rolled back, as in a crash.
    _alive: oneshot::Sender<()>,
}

impl Writer {
    /// Starts the thread that owns the connection. A thread and not a task, for it waits in SQLite and for the disk. `anew` is called
    /// when another file was opened.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn start(
        database: Database,
        health: Arc<Health>,
        anew: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Writer> {
        let (queue, orders) = mpsc::channel(QUEUE);
        let (alive, gone) = oneshot::channel::<()>();
        let task = Task { database, health, look_at: Instant::now(), anew: Box::new(anew) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new().name("castline-writer".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = task.work(orders) => {}
                    _ = gone => {}
                }
            });
        })?;
        Ok(Writer { queue, _alive: alive })
    }

    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxedJob<'c, T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.enqueue(job, move |result| drop(answer.send(result))).await?;
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(crate) async fn run_later<F>(
        &self,
        what: &'static str,
        job: F,
        unavailable: impl FnOnce() + Send + 'static,
    ) where
        F: for<'c> FnOnce(&'c mut Connection) -> BoxedJob<'c, ()> + Send + 'static,
    {
        let told = move |result| match result {
            Ok(()) | Err(StoreError::Fenced | StoreError::Closed) => {}
            Err(StoreError::Unavailable(_)) => unavailable(),
            Err(error) => tracing::error!(%error, what, "a write failed"),
        };
        let _ = self.enqueue(job, told).await;
    }

    async fn enqueue<T, F, A>(&self, job: F, answer: A) -> Result<(), StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> BoxedJob<'c, T> + Send + 'static,
        A: FnOnce(Result<T, StoreError>) + Send + 'static,
    {
        let job = Box::new(Queued { job, answer, _returns: std::marker::PhantomData });
        self.queue.send(Order::Run(job)).await.map_err(|_| StoreError::Closed)
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

struct Task {
    database: Database,
    health: Arc<Health>,
    /// When a database in trouble is looked at again.
    look_at: Instant,
    anew: Box<dyn Fn() + Send + Sync>,
}

impl Task {
    async fn work(mut self, mut orders: mpsc::Receiver<Order>) {
        let done = loop {
            let trouble = self.health.trouble();
            let next = match trouble {
                None => orders.recv().await,
                Some(_) => match tokio::time::timeout_at(self.look_at, orders.recv()).await {
                    Ok(next) => next,
                    Err(_) => {
                        self.look().await;
                        continue;
                    }
                },
            };
            let mut next = match (next, trouble) {
                (Some(Order::Run(job)), Some(trouble)) if trouble.stops_all() => {
                    self.refuse(job, trouble);
                    if Instant::now() >= self.look_at {
                        self.look().await;
                    }
                    continue;
                }
                (next, _) => next,
            };
            let mut jobs = Vec::new();
            let mut closing = None;
            while let Some(order) = next {
                match order {
                    Order::Run(job) => jobs.push(job),
                    Order::Close(done) => {
                        closing = Some(done);
                        break;
                    }
                }
                next = if jobs.len() < BATCH { orders.try_recv().ok() } else { None };
            }
            if jobs.is_empty() {
                break closing;
            }
            self.batch(jobs).await;
            if closing.is_some() {
                break closing;
            }
        };
        orders.close();
        self.database.connection.close();
        if let Some(done) = done {
            let _ = done.send(());
        }
    }

    /// Runs the jobs in one transaction.
    async fn batch(&mut self, jobs: Vec<Box<dyn Job>>) {
        if !self.database.is_in_place() {
            return self.give_up(jobs, Vec::new(), Trouble::Gone, None);
        }
        if let Err(error) = self.database.run(&["BEGIN IMMEDIATE", "SAVEPOINT job"]) {
            let trouble = Trouble::of(&error).unwrap_or(Trouble::Io);
            return self.give_up(jobs, Vec::new(), trouble, Some(&error));
        }
        let mut finishes = Vec::new();
        let mut trouble = None;
        let mut jobs = jobs.into_iter();
        while let Some(job) = jobs.next() {
            let running = AssertUnwindSafe(job.run(&mut self.database.connection)).catch_unwind();
            // The caller of a job that panicked is told by the end of its channel.
            let outcome = running.await.unwrap_or_else(|_| {
                tracing::error!("a job of the store panicked; it was undone");
                Err(None)
            });
            let end: &[&'static str] = match (&outcome, jobs.len()) {
                (Ok(_), 0) => &["RELEASE job", "COMMIT"],
                (Ok(_), _) => &["RELEASE job", "SAVEPOINT job"],
                (Err(_), 0) => &["ROLLBACK TO job", "RELEASE job", "COMMIT"],
                (Err(_), _) => &["ROLLBACK TO job"],
            };
            match outcome {
                Ok(finish) => finishes.push(finish),
                Err(seen) => trouble = trouble.or(seen),
            }
            if let Err(error) = self.database.run(end) {
                // The transaction is no more; what it had done is undone. SQLite ends one by itself where there is no room.
                let _ = self.database.run(&["ROLLBACK"]);
                let trouble = trouble.or(Trouble::of(&error)).unwrap_or(Trouble::Io);
                return self.give_up(jobs.collect(), finishes, trouble, Some(&error));
            }
        }
        if !self.database.is_in_place() {
            return self.give_up(Vec::new(), finishes, Trouble::Gone, None);
        }
        for finish in finishes {
            finish(Ok(()));
        }
        if let Some(trouble) = trouble {
            self.health.count_refused();
            self.bad(trouble, None);
        }
    }

    fn give_up(
        &mut self,
        jobs: Vec<Box<dyn Job>>,
        finishes: Vec<Finish>,
        trouble: Trouble,
        error: Option<&sql::Error>,
    ) {
        self.bad(trouble, error);
        for finish in finishes {
            self.health.count_refused();
            finish(Err(trouble));
        }
        for job in jobs {
            self.refuse(job, trouble);
        }
    }

    fn refuse(&self, job: Box<dyn Job>, trouble: Trouble) {
        self.health.count_refused();
        job.refuse(trouble);
    }

    fn bad(&mut self, trouble: Trouble, error: Option<&sql::Error>) {
        if self.health.trouble().is_none() {
            self.look_at = Instant::now() + LOOK;
        }
        self.health.bad(trouble, error);
    }

    /// Looks whether the database can be written again.
    async fn look(&mut self) {
        self.look_at = Instant::now() + LOOK;
        if !self.database.is_in_place() {
            if let Err(trouble) = self.database.open_anew().await {
                return self.health.bad(trouble, None);
            }
            (self.anew)();
            tracing::warn!("the database's file was another one; it is used from now on");
        }
        match self.database.probe() {
            Ok(()) => self.health.good(),
            Err((trouble, error)) => self.health.bad(trouble, error.as_ref()),
        }
    }
}
