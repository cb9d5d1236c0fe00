//! What an experiment measures, as operators declare it.

use castline::protocol::is_name;
use serde::{Deserialize, Serialize};

use crate::engine::experiments::{Direction, Metric};
use crate::engine::flags::Wrong;

/// The body of `PUT /admin/experiments/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExperimentDefinition {
    /// The flag whose variants are compared.
    pub(crate) flag: String,
    /// The one metric.
    pub(crate) metric: Measured,
    /// Which way is good.
    #[serde(default)]
    pub(crate) direction: Direction,
    /// What divides the players into segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) segment_by: Option<Prop>,
}

/// What is measured, from a player's first exposure on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Measured {
    /// Whether the event came.
    Conversion {
        /// Its name.
        event: String,
    },
    /// The sum of a number in the event's props.
    Mean {
        /// Its name.
        event: String,
        /// The member.
        prop: String,
    },
}

/// A member of an event's props. A segment is its value in the player's last such event before his first exposure, for what came
/// later may be the experiment's doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Prop {
    pub(crate) event: String,
    pub(crate) prop: String,
}

impl ExperimentDefinition {
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        let event = |what: &str, name: &str| match name.starts_with('$') {
            true => Err(Wrong::new(what, format!("{name:?}: events with a dollar are the protocol's own"))),
            false => named(what, name),
        };
        let (name, prop) = self.measured();
        event("metric.event", name)?;
        if let Some(prop) = prop {
            named("metric.prop", prop)?;
        }
        if let Some(segment) = &self.segment_by {
            event("segmentBy.event", &segment.event)?;
            named("segmentBy.prop", &segment.prop)?;
        }
        named("flag", &self.flag)
    }

    /// The event, and the member whose numbers are added up.
    pub(crate) fn measured(&self) -> (&str, Option<&str>) {
        match &self.metric {
            Measured::Conversion { event } => (event, None),
            Measured::Mean { event, prop } => (event, Some(prop)),
        }
    }

    pub(crate) fn metric(&self) -> Metric {
        match self.metric {
            Measured::Conversion { .. } => Metric::Conversion,
            Measured::Mean { .. } => Metric::Mean,
        }
    }
}

fn named(what: &str, name: &str) -> Result<(), Wrong> {
    if is_name(name) {
        return Ok(());
    }
    Err(Wrong::new(what, format!("{} bytes; it must be 1 to 128 without control characters", name.len())))
}
