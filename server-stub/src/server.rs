//! A running server: its start, its drain, its end. Everything is put together here, and nothing decided.

use std::fmt;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::{mpsc, oneshot, watch};

use crate::bus::Bus;
use crate::engine::flags::FlagDefinition;
use crate::engine::{Engine, Failure, Keys, OfferDefinition};
use crate::gateway::Gateway;
use crate::gateway::health::Webhook;
use crate::http::forwarded::Proxies;
use crate::http::listener::Door;
use crate::http::tls::Certificates;
use crate::http::{self, App, listener};
use crate::metrics::Metrics;
use crate::settings::{Secret, Settings};
use crate::store::audit::Author;
use crate::store::{Owned, Store};

/// How long drained sockets may take to say farewell.
const FAREWELL: Duration = Duration::from_secs(5);

/// Starts servers.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts a server on threads of its own and returns when it accepts connections. May be called from anywhere, an
    /// asynchronous function included.
    ///
    /// # Errors
    /// Settings that contradict each other, an address in use, a data directory that cannot be used.
    pub fn start(settings: Settings) -> anyhow::Result<RunningServer> {
        let settings = Arc::new(settings);
        settings.check()?;
        let secrets = Secrets::find(&settings)?;
        let (ready, is_ready) = std::sync::mpsc::channel();
        // Unbounded, but every caller waits for its answer.
        let (orders, inbox) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("castline-server".into()).spawn({
            let (settings, secrets) = (settings.clone(), secrets.clone());
            move || run(settings, secrets, &ready, inbox)
        })?;
        let started = is_ready.recv().context("the server's thread ended before it was ready")?;
        let addresses = started?;
        Ok(RunningServer {
            addresses,
            orders,
            thread: Some(thread),
            admin_key_file: secrets.admin_key_file,
            settings,
        })
    }
}

/// A server that runs until it is drained, killed or dropped (which kills it).
pub struct RunningServer {
    addresses: Addresses,
    orders: mpsc::UnboundedSender<Order>,
    thread: Option<JoinHandle<()>>,
    admin_key_file: Option<PathBuf>,
    settings: Arc<Settings>,
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    players: SocketAddr,
    operators: SocketAddr,
}

/// Answers go through a channel of the standard library where the caller blocks: it may be within a runtime, and the answer
/// comes from another.
enum Order {
    PutFlag(String, Box<FlagDefinition>, std::sync::mpsc::Sender<Result<String, Failure>>),
    PutOffer(String, Box<OfferDefinition>, std::sync::mpsc::Sender<Result<(), Failure>>),
    Token(String, std::sync::mpsc::Sender<Result<String, String>>),
    Keys(Secret, Option<Secret>, std::sync::mpsc::Sender<()>),
    Certificates,
    Drain(Box<dyn FnOnce() + Send>),
    Kill,
}

impl RunningServer {
    /// The players' address.
    pub fn addr(&self) -> SocketAddr {
        self.addresses.players
    }

    /// The operators' address.
    pub fn admin_addr(&self) -> SocketAddr {
        self.addresses.operators
    }

    /// `ws://…/ws`, or `wss://` with TLS.
    pub fn ws_url(&self) -> String {
        format!("{}://{}/ws", if self.settings.tls.is_some() { "wss" } else { "ws" }, self.addr())
    }

    /// `http://…`, or `https://` with TLS.
    pub fn http_url(&self) -> String {
        format!("{}://{}", if self.settings.tls.is_some() { "https" } else { "http" }, self.addr())
    }

    /// Where the generated admin key lies; `None` where the key was given.
    pub fn admin_key_file(&self) -> Option<&Path> {
        self.admin_key_file.as_deref()
    }

    /// A token for a player, as `POST /auth/token` gives it. Under `dev` alone.
    ///
    /// # Errors
    /// Not a development server, or it has ended.
    pub fn token(&self, player: &str) -> anyhow::Result<String> {
        ensure!(
            self.settings.dev,
            "tokens come from the game's backend; this server makes them only under --dev"
        );
        self.order(|answer| Order::Token(player.to_owned(), answer))?.map_err(anyhow::Error::msg)
    }

    /// From now on players' tokens are signed with `current`; those that were signed with `previous` are good too. No socket ends.
    ///
    /// # Errors
    /// A secret of less than 32 bytes, or the same one twice; the server has ended.
    pub fn replace_jwt_secrets(&self, current: Secret, previous: Option<Secret>) -> anyhow::Result<()> {
        let mut settings = (*self.settings).clone();
        (settings.jwt_secret, settings.jwt_previous_secret) = (Some(current.clone()), previous.clone());
        settings.check()?;
        self.order(|answer| Order::Keys(current, previous, answer))
    }

