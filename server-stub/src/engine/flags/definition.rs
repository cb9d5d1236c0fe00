//! What a flag is as operators write it, and what makes it well-formed by itself. How flags stand to each other is the
//! configuration's affair, which variant a player gets the evaluation's.

use std::collections::BTreeMap;

use castline::protocol::limits::{MAX_NAME_BYTES, MAX_SAFE_INTEGER};
use castline::protocol::{depth_exceeds, encode, is_name, is_player_id};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Wrong;
use super::rule::Rule;
use super::version::VersionRange;
use crate::store::flags::FlagRow;

/// Variants of a flag.
const MAX_VARIANTS: usize = 32;
/// Rules of a flag.
const MAX_RULES: usize = 32;
/// Players of a flag with a variant of their own.
const MAX_OVERRIDES: usize = 200;
/// Levels of a value's JSON.
const MAX_VALUE_DEPTH: usize = 16;

/// A flag as operators write it: the body of `PUT /admin/flags/{name}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct FlagDefinition {
    /// Variant → its value, any JSON scalar or object.
    pub variants: BTreeMap<String, Box<RawValue>>,
    /// Everybody's who is not enrolled, and everybody's when the flag is disabled.
    pub default_variant: String,
    /// Who is enrolled, in basis points: 0 … 10,000.
    #[serde(default)]
    pub rollout_bp: u16,
    /// Variant → its share among the enrolled, in basis points, sum 10,000. Without: the default has 0, the others share equally.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, u16>>,
    /// What goes into the hash beside the player; without: the flag's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Only clients of this build see the flag, or of builds in this range (`>=2.0, <3`); without: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Looked at in their order, before the rollout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// `false`: the default variant for everybody.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Shown only to requests with a token.
    #[serde(default)]
    pub private: bool,
    /// When the flag is in force; outside it is as if disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// Player → variant, for testers: before everything else, a disabled flag included.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, String>,
    /// Who has not one of these variants of that other flag stays on the default variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prerequisite: Option<Prerequisite>,
}

/// From when until when, Unix milliseconds. At least one of the two is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Schedule {
    /// In force from this moment on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// No longer in force at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl Schedule {
    /// Whether the moment is within.
    pub(super) fn holds(&self, now: i64) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

/// Another flag on which this one builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Prerequisite {
    /// The other flag's name.
    pub flag: String,
    /// Which of its variants will do.
    pub variants: Vec<String>,
}

fn yes() -> bool {
    true
}

/// What [`FlagDefinition::build`] admits.
#[derive(Debug, Clone)]
pub(super) enum Builds {
    All,
    Exactly(String),
    In(VersionRange),
}

impl Builds {
    pub(super) fn admit(&self, build: &str) -> bool {
        match self {
            Builds::All => true,
            Builds::Exactly(only) => only == build,
            Builds::In(range) => range.fits(build),
        }
    }
}

impl FlagDefinition {
    /// A flag of variants and values, everybody on the default.
    ///
    /// # Errors
    /// A value that is no JSON text.
    pub fn new(default_variant: &str, variants: &[(&str, &str)]) -> Result<FlagDefinition, String> {
        let variants = variants
            .iter()
            .map(|(name, value)| {
                let raw = RawValue::from_string((*value).to_owned());
                raw.map(|raw| ((*name).to_owned(), raw))
                    .map_err(|e| format!("value of variant {name:?}: {e}"))
            })
            .collect::<Result<_, _>>()?;
        Ok(FlagDefinition {
            variants,
            default_variant: default_variant.to_owned(),
            rollout_bp: 0,
            weights: None,
            salt: None,
            build: None,
            rules: Vec::new(),
            enabled: true,
            private: false,
            schedule: None,
            overrides: BTreeMap::new(),
            prerequisite: None,
        })
    }

    /// Whether everything fits together.
    pub(super) fn check(&self, name: &str) -> Result<(), Wrong> {
        check_name("name", name)?;
        self.check_variants()?;
        let known = |field: String, variant: &str| {
            if self.variants.contains_key(variant) {
                return Ok(());
            }
            Err(Wrong::new(field, format!("{variant:?} is not among the variants")))
        };
        known("defaultVariant".to_owned(), &self.default_variant)?;
        if self.rollout_bp > 10_000 {
            return Err(Wrong::new("rolloutBp", format!("{}; the limit is 10000", self.rollout_bp)));
        }
        if let Some(weights) = &self.weights {
            weights.keys().try_for_each(|v| known(format!("weights[{v:?}]"), v))?;
            let sum: u32 = weights.values().map(|w| u32::from(*w)).sum();
            if sum != 10_000 {
                return Err(Wrong::new("weights", format!("their sum is {sum}; it must be 10000")));
            }
        }
        for (field, text) in [("salt", &self.salt), ("build", &self.build)] {
            if let Some(text) = text {
                check_name(field, text)?;
            }
        }
        self.builds()?;
        limit("rules", self.rules.len(), MAX_RULES)?;
        for (n, rule) in self.rules.iter().enumerate() {
            rule.check(&format!("rules[{n}]"))?;
            known(format!("rules[{n}].variant"), &rule.variant)?;
        }
        limit("overrides", self.overrides.len(), MAX_OVERRIDES)?;
        for (player, variant) in &self.overrides {
            let field = format!("overrides[{player:?}]");
            if !is_player_id(player) {
                return Err(Wrong::new(field, "a player is 1 to 64 of A-Z a-z 0-9 _ . : -"));
            }
            known(field, variant)?;
        }
        self.check_schedule()?;
        match &self.prerequisite {
            Some(Prerequisite { flag, .. }) if flag == name => {
                Err(Wrong::new("prerequisite.flag", format!("{flag:?} cannot be its own prerequisite")))
            }
            Some(Prerequisite { variants, .. }) if variants.is_empty() => {
                Err(Wrong::new("prerequisite.variants", "empty; name the variants that will do"))
            }
            _ => Ok(()),
        }
    }

