//! The database's file: opened once, watched for its disappearance, opened anew when another one has taken its place.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rusqlite::OpenFlags;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use super::health::Trouble;
use super::sql::{self, Connection};
use crate::settings::Settings;

/// The database's file in the data directory.
pub(crate) const DATABASE: &str = "castline.db";
/// Who owns a data directory holds the lock of this file.
const LOCK: &str = "castline.lock";
/// A server that is just ending may take this long.
const HANDOVER: Duration = Duration::from_secs(1);
/// Statements that the writer keeps ready: all that it has.
const STATEMENTS: usize = 256;

pub(crate) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How the file is opened.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) options: SqliteConnectOptions,
    file: PathBuf,
    wait: Duration,
    max_bytes: u64,
}

impl Opening {
    pub(super) fn of(settings: &Settings) -> Opening {
        let file = settings.data.join(DATABASE);
        let wait = Duration::from_millis(settings.timers.database_wait);
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(wait)
            .foreign_keys(false)
            .disable_statement_logging();
        Opening { options, file, wait, max_bytes: settings.limits.database_bytes }
    }

    /// Opens the file and brings its tables up to date.
    pub(super) async fn open(&self, create: bool) -> anyhow::Result<Database> {
        let options = self.options.clone().create_if_missing(create);
        let mut tables = options.connect().await?;
        MIGRATIONS.run(&mut tables).await?;
        tables.close().await?;
        let connection = self.connect()?;
        // After the migrations, which may need room for a moment.
        if self.max_bytes > 0 {
            let bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
            let pages = (self.max_bytes / bytes.max(1) as u64).max(1);
            connection.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
        }
        let identity = Identity::of(&self.file);
        Ok(Database { connection: Connection::Here(connection), opening: self.clone(), identity })
    }

    /// The writer's own connection, to a file whose tables are there.
    fn connect(&self) -> rusqlite::Result<rusqlite::Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(self.wait)?;
        connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF")?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    }
}

/// Bytes of the database with its log, and bytes that are free beside them; 0 for what cannot be learnt.
pub(crate) fn sizes(data: &Path) -> (u64, u64) {
    let length = |name: &str| fs::metadata(data.join(name)).map_or(0, |m| m.len());
    let free = rustix::fs::statvfs(data).map_or(0, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    (length(DATABASE) + length(&format!("{DATABASE}-wal")), free)
}

/// Which files are at the database's path: two equal ones are the same files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    main: Option<(u64, u64)>,
    /// The log beside it, without which what was committed last is lost.
    log: Option<(u64, u64)>,
}

impl Identity {
    fn of(file: &Path) -> Identity {
        let at = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        Identity { main: at(file), log: at(Path::new(&log)) }
    }
}

/// The writer's connection.
pub(super) struct Database {
    pub(super) connection: Connection,
    opening: Opening,
    identity: Identity,
}

impl Database {
    /// Whether the files that the connection writes are still those at the path. SQLite itself would go on writing into files
    /// that nobody will find again.
    pub(super) fn is_in_place(&mut self) -> bool {
        let now = Identity::of(&self.opening.file);
        // The log comes into being with the first transaction.
        if self.identity.log.is_none() && now.main == self.identity.main {
            self.identity.log = now.log;
        }
        now == self.identity
    }

    /// Statements without parameters, one after the other.
    pub(super) fn run(&mut self, statements: &[&'static str]) -> Result<(), sql::Error> {
        statements.iter().try_for_each(|statement| self.connection.run(statement))
    }

    /// Stores something and takes it away again; `Ok`: that went well.
    pub(super) fn probe(&mut self) -> Result<(), (Trouble, Option<sql::Error>)> {
        // Without waiting: whoever asks meanwhile is told at once.
        let _ = self.connection.batch("PRAGMA busy_timeout = 0");
        let stored = self.connection.batch(PROBE);
        if stored.is_err() {
            let _ = self.run(&["ROLLBACK"]);
        }
        let wait = format!("PRAGMA busy_timeout = {}", self.opening.wait.as_millis());
        let _ = self.connection.batch(&wait);
        stored.map_err(|error| (Trouble::of(&error).unwrap_or(Trouble::Io), Some(error)))
    }

    /// Opens the file that is at the path now, where there is one; until then the connection to the lost one is kept, for it
    /// is the last one that has it.
    pub(super) async fn open_anew(&mut self) -> Result<(), Trouble> {
        if !self.opening.file.is_file() {
            return Err(Trouble::Gone);
        }
        // On a thread of its own: the migrator's future is not `Send`.
        let (opening, runtime) = (self.opening.clone(), tokio::runtime::Handle::current());
        let opening = tokio::task::spawn_blocking(move || runtime.block_on(opening.open(false))).await;
        let mut opened = opening.map_err(|_| Trouble::Io)?.map_err(|error| {
            tracing::warn!(
                error = format!("{error:#}"),
                "another database is in the place of the lost one, but"
            );
            Trouble::of_opening(error).unwrap_or(Trouble::Damaged)
        })?;
        std::mem::swap(self, &mut opened);
        opened.connection.close();
        Ok(())
    }
}

/// Needs room for 64 KiB, as any write may, and leaves nothing behind.
const PROBE: &str = "BEGIN IMMEDIATE; DROP TABLE IF EXISTS store_probe; CREATE TABLE store_probe (x BLOB); \
     INSERT INTO store_probe VALUES (randomblob(65536)); COMMIT; \
     BEGIN IMMEDIATE; DROP TABLE store_probe; COMMIT";

/// The data directory belongs to this process as long as it has this.
#[derive(Debug)]
pub(crate) struct Owned {
    _file: File,
}

impl Owned {
    /// Whether a server has the directory. Makes nothing.
    pub(crate) fn look(data: &Path) -> anyhow::Result<bool> {
        let probe = data.join(format!("{LOCK}.probe-{}", std::process::id()));
        File::options()
            .write(true)
            .create_new(true)
            .open(&probe)
            .with_context(|| format!("nothing can be written into {}", data.display()))?;
        fs::remove_file(&probe)?;
        match File::open(data.join(LOCK)) {
            Ok(file) => Ok(matches!(file.try_lock(), Err(TryLockError::WouldBlock))),
            Err(_) => Ok(false),
        }
    }

    /// Takes the directory, or says whose it is.
    pub(crate) fn take(data: &Path) -> anyhow::Result<Owned> {
        let path = data.join(LOCK);
        let mut options = File::options();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.with_context(|| format!("cannot open {}", path.display()))?;
        let until = Instant::now() + HANDOVER;
        loop {
            match file.try_lock() {
                Ok(()) => {
                    file.set_len(0)?;
                    file.rewind()?;
                    file.write_all(std::process::id().to_string().as_bytes())?;
                }
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
                Err(TryLockError::WouldBlock) => {
                    let mut owner = String::new();
                    let _ = file.read_to_string(&mut owner);
                    bail!("{} is in use by another server (process {})", data.display(), owner.trim());
                }
                // A file system without locks is the operator's choice.
                Err(TryLockError::Error(error)) => {
                    tracing::warn!(%error, "the data directory could not be locked: let no second server use it");
                }
            }
            break;
        }
        Ok(Owned { _file: file })
    }
}
