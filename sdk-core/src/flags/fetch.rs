//! When the flags are fetched, and which answer is believed.
//!
//! A state machine without I/O: triggers say what happened, [`FlagFetch::due`] when the next fetch should start,
//! [`FlagFetch::request`] what to send, [`FlagFetch::on_reply`] what came of it. It leaves to the core: the HTTP itself, the disk
//! (it hands out a [`CachedFlags`] to keep), the token, and the random spread of `flags_changed`. Times are monotonic milliseconds.
//!
//! It has no timer of its own. A failed fetch is tried again when there is a new reason to hope (authenticated, another network, the
//! game in front again) or when the radio is awake anyway ([`FlagFetch::on_awake`]), there with a back-off of 30 s doubling to 10 min.
//! A retry by the clock alone would wake a phone for a body that the game can live without: it has the last good answer, and
//! whatever makes fetching work again is one of these triggers, or comes with traffic.

use super::forms::{is_etag, newer, newer_number, percent_encode, query_of, retry_after};
use super::snapshot::{Flags, Source};
use crate::io::{HttpFailure, HttpReply};
use crate::protocol::json::{Members, Object};
use crate::protocol::limits::FLAGS_INTERVAL_MS;
use crate::protocol::messages::client::Read;
use crate::text::{join, number};

/// Back-off of the retries that ride on other traffic.
const RETRY_MIN_MS: u64 = 30_000;
const RETRY_MAX_MS: u64 = 600_000;

/// The last good answer, as it is kept on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CachedFlags {
    /// Whom it was for.
    pub(crate) player: String,
    /// The build that asked.
    pub(crate) build: String,
    /// Empty where there was none.
    pub(crate) etag: String,
    /// The answer as it came.
    pub(crate) body: String,
    /// The attributes in the form of the query.
    pub(crate) attributes: String,
}

impl CachedFlags {
    pub(crate) fn write(&self) -> String {
        Object::new()
            .text("player", &self.player)
            .text("build", &self.build)
            .text("etag", &self.etag)
            .text("body", &self.body)
            .text("attributes", &self.attributes)
            .end()
    }
}

impl Read for CachedFlags {
    fn of(members: &mut Members<'_>) -> Self {
        CachedFlags {
            player: members.need("player"),
            build: members.need("build"),
            etag: members.or("etag", String::new()),
            body: members.need("body"),
            attributes: members.or("attributes", String::new()),
        }
    }
}

/// What to send. No `Debug`: the headers hold the token.
pub(crate) struct FetchRequest {
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What came of a fetch.
#[derive(Debug)]
pub(crate) enum FetchResult {
    /// A good answer; [`FlagFetch::kept`] has changed.
    New { flags: Flags },
    /// What is cached is this session's answer.
    Unchanged { flags: Flags },
    /// Nothing to believe. `stale`: what was `CACHED` until now, once. `reason` is for the log.
    Failed { stale: Option<Flags>, reason: String },
}

/// The request under way.
struct Sent {
    /// What its answer will be kept as.
    cache: CachedFlags,
    /// Whether it was conditional.
    conditional: bool,
    with_token: bool,
    /// Whether it named the least version that will do.
    with_min: bool,
}

/// The state of fetching, for one player at a time.
#[derive(Default)]
pub(crate) struct FlagFetch {
    player: Option<String>,
    /// In the form of the query: `&attr.tier=gold`, by name.
    attributes: String,
    /// The last good answer, and the same decoded.
    cache: Option<CachedFlags>,
    flags: Option<Flags>,
    /// The newest version that the server spoke of in this run.
    heard: String,
    /// The version of an answer that was refused as too old; the next request asks the server to look again.
    refused: Option<String>,
    due: Option<u64>,
    sent: Option<Sent>,
    last_start: Option<u64>,
    /// A fetch may carry a token; this session's answer was fetched with one.
    token_at_hand: bool,
    answered_with_token: bool,
    /// Failed fetches in a row.
    failures: u32,
    /// A `Retry-After` is not over before this.
    blocked_until: u64,
    /// The back-off of unasked retries is not over before this.
    retry_at: u64,
}

impl FlagFetch {
    pub(crate) fn new() -> FlagFetch {
        FlagFetch::default()
    }

    /// The last run's answer from disk. It counts for any build: what the server said to the last build is nearer to its mind than
    /// what was compiled in, and one install keeps its variant over an update; but only the same build's `ETag` is sent. `None`: it
    /// is corrupt, or of another player than the one that was already named.
    pub(crate) fn restore(&mut self, cached: CachedFlags) -> Option<Flags> {
        if self.player.as_ref().is_some_and(|player| *player != cached.player) || self.cache.is_some() {
            return None;
        }
        let flags = Flags::decode(cached.body.as_bytes(), Source::Cached).ok()?;
        self.player = Some(cached.player.clone());
        self.cache = Some(cached);
        self.flags = Some(flags.clone());
        Some(flags)
    }

    /// What is to be kept on disk.
    pub(crate) fn kept(&self) -> Option<&CachedFlags> {
        self.cache.as_ref()
    }

