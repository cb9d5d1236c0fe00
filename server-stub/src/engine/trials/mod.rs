//! Experiments as operators run them: declared before they start, reported from the stored events, ended by one call. The
//! arithmetic of a verdict is in [`super::experiments`].

mod collect;
mod definition;
mod history;

use std::collections::BTreeMap;

use castline::protocol::{Code, encode};
use serde::Serialize;

use super::experiments::{Report, Verdict, expected_shares, report};
use super::flags::{FlagDefinition, Refused, Wrong, apply, check_name};
use super::{Engine, Failure, now_ms};
use crate::store::audit::{self, Author};
use crate::store::experiments::{self, ExperimentRow};
use crate::store::flags as flag_rows;
use crate::store::sql::Connection;
use crate::store::{StoreError, experiment_days};

pub(crate) use definition::ExperimentDefinition;

/// One report at a time: each holds a reader of the database while it reads the events.
static ONE_REPORT: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The answer to a declaration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Declared {
    name: String,
    started_at: i64,
    /// It begins now; `false`: the same experiment was running already and goes on.
    started: bool,
}

/// A report, and what it is of.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedReport {
    name: String,
    definition: ExperimentDefinition,
    started_at: i64,
    ended_at: Option<i64>,
    promoted: Option<String>,
    report: Report,
}

/// How an experiment is ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// Everybody gets this variant; `None`: the one that the verdict names.
    Promote(Option<String>),
    /// Everybody gets the default.
    Drop,
}

/// What came of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ended {
    flag: String,
    /// What everybody gets from now on.
    variant: String,
    version: String,
}

