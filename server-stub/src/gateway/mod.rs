//! Sockets, heartbeats, limits, back-pressure: a dumb pipe. It decides when a connection is too slow, too silent or too
//! loud; what a message means it leaves to the engine.

mod connection;
pub(crate) mod health;
pub mod mailbox;
mod pool;
pub mod socket;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{AbortHandle, Abortable};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::bus::{Listener, Note};
use crate::engine::{Engine, now_ms};
use crate::metrics::Metrics;
use crate::settings::Settings;

use connection::Connection;
use health::{AlertView, Health, Sample, Turn, WindowView, WorkerView};
use mailbox::Mailbox;
use pool::Pool;
use serde::Serialize;
use socket::{Ended, SocketOptions};

/// What reaches a connection's task from outside.
#[derive(Debug, Clone)]
pub(crate) enum Post {
    /// From the engine, over the bus, and when it was said.
    Note(Note, Instant),
    /// The server drains: come back after so many milliseconds; then close 4010.
    Reconnect(u64),
    /// A worker bears no more strangers, and this one is the oldest: close 4002.
    MakeRoom,
}

/// How a socket comes to the gateway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    /// The client's, as far as proxies can be trusted.
    pub(crate) address: IpAddr,
    /// When its connection was.
    pub(crate) accepted: Instant,
    /// It may not come in: close with this code.
    pub(crate) refused: Option<u16>,
}

type Mail = Arc<Mailbox<Post>>;
/// Player and device.
type Device = (Arc<str>, Arc<str>);
/// Sockets by connection.
type Holders = Vec<(u64, Mail)>;

/// The sockets of this process.
#[derive(Debug)]
pub(crate) struct Gateway {
    engine: Arc<Engine>,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    health: Health,
    started_at: i64,
    options: SocketOptions,
    next: AtomicU64,
    open: AtomicUsize,
    draining: AtomicBool,
    emptied: Notify,
    pool: Arc<Pool>,
    /// By (player, device): the holder of the session, and for a moment the one that it took it from.
    devices: Mutex<HashMap<Device, Holders>>,
    /// Sockets that are not yet authenticated, by address.
    strangers: Mutex<HashMap<IpAddr, u32>>,
}

impl Gateway {
    pub(crate) fn new(engine: Arc<Engine>, settings: Arc<Settings>, metrics: Arc<Metrics>) -> Gateway {
        let options = SocketOptions {
            max_message_bytes: settings.limits.message_bytes,
            max_outgoing_bytes: settings.limits.outgoing_bytes,
            write_stall: Duration::from_millis(settings.timers.write_stall),
        };
        Gateway {
            engine,
            health: Health::new(settings.clone(), metrics.clone()),
            pool: Pool::start(settings.clone(), metrics.clone()),
            started_at: now_ms(),
            settings,
            metrics,
            options,
            next: AtomicU64::new(1),
            open: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            emptied: Notify::new(),
            devices: Mutex::default(),
            strangers: Mutex::default(),
        }
    }

