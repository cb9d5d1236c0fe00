//! Whether a player gets a campaign's offer at a break: one list of rules, for the decision and for its explanation alike.

use std::collections::HashMap;

use serde::Serialize;

use super::plan::{Campaign, Plan};
use crate::engine::flags::{Asker, Configuration};
use crate::engine::segments::Profile;

/// A player's copies of one campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies {
    pub(super) number: i64,
    pub(super) open: i64,
    pub(super) counted: i64,
    pub(super) last: Option<i64>,
    pub(super) by_day: Vec<(String, i64)>,
}

/// What is known at a break.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) player: String,
    pub(super) placement: String,
    pub(super) now: i64,
    pub(super) first_session: bool,
    pub(super) profile: Profile,
    pub(super) copies: HashMap<String, Copies>,
    /// Campaign → until when its trigger's firing is good.
    pub(super) due: HashMap<String, i64>,
    /// Campaign → copies against its budget, in all and today.
    pub(super) spent: HashMap<String, (i64, i64)>,
    pub(super) asker: Asker,
}

/// One rule and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    /// The rule, by the name of its member.
    pub(crate) rule: &'static str,
    /// What it says.
    pub(crate) ok: bool,
    /// With the numbers.
    pub(crate) detail: String,
}

/// What the flag says about the offer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Variant {
    /// Empty: the offer as it is.
    pub(super) name: String,
    /// It counts in the analysis.
    pub(super) counts: bool,
    pub(super) hold_out: bool,
}

/// The answers so far.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    explain: bool,
    pub(super) checks: Vec<Check>,
    refused: bool,
    pub(super) variant: Variant,
}

impl Verdict {
    pub(super) fn yes(&self) -> bool {
        !self.refused
    }

    /// Takes an answer; `false`: the rest need not be asked.
    fn say(&mut self, rule: &'static str, ok: bool, detail: impl FnOnce() -> String) -> bool {
        self.refused |= !ok;
        if self.explain {
            self.checks.push(Check { rule, ok, detail: detail() });
        }
        self.explain || !self.refused
    }
}

/// Asks every rule, or all up to the first that says no.
pub(super) fn examine(
    plan: &Plan,
    campaign: &Campaign,
    facts: &Facts,
    flags: &Configuration,
    explain: bool,
) -> Verdict {
    let mut verdict = Verdict { explain, ..Verdict::default() };
    let runs = in_general(campaign, facts, &mut verdict)
        && the_player(plan, campaign, facts, &mut verdict)
        && how_often(campaign, facts, &mut verdict);
    if runs {
        // Last: who is held out by his variant is one who would have got the offer.
        let variant = variant(campaign, facts, flags);
        let name = variant.name.clone();
        verdict.say("split", !variant.hold_out, || match name.as_str() {
            "" => "no variant: the offer as it is".to_owned(),
            name => format!("variant {name:?}"),
        });
        verdict.variant = variant;
    }
    verdict
}

/// The rules that also hold for a copy that waits to be sent again.
pub(super) fn may_be_shown(campaign: &Campaign, facts: &Facts) -> bool {
    let mut verdict = Verdict::default();
    in_general(campaign, facts, &mut verdict) && verdict.yes()
}

fn in_general(campaign: &Campaign, facts: &Facts, verdict: &mut Verdict) -> bool {
    let (definition, now) = (&campaign.definition, facts.now);
    verdict.say("enabled", definition.enabled, || format!("enabled is {}", definition.enabled))
        && verdict.say("startsAt", definition.starts_at.is_none_or(|from| from <= now), || {
            told_time("it begins", definition.starts_at, now)
        })
        && verdict.say("endsAt", definition.ends_at.is_none_or(|to| now < to), || {
            told_time("it ends", definition.ends_at, now)
        })
        && verdict.say("hours", campaign.calendar.open(now), || {
            let hours = if definition.hours.is_empty() {
                "at any time".to_owned()
            } else {
                castline::protocol::encode(&definition.hours)
            };
            format!("it is {}; {hours}", campaign.calendar.told(now))
        })
        && verdict.say("placements", campaign.fits(&facts.placement), || match &definition.placements {
            None => "any placement".to_owned(),
            Some(list) => format!("the break is at {:?}; it may appear at {list:?}", facts.placement),
        })
}

