//! How the pool fares: counted as it happens, summed up every ten seconds. It says what the numbers are; who is told, and
//! where they are kept, is others' affair.

mod alert;
mod devices;
mod spread;
mod webhook;

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use castline::protocol::CloseCode;
use serde::Serialize;

use super::lock;
use super::socket::Ended;
use crate::metrics::{EndedBy, Metrics};
use crate::settings::Settings;

use alert::Alert;
pub(crate) use alert::Turn;
pub(crate) use devices::Share;
use devices::{Devices, End};
pub(crate) use spread::Percentiles;
use spread::{Counted, Spread};
pub(crate) use webhook::Webhook;

/// One worker at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkerView {
    /// Its number, as in the label of the metric. Numbers of retired workers are given again.
    pub(crate) worker: u32,
    pub(crate) connections: u32,
    /// Of those, the ones that have not yet authenticated.
    pub(crate) strangers: u32,
    /// Unix ms.
    pub(crate) started_at: i64,
}

/// What a period came to: a line of the table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// Its end, Unix ms.
    pub(crate) at: i64,
    pub(crate) workers: Vec<WorkerView>,
    pub(crate) players: u32,
    pub(crate) opened: u64,
    pub(crate) ended: Endings,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Over the window, not the period.
    pub(crate) share: Share,
    pub(crate) latency: Option<Percentiles>,
    pub(crate) firing: bool,
}

/// Sockets that ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Endings {
    pub(crate) count: u64,
    /// How long they had lived, together.
    pub(crate) lived_ms: u64,
    pub(crate) closes: BTreeMap<u16, u64>,
}

impl Endings {
    fn add(&mut self, other: &Endings) {
        self.count += other.count;
        self.lived_ms += other.lived_ms;
        for (code, count) in &other.closes {
            *self.closes.entry(*code).or_default() += count;
        }
    }

    /// `None` where none ended.
    pub(crate) fn average_ttl_ms(&self) -> Option<u64> {
        self.lived_ms.checked_div(self.count)
    }
}

/// The window's sums.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WindowView {
    ms: u64,
    #[serde(flatten)]
    share: Share,
    opened: u64,
    ended: u64,
    average_ttl_ms: Option<u64>,
    closes: BTreeMap<u16, u64>,
    latency_ms: Option<Percentiles>,
}

/// The alert as it stands.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertView {
    state: &'static str,
    since: Option<i64>,
    above: f64,
    below: f64,
    min_devices: u32,
}

/// One period's sums, kept for the window.
#[derive(Debug)]
struct Period {
    opened: u64,
    ended: Endings,
    latency: Counted,
}

#[derive(Debug, Default)]
struct Past {
    periods: VecDeque<Period>,
    /// Readings of counters that only grow.
    opened: u64,
    sent: u64,
    received: u64,
    share: Share,
    alert: Alert,
}

/// The accounts of one gateway.
#[derive(Debug)]
pub(crate) struct Health {
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    began: Instant,
    hasher: RandomState,
    devices: Mutex<Devices>,
    endings: Mutex<Endings>,
    latency: Spread,
    past: Mutex<Past>,
}

impl Health {
    pub(crate) fn new(settings: Arc<Settings>, metrics: Arc<Metrics>) -> Health {
        Health {
            began: Instant::now(),
            hasher: RandomState::new(),
            devices: Mutex::new(Devices::new(settings.timers.reconnect_window)),
            endings: Mutex::default(),
            latency: Spread::new(),
            past: Mutex::default(),
            settings,
            metrics,
        }
    }

