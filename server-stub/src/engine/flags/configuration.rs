//! All flags of one version: how they stand to each other, what an answer holds, and that it can never pass 2 KB.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use castline::protocol::encode;
use castline::protocol::limits::MAX_FLAGS_BYTES;
use castline::protocol::messages::{FlagWire, FlagsAnswer};
use serde_json::value::{RawValue, to_raw_value};
use sha2::{Digest, Sha256};

use super::Wrong;
use super::definition::{Builds, FlagDefinition};
use super::evaluate::{Asker, Flag, MAX_CHAIN};
use super::known::Asked;
use crate::engine::segments::Segment;
use crate::store::flags::FlagRow;

/// Flags in all, those of other builds included.
const MAX_FLAGS: usize = 500;
/// An answer without a flag. The version may grow by digits while nobody touches the flags.
const FRAME: &str = r#"{"version":"v9007199254740991","flags":{}}"#;

/// One version of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) version: i64,
    flags: BTreeMap<String, Flag>,
    /// As they were when this version was made; those that no flag asks for may have changed since.
    pub(super) segments: BTreeMap<String, Segment>,
    /// What the rules ask of the server; made when it is first wanted.
    asked: OnceLock<Arc<Asked>>,
}

/// A finished answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) body: String,
    /// With its quotes: `"v17-5f3a90c1"`.
    pub(crate) etag: String,
}

/// What one flag says to whoever asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evaluated<'a> {
    pub(crate) name: &'a str,
    pub(crate) variant: &'a str,
    pub(crate) value: &'a RawValue,
    pub(crate) reason: &'static str,
}

impl Configuration {
    /// Reads rows. A malformed one spoils that flag alone.
    pub(crate) fn of(version: i64, rows: &[FlagRow], segments: BTreeMap<String, Segment>) -> Configuration {
        let mut flags = BTreeMap::new();
        for row in rows {
            match FlagDefinition::from_row(row).and_then(|definition| Flag::new(&row.flag_name, definition)) {
                Ok(flag) => drop(flags.insert(row.flag_name.clone(), flag)),
                Err(wrong) => tracing::error!(flag = row.flag_name, %wrong, "a malformed flag is left out"),
            }
        }
        Configuration { version, flags, segments, asked: OnceLock::new() }
    }

    /// `v17`.
    pub(crate) fn version_text(&self) -> String {
        format!("v{}", self.version)
    }

    /// Whether the flag has this variant.
    pub(crate) fn has_variant(&self, flag: &str, variant: &str) -> bool {
        self.flags.get(flag).is_some_and(|f| f.definition.variants.contains_key(variant))
    }

    /// What the rules ask of what the server knows of players.
    pub(crate) fn asked(&self) -> Arc<Asked> {
        let collect = || {
            let mut asked = Asked::default();
            for rule in self.flags.values().flat_map(|flag| &flag.definition.rules) {
                asked.traits |= rule.asks_for_traits();
                for segment in rule.segments().filter_map(|name| self.segments.get(name)) {
                    asked.add(&segment.when);
                }
            }
            Arc::new(asked)
        };
        self.asked.get_or_init(collect).clone()
    }

    /// The flags that ask for a segment.
    pub(crate) fn using_segment<'a>(&'a self, segment: &'a str) -> impl Iterator<Item = &'a str> {
        let uses = move |flag: &Flag| {
            flag.definition.rules.iter().any(|rule| rule.segments().any(|name| name == segment))
        };
        self.flags.iter().filter(move |(_, flag)| uses(flag)).map(|(name, _)| name.as_str())
    }

