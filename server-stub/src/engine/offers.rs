//! Offers: what an operator defines, the lease that a break opens, what is sent in it, and the claim over HTTP.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use castline::protocol::limits::{LEASE_MAX_MS, LEASE_MIN_MS, MAX_SAFE_INTEGER};
use castline::protocol::messages::{
    Claim, ClaimAnswer, Lease as LeaseReply, NewOffer, OkReply, ReadyForOffer,
};
use castline::protocol::{Envelope, encode, is_name, is_player_id};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Answer, Engine, Failure, Who, now_ms, reply_of};
use crate::bus::Note;
use crate::store::StoreError;
use crate::store::keys::{self, Key};
use crate::store::offers::{self, Break, DefinitionRow, Sent};
use crate::store::sessions::{Durable, check_epoch};

/// Offers in one lease at most.
const MAX_OFFERS: u32 = 5;
/// Bytes of an offer's `data`: an offer must fit into a message with room to spare.
const MAX_DATA: usize = 4_096;

/// An offer as operators write it: the body of `PUT /admin/offers/{id}`. Each player it fits gets a copy, at the first
/// fitting break.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct OfferDefinition {
    /// The campaign it belongs to; without: the offer's own id.
    #[serde(default)]
    pub campaign_id: String,
    /// The headline.
    pub title: String,
    /// Per cent, 0 to 100.
    #[serde(default)]
    pub discount: f64,
    /// Life of a copy from the moment it is first sent, seconds: 1 to 31,536,000.
    pub expires_in_seconds: i64,
    /// `https`, or empty.
    #[serde(default)]
    pub image_url: String,
    /// Whatever the game wants to know; JSON, at most 4,096 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// Where it may appear; without: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placements: Option<Vec<String>>,
    /// Who may get it; without: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub players: Option<Vec<String>>,
    /// The greater comes first.
    #[serde(default)]
    pub priority: i64,
    /// Copies a player may get in all, one at a time: 1 to 1,000.
    #[serde(default = "one")]
    pub per_player: u32,
    /// `false`: no further copy is sent.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn one() -> u32 {
    1
}
fn yes() -> bool {
    true
}

impl OfferDefinition {
    /// An offer for everybody, anywhere, once.
    pub fn new(title: &str, discount: f64, expires_in_seconds: i64) -> OfferDefinition {
        OfferDefinition {
            campaign_id: String::new(),
            title: title.to_owned(),
            discount,
            expires_in_seconds,
            image_url: String::new(),
            data: None,
            placements: None,
            players: None,
            priority: 0,
            per_player: 1,
            enabled: true,
        }
    }

    fn to_row(&self, id: &str) -> Result<DefinitionRow, String> {
        let campaign_id = if self.campaign_id.is_empty() { id } else { &self.campaign_id };
        if !is_player_id(id) {
            return Err(format!("offer id {id:?} is not 1 to 64 of A-Z a-z 0-9 _ . : -"));
        }
        if !is_name(campaign_id) || self.title.is_empty() || self.title.len() > 512 {
            return Err("campaignId is at most 128 bytes, title 1 to 512 bytes".to_owned());
        }
        if !(0.0..=100.0).contains(&self.discount) {
            return Err(format!("discount is {}; it is per cent, 0 to 100", self.discount));
        }
        if !(1..=31_536_000).contains(&self.expires_in_seconds) {
            return Err(format!("expiresInSeconds is {}; it must be 1 to 31536000", self.expires_in_seconds));
        }
        if !(self.image_url.is_empty() || self.image_url.starts_with("https://"))
            || self.image_url.len() > 2_048
        {
            return Err("imageUrl must be https, at most 2048 bytes, or empty".to_owned());
        }
        let data = self.data.as_ref().map(|d| d.get());
        if let Some(bytes) = data.map(str::len).filter(|n| *n > MAX_DATA) {
            return Err(format!("data is {bytes} bytes; the limit is {MAX_DATA}"));
        }
        if data.is_some_and(|d| castline::protocol::depth_exceeds(d, 16)) {
            return Err("data is nested deeper than 16 levels".to_owned());
        }
        if let Some(bad) = self.placements.iter().flatten().find(|p| !is_name(p)) {
            return Err(format!("placement {bad:?} is not 1 to 128 bytes without control characters"));
        }
        if let Some(bad) = self.players.iter().flatten().find(|p| !is_player_id(p)) {
            return Err(format!("player {bad:?} is no player's name"));
        }
        if !(1..=1_000).contains(&self.per_player) {
            return Err(format!("perPlayer is {}; it must be 1 to 1000", self.per_player));
        }
        if self.priority.abs() > MAX_SAFE_INTEGER {
            return Err(format!("priority is {}; it must be below 2^53", self.priority));
        }
        Ok(DefinitionRow {
            definition_id: id.to_owned(),
            campaign_id: campaign_id.to_owned(),
            title: self.title.clone(),
            discount: self.discount,
            expires_in_s: self.expires_in_seconds,
            image_url: self.image_url.clone(),
            data: data.map(str::to_owned),
            placements: self.placements.as_ref().map(encode),
            players: self.players.as_ref().map(encode),
            priority: self.priority,
            per_player: i64::from(self.per_player),
            enabled: self.enabled,
        })
    }
}

