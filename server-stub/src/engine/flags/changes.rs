//! What an operator's change does: checked against what the writer sees, stored with its history in one transaction, in force before
//! it is answered, and told to every socket. Also how the configuration and the traits get into memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use castline::protocol::encode;
use castline::protocol::limits::MAX_FLAGS_BYTES;
use castline::protocol::messages::FlagsChanged;
use serde::Serialize;
use serde_json::value::RawValue;

use super::configuration::Configuration;
use super::definition::FlagDefinition;
use super::known::{Asked, Known, Traits};
use super::{Wrong, parse_version};
use crate::bus::Note;
use crate::engine::segments::{DAY_MS, Segment};
use crate::engine::{Engine, Failure, now_ms};
use crate::store::audit::{self, Author};
use crate::store::flags::{self as table, Change as Recorded, FlagRow};
use crate::store::sql::Connection;
use crate::store::{StoreError, campaigns, players, traits as trait_table};

/// Traits of a player.
const MAX_TRAITS: usize = 16;
/// Bytes of a trait's value, as text.
const MAX_TRAIT: usize = 256;

/// What to do with a flag.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Create or replace.
    Put(Box<FlagDefinition>),
    Delete,
    /// Make it again what it was in this version of the configuration.
    Rollback(i64),
}

impl Change {
    fn action(&self) -> &'static str {
        match self {
            Change::Put(_) => "put flag",
            Change::Delete => "delete flag",
            Change::Rollback(_) => "roll back flag",
        }
    }
}

/// Why nothing was changed.
#[derive(Debug)]
pub(crate) enum Refused {
    /// What was asked for cannot be.
    Wrong(Wrong),
    /// There is no such thing; the text says what.
    NotFound(String),
    /// The store's affair.
    Failure(Failure),
}

impl From<Wrong> for Refused {
    fn from(wrong: Wrong) -> Self {
        Refused::Wrong(wrong)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused::Failure(failure)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Refused::Failure(error.into())
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong(wrong) => Failure::invalid(wrong.to_string()),
            Refused::NotFound(what) => Failure::new(castline::protocol::Code::NotFound, what),
            Refused::Failure(failure) => failure,
        }
    }
}

/// A flag as operators read it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagView {
    name: String,
    /// Unix milliseconds.
    updated_at: i64,
    /// The longest that it can be in an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    definition: Option<FlagDefinition>,
    /// Why players do not see it, where someone wrote nonsense into the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    malformed: Option<String>,
}

impl FlagView {
    fn of(row: FlagRow) -> FlagView {
        let read = FlagDefinition::from_row(&row).and_then(|d| d.check(&row.flag_name).map(|()| d));
        let (definition, malformed) = match read {
            Ok(definition) => (Some(definition), None),
            Err(wrong) => (None, Some(wrong.to_string())),
        };
        let bytes = definition.as_ref().map(|d| d.longest(&row.flag_name));
        FlagView { updated_at: row.updated_at, bytes, definition, malformed, name: row.flag_name }
    }
}

/// All flags, and how near they are to the budget.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagList {
    version: String,
    worst_case_bytes: usize,
    limit_bytes: usize,
    flags: Vec<FlagView>,
}

/// A line of a flag's history, the latest first.
#[derive(Debug, Serialize)]
pub(crate) struct HistoryLine {
    version: String,
    at: i64,
    who: String,
    address: String,
    action: String,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
}

impl HistoryLine {
    fn of(line: Recorded) -> HistoryLine {
        let raw = |text: Option<String>| text.and_then(|text| RawValue::from_string(text).ok());
        HistoryLine {
            version: format!("v{}", line.version),
            at: line.at,
            who: line.who,
            address: line.address,
            action: line.action,
            before: raw(line.before),
            after: raw(line.after),
        }
    }
}

/// What a flag was in an older version of the configuration.
fn former(name: &str, to: i64, now: i64, found: Option<Option<String>>) -> Result<FlagDefinition, Refused> {
    if to > now {
        return Err(Wrong::new("to", format!("v{to}; the configuration is at v{now}")).into());
    }
    match found {
        None => Err(Refused::NotFound(format!("no change of a flag {name:?} is recorded"))),
        Some(None) => Err(Wrong::new("to", format!("in v{to} there was no flag {name:?}")).into()),
        Some(Some(text)) => serde_json::from_str(&text)
            .map_err(|e| Wrong::new("to", format!("what is recorded for v{to} cannot be read: {e}")).into()),
    }
}

