//! All players of a run: one thread that moves the bytes of every one, and the scenario's way to tell them what to play.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::player::{Clock, Identity, Order, Player};
use crate::tally::{Shared, Tally};
use crate::target::Target;

/// Players who are there until it is dropped.
#[derive(Debug)]
pub(crate) struct Crowd {
    /// What all players' names begin with.
    pub(crate) prefix: String,
    target: Arc<Target>,
    shared: Arc<Shared>,
    clock: Clock,
    seed: u64,
    /// One a player. Unbounded, but a scenario gives each a few.
    orders: Vec<UnboundedSender<Order>>,
    runtime: tokio::runtime::Handle,
    thread: Option<JoinHandle<()>>,
    home: Option<tokio::sync::oneshot::Sender<()>>,
}

impl Crowd {
    /// A crowd of at most `most` players, of whom nobody has come yet. The same seed, the same players.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn new(target: Target, prefix: &str, most: usize, seed: u64) -> anyhow::Result<Crowd> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (home, gone_home) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("players".into()).spawn(move || {
            runtime.block_on(async { drop(gone_home.await) });
            // What still says goodbye has its second.
            runtime.shutdown_timeout(Duration::from_millis(100));
        })?;
        Ok(Crowd {
            prefix: prefix.to_owned(),
            target: Arc::new(target),
            shared: Arc::new(Shared::new(most)),
            clock: Clock { start: Instant::now() },
            seed,
            orders: Vec::with_capacity(most),
            runtime: handle,
            thread: Some(thread),
            home: Some(home),
        })
    }

    /// So many more players start the game, all at this moment.
    pub(crate) fn come(&mut self, more: usize) {
        let first = self.orders.len();
        for number in first..first + more {
            let (orders, inbox) = unbounded_channel();
            self.orders.push(orders);
            let who = Identity {
                number: number as u32,
                name: self.player(number),
                // Any odd constant: neighbours shall not have neighbouring seeds.
                seed: self.seed.wrapping_add((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            };
            let (clock, target, shared) = (self.clock, self.target.clone(), self.shared.clone());
            self.runtime.spawn(async move { Player::new(who, clock, target, shared, inbox).live().await });
        }
    }

    /// How many have come.
    pub(crate) fn len(&self) -> usize {
        self.orders.len()
    }

    /// The name of a player.
    pub(crate) fn player(&self, number: usize) -> String {
        format!("{}-{number:05}", self.prefix)
    }

    pub(crate) fn tell(&self, number: usize, order: Order) {
        // Who has left hears nothing.
        let _ = self.orders[number].send(order);
    }

    pub(crate) fn tell_all(&self, order: &Order) {
        (0..self.len()).for_each(|number| self.tell(number, order.clone()));
    }

    /// The tally.
    pub(crate) fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.shared.lock()
    }

    /// Waits until the tally says so.
    ///
    /// # Errors
    /// It does not within `patience`; `what` says what was waited for.
    pub(crate) fn wait(
        &self,
        what: &str,
        patience: Duration,
        done: impl Fn(&Tally) -> bool,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        while !done(&self.tally()) {
            if Instant::now() > deadline {
                let tally = self.tally();
                let (online, open) = (tally.count_online(), tally.open_breaks());
                bail!(
                    "waited {patience:?} for {what}: {online} of {} online, {open} breaks open, {:?}",
                    self.len(),
                    tally.errors
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Waits until everybody is online.
    ///
    /// # Errors
    /// They are not in time.
    pub(crate) fn wait_online(&self, patience: Duration) -> anyhow::Result<()> {
        let all = self.len();
        self.wait("everybody to be online", patience, |tally| tally.count_online() == all)
            .context("not everybody came online")
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tell_all(&Order::GoHome);
        drop(self.home.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
