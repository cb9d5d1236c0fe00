//! After a time in which nothing could be stored: what is owed to the store, and what is no longer true in memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Engine, now_ms};
use crate::store::{StoreError, Trouble};

/// Sessions whose socket ended while that could not be stored: at most as many as there were sockets.
#[derive(Debug, Default)]
pub(super) struct Owed {
    detached: Mutex<Vec<(Arc<str>, i64, i64)>>,
}

impl Owed {
    pub(super) fn add(&self, session: Arc<str>, epoch: i64, at: i64) {
        self.detached.lock().unwrap_or_else(PoisonError::into_inner).push((session, epoch, at));
    }

    fn take(&self) -> Vec<(Arc<str>, i64, i64)> {
        std::mem::take(&mut *self.detached.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Which opening of the store the memory knows.
#[derive(Debug)]
pub(super) struct Openings(AtomicU64);

impl Openings {
    pub(super) fn known(openings: u64) -> Openings {
        Openings(AtomicU64::new(openings))
    }
}

impl Engine {
    /// Why nothing can be stored just now; `None`: all is well.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.store.trouble()
    }

    /// Writes that came to nothing because the database could not be written, since the start.
    pub(crate) fn refused_writes(&self) -> u64 {
        self.store.refused()
    }

    /// Pays what is owed; called every few seconds, and of no cost where nothing is.
    pub(crate) async fn recover(&self) -> Result<(), StoreError> {
        if self.trouble().is_some() {
            return Ok(());
        }
        let openings = self.store.openings();
        if self.openings.0.load(Ordering::Relaxed) != openings {
            self.start_from_another_database().await?;
            self.openings.0.store(openings, Ordering::Relaxed);
        }
        for (session, epoch, at) in self.owed.take() {
            self.detach(session, epoch, at).await;
        }
        Ok(())
    }

    /// Somebody put another file, a backup most likely, into the place of the lost one. Players know a version of the flags that
    /// it may not have reached, and take none below: so it goes on from there. Sockets whose session it does not
    /// know are sent away at their next request, and log in again.
    async fn start_from_another_database(&self) -> Result<(), StoreError> {
        let (served, now) = (self.configuration().version, now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                crate::store::flags::raise_version_above(c, served).await?;
                crate::store::sessions::detach_all(c, now).await
            })
        });
        job.await?;
        self.plans.forget();
        self.known.forget_all();
        self.reload_bans().await?;
        self.reload_flags().await
    }
}