    /// One flag for whoever asks; `None`: he does not see it.
    pub(crate) fn evaluate<'a>(&'a self, name: &str, asker: &Asker) -> Option<Evaluated<'a>> {
        let (name, flag) = self.flags.get_key_value(name).filter(|(_, flag)| flag.shows_to(asker))?;
        let (variant, reason) = flag.evaluate(name, asker, self, 1);
        let value = flag.definition.variants.get(variant)?;
        Some(Evaluated { name, variant, value, reason })
    }

    /// All flags that whoever asks sees.
    pub(crate) fn evaluate_all<'a>(&'a self, asker: &'a Asker) -> impl Iterator<Item = Evaluated<'a>> {
        self.flags.keys().filter_map(|name| self.evaluate(name, asker))
    }

    /// A flag's variant and its reason, as the `links`th flag of a chain of prerequisites.
    pub(super) fn variant(&self, name: &str, asker: &Asker, links: usize) -> Option<(&str, &'static str)> {
        let flag = self.flags.get(name).filter(|flag| flag.shows_to(asker))?;
        Some(flag.evaluate(name, asker, self, links))
    }

    /// The answer to `GET /flags`.
    pub(crate) fn answer(&self, asker: &Asker) -> Answer {
        let mut flags = BTreeMap::new();
        for Evaluated { name, variant, value, reason } in self.evaluate_all(asker) {
            let wire =
                FlagWire { variant: variant.to_owned(), value: value.to_owned(), reason: reason.to_owned() };
            if let Ok(raw) = to_raw_value(&wire) {
                flags.insert(name.to_owned(), raw);
            }
        }
        let body = encode(&FlagsAnswer { version: self.version_text(), flags });
        Answer { etag: self.etag(&body), body }
    }

    /// The configuration's version and the body's hash, so that two answers with one tag are the same, whatever they depend on: the
    /// player, the attributes, or a schedule whose hour has come.
    pub(crate) fn etag(&self, body: &str) -> String {
        format!("\"{}-{}\"", self.version_text(), hex::encode(&Sha256::digest(body.as_bytes())[..4]))
    }

    /// Adds or replaces a flag, if it is well-formed, fits the others and the budget.
    pub(super) fn set(&mut self, name: &str, definition: FlagDefinition) -> Result<(), Wrong> {
        let flag = Flag::new(name, definition)?;
        self.asked = OnceLock::new();
        for (n, rule) in flag.definition.rules.iter().enumerate() {
            if let Some(unknown) = rule.segments().find(|segment| !self.segments.contains_key(*segment)) {
                let field = format!("rules[{n}].when[\"segment\"]");
                return Err(Wrong::new(field, format!("there is no segment {unknown:?}")));
            }
        }
        self.check_prerequisite(name, &flag.definition)?;
        self.check_dependents(name, Some(&flag.definition))?;
        let own = flag.longest;
        self.flags.insert(name.to_owned(), flag);
        if self.flags.len() > MAX_FLAGS {
            return Err(Wrong::new("name", format!("{} flags; the limit is {MAX_FLAGS}", self.flags.len())));
        }
        let worst = self.worst_case();
        if worst.bytes > MAX_FLAGS_BYTES {
            let mut detail = format!(
                "with this flag ({own} bytes at most) an answer could be {} bytes; the limit is {MAX_FLAGS_BYTES}. It could hold:",
                worst.bytes
            );
            for (name, bytes) in worst.flags.iter().take(8) {
                let _ = write!(detail, " {name} {bytes},");
            }
            let rest: usize = worst.flags.iter().skip(8).map(|(_, bytes)| bytes).sum();
            let _ = write!(detail, " {} others {rest}", worst.flags.len().saturating_sub(8));
            return Err(Wrong::new("variants", detail));
        }
        Ok(())
    }

    /// Takes a flag away, if no other builds on it.
    pub(super) fn remove(&mut self, name: &str) -> Result<(), Wrong> {
        self.check_dependents(name, None)?;
        self.asked = OnceLock::new();
        self.flags.remove(name);
        Ok(())
    }

    fn check_prerequisite(&self, name: &str, definition: &FlagDefinition) -> Result<(), Wrong> {
        let Some(prerequisite) = &definition.prerequisite else { return Ok(()) };
        let Some(other) = self.flags.get(&prerequisite.flag) else {
            return Err(Wrong::new("prerequisite.flag", format!("there is no flag {:?}", prerequisite.flag)));
        };
        if let Some(unknown) =
            prerequisite.variants.iter().find(|v| !other.definition.variants.contains_key(*v))
        {
            let detail = format!("{:?} has no variant {unknown:?}", prerequisite.flag);
            return Err(Wrong::new("prerequisite.variants", detail));
        }
        let mut chain = vec![name];
        let mut next = Some(prerequisite);
        while let Some(link) = next {
            chain.push(&link.flag);
            if link.flag == name {
                return Err(Wrong::new("prerequisite.flag", format!("a circle: {}", chain.join(" → "))));
            }
            if chain.len() > MAX_CHAIN {
                let detail = format!(
                    "a chain of {} flags; the limit is {MAX_CHAIN}: {}",
                    chain.len(),
                    chain.join(" → ")
                );
                return Err(Wrong::new("prerequisite.flag", detail));
            }
            next = self.flags.get(&link.flag).and_then(|flag| flag.definition.prerequisite.as_ref());
        }
        let longest = chain.len() + self.longest_above(name, MAX_CHAIN);
        if longest > MAX_CHAIN {
            let detail = format!(
                "with the flags that build on {name:?} a chain of {longest}; the limit is {MAX_CHAIN}"
            );
            return Err(Wrong::new("prerequisite.flag", detail));
        }
        Ok(())
    }

    /// How many flags stand one on the other above this one. At most `room`, so that a circle in the table ends.
    fn longest_above(&self, name: &str, room: usize) -> usize {
        if room == 0 {
            return 0;
        }
        self.builds_on(name).map(|(above, _)| 1 + self.longest_above(above, room - 1)).max().unwrap_or(0)
    }

    fn builds_on<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a String, &'a [String])> {
        self.flags.iter().filter_map(move |(above, flag)| {
            let prerequisite = flag.definition.prerequisite.as_ref().filter(|p| p.flag == name)?;
            Some((above, prerequisite.variants.as_slice()))
        })
    }

    /// What builds on this flag must still find what it asks for.
    fn check_dependents(&self, name: &str, now: Option<&FlagDefinition>) -> Result<(), Wrong> {
        for (above, variants) in self.builds_on(name) {
            let Some(definition) = now else {
                return Err(Wrong::new(
                    "name",
                    format!("{above:?} has {name:?} as its prerequisite; change that first"),
                ));
            };
            if let Some(gone) = variants.iter().find(|v| !definition.variants.contains_key(*v)) {
                return Err(Wrong::new(
                    "variants",
                    format!("{above:?} asks for the variant {gone:?} of this flag"),
                ));
            }
        }
        Ok(())
    }

    /// The longest answer that any player of any build could get.
    ///
    /// Which flags come together depends on the build alone (variants are taken at their longest), so it is enough to look at each build
    /// that a flag names and at each edge of a range: between two edges nothing changes.
    pub(crate) fn worst_case(&self) -> WorstCase {
        let mut builds = BTreeSet::from([String::new(), "0.0.0".to_owned()]);
        let mut all_ranges = false;
        for flag in self.flags.values() {
            match &flag.builds {
                Builds::All => {}
                Builds::Exactly(build) => drop(builds.insert(build.clone())),
                Builds::In(range) => {
                    // Pre-releases have an order of their own between the edges: then all ranges are counted together.
                    all_ranges |= range.names_prerelease();
                    builds.extend(range.edges());
                }
            }
        }
        let counts = |flag: &Flag, build: &str| {
            flag.builds.admit(build) || (all_ranges && matches!(flag.builds, Builds::In(_)))
        };
        let total = |build: &str| {
            self.flags.values().filter(|flag| counts(flag, build)).map(|flag| flag.longest).sum::<usize>()
        };
        let worst = builds.iter().max_by_key(|build| total(build)).cloned().unwrap_or_default();
        let mut flags: Vec<(String, usize)> = self
            .flags
            .iter()
            .filter(|(_, flag)| counts(flag, &worst))
            .map(|(name, flag)| (name.clone(), flag.longest))
            .collect();
        flags.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        WorstCase { bytes: total(&worst) + FRAME.len(), flags }
    }
}

