//! What is kept on the device, and whose it is.
//!
//! Everything lies under the player it was made for. Loading happens in three steps, each answered before anything else comes in:
//! the boot record, the player's record, his analytics pages. A switch of player takes the last two steps again.

use crate::analytics::Queue;
use crate::event::Event;
use crate::flags::fetch::CachedFlags;
use crate::io::{LogLevel, Output, StoreKey};
use crate::offers::ledger::{Held, Known};
use crate::protocol::json::{self, List, Members, Object, Value};
use crate::protocol::messages::client::{Offered, Read};
use crate::protocol::{Code, is_player_id};
use crate::rooms::bets::Bets;
use crate::session::timers::Timer;

use super::Core;

/// Changes that nobody waits for are written together after this.
const SAVE_DELAY_MS: u64 = 1_000;

/// What is waited for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Boot,
    Player,
    Pages,
    Done,
}

/// The state of persistence.
#[derive(Debug, Default)]
pub(super) struct Store {
    stage: Stage,
    /// Pages that are still to come.
    pages_left: usize,
    device: String,
    player: String,
    boot_dirty: bool,
    player_dirty: bool,
    /// Somebody waits for the record to be on the disk.
    urgent: bool,
    /// Events made before any login, on their way to the first player.
    guest: Option<Queue>,
    /// Saves of the player's record that are not confirmed yet: the newest offer that was held in each.
    saving: Vec<u64>,
    /// Offers up to this one are on the disk, or need not be.
    safe: u64,
    /// Failed saves, which wait for the next occasion: retrying at once would only fill the log.
    retry_boot: bool,
    retry_player: bool,
    retry_pages: Vec<u32>,
}

impl Store {
    pub(super) fn is_loaded(&self) -> bool {
        self.stage == Stage::Done
    }

    pub(super) fn device(&self) -> &str {
        &self.device
    }

    /// Whose data this is; empty before any login.
    pub(super) fn player(&self) -> &str {
        &self.player
    }

    /// The player's record changed; `urgent`: an acknowledgement waits for the disk.
    pub(super) fn touch_player(&mut self, urgent: bool) {
        self.player_dirty = true;
        self.urgent |= urgent;
    }

    /// The flags to keep changed.
    pub(super) fn touch_boot(&mut self) {
        self.boot_dirty = true;
    }

    pub(super) fn is_safe(&self, offer: u64) -> bool {
        offer <= self.safe
    }
}

/// A record's members; of what was never saved, none.
fn saved(bytes: Option<&[u8]>) -> Members<'_> {
    // What is no text is no JSON either.
    Members::of(bytes.map_or("{}", |bytes| std::str::from_utf8(bytes).unwrap_or_default()))
}

impl Core {
    // ---- loading ----

    pub(super) fn begin_loading(&mut self) {
        if self.config.persistent {
            self.out.push(Output::Load { key: StoreKey::Boot });
        } else {
            self.on_boot_loaded(None);
            self.settle();
        }
    }

    pub(super) fn on_loaded(&mut self, key: &StoreKey, bytes: Option<&[u8]>) {
        match key {
            StoreKey::Boot if self.store.stage == Stage::Boot => self.on_boot_loaded(bytes),
            StoreKey::Player(player) if self.store.stage == Stage::Player && *player == self.store.player => {
                self.on_player_loaded(bytes);
            }
            StoreKey::Events(player, page) if *player == self.store.player => {
                self.on_page_loaded(*page, bytes);
            }
            _ => {}
        }
    }

    fn on_boot_loaded(&mut self, bytes: Option<&[u8]>) {
        let mut record = saved(bytes);
        self.store.device = record.or("device", String::new());
        let last: String = record.or("player", String::new());
        let flags = record.raw("flags");
        self.check_saved("the saved boot record is not readable: ", record);
        if !is_player_id(&self.store.device) {
            self.store.device = self.rng.id();
            self.store.boot_dirty = true;
        }
        if let Some(token) = self.config.token.take() {
            self.tokens.put(token, self.clock.t());
        }
        let known = self.config.player_id.as_deref().or(self.tokens.player());
        let player = known.unwrap_or(&last).to_owned();
        self.store.boot_dirty |= player != last;
        if let Some(flags) = flags {
            self.restore_flags(&player, Members::of(flags));
        }
        self.flag_fetch.start(self.clock.t());
        self.load_player(player);
    }