/// Writes a change, with its history and its line in the audit table, within the caller's transaction, if the flag then fits the
/// others. `None` deletes. The new configuration must be put in force by [`Engine::enforce`] when the transaction is on disk.
pub(crate) async fn apply(
    c: &mut Connection,
    name: &str,
    after: Option<FlagDefinition>,
    action: &str,
    author: &Author,
    now: i64,
) -> Result<Result<Configuration, Wrong>, StoreError> {
    // Checked against what the writer sees, so that two changes at once cannot pass the budget, or close a circle, together.
    let rows = table::all(c).await?;
    let before = rows.iter().find(|row| row.flag_name == name);
    let mut all = Configuration::of(table::version(c).await?, &rows, segments(c).await?);
    let checked = match &after {
        Some(definition) => all.set(name, definition.clone()),
        None => all.remove(name),
    };
    if let Err(wrong) = checked {
        return Ok(Err(wrong));
    }
    match &after {
        Some(definition) => table::put(c, &definition.to_row(name, now)).await?,
        None => table::delete(c, name).await?,
    }
    all.version = table::raise_version(c).await?;
    let after = after.as_ref().map(encode);
    let recorded = Recorded {
        version: all.version,
        at: now,
        who: author.who.clone(),
        address: author.address.clone(),
        action: action.to_owned(),
        before: before.and_then(|row| FlagDefinition::from_row(row).ok()).as_ref().map(encode),
        after,
    };
    table::record(c, name, &recorded).await?;
    let (before, after) = (recorded.before.as_deref(), recorded.after.as_deref());
    audit::record(c, author, audit::Change { action, subject: name, before, after }, now).await?;
    Ok(Ok(all))
}

/// The configuration as the store has it, and its rows.
async fn load(c: &mut Connection) -> Result<(Configuration, Vec<FlagRow>), StoreError> {
    let (version, rows) = (table::version(&mut *c).await?, table::all(&mut *c).await?);
    Ok((Configuration::of(version, &rows, segments(&mut *c).await?), rows))
}

/// All segments. A malformed one is as if it were not there.
async fn segments(c: &mut Connection) -> Result<BTreeMap<String, Segment>, StoreError> {
    let rows = campaigns::segments(c).await?;
    Ok(rows.into_iter().filter_map(|(name, body)| Some((name, serde_json::from_str(&body).ok()?))).collect())
}

/// A segment was written, in the caller's transaction: if a flag asks for it, this is a new version of the configuration, to be put in
/// force by [`Engine::enforce`] when the transaction is on disk.
pub(crate) async fn segment_changed(
    c: &mut Connection,
    name: &str,
) -> Result<Option<Configuration>, StoreError> {
    let rows = table::all(c).await?;
    let mut all = Configuration::of(table::version(c).await?, &rows, segments(c).await?);
    if all.using_segment(name).next().is_none() {
        return Ok(None);
    }
    all.version = table::raise_version(c).await?;
    Ok(Some(all))
}

/// The flags that ask for a segment.
pub(crate) async fn flags_using_segment(c: &mut Connection, name: &str) -> Result<Vec<String>, StoreError> {
    let rows = table::all(c).await?;
    let all = Configuration::of(table::version(c).await?, &rows, BTreeMap::new());
    Ok(all.using_segment(name).map(str::to_owned).collect())
}

/// Reads what is asked for about a player.
async fn read_known(c: &mut Connection, player: &str, asked: &Asked) -> Result<Known, StoreError> {
    let mut known = Known::default();
    if asked.traits {
        known.traits = trait_table::known(&mut *c, player).await?;
    }
    if let Some(days) = asked.events.values().max() {
        let today = now_ms().div_euclid(DAY_MS);
        for (name, day, count) in players::event_days(&mut *c, player, today - i64::from(*days)).await? {
            if asked.events.contains_key(&name) {
                known.history.entry(name).or_default().push((day, count));
            }
        }
    }
    Ok(known)
}

impl Engine {
    /// The flag configuration in force.
    pub(crate) fn configuration(&self) -> Arc<Configuration> {
        self.flags.current()
    }

    /// Reads the configuration from the store; says so to everybody if it is a newer one.
    pub(crate) async fn reload_flags(&self) -> Result<(), StoreError> {
        let configuration = load(&mut self.store.reader().await?).await?.0;
        let (version, first) = (configuration.version, self.flags.current().version == 0);
        if self.flags.replace(configuration) && !first {
            self.announce_flags(version);
        }
        Ok(())
    }

    /// Creates or replaces a flag in the process's own name. Returns the new configuration version.
    pub(crate) async fn put_flag(&self, name: &str, flag: FlagDefinition) -> Result<String, Failure> {
        Ok(self.change_flag(name, Change::Put(Box::new(flag)), Author::within("embedded")).await?)
    }

