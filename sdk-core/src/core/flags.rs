//! Fetching flags, and noticing which the game reads.

use crate::flags::Flags;
use crate::flags::fetch::FetchResult;
use crate::io::{HttpFailure, HttpReply, LogLevel, Method, Output};
use crate::protocol::json::Object;

use super::{Core, Purpose};

/// The bound on `GET /flags`.
const FLAGS_TIMEOUT_MS: u32 = 10_000;

impl Core {
    pub(super) fn settle_flags(&mut self) {
        self.collect_exposures();
        let due = self.flag_fetch.due().is_some_and(|at| at <= self.clock.t());
        if due && self.may_fetch_flags() {
            self.fetch_flags();
        }
    }

    /// A player is known, and the network is ours to use.
    pub(super) fn may_fetch_flags(&self) -> bool {
        self.link.network && !self.link.background && self.flags_player().is_some()
    }

    /// Whose flags to fetch: the game's word, the token's, the server's. The last run's player is none of them yet.
    fn flags_player(&self) -> Option<&str> {
        let stored = Some(self.store.player()).filter(|_| self.had_session);
        stored.or(self.config.player_id.as_deref()).or(self.tokens.player())
    }

    fn fetch_flags(&mut self) {
        let Some(player) = self.flags_player().map(str::to_owned) else { return };
        let t = self.clock.t();
        if self.flag_fetch.on_player(t, &player) {
            // The values on disk were the last run's player's, and this run's is another.
            self.offer_flags(Flags::defaults());
        }
        let token = self.tokens.usable(t).filter(|_| self.tokens.player() == Some(&*player));
        let request = self.flag_fetch.request(t, self.config.base_url(), &player, &self.config.build, token);
        self.http(Purpose::Flags, Method::Get, request.url, request.headers, String::new(), FLAGS_TIMEOUT_MS);
    }

    pub(super) fn on_flags(&mut self, reply: Result<HttpReply<'_>, HttpFailure>) {
        let flags = match self.flag_fetch.on_reply(self.clock.t(), reply) {
            FetchResult::New { flags } => {
                self.store.touch_boot();
                flags
            }
            FetchResult::Unchanged { flags } => flags,
            FetchResult::Failed { stale, reason } => {
                self.log(LogLevel::Warn, "flags: ", &reason);
                let Some(stale) = stale else { return };
                stale
            }
        };
        self.offer_flags(flags);
    }

    pub(super) fn offer_flags(&mut self, flags: Flags) {
        // The last ones may have been applied since, and nothing else would tell.
        self.collect_exposures();
        self.flags_offered = Some(flags.clone());
        self.out.push(Output::Flags(flags));
    }

    /// A flag's first read becomes one `$exposure`. No input tells that flags were applied, so whoever stamps an event with them looks
    /// here first.
    pub(super) fn collect_exposures(&mut self) {
        self.expose();
        if self.flags_offered.as_ref().is_some_and(Flags::applied)
            && let Some(applied) = self.flags_offered.take()
        {
            // What was read of the former values has been counted for them.
            self.flags_applied = applied;
            self.expose();
        }
    }

    fn expose(&mut self) {
        if !self.flags_applied.has_exposures() {
            return;
        }
        for (flag, variant) in self.flags_applied.take_exposures() {
            let props = Object::new().text("flag", &flag).text("variant", &variant).end();
            self.track_own("$exposure", &props, false);
        }
    }
}
