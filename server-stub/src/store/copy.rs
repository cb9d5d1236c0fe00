//! Copies of the database as files: taken while a server writes, and checked before they get their name.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rusqlite::OpenFlags;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::database::MIGRATIONS;
use super::sql::Connection;
use super::{DATABASE, Owned};

const READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY;
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE;

/// Writes the database of a data directory to a new file that only this user can read; returns its length. A reader's
/// transaction sees one moment, so a server may go on writing meanwhile.
///
/// # Errors
/// No database, the file exists, no room; a copy that is not whole never gets the name.
pub(crate) async fn backup(data: &Path, to: &Path) -> anyhow::Result<u64> {
    let from = data.join(DATABASE);
    ensure!(from.is_file(), "there is no database at {}", from.display());
    ensure!(!to.exists(), "{} exists; a backup overwrites nothing", to.display());
    let partial = with_suffix(to, ".partial");
    // Made by us and still empty: so it has these rights from its first byte on.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial);
    made.with_context(|| format!("cannot create {}", partial.display()))?;
    let written = write(&from, &partial).await.and_then(|()| keep(&partial, to));
    let _ = fs::remove_file(&partial);
    written.with_context(|| format!("no backup of {}", from.display()))
}

async fn write(from: &Path, partial: &Path) -> anyhow::Result<()> {
    let mut connection = read_only(from).await?;
    let name = partial.to_str().context("the file's name is not UTF-8")?;
    sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await?;
    connection.close().await?;
    let mut copy = read_only(partial).await?;
    let found = integrity(&mut copy).await?;
    copy.close().await?;
    ensure!(found.is_empty(), "the copy is damaged: {}", found.join("; "));
    Ok(())
}

/// Syncs the file and gives it its name, unless somebody else has taken that meanwhile.
fn keep(partial: &Path, to: &Path) -> anyhow::Result<u64> {
    let file = File::open(partial)?;
    file.sync_all()?;
    fs::hard_link(partial, to).with_context(|| format!("cannot name it {}", to.display()))?;
    let directory = to.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()?;
    Ok(file.metadata()?.len())
}

/// What a database's file is.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The last migration of its tables.
    pub(crate) version: i64,
    /// The last one that this server has.
    pub(crate) known: i64,
    /// That migration began and did not end.
    pub(crate) unfinished: bool,
    pub(crate) damage: Vec<String>,
}

/// Reads all of it.
pub(crate) async fn examine(file: &Path) -> anyhow::Result<Seen> {
    let mut connection = read_only(file).await?;
    let damage = integrity(&mut connection).await?;
    let last = "SELECT version, success FROM _sqlx_migrations ORDER BY version DESC LIMIT 1";
    let last: Option<(i64, bool)> = sqlx::query_as(last)
        .fetch_optional(&mut connection)
        .await
        .with_context(|| format!("{} is no database of this server", file.display()))?;
    connection.close().await?;
    let (version, success) = last.unwrap_or((0, true));
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    Ok(Seen { version, known, unfinished: !success, damage })
}

/// Puts a backup into a data directory on which no server runs. What was there is kept; returns its name.
///
/// # Errors
/// A server runs; the backup is damaged, or of a newer server; no room.
pub(crate) async fn restore(from: &Path, data: &Path) -> anyhow::Result<Option<PathBuf>> {
    let seen = examine(from).await?;
    ensure!(seen.damage.is_empty(), "{} is damaged: {}", from.display(), seen.damage.join("; "));
    ensure!(
        seen.version <= seen.known && !seen.unfinished,
        "{} has tables of version {}; this server knows {}",
        from.display(),
        seen.version,
        seen.known
    );
    fs::create_dir_all(data).with_context(|| format!("cannot create {}", data.display()))?;
    let _owned = Owned::take(data)?;
    let here = data.join(DATABASE);
    let partial = with_suffix(&here, ".partial");
    let _ = fs::remove_file(&partial);
    let copied = copy_for(&here, from, &partial).await;
    if let Err(error) = copied {
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    let mut former = None;
    if here.exists() {
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
        let aside = with_suffix(&here, &format!(".before-restore-{at}"));
        ensure!(!aside.exists(), "{} exists", aside.display());
        // The log first: without its main file it belongs to nothing, and never to the restored one.
        for suffix in ["-wal", "-shm", ""] {
            let (old, new) = (with_suffix(&here, suffix), with_suffix(&aside, suffix));
            if old.exists() {
                fs::rename(&old, &new).with_context(|| format!("cannot move {}", old.display()))?;
            }
        }
        former = Some(aside);
    }
    fs::rename(&partial, &here)?;
    File::open(data)?.sync_all()?;
    Ok(former)
}

/// The backup's copy, its flags' version above the one that players have seen: they take no older one.
async fn copy_for(here: &Path, from: &Path, partial: &Path) -> anyhow::Result<()> {
    let mut source = File::open(from).with_context(|| format!("cannot open {}", from.display()))?;
    let mut target = OpenOptions::new().write(true).create_new(true).mode(0o600).open(partial)?;
    std::io::copy(&mut source, &mut target)?;
    target.sync_all()?;
    let seen = async {
        let mut connection = Connection::Here(rusqlite::Connection::open_with_flags(here, READ)?);
        let version = super::flags::version(&mut connection).await?;
        anyhow::Ok(version)
    };
    // A former database that cannot be read says nothing.
    let seen = if here.exists() { seen.await.unwrap_or(0) } else { 0 };
    let mut connection = Connection::Here(rusqlite::Connection::open_with_flags(partial, WRITE)?);
    super::flags::raise_version_above(&mut connection, seen).await?;
    connection.close();
    File::open(partial)?.sync_all()?;
    Ok(())
}

pub(crate) async fn read_only(file: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(file).read_only(true).disable_statement_logging();
    options.connect().await.with_context(|| format!("cannot open {}", file.display()))
}

/// What SQLite finds wrong with a database; nothing where it is whole.
pub(crate) async fn integrity(connection: &mut SqliteConnection) -> Result<Vec<String>, sqlx::Error> {
    let found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(20)").fetch_all(connection).await?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
