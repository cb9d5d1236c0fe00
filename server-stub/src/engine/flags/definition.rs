//! What a flag is, what makes it well-formed, and which variant a player gets.

use std::collections::BTreeMap;

use castline::flags::bucketing::{choose, default_weights, enrolled};
use castline::protocol::is_name;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::store::flags::FlagRow;

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
    /// Only clients of this build see the flag; without: all.
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
}

fn yes() -> bool {
    true
}

/// Gives a variant to whom it fits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// `player`, `build` or `attr.<name>` → the texts it may be. All must fit.
    pub when: BTreeMap<String, Vec<String>>,
    /// The variant then.
    pub variant: String,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    pub(crate) player: String,
    pub(crate) build: String,
    pub(crate) attributes: BTreeMap<String, String>,
    /// The player is proven by a token.
    pub(crate) proven: bool,
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
        })
    }

    /// Whether everything fits together.
    pub(crate) fn check(&self, name: &str) -> Result<(), String> {
        if !is_name(name) {
            return Err(format!("flag name {name:?} is not 1 to 128 bytes without control characters"));
        }
        if let Some(bad) = self.variants.keys().find(|v| !is_name(v)) {
            return Err(format!("variant name {bad:?} is not 1 to 128 bytes without control characters"));
        }
        let known = |variant: &str| self.variants.contains_key(variant);
        if !known(&self.default_variant) {
            return Err(format!("defaultVariant {:?} is not among the variants", self.default_variant));
        }
        if let Some((variant, value)) = self
            .variants
            .iter()
            .find(|(_, value)| matches!(value.get().as_bytes().first(), Some(b'[' | b'n') | None))
        {
            return Err(format!("variant {variant:?} is {}: a value is a scalar or an object", value.get()));
        }
        if self.rollout_bp > 10_000 {
            return Err(format!("rolloutBp is {}; the limit is 10000", self.rollout_bp));
        }
        if let Some(weights) = &self.weights {
            if let Some(unknown) = weights.keys().find(|v| !known(v)) {
                return Err(format!("weights name {unknown:?}, which is not among the variants"));
            }
            let sum: u32 = weights.values().map(|w| u32::from(*w)).sum();
            if sum != 10_000 {
                return Err(format!("weights sum to {sum}; they must sum to 10000"));
            }
        }
        for rule in &self.rules {
            if !known(&rule.variant) {
                return Err(format!("a rule names {:?}, which is not among the variants", rule.variant));
            }
            let key = rule
                .when
                .keys()
                .find(|k| !matches!(k.as_str(), "player" | "build") && !k.starts_with("attr."));
            if let Some(key) = key {
                return Err(format!("a rule asks for {key:?}; it may ask for player, build and attr.<name>"));
            }
            if rule.when.is_empty() {
                return Err("a rule without a condition: set defaultVariant instead".to_owned());
            }
        }
        Ok(())
    }

    /// The variant for a player, and OpenFeature's word for why.
    pub(crate) fn evaluate<'a>(&'a self, name: &'a str, asker: &Asker) -> (&'a str, &'static str) {
        if !self.enabled {
            return (&self.default_variant, "DISABLED");
        }
        if let Some(rule) = self.rules.iter().find(|rule| rule.fits(asker)) {
            return (&rule.variant, "TARGETING_MATCH");
        }
        let salt = self.salt.as_deref().unwrap_or(name);
        if enrolled(salt, &asker.player, self.rollout_bp) {
            let weights: Vec<(&str, u16)> = match &self.weights {
                Some(weights) => {
                    weights.iter().map(|(variant, weight)| (variant.as_str(), *weight)).collect()
                }
                None => {
                    let names: Vec<&str> = self.variants.keys().map(String::as_str).collect();
                    default_weights(&self.default_variant, &names)
                }
            };
            if let Some(variant) = choose(salt, &asker.player, &weights) {
                return (variant, "SPLIT");
            }
        }
        (&self.default_variant, "DEFAULT")
    }

    /// The longest that this flag can be in an answer, bytes.
    pub(crate) fn longest(&self, name: &str) -> usize {
        let reason = if self.rules.is_empty() { "DISABLED" } else { "TARGETING_MATCH" };
        let one = |variant: &String, value: &RawValue| {
            format!(
                "{}:{{\"variant\":{},\"value\":{},\"reason\":\"{reason}\"}},",
                castline::protocol::encode(name),
                castline::protocol::encode(variant),
                value.get()
            )
            .len()
        };
        self.variants.iter().map(|(variant, value)| one(variant, value)).max().unwrap_or(0)
    }

    pub(crate) fn to_row(&self, name: &str) -> FlagRow {
        use castline::protocol::encode;
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
        }
    }

    pub(crate) fn from_row(row: &FlagRow) -> Result<FlagDefinition, String> {
        let definition = FlagDefinition {
            variants: serde_json::from_str(&row.variants).map_err(|e| format!("variants: {e}"))?,
            default_variant: row.default_variant.clone(),
            rollout_bp: u16::try_from(row.rollout_bp)
                .map_err(|_| format!("rollout_bp is {}", row.rollout_bp))?,
            weights: match &row.weights {
                Some(text) => Some(serde_json::from_str(text).map_err(|e| format!("weights: {e}"))?),
                None => None,
            },
            salt: row.salt.clone(),
            build: row.build.clone(),
            rules: serde_json::from_str(&row.rules).map_err(|e| format!("rules: {e}"))?,
            enabled: row.enabled,
            private: row.private,
        };
        definition.check(&row.flag_name)?;
        Ok(definition)
    }
}

