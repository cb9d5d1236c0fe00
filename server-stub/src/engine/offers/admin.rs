//! What operators ask about campaigns and segments: change, look, count, and try out.

use std::collections::BTreeMap;

use castline::protocol::{encode, is_name, is_player_id};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::definition::OfferDefinition;
use super::eligibility::{Check, examine, may_be_shown};
use super::plan::{Campaign, Plan};
use super::take::{Break, facts};
use crate::engine::flags::{Asker, Configuration, flags_using_segment, segment_changed};
use crate::engine::segments::{Fault, Segment};
use crate::engine::{Engine, Failure, now_ms};
use crate::store::audit::{self, Author};
use crate::store::sql::Connection;
use crate::store::{StoreError, campaigns, offers, players};

/// Campaigns and segments, each, at most: all of them are looked at for each break.
const MAX_DEFINITIONS: usize = 500;
/// Names of each kind that a refusal tells.
const TOLD: usize = 8;

/// Why an operator does not get what he asked for.
#[derive(Debug)]
pub(crate) enum Refused {
    /// One member is wrong.
    Fault(Fault),
    /// There is no such thing.
    Absent(&'static str),
    Failure(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Refused::Failure(failure)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Refused::Failure(error.into())
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Refused::Fault(fault)
    }
}

/// A campaign with its numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CampaignView {
    id: String,
    updated_at: i64,
    definition: OfferDefinition,
    /// Copies that stand against the budget, in all and today.
    spent: Spent,
    funnel: Funnel,
    /// The same by the flag's variant; without a split there is none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    variants: BTreeMap<String, Funnel>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spent {
    total: i64,
    today: i64,
}

/// How many copies came how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Funnel {
    /// Sent, queued again or lapsed: nobody has said that they arrived.
    unreceived: i64,
    delivered: i64,
    shown: i64,
    accepted: i64,
    declined: i64,
    expired: i64,
}

/// The question of a dry run.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DryRun {
    player: String,
    placement: String,
    #[serde(default)]
    context: BTreeMap<String, Value>,
    /// The device whose session counts; without: none.
    #[serde(default)]
    device: String,
    /// Unix ms; without: now. What is known of the player is what is known now.
    #[serde(default)]
    at: Option<i64>,
}

/// Its answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DryRunAnswer {
    would: bool,
    /// The first rule that said no.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<Check>,
    /// The variant of the split, where there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    variant: String,
    checks: Vec<Check>,
    /// A copy of his waits to be sent again: then only the rules up to `placements` count.
    queued_again: bool,
    /// Campaigns whose offers come first at this break.
    before: Vec<String>,
}

/// What a change of the plan made of what: JSON.
#[derive(Default)]
struct Changed {
    before: Option<String>,
    after: Option<String>,
    /// The flags that ask for what was changed, to be put in force.
    flags: Option<Configuration>,
}

impl Engine {
    /// Creates or replaces a campaign, and sends its offer at once where a lease is open.
    pub(crate) async fn put_offer(
        &self,
        id: &str,
        definition: &OfferDefinition,
        author: Author,
    ) -> Result<(), Failure> {
        definition.check(id).map_err(|fault| Failure::invalid(fault.to_string()))?;
        let (body, name, now) = (encode(definition), id.to_owned(), now_ms());
        self.change("put campaign", id, author, move |c| {
            Box::pin(async move {
                let before = campaigns::get(c, &name).await?;
                if before.is_none() && campaigns::all(c).await?.len() >= MAX_DEFINITIONS {
                    let why = format!(
                        "there are {MAX_DEFINITIONS} campaigns, which is the limit; delete one first"
                    );
                    return Err(StoreError::Refused(why));
                }
                campaigns::put(c, &name, &body, now).await?;
                Ok(Some(Changed {
                    before: before.map(|row| row.body),
                    after: Some(body),
                    ..Changed::default()
                }))
            })
        })
        .await?;
        let (placements, players) = (&definition.placements, &definition.players);
        self.serve_leases(|lease| {
            placements.as_ref().is_none_or(|list| list.contains(&lease.placement))
                && players.as_ref().is_none_or(|list| list.iter().any(|p| **p == *lease.who.player))
        })
        .await;
        Ok(())
    }

    /// The same, with the member that is wrong.
    pub(crate) async fn put_campaign(
        &self,
        id: &str,
        definition: &OfferDefinition,
        author: Author,
    ) -> Result<(), Refused> {
        definition.check(id)?;
        Ok(self.put_offer(id, definition, author).await?)
    }

