//! One history: a queue of what is under way, and the loop that takes the next thing from it.
//!
//! Everything happens at a millisecond of true time, in the order in which it was scheduled. Nothing here decides what is right:
//! faults come from the [`Plan`], answers from the model server, judgement from the checks.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use castline::{HttpId, Input, StoreKey, TokenId};

use crate::checks::Checks;
use crate::coverage::{Coverage, Mark};
use crate::device::Device;
use crate::game::Game;
use crate::network::{Down, LinkId, Network, Parcel, Up};
use crate::plan::{HttpMode, Plan, TokenMode};
use crate::rng::Rng;
use crate::server::http::{HttpAnswer, HttpCall};
use crate::server::{Action, Server};
use crate::trace::{Trace, short};

/// The calm at the end: the network is good, the game polls, and everything open has to end.
pub(crate) const CALM_MS: u64 = 180_000;
/// More steps than any history needs: beyond it the client is running in a circle.
const MOST_STEPS: u64 = 60_000;

/// How an HTTP request ended.
pub(crate) type HttpEnd = Result<HttpAnswer, castline::HttpFailure>;

/// What reaches the process.
#[derive(Debug)]
pub(crate) enum Local {
    Net(LinkId, Down),
    Http(HttpId, HttpEnd),
    Saved(u64),
    Token(TokenId, Option<String>),
    SetToken(Option<String>),
    Wake(u64),
    Poll,
}

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Item {
    Parcel(Parcel),
    Device(u32, Local),
    HttpAtServer { process: u32, http: HttpId, call: HttpCall, deadline: u64 },
    Fault(usize),
    Act,
    ServerTick(u64),
    Awake,
    Start,
    Calm,
    CalmAct(u32),
}

#[derive(Debug)]
struct Scheduled {
    at: u64,
    order: u64,
    item: Item,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl Eq for Scheduled {}
impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// A history under way.
pub(crate) struct World {
    pub(crate) t: u64,
    queue: BinaryHeap<Reverse<Scheduled>>,
    order: u64,
    tick_at: u64,
    pub(crate) plan: Plan,
    pub(crate) net: Network,
    pub(crate) server: Server,
    pub(crate) device: Device,
    pub(crate) game: Game,
    pub(crate) checks: Checks,
    pub(crate) cover: Coverage,
    pub(crate) trace: Trace,
    /// For the faults' own dice.
    pub(crate) rng: Rng,
    pub(crate) tokens: TokenMode,
    pub(crate) http: HttpMode,
    pub(crate) player: usize,
    pub(crate) calm: bool,
    pub(crate) network_lost: bool,
    pub(crate) background: bool,
}

/// What a history came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) failure: Option<String>,
    pub(crate) cover: Coverage,
    pub(crate) trace: String,
}

/// The players of a history.
pub(crate) const PLAYERS: [&str; 3] = ["ann", "bo", "tg_00112233445566778899"];

impl World {
    pub(crate) fn run(seed: u64, trace: bool) -> Outcome {
        let plan = Plan::draw(seed);
        let base = Rng::new(seed);
        let mut server = Server::new(base.fork(2));
        server.slowness = plan.slowness;
        server.idle_timeout = plan.idle_timeout;
        let mut world = World {
            t: 0,
            queue: BinaryHeap::new(),
            order: 0,
            tick_at: u64::MAX,
            net: Network::new(base.fork(3)),
            server,
            device: Device::new(base.fork(4)),
            game: Game::new(base.fork(5), plan.pace),
            checks: Checks::new(plan.misbehaving, plan.persistent, plan.players_change()),
            cover: Coverage::default(),
            trace: Trace::new(trace),
            rng: base.fork(6),
            tokens: TokenMode::Good,
            http: HttpMode::Good,
            player: 0,
            calm: false,
            network_lost: false,
            background: false,
            plan,
        };
        world.trace.line("plan", || format!("{:?}", world.plan));
        world.begin();
        world.live();
        world.cover.time += world.t;
        world.cover.steps += world.checks.step();
        world.checks.report(&mut world.cover);
        Outcome { failure: world.checks.failure.take(), cover: world.cover, trace: world.trace.into_text() }
    }

    fn begin(&mut self) {
        self.schedule(0, Item::Start);
        for at in 0..self.plan.faults.len() {
            self.schedule(self.plan.faults[at].0, Item::Fault(at));
        }
        let first = self.game.first_act();
        self.schedule(first, Item::Act);
        self.schedule(self.plan.until, Item::Calm);
    }