    /// Changes a flag. Returns the new configuration version.
    pub(crate) async fn change_flag(
        &self,
        name: &str,
        change: Change,
        author: Author,
    ) -> Result<String, Refused> {
        let (name, now) = (name.to_owned(), now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let action = change.action();
                let after = match change {
                    Change::Put(definition) => Some(*definition),
                    Change::Delete if !table::exists(c, &name).await? => {
                        return Ok(Err(Refused::NotFound(format!("there is no flag {name:?}"))));
                    }
                    Change::Delete => None,
                    Change::Rollback(to) => {
                        let version = table::version(c).await?;
                        match former(&name, to, version, table::state_at(c, &name, to).await?) {
                            Ok(definition) => Some(definition),
                            Err(refused) => return Ok(Err(refused)),
                        }
                    }
                };
                Ok(apply(c, &name, after, action, &author, now).await?.map_err(Refused::Wrong))
            })
        });
        Ok(self.enforce(job.await??))
    }

    /// Puts a stored configuration in force and tells everybody. Returns its version.
    pub(crate) fn enforce(&self, configuration: Configuration) -> String {
        let version = configuration.version;
        if self.flags.replace(configuration) {
            self.announce_flags(version);
        }
        format!("v{version}")
    }

    fn announce_flags(&self, version: i64) {
        let message =
            FlagsChanged { version: format!("v{version}"), spread_ms: self.settings.timers.flags_spread };
        self.bus.publish(&Note::Everyone { kind: "flags_changed", payload: encode(&message).into() });
    }

    /// All flags as they are stored.
    pub(crate) async fn list_flags(&self) -> Result<FlagList, Refused> {
        let (all, rows) = load(&mut self.store.reader().await?).await?;
        Ok(FlagList {
            version: all.version_text(),
            worst_case_bytes: all.worst_case().bytes,
            limit_bytes: MAX_FLAGS_BYTES,
            flags: rows.into_iter().map(FlagView::of).collect(),
        })
    }

    /// One flag as it is stored.
    pub(crate) async fn flag(&self, name: &str) -> Result<FlagView, Refused> {
        let (_, rows) = load(&mut self.store.reader().await?).await?;
        let row = rows.into_iter().find(|row| row.flag_name == name);
        row.map(FlagView::of).ok_or_else(|| Refused::NotFound(format!("there is no flag {name:?}")))
    }

    /// A flag's changes before a version (exclusive), the latest first, and whether there are more.
    pub(crate) async fn flag_history(
        &self,
        name: &str,
        before: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<HistoryLine>, bool), Refused> {
        let mut lines = table::history(&mut self.store.reader().await?, name, before, limit + 1).await?;
        let more = lines.len() > limit;
        lines.truncate(limit);
        if lines.is_empty()
            && table::history(&mut self.store.reader().await?, name, None, 1).await?.is_empty()
        {
            self.flag(name).await?;
        }
        Ok((lines.into_iter().map(HistoryLine::of).collect(), more))
    }

    /// What is known of a proven player, as far as any rule asks for it.
    pub(crate) async fn known(&self, player: &str) -> Result<Arc<Known>, Failure> {
        let asked = self.configuration().asked();
        if asked.nothing() {
            return Ok(Arc::default());
        }
        let read = async { read_known(&mut self.store.reader().await?, player, &asked).await };
        Ok(self.known.get(player, &asked, Instant::now(), read).await?)
    }

    /// All that is known of a player, from the store.
    pub(crate) async fn stored_traits(&self, player: &str) -> Result<Traits, Failure> {
        Ok(trait_table::read(&mut self.store.reader().await?, player).await?)
    }

    /// Replaces what is known of a player.
    pub(crate) async fn put_traits(
        &self,
        player: &str,
        traits: Traits,
        author: Author,
    ) -> Result<(), Refused> {
        if traits.len() > MAX_TRAITS {
            return Err(Wrong::new("traits", format!("{}; the limit is {MAX_TRAITS}", traits.len())).into());
        }
        for (name, value) in &traits {
            super::definition::check_name(&format!("traits[{name:?}]"), name)?;
            if name.starts_with('$') {
                let detail = "names with a dollar are the server's own";
                return Err(Wrong::new(format!("traits[{name:?}]"), detail).into());
            }
            if value.len() > MAX_TRAIT {
                let detail = format!("{} bytes; the limit is {MAX_TRAIT}", value.len());
                return Err(Wrong::new(format!("traits[{name:?}]"), detail).into());
            }
        }
        let (id, now) = (player.to_owned(), now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let before = encode(&trait_table::of(c, &id).await?);
                trait_table::replace(c, &id, &traits, now).await?;
                let (before, after) = (Some(before.as_str()), encode(&traits));
                let change =
                    audit::Change { action: "put traits", subject: &id, before, after: Some(&after) };
                audit::record(c, &author, change, now).await
            })
        });
        job.await?;
        self.known.forget(player);
        self.serve_player(player).await;
        Ok(())
    }
}

/// The version that an operator names.
pub(crate) fn version_of(field: &str, text: &str) -> Result<i64, Wrong> {
    parse_version(text).ok_or_else(|| Wrong::new(field, format!("{text:?} is no version such as \"v18\"")))
}