/// See [`Configuration::worst_case`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorstCase {
    pub(crate) bytes: usize,
    /// The flags in it and their bytes, the longest first.
    pub(crate) flags: Vec<(String, usize)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::flags::definition::Prerequisite;

    fn configuration(flags: &[(&str, FlagDefinition)]) -> Configuration {
        let mut configuration = Configuration { version: 17, ..Configuration::default() };
        for (name, flag) in flags {
            configuration.set(name, flag.clone()).unwrap();
        }
        configuration
    }

    fn on_off() -> FlagDefinition {
        FlagDefinition::new("off", &[("off", "false"), ("on", "true")]).unwrap()
    }

    fn wide(bytes: usize, build: Option<&str>) -> FlagDefinition {
        let long = format!("\"{}\"", "x".repeat(bytes));
        let mut flag = FlagDefinition::new("a", &[("a", "1"), ("b", &long)]).unwrap();
        flag.build = build.map(str::to_owned);
        flag
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
    fn a_schedule_changes_the_answer_and_its_tag_at_its_very_millisecond() {
        let mut flag = on_off();
        flag.rollout_bp = 10_000;
        flag.schedule = serde_json::from_str(r#"{"from":1000,"until":2000}"#).unwrap();
        let all = configuration(&[("fish", flag)]);
        let at = |now: i64| all.answer(&Asker { now, ..Asker::default() });
        assert_eq!(at(999), at(0));
        assert_ne!(at(999).etag, at(1_000).etag);
        assert_eq!(at(1_000), at(1_999));
        assert_eq!(at(2_000), at(999), "the former answer, and so the former tag, is right again");
    }

    #[test]
    fn private_flags_need_a_token_and_builds_must_fit() {
        let mut secret = on_off();
        secret.private = true;
        let mut old = on_off();
        old.build = Some("1.0".into());
        let mut new = on_off();
        new.build = Some(">=2".into());
        let all = configuration(&[("secret", secret), ("old", old), ("new", new)]);
        let names = |asker: Asker| all.evaluate_all(&asker).map(|e| e.name.to_owned()).collect::<Vec<_>>();
        assert!(names(Asker::default()).is_empty());
        assert_eq!(names(Asker { proven: true, ..Asker::default() }), ["secret"]);
        assert_eq!(names(Asker { build: "1.0".into(), ..Asker::default() }), ["old"]);
        assert_eq!(names(Asker { build: "2.3".into(), ..Asker::default() }), ["new"]);
    }

    #[test]
    fn the_budget_counts_what_can_come_together() {
        let refused = |first: FlagDefinition, second: FlagDefinition| {
            configuration(&[("first", first)]).set("second", second).err().map(|wrong| wrong.to_string())
        };
        let error = refused(wide(1_500, None), wide(600, None)).unwrap();
        let sizes = [
            "2048",
            &wide(600, None).longest("second").to_string(),
            &wide(1_500, None).longest("first").to_string(),
        ]
        .map(str::to_owned);
        assert!(sizes.iter().all(|size| error.contains(size.as_str())), "{error}");
        assert!(
            configuration(&[("first", wide(1_500, None))]).set("first", wide(600, None)).is_ok(),
            "it replaces itself"
        );
        for (a, b, together) in [
            (None, Some("2"), true),
            (Some("1"), Some("2"), false),
            (Some("1"), Some("1"), true),
            (Some("<2"), Some(">=2"), false),
            (Some("<=2"), Some(">=2"), true),
            (Some("~1.4"), Some("^1"), true),
            (Some("2.5.1"), Some(">=2, <3"), true),
            (Some("<2"), Some(">=2.0.0-beta"), true),
        ] {
            assert_eq!(refused(wide(1_500, a), wide(1_500, b)).is_some(), together, "{a:?} {b:?}");
        }
    }

    #[test]
    fn prerequisites_form_no_circle_and_no_long_chain() {
        let on = |flag: &str| {
            let mut definition = on_off();
            definition.prerequisite = Some(Prerequisite { flag: flag.into(), variants: vec!["on".into()] });
            definition
        };
        let mut all = configuration(&[("a", on_off()), ("b", on("a")), ("c", on("b"))]);
        let refused =
            |all: &mut Configuration, name: &str, flag| all.set(name, flag).unwrap_err().to_string();
        assert!(refused(&mut all, "a", on("c")).ends_with("a circle: a → c → b → a"));
        assert!(refused(&mut all, "d", on("x")).contains("there is no flag \"x\""));
        let mut wrong = on("a");
        wrong.prerequisite = Some(Prerequisite { flag: "a".into(), variants: vec!["blue".into()] });
        assert!(refused(&mut all, "d", wrong).contains("no variant \"blue\""));
        assert!(all.remove("a").unwrap_err().to_string().contains("\"b\" has \"a\" as its prerequisite"));
        let mut without = FlagDefinition::new("off", &[("off", "0")]).unwrap();
        assert!(refused(&mut all, "a", without.clone()).contains("\"b\" asks for the variant \"on\""));
        without.default_variant = "off".into();
        all.remove("c").unwrap();
        // Eight in a row are taken, wherever the chain is made longer.
        let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
        for pair in names.windows(2).skip(1).take(6) {
            all.set(pair[1], on(pair[0])).unwrap();
        }
        assert!(refused(&mut all, "i", on("h")).contains("a chain of 9"));
        all.set("z", on_off()).unwrap();
        assert!(refused(&mut all, "a", on("z")).contains("a chain of 9"));
    }
}