fn the_player(plan: &Plan, campaign: &Campaign, facts: &Facts, verdict: &mut Verdict) -> bool {
    let definition = &campaign.definition;
    let due = facts.due.get(&campaign.id).copied().filter(|until| *until > facts.now);
    let holds = |name: &String| plan.segments.get(name).map(|s| s.when.holds(&facts.profile, facts.now));
    verdict.say("players", campaign.is_for(&facts.player), || match &definition.players {
        None => "everybody".to_owned(),
        Some(list) => format!("a list of {} players", list.len()),
    }) && verdict.say("trigger", definition.trigger.is_none() || due.is_some(), || {
        match (&definition.trigger, due) {
            (None, _) => "nothing must have happened".to_owned(),
            (Some(trigger), Some(until)) => format!("{:?} fired; good until {until}", trigger.event),
            (Some(trigger), None) => {
                format!("{:?} has not fired, or was answered, or is over", trigger.event)
            }
        }
    }) && verdict.say("firstSession", !definition.first_session || facts.first_session, || {
        let word = if facts.first_session { "the player's first session" } else { "not the first session" };
        format!("{word}; asked for: {}", definition.first_session)
    }) && verdict.say("segments", definition.segments.iter().all(|s| holds(s) == Some(true)), || {
        told_segments(&definition.segments, holds)
    }) && verdict.say("notSegments", definition.not_segments.iter().all(|s| holds(s) == Some(false)), || {
        told_segments(&definition.not_segments, holds)
    }) && verdict.say(
        "when",
        definition.when.as_ref().is_none_or(|when| when.holds(&facts.profile, facts.now)),
        || definition.when.as_ref().map_or_else(|| "no condition".to_owned(), castline::protocol::encode),
    )
}

fn how_often(campaign: &Campaign, facts: &Facts, verdict: &mut Verdict) -> bool {
    let (definition, none) = (&campaign.definition, Copies::default());
    let copies = facts.copies.get(&campaign.id).unwrap_or(&none);
    let today = campaign.calendar.day(facts.now);
    let of_today: i64 = copies.by_day.iter().filter(|(day, _)| *day == today).map(|(_, n)| n).sum();
    let wait = copies.last.map_or(0, |last| last + definition.cooldown_seconds * 1000 - facts.now);
    let (total, day) = facts.spent.get(&campaign.id).copied().unwrap_or_default();
    let budget = definition.budget;
    let under = |used: i64, limit: Option<u32>| limit.is_none_or(|limit| used < i64::from(limit));
    let told = |used: i64, limit: Option<u32>| match limit {
        None => format!("{used}; no limit"),
        Some(limit) => format!("{used} of {limit}"),
    };
    verdict.say("oneAtATime", copies.open == 0, || format!("{} open copies", copies.open))
        && verdict.say("perPlayer", copies.counted < i64::from(definition.per_player), || {
            told(copies.counted, Some(definition.per_player))
        })
        && verdict.say("perPlayerPerDay", under(of_today, definition.per_player_per_day), || {
            format!("{} on {today}", told(of_today, definition.per_player_per_day))
        })
        && verdict.say("cooldownSeconds", definition.cooldown_seconds == 0 || wait <= 0, || {
            format!("{} ms to wait", wait.max(0))
        })
        && verdict.say("budget.total", under(total, budget.total), || told(total, budget.total))
        && verdict.say("budget.perDay", under(day, budget.per_day), || {
            format!("{} on {today}", told(day, budget.per_day))
        })
}

fn variant(campaign: &Campaign, facts: &Facts, flags: &Configuration) -> Variant {
    let Some(split) = &campaign.definition.split else { return Variant::default() };
    let Some(evaluated) = flags.evaluate(&split.flag, &facts.asker) else {
        return Variant::default();
    };
    Variant {
        hold_out: split.variants.get(evaluated.variant).is_some_and(|change| change.hold_out),
        name: evaluated.variant.to_owned(),
        // Testers and a flag that is switched off are no part of an experiment.
        counts: !matches!(evaluated.reason, "OVERRIDE" | "DISABLED"),
    }
}

fn told_time(word: &str, at: Option<i64>, now: i64) -> String {
    match at {
        None => "no bound".to_owned(),
        Some(at) => format!("{word} at {at}; it is {now}"),
    }
}

fn told_segments(names: &[String], holds: impl Fn(&String) -> Option<bool>) -> String {
    if names.is_empty() {
        return "none asked for".to_owned();
    }
    let told = names.iter().map(|name| match holds(name) {
        Some(true) => format!("{name:?}: member"),
        Some(false) => format!("{name:?}: no member"),
        None => format!("{name:?}: there is no such segment"),
    });
    told.collect::<Vec<_>>().join(", ")
}
