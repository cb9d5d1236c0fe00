//! The workers: who sits where, who makes room, who is no longer there.
//!
//! A worker is a shard of the gateway: the table of at most 1,000 sockets (`limits.places_per_worker`) with a lock of its own, so that a
//! broadcast or a storm of arrivals never holds one lock over all sockets; the queue of its strangers, so that a flood is contained where it
//! arrives; and a keeper, a task that looks after the leases of its places. It is no thread: sockets' tasks are spread over all
//! cores by the runtime, whichever worker they belong to, for a thread that owned a thousand sockets would leave other cores idle.
//!
//! A place is leased, not given: each frame from the peer renews the lease by `timers.dead_after` (a stranger's, which is never renewed, is the
//! handshake's time). A connection sees by itself when its own time is over, and ends in order. Where its task does not come to
//! that, because what it waits for never answers, the keeper ends the socket `timers.lease_grace` later and the place is free.
//!
//! A new socket goes to the worker with the fewest; when all are full, to a new one. A worker without a socket for
//! `timers.worker_retire` goes, unless it is the last.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::AbortHandle;
use prometheus::IntGauge;

use super::health::WorkerView;
use super::{Mail, Post, lock};
use crate::engine::now_ms;
use crate::metrics::Metrics;
use crate::settings::Settings;

/// The longest time between two looks at the leases.
const LOOK: Duration = Duration::from_secs(1);

/// All workers.
#[derive(Debug)]
pub(super) struct Pool {
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    began: Instant,
    workers: Mutex<Vec<Arc<Worker>>>,
}

#[derive(Debug)]
struct Worker {
    number: u32,
    started_at: i64,
    active: IntGauge,
    sockets: Mutex<Sockets>,
}

#[derive(Debug)]
struct Sockets {
    places: HashMap<u64, Arc<Place>>,
    /// Who has not authenticated, the oldest first: connections are numbered as they come.
    strangers: BTreeSet<u64>,
    /// Since when there is nobody.
    empty_since: Option<Instant>,
}

/// A socket's place.
#[derive(Debug)]
struct Place {
    mail: Mail,
    /// When the lease runs out, milliseconds after the pool's beginning.
    lease: AtomicU64,
    end: AbortHandle,
}

/// The right to a place, for as long as this lives.
#[derive(Debug)]
pub(super) struct Seat {
    pool: Arc<Pool>,
    worker: Arc<Worker>,
    place: Arc<Place>,
    id: u64,
}

impl Pool {
    /// A pool of one worker. Its keepers run on the runtime that this is called on.
    pub(super) fn start(settings: Arc<Settings>, metrics: Arc<Metrics>) -> Arc<Pool> {
        let pool = Arc::new(Pool { settings, metrics, began: Instant::now(), workers: Mutex::default() });
        pool.hire(&mut lock(&pool.workers));
        pool
    }

    /// A place for a socket that has not authenticated. `end` ends it.
    pub(super) fn seat(self: &Arc<Self>, id: u64, mail: Mail, end: AbortHandle) -> Seat {
        let lease = AtomicU64::new(self.at(Instant::now()) + self.settings.timers.handshake);
        let place = Arc::new(Place { mail, lease, end });
        let mut workers = lock(&self.workers);
        let loads = workers.iter().map(|worker| (lock(&worker.sockets).places.len(), worker));
        let least = loads.min_by_key(|(load, _)| *load);
        let room = least.filter(|(load, _)| *load < self.settings.limits.places_per_worker);
        let worker = match room.map(|(_, worker)| worker.clone()) {
            Some(worker) => worker,
            None => self.hire(&mut workers),
        };
        // Who came before then has had its time: a stranger's lease is the handshake's time, and is never renewed.
        let grace = self.settings.timers.stranger_grace;
        let old = (self.at(Instant::now()) + self.settings.timers.handshake).saturating_sub(grace);
        let out = worker.admit(id, &place, self.most_strangers(), old);
        drop(workers);
        for place in out {
            self.metrics.evicted_strangers.inc();
            place.mail.post(Post::MakeRoom, 0);
        }
        Seat { pool: self.clone(), worker, place, id }
    }

    /// A new worker, with the lowest number that is free.
    fn hire(self: &Arc<Self>, workers: &mut Vec<Arc<Worker>>) -> Arc<Worker> {
        let free = (0..).find(|number| workers.iter().all(|worker| worker.number != *number));
        let number = free.unwrap_or_default();
        let worker = Arc::new(Worker {
            number,
            started_at: now_ms(),
            active: self.metrics.active.with_label_values(&[number.to_string().as_str()]),
            sockets: Mutex::new(Sockets {
                places: HashMap::new(),
                strangers: BTreeSet::new(),
                empty_since: Some(Instant::now()),
            }),
        });
        workers.push(worker.clone());
        tokio::spawn(keep(self.clone(), worker.clone()));
        worker
    }