    /// A change of the plan, with its line in the audit table. The job says what was and what is; `None`, and then `false`: there was
    /// nothing to change.
    async fn change<F>(
        &self,
        action: &'static str,
        subject: &str,
        author: Author,
        job: F,
    ) -> Result<bool, StoreError>
    where
        F: for<'c> FnOnce(&'c mut Connection) -> crate::store::BoxedJob<'c, Option<Changed>> + Send + 'static,
    {
        let (plans, subject, now) = (self.plans.clone(), subject.to_owned(), now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let Some(changed) = job(c).await? else { return Ok(None) };
                let plan = Plan::of(0, &campaigns::all(c).await?, &campaigns::segments(c).await?);
                players::count_only(c, plan.counted().iter().map(String::as_str)).await?;
                let (before, after) = (changed.before.as_deref(), changed.after.as_deref());
                let change = audit::Change { action, subject: &subject, before, after };
                audit::record(c, &author, change, now).await?;
                Ok(Some(changed.flags))
            })
        });
        let done = job.await?;
        let mut reader = self.store.reader().await?;
        plans.seen_by(&mut reader).await?;
        let found = done.is_some();
        if let Some(configuration) = done.flatten() {
            self.enforce(configuration);
        }
        Ok(found)
    }

    /// Switches a campaign off; what players have stays theirs.
    pub(crate) async fn disable_campaign(&self, id: &str, author: Author) -> Result<(), Refused> {
        let (name, now) = (id.to_owned(), now_ms());
        let found = self
            .change("disable campaign", id, author, move |c| {
                Box::pin(async move {
                    let Some(row) = campaigns::get(c, &name).await? else { return Ok(None) };
                    let campaign = Campaign::from_row(&row).map_err(StoreError::Refused)?;
                    let definition = OfferDefinition { enabled: false, ..campaign.definition };
                    let after = encode(&definition);
                    campaigns::put(c, &name, &after, now).await?;
                    Ok(Some(Changed { before: Some(row.body), after: Some(after), ..Changed::default() }))
                })
            })
            .await?;
        found.then_some(()).ok_or(Refused::Absent("there is no such campaign"))
    }

    /// Deletes a campaign; what players have stays theirs.
    pub(crate) async fn delete_campaign(&self, id: &str, author: Author) -> Result<(), Refused> {
        let name = id.to_owned();
        let found = self
            .change("delete campaign", id, author, move |c| {
                Box::pin(async move {
                    let before = campaigns::get(c, &name).await?.map(|row| row.body);
                    let gone = campaigns::delete(c, &name).await?;
                    Ok(gone.then_some(Changed { before, ..Changed::default() }))
                })
            })
            .await?;
        found.then_some(()).ok_or(Refused::Absent("there is no such campaign"))
    }

    /// All campaigns, or the one of this id, with their numbers, the better first.
    pub(crate) async fn campaigns(&self, only: Option<&str>) -> Result<Vec<CampaignView>, Refused> {
        let mut reader = self.store.reader().await?;
        let plan = self.plans.seen_by(&mut reader).await?;
        let mut views = Vec::new();
        for campaign in plan.campaigns.iter().filter(|c| only.is_none_or(|id| c.id == id)) {
            let (total, today) =
                campaigns::spent(&mut reader, &campaign.id, &campaign.calendar.day(now_ms())).await?;
            let (mut funnel, mut variants) = (Funnel::default(), BTreeMap::new());
            for (variant, delivered, shown, accepted, declined, expired, unreceived) in
                offers::funnel(&mut reader, &campaign.id).await?
            {
                let part = Funnel { unreceived, delivered, shown, accepted, declined, expired };
                funnel = funnel.plus(part);
                if !variant.is_empty() {
                    variants.insert(variant, part);
                }
            }
            views.push(CampaignView {
                id: campaign.id.clone(),
                updated_at: campaign.updated_at,
                definition: campaign.definition.clone(),
                spent: Spent { total, today },
                funnel,
                variants,
            });
        }
        Ok(views)
    }

    /// Would this player get this offer, and why not? Changes nothing.
    pub(crate) async fn dry_run(&self, id: &str, ask: DryRun) -> Result<DryRunAnswer, Refused> {
        check_player(&ask.player)?;
        if !is_name(&ask.placement) {
            return Err(Fault::new("placement", "must be 1 to 128 bytes without control characters").into());
        }
        if let Some(bad) = ask.context.iter().find(|(_, v)| v.is_array() || v.is_object()) {
            return Err(Fault::new(format!("context.{}", bad.0), "must be a scalar").into());
        }
        if let Some(at) = ask.at.filter(|at| !(0..=253_402_300_799_000).contains(at)) {
            return Err(Fault::new("at", format!("is {at}; it must be 0 to 253402300799000, Unix ms")).into());
        }
        let mut reader = self.store.reader().await?;
        let plan = self.plans.seen_by(&mut reader).await?;
        let Some(campaign) = plan.campaign(id) else {
            return Err(Refused::Absent("there is no such campaign"));
        };
        let at = Break {
            player: ask.player,
            device: ask.device,
            placement: ask.placement,
            context: ask.context,
            session: None,
            max: 1,
            now: ask.at.unwrap_or_else(now_ms),
        };
        let facts = facts(&mut reader, &plan, &at).await?;
        let queued = offers::queued(&mut reader, &at.player, at.now).await?;
        let flags = self.configuration();
        let waits = |campaign: &Campaign| queued.iter().any(|copy| copy.definition_id == campaign.id);
        let gets = |campaign: &Campaign| {
            if waits(campaign) {
                may_be_shown(campaign, &facts)
            } else {
                examine(&plan, campaign, &facts, &flags, false).yes()
            }
        };
        let verdict = examine(&plan, campaign, &facts, &flags, true);
        let would = gets(campaign);
        let because = if would { None } else { verdict.checks.iter().find(|check| !check.ok).cloned() };
        let before = plan.campaigns.iter().take_while(|c| c.id != id).filter(|c| gets(c));
        Ok(DryRunAnswer {
            would,
            because,
            before: before.map(|c| c.id.clone()).collect(),
            queued_again: waits(campaign),
            variant: verdict.variant.name.clone(),
            checks: verdict.checks,
        })
    }

    /// Creates or replaces a segment.
    pub(crate) async fn put_segment(
        &self,
        name: &str,
        segment: &Segment,
        author: Author,
    ) -> Result<(), Refused> {
        if !is_name(name) {
            return Err(Fault::new("name", "must be 1 to 128 bytes without control characters").into());
        }
        if segment.description.len() > 512 {
            let why = format!("is {} bytes; the limit is 512", segment.description.len());
            return Err(Fault::new("description", why).into());
        }
        segment.when.check("when")?;
        let (body, subject, now) = (encode(segment), name.to_owned(), now_ms());
        self.change("put segment", name, author, move |c| {
            Box::pin(async move {
                let known = campaigns::segments(c).await?;
                if known.len() >= MAX_DEFINITIONS && !known.iter().any(|(n, _)| *n == subject) {
                    let why =
                        format!("there are {MAX_DEFINITIONS} segments, which is the limit; delete one first");
                    return Err(StoreError::Refused(why));
                }
                let before = known.into_iter().find(|(n, _)| *n == subject).map(|(_, body)| body);
                campaigns::put_segment(c, &subject, &body, now).await?;
                let flags = segment_changed(c, &subject).await?;
                Ok(Some(Changed { before, after: Some(body), flags }))
            })
        })
        .await?;
        self.serve_leases(|_| true).await;
        Ok(())
    }

    /// All segments by name.
    pub(crate) async fn segments(&self) -> Result<BTreeMap<String, Segment>, Refused> {
        let mut reader = self.store.reader().await?;
        Ok(self.plans.seen_by(&mut reader).await?.segments.clone())
    }

    /// The segments that somebody belongs to.
    pub(in crate::engine) async fn segments_of(
        &self,
        c: &mut Connection,
        asker: &Asker,
    ) -> Result<Vec<String>, StoreError> {
        let plan = self.plans.seen_by(c).await?;
        let held = plan.segments.iter().filter(|(_, segment)| segment.when.holds(asker, asker.now));
        Ok(held.map(|(name, _)| name.clone()).collect())
    }

    /// Deletes a segment that no flag and no campaign asks for.
    pub(crate) async fn delete_segment(&self, name: &str, author: Author) -> Result<(), Refused> {
        let subject = name.to_owned();
        let found = self
            .change("delete segment", name, author, move |c| {
                Box::pin(async move {
                    let known = campaigns::segments(c).await?;
                    let before = known.into_iter().find(|(n, _)| *n == subject).map(|(_, body)| body);
                    let plan = Plan::of(0, &campaigns::all(c).await?, &[]);
                    let campaigns = plan.using_segment(&subject).map(str::to_owned).collect();
                    let flags = flags_using_segment(c, &subject).await?;
                    check_unused(&subject, &[("flags", flags), ("campaigns", campaigns)])?;
                    let gone = campaigns::delete_segment(c, &subject).await?;
                    Ok(gone.then_some(Changed { before, ..Changed::default() }))
                })
            })
            .await?;
        found.then_some(()).ok_or(Refused::Absent("there is no such segment"))
    }
}

/// A segment is about to be deleted: nobody may ask for it.
fn check_unused(segment: &str, users: &[(&str, Vec<String>)]) -> Result<(), StoreError> {
    let told: Vec<String> = users
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(kind, names)| {
            let some: Vec<_> = names.iter().take(TOLD).map(|name| format!("{name:?}")).collect();
            let more = names.len() - some.len();
            let others = if more > 0 { format!(" and {more} others") } else { String::new() };
            format!("the {kind} {}{others}", some.join(", "))
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    let why = format!("{segment:?} is asked for by {}; change those first", told.join(" and "));
    Err(StoreError::RefusedAt("name", why))
}

fn check_player(player: &str) -> Result<(), Fault> {
    let fault = || Fault::new("player", "is not 1 to 64 of A-Z a-z 0-9 _ . : -");
    is_player_id(player).then_some(()).ok_or_else(fault)
}

impl Funnel {
    fn plus(self, other: Funnel) -> Funnel {
        Funnel {
            unreceived: self.unreceived + other.unreceived,
            delivered: self.delivered + other.delivered,
            shown: self.shown + other.shown,
            accepted: self.accepted + other.accepted,
            declined: self.declined + other.declined,
            expired: self.expired + other.expired,
        }
    }
}
