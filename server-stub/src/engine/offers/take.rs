//! Inside the writer's transaction: what is known about a player is read, the due offers are chosen, and they become *sent*.
//! There is one writer, so what was read still holds when it is written: caps and budgets are never passed.

use std::collections::BTreeMap;

use castline::protocol::encode;
use castline::protocol::messages::NewOffer;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::eligibility::{Copies, Facts, examine, may_be_shown};
use super::plan::{Campaign, Plan};
use crate::engine::flags::{Asker, Configuration, Known};
use crate::engine::segments::{DAY_MS, MAX_DAYS};
use crate::store::events::{NewEvent, insert};
use crate::store::offers::{self, NewCopy};
use crate::store::sql::Connection;
use crate::store::{StoreError, campaigns, players};

/// For whom, and where in the game.
#[derive(Debug, Clone)]
pub(super) struct Break {
    pub(super) player: String,
    pub(super) device: String,
    pub(super) placement: String,
    /// What the game says about the moment.
    pub(super) context: BTreeMap<String, Value>,
    /// The session that will carry it; `None`: an HTTP answer will.
    pub(super) session: Option<String>,
    pub(super) max: u32,
    pub(super) now: i64,
}

/// An offer that has just become *sent*.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) offer_id: String,
    pub(super) payload: NewOffer,
}

/// Reads what the plan asks for, and no more.
pub(super) async fn facts(c: &mut Connection, plan: &Plan, at: &Break) -> Result<Facts, StoreError> {
    let mut facts =
        Facts { player: at.player.clone(), placement: at.placement.clone(), now: at.now, ..Facts::default() };
    for row in offers::copies(c, &at.player, at.now).await? {
        let copies: &mut Copies = facts.copies.entry(row.definition_id).or_default();
        copies.number = copies.number.max(row.number);
        copies.open += row.open;
        copies.counted += row.counted;
        copies.last = copies.last.max(row.last);
        copies.by_day.push((row.day, row.counted));
    }
    let splits = plan.campaigns.iter().any(|campaign| campaign.definition.split.is_some());
    if plan.has_triggers() {
        facts.due = campaigns::due(c, &at.player, at.now).await?.into_iter().collect();
    }
    if plan.has_conditions || splits {
        facts.profile.traits = players::traits(c, &at.player).await?.into_iter().collect();
        facts.profile.attributes = at.context.clone();
    }
    if !plan.counted().is_empty() {
        let from = at.now.div_euclid(DAY_MS) - i64::from(MAX_DAYS);
        for (name, day, count) in players::event_days(c, &at.player, from).await? {
            facts.profile.history.entry(name).or_default().push((day, count));
        }
    }
    if plan.has_budgets {
        for campaign in &plan.campaigns {
            let budget = campaign.definition.budget;
            if budget.total.is_some() || budget.per_day.is_some() {
                let spent = campaigns::spent(c, &campaign.id, &campaign.calendar.day(at.now)).await?;
                facts.spent.insert(campaign.id.clone(), spent);
            }
        }
    }
    if plan.has_first_session || splits {
        let here = players::session_of(c, &at.player, &at.device).await?;
        let first = players::first_session(c, &at.player).await?;
        facts.first_session = match (&first, &here) {
            (None, _) => true,
            (Some(first), Some((session, _))) => first == session,
            (Some(_), None) => false,
        };
        facts.asker = asker(at, here.map_or_else(String::new, |(_, build)| build), &facts);
    }
    Ok(facts)
}

fn asker(at: &Break, build: String, facts: &Facts) -> Asker {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Asker {
        player: at.player.clone(),
        build,
        attributes: at.context.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        known: std::sync::Arc::new(Known {
            traits: facts.profile.traits.clone(),
            history: facts.profile.history.clone(),
        }),
        proven: true,
        now: at.now,
    }
}