    /// The players and devices whose sockets were open when the process before this one crashed.
    pub(crate) fn interrupted<'a>(&self, devices: impl IntoIterator<Item = (&'a str, &'a str)>) {
        let (mut table, now) = (lock(&self.devices), self.now());
        for (player, device) in devices {
            table.interrupted(self.key(player, device), now);
        }
    }

    /// A socket has authenticated.
    pub(super) fn came(&self, player: &str, device: &str) {
        if lock(&self.devices).came(self.key(player, device), self.now()) {
            self.metrics.reconnects.inc();
        }
    }

    /// An authenticated socket has ended.
    pub(super) fn left(&self, player: &str, device: &str, ended: Ended) {
        let end = match ended {
            Ended::Lost => End::Lost,
            Ended::ByUs(CloseCode::REPLACED) => End::Replaced,
            Ended::ByUs(CloseCode::SLOW_CONSUMER | CloseCode::INTERNAL) => End::Lost,
            Ended::ByUs(_) => End::Wished,
            // 1005: a close frame without a code, which plain clients send.
            Ended::ByPeer(CloseCode::NORMAL | CloseCode::GOING_AWAY | 1005) => End::Wished,
            Ended::ByPeer(_) => End::Lost,
        };
        lock(&self.devices).left(self.key(player, device), end, self.now());
    }

    /// A socket has ended, authenticated or not.
    pub(super) fn ended(&self, ended: Ended, lived: Duration) {
        let (code, by) = match ended {
            Ended::ByPeer(code) => (code, EndedBy::Client),
            Ended::ByUs(code) => (code, EndedBy::Server),
            Ended::Lost => (CloseCode::ABNORMAL, EndedBy::Nobody),
        };
        self.metrics.ended(code, by, lived);
        let mut endings = lock(&self.endings);
        endings.count += 1;
        endings.lived_ms += lived.as_millis() as u64;
        // A peer may invent codes; the table knows those that the metrics know, and 0 for the rest.
        let code = if Metrics::knows(code) { code } else { 0 };
        *endings.closes.entry(code).or_default() += 1;
    }

    /// A message's last byte has gone to the socket.
    pub(super) fn written(&self, latency: Duration) {
        self.metrics.written(latency);
        self.latency.count(latency);
    }

    /// Closes a period, and says so when the alert turns.
    pub(super) fn sum_up(&self, at: i64, workers: Vec<WorkerView>) -> (Sample, Option<Turn>) {
        let share = lock(&self.devices).share(self.now());
        let ended = std::mem::take(&mut *lock(&self.endings));
        let latency = self.latency.take();
        self.metrics.reconnect_rate.set(share.rate);
        let mut past = lock(&self.past);
        let turn = past.alert.judge(share, &self.settings.alerts, at);
        let firing = past.alert.since().is_some();
        self.metrics.alert_firing.set(firing.into());
        let since = |before: &mut u64, now: u64| now.saturating_sub(std::mem::replace(before, now));
        let sample = Sample {
            at,
            workers,
            players: self.metrics.players.get().max(0) as u32,
            opened: since(&mut past.opened, self.metrics.opened.get()),
            sent: since(&mut past.sent, self.metrics.all_sent()),
            received: since(&mut past.received, self.metrics.all_received()),
            share,
            latency: latency.percentiles(),
            firing,
            ended: ended.clone(),
        };
        past.share = share;
        past.periods.push_back(Period { opened: sample.opened, ended, latency });
        let keep = self.settings.timers.reconnect_window.div_ceil(self.settings.timers.pool_period.max(1));
        while past.periods.len() as u64 > keep.clamp(1, 1_000) {
            past.periods.pop_front();
        }
        (sample, turn)
    }

    pub(super) fn window(&self) -> WindowView {
        let past = lock(&self.past);
        let (mut opened, mut ended, mut latency) = (0, Endings::default(), Counted::none());
        for period in &past.periods {
            opened += period.opened;
            ended.add(&period.ended);
            latency.add(&period.latency);
        }
        WindowView {
            ms: self.settings.timers.reconnect_window,
            share: past.share,
            opened,
            ended: ended.count,
            average_ttl_ms: ended.average_ttl_ms(),
            closes: ended.closes,
            latency_ms: latency.percentiles(),
        }
    }

    pub(super) fn alert(&self) -> AlertView {
        let since = lock(&self.past).alert.since();
        let bounds = &self.settings.alerts;
        AlertView {
            state: if since.is_some() { "firing" } else { "quiet" },
            since,
            above: bounds.reconnect_above,
            below: bounds.reconnect_below,
            min_devices: bounds.min_devices,
        }
    }

    fn key(&self, player: &str, device: &str) -> u64 {
        self.hasher.hash_one((player, device))
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}
