//! Offers: the campaigns that operators define, the break that opens a lease, what is sent in it, and the claim over HTTP.
//!
//! A campaign is evaluated in memory, by facts that the writer's transaction reads; so what is decided and what is stored never
//! differ. `definition` is what operators write, `plan` all of it ready to use, `eligibility` the rules, `take` the decision in
//! the transaction, `triggers` what events set off, `lease` when it is sent, `admin` what operators ask.

mod admin;
mod calendar;
mod definition;
mod eligibility;
mod lease;
#[cfg(test)]
mod model;
mod plan;
#[cfg(test)]
mod properties;
mod push;
mod take;
mod triggers;

use std::collections::BTreeMap;

use castline::protocol::messages::{Claim, ClaimAnswer};
use castline::protocol::{is_name, is_player_id};
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use admin::{DryRun, Refused};
pub use calendar::{Day, Hours};
pub use definition::{Budget, Change, OfferDefinition, Split, Trigger};
pub(crate) use lease::Leases;
pub(crate) use plan::PlanTable;
pub(crate) use push::Push;

use super::{Engine, Failure, now_ms};
use crate::store::StoreError;
use crate::store::events::NewEvent;
use crate::store::sql::Connection;
use take::Break;
use triggers::Noted;

/// Offers in one lease at most.
const MAX_OFFERS: u32 = 5;

impl Engine {
    /// `POST /offers/claim`: at most one offer, for a player whose socket is not there in time.
    pub(crate) async fn claim(&self, player: &str, claim: &Claim) -> Result<ClaimAnswer, Failure> {
        check_placement(&claim.placement, claim.context.as_deref())?;
        if !is_player_id(&claim.device) {
            let why = format!("is {} bytes; it must be 1 to 64 of A-Z a-z 0-9 _ . : -", claim.device.len());
            return Err(Failure::at("device", why));
        }
        let at = Break {
            player: player.to_owned(),
            device: claim.device.to_string(),
            placement: claim.placement.clone(),
            context: context(claim.context.as_deref())?,
            session: None,
            max: 1,
            now: now_ms(),
        };
        let (plans, flags) = (self.plans.clone(), self.configuration());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let plan = plans.seen_by(c).await?;
                take::take(c, &plan, &flags, &at).await
            })
        });
        Ok(ClaimAnswer { offers: job.await?.into_iter().map(|sent| sent.payload).collect() })
    }

    /// Time has passed: serves the leases if a campaign has begun to run meanwhile, or a budget got a place back.
    pub(super) async fn serve_begun(&self, before: i64, now: i64, freed: bool) {
        if freed || self.plans.last().began_between(before, now) {
            self.serve_leases(|_| true).await;
        }
    }
}

impl PlanTable {
    /// Notes a new analytics event, in the transaction that stores it.
    pub(super) async fn note(
        &self,
        c: &mut Connection,
        player: &str,
        event: &NewEvent,
        now: i64,
    ) -> Result<Noted, StoreError> {
        let plan = self.seen_by(c).await?;
        triggers::note(c, &plan, player, event, now).await
    }

    /// The same for one of several: `plan` is what the transaction sees.
    pub(super) async fn note_by(
        c: &mut Connection,
        plan: &plan::Plan,
        player: &str,
        event: &NewEvent,
        now: i64,
    ) -> Result<Noted, StoreError> {
        triggers::note(c, plan, player, event, now).await
    }
}

fn check_placement(placement: &str, context: Option<&RawValue>) -> Result<(), Failure> {
    if !is_name(placement) {
        let why = format!("is {} bytes; it must be 1 to 128 without control characters", placement.len());
        return Err(Failure::at("placement", why));
    }
    match context.map(RawValue::get) {
        None => Ok(()),
        Some(text) if text.starts_with('{') && !castline::protocol::depth_exceeds(text, 1) => Ok(()),
        Some(_) => Err(Failure::at("context", "is not a flat JSON object")),
    }
}

/// The attributes that the game states for a break.
fn context(context: Option<&RawValue>) -> Result<BTreeMap<String, Value>, Failure> {
    let parsed = context.map(|raw| serde_json::from_str(raw.get())).transpose();
    Ok(parsed.map_err(|e| Failure::at("context", e))?.unwrap_or_default())
}
