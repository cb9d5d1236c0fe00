//! Flags: the configuration in memory, the answer to `GET /flags`, and what an operator's change must respect.
//!
//! No request reads the database: the configuration is held here, replaced when an operator changes it, and read anew every
//! 60 s for changes that another process made.

mod definition;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use castline::protocol::limits::MAX_FLAGS_BYTES;
use castline::protocol::messages::{FlagWire, FlagsAnswer};
use serde_json::value::to_raw_value;
use sha2::{Digest, Sha256};

pub(crate) use definition::Asker;
pub use definition::{FlagDefinition, Rule};

use crate::store::flags::FlagRow;

/// One version of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) version: i64,
    flags: BTreeMap<String, FlagDefinition>,
}

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) body: String,
    /// With its quotes: `"v17-5f3a90c1"`.
    pub(crate) etag: String,
}

impl Configuration {
    /// Reads rows. A malformed one spoils that flag alone.
    pub(crate) fn of(version: i64, rows: &[FlagRow]) -> Configuration {
        let mut flags = BTreeMap::new();
        for row in rows {
            match FlagDefinition::from_row(row) {
                Ok(definition) => drop(flags.insert(row.flag_name.clone(), definition)),
                Err(error) => tracing::error!(flag = row.flag_name, error, "a malformed flag is left out"),
            }
        }
        Configuration { version, flags }
    }

    /// `v17`.
    pub(crate) fn version_text(&self) -> String {
        format!("v{}", self.version)
    }

    /// Whether the flag has this variant.
    pub(crate) fn has_variant(&self, flag: &str, variant: &str) -> bool {
        self.flags.get(flag).is_some_and(|f| f.variants.contains_key(variant))
    }

    /// The answer for whoever asks.
    pub(crate) fn answer(&self, asker: &Asker) -> Answer {
        let mut flags = BTreeMap::new();
        for (name, flag) in self.seen_by(&asker.build) {
            if flag.private && !asker.proven {
                continue;
            }
            let (variant, reason) = flag.evaluate(name, asker);
            let Some(value) = flag.variants.get(variant) else { continue };
            let wire =
                FlagWire { variant: variant.to_owned(), value: value.clone(), reason: reason.to_owned() };
            if let Ok(raw) = to_raw_value(&wire) {
                flags.insert(name.clone(), raw);
            }
        }
        let body = castline::protocol::encode(&FlagsAnswer { version: self.version_text(), flags });
        let hash = hex::encode(&Sha256::digest(body.as_bytes())[..4]);
        Answer { etag: format!("\"{}-{hash}\"", self.version_text()), body }
    }

    fn seen_by<'a>(&'a self, build: &'a str) -> impl Iterator<Item = (&'a String, &'a FlagDefinition)> {
        self.flags.iter().filter(move |(_, flag)| flag.build.as_deref().is_none_or(|only| only == build))
    }

    /// Checks that with this flag no answer can pass 2 KB, whichever variants a player gets.
    pub(crate) fn check_budget(&self, name: &str, flag: &FlagDefinition) -> Result<(), String> {
        let mut with: Vec<(&str, &FlagDefinition)> =
            self.flags.iter().filter(|(n, _)| *n != name).map(|(n, f)| (n.as_str(), f)).collect();
        with.push((name, flag));
        let mut builds: Vec<Option<&str>> = with.iter().map(|(_, f)| f.build.as_deref()).collect();
        builds.push(None);
        builds.sort_unstable();
        builds.dedup();
        for build in builds {
            let flags: usize = with
                .iter()
                .filter(|(_, f)| f.build.is_none() || f.build.as_deref() == build)
                .map(|(n, f)| f.longest(n))
                .sum();
            // The version may grow by digits while nobody touches the flags.
            let total = flags + r#"{"version":"v9007199254740991","flags":{}}"#.len();
            if total > MAX_FLAGS_BYTES {
                let own = flag.longest(name);
                return Err(format!(
                    "with this flag ({own} bytes at most) an answer could be {total} bytes; the limit is {MAX_FLAGS_BYTES}"
                ));
            }
        }
        Ok(())
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

    fn configuration(flags: &[(&str, FlagDefinition)]) -> Configuration {
        Configuration {
            version: 17,
            flags: flags.iter().map(|(n, f)| ((*n).to_owned(), f.clone())).collect(),
        }
    }

    #[test]
    fn an_answer_has_the_protocols_form() {
        let mut price =
            FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap();
        price.rollout_bp = 10_000;
        let answer = configuration(&[("starter_pack_price", price)]).answer(&Asker::default());
        assert_eq!(
            answer.body,
            r#"{"version":"v17","flags":{"starter_pack_price":{"variant":"treatment","value":"$1.99","reason":"SPLIT"}}}"#
        );
        assert!(answer.etag.starts_with("\"v17-") && answer.etag.len() == 14);
    }

    #[test]
    fn private_flags_need_a_token_and_builds_must_fit() {
        let mut secret = FlagDefinition::new("on", &[("on", "true")]).unwrap();
        secret.private = true;
        let mut old = secret.clone();
        (old.private, old.build) = (false, Some("1.0".into()));
        let all = configuration(&[("secret", secret), ("old", old)]);
        let names = |asker: Asker| {
            let body: FlagsAnswer = serde_json::from_str(&all.answer(&asker).body).unwrap();
            body.flags.into_keys().collect::<Vec<_>>()
        };
        assert!(names(Asker::default()).is_empty());
        assert_eq!(names(Asker { proven: true, ..Asker::default() }), ["secret"]);
        assert_eq!(names(Asker { build: "1.0".into(), ..Asker::default() }), ["old"]);
    }

    #[test]
    fn the_budget_counts_what_can_come_together() {
        let wide = |bytes: usize| {
            FlagDefinition::new("a", &[("a", "1"), ("b", &format!("\"{}\"", "x".repeat(bytes)))]).unwrap()
        };
        let full = configuration(&[("first", wide(1_500))]);
        let error = full.check_budget("second", &wide(600)).unwrap_err();
        assert!(error.contains("2048"), "{error}");
        assert!(full.check_budget("first", &wide(600)).is_ok(), "a flag replaces itself");
        let mut other_build = wide(600);
        other_build.build = Some("2".into());
        assert!(full.check_budget("second", &other_build).is_err());
        let mut one = wide(1_500);
        one.build = Some("1".into());
        assert!(configuration(&[("first", one)]).check_budget("second", &other_build).is_ok());
    }

    #[test]
    fn versions_are_read_strictly() {
        assert_eq!(parse_version("v18"), Some(18));
        for bad in ["18", "v", "v-1", "v1x", "v99999999999999999999"] {
            assert_eq!(parse_version(bad), None, "{bad}");
        }
    }
}