    /// Serves one upgraded connection to its end.
    pub(crate) async fn serve<S>(self: Arc<Self>, stream: S, early: Vec<u8>, arrival: Arrival)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mailbox: Mail = Arc::new(Mailbox::new(self.options.max_outgoing_bytes));
        self.open.fetch_add(1, Ordering::Relaxed);
        self.metrics.opened.inc();
        // Whatever happens in between, a panic included, the tables forget the connection.
        let _leave = Leave { gateway: &self };
        let (end, registration) = AbortHandle::new_pair();
        let mut connection = Connection::new(self.clone(), id, mailbox.clone(), arrival, end);
        if self.is_draining() {
            mailbox.post(Post::Reconnect(self.settings.timers.drain_max), 0);
        }
        // Without names for what is moved on: each would keep a second place of its size in the connection's memory.
        async {
            let ended = Abortable::new(
                socket::serve(stream, early, self.options, mailbox, &mut connection),
                registration,
            )
            .await
            .unwrap_or(Ended::Lost);
            tracing::debug!(?ended, "socket ended");
            self.health.ended(ended, arrival.accepted.elapsed());
            connection.ended(ended).await;
        }
        .instrument(tracing::info_span!("connection", id))
        .await;
    }

    /// The players and devices whose sockets were open when the process before this one crashed.
    pub(crate) fn interrupted(&self, devices: &[(String, String)]) {
        self.health.interrupted(devices.iter().map(|(player, device)| (player.as_str(), device.as_str())));
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Closes a period of the accounts.
    pub(crate) fn sum_up(&self) -> (Sample, Option<Turn>) {
        self.health.sum_up(now_ms(), self.pool.view())
    }

    /// The sockets as they are.
    pub(crate) fn pool_view(&self) -> PoolView {
        let workers = self.pool.view();
        PoolView {
            at: now_ms(),
            started_at: self.started_at,
            draining: self.is_draining(),
            connections: workers.iter().map(|worker| worker.connections).sum(),
            players: self.metrics.players.get(),
            strangers: workers.iter().map(|worker| worker.strangers).sum(),
            places_per_worker: self.settings.limits.places_per_worker,
            workers,
            window: self.health.window(),
            alert: self.health.alert(),
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on `/readyz` says so.
    pub(crate) fn begin_drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Sends every client away, each with its own time to come back, spread flat; returns when all sockets have ended.
    pub(crate) async fn send_away(&self) {
        let mut mailboxes: Vec<Mail> = Vec::new();
        self.pool.each(|mail| mailboxes.push(mail.clone()));
        let (from, to) = (self.settings.timers.drain_min, self.settings.timers.drain_max);
        shuffle(&mut mailboxes);
        let count = mailboxes.len().max(1) as f64;
        for (place, mailbox) in mailboxes.into_iter().enumerate() {
            let share = (place as f64 + rand::random::<f64>()) / count;
            let after = from as f64 + share * to.saturating_sub(from) as f64;
            mailbox.post(Post::Reconnect(after as u64), 0);
        }
        loop {
            let emptied = self.emptied.notified();
            if self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Registers a connection for its device's notes. Before the engine is asked for the session, so that none is missed.
    fn hold(&self, player: &Arc<str>, device: &Arc<str>, id: u64, mailbox: &Mail) {
        let mut devices = lock(&self.devices);
        devices.entry((player.clone(), device.clone())).or_default().push((id, mailbox.clone()));
    }

    fn let_go(&self, player: &Arc<str>, device: &Arc<str>, id: u64) {
        let mut devices = lock(&self.devices);
        let key = (player.clone(), device.clone());
        if let Some(holders) = devices.get_mut(&key) {
            holders.retain(|(other, _)| *other != id);
            if holders.is_empty() {
                devices.remove(&key);
            }
        }
    }

    /// Counts a stranger; `false`: its address has too many.
    fn admit_stranger(&self, address: IpAddr) -> bool {
        let mut strangers = lock(&self.strangers);
        let count = strangers.entry(address).or_insert(0);
        let admitted = *count < self.settings.limits.unauthenticated_per_address;
        if admitted {
            *count += 1;
        }
        admitted
    }

    fn stranger_no_more(&self, address: IpAddr) {
        let mut strangers = lock(&self.strangers);
        if let Some(count) = strangers.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                strangers.remove(&address);
            }
        }
    }

    fn post_to(&self, player: &Arc<str>, device: &Arc<str>, note: &Note, at: Instant, bytes: usize) {
        let devices = lock(&self.devices);
        for (_, mailbox) in devices.get(&(player.clone(), device.clone())).into_iter().flatten() {
            self.post(mailbox, Post::Note(note.clone(), at), bytes);
        }
    }

    fn post(&self, mailbox: &Mailbox<Post>, post: Post, bytes: usize) {
        if !mailbox.post(post, bytes) {
            self.metrics.overflows.inc();
        }
    }
}

/// `GET /admin/pool`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolView {
    at: i64,
    started_at: i64,
    draining: bool,
    connections: u32,
    players: i64,
    strangers: u32,
    places_per_worker: usize,
    workers: Vec<WorkerView>,
    window: WindowView,
    alert: AlertView,
}

struct Leave<'a> {
    gateway: &'a Gateway,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.gateway.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.gateway.emptied.notify_waiters();
        }
    }
}

impl Listener for Gateway {
    fn hear(&self, note: &Note, published: Instant) {
        match note {
            Note::Durable { player, device, message, .. } => {
                self.post_to(player, device, note, published, message.payload.len() + 128);
            }
            Note::Fence { player, device, .. } => self.post_to(player, device, note, published, 0),
            Note::Banned { player } => {
                let devices = lock(&self.devices);
                let his = devices.iter().filter(|((holder, _), _)| holder == player);
                for (_, mailbox) in his.flat_map(|(_, holders)| holders) {
                    self.post(mailbox, Post::Note(note.clone(), published), 0);
                }
            }
            Note::Everyone { payload, .. } => {
                // A connection that is not authenticated throws it away.
                self.pool
                    .each(|mail| self.post(mail, Post::Note(note.clone(), published), payload.len() + 128));
            }
        }
        self.metrics.heard(published);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, rand::random_range(0..=last));
    }
}
