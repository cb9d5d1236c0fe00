//! Which variant a player gets, and why: the order of the protocol's section 8. The hashing is `castline::flags::bucketing`, which the
//! clients' vectors hold too.

use std::collections::BTreeMap;
use std::sync::Arc;

use castline::flags::bucketing::{choose, default_weights, enrolled};

use super::Wrong;
use super::configuration::Configuration;
use super::definition::{Builds, FlagDefinition};
use super::traits::Traits;

/// Flags in a chain of prerequisites, the first one included.
pub(super) const MAX_CHAIN: usize = 8;

/// Who asks, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    pub(crate) player: String,
    pub(crate) build: String,
    /// What the game says of the player.
    pub(crate) attributes: BTreeMap<String, String>,
    /// What the server knows of him; empty unless `proven`.
    pub(crate) traits: Arc<Traits>,
    /// The player is proven by a token.
    pub(crate) proven: bool,
    /// Unix milliseconds.
    pub(crate) now: i64,
}

impl Asker {
    /// What a rule asks for.
    pub(super) fn value(&self, subject: &str) -> Option<&str> {
        let value = match subject {
            "player" => return Some(&self.player),
            "build" => return Some(self.build.as_str()).filter(|build| !build.is_empty()),
            _ => match subject.strip_prefix("attr.") {
                Some(name) => self.attributes.get(name),
                None => self.traits.get(subject.strip_prefix("trait.")?),
            },
        };
        value.map(String::as_str)
    }
}

/// A well-formed flag, ready to be evaluated.
#[derive(Debug, Clone)]
pub(super) struct Flag {
    pub(super) definition: FlagDefinition,
    pub(super) builds: Builds,
    /// The longest that it can be in an answer, bytes.
    pub(super) longest: usize,
    weights: Vec<(String, u16)>,
}

impl Flag {
    pub(super) fn new(name: &str, definition: FlagDefinition) -> Result<Flag, Wrong> {
        definition.check(name)?;
        let weights = match &definition.weights {
            Some(weights) => weights.iter().map(|(variant, weight)| (variant.clone(), *weight)).collect(),
            None => {
                let names: Vec<&str> = definition.variants.keys().map(String::as_str).collect();
                let weights = default_weights(&definition.default_variant, &names);
                weights.into_iter().map(|(variant, weight)| (variant.to_owned(), weight)).collect()
            }
        };
        Ok(Flag { builds: definition.builds()?, longest: definition.longest(name), weights, definition })
    }

    /// Whether the flag exists for whoever asks.
    pub(super) fn shows_to(&self, asker: &Asker) -> bool {
        self.builds.admit(&asker.build) && (asker.proven || !self.definition.private)
    }

