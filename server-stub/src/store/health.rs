//! Whether anything can be stored just now, and if not, why.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::sql;

/// Why nothing can be stored just now. None of these is for ever: the writer looks again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Another process holds the lock.
    Locked,
    /// No room on the disk, or `limits.database_bytes` is reached.
    Full,
    /// The file is not there any more.
    Gone,
    /// The file, its directory or its file system may not be written.
    ReadOnly,
    /// Reading or writing fails.
    Io,
    /// What is there is no whole database.
    Damaged,
    /// Too many ask at once.
    Busy,
}

impl Trouble {
    /// The trouble that an error stands for; `None`: the statement's fault, not the database's.
    pub(crate) fn of(error: &sql::Error) -> Option<Trouble> {
        match error {
            sql::Error::Elsewhere(sqlx::Error::PoolTimedOut) => return Some(Trouble::Busy),
            sql::Error::Elsewhere(sqlx::Error::Io(_)) => return Some(Trouble::Io),
            _ => {}
        }
        // The low byte is the primary code: https://sqlite.org/rescode.html
        match error.code()? & 0xff {
            5 | 6 => Some(Trouble::Locked),
            8 => Some(Trouble::ReadOnly),
            10 => Some(Trouble::Io),
            11 | 26 => Some(Trouble::Damaged),
            13 => Some(Trouble::Full),
            14 => Some(Trouble::Gone),
            _ => None,
        }
    }

    /// The same for what came of opening a database.
    pub(super) fn of_opening(error: anyhow::Error) -> Option<Trouble> {
        let error = match error.downcast::<sqlx::Error>() {
            Ok(error) => error.into(),
            Err(error) => error.downcast::<rusqlite::Error>().ok()?.into(),
        };
        Trouble::of(&error)
    }

    /// Whether asking again at once is of no use: the writer's own look decides when it is.
    pub(super) fn stops_all(self) -> bool {
        // Where there is no room, what needs none still works, and what frees some must.
        !matches!(self, Trouble::Full | Trouble::Busy)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::Locked => "the database is locked by another process",
            Trouble::Full => "the database is full",
            Trouble::Gone => "the database's file is gone",
            Trouble::ReadOnly => "the database cannot be written: read-only",
            Trouble::Io => "the database's disk fails",
            Trouble::Damaged => "the database is damaged",
            Trouble::Busy => "the database did not answer in time",
        })
    }
}

/// The state that the writer keeps and everybody may read.
#[derive(Debug, Default)]
pub(crate) struct Health {
    trouble: Mutex<Option<(Trouble, Instant)>>,
    /// Jobs that came to nothing because of a trouble.
    refused: AtomicU64,
}

impl Health {
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.lock().map(|(trouble, _)| trouble)
    }

    /// Jobs that came to nothing because of a trouble, since the start.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Says so in the log once, not for every job.
    pub(super) fn bad(&self, trouble: Trouble, error: Option<&sql::Error>) {
        let mut now = self.lock();
        match *now {
            Some((before, _)) if before == trouble => {}
            before => {
                let error = error.map(tracing::field::display);
                tracing::error!(error, "nothing can be stored: {trouble}");
                *now = Some((trouble, before.map_or_else(Instant::now, |(_, since)| since)));
            }
        }
    }

    pub(super) fn good(&self) {
        if let Some((trouble, since)) = self.lock().take() {
            let ms = since.elapsed().as_millis() as u64;
            tracing::info!(ms, "the database can be written again; it could not, because {trouble}");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Trouble, Instant)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
