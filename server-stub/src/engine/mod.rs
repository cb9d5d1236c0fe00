//! The logic: who may do what, which offer is due, what a flag answers. It knows no socket and no HTTP: the gateway and the
//! HTTP surface ask, the engine answers, and what it has to say unasked goes over the bus.

mod api_keys;
mod audit;
mod bans;
mod events;
pub mod experiments;
pub(crate) mod flags;
mod login;
mod lookup;
mod offers;
mod pool;
mod recovery;
mod revenue;
pub(crate) mod segments;
mod telegram;
mod token;
pub(crate) mod trials;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use castline::protocol::messages::{ErrorReply, Message};
use castline::protocol::{Channel, Code, Envelope, encode, is_key};

use crate::bus::Bus;
use crate::rate::{ADDRESSES, Buckets};
use crate::settings::{Secret, Settings};
use crate::store::keys::{Key, Reply};
use crate::store::sessions::{Backlog, Durable};
use crate::store::sweep::Ages;
use crate::store::{Store, StoreError};

use api_keys::ApiKeys;
use bans::BanList;
use flags::{FlagTable, KnownCache};
use offers::{Leases, PlanTable};
use telegram::Telegram;
use token::Tokens;

pub(crate) use api_keys::{ApiKey, NewApiKey, Scope};
pub(crate) use bans::NewBan;
pub(crate) use login::{Refusal, Session};
pub use offers::{Budget, Change, Day, Hours, OfferDefinition, Split, Trigger};
pub(crate) use offers::{DryRun, Push, Refused as OfferRefused};
pub(crate) use revenue::Payment;
pub(crate) use telegram::BadInitData;
pub(crate) use token::BadToken;

/// When to try again what could not be stored.
const RETRY_MS: u64 = 2_000;

/// Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64)
}

/// Which socket asks, for whom.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// The connection, unique in this process.
    pub(crate) connection: u64,
    pub(crate) player: Arc<str>,
    pub(crate) device: Arc<str>,
    pub(crate) session: Arc<str>,
    pub(crate) epoch: i64,
}

/// Why there is no good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The socket's session belongs to a newer socket: nothing was done.
    Fenced,
    /// The player may not play: close 4503.
    Banned,
    /// An `error` reply.
    Error {
        /// The word on the wire.
        code: &'static str,
        /// What was wrong, with the value and the bound.
        message: String,
        /// With `RATE_LIMITED`.
        retry_after_ms: Option<u64>,
        /// The member that is wrong, where it is known; told over HTTP.
        field: Option<&'static str>,
    },
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Failure {
        Failure::Error { code: code.as_str(), message: message.into(), retry_after_ms: None, field: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(Code::InvalidPayload, message)
    }

    /// [`Failure::invalid`] for one member, with which the message begins.
    pub(crate) fn at(field: &'static str, why: impl std::fmt::Display) -> Failure {
        Failure::Error {
            code: Code::InvalidPayload.as_str(),
            message: format!("{field} {why}"),
            retry_after_ms: None,
            field: Some(field),
        }
    }

    pub(crate) fn rate_limited(what: &str, retry_after_ms: u64) -> Failure {
        Failure::Error {
            code: Code::RateLimited.as_str(),
            message: format!("too many {what}; try again in {retry_after_ms} ms"),
            retry_after_ms: Some(retry_after_ms),
            field: None,
        }
    }

    pub(crate) fn is_rate_limit(&self) -> bool {
        matches!(self, Failure::Error { retry_after_ms: Some(_), .. })
    }

    /// The payload of the `error` message.
    pub(crate) fn reply(&self) -> ErrorReply {
        match self {
            Failure::Fenced => ErrorReply { code: Code::Internal.as_str().into(), ..ErrorReply::default() },
            Failure::Banned => ErrorReply { code: Code::Forbidden.as_str().into(), ..ErrorReply::default() },
            Failure::Error { code, message, retry_after_ms, .. } => ErrorReply {
                code: (*code).to_owned(),
                message: message.clone(),
                retry_after_ms: *retry_after_ms,
                server_seed_hash: None,
            },
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Fenced => Failure::Fenced,
            StoreError::KeyMismatch => {
                Failure::new(Code::IdempotencyMismatch, "the key was used for a request with another body")
            }
            StoreError::Refused(why) => Failure::invalid(why),
            StoreError::RefusedAt(field, why) => Failure::at(field, why),
            // The store has said so in the log, once.
            StoreError::Unavailable(trouble) => Failure::Error {
                code: Code::Internal.as_str(),
                message: format!("nothing can be stored just now: {trouble}; try again in {RETRY_MS} ms"),
                retry_after_ms: Some(RETRY_MS),
                field: None,
            },
            StoreError::Database(_) | StoreError::Closed => {
                tracing::error!(%error, "the store failed");
                Failure::new(Code::Internal, "the server could not store this; try again")
            }
        }
    }
}

