//! Experiments over time: the list of all, and for each one point a day. A point is made when its day is over, or whenever somebody
//! reads the report; a day that passed while the server was down is made up for from the stored events.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{NamedReport, unknown};
use crate::engine::experiments::{Decision, Finding, Verdict};
use crate::engine::{Engine, Failure, now_ms};
use crate::store::experiment_days::{self as days, Missing};
use crate::store::{StoreError, experiments};

/// Experiments in a list: those that run, then those that ended last.
const LISTED: usize = 200;
/// Variants in a point: as many as a flag may have. Games may claim others.
const MAX_ARMS: usize = 32;
/// Characters of a verdict in a point.
const MAX_WORDS: usize = 2_000;

/// An experiment without its numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    name: String,
    definition: Option<Box<RawValue>>,
    started_at: i64,
    ended_at: Option<i64>,
    promoted: Option<String>,
    /// The last point of its history, if there is one yet.
    latest: Option<Box<RawValue>>,
}

/// All experiments, as far as they are listed.
#[derive(Debug, Serialize)]
pub(crate) struct ExperimentList {
    experiments: Vec<Listed>,
    more: bool,
}

/// An experiment's history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    name: String,
    started_at: i64,
    ended_at: Option<i64>,
    /// One a day (UTC), at most 400, the oldest first.
    points: Vec<Box<RawValue>>,
}

/// What the report said at a moment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Point<'a> {
    as_of: i64,
    players: u64,
    control: &'a str,
    control_players: u64,
    control_value: f64,
    decision: Decision,
    words: String,
    arms: Vec<PointArm<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PointArm<'a> {
    variant: &'a str,
    players: u64,
    value: f64,
    /// The difference to the control.
    effect: f64,
    /// The confidence sequence; none without players on a side.
    low: Option<f64>,
    high: Option<f64>,
    finding: Finding,
}

impl<'a> Point<'a> {
    fn of(named: &'a NamedReport) -> Point<'a> {
        let (report, all) = (&named.report, &named.report.everyone);
        let Verdict { decision, words, .. } = &all.verdict;
        let arms = all.arms.iter().take(MAX_ARMS).map(|arm| PointArm {
            variant: &arm.variant,
            players: arm.players,
            value: arm.value,
            effect: arm.value - all.control_value,
            low: arm.sequence.map(|s| s.interval.low),
            high: arm.sequence.map(|s| s.interval.high),
            finding: arm.finding,
        });
        Point {
            as_of: report.as_of,
            players: all.players,
            control: &report.control,
            control_players: all.control_players,
            control_value: all.control_value,
            decision: *decision,
            words: words.chars().take(MAX_WORDS).collect(),
            arms: arms.collect(),
        }
    }
}

impl Engine {
    /// All experiments.
    pub(crate) async fn experiments(&self) -> Result<ExperimentList, Failure> {
        let mut tx = self.store.reader().await?;
        let mut rows = experiments::list(&mut tx, LISTED + 1).await?;
        let more = rows.len() > LISTED;
        rows.truncate(LISTED);
        let mut listed = Vec::new();
        for row in rows {
            let latest = days::latest(&mut tx, &row.name).await?;
            listed.push(Listed {
                latest: latest.and_then(raw),
                definition: raw(row.definition),
                name: row.name,
                started_at: row.started_at,
                ended_at: row.ended_at,
                promoted: row.promoted,
            });
        }
        Ok(ExperimentList { experiments: listed, more })
    }

    /// An experiment's history.
    pub(crate) async fn experiment_history(&self, name: &str) -> Result<History, Failure> {
        let mut tx = self.store.reader().await?;
        let row = experiments::get(&mut tx, name).await?.ok_or_else(|| unknown(name))?;
        let points = days::all(&mut tx, name).await?.into_iter().filter_map(raw).collect();
        Ok(History { name: row.name, started_at: row.started_at, ended_at: row.ended_at, points })
    }

    /// Makes up the points of the days that are over. Called every minute or so; mostly there are none.
    pub(crate) async fn record_experiment_days(&self) -> Result<(), Failure> {
        let missing = {
            let mut reader = self.store.reader().await?;
            days::missing(&mut reader, now_ms()).await?
        };
        let mut unreadable = String::new();
        for Missing { name, started_at, as_of } in missing {
            if name == unreadable {
                continue;
            }
            let made = self.report_as_of(&name, as_of).await;
            match made {
                Ok(named) if named.started_at == started_at => self.keep(&named).await?,
                // Started anew meanwhile.
                Ok(_) => {}
                Err(failure) => {
                    tracing::error!(experiment = name, ?failure, "a day's report could not be made");
                    // Its other days would fail in the same way, with a line in the log each.
                    unreadable = name;
                }
            }
        }
        Ok(())
    }

    /// Stores a report as the point of its day.
    pub(super) async fn keep(&self, named: &NamedReport) -> Result<(), StoreError> {
        let body = castline::protocol::encode(&Point::of(named));
        let of =
            Missing { name: named.name.clone(), started_at: named.started_at, as_of: named.report.as_of };
        self.store.write(move |c| Box::pin(async move { days::put(c, &of, &body).await })).await
    }
}

fn raw(text: String) -> Option<Box<RawValue>> {
    RawValue::from_string(text).ok()
}
