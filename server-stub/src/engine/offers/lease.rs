//! The lease that a break opens on a connection, and what is sent in it: at once what is due, then what falls due.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use castline::protocol::limits::{LEASE_MAX_MS, LEASE_MIN_MS};
use castline::protocol::messages::{Lease as LeaseReply, OkReply, ReadyForOffer};
use castline::protocol::{Envelope, encode};
use serde_json::Value;

use super::take::{Break, take};
use super::{MAX_OFFERS, check_placement, context};
use crate::bus::Note;
use crate::engine::{Answer, Engine, Failure, Who, now_ms, reply_of};
use crate::store::keys::{self, Key};
use crate::store::sessions::Durable;
use crate::store::{StoreError, offers};

/// Players share so many locks.
const STRIPES: usize = 1_024;

/// A break that is open on a connection.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) who: Who,
    pub(super) placement: String,
    context: Arc<BTreeMap<String, Value>>,
    until: Instant,
    /// How many offers may still be sent in it.
    left: u32,
    /// Names this lease among those of its connection.
    number: u64,
}

/// The open leases of this process, one a connection.
#[derive(Debug)]
pub(crate) struct Leases {
    open: Mutex<HashMap<u64, Lease>>,
    numbers: AtomicU64,
    /// Whoever fills a lease holds its player's lock, so that a lease never gets more than its `max`. A lease is listed before
    /// it is first filled, so that what falls due meanwhile finds it.
    sending: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
}

impl Default for Leases {
    fn default() -> Self {
        Leases {
            open: Mutex::default(),
            numbers: AtomicU64::new(0),
            sending: (0..STRIPES).map(|_| tokio::sync::Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Leases {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Lease>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sending_to(&self, player: &str) -> &tokio::sync::Mutex<()> {
        &self.sending[self.hasher.hash_one(player) as usize % STRIPES]
    }

    pub(crate) fn end(&self, connection: u64) {
        self.lock().remove(&connection);
    }

    pub(crate) fn until(&self, connection: u64) -> Option<Instant> {
        self.lock().get(&connection).map(|lease| lease.until)
    }

    /// The lease as it is now, if it is still open and not full.
    fn still_open(&self, lease: &Lease) -> Option<Lease> {
        let now = Instant::now();
        let open = self.lock().get(&lease.who.connection).cloned()?;
        (open.number == lease.number && open.left > 0 && open.until > now).then_some(open)
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
    pub(in crate::engine) async fn ready_for_offer(
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

        let _sending = self.leases.sending_to(&who.player).lock().await;
        let lease = Lease {
            who: who.clone(),
            placement: ask.placement,
            context: Arc::new(context(ask.context.as_deref())?),
            until: Instant::now() + Duration::from_millis(ask.lease_ms),
            left: ask.max,
            number: self.leases.numbers.fetch_add(1, Ordering::Relaxed),
        };
        self.leases.lock().insert(who.connection, lease.clone());
        let (reply, then) = self.send_into(&lease, key).await?;
        self.leases.spend(&lease, then.len());
        Ok(Answer { reply, then })
    }

    pub(in crate::engine) async fn not_ready(&self, who: &Who, key: Option<Key>) -> Result<Answer, Failure> {
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
        let (plans, flags) = (self.plans.clone(), self.configuration());
        let at = Break {
            player: lease.who.player.to_string(),
            device: lease.who.device.to_string(),
            placement: lease.placement.clone(),
            context: (*lease.context).clone(),
            session: Some(session.to_string()),
            max: lease.left,
            now,
        };
        self.store
            .write(move |c| {
                Box::pin(async move {
                    let plan = plans.seen_by_holder(c, &session, epoch).await?;
                    if let Some(key) = &key
                        && let Some(reply) = keys::recorded(c, key).await?
                    {
                        return Ok((reply, Vec::new()));
                    }
                    let mut messages = Vec::new();
                    for sent in take(c, &plan, &flags, &at).await? {
                        let payload = encode(&sent.payload);
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
    pub(in crate::engine) async fn serve_leases(&self, fits: impl Fn(&Lease) -> bool) {
        let now = Instant::now();
        let open: Vec<Lease> =
            self.leases.lock().values().filter(|l| l.left > 0 && l.until > now && fits(l)).cloned().collect();
        for lease in open {
            let _sending = self.leases.sending_to(&lease.who.player).lock().await;
            let Some(lease) = self.leases.still_open(&lease) else { continue };
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

    /// Something fell due for one player.
    pub(in crate::engine) async fn serve_player(&self, player: &str) {
        self.serve_leases(|lease| *lease.who.player == *player).await;
    }
}