/// A break that is open on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) who: Who,
    placement: String,
    until: Instant,
    /// How many offers may still be sent in it.
    left: u32,
    /// Names this lease among those of its connection.
    number: u64,
}

/// The open leases of this process, one a connection.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    open: Mutex<HashMap<u64, Lease>>,
    numbers: AtomicU64,
    /// A connection that fills its own lease reads; whoever fills those of others writes. So a lease never gets more than
    /// its `max`, and what falls due while a lease opens finds it.
    sending: tokio::sync::RwLock<()>,
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Lease>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn end(&self, connection: u64) {
        self.lock().remove(&connection);
    }

    pub(crate) fn until(&self, connection: u64) -> Option<Instant> {
        self.lock().get(&connection).map(|lease| lease.until)
    }

    fn spend(&self, lease: &Lease, count: usize) {
        if let Some(open) =
            self.lock().get_mut(&lease.who.connection).filter(|open| open.number == lease.number)
        {
            open.left = open.left.saturating_sub(count as u32);
        }
    }
}

impl Engine {
    pub(super) async fn ready_for_offer(
        &self,
        who: &Who,
        envelope: &Envelope<'_>,
        key: Option<Key>,
    ) -> Result<Answer, Failure> {
        let ask: ReadyForOffer = envelope.payload_as().map_err(Failure::invalid)?;
        check_placement(&ask.placement, ask.context.as_deref())?;
        if !(LEASE_MIN_MS..=LEASE_MAX_MS).contains(&ask.lease_ms) {
            let why = format!("leaseMs is {}; it must be {LEASE_MIN_MS} to {LEASE_MAX_MS}", ask.lease_ms);
            return Err(Failure::invalid(why));
        }
        if !(1..=MAX_OFFERS).contains(&ask.max) {
            return Err(Failure::invalid(format!("max is {}; it must be 1 to {MAX_OFFERS}", ask.max)));
        }
        if let Some(recorded) = self.recorded(key.as_ref()).await? {
            return Ok(recorded);
        }
        self.ready_rate
            .take(who.player.clone(), Instant::now())
            .map_err(|wait| Failure::rate_limited("ready_for_offer messages of this player", wait))?;

        let sending = self.leases.sending.read().await;
        let lease = Lease {
            who: who.clone(),
            placement: ask.placement,
            until: Instant::now() + Duration::from_millis(ask.lease_ms),
            left: ask.max,
            number: self.leases.numbers.fetch_add(1, Ordering::Relaxed),
        };
        self.leases.lock().insert(who.connection, lease.clone());
        let (reply, then) = self.send_into(&lease, key).await?;
        self.leases.spend(&lease, then.len());
        drop(sending);
        Ok(Answer { reply, then })
    }

    pub(super) async fn not_ready(&self, who: &Who, key: Option<Key>) -> Result<Answer, Failure> {
        self.leases.end(who.connection);
        let answer = Answer::of(&OkReply {});
        if let Some(key) = key {
            let (reply, now) = (answer.reply.clone(), now_ms());
            let job = self.store.write(move |c| {
                Box::pin(async move {
                    match keys::recorded(c, &key).await? {
                        Some(recorded) => Ok(recorded),
                        None => keys::record(c, &key, &reply, now).await.map(|()| reply),
                    }
                })
            });
            return Ok(Answer { reply: job.await?, then: Vec::new() });
        }
        Ok(answer)
    }

    /// The reply that was given to this very request before.
    async fn recorded(&self, key: Option<&Key>) -> Result<Option<Answer>, Failure> {
        let Some(key) = key.cloned() else { return Ok(None) };
        let job = self.store.write(move |c| Box::pin(async move { keys::recorded(c, &key).await }));
        Ok(job.await?.map(|reply| Answer { reply, then: Vec::new() }))
    }