    fn live(&mut self) {
        let end = self.plan.until + CALM_MS;
        while let Some(Reverse(next)) = self.queue.pop() {
            if next.at > end || self.checks.failure.is_some() {
                break;
            }
            self.t = next.at;
            self.trace.at(self.t);
            self.happen(next.item);
            self.flush();
            if self.checks.step() > MOST_STEPS {
                self.checks
                    .fail("liveness", format!("more than {MOST_STEPS} steps: the client runs in a circle"));
            }
        }
        if self.checks.failure.is_none() {
            self.t = end;
            self.trace.at(end);
            self.finish();
        }
    }

    pub(crate) fn schedule(&mut self, at: u64, item: Item) {
        self.order += 1;
        self.queue.push(Reverse(Scheduled { at: at.max(self.t), order: self.order, item }));
    }

    pub(crate) fn deliver(&mut self, at: u64, what: Local) {
        let process = self.device.number;
        self.schedule(at, Item::Device(process, what));
    }

    fn happen(&mut self, item: Item) {
        match item {
            Item::Parcel(parcel) => self.arrive(parcel),
            Item::Device(process, what) => {
                if process == self.device.number && self.device.process.is_some() {
                    self.local(what);
                }
            }
            Item::HttpAtServer { process, http, call, deadline } => {
                self.http_at_server(process, http, &call, deadline)
            }
            Item::Fault(at) => self.fault(self.plan.faults[at].1),
            Item::Act => {
                let next = self.t + self.game.pause();
                if !self.calm {
                    self.schedule(next, Item::Act);
                    self.act();
                }
            }
            Item::ServerTick(at) => {
                if at == self.tick_at {
                    self.tick_at = u64::MAX;
                    self.server.tick(self.t);
                }
            }
            Item::Awake => self.awake(),
            Item::Start => self.start_process(),
            Item::Calm => self.become_calm(),
            Item::CalmAct(n) => self.calm_act(n),
        }
    }

    fn arrive(&mut self, parcel: Parcel) {
        if !self.net.arrives(&parcel) {
            return;
        }
        match parcel {
            Parcel::ToServer(link, what) => match what {
                Up::Accept => self.server.accept(self.t, link),
                Up::Text(text) => {
                    self.trace.line("server reads", || format!("#{link} {}", short(&text)));
                    self.server.text(self.t, link, &text);
                }
                Up::Closed => self.server.gone(self.t, link),
                Up::Alive => self.server.frame(self.t, link),
            },
            Parcel::ToDevice(link, what) => {
                let Some(held) = self.net.links.get(&link) else { return };
                if held.process == self.device.number && self.device.process.is_some() {
                    self.local(Local::Net(link, what));
                }
            }
        }
    }

    /// Something reaches the process, now or when it wakes up.
    fn local(&mut self, what: Local) {
        if self.device.asleep.is_some() {
            self.device.deferred.push(what);
            return;
        }
        match what {
            Local::Net(link, what) => self.on_network(link, what),
            Local::Http(http, end) => self.http_end(http, end),
            Local::Saved(number) => {
                for end in self.device.saved(number, self.plan.persistent) {
                    if !end.ok && self.plan.persistent {
                        self.cover.hit(Mark::SaveFailed);
                    }
                    if end.kept && !end.ok {
                        self.trace.line("disk", || format!("{:?} is kept, but reported as failed", end.key));
                    }
                    self.checks.save_ended(&end);
                    // While a batch of saves is under way, pages that will go stand beside those that came.
                    if let StoreKey::Events(player, _) = &end.key
                        && self.device.process.as_ref().is_some_and(|p| p.saves.is_empty())
                    {
                        let bytes = self.device.analytics_bytes(player);
                        self.checks.analytics_on_disk(bytes);
                    }
                    self.feed(Input::Saved { key: end.key, ok: end.ok });
                }
            }
            Local::Token(ticket, token) => self.feed(Input::Token { ticket, token: token.as_deref() }),
            Local::SetToken(token) => self.set_token(token),
            Local::Wake(number) => self.timer_fires(number),
            Local::Poll => self.poll(),
        }
    }

