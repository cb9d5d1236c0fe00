//! The reference checks: what must be true of everything that the core says, whatever the world does to it.
//!
//! They see each input, each output and each event as the game takes it. They know the protocol and nothing of the core's
//! inside. The first broken rule ends the history.

mod analytics;
mod durable;
mod flags;
mod link;
mod offers;
mod requests;
mod rooms;
mod wakes;
mod wire;

use castline::protocol::limits::{MAX_ANALYTICS_BYTES, MAX_BATCH_BYTES};
use castline::{Command, Dropped, Event, Input, Now, Output, State, StoreKey};

use crate::coverage::{Coverage, Mark};
use crate::device::{Process, SaveEnd};
use crate::server::Server;

/// What happens now, for all the checks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moment {
    /// True time since the beginning of the history, ms.
    pub(crate) t: u64,
    /// The device's clocks.
    pub(crate) now: Now,
    /// Time as a client can know it: the larger of the two clocks' differences, summed.
    pub(crate) elapsed: u64,
    /// Counts inputs.
    pub(crate) step: u64,
}

/// All checks of a history.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) failure: Option<String>,
    moment: Moment,
    link: link::LinkCheck,
    wire: wire::WireCheck,
    durable: durable::DurableCheck,
    offers: offers::OfferCheck,
    requests: requests::RequestCheck,
    rooms: rooms::RoomCheck,
    flags: flags::FlagCheck,
    wakes: wakes::WakeCheck,
    analytics: analytics::AnalyticsCheck,
    misbehaving: bool,
    marks: Vec<Mark>,
    /// A save failed, or a process died: files may stay that nobody knows of.
    disk_trouble: bool,
    started: bool,
}

/// A broken rule: its name and what happened.
pub(crate) type Broken = Result<(), String>;

impl Checks {
    pub(crate) fn new(misbehaving: bool, persistent: bool, players_change: bool) -> Checks {
        Checks {
            failure: None,
            moment: Moment::default(),
            link: link::LinkCheck::default(),
            wire: wire::WireCheck::default(),
            durable: durable::DurableCheck::new(misbehaving, persistent),
            offers: offers::OfferCheck::new(persistent),
            requests: requests::RequestCheck::default(),
            rooms: rooms::RoomCheck::default(),
            flags: flags::FlagCheck::new(players_change),
            wakes: wakes::WakeCheck::default(),
            analytics: analytics::AnalyticsCheck::new(players_change),
            misbehaving,
            marks: Vec::new(),
            disk_trouble: false,
            started: false,
        }
    }

    pub(crate) fn fail(&mut self, rule: &str, what: String) {
        if self.failure.is_none() {
            self.failure = Some(format!("[{rule}] {what}"));
        }
    }

    fn judge(&mut self, rule: &str, verdict: Broken) {
        if let Err(what) = verdict {
            self.fail(rule, what);
        }
    }

    pub(crate) fn step(&self) -> u64 {
        self.moment.step
    }

    /// What the game was told last.
    pub(crate) fn state(&self) -> State {
        self.link.state
    }

    /// How many requests wait for their answer.
    pub(crate) fn open_requests(&self) -> usize {
        self.requests.open()
    }

    pub(crate) fn idle_wake(&self) -> bool {
        self.wakes.was_idle()
    }

    pub(crate) fn just_woke(&self) -> bool {
        self.wakes.woke()
    }

    pub(crate) fn process_starts(&mut self, now: Now, with_token: bool) {
        self.moment.now = now;
        self.moment.step += 1;
        self.started = true;
        let m = self.moment;
        self.link.process_starts(m, with_token);
        self.wakes.process_starts(now);
        self.durable.process_starts();
        self.offers.process_starts();
        self.requests.process_starts();
        self.rooms.process_starts();
        self.flags.process_starts();
    }