    fn check_variants(&self) -> Result<(), Wrong> {
        if self.variants.is_empty() {
            return Err(Wrong::new("variants", "empty; a flag has at least one"));
        }
        limit("variants", self.variants.len(), MAX_VARIANTS)?;
        for (variant, value) in &self.variants {
            let field = format!("variants[{variant:?}]");
            check_name(&field, variant)?;
            // The text itself goes to clients; what they could not read must not get that far.
            let value = match depth_exceeds(value.get(), MAX_VALUE_DEPTH) {
                true => {
                    return Err(Wrong::new(field, format!("nested deeper than {MAX_VALUE_DEPTH} levels")));
                }
                false => serde_json::from_str::<Value>(value.get()),
            };
            match value {
                Ok(Value::Array(_)) => {
                    return Err(Wrong::new(field, "a list; a value is a scalar or an object"));
                }
                Ok(Value::Null) => return Err(Wrong::new(field, "null; a value is a scalar or an object")),
                Ok(_) => {}
                Err(error) => return Err(Wrong::new(field, error.to_string())),
            }
        }
        Ok(())
    }

    fn check_schedule(&self) -> Result<(), Wrong> {
        let Some(Schedule { from, until }) = &self.schedule else { return Ok(()) };
        for (field, time) in [("schedule.from", from), ("schedule.until", until)] {
            if let Some(time) = time.filter(|time| !(0..=MAX_SAFE_INTEGER).contains(time)) {
                return Err(Wrong::new(field, format!("{time} is no time in Unix milliseconds")));
            }
        }
        match (from, until) {
            (None, None) => Err(Wrong::new("schedule", "empty; give from, until or both")),
            (Some(from), Some(until)) if from >= until => {
                Err(Wrong::new("schedule.until", format!("{until} is not after from, {from}")))
            }
            _ => Ok(()),
        }
    }

    /// What `build` means: a range if it begins with an operator, else one build to the letter.
    pub(super) fn builds(&self) -> Result<Builds, Wrong> {
        Ok(match &self.build {
            None => Builds::All,
            Some(text) if text.starts_with(['<', '>', '=', '^', '~']) => {
                Builds::In(VersionRange::parse(text).map_err(|e| Wrong::new("build", e))?)
            }
            Some(text) => Builds::Exactly(text.clone()),
        })
    }

    /// The longest that this flag can be in an answer, bytes.
    pub(super) fn longest(&self, name: &str) -> usize {
        let reason = if self.rules.is_empty() { "DISABLED" } else { "TARGETING_MATCH" };
        let one = |variant: &String, value: &RawValue| {
            format!(
                "{}:{{\"variant\":{},\"value\":{},\"reason\":\"{reason}\"}},",
                encode(name),
                encode(variant),
                value.get()
            )
            .len()
        };
        self.variants.iter().map(|(variant, value)| one(variant, value)).max().unwrap_or(0)
    }

    pub(super) fn to_row(&self, name: &str, now: i64) -> FlagRow {
        FlagRow {
            flag_name: name.to_owned(),
            variants: encode(&self.variants),
            default_variant: self.default_variant.clone(),
            rollout_bp: i64::from(self.rollout_bp),
            weights: self.weights.as_ref().map(encode),
            salt: self.salt.clone(),
            build: self.build.clone(),
            rules: encode(&self.rules),
            enabled: self.enabled,
            private: self.private,
            schedule: self.schedule.as_ref().map(encode),
            overrides: encode(&self.overrides),
            prerequisite: self.prerequisite.as_ref().map(encode),
            updated_at: now,
        }
    }

    /// Reads a row; that it is well-formed is left to [`FlagDefinition::check`].
    pub(crate) fn from_row(row: &FlagRow) -> Result<FlagDefinition, Wrong> {
        fn json<'a, T: Deserialize<'a>>(field: &str, text: &'a str) -> Result<T, Wrong> {
            serde_json::from_str(text).map_err(|e| Wrong::new(field, e.to_string()))
        }
        fn optional<'a, T: Deserialize<'a>>(
            field: &str,
            text: &'a Option<String>,
        ) -> Result<Option<T>, Wrong> {
            text.as_deref().map(|text| json(field, text)).transpose()
        }
        Ok(FlagDefinition {
            variants: json("variants", &row.variants)?,
            default_variant: row.default_variant.clone(),
            rollout_bp: u16::try_from(row.rollout_bp)
                .map_err(|_| Wrong::new("rolloutBp", format!("{}; the limit is 10000", row.rollout_bp)))?,
            weights: optional("weights", &row.weights)?,
            salt: row.salt.clone(),
            build: row.build.clone(),
            rules: json("rules", &row.rules)?,
            enabled: row.enabled,
            private: row.private,
            schedule: optional("schedule", &row.schedule)?,
            overrides: json("overrides", &row.overrides)?,
            prerequisite: optional("prerequisite", &row.prerequisite)?,
        })
    }
}