    /// Looks now whether the certificate's files have changed, and not only in a while. Open connections stay.
    pub fn reload_certificates(&self) {
        let _ = self.orders.send(Order::Certificates);
    }

    /// What `PUT /admin/flags/{name}` does. Returns the new configuration version.
    ///
    /// # Errors
    /// What is wrong with the flag; the budget of 2 KB; the server has ended.
    pub fn put_flag(&self, name: &str, flag: FlagDefinition) -> anyhow::Result<String> {
        self.order(|answer| Order::PutFlag(name.to_owned(), Box::new(flag), answer))?.map_err(told)
    }

    /// What `PUT /admin/offers/{id}` does.
    ///
    /// # Errors
    /// What is wrong with the offer; the server has ended.
    pub fn put_offer(&self, id: &str, offer: OfferDefinition) -> anyhow::Result<()> {
        self.order(|answer| Order::PutOffer(id.to_owned(), Box::new(offer), answer))?.map_err(told)
    }

    /// Ends in order: `/readyz` says 503, every client is told when to come back and closed with 4010, what is queued is
    /// stored.
    pub async fn drain(mut self) {
        let (done, drained) = oneshot::channel();
        let told = Order::Drain(Box::new(|| done.send(()).unwrap_or_default()));
        if self.orders.send(told).is_ok() {
            let _ = drained.await;
        }
        self.join();
    }

    /// [`RunningServer::drain`] for those who do not await.
    pub fn drain_blocking(mut self) {
        let _ = self.order::<()>(|done| Order::Drain(Box::new(move || done.send(()).unwrap_or_default())));
        self.join();
    }

    /// Ends at once, as a crash would: no farewell, no close frame, nothing more written.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.orders.send(Order::Kill);
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn order<T>(&self, order: impl FnOnce(std::sync::mpsc::Sender<T>) -> Order) -> anyhow::Result<T> {
        let (answer, answered) = std::sync::mpsc::channel();
        self.orders.send(order(answer)).ok().context("the server has ended")?;
        answered.recv().context("the server has ended")
    }
}

