//! The keys of the game's backends: made by an operator, shown once, known here by their hashes alone. A key has a name, by which the
//! audit table knows its holder, and scopes, beyond which it opens nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use castline::protocol::{encode, is_player_id};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::flags::{Refused, Wrong};
use super::{Engine, now_ms};
use crate::store::StoreError;
use crate::store::api_keys::{self as table, ApiKeyRow};
use crate::store::audit::{self, Author};

/// What every key begins with, so that scanners for lost secrets find it: `cstl_` and 64 hex digits.
const PREFIX: &str = "cstl_";
/// Keys at most, revoked ones included.
const MAX_KEYS: usize = 500;

/// What a key may be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Scope {
    /// Push offers.
    Offers,
    /// Set traits.
    Traits,
    /// Say what was paid.
    Revenue,
    /// Ban and let in again.
    Bans,
}

/// A good key.
#[derive(Debug)]
pub(crate) struct ApiKey {
    pub(crate) name: String,
    scopes: Vec<Scope>,
    /// Unix ms; 0: not since it was read from the table.
    used: AtomicI64,
}

impl ApiKey {
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// The good keys by their hashes. Whoever looks one up by the hash of what he was given learns nothing from the time it takes.
#[derive(Debug, Default)]
pub(super) struct ApiKeys {
    good: RwLock<HashMap<Vec<u8>, Arc<ApiKey>>>,
    changing: tokio::sync::Mutex<()>,
}

/// The body of `POST /admin/api-keys`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    name: String,
    scopes: Vec<Scope>,
}

/// A key that was just made: the one time that it is seen.
#[derive(Serialize)]
pub(crate) struct MadeApiKey {
    name: String,
    scopes: Vec<Scope>,
    key: String,
}

/// A key as operators read it later.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApiKeyView {
    name: String,
    scopes: Vec<Scope>,
    created_at: i64,
    created_by: String,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
}

fn scopes(row: &ApiKeyRow) -> Vec<Scope> {
    // A scope that is unknown, from a later version, opens nothing here.
    let words: Vec<serde_json::Value> = serde_json::from_str(&row.scopes).unwrap_or_default();
    words.into_iter().filter_map(|word| serde_json::from_value(word).ok()).collect()
}

impl Engine {
    /// Makes a key.
    pub(crate) async fn make_api_key(&self, new: NewApiKey, author: Author) -> Result<MadeApiKey, Refused> {
        if !is_player_id(&new.name) {
            let detail = format!("{} bytes; it must be 1 to 64 of A-Z a-z 0-9 _ . : -", new.name.len());
            return Err(Wrong::new("name", detail).into());
        }
        let mut scopes = new.scopes;
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(Wrong::new("scopes", "empty; a key without a scope opens nothing").into());
        }
        let key = format!("{PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
        let row = ApiKeyRow {
            name: new.name.clone(),
            hash: Sha256::digest(key.as_bytes()).to_vec(),
            scopes: encode(&scopes),
            created_at: now_ms(),
            created_by: author.who.clone(),
            last_used_at: None,
            revoked_at: None,
        };
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let known = table::seen(c).await?;
                if known.iter().any(|other| other.name == row.name) {
                    let detail = "a key of this name is there or was; a name is given once";
                    return Ok(Err(Wrong::new("name", detail)));
                }
                if known.len() >= MAX_KEYS {
                    return Ok(Err(Wrong::new(
                        "name",
                        format!("there are {MAX_KEYS} keys, which is the limit"),
                    )));
                }
                table::insert(c, &row).await?;
                let after = format!(r#"{{"scopes":{}}}"#, row.scopes);
                let change = audit::Change {
                    action: "make API key",
                    subject: &row.name,
                    before: None,
                    after: Some(&after),
                };
                audit::record(c, &author, change, row.created_at).await?;
                Ok(Ok(()))
            })
        });
        job.await??;
        self.reload_api_keys().await?;
        Ok(MadeApiKey { name: new.name, scopes, key })
    }

    /// From now on the key opens nothing. It stays on the list.
    pub(crate) async fn revoke_api_key(&self, name: &str, author: Author) -> Result<(), Refused> {
        let (subject, now) = (name.to_owned(), now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                if !table::revoke(c, &subject, now).await? {
                    return Ok(false);
                }
                let change =
                    audit::Change { action: "revoke API key", subject: &subject, ..audit::Change::default() };
                audit::record(c, &author, change, now).await?;
                Ok(true)
            })
        });
        let found = job.await?;
        self.reload_api_keys().await?;
        found.then_some(()).ok_or_else(|| Refused::NotFound("there is no good key of this name".to_owned()))
    }

    /// All keys by name, revoked ones too.
    pub(crate) async fn list_api_keys(&self) -> Result<Vec<ApiKeyView>, Refused> {
        self.note_api_key_use().await?;
        let rows = table::all(&mut self.store.reader().await?).await?;
        let view = |row: ApiKeyRow| ApiKeyView {
            scopes: scopes(&row),
            name: row.name,
            created_at: row.created_at,
            created_by: row.created_by,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// The key, if it is one and good.
    pub(crate) fn api_key(&self, given: &str) -> Option<Arc<ApiKey>> {
        if !given.starts_with(PREFIX) {
            return None;
        }
        let good = self.api_keys.good.read().unwrap_or_else(PoisonError::into_inner);
        let key = good.get(&Sha256::digest(given.as_bytes())[..])?.clone();
        key.used.store(now_ms(), Ordering::Relaxed);
        Some(key)
    }

    /// Reads the keys from the store, for what this or another process has changed.
    pub(crate) async fn reload_api_keys(&self) -> Result<(), StoreError> {
        let _changing = self.api_keys.changing.lock().await;
        let rows = table::all(&mut self.store.reader().await?).await?;
        let mut good = self.api_keys.good.write().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *good);
        for row in rows.into_iter().filter(|row| row.revoked_at.is_none()) {
            let used = before.remove(&row.hash).map_or(0, |key| key.used.load(Ordering::Relaxed));
            let key = ApiKey { scopes: scopes(&row), name: row.name, used: AtomicI64::new(used) };
            good.insert(row.hash, Arc::new(key));
        }
        Ok(())
    }

    /// Writes down when keys were last used: now and then, not at each request.
    pub(crate) async fn note_api_key_use(&self) -> Result<(), StoreError> {
        let used: Vec<(String, i64)> = {
            let good = self.api_keys.good.read().unwrap_or_else(PoisonError::into_inner);
            let swap = |key: &Arc<ApiKey>| (key.name.clone(), key.used.swap(0, Ordering::Relaxed));
            good.values().map(swap).filter(|(_, at)| *at > 0).collect()
        };
        if used.is_empty() {
            return Ok(());
        }
        let job = self.store.write(move |c| {
            Box::pin(async move {
                for (name, at) in &used {
                    table::used(c, name, *at).await?;
                }
                Ok(())
            })
        });
        job.await
    }
}