    pub(crate) fn process_dies(&mut self, kept: &[(StoreKey, u64)]) {
        self.disk_trouble = true;
        for (key, step) in kept {
            self.durable.kept(key, *step);
            self.offers.saved(key, *step);
            self.analytics.saved(key, *step);
        }
        self.requests.process_dies();
        self.offers.process_dies();
        self.analytics.process_dies();
        self.link.process_dies();
    }

    pub(crate) fn input(&mut self, t: u64, now: Now, input: &Input<'_>) {
        let before = self.moment.now;
        let passed = now.mono.saturating_sub(before.mono).max(now.wall.saturating_sub(before.wall));
        self.moment = Moment { t, now, elapsed: self.moment.elapsed + passed, step: self.moment.step + 1 };
        let m = self.moment;
        self.wakes.input(m, before, input);
        let live = self.link.input(m, input, self.misbehaving);
        self.durable.input(m, input, live);
        self.offers.input(m, before, input, live);
        self.requests.input(m, input, live);
        self.rooms.input(input);
        self.flags.input(input);
        self.analytics.input(input, self.link.state);
        match input {
            Input::Text { text, .. } if live.is_some() => self.wire.received(text),
            Input::Command(Command::Close) => self.link.closing(),
            _ => {}
        }
    }

    pub(crate) fn output(&mut self, output: &Output, server_time: i64) {
        let m = self.moment;
        self.wakes.output(output);
        self.durable.clock(server_time);
        let verdict = self.link.output(m, output, self.wakes.lateness());
        self.judge("connection", verdict);
        if let Output::SendText { text, .. } = output {
            let verdict = self.wire.sent(text);
            self.judge("wire", verdict);
            let verdict = self.requests.sent(m, text);
            self.judge("requests", verdict);
            let verdict = self.durable.sent(text);
            self.judge("acknowledgement", verdict);
        }
        match output {
            Output::Save { key, bytes } => {
                let verdict = self.analytics.save(m, key, bytes);
                self.judge("bounds", verdict);
            }
            Output::Flags(flags) => {
                let verdict = self.flags.published(flags);
                self.judge("flags", verdict);
            }
            Output::HttpRequest { url, .. } => self.flags.asked(url),
            _ => {}
        }
        if let Output::Event { event, durable } = output {
            self.event(event, *durable, server_time);
        }
    }

    fn event(&mut self, event: &Event, durable: bool, server_time: i64) {
        let m = self.moment;
        let verdict = self.offers.event(m, event, server_time);
        self.judge("offers", verdict);
        let verdict = self.requests.event(m, event);
        self.judge("requests", verdict);
        let verdict = self.durable.event(event, durable);
        self.judge("durable", verdict);
        let verdict = self.rooms.event(event);
        self.judge("rooms", verdict);
        self.analytics.event(event);
        let mark = match event {
            Event::NoOffer { .. } => Mark::NoOffer,
            Event::OfferExpired { .. } => Mark::OfferExpired,
            Event::RoomGap { .. } => Mark::RoomGap,
            Event::Dropped { what: Dropped::Analytics, .. } => Mark::EventsDropped,
            Event::RequestCompleted { .. } => Mark::RequestDone,
            Event::StateChanged { state: State::Dormant, .. } => Mark::Dormant,
            Event::StateChanged { state: State::Failed, .. } => Mark::Failed,
            Event::StateChanged { state: State::Closed, .. } => Mark::Closed,
            _ => return,
        };
        self.marks.push(mark);
    }

