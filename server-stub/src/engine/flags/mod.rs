//! Flags: what operators write, what players get, and what a change must respect.
//!
//! No request reads the database: the configuration is held here, replaced when an operator changes it, and read anew every
//! 60 s for changes that another process made. [`definition`] and [`rule`] say what is well-formed, [`evaluate`] who gets what,
//! [`configuration`] how flags stand to each other, [`known`] what is known of players, [`changes`] what a change does.

mod changes;
mod configuration;
mod definition;
mod evaluate;
mod known;
#[cfg(test)]
mod properties;
mod rule;
mod version;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use changes::{
    Change, HistoryLine, Refused, apply, flags_using_segment, segment_changed, version_of,
};
pub(crate) use configuration::{Configuration, Evaluated};
pub(crate) use definition::check_name;
pub use definition::{FlagDefinition, Prerequisite, Schedule};
pub(crate) use evaluate::Asker;
pub(crate) use known::{Known, KnownCache, Traits};
pub use rule::{Rule, Test};

/// What an operator wrote and cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The member, as a path: `rules[0].when["attr.level"]["<"]`.
    pub(crate) field: String,
    /// The value and the bound.
    pub(crate) detail: String,
}

impl Wrong {
    pub(crate) fn new(field: impl Into<String>, detail: impl Into<String>) -> Wrong {
        Wrong { field: field.into(), detail: detail.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.detail)
    }
}

/// The configuration in force.
#[derive(Debug, Default)]
pub(crate) struct FlagTable {
    current: RwLock<Arc<Configuration>>,
}

impl FlagTable {
    pub(crate) fn current(&self) -> Arc<Configuration> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the configuration, unless a newer one came first. `true`: the version grew.
    pub(crate) fn replace(&self, configuration: Configuration) -> bool {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let newer = configuration.version > current.version;
        if newer {
            *current = Arc::new(configuration);
        }
        newer
    }
}

/// The number in `v17`.
pub(crate) fn parse_version(text: &str) -> Option<i64> {
    text.strip_prefix('v').filter(|n| n.len() <= 16 && n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_strictly() {
        assert_eq!(parse_version("v18"), Some(18));
        for bad in ["18", "v", "v-1", "v1x", "v99999999999999999999"] {
            assert_eq!(parse_version(bad), None, "{bad}");
        }
    }
}