/// What a request comes to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    /// Durable messages of this session, to be written after the reply.
    pub(crate) then: Vec<Durable>,
}

impl Answer {
    pub(crate) fn of<M: Message>(message: &M) -> Answer {
        Answer { reply: reply_of(message), then: Vec::new() }
    }
}

fn reply_of<M: Message>(message: &M) -> Reply {
    Reply { channel: M::CHANNEL.as_str().to_owned(), kind: M::KIND.to_owned(), payload: encode(message) }
}

/// The one engine of a process.
#[derive(Debug)]
pub(crate) struct Engine {
    store: Arc<Store>,
    bus: Arc<Bus>,
    tokens: Tokens,
    telegram: Option<Telegram>,
    bans: BanList,
    api_keys: ApiKeys,
    flags: FlagTable,
    known: KnownCache,
    leases: Leases,
    plans: Arc<PlanTable>,
    /// When the last sweep was, Unix ms.
    swept: std::sync::atomic::AtomicI64,
    owed: Arc<recovery::Owed>,
    openings: recovery::Openings,
    settings: Arc<Settings>,
    ready_rate: Buckets<Arc<str>>,
    http_rates: HttpRates,
}

/// The keys that the engine checks and names players by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keys<'a> {
    pub(crate) current: &'a Secret,
    pub(crate) previous: Option<&'a Secret>,
    /// Where Telegram is configured.
    pub(crate) telegram_id: Option<&'a Secret>,
}

/// The per-minute limits of players.
#[derive(Debug)]
pub(crate) struct HttpRates {
    pub(crate) authenticate: Buckets<String>,
    pub(crate) claim: Buckets<String>,
    pub(crate) flags: Buckets<String>,
    pub(crate) events: Buckets<String>,
    pub(crate) telegram: Buckets<std::net::IpAddr>,
}

impl Engine {
    /// Also returns the players and devices whose sockets were open when the process before this one crashed.
    pub(crate) async fn start(
        store: Arc<Store>,
        bus: Arc<Bus>,
        keys: Keys<'_>,
        settings: Arc<Settings>,
    ) -> Result<(Engine, Vec<(String, String)>), StoreError> {
        let now = now_ms();
        let interrupted = store.write(move |c| Box::pin(crate::store::sessions::detach_all(c, now))).await?;
        let limits = &settings.limits;
        let engine = Engine {
            tokens: Tokens::new(keys.current, keys.previous),
            telegram: keys.telegram_id.and_then(|key| Telegram::new(&settings.telegram, key)),
            bans: BanList::default(),
            api_keys: ApiKeys::default(),
            flags: FlagTable::default(),
            known: KnownCache::new(Duration::from_millis(settings.timers.flags_cache)),
            leases: Leases::default(),
            plans: Arc::default(),
            swept: std::sync::atomic::AtomicI64::new(now),
            owed: Arc::default(),
            openings: recovery::Openings::known(store.openings()),
            ready_rate: Buckets::new(limits.ready_for_offer),
            http_rates: HttpRates {
                authenticate: Buckets::new(limits.authenticate),
                claim: Buckets::new(limits.claim),
                flags: Buckets::new(limits.flags),
                events: Buckets::new(limits.events),
                telegram: Buckets::bounded(limits.telegram, ADDRESSES),
            },
            store,
            bus,
            settings,
        };
        engine.reload_flags().await?;
        engine.reload_bans().await?;
        engine.reload_api_keys().await?;
        Ok((engine, interrupted))
    }

    /// The player that a token names, if he may play.
    pub(crate) fn check_token(&self, token: &str) -> Result<String, BadToken> {
        let now = now_ms();
        let player = self.tokens.check(token, now / 1000)?;
        if self.bans.holds(&player, now) { Err(BadToken::Banned) } else { Ok(player) }
    }

    /// From now on tokens are signed with this key; those of the one before are good as long as it is given.
    pub(crate) fn replace_keys(&self, current: &Secret, previous: Option<&Secret>) {
        self.tokens.replace(current, previous);
        let (kid, previous) = (token::kid_of(current), previous.map(token::kid_of));
        tracing::info!(kid, ?previous, "the keys of players' tokens");
    }

    /// The player whom Telegram names; `None`: Telegram is not configured.
    pub(crate) fn telegram_player(&self, init_data: &str) -> Option<Result<String, BadInitData>> {
        Some(self.telegram.as_ref()?.player(init_data, now_ms() / 1000))
    }

    /// Whether a player may play now.
    pub(crate) fn is_banned(&self, player: &str) -> bool {
        self.bans.holds(player, now_ms())
    }

    /// A token for a player, and its `exp` in Unix ms. The caller makes sure that he may have it.
    pub(crate) fn make_token(&self, player: &str) -> Result<(String, i64), String> {
        let now = now_ms() / 1000;
        let exp = now + (self.settings.timers.token_life / 1000).max(1) as i64;
        Ok((self.tokens.make(player, now, exp)?, exp * 1000))
    }