/// Takes the best offers that this break may show, at most `max`: nobody else can take them.
pub(super) async fn take(
    c: &mut Connection,
    plan: &Plan,
    flags: &Configuration,
    at: &Break,
) -> Result<Vec<Sent>, StoreError> {
    if plan.campaigns.is_empty() || at.max == 0 {
        return Ok(Vec::new());
    }
    let facts = facts(c, plan, at).await?;
    // A queued copy is an open one.
    let queued = if facts.copies.values().any(|copies| copies.open > 0) {
        offers::queued(c, &at.player, at.now).await?
    } else {
        Vec::new()
    };
    let mut sent = Vec::new();
    for campaign in &plan.campaigns {
        if sent.len() >= at.max as usize {
            break;
        }
        if let Some(copy) = queued.iter().find(|copy| copy.definition_id == campaign.id) {
            if may_be_shown(campaign, &facts)
                && offers::send_queued(c, &at.player, &copy.offer_id, at.session.as_deref(), at.now).await?
            {
                let payload = new_offer(campaign, &copy.variant, &copy.offer_id, copy.expires_at, at.now)?;
                sent.push(Sent { offer_id: copy.offer_id.clone(), payload });
            }
            continue;
        }
        let verdict = examine(plan, campaign, &facts, flags, false);
        let variant = &verdict.variant;
        if variant.counts && (verdict.yes() || variant.hold_out) {
            expose(c, campaign, &variant.name, at).await?;
        }
        if verdict.yes() {
            sent.push(send_new(c, campaign, &facts, &variant.name, at).await?);
        }
    }
    Ok(sent)
}

async fn send_new(
    c: &mut Connection,
    campaign: &Campaign,
    facts: &Facts,
    variant: &str,
    at: &Break,
) -> Result<Sent, StoreError> {
    let definition = &campaign.definition;
    let number = facts.copies.get(&campaign.id).map_or(0, |copies| copies.number) + 1;
    let expires_at = at.now + definition.expires_in_seconds * 1000;
    let copy = NewCopy {
        player: &at.player,
        definition_id: &campaign.id,
        number,
        session: at.session.as_deref(),
        expires_at,
        day: &campaign.calendar.day(at.now),
        charged: true,
        variant,
        now: at.now,
    };
    let offer_id = offers::send_new(c, &copy).await?;
    if definition.trigger.is_some() {
        campaigns::clear_due(c, &at.player, &campaign.id).await?;
    }
    let payload = new_offer(campaign, variant, &offer_id, expires_at, at.now)?;
    Ok(Sent { offer_id, payload })
}

/// The player takes part in the flag's experiment from here on, with an offer or held out from it: an `$exposure` of the
/// server's own, as the client's are. Once a day at most, so that an experiment
/// that is declared later counts him too; the analysis takes the first.
async fn expose(
    c: &mut Connection,
    campaign: &Campaign,
    variant: &str,
    at: &Break,
) -> Result<(), StoreError> {
    let Some(split) = &campaign.definition.split else { return Ok(()) };
    let day = campaign.calendar.day(at.now);
    let hash = hex::encode(Sha256::digest(encode(&(&campaign.id, &split.flag, variant, &day)).as_bytes()));
    let props = serde_json::json!({"flag": split.flag, "variant": variant, "campaign": campaign.id});
    let flags = serde_json::json!({ split.flag.as_str(): variant });
    let event = NewEvent {
        event_id: format!("$server.{}", &hash[..32]),
        name: "$exposure".to_owned(),
        happened_at: at.now,
        props: props.to_string(),
        offer_result: None,
    };
    insert(c, &at.player, &event, &flags.to_string(), at.now).await.map(|_| ())
}

fn new_offer(
    campaign: &Campaign,
    variant: &str,
    offer_id: &str,
    expires_at: i64,
    now: i64,
) -> Result<NewOffer, StoreError> {
    let definition = &campaign.definition;
    let change = definition.split.as_ref().and_then(|split| split.variants.get(variant));
    let data: Option<Box<RawValue>> = change.and_then(|c| c.data.clone()).or_else(|| definition.data.clone());
    let title = change.and_then(|c| c.title.as_ref()).unwrap_or(&definition.title);
    let image_url = change.and_then(|c| c.image_url.as_ref()).unwrap_or(&definition.image_url);
    let campaign_id = if definition.campaign_id.is_empty() { &campaign.id } else { &definition.campaign_id };
    Ok(NewOffer {
        offer_id: offer_id.to_owned(),
        campaign_id: campaign_id.clone(),
        title: title.clone(),
        discount: change.and_then(|c| c.discount).unwrap_or(definition.discount),
        // Rounded up: what is left can then be no more than this, and a device without a better clock knows so.
        expires_in: (expires_at - now + 999) / 1000,
        expires_at,
        image_url: image_url.clone(),
        data,
    })
}