fn told(failure: Failure) -> anyhow::Error {
    anyhow::Error::msg(failure.reply().message)
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// The server's own thread, from start to end.
fn run(
    settings: Arc<Settings>,
    secrets: Secrets,
    ready: &std::sync::mpsc::Sender<anyhow::Result<Addresses>>,
    inbox: mpsc::UnboundedReceiver<Order>,
) {
    // Until the runtime has ended, and with it the last one that writes.
    let _owned = match Owned::take(&settings.data) {
        Ok(owned) => owned,
        Err(error) => return drop(ready.send(Err(error))),
    };
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().thread_name("castline-server");
    if settings.threads > 0 {
        builder.worker_threads(settings.threads);
    }
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error.into()));
            return;
        }
    };
    runtime.block_on(async {
        match Parts::start(settings, secrets).await {
            Ok(parts) => {
                let _ = ready.send(Ok(parts.addresses));
                parts.obey(inbox).await;
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    });
    // Every task ends where it stands; sockets close, the database rolls back what was not committed.
    runtime.shutdown_timeout(Duration::from_secs(2));
}

/// What runs.
struct Parts {
    addresses: Addresses,
    engine: Arc<Engine>,
    gateway: Arc<Gateway>,
    store: Arc<Store>,
    stop: watch::Sender<bool>,
    settings: Arc<Settings>,
    certificates: Option<Arc<Certificates>>,
}

impl Parts {
    async fn start(settings: Arc<Settings>, secrets: Secrets) -> anyhow::Result<Parts> {
        let store = Arc::new(Store::open(&settings).await?);
        let bus = Arc::new(Bus::default());
        let metrics = Arc::new(Metrics::new()?);
        let certificates =
            settings.tls.clone().map(|files| Certificates::read(files, metrics.clone())).transpose()?;
        let keys = Keys {
            current: &secrets.jwt,
            previous: settings.jwt_previous_secret.as_ref(),
            telegram_id: secrets.telegram_id.as_ref(),
        };
        let (engine, interrupted) = Engine::start(store.clone(), bus.clone(), keys, settings.clone()).await?;
        let engine = Arc::new(engine);
        let gateway = Arc::new(Gateway::new(engine.clone(), settings.clone(), metrics.clone()));
        gateway.interrupted(&interrupted);
        let weak: Weak<Gateway> = Arc::downgrade(&gateway);
        bus.listen(weak);
        let app = Arc::new(App::new(
            engine.clone(),
            gateway.clone(),
            settings.clone(),
            metrics.clone(),
            secrets.admin_key,
        ));
        let (players, operators) = (listener::bind(settings.listen)?, listener::bind(settings.admin_listen)?);
        let addresses = Addresses { players: players.local_addr()?, operators: operators.local_addr()? };
        let (stop, stopped) = watch::channel(false);
        let proxies = Arc::new(Proxies::new(settings.trusted_proxies.clone()));
        let door = Door {
            listener: players,
            router: http::players(app.clone()),
            tls: certificates.as_ref().map(Certificates::acceptor).transpose()?,
            max: settings.limits.connections,
            proxies: proxies.clone(),
            metrics: metrics.clone(),
        };
        tokio::spawn(listener::accept(door, stopped.clone()));
        let router = http::operators(app.clone());
        let door = Door { listener: operators, router, tls: None, max: 256, proxies, metrics };
        tokio::spawn(listener::accept(door, stopped.clone()));
        if let Some(certificates) = certificates.clone() {
            let period = Duration::from_millis(settings.timers.tls_reload);
            tokio::spawn(follow_certificates(certificates, period, stopped.clone()));
        }
        tokio::spawn(record_days(engine.clone(), stopped.clone()));
        let period = Duration::from_millis(settings.timers.pool_period);
        let webhook = Webhook::start(&settings.alerts, gateway.metrics().clone())?;
        tokio::spawn(record_pool(gateway.clone(), engine.clone(), webhook, period, stopped.clone()));
        tokio::spawn(sweep(app, stopped));
        Ok(Parts { addresses, engine, gateway, store, stop, settings, certificates })
    }

    async fn obey(self, mut inbox: mpsc::UnboundedReceiver<Order>) {
        while let Some(order) = inbox.recv().await {
            match order {
                Order::PutFlag(name, flag, answer) => {
                    let _ = answer.send(self.engine.put_flag(&name, *flag).await);
                }
                Order::PutOffer(id, offer, answer) => {
                    let _ = answer.send(self.engine.put_offer(&id, &offer, Author::within("embedded")).await);
                }
                Order::Token(player, answer) => {
                    let _ = answer.send(self.engine.make_token(&player).map(|(token, _)| token));
                }
                Order::Keys(current, previous, answer) => {
                    self.engine.replace_keys(&current, previous.as_ref());
                    let _ = answer.send(());
                }
                Order::Certificates => {
                    if let Some(certificates) = self.certificates.clone() {
                        tokio::task::spawn_blocking(move || certificates.look());
                    }
                }
                Order::Drain(done) => {
                    // Whoever has lost patience with a drain may still end it.
                    tokio::select! {
                        () = self.drain() => {}
                        () = killed(&mut inbox) => {}
                    }
                    done();
                    return;
                }
                Order::Kill => return,
            }
        }
    }

    async fn drain(&self) {
        self.gateway.begin_drain();
        tokio::time::sleep(Duration::from_millis(self.settings.timers.drain_notice)).await;
        if tokio::time::timeout(FAREWELL, self.gateway.send_away()).await.is_err() {
            tracing::warn!("some sockets did not end in time");
        }
        let _ = self.stop.send(true);
        self.store.close().await;
    }
}

async fn killed(inbox: &mut mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = inbox.recv().await {
        if matches!(order, Order::Kill) {
            return;
        }
    }
}

async fn sweep(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let (engine, settings) = (&app.engine, &app.settings);
    let period = Duration::from_millis(settings.timers.sweep.max(10));
    let reload = Duration::from_millis(settings.timers.flags_cache.max(10));
    let mut reloaded = std::time::Instant::now();
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = listener::stopped(&mut stop) => return,
        }
        if let Err(error) = engine.recover().await {
            tracing::error!(%error, "what is owed to the store could not be paid");
        }
        // Of a trouble the store has told already.
        if let Err(failure) = engine.sweep().await
            && engine.trouble().is_none()
        {
            tracing::error!(?failure, "a sweep failed");
        }
        app.sweep();
        if reloaded.elapsed() >= reload {
            reloaded = std::time::Instant::now();
            if let Err(error) = engine.reload_flags().await {
                tracing::error!(%error, "the flags could not be read anew");
            }
            if let Err(error) = engine.reload_bans().await {
                tracing::error!(%error, "the bans could not be read anew");
            }
            if let Err(error) = engine.reload_api_keys().await {
                tracing::error!(%error, "the API keys could not be read anew");
            }
        }
    }
}