    /// Whether the worker has gone: it has been empty for long, and it is not the last.
    fn retire(&self, worker: &Arc<Worker>) -> bool {
        let mut workers = lock(&self.workers);
        let after = Duration::from_millis(self.settings.timers.worker_retire);
        let idle = lock(&worker.sockets).empty_since.is_some_and(|since| since.elapsed() >= after);
        if !idle || workers.len() == 1 {
            return false;
        }
        workers.retain(|other| !Arc::ptr_eq(other, worker));
        // Fails only where the series is gone already.
        let _ = self.metrics.active.remove_label_values(&[worker.number.to_string().as_str()]);
        true
    }

    /// The strangers that a worker bears.
    fn most_strangers(&self) -> usize {
        let limits = &self.settings.limits;
        ((limits.places_per_worker as f64 * limits.unauthenticated_share) as usize).max(1)
    }

    /// Everybody's mailbox, worker by worker.
    pub(super) fn each(&self, mut tell: impl FnMut(&Mail)) {
        let workers = lock(&self.workers).clone();
        for worker in workers {
            for place in lock(&worker.sockets).places.values() {
                tell(&place.mail);
            }
        }
    }

    pub(super) fn view(&self) -> Vec<WorkerView> {
        let mut views: Vec<_> = lock(&self.workers).iter().map(|worker| worker.view()).collect();
        views.sort_unstable_by_key(|view| view.worker);
        views
    }

    fn at(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_millis() as u64
    }
}

impl Worker {
    /// Takes a stranger in. Where there are too many, the oldest ones are out from now on, and are returned; one whose lease runs out
    /// after `old` stays, for it has only just come.
    fn admit(&self, id: u64, place: &Arc<Place>, most_strangers: usize, old: u64) -> Vec<Arc<Place>> {
        let mut sockets = lock(&self.sockets);
        sockets.places.insert(id, place.clone());
        sockets.empty_since = None;
        sockets.strangers.insert(id);
        self.active.inc();
        let mut out = Vec::new();
        while sockets.strangers.len() > most_strangers {
            let Some(oldest) = sockets.strangers.first().copied() else { break };
            let young = |place: &Arc<Place>| place.lease.load(Ordering::Relaxed) > old;
            if sockets.places.get(&oldest).is_some_and(young) {
                break;
            }
            sockets.strangers.remove(&oldest);
            if let Some(place) = sockets.places.remove(&oldest) {
                self.active.dec();
                out.push(place);
            }
        }
        out
    }

    fn leave(&self, id: u64) {
        let mut sockets = lock(&self.sockets);
        sockets.strangers.remove(&id);
        // Who made room has left already.
        if sockets.places.remove(&id).is_some() {
            self.active.dec();
        }
        if sockets.places.is_empty() {
            sockets.empty_since = Some(Instant::now());
            sockets.places.shrink_to_fit();
        }
    }

    fn view(&self) -> WorkerView {
        let sockets = lock(&self.sockets);
        WorkerView {
            worker: self.number,
            connections: sockets.places.len() as u32,
            strangers: sockets.strangers.len() as u32,
            started_at: self.started_at,
        }
    }
}

impl Seat {
    /// The peer has proved who it is: its place is its own. `false`: it had to make room a moment before.
    pub(super) fn known(&self) -> bool {
        lock(&self.worker.sockets).strangers.remove(&self.id)
    }

    /// The peer lives.
    pub(super) fn renew(&self, now: Instant) {
        let until = self.pool.at(now) + self.pool.settings.timers.dead_after;
        self.place.lease.store(until, Ordering::Relaxed);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.worker.leave(self.id);
    }
}

/// A worker's keeper, until the worker retires.
async fn keep(pool: Arc<Pool>, worker: Arc<Worker>) {
    let timers = &pool.settings.timers;
    let shortest = timers.lease_grace.min(timers.worker_retire).max(10);
    let look = LOOK.min(Duration::from_millis(shortest));
    loop {
        tokio::time::sleep(look).await;
        let now = pool.at(Instant::now());
        for (id, place) in &lock(&worker.sockets).places {
            if place.lease.load(Ordering::Relaxed) + timers.lease_grace < now && !place.end.is_aborted() {
                tracing::warn!(connection = id, worker = worker.number, "a socket outlived its lease");
                pool.metrics.evicted_leases.inc();
                place.end.abort();
            }
        }
        if pool.retire(&worker) {
            tracing::debug!(worker = worker.number, "a worker has retired");
            return;
        }
    }
}