    /// Sends what is due into a lease: one transaction takes the offers, numbers them and records the reply.
    async fn send_into(
        &self,
        lease: &Lease,
        key: Option<Key>,
    ) -> Result<(keys::Reply, Vec<Durable>), StoreError> {
        let (session, epoch, bound, now) =
            (lease.who.session.clone(), lease.who.epoch, self.backlog(), now_ms());
        let at = Break {
            player: lease.who.player.to_string(),
            placement: lease.placement.clone(),
            session: Some(session.to_string()),
            max: lease.left,
            now,
        };
        self.store
            .write(move |c| {
                Box::pin(async move {
                    check_epoch(c, &session, epoch).await?;
                    if let Some(key) = &key
                        && let Some(reply) = keys::recorded(c, key).await?
                    {
                        return Ok((reply, Vec::new()));
                    }
                    let mut messages = Vec::new();
                    for sent in offers::take(c, &at).await? {
                        let payload = encode(&new_offer(&sent, now)?);
                        let message =
                            offers::put_in_session(c, &session, &sent.offer_id, payload, now, bound).await?;
                        messages.push(message);
                    }
                    let reply = reply_of(&LeaseReply { pending: messages.len() as u32 });
                    if let Some(key) = &key {
                        keys::record(c, key, &reply, now).await?;
                    }
                    Ok((reply, messages))
                })
            })
            .await
    }

    /// Something fell due: sends it into the leases that are open and fit.
    pub(super) async fn serve_leases(&self, fits: impl Fn(&Lease) -> bool) {
        let _sending = self.leases.sending.write().await;
        let now = Instant::now();
        let open: Vec<Lease> =
            self.leases.lock().values().filter(|l| l.left > 0 && l.until > now && fits(l)).cloned().collect();
        for lease in open {
            match self.send_into(&lease, None).await {
                Ok((_, messages)) => {
                    self.leases.spend(&lease, messages.len());
                    for message in messages {
                        self.bus.publish(&Note::Durable {
                            player: lease.who.player.clone(),
                            device: lease.who.device.clone(),
                            epoch: lease.who.epoch,
                            message: Arc::new(message),
                        });
                    }
                }
                Err(StoreError::Fenced) => self.leases.end(lease.who.connection),
                Err(error) => tracing::error!(%error, "an offer could not be sent into a lease"),
            }
        }
    }

    /// `POST /offers/claim`: at most one offer, for a player whose socket is not there in time.
    pub(crate) async fn claim(&self, player: &str, claim: &Claim) -> Result<ClaimAnswer, Failure> {
        check_placement(&claim.placement, claim.context.as_deref())?;
        if !is_player_id(&claim.device) {
            let why =
                format!("device is {} bytes; it must be 1 to 64 of A-Z a-z 0-9 _ . : -", claim.device.len());
            return Err(Failure::invalid(why));
        }
        let now = now_ms();
        let at = Break {
            player: player.to_owned(),
            placement: claim.placement.clone(),
            session: None,
            max: 1,
            now,
        };
        let taken = self.store.write(move |c| Box::pin(async move { offers::take(c, &at).await })).await?;
        let offers = taken.iter().map(|sent| new_offer(sent, now)).collect::<Result<_, _>>()?;
        Ok(ClaimAnswer { offers })
    }

    /// Creates or replaces a definition, and sends it at once where a lease is open.
    pub(crate) async fn put_offer(&self, id: &str, definition: &OfferDefinition) -> Result<(), Failure> {
        let row = definition.to_row(id).map_err(Failure::invalid)?;
        let (detail, now) = (encode(definition), now_ms());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                offers::define(c, &row, now).await?;
                crate::store::audit(c, "put offer", &row.definition_id, &detail, now).await
            })
        });
        job.await?;
        let (placements, players) = (&definition.placements, &definition.players);
        self.serve_leases(|lease| {
            placements.as_ref().is_none_or(|list| list.contains(&lease.placement))
                && players.as_ref().is_none_or(|list| list.iter().any(|p| **p == *lease.who.player))
        })
        .await;
        Ok(())
    }
}

fn check_placement(placement: &str, context: Option<&RawValue>) -> Result<(), Failure> {
    if !is_name(placement) {
        let why =
            format!("placement is {} bytes; it must be 1 to 128 without control characters", placement.len());
        return Err(Failure::invalid(why));
    }
    match context.map(RawValue::get) {
        None => Ok(()),
        Some(text) if text.starts_with('{') && !castline::protocol::depth_exceeds(text, 1) => Ok(()),
        Some(_) => Err(Failure::invalid("context is not a flat JSON object")),
    }
}

fn new_offer(sent: &Sent, now: i64) -> Result<NewOffer, StoreError> {
    let data = match &sent.data {
        None => None,
        Some(text) => {
            Some(RawValue::from_string(text.clone()).map_err(|e| StoreError::Refused(format!("data: {e}")))?)
        }
    };
    Ok(NewOffer {
        offer_id: sent.offer_id.clone(),
        campaign_id: sent.campaign_id.clone(),
        title: sent.title.clone(),
        discount: sent.discount,
        expires_in: (sent.expires_at - now) / 1000,
        expires_at: sent.expires_at,
        image_url: sent.image_url.clone(),
        data,
    })
}