    /// The run begins and there is a player to fetch for.
    pub(crate) fn start(&mut self, t: u64) {
        self.ask(t);
    }

    /// The socket is authenticated. `version` is the server's; `with_token`: a fetch may now carry a token.
    pub(crate) fn on_authenticated(&mut self, t: u64, version: &str, with_token: bool) {
        self.token_at_hand |= with_token;
        if self.hear(version) || !self.answered() || self.lacks_token() {
            self.ask(t);
        }
    }

    /// `flags_changed`: there is a newer version, to be fetched after `delay_ms` of the spread.
    pub(crate) fn on_changed(&mut self, t: u64, version: &str, delay_ms: u64) {
        if self.hear(version) {
            self.ask(t.saturating_add(delay_ms));
        }
    }

    /// The game came to the front: nobody asked, so the least interval holds.
    pub(crate) fn on_foreground(&mut self, t: u64) {
        if self.last_start.is_none_or(|last| t >= last.saturating_add(FLAGS_INTERVAL_MS)) {
            self.ask(t);
        }
    }

    /// There is a network again, or another one: a reason only while this session has no answer.
    pub(crate) fn on_network(&mut self, t: u64) {
        if !self.answered() {
            self.ask(t);
        }
    }

    /// The radio is awake for something else (a ping is due, a message goes out): an open fetch may ride along.
    pub(crate) fn on_awake(&mut self, t: u64) {
        if self.failures > 0 && t >= self.retry_at {
            self.ask(t);
        }
    }

    /// The game observes other attributes, a flat JSON object of scalars; `null` leaves one out.
    pub(crate) fn on_attributes(&mut self, t: u64, json: &str) {
        let attributes = query_of(json);
        if attributes != self.attributes {
            self.attributes = attributes;
            self.ask(t);
        }
    }

    /// Whose flags are wanted. True: they were another's, whose answer, attributes and running fetch are dropped; the compiled
    /// defaults hold until there is an answer.
    pub(crate) fn on_player(&mut self, t: u64, player: &str) -> bool {
        match &self.player {
            Some(known) if known == player => return false,
            None => {
                self.player = Some(player.to_owned());
                return false;
            }
            Some(_) => {}
        }
        self.player = Some(player.to_owned());
        self.attributes.clear();
        (self.cache, self.flags, self.refused) = (None, None, None);
        (self.token_at_hand, self.answered_with_token) = (false, false);
        (self.failures, self.retry_at) = (0, 0);
        // Of a fetch that is under way the answer will not be believed.
        self.due = None;
        self.ask(t);
        true
    }

    /// When the next fetch should start; `None`: never, or one is under way.
    pub(crate) fn due(&self) -> Option<u64> {
        if self.sent.is_some() { None } else { self.due }
    }

    /// Starts a fetch. Answer it with [`FlagFetch::on_reply`], whatever happens.
    pub(crate) fn request(
        &mut self,
        t: u64,
        base_url: &str,
        player: &str,
        build: &str,
        token: Option<&str>,
    ) -> FetchRequest {
        self.on_player(t, player);
        self.due = None;
        self.last_start = Some(t);
        let mut url = join(&[base_url, "/flags?player_id="]);
        percent_encode(&mut url, player);
        url.push_str("&build=");
        percent_encode(&mut url, build);
        url.push_str(&self.attributes);
        let known = self.known_version().to_owned();
        let min = if newer(&self.heard, &known) {
            Some(self.heard.clone())
        } else {
            // A server that gave an older answer is asked to look again.
            self.refused.is_some().then_some(known)
        };
        if let Some(min) = &min {
            url.push_str("&min=");
            percent_encode(&mut url, min);
        }
        let mut headers = Vec::new();
        let mut conditional = false;
        if let Some(known) = &self.cache
            && !known.etag.is_empty()
            && known.player == player
            && known.build == build
            && known.attributes == self.attributes
        {
            conditional = true;
            headers.push(("if-none-match", known.etag.clone()));
        }
        if let Some(token) = token {
            headers.push(("authorization", join(&["Bearer ", token])));
        }
        let cache = CachedFlags {
            player: player.to_owned(),
            build: build.to_owned(),
            attributes: self.attributes.clone(),
            ..CachedFlags::default()
        };
        let (with_token, with_min) = (token.is_some(), min.is_some());
        self.sent = Some(Sent { cache, conditional, with_token, with_min });
        FetchRequest { url, headers }
    }

