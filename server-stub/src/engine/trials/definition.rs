//! What an experiment measures, as operators declare it.

use serde::{Deserialize, Serialize};

use crate::engine::experiments::{Direction, Metric};
use crate::engine::flags::{Wrong, check_name};
use crate::engine::revenue::{EVENT as REVENUE, check_currency};

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
    /// The sum that the game's backend says was paid, in minor units.
    Revenue {
        /// ISO 4217.
        currency: String,
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
        let event = |field: &str, name: &str| match name.starts_with('$') {
            true => Err(Wrong::new(field, format!("{name:?}; events with a dollar are the protocol's own"))),
            false => check_name(field, name),
        };
        let (name, prop) = self.measured();
        if let Measured::Revenue { currency } = &self.metric {
            check_currency("metric.currency", currency)?;
        } else {
            event("metric.event", name)?;
            if let Some(prop) = prop {
                check_name("metric.prop", prop)?;
            }
        }
        if let Some(segment) = &self.segment_by {
            event("segmentBy.event", &segment.event)?;
            check_name("segmentBy.prop", &segment.prop)?;
        }
        check_name("flag", &self.flag)
    }

    /// The event, and the member whose numbers are added up.
    pub(crate) fn measured(&self) -> (&str, Option<&str>) {
        match &self.metric {
            Measured::Conversion { event } => (event, None),
            Measured::Mean { event, prop } => (event, Some(prop)),
            // The amount stands under its currency's name.
            Measured::Revenue { currency } => (REVENUE, Some(currency)),
        }
    }

    pub(crate) fn metric(&self) -> Metric {
        match self.metric {
            Measured::Conversion { .. } => Metric::Conversion,
            Measured::Mean { .. } | Measured::Revenue { .. } => Metric::Mean,
        }
    }
}