    pub(crate) fn http_rates(&self) -> &HttpRates {
        &self.http_rates
    }

    /// A request or message of an authenticated socket. The form of the envelope has been checked.
    pub(crate) async fn request(&self, who: &Who, envelope: &Envelope<'_>) -> Result<Answer, Failure> {
        let key = match &envelope.key {
            None => None,
            Some(key) if !is_key(key) => {
                return Err(Failure::invalid(format!("key is {} bytes; it must be 1 to 64", key.len())));
            }
            Some(_) if envelope.id.is_none() => return Err(Failure::invalid("a key needs an id")),
            Some(key) => Some(Key::new(&who.player, key, &envelope.kind, &envelope.payload)),
        };
        match (envelope.channel, &*envelope.kind) {
            (Channel::Offers, "ready_for_offer") => self.ready_for_offer(who, envelope, key).await,
            (Channel::Offers, "not_ready") => self.not_ready(who, key).await,
            (Channel::Analytics, "events") => self.events_message(who, envelope, key).await,
            (Channel::Unknown, _) => Err(Failure::new(
                Code::UnknownChannel,
                "the channels are offers, system, social, analytics and game",
            )),
            (channel, kind) => Err(Failure::new(
                Code::UnknownMessageType,
                format!("channel {} has no message {:?} from a client", channel.as_str(), shortened(kind)),
            )),
        }
    }

    /// Everything up to `seq` has been taken. Nobody waits for it: an acknowledgement that is lost is given again.
    pub(crate) async fn ack(&self, who: &Who, seq: u64) {
        let (session, epoch) = (who.session.clone(), who.epoch);
        self.store
            .write_later("ack", move |c| {
                Box::pin(async move { crate::store::sessions::ack(c, &session, epoch, seq).await })
            })
            .await;
    }

    /// Stored messages of the session beyond `after`.
    pub(crate) async fn beyond(&self, who: &Who, after: u64) -> Result<Vec<Durable>, Failure> {
        let (session, epoch) = (who.session.clone(), who.epoch);
        let job = self.store.write(move |c| {
            Box::pin(async move {
                crate::store::sessions::check_epoch(c, &session, epoch).await?;
                crate::store::sessions::beyond(c, &session, after).await
            })
        });
        Ok(job.await?)
    }

    /// The socket ended.
    pub(crate) async fn detached(&self, who: &Who) {
        self.leases.end(who.connection);
        self.detach(who.session.clone(), who.epoch, now_ms()).await;
    }

    /// A session that stayed attached would keep its offers from the player's other devices: what cannot be stored just now is owed.
    async fn detach(&self, session: Arc<str>, epoch: i64, at: i64) {
        let (owed, owing) = (self.owed.clone(), session.clone());
        self.store
            .write_later_or(
                "detach",
                move |c| {
                    Box::pin(async move { crate::store::sessions::detach(c, &session, epoch, at).await })
                },
                move || owed.add(owing, epoch, at),
            )
            .await;
    }

    /// Jobs that wait for the store's one writer.
    pub(crate) fn waiting_writes(&self) -> usize {
        self.store.waiting_writes()
    }

    /// Until when the connection's lease runs, if it has one.
    pub(crate) fn lease_until(&self, connection: u64) -> Option<Instant> {
        self.leases.until(connection)
    }

    /// What time has brought: called every few seconds.
    pub(crate) async fn sweep(&self) -> Result<(), Failure> {
        let timers = &self.settings.timers;
        let ages = Ages {
            requeue: timers.requeue as i64,
            session: timers.session_keep as i64,
            key: timers.key_keep as i64,
            event_id: timers.event_id_keep as i64,
            audit: timers.audit_keep as i64,
        };
        let now = now_ms();
        let swept = self.store.write(move |c| Box::pin(crate::store::sweep::sweep(c, ages, now))).await?;
        for player in swept.players {
            self.serve_player(&player).await;
        }
        let before = self.swept.swap(now, std::sync::atomic::Ordering::Relaxed);
        self.serve_begun(before, now, swept.freed).await;
        self.bans.forget_lapsed(now);
        self.note_api_key_use().await?;
        let at = Instant::now();
        self.ready_rate.forget_full(at);
        let rates = &self.http_rates;
        for table in [&rates.authenticate, &rates.claim, &rates.flags, &rates.events] {
            table.forget_full(at);
        }
        rates.telegram.forget_full(at);
        Ok(())
    }

    fn backlog(&self) -> Backlog {
        let limits = &self.settings.limits;
        Backlog { messages: limits.backlog_messages, bytes: limits.backlog_bytes }
    }
}

/// A foreign text for a message of ours: not longer than it needs to be.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