impl Engine {
    /// Declares an experiment, which starts it. The same declaration again changes nothing; another one, or one after the flag was
    /// changed or the experiment ended, starts it anew: numbers seen before a metric was chosen do not count for it.
    pub(crate) async fn put_experiment(
        &self,
        name: &str,
        definition: ExperimentDefinition,
        author: Author,
    ) -> Result<Declared, Refused> {
        check_name("name", name)?;
        definition.check()?;
        let (name, now) = (name.to_owned(), now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let flags = flag_rows::all(c).await?;
                let (control, shares) = match split_of(&flags, &definition.flag) {
                    Ok(split) => split,
                    Err(why) => return Ok(Err(Wrong::new("flag", why))),
                };
                if let Some(other) = experiments::running_on(c, &definition.flag).await?
                    && other != name
                {
                    let why =
                        format!("experiment {other:?} runs on flag {:?}; end it first", definition.flag);
                    return Ok(Err(Wrong::new("flag", why)));
                }
                let changed_at = experiments::flag_changed_at(c, &definition.flag).await?;
                let text = encode(&definition);
                let former = experiments::get(c, &name).await?;
                if let Some(row) = &former
                    && row.ended_at.is_none()
                    && row.definition == text
                    && changed_at.is_none_or(|at| at <= row.started_at)
                {
                    return Ok(Ok(Declared { name, started_at: row.started_at, started: false }));
                }
                let row = ExperimentRow {
                    name,
                    flag_name: definition.flag.clone(),
                    definition: text,
                    control,
                    shares: encode(&shares),
                    // Not before the flag took this form, even where the clock was set back.
                    started_at: changed_at.map_or(now, |at| now.max(at)),
                    ended_at: None,
                    promoted: None,
                    flag_changed: false,
                };
                experiments::start(c, &row).await?;
                experiment_days::forget(c, &row.name).await?;
                let (before, after) =
                    (former.as_ref().map(|f| f.definition.as_str()), Some(row.definition.as_str()));
                let change = audit::Change { action: "put experiment", subject: &row.name, before, after };
                audit::record(c, &author, change, now).await?;
                Ok(Ok(Declared { name: row.name, started_at: row.started_at, started: true }))
            })
        });
        Ok(job.await??)
    }

    /// The report of an experiment, as of now or of its end. It is also the latest point of the experiment's history.
    pub(crate) async fn experiment_report(&self, name: &str) -> Result<NamedReport, Failure> {
        let named = self.report_as_of(name, i64::MAX).await?;
        // The report is worth more than its place in the history: a full disk keeps nobody from reading it.
        if let Err(error) = self.keep(&named).await {
            tracing::warn!(%error, experiment = name, "a report was not added to the experiment's history");
        }
        Ok(named)
    }

    /// The report as of a moment, of now, or of the experiment's end, whichever is first.
    async fn report_as_of(&self, name: &str, at: i64) -> Result<NamedReport, Failure> {
        let _one = ONE_REPORT.lock().await;
        let mut tx = self.store.reader().await?;
        let row = experiments::get(&mut tx, name).await?.ok_or_else(|| unknown(name))?;
        let definition: ExperimentDefinition = read(&row, &row.definition)?;
        let shares: BTreeMap<String, f64> = read(&row, &row.shares)?;
        let changed = match row.ended_at {
            Some(_) => row.flag_changed,
            None => changed_since(&mut tx, &row).await?,
        };
        let as_of = row.ended_at.unwrap_or_else(now_ms).min(at);
        // What happened in this very millisecond counts.
        let until = as_of.saturating_add(1);
        let mut data = collect::collect(&mut tx, &definition, &row.control, row.started_at, until).await?;
        data.as_of = as_of;
        data.shares = shares;
        data.flag_changed = changed;
        Ok(NamedReport {
            name: row.name,
            definition,
            started_at: row.started_at,
            ended_at: row.ended_at,
            promoted: row.promoted,
            report: report(&data),
        })
    }

    /// Ends an experiment: the flag goes to 100 % of the variant, or to 0 %, in the transaction that ends it.
    pub(crate) async fn end_experiment(
        &self,
        name: &str,
        end: End,
        author: Author,
    ) -> Result<Ended, Refused> {
        let (promoted, started_at) = match end {
            End::Drop => (None, None),
            End::Promote(Some(variant)) => (Some(variant), None),
            End::Promote(None) => {
                let named = self.experiment_report(name).await?;
                let Verdict { variant, words, .. } = named.report.everyone.verdict;
                let Some(variant) = variant else {
                    let why = "missing, and the verdict names none; name one to promote it nevertheless.";
                    return Err(Wrong::new("variant", format!("{why} {words}")).into());
                };
                (Some(variant), Some(named.started_at))
            }
        };
        let (name, now) = (name.to_owned(), now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let wrong = |field: &str, why: String| Ok(Err(Refused::Wrong(Wrong::new(field, why))));
                let Some(row) = experiments::get(c, &name).await? else {
                    return Ok(Err(Refused::Failure(unknown(&name))));
                };
                if let Some(at) = row.ended_at {
                    return wrong("name", format!("experiment {name:?} ended at {at}"));
                }
                if started_at.is_some_and(|at| at != row.started_at) {
                    return wrong("name", format!("experiment {name:?} was started anew meanwhile"));
                }
                let flags = flag_rows::all(c).await?;
                let mut flag = match flag_of(&flags, &row.flag_name) {
                    Ok(flag) => flag,
                    Err(why) => return wrong("flag", why),
                };
                if let Err(why) = set(&mut flag, promoted.as_deref()) {
                    return wrong("variant", why);
                }
                let changed = changed_since(c, &row).await?;
                let variant = promoted.clone().unwrap_or_else(|| flag.default_variant.clone());
                let action = if promoted.is_some() { "promote" } else { "drop" };
                // In the flag's history like any other change, so that it can be rolled back.
                let by = Author {
                    who: format!("{}, experiment {name}", author.who),
                    address: author.address.clone(),
                };
                let configuration = match apply(c, &row.flag_name, Some(flag), action, &by, now).await? {
                    Ok(configuration) => configuration,
                    Err(wrong) => return Ok(Err(Refused::Wrong(wrong))),
                };
                experiments::finish(c, &name, promoted.as_deref(), changed, now).await?;
                let after = encode(&BTreeMap::from([("variant", &variant)]));
                let change = audit::Change {
                    action: if promoted.is_some() { "promote experiment" } else { "drop experiment" },
                    subject: &name,
                    before: None,
                    after: Some(&after),
                };
                audit::record(c, &author, change, now).await?;
                let ended = Ended { flag: row.flag_name, variant, version: configuration.version_text() };
                Ok(Ok((ended, configuration)))
            })
        });
        let (ended, configuration) = job.await??;
        self.enforce(configuration);
        Ok(ended)
    }
}