    /// The variant, and OpenFeature's word for why.
    pub(super) fn evaluate<'a>(
        &'a self,
        name: &str,
        asker: &Asker,
        all: &Configuration,
        links: usize,
    ) -> (&'a str, &'static str) {
        let flag = &self.definition;
        if let Some(variant) = flag.overrides.get(&asker.player) {
            return (variant, "OVERRIDE");
        }
        if !flag.enabled || flag.schedule.as_ref().is_some_and(|schedule| !schedule.holds(asker.now)) {
            return (&flag.default_variant, "DISABLED");
        }
        let Some(prerequisite) = &flag.prerequisite else { return self.target(name, asker) };
        // A chain that is too long can only come from a table written by hand; it fails like a prerequisite that is not there.
        let other = if links < MAX_CHAIN { all.variant(&prerequisite.flag, asker, links + 1) } else { None };
        let (variant, reason) = match other {
            Some((variant, _)) if prerequisite.variants.iter().any(|v| v == variant) => {
                self.target(name, asker)
            }
            _ => (flag.default_variant.as_str(), "DEFAULT"),
        };
        // Whoever is here by a tester's override of the other flag says nothing about this one either.
        let by_override = other.is_some_and(|(_, reason)| reason == "OVERRIDE");
        (variant, if by_override { "OVERRIDE" } else { reason })
    }

    fn target<'a>(&'a self, name: &str, asker: &Asker) -> (&'a str, &'static str) {
        let flag = &self.definition;
        if let Some(rule) = flag.rules.iter().find(|rule| rule.fits(asker)) {
            return (&rule.variant, "TARGETING_MATCH");
        }
        let salt = flag.salt.as_deref().unwrap_or(name);
        if enrolled(salt, &asker.player, flag.rollout_bp) {
            let weights: Vec<(&str, u16)> =
                self.weights.iter().map(|(v, weight)| (v.as_str(), *weight)).collect();
            if let Some((variant, _)) = choose(salt, &asker.player, &weights)
                .and_then(|chosen| self.weights.iter().find(|(variant, _)| variant == chosen))
            {
                return (variant, "SPLIT");
            }
        }
        (&flag.default_variant, "DEFAULT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::flags::definition::{Prerequisite, Schedule};

    fn price() -> FlagDefinition {
        FlagDefinition::new("control", &[("control", "\"$4.99\""), ("treatment", "\"$1.99\"")]).unwrap()
    }

    fn asker(player: &str) -> Asker {
        Asker { player: player.into(), build: "2.0.0".into(), now: 1_000, ..Asker::default() }
    }

    fn got(flag: &FlagDefinition, asker: &Asker) -> (String, &'static str) {
        let flag = Flag::new("price", flag.clone()).unwrap();
        let (variant, reason) = flag.evaluate("price", asker, &Configuration::default(), 1);
        (variant.to_owned(), reason)
    }

    #[test]
    fn the_order_is_override_disabled_schedule_rule_rollout_default() {
        let is = |variant: &str, reason: &'static str| (variant.to_owned(), reason);
        let mut flag = price();
        assert_eq!(got(&flag, &asker("p")), is("control", "DEFAULT"));
        flag.rollout_bp = 10_000;
        assert_eq!(got(&flag, &asker("p")), is("treatment", "SPLIT"));
        flag.rules =
            serde_json::from_str(r#"[{"when":{"attr.tier":["gold"]},"variant":"control"}]"#).unwrap();
        let mut gold = asker("p");
        gold.attributes.insert("tier".into(), "gold".into());
        assert_eq!(got(&flag, &gold), is("control", "TARGETING_MATCH"));
        assert_eq!(got(&flag, &asker("p")), is("treatment", "SPLIT"));
        flag.schedule = Some(Schedule { from: Some(1_001), until: None });
        assert_eq!(got(&flag, &gold), is("control", "DISABLED"));
        flag.schedule = Some(Schedule { from: Some(1_000), until: Some(1_001) });
        assert_eq!(got(&flag, &gold), is("control", "TARGETING_MATCH"));
        flag.schedule = Some(Schedule { from: None, until: Some(1_000) });
        assert_eq!(got(&flag, &gold), is("control", "DISABLED"));
        flag.enabled = false;
        flag.overrides = [("p".to_owned(), "treatment".to_owned())].into();
        assert_eq!(got(&flag, &gold), is("treatment", "OVERRIDE"));
        assert_eq!(got(&flag, &asker("q")), is("control", "DISABLED"));
    }

    #[test]
    fn a_growing_rollout_keeps_whom_it_had() {
        let mut flag = price();
        let enrolled = |flag: &FlagDefinition| -> Vec<usize> {
            (0..2_000).filter(|n| got(flag, &asker(&format!("p{n}"))).1 == "SPLIT").collect()
        };
        flag.rollout_bp = 1_000;
        let tenth = enrolled(&flag);
        flag.rollout_bp = 2_000;
        let fifth = enrolled(&flag);
        assert!(!tenth.is_empty() && tenth.len() < fifth.len());
        assert!(tenth.iter().all(|n| fifth.contains(n)));
    }

    #[test]
    fn rules_read_traits_builds_and_players() {
        let mut flag = price();
        let rule = |when: &str| {
            serde_json::from_str(&format!(r#"[{{"when":{when},"variant":"treatment"}}]"#)).unwrap()
        };
        let mut known = asker("ann");
        known.traits = Arc::new(
            [("country".to_owned(), "DE".to_owned()), ("spend".to_owned(), "12.5".to_owned())].into(),
        );
        flag.rules = rule(r#"{"trait.country":["DE","AT"],"trait.spend":{">=":10}}"#);
        assert_eq!(got(&flag, &known).1, "TARGETING_MATCH");
        assert_eq!(got(&flag, &asker("ann")).1, "DEFAULT");
        let mut claims = asker("ann");
        claims.attributes =
            [("country".to_owned(), "DE".to_owned()), ("spend".to_owned(), "99".to_owned())].into();
        assert_eq!(got(&flag, &claims).1, "DEFAULT", "a claim is no trait");
        flag.rules = rule(r#"{"build":{"range":">=2, <3"},"player":["ann"]}"#);
        assert_eq!(got(&flag, &asker("ann")).1, "TARGETING_MATCH");
        assert_eq!(got(&flag, &asker("bob")).1, "DEFAULT");
        assert_eq!(got(&flag, &Asker { build: "3.0".into(), ..asker("ann") }).1, "DEFAULT");
    }

    #[test]
    fn a_flag_builds_on_another() {
        let mut shop = FlagDefinition::new("off", &[("off", "false"), ("on", "true")]).unwrap();
        shop.rules = serde_json::from_str(r#"[{"when":{"attr.tier":["gold"]},"variant":"on"}]"#).unwrap();
        shop.overrides = [("tester".to_owned(), "on".to_owned())].into();
        let mut child = price();
        child.rollout_bp = 10_000;
        child.prerequisite = Some(Prerequisite { flag: "shop".into(), variants: vec!["on".into()] });
        let all = |shop: &FlagDefinition| {
            let mut all = Configuration::default();
            all.set("shop", shop.clone()).unwrap();
            all.set("price", child.clone()).unwrap();
            all
        };
        let mut gold = asker("p");
        gold.attributes.insert("tier".into(), "gold".into());
        let configuration = all(&shop);
        assert_eq!(configuration.variant("price", &gold, 1), Some(("treatment", "SPLIT")));
        assert_eq!(configuration.variant("price", &asker("p"), 1), Some(("control", "DEFAULT")));
        assert_eq!(configuration.variant("price", &asker("tester"), 1), Some(("treatment", "OVERRIDE")));
        shop.private = true;
        let configuration = all(&shop);
        assert_eq!(
            configuration.variant("price", &gold, 1),
            Some(("control", "DEFAULT")),
            "what is not shown does not hold"
        );
        gold.proven = true;
        assert_eq!(configuration.variant("price", &gold, 1), Some(("treatment", "SPLIT")));
    }
}
