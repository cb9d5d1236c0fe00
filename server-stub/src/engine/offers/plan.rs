//! All campaigns and segments as the store has them, ready to be evaluated: held in memory, and read anew inside the
//! transaction that finds that they have changed. So no decision is made by a campaign that is no more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::calendar::Calendar;
use super::definition::OfferDefinition;
use crate::engine::segments::{Fault, Segment};
use crate::store::StoreError;
use crate::store::campaigns::{self, CampaignRow};
use crate::store::sql::Connection;

/// A campaign that can be evaluated.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) id: String,
    pub(super) updated_at: i64,
    pub(super) definition: OfferDefinition,
    pub(super) calendar: Calendar,
}

impl Campaign {
    pub(super) fn new(id: &str, updated_at: i64, definition: OfferDefinition) -> Result<Campaign, Fault> {
        definition.check(id)?;
        let calendar = Calendar::new(&definition.time_zone, &definition.hours)?;
        Ok(Campaign { id: id.to_owned(), updated_at, definition, calendar })
    }

    pub(super) fn from_row(row: &CampaignRow) -> Result<Campaign, String> {
        let definition: OfferDefinition = serde_json::from_str(&row.body).map_err(|e| e.to_string())?;
        Campaign::new(&row.definition_id, row.updated_at, definition).map_err(|fault| fault.to_string())
    }

    /// Whether it fits a place in the game.
    pub(super) fn fits(&self, placement: &str) -> bool {
        self.definition.placements.as_ref().is_none_or(|list| list.iter().any(|p| p == placement))
    }

    /// Whether it is for this player.
    pub(super) fn is_for(&self, player: &str) -> bool {
        self.definition.players.as_ref().is_none_or(|list| list.iter().any(|p| p == player))
    }

    /// Whether its dates and hours admit it.
    pub(super) fn runs(&self, now: i64) -> bool {
        let definition = &self.definition;
        definition.starts_at.is_none_or(|from| from <= now)
            && definition.ends_at.is_none_or(|to| now < to)
            && self.calendar.open(now)
    }
}

/// Everything that decides about offers.
#[derive(Debug, Default)]
pub(in crate::engine) struct Plan {
    stamp: i64,
    /// The better first.
    pub(super) campaigns: Vec<Campaign>,
    pub(super) segments: BTreeMap<String, Segment>,
    /// Event name → campaigns that it may trigger.
    triggers: HashMap<String, Vec<usize>>,
    /// Events whose history somebody asks for.
    counted: BTreeSet<String>,
    pub(super) has_budgets: bool,
    pub(super) has_conditions: bool,
    pub(super) has_first_session: bool,
}

impl Plan {
    /// Reads rows. A malformed one spoils that campaign or segment alone.
    pub(super) fn of(stamp: i64, campaigns: &[CampaignRow], segments: &[(String, String)]) -> Plan {
        let mut plan = Plan { stamp, ..Plan::default() };
        for row in campaigns {
            match Campaign::from_row(row) {
                Ok(campaign) => plan.campaigns.push(campaign),
                Err(error) => {
                    tracing::error!(campaign = row.definition_id, error, "a malformed campaign is left out")
                }
            }
        }
        plan.campaigns.sort_by(|a, b| {
            let rank = |c: &Campaign| (std::cmp::Reverse(c.definition.priority), c.updated_at);
            rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(&b.id))
        });
        for (name, body) in segments {
            match serde_json::from_str::<Segment>(body) {
                Ok(segment) => drop(plan.segments.insert(name.clone(), segment)),
                Err(error) => tracing::error!(segment = name, %error, "a malformed segment is left out"),
            }
        }
        for (place, campaign) in plan.campaigns.iter().enumerate() {
            let definition = &campaign.definition;
            if let Some(trigger) = &definition.trigger {
                plan.triggers.entry(trigger.event.clone()).or_default().push(place);
            }
            plan.has_budgets |= definition.budget != super::definition::Budget::default();
            plan.has_first_session |= definition.first_session;
            let segmented = !definition.segments.is_empty() || !definition.not_segments.is_empty();
            plan.has_conditions |= segmented || definition.when.is_some();
        }
        let mut events = Vec::new();
        plan.campaigns.iter().filter_map(|c| c.definition.when.as_ref()).for_each(|c| c.events(&mut events));
        plan.segments.values().for_each(|segment| segment.when.events(&mut events));
        plan.counted = events.into_iter().map(str::to_owned).collect();
        plan
    }

    pub(super) fn campaign(&self, id: &str) -> Option<&Campaign> {
        self.campaigns.iter().find(|campaign| campaign.id == id)
    }

    /// The campaigns that ask for a segment, switched on or not.
    pub(super) fn using_segment<'a>(&'a self, segment: &'a str) -> impl Iterator<Item = &'a str> {
        let asks = move |campaign: &&Campaign| {
            let definition = &campaign.definition;
            definition.segments.iter().chain(&definition.not_segments).any(|name| name == segment)
        };
        self.campaigns.iter().filter(asks).map(|campaign| campaign.id.as_str())
    }

    pub(super) fn triggered_by(&self, event: &str) -> impl Iterator<Item = &Campaign> {
        self.triggers.get(event).into_iter().flatten().map(|place| &self.campaigns[*place])
    }

    pub(super) fn has_triggers(&self) -> bool {
        !self.triggers.is_empty()
    }

    pub(super) fn counts(&self, event: &str) -> bool {
        self.counted.contains(event)
    }

    pub(super) fn counted(&self) -> &BTreeSet<String> {
        &self.counted
    }

    /// Whether some campaign began to run between two moments.
    pub(super) fn began_between(&self, before: i64, now: i64) -> bool {
        self.campaigns.iter().any(|c| c.definition.enabled && c.runs(now) && !c.runs(before))
    }
}

/// The plan that was read last.
#[derive(Debug, Default)]
pub(crate) struct PlanTable {
    current: Mutex<Arc<Plan>>,
}

impl PlanTable {
    /// The plan that this transaction, or this reader, sees.
    pub(in crate::engine) async fn seen_by(&self, c: &mut Connection) -> Result<Arc<Plan>, StoreError> {
        let stamp = campaigns::stamp(c).await?;
        self.of_stamp(c, stamp).await
    }

    /// The same for a socket, which must still hold its session.
    ///
    /// # Errors
    /// [`StoreError::Fenced`]: it does not.
    pub(in crate::engine) async fn seen_by_holder(
        &self,
        c: &mut Connection,
        session: &str,
        epoch: i64,
    ) -> Result<Arc<Plan>, StoreError> {
        let stamp = campaigns::stamp_for(c, session, epoch).await?;
        self.of_stamp(c, stamp).await
    }

    async fn of_stamp(&self, c: &mut Connection, stamp: i64) -> Result<Arc<Plan>, StoreError> {
        let current = self.last();
        if current.stamp == stamp {
            return Ok(current);
        }
        let plan = Arc::new(Plan::of(stamp, &campaigns::all(c).await?, &campaigns::segments(c).await?));
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = plan.clone();
        Ok(plan)
    }

    /// What was read is of another database.
    pub(crate) fn forget(&self) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::default();
    }

    /// The plan that was read last, for what may be a moment late.
    pub(super) fn last(&self) -> Arc<Plan> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