/// A flag's, variant's, salt's or build's text.
pub(crate) fn check_name(field: &str, text: &str) -> Result<(), Wrong> {
    if is_name(text) {
        return Ok(());
    }
    let detail = format!("{} bytes; it must be 1 to {MAX_NAME_BYTES} without control characters", text.len());
    Err(Wrong::new(field, detail))
}

fn limit(field: &str, is: usize, most: usize) -> Result<(), Wrong> {
    if is > most {
        return Err(Wrong::new(field, format!("{is}; the limit is {most}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price() -> FlagDefinition {
        FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap()
    }

    #[test]
    fn what_does_not_fit_together_is_refused_where_it_stands() {
        let refused = |change: fn(&mut FlagDefinition)| {
            let mut flag = price();
            change(&mut flag);
            flag.check("price").unwrap_err().to_string()
        };
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        for (error, said) in [
            (refused(|f| f.default_variant = "x".into()), "defaultVariant: \"x\" is not among"),
            (refused(|f| f.variants.clear()), "variants: empty"),
            (
                refused(|f| drop(f.variants.insert("a\0".into(), f.variants["control"].clone()))),
                "variants[\"a\\0\"]: 2 bytes",
            ),
            (refused(|f| f.rollout_bp = 10_001), "rolloutBp: 10001"),
            (refused(|f| f.weights = Some([("control".into(), 9_999)].into())), "weights: their sum is 9999"),
            (refused(|f| f.weights = Some([("other".into(), 10_000)].into())), "weights[\"other\"]"),
            (refused(|f| f.salt = Some(String::new())), "salt: 0 bytes"),
            (refused(|f| f.build = Some(">=two".into())), "build: \">=two\" is no version range"),
            (refused(|f| f.overrides = [("a b".into(), "control".into())].into()), "overrides[\"a b\"]"),
            (refused(|f| f.overrides = [("ann".into(), "x".into())].into()), "overrides[\"ann\"]: \"x\""),
            (refused(|f| f.schedule = Some(Schedule { from: None, until: None })), "schedule: empty"),
            (
                refused(|f| f.schedule = Some(Schedule { from: Some(2), until: Some(2) })),
                "schedule.until: 2 is not after",
            ),
            (refused(|f| f.schedule = Some(Schedule { from: Some(-1), until: None })), "schedule.from: -1"),
            (
                refused(|f| {
                    f.prerequisite = Some(Prerequisite { flag: "price".into(), variants: vec!["on".into()] })
                }),
                "own prerequisite",
            ),
            (
                refused(|f| f.prerequisite = Some(Prerequisite { flag: "shop".into(), variants: vec![] })),
                "prerequisite.variants",
            ),
        ] {
            assert!(error.starts_with(said) || error.contains(said), "{error}");
        }
        for (value, said) in [
            ("[1]", "a list"),
            ("null", "null"),
            ("1e999", "number out of range"),
            ("\"\\ud800\"", "hex escape"),
        ] {
            let mut flag = price();
            flag.variants.insert("control".into(), raw(value));
            let error = flag.check("price").unwrap_err().to_string();
            assert!(error.starts_with("variants[\"control\"]: ") && error.contains(said), "{value}: {error}");
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(17), "}".repeat(17));
        let mut flag = price();
        flag.variants.insert("control".into(), raw(&deep));
        assert!(flag.check("price").unwrap_err().to_string().contains("16 levels"));
        assert!(price().check("").is_err());
        price().check("price").unwrap();
    }

    #[test]
    fn a_row_keeps_a_definition() {
        let mut flag = price();
        flag.weights = Some([("control".into(), 4_000), ("treatment".into(), 6_000)].into());
        flag.rules = serde_json::from_str(
            r#"[{"when":{"player":["p1"],"build":{"range":">=2"}},"variant":"treatment"}]"#,
        )
        .unwrap();
        flag.schedule = Some(Schedule { from: Some(1), until: None });
        flag.overrides = [("ann".into(), "treatment".into())].into();
        flag.prerequisite = Some(Prerequisite { flag: "shop".into(), variants: vec!["on".into()] });
        let row = flag.to_row("price", 7);
        let read = FlagDefinition::from_row(&row).unwrap();
        read.check("price").unwrap();
        assert_eq!(read.to_row("price", 7), row);
        let again: FlagDefinition = serde_json::from_str(&encode(&flag)).unwrap();
        assert_eq!(again.to_row("price", 7), row);
    }
}