    /// The core said `WakeAt`: everything that was due must have been done.
    pub(crate) fn drained(&mut self, process: Option<&Process>) {
        let m = self.moment;
        let verdict = self.requests.drained(m);
        self.judge("requests", verdict);
        let verdict = self.offers.drained(m);
        self.judge("offers", verdict);
        let verdict = self.link.drained();
        self.judge("connection", verdict);
        let verdict = self.durable.drained(m, self.link.state == State::Online);
        self.judge("acknowledgement", verdict);
        let busy = self.requests.open() > 0 || self.offers.any_open();
        let halted = self.link.halted();
        let verdict = self.wakes.drained(m, halted && !busy, self.link.state);
        self.judge("wakes", verdict);
        // 64 requests and what the server sends unacknowledged can't be dropped; the rest is held to 256.
        if let Some(process) = process
            && process.inbox.len() > 256 + 64 + 256 + 8
        {
            self.fail("bounds", format!("{} events wait for the game", process.inbox.len()));
        }
    }

    pub(crate) fn popped(&mut self, event: &Event, cover: &mut Coverage) {
        let verdict = self.durable.popped(event);
        self.judge("durable", verdict);
        let verdict = self.offers.popped(event);
        self.judge("offers", verdict);
        for mark in self.marks.drain(..).chain(self.offers.marks.drain(..)) {
            cover.hit(mark);
        }
    }

    pub(crate) fn save_ended(&mut self, end: &SaveEnd) {
        self.disk_trouble |= !end.ok;
        if end.ok {
            self.durable.saved(&end.key, end.step);
        }
        if end.kept {
            self.durable.kept(&end.key, end.step);
            self.offers.saved(&end.key, end.step);
            self.analytics.saved(&end.key, end.step);
        }
    }

    pub(crate) fn analytics_on_disk(&mut self, bytes: usize) {
        // The page that is being filled, and pages whose deletion has yet to end.
        let bound = MAX_ANALYTICS_BYTES + 4 * MAX_BATCH_BYTES;
        if bytes > bound && !self.disk_trouble {
            self.fail("bounds", format!("{bytes} bytes of analytics are on the disk; the bound is {bound}"));
        }
    }

    pub(crate) fn loaded(&mut self, key: &StoreKey, found: bool) {
        self.offers.loaded(key, found);
    }

    pub(crate) fn disk_corrupt(&mut self, name: &str) {
        self.offers.disk_corrupt(name);
        self.analytics.disk_corrupt(name);
    }

    /// The calm has lasted long enough: everything open must have ended well.
    pub(crate) fn finish(
        &mut self,
        server: &Server,
        player: &str,
        inbox: usize,
        calm_since: u64,
        cover: &mut Coverage,
    ) {
        let state = self.link.state;
        let legitimate = match state {
            State::Online => true,
            State::Closed => self.link.was_closed,
            State::Failed => self.link.failed_for_good,
            // A quiet client may be idle; the game's last `ready` was long ago.
            State::Dormant => true,
            _ => {
                self.link.just_began(calm_since + crate::world::CALM_MS)
                    && self.link.was_online_since(calm_since)
            }
        };
        if !legitimate {
            self.fail("liveness", format!("the calm ends in state {state}, not online"));
        }
        if state == State::Online {
            cover.hit(Mark::CalmOnline);
        }
        if inbox > 0 {
            self.fail("liveness", format!("{inbox} events wait although the game polls"));
        }
        let verdict = self.requests.finish(server);
        self.judge("requests", verdict);
        let verdict = self.offers.finish(server);
        self.judge("offers", verdict);
        let alive = matches!(state, State::Online | State::Dormant);
        if alive && self.link.was_online_since(calm_since) {
            let verdict = self.durable.finish(server, player);
            self.judge("durable", verdict);
            let verdict = self.flags.finish(server);
            self.judge("flags", verdict);
            if !self.misbehaving {
                let verdict = self.rooms.finish(server, player);
                self.judge("rooms", verdict);
            }
            let verdict = self.analytics.finish(server);
            self.judge("analytics", verdict);
        }
    }

    pub(crate) fn report(&mut self, cover: &mut Coverage) {
        for mark in self.marks.drain(..).chain(self.offers.marks.drain(..)) {
            cover.hit(mark);
        }
        self.wakes.report(cover);
        self.link.report(cover);
        self.requests.report(cover);
    }
}