    /// The last run's flags, where this run's player is the same.
    fn restore_flags(&mut self, player: &str, mut record: Members<'_>) {
        let cached = CachedFlags::of(&mut record);
        if record.wrong().is_none()
            && cached.player == player
            && let Some(flags) = self.flag_fetch.restore(cached)
        {
            self.offer_flags(flags);
        }
        self.check_saved("the saved flags are not readable: ", record);
    }

    fn load_player(&mut self, player: String) {
        self.store.player = player;
        self.store.saving.clear();
        self.store.stage = Stage::Player;
        if self.config.persistent {
            self.out.push(Output::Load { key: StoreKey::Player(self.store.player.clone()) });
        } else {
            self.on_player_loaded(None);
        }
    }

    fn on_player_loaded(&mut self, bytes: Option<&[u8]>) {
        let mut record = saved(bytes);
        self.ledger.clear();
        for (_, offer) in &record.list("seen") {
            if let Some([(_, id), (_, expires_at)]) = json::array(offer).as_deref()
                && let (Some(id), Some(expires_at)) = (String::of(id), i64::of(expires_at))
            {
                self.ledger.seen.push(Known { offer_id: id, expires_at });
            }
        }
        for (_, offer) in &record.list("held") {
            let mut members = Members::of(offer);
            let read = Offered::of(&mut members);
            if members.wrong().is_none() {
                self.ledger.hold(&read, offer, false);
            }
        }
        self.store.safe = self.ledger.newest;
        for (_, id) in &record.list("claimed") {
            self.ledger.claim(&String::of(id).unwrap_or_default());
        }
        // Bets of before the first login are this player's too, and younger.
        let younger = std::mem::take(&mut self.bets.unanswered);
        self.bets.unanswered.extend(record.list("bets").iter().filter_map(|(_, key)| String::of(key)));
        self.bets.unanswered.extend(younger);
        let range = match *record.list("pages") {
            [(_, first), (_, end)] => (u32::of(first).unwrap_or(0), u32::of(end).unwrap_or(0)),
            _ => (0, 0),
        };
        self.check_saved("the saved player record is not readable: ", record);
        let pages = self.analytics.restore_range(range);
        self.store.stage = Stage::Pages;
        self.store.pages_left = pages.len();
        if pages.is_empty() {
            return self.on_all_loaded();
        }
        for page in pages {
            self.out.push(Output::Load { key: StoreKey::Events(self.store.player.clone(), page) });
        }
    }

    fn on_page_loaded(&mut self, page: u32, bytes: Option<&[u8]>) {
        if self.store.stage != Stage::Pages {
            return;
        }
        self.store.pages_left -= 1;
        self.analytics.restore_page(page, bytes.unwrap_or_default());
        if self.store.pages_left == 0 {
            self.on_all_loaded();
        }
    }

    fn on_all_loaded(&mut self) {
        self.store.stage = Stage::Done;
        if let Some(guest) = self.store.guest.take() {
            self.analytics.absorb(guest);
            self.store.touch_player(false);
        }
        self.analytics.expire(self.clock.wall());
        self.report_dropped_analytics();
        // What an earlier run could not send waits for the next chance.
        if self.analytics.urgent() {
            self.analytics.request_flush();
        }
    }

    fn check_saved(&mut self, what: &str, record: Members<'_>) {
        if let Err(wrong) = record.end() {
            self.log(LogLevel::Warn, what, wrong);
        }
    }

    // ---- players ----

    /// A token names the install's first player.
    pub(super) fn adopt_first_player(&mut self) {
        if let Some(player) = self.tokens.player().map(str::to_owned)
            && self.store.player.is_empty()
            && self.store.is_loaded()
        {
            self.adopt(player);
        }
    }

    /// What was made before any login goes to the first player.
    fn adopt(&mut self, player: String) {
        let guest = self.analytics.take_all();
        // The guest's pages are deleted under his name, with the record that names them.
        if self.config.persistent {
            self.save_pages();
            self.out.push(Output::Save { key: StoreKey::Player(String::new()), bytes: Vec::new() });
        }
        self.analytics = Queue::new();
        self.store.guest = Some(guest);
        self.store.boot_dirty = true;
        self.load_player(player);
    }

    /// The server says who this is. True when it is not who it was.
    pub(super) fn become_player(&mut self, player: &str) -> bool {
        if !is_player_id(player) || self.store.player == player {
            return false;
        }
        if self.store.player.is_empty() {
            self.adopt(player.to_owned());
            return false;
        }
        // The break is the present player's, too late for the former one.
        self.end_break();
        self.fail_all(Code::IdentityChanged, "another player has logged in");
        self.leave_all_rooms();
        while let Some(offer_id) = self.ledger.next_expired(i64::MAX) {
            self.event(Event::OfferExpired { offer_id });
        }
        self.store.player_dirty = true;
        self.save_all();
        self.bets = Bets::default();
        self.delivery.forget();
        self.analytics = Queue::new();
        self.store.boot_dirty = true;
        if self.flag_fetch.on_player(self.clock.t(), player) {
            self.offer_flags(crate::flags::Flags::defaults());
        }
        self.load_player(player.to_owned());
        true
    }