fn unknown(name: &str) -> Failure {
    Failure::new(Code::NotFound, format!("there is no experiment {:?}", super::shortened(name)))
}

fn read<T: serde::de::DeserializeOwned>(row: &ExperimentRow, text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| {
        tracing::error!(experiment = row.name, %error, "a stored experiment cannot be read");
        Failure::new(Code::Internal, "the stored experiment cannot be read; declare it anew")
    })
}

async fn changed_since(c: &mut Connection, row: &ExperimentRow) -> Result<bool, StoreError> {
    // A flag that is gone has changed too.
    Ok(experiments::flag_changed_at(c, &row.flag_name).await?.is_none_or(|at| at > row.started_at))
}

fn flag_of(rows: &[flag_rows::FlagRow], name: &str) -> Result<FlagDefinition, String> {
    let row = rows.iter().find(|row| row.flag_name == name);
    let row = row.ok_or_else(|| format!("there is no flag {name:?}"))?;
    FlagDefinition::from_row(row).map_err(|wrong| wrong.to_string())
}

/// The control and the shares of a flag that can be experimented with.
fn split_of(rows: &[flag_rows::FlagRow], name: &str) -> Result<(String, BTreeMap<String, f64>), String> {
    let flag = flag_of(rows, name)?;
    if !flag.enabled {
        return Err(format!("flag {name:?} is disabled: everybody gets {:?}", flag.default_variant));
    }
    if !flag.rules.is_empty() {
        return Err(format!(
            "flag {name:?} has targeting rules: whom they choose is not chosen by chance, and cannot be told apart later"
        ));
    }
    if flag.prerequisite.is_some() || flag.schedule.is_some() {
        return Err(format!(
            "flag {name:?} has a prerequisite or a schedule: who gets the default for that was not chosen by chance, and cannot be told apart later"
        ));
    }
    let variants: Vec<&str> = flag.variants.keys().map(String::as_str).collect();
    let shares = expected_shares(&flag.default_variant, &variants, flag.rollout_bp, flag.weights.as_ref());
    let with_players = |name: &str| shares.get(name).is_some_and(|share| *share > 0.0);
    if !with_players(&flag.default_variant)
        || !variants.iter().any(|v| *v != flag.default_variant && with_players(v))
    {
        return Err(format!(
            "flag {name:?} gives nobody {}: with rolloutBp {} and these weights there is nothing to compare",
            if with_players(&flag.default_variant) {
                "a variant beside the default"
            } else {
                "its default variant"
            },
            flag.rollout_bp
        ));
    }
    Ok((flag.default_variant, shares))
}

/// 100 % of a variant, or 0 %.
fn set(flag: &mut FlagDefinition, promoted: Option<&str>) -> Result<(), String> {
    match promoted {
        Some(variant) if !flag.variants.contains_key(variant) => {
            Err(format!("variant {:?} is not among the flag's variants", super::shortened(variant)))
        }
        Some(variant) => {
            flag.enabled = true;
            flag.rollout_bp = castline::flags::bucketing::BASIS_POINTS;
            flag.weights = Some([(variant.to_owned(), castline::flags::bucketing::BASIS_POINTS)].into());
            Ok(())
        }
        None => {
            flag.rollout_bp = 0;
            Ok(())
        }
    }
}