/// Looks at the certificate's files now and then.
async fn follow_certificates(
    certificates: Arc<Certificates>,
    period: Duration,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = listener::stopped(&mut stop) => return,
        }
        let certificates = certificates.clone();
        let _ = tokio::task::spawn_blocking(move || certificates.look()).await;
    }
}

/// A line about the pool every ten seconds.
async fn record_pool(
    gateway: Arc<Gateway>,
    engine: Arc<Engine>,
    webhook: Option<Webhook>,
    period: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = listener::stopped(&mut stop) => return,
        }
        let (sample, turn) = gateway.sum_up();
        engine.record_pool(&sample).await;
        if let Some(turn) = turn {
            if let Some(webhook) = &webhook {
                webhook.tell(turn);
            }
            let (rate, devices) = (turn.share.rate, turn.share.devices);
            if turn.firing {
                tracing::warn!(rate, devices, "the reconnect rate is an alarm");
            } else {
                tracing::info!(rate, devices, "the reconnect rate is no alarm any more");
            }
        }
    }
}

/// How often it is looked whether a day is over for an experiment.
const DAYS_CHECK: Duration = Duration::from_secs(60);

/// Beside the sweep: a report of many events takes its time, and a sweep must not wait for it.
async fn record_days(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    loop {
        let round = async {
            if let Err(failure) = engine.record_experiment_days().await {
                tracing::error!(?failure, "the experiments' days could not be recorded");
            }
            tokio::time::sleep(DAYS_CHECK).await;
        };
        tokio::select! {
            () = round => {}
            () = listener::stopped(&mut stop) => return,
        }
    }
}

/// What must not be known.
#[derive(Debug, Clone)]
struct Secrets {
    jwt: Secret,
    /// Where Telegram is configured.
    telegram_id: Option<Secret>,
    admin_key: Option<Secret>,
    admin_key_file: Option<PathBuf>,
}

impl Secrets {
    /// The given ones, or under `--dev` those in the data directory, made at the first start.
    fn find(settings: &Settings) -> anyhow::Result<Secrets> {
        let data = &settings.data;
        // Nobody else's: the players' data and the secrets are in it. One that is there keeps the mode that somebody gave it.
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data);
        made.with_context(|| format!("cannot create {}", data.display()))?;
        let jwt = match &settings.jwt_secret {
            Some(secret) => secret.clone(),
            None => kept(&data.join("jwt.secret"))?,
        };
        let (admin_key, admin_key_file) = match &settings.admin_key {
            Some(key) => (Some(key.clone()), None),
            None if settings.dev => {
                let file = data.join("admin.key");
                (Some(kept(&file)?), Some(file))
            }
            None => (None, None),
        };
        let telegram_id = match &settings.telegram {
            telegram if telegram.bot_token.is_none() && telegram.bot_id == 0 => None,
            telegram => match &telegram.id_key {
                Some(key) => Some(key.clone()),
                None => Some(kept(&data.join("telegram-id.key"))?),
            },
        };
        Ok(Secrets { jwt, telegram_id, admin_key, admin_key_file })
    }
}

/// Reads a secret, or makes one of 64 hex digits that only this user can read.
fn kept(file: &Path) -> anyhow::Result<Secret> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let text = text.trim();
            ensure!(
                text.len() >= 32,
                "{} holds {} bytes; a secret has at least 32",
                file.display(),
                text.len()
            );
            Ok(Secret::new(text))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = hex::encode(rand::random::<[u8; 32]>());
            let mut opened = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(file)
                .with_context(|| format!("cannot create {}", file.display()))?;
            opened.write_all(text.as_bytes())?;
            opened.sync_all()?;
            Ok(Secret::new(text))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_has_ended_is_freed() {
        let data = tempfile::tempdir().unwrap();
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let settings = Settings {
            dev: true,
            listen: local,
            admin_listen: local,
            data: data.path().to_owned(),
            ..Settings::default()
        };
        let secrets = Secrets::find(&settings).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let parts = runtime.block_on(Parts::start(Arc::new(settings), secrets)).unwrap();
        let (store, engine, gateway) =
            (Arc::downgrade(&parts.store), Arc::downgrade(&parts.engine), Arc::downgrade(&parts.gateway));
        assert!(gateway.upgrade().is_some());
        drop(parts);
        runtime.shutdown_timeout(Duration::from_secs(10));
        assert_eq!([store.strong_count(), engine.strong_count(), gateway.strong_count()], [0; 3]);
    }
}