    // ---- saving ----

    /// Saves at once what somebody waits for; the rest is gathered for a second.
    pub(super) fn settle_saves(&mut self) {
        if !self.config.persistent {
            // Nothing is ever safe here; what was dropped or surfaced is released all the same.
            return self.settle_received();
        }
        if std::mem::take(&mut self.store.urgent) {
            self.save_player();
        }
        if self.analytics.urgent() && self.analytics.has_dirty() {
            self.save_player();
            self.save_pages();
        }
        self.settle_received();
        let dirty = self.store.boot_dirty || self.store.player_dirty || self.analytics.has_dirty();
        if !dirty {
            self.timers.stop(Timer::Save);
        } else if self.timers.get(Timer::Save).is_none() {
            self.timers.set(Timer::Save, Some(self.clock.t() + SAVE_DELAY_MS));
        }
    }

    pub(super) fn save_all(&mut self) {
        self.retry_saves();
        self.save_changes();
    }

    /// The same without what failed before.
    pub(super) fn save_changes(&mut self) {
        if !self.config.persistent || !self.store.is_loaded() {
            return;
        }
        self.timers.stop(Timer::Save);
        if std::mem::take(&mut self.store.boot_dirty) {
            let mut record = Object::new();
            record.text("device", &self.store.device).text("player", &self.store.player);
            if let Some(flags) = self.flag_fetch.kept() {
                record.raw("flags", &flags.write());
            }
            self.save(StoreKey::Boot, record);
        }
        if self.store.player_dirty || self.analytics.has_dirty() {
            self.save_player();
        }
        self.save_pages();
    }

    /// The record names the pages, so it goes before them.
    fn save_player(&mut self) {
        self.store.player_dirty = false;
        let (mut held, mut claimed, mut seen, mut bets) =
            (List::new(), List::new(), List::new(), List::new());
        for Held { offer, text, claimed: is_claimed, .. } in &self.ledger.held {
            held.raw(text);
            if *is_claimed {
                claimed.text(&offer.offer_id);
            }
        }
        for Known { offer_id, expires_at } in &self.ledger.seen {
            seen.raw(&List::new().text(offer_id).number(*expires_at).end());
        }
        for key in &self.bets.unanswered {
            bets.text(key);
        }
        let (first, end) = self.analytics.range();
        let mut record = Object::new();
        record
            .raw("held", &held.end())
            .raw("claimed", &claimed.end())
            .raw("seen", &seen.end())
            .raw("bets", &bets.end())
            .raw("pages", &List::new().number(first.into()).number(end.into()).end());
        self.store.saving.push(self.ledger.newest);
        self.save(StoreKey::Player(self.store.player.clone()), record);
    }

    fn save_pages(&mut self) {
        while let Some((page, bytes)) = self.analytics.next_dirty() {
            let key = StoreKey::Events(self.store.player.clone(), page);
            self.out.push(Output::Save { key, bytes });
        }
    }

    fn save(&mut self, key: StoreKey, mut record: Object) {
        self.out.push(Output::Save { key, bytes: record.end().into_bytes() });
    }

    /// A save that failed is tried again with the next change, or with the next ping.
    pub(super) fn on_saved(&mut self, key: &StoreKey, ok: bool) {
        match key {
            StoreKey::Boot => self.store.retry_boot |= !ok,
            StoreKey::Player(player) => {
                if *player == self.store.player && !self.store.saving.is_empty() {
                    let newest = self.store.saving.remove(0);
                    if ok {
                        self.store.safe = newest;
                    } else {
                        self.store.retry_player = true;
                    }
                }
            }
            StoreKey::Events(player, page) => {
                if !ok && *player == self.store.player && !self.store.retry_pages.contains(page) {
                    self.store.retry_pages.push(*page);
                }
            }
        }
    }

    /// Saves that failed are due again.
    fn retry_saves(&mut self) {
        self.store.boot_dirty |= std::mem::take(&mut self.store.retry_boot);
        self.store.player_dirty |= std::mem::take(&mut self.store.retry_player);
        for page in std::mem::take(&mut self.store.retry_pages) {
            self.analytics.save_failed(page);
        }
    }
}
