//! Copies of the database as files: taken while a server writes, and checked before they get their name.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::DATABASE;

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
