//! Which variant a player gets, and why: the order of the protocol's section 8. The hashing is `castline::flags::bucketing`, which the
//! clients' vectors hold too.

use std::collections::BTreeMap;
use std::sync::Arc;

use castline::flags::bucketing::{choose, default_weights, enrolled};

use super::Wrong;
use super::configuration::Configuration;
use super::definition::{Builds, FlagDefinition};
use super::known::Known;
use crate::engine::segments::{Claim, Condition, Facts, Segment};

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
    pub(crate) known: Arc<Known>,
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
                None => self.known.traits.get(subject.strip_prefix("trait.")?),
            },
        };
        value.map(String::as_str)
    }

    /// Whether he belongs to a segment. `None`: it cannot be said, for there is no such segment, or it asks for what the server knows and
    /// he is not proven; so nobody gains by leaving his token out.
    pub(super) fn belongs(&self, segment: Option<&Segment>) -> Option<bool> {
        let segment = segment?;
        (self.proven || !asks_the_server(&segment.when)).then(|| segment.when.holds(self, self.now))
    }
}

impl Facts for Asker {
    fn stated(&self, name: &str) -> Option<&str> {
        self.known.traits.get(name).map(String::as_str)
    }

    fn claimed(&self, name: &str) -> Option<Claim<'_>> {
        self.attributes.get(name).map(|text| Claim::Text(text))
    }

    fn days(&self, event: &str) -> &[(i64, i64)] {
        self.known.history.get(event).map_or(&[], Vec::as_slice)
    }
}

/// Whether a condition asks for what only the server knows.
fn asks_the_server(condition: &Condition) -> bool {
    let mut asks = false;
    condition.visit(&mut |part| asks |= !matches!(part, Condition::Attribute(_)));
    asks
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
        let Some(prerequisite) = &flag.prerequisite else { return self.target(name, asker, all) };
        // A chain that is too long can only come from a table written by hand; it fails like a prerequisite that is not there.
        let other = if links < MAX_CHAIN { all.variant(&prerequisite.flag, asker, links + 1) } else { None };
        let (variant, reason) = match other {
            Some((variant, _)) if prerequisite.variants.iter().any(|v| v == variant) => {
                self.target(name, asker, all)
            }
            _ => (flag.default_variant.as_str(), "DEFAULT"),
        };
        // Whoever is here by a tester's override of the other flag says nothing about this one either.
        let by_override = other.is_some_and(|(_, reason)| reason == "OVERRIDE");
        (variant, if by_override { "OVERRIDE" } else { reason })
    }

    fn target<'a>(&'a self, name: &str, asker: &Asker, all: &Configuration) -> (&'a str, &'static str) {
        let flag = &self.definition;
        if let Some(rule) = flag.rules.iter().find(|rule| rule.fits(asker, &all.segments)) {
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
        let traits =
            [("country".to_owned(), "DE".to_owned()), ("spend".to_owned(), "12.5".to_owned())].into();
        known.known = Arc::new(Known { traits, ..Known::default() });
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
    fn rules_ask_for_segments() {
        let segment = |when: serde_json::Value| {
            serde_json::from_value::<Segment>(serde_json::json!({ "when": when })).unwrap()
        };
        let mut all = Configuration::default();
        all.segments = [
            ("rich", serde_json::json!({"trait": {"name": "spend", "op": ">=", "value": 100}})),
            ("angler", serde_json::json!({"event": {"name": "fish", "withinDays": 2, "atLeast": 3}})),
            ("high", serde_json::json!({"attribute": {"name": "level", "op": ">", "value": 9}})),
            ("not rich", serde_json::json!({"not": {"trait": {"name": "spend", "op": ">=", "value": 100}}})),
        ]
        .map(|(name, when)| (name.to_owned(), segment(when)))
        .into();
        let matched = |when: &str, asker: &Asker| {
            let mut flag = price();
            let rules = format!(r#"[{{"when":{{"segment":{when}}},"variant":"treatment"}}]"#);
            flag.rules = serde_json::from_str(&rules).unwrap();
            let flag = Flag::new("price", flag).unwrap();
            flag.evaluate("price", asker, &all, 1).1 == "TARGETING_MATCH"
        };
        let day = 86_400_000;
        let known = Known {
            traits: [("spend".to_owned(), "120.5".to_owned())].into(),
            history: [("fish".to_owned(), vec![(-1, 9), (10, 2), (9, 1)])].into(),
        };
        let mut ann = Asker { known: Arc::new(known), proven: true, now: 10 * day, ..asker("ann") };
        assert!(matched(r#"["rich"]"#, &ann) && matched(r#"{"==":"rich"}"#, &ann));
        assert!(matched(r#"["none", "angler"]"#, &ann), "one of several will do");
        assert!(!matched(r#"{"notIn":["rich"]}"#, &ann) && matched(r#"{"notIn":["high","not rich"]}"#, &ann));
        assert!(!matched(r#"{"in":["rich"],"notIn":["angler"]}"#, &ann), "all operators must hold");
        ann.now += day;
        assert!(!matched(r#"["angler"]"#, &ann), "the first of the two days is over");
        assert!(matched(r#"{"!=":"angler"}"#, &ann));
        assert!(!matched(r#"["no such"]"#, &ann) && !matched(r#"{"notIn":["no such"]}"#, &ann));
        // Attributes come as texts, and are compared as numbers with numbers.
        for (level, expected) in [("10", true), ("9", false), ("ten", false)] {
            ann.attributes.insert("level".into(), level.into());
            assert_eq!(matched(r#"["high"]"#, &ann), expected, "{level}");
        }
        // Who leaves his token out is in no segment that asks for what the server knows, and not outside of one either.
        let nobody = Asker { attributes: [("level".into(), "10".into())].into(), ..asker("ann") };
        for when in [r#"["rich"]"#, r#"["not rich"]"#, r#"{"notIn":["rich"]}"#, r#"{"!=":"angler"}"#] {
            assert!(!matched(when, &nobody), "{when}");
        }
        assert!(matched(r#"["high"]"#, &nobody));
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
