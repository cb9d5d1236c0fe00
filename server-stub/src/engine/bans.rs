//! Who may not play. The list is kept in memory, so that no request reads the database for it, and read anew now and then for what
//! another process has changed. A ban ends live sockets at once (4503), and lapses by the clock, without anybody's doing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use castline::protocol::encode;
use serde::{Deserialize, Serialize};

use super::flags::{Refused, Wrong};
use super::{Engine, now_ms};
use crate::bus::Note;
use crate::store::StoreError;
use crate::store::audit::{self, Author};
use crate::store::bans::{self as table, BanRow};

/// Bans at once: what memory and a reading of all of them are bounded by.
const MAX_BANS: i64 = 100_000;
/// Bytes of a reason.
const MAX_REASON: usize = 512;
/// The year 9999, Unix ms.
const LAST_MS: i64 = 253_402_300_799_000;

/// The bans in force.
#[derive(Debug, Default)]
pub(super) struct BanList {
    /// Until when, by player; `None`: for good.
    players: RwLock<HashMap<String, Option<i64>>>,
    /// Whoever changes the list or reads it anew, so that memory and table agree.
    changing: tokio::sync::Mutex<()>,
}

impl BanList {
    pub(super) fn holds(&self, player: &str, now: i64) -> bool {
        self.read().get(player).is_some_and(|until| until.is_none_or(|until| now < until))
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<String, Option<i64>>> {
        self.players.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Option<i64>>> {
        self.players.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has lapsed takes no more room.
    pub(super) fn forget_lapsed(&self, now: i64) {
        self.write().retain(|_, until| until.is_none_or(|until| now < until));
    }
}

/// The body of `PUT /admin/bans/{player}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewBan {
    /// For operators; players never see it.
    reason: String,
    /// Unix ms; without: for good.
    #[serde(default)]
    until: Option<i64>,
}

impl NewBan {
    fn check(&self, now: i64) -> Result<(), Wrong> {
        let bytes = self.reason.len();
        if !(1..=MAX_REASON).contains(&bytes) || self.reason.chars().any(char::is_control) {
            let detail = format!("{bytes} bytes; it must be 1 to {MAX_REASON}, without control characters");
            return Err(Wrong::new("reason", detail));
        }
        match self.until {
            Some(until) if until <= now => Err(Wrong::new("until", format!("{until}; it is {now} already"))),
            Some(until) if until > LAST_MS => {
                Err(Wrong::new("until", format!("{until}; the limit is {LAST_MS}, Unix ms")))
            }
            _ => Ok(()),
        }
    }
}

/// A ban as operators read it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BanView {
    player: String,
    reason: String,
    /// `null`: for good.
    until: Option<i64>,
    banned_at: i64,
    who: String,
}

impl BanView {
    fn of(row: BanRow) -> BanView {
        let BanRow { user_id: player, reason, until, banned_at, who } = row;
        BanView { player, reason, until, banned_at, who }
    }

    /// A ban that has not lapsed.
    pub(super) fn in_force(row: BanRow, now: i64) -> Option<BanView> {
        in_force(row, now).map(BanView::of)
    }
}

fn in_force(row: BanRow, now: i64) -> Option<BanRow> {
    row.until.is_none_or(|until| now < until).then_some(row)
}

fn not_banned(player: &str) -> Refused {
    Refused::NotFound(format!("{player} is not banned"))
}

impl Engine {
    /// Bans a player, or changes his ban. His sockets are closed before this returns, or just after.
    pub(crate) async fn ban(&self, player: &str, ban: NewBan, author: Author) -> Result<(), Refused> {
        let now = now_ms();
        ban.check(now)?;
        let _changing = self.bans.changing.lock().await;
        let row = BanRow {
            user_id: player.to_owned(),
            reason: ban.reason,
            until: ban.until,
            banned_at: now,
            who: author.who.clone(),
        };
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let before = table::get(&mut *c, &row.user_id).await?.and_then(|row| in_force(row, now));
                if before.is_none() && table::count(c).await? >= MAX_BANS {
                    let why = format!("{MAX_BANS} players are banned, which is the limit");
                    return Ok(Err(Wrong::new("player", why)));
                }
                table::put(c, &row).await?;
                let (before, after) =
                    (before.map(|row| encode(&BanView::of(row))), encode(&BanView::of(row.clone())));
                let change = audit::Change {
                    action: "ban player",
                    subject: &row.user_id,
                    before: before.as_deref(),
                    after: Some(&after),
                };
                audit::record(c, &author, change, now).await?;
                Ok(Ok(()))
            })
        });
        job.await??;
        self.bans.write().insert(player.to_owned(), ban.until);
        self.bus.publish(&Note::Banned { player: player.into() });
        Ok(())
    }

    /// Lets a player in again.
    pub(crate) async fn unban(&self, player: &str, author: Author) -> Result<(), Refused> {
        let _changing = self.bans.changing.lock().await;
        let (id, now) = (player.to_owned(), now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let before = table::get(&mut *c, &id).await?.and_then(|row| in_force(row, now));
                let Some(before) = before else { return Ok(false) };
                table::delete(c, &id).await?;
                let before = encode(&BanView::of(before));
                let change = audit::Change {
                    action: "unban player",
                    subject: &id,
                    before: Some(&before),
                    after: None,
                };
                audit::record(c, &author, change, now).await?;
                Ok(true)
            })
        });
        let found = job.await?;
        self.bans.write().remove(player);
        found.then_some(()).ok_or_else(|| not_banned(player))
    }

    /// A player's ban.
    pub(crate) async fn ban_of(&self, player: &str) -> Result<BanView, Refused> {
        let row = table::get(&mut self.store.reader().await?, player)
            .await?
            .and_then(|row| in_force(row, now_ms()));
        row.map(BanView::of).ok_or_else(|| not_banned(player))
    }

    /// Bans by player, after this one, and whether there are more.
    pub(crate) async fn bans(&self, after: &str, limit: usize) -> Result<(Vec<BanView>, bool), Refused> {
        let mut rows = table::page(&mut self.store.reader().await?, after, limit + 1, now_ms()).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok((rows.into_iter().map(BanView::of).collect(), more))
    }

    /// Reads the list from the store; whoever is new on it is told.
    pub(crate) async fn reload_bans(&self) -> Result<(), StoreError> {
        let _changing = self.bans.changing.lock().await;
        let read: HashMap<String, Option<i64>> =
            table::all(&mut self.store.reader().await?, now_ms()).await?.into_iter().collect();
        let before = std::mem::replace(&mut *self.bans.write(), read.clone());
        for player in read.into_keys().filter(|player| !before.contains_key(player)) {
            self.bus.publish(&Note::Banned { player: Arc::from(player) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_lapses_by_the_clock() {
        let list = BanList::default();
        list.write().extend([("a".to_owned(), None), ("b".to_owned(), Some(100))]);
        assert!(list.holds("a", i64::MAX) && list.holds("b", 99));
        assert!(!list.holds("b", 100) && !list.holds("c", 0));
        list.forget_lapsed(100);
        assert_eq!(list.read().keys().collect::<Vec<_>>(), ["a"]);
    }
}