    fn on_network(&mut self, id: LinkId, what: Down) {
        let Some(link) = self.net.links.get_mut(&id) else { return };
        if !link.device {
            // The driver was told to report nothing more of it; a sloppy one does, and the core must not care.
            if !self.plan.sloppy {
                return;
            }
            self.cover.hit(Mark::LateReport);
        }
        let socket = link.socket;
        match what {
            Down::Opened => self.feed(Input::SocketOpened { socket }),
            Down::Text(text) => self.feed(Input::Text { socket, text: &text }),
            Down::Closed { code, retry_after_ms } => {
                link.device = false;
                let mark = match code {
                    4001 => Some(Mark::ClosedBy4001),
                    4002 => Some(Mark::ClosedBy4002),
                    4003 => Some(Mark::Replaced),
                    4008 => Some(Mark::ClosedBy4008),
                    4009 => Some(Mark::ClosedBy4009),
                    4010 => Some(Mark::Drain),
                    4029 => Some(Mark::ClosedBy4029),
                    4500..=4999 => Some(Mark::ClosedBy45xx),
                    _ => None,
                };
                mark.into_iter().for_each(|m| self.cover.hit(m));
                self.feed(Input::SocketClosed { socket, code, retry_after_ms });
            }
        }
    }

    fn timer_fires(&mut self, number: u64) {
        let Some(process) = &self.device.process else { return };
        if number != process.wakes {
            return;
        }
        let (wake_at, mono) = (process.wake_at, self.device.now(self.t).mono);
        if mono < wake_at {
            let at = self.device.time_of(self.t, wake_at);
            self.deliver(at, Local::Wake(number));
            return;
        }
        self.feed(Input::Wake);
    }

    pub(crate) fn awake_now(&mut self) {
        self.awake();
    }

    fn awake(&mut self) {
        self.device.wake_up(self.t);
        self.trace.line("device", || "wakes up".into());
        let mut deferred = std::mem::take(&mut self.device.deferred);
        // The timer may come before or after what the network brought.
        if self.rng.chance(50) {
            deferred.sort_by_key(|what| matches!(what, Local::Wake(_)));
        } else {
            deferred.sort_by_key(|what| !matches!(what, Local::Wake(_)));
        }
        for what in deferred {
            self.local(what);
        }
        // Timers of a clock that stood still are not due yet, and were not lost.
        if let Some(process) = &self.device.process
            && process.wake_at != u64::MAX
        {
            let (at, number) = (self.device.time_of(self.t, process.wake_at), process.wakes);
            self.deliver(at, Local::Wake(number));
        }
    }

    /// Hands on what server and network have produced.
    pub(crate) fn flush(&mut self) {
        for action in std::mem::take(&mut self.server.actions) {
            match action {
                Action::Send(conn, text) => {
                    self.trace.line("server writes", || format!("#{conn} {}", short(&text)));
                    self.net.text_down(self.t, conn, text);
                }
                Action::Close(conn, code) => {
                    self.trace.line("server closes", || format!("#{conn} {code}"));
                    self.net.server_closes(self.t, conn, code);
                }
                Action::Probe(conn) => {
                    if self.device.asleep.is_none() {
                        self.net.probe(self.t, conn);
                    }
                }
            }
        }
        for (at, parcel) in std::mem::take(&mut self.net.out) {
            self.schedule(at, Item::Parcel(parcel));
        }
        for mark in self.server.seen.drain(..).chain(self.net.seen.drain(..)) {
            self.cover.hit(mark);
        }
        if let Some(complaint) = self.server.complaints.pop() {
            self.checks.fail("wire", format!("the server complains: {complaint}"));
        }
        let next = self.server.next_tick();
        if next < self.tick_at || self.tick_at < self.t {
            self.tick_at = next;
            if next != u64::MAX {
                let at = next.max(self.t);
                self.tick_at = at;
                self.schedule(at, Item::ServerTick(at));
            }
        }
        self.net.forget_closed();
    }

    /// Reads what a driver would read.
    pub(crate) fn load(&self, key: &StoreKey) -> Option<Vec<u8>> {
        if self.plan.persistent { self.device.load(key) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::World;

    #[test]
    fn the_same_seed_gives_the_same_trace_to_the_byte() {
        for seed in 0..40 {
            let (first, second) = (World::run(seed, true), World::run(seed, true));
            assert!(first.trace.len() > 500, "seed {seed} has no trace");
            assert!(first.trace == second.trace, "seed {seed} went another way the second time");
        }
    }

    #[test]
    fn reading_a_history_does_not_change_it() {
        for seed in 0..20 {
            let (silent, told) = (World::run(seed, false), World::run(seed, true));
            assert_eq!(silent.failure, told.failure);
            assert_eq!(silent.cover.steps, told.cover.steps);
        }
    }
}