impl Rule {
    fn fits(&self, asker: &Asker) -> bool {
        self.when.iter().all(|(key, texts)| {
            let is = match key.as_str() {
                "player" => Some(&asker.player),
                "build" => Some(&asker.build),
                _ => key.strip_prefix("attr.").and_then(|name| asker.attributes.get(name)),
            };
            is.is_some_and(|is| texts.contains(is))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price() -> FlagDefinition {
        FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap()
    }

    fn asker(player: &str) -> Asker {
        Asker { player: player.into(), build: "2.0.0".into(), ..Asker::default() }
    }

    #[test]
    fn the_order_is_disabled_rule_rollout_default() {
        let mut flag = price();
        assert_eq!(flag.evaluate("price", &asker("p")), ("control", "DEFAULT"));
        flag.rollout_bp = 10_000;
        assert_eq!(flag.evaluate("price", &asker("p")), ("treatment", "SPLIT"));
        flag.rules =
            serde_json::from_str(r#"[{"when":{"attr.tier":["gold"]},"variant":"control"}]"#).unwrap();
        let mut gold = asker("p");
        gold.attributes.insert("tier".into(), "gold".into());
        assert_eq!(flag.evaluate("price", &gold), ("control", "TARGETING_MATCH"));
        assert_eq!(flag.evaluate("price", &asker("p")), ("treatment", "SPLIT"));
        flag.enabled = false;
        assert_eq!(flag.evaluate("price", &gold), ("control", "DISABLED"));
    }

    #[test]
    fn a_growing_rollout_keeps_whom_it_had() {
        let mut flag = price();
        let enrolled = |flag: &FlagDefinition| -> Vec<usize> {
            (0..2_000).filter(|n| flag.evaluate("price", &asker(&format!("p{n}"))).1 == "SPLIT").collect()
        };
        flag.rollout_bp = 1_000;
        let tenth = enrolled(&flag);
        flag.rollout_bp = 2_000;
        let fifth = enrolled(&flag);
        assert!(!tenth.is_empty() && tenth.len() < fifth.len());
        assert!(tenth.iter().all(|n| fifth.contains(n)));
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_its_value() {
        let refused = |change: fn(&mut FlagDefinition)| {
            let mut flag = price();
            change(&mut flag);
            flag.check("price").unwrap_err()
        };
        assert!(refused(|f| f.default_variant = "x".into()).contains("\"x\""));
        assert!(refused(|f| f.rollout_bp = 10_001).contains("10001"));
        assert!(refused(|f| f.weights = Some([("control".into(), 9_999)].into())).contains("9999"));
        assert!(refused(|f| f.weights = Some([("other".into(), 10_000)].into())).contains("other"));
        assert!(price().check("").is_err());
        assert!(price().check("price").is_ok());
    }

    #[test]
    fn a_row_keeps_a_definition() {
        let mut flag = price();
        flag.weights = Some([("control".into(), 4_000), ("treatment".into(), 6_000)].into());
        flag.rules = serde_json::from_str(r#"[{"when":{"player":["p1"]},"variant":"treatment"}]"#).unwrap();
        let row = flag.to_row("price");
        assert_eq!(FlagDefinition::from_row(&row).unwrap().to_row("price"), row);
    }
}