    /// The fetch ended. Only a good answer for what is wanted now, and no older than what is known, replaces anything.
    pub(crate) fn on_reply(&mut self, t: u64, reply: Result<HttpReply<'_>, HttpFailure>) -> FetchResult {
        let Some(sent) = self.sent.take() else {
            return FetchResult::Failed {
                stale: None,
                reason: "an answer that nobody waited for".to_owned(),
            };
        };
        if self.player.as_ref() != Some(&sent.cache.player) || self.attributes != sent.cache.attributes {
            // What changed has made another fetch due; the answer of this one would only flicker.
            self.due.get_or_insert(t);
            let reason = "the answer is for a former player or former attributes".to_owned();
            return FetchResult::Failed { stale: None, reason };
        }
        let with_token = sent.with_token;
        match self.believe(sent, &reply) {
            Ok(result) => {
                self.failures = 0;
                self.refused = None;
                self.answered_with_token = with_token;
                // What became due meanwhile may be satisfied already.
                if !newer(&self.heard, self.known_version()) && !self.lacks_token() {
                    self.due = None;
                }
                result
            }
            Err(reason) => {
                let backoff = RETRY_MIN_MS.saturating_mul(1 << self.failures.min(10)).min(RETRY_MAX_MS);
                self.failures = self.failures.saturating_add(1);
                self.retry_at = t.saturating_add(backoff);
                if let Ok(reply) = reply {
                    // It reached the server: what became due meanwhile was no new hope, and a server in trouble is not asked twice.
                    self.due = self.due.filter(|due| *due > t);
                    if let Some(wait) = retry_after(&reply) {
                        self.blocked_until = t.saturating_add(wait);
                        self.due = self.due.map(|due| due.max(self.blocked_until));
                    }
                }
                let stale = match &self.flags {
                    Some(flags) if flags.source() == Source::Cached => {
                        let stale = flags.with_source(Source::Stale);
                        self.flags = Some(stale.clone());
                        Some(stale)
                    }
                    _ => None,
                };
                FetchResult::Failed { stale, reason }
            }
        }
    }

    fn believe(
        &mut self,
        mut sent: Sent,
        reply: &Result<HttpReply<'_>, HttpFailure>,
    ) -> Result<FetchResult, String> {
        let reply = match reply {
            Ok(reply) => reply,
            Err(HttpFailure::Unreachable) => return Err("the server cannot be reached".to_owned()),
            Err(HttpFailure::TimedOut) => return Err("no answer in time".to_owned()),
            Err(HttpFailure::TooLarge) => return Err("the answer is above 64 KiB".to_owned()),
        };
        if reply.status == 304 {
            let Some(flags) = self.flags.as_ref().filter(|_| sent.conditional) else {
                return Err("HTTP 304 to a request without a condition".to_owned());
            };
            let flags = flags.with_source(Source::Session);
            self.flags = Some(flags.clone());
            return Ok(FetchResult::Unchanged { flags });
        }
        if reply.status != 200 {
            return Err(join(&["HTTP ", &number(reply.status.into())]));
        }
        let flags = Flags::decode(reply.body, Source::Session).map_err(|error| error.text())?;
        self.check_age(flags.version(), sent.with_min)?;
        // `decode` has read it as JSON, so it is UTF-8.
        sent.cache.body.push_str(std::str::from_utf8(reply.body).unwrap_or_default());
        sent.cache.etag.push_str(reply.header("etag").filter(|etag| is_etag(etag)).unwrap_or_default());
        // The same text (a browser's conditional fetch shows as 200) keeps its table, and with it what was read.
        let same = self.cache.as_ref().is_some_and(|old| old.body == sent.cache.body);
        let flags = match &self.flags {
            Some(old) if same => old.with_source(Source::Session),
            _ => flags,
        };
        self.flags = Some(flags.clone());
        if self.cache.as_ref() == Some(&sent.cache) {
            return Ok(FetchResult::Unchanged { flags });
        }
        self.cache = Some(sent.cache);
        Ok(FetchResult::New { flags })
    }

    /// Refuses an answer that is older than the one in hand. Within a run that is final. A disk's answer gives way when the server
    /// was asked twice, the second time with `min`, and stays with the older version: then its configuration was set back.
    fn check_age(&mut self, version: &str, with_min: bool) -> Result<(), String> {
        let known = self.known_version();
        if !newer_number(known, version) {
            return Ok(());
        }
        let heard_in_this_run = self.answered() || !newer(known, &self.heard);
        let insists = with_min && self.refused.as_deref() == Some(version);
        if insists && !heard_in_this_run {
            return Ok(());
        }
        let reason = join(&["the answer is version ", version, ", older than ", known]);
        self.refused = Some(version.to_owned());
        Err(reason)
    }

    /// Whether this session has an answer.
    fn answered(&self) -> bool {
        self.flags.as_ref().is_some_and(|flags| flags.source() == Source::Session)
    }

    /// Whether the answer was for anybody, while a fetch could speak for the player: server traits and private flags took no part.
    fn lacks_token(&self) -> bool {
        self.token_at_hand && !self.answered_with_token
    }

    fn known_version(&self) -> &str {
        self.flags.as_ref().map_or("", Flags::version)
    }

    /// Notes the version that the server spoke of; whether it is newer than what is in hand.
    fn hear(&mut self, version: &str) -> bool {
        if newer(version, &self.heard) {
            version.clone_into(&mut self.heard);
        }
        newer(version, self.known_version())
    }

    fn ask(&mut self, t: u64) {
        let at = t.max(self.blocked_until);
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}
