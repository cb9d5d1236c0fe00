//! Faults as they strike, and the calm after them.

use castline::protocol::Envelope;
use castline::protocol::messages::Authenticate;
use castline::{Command, Input, Lifecycle, State};

use crate::coverage::Mark;
use crate::device::Sleep;
use crate::network::{LinkId, Weather};
use crate::plan::{DiskMode, Fault, HttpMode, TokenMode};
use crate::world::{Item, Local, PLAYERS, World};

impl World {
    pub(crate) fn fault(&mut self, fault: Fault) {
        if self.calm {
            return;
        }
        self.trace.line("fault", || format!("{fault:?}"));
        match fault {
            Fault::Cut => self.each_link(|w, link| w.net.cut(w.t, link)),
            Fault::HalfOpen => self.each_link(|w, link| w.net.half_open(link)),
            Fault::Stall(ms) => self.each_link(|w, link| w.net.stall(w.t, link, ms)),
            Fault::Weather(weather) => self.net.set_weather(self.t, weather),
            Fault::Refuse(after) => self.net.refuse = after,
            Fault::ServerRestart { down_ms: _ } => {
                self.cover.hit(Mark::ServerRestart);
                self.server.restart(self.t);
                self.net.server_dies(self.t);
                self.net.server_up = false;
            }
            Fault::ServerUp => self.net.server_up = true,
            Fault::Drain => self.server.drain(self.t),
            Fault::ServerClose(code) => {
                for (conn, _) in self.server.live() {
                    self.server.close(self.t, conn, code);
                }
            }
            Fault::Elsewhere => self.elsewhere(),
            Fault::Suspend { ms, mono_stops } => self.suspend(ms, mono_stops),
            Fault::WallJump(by) => {
                self.cover.hit(if by > 0 { Mark::WallForward } else { Mark::WallBack });
                self.device.jump_wall(by);
            }
            Fault::Lifecycle(what) => self.lifecycle(what),
            Fault::Hidden(hidden) => {
                self.device.hidden = hidden;
                if hidden {
                    self.cover.hit(Mark::HiddenTab);
                }
            }
            Fault::Kill { after_ms } => {
                if self.device.process.is_some() {
                    self.cover.hit(Mark::Restarted);
                    self.kill_process();
                    self.schedule(self.t + after_ms, Item::Start);
                }
            }
            Fault::Player(player) => {
                if self.player != player {
                    self.cover.hit(Mark::IdentitySwitch);
                    self.player = player;
                    // Half of the games say so at once; the others' next token is another player's.
                    if self.device.process.is_some() && self.device.asleep.is_none() && self.rng.chance(50) {
                        let token = self.make_token();
                        self.set_token(token);
                    }
                }
            }
            Fault::Tokens(mode) => self.tokens = mode,
            Fault::Disk(mode) => self.device.disk_mode = mode,
            Fault::CorruptDisk => {
                if let Some(name) = self.device.corrupt() {
                    self.cover.hit(Mark::LoadCorrupt);
                    self.trace.line("disk", || format!("{name} turns out unreadable"));
                    self.checks.disk_corrupt(&name);
                }
            }
            Fault::Polling(delay) => {
                if delay > 1_000 {
                    self.cover.hit(Mark::SlowGame);
                }
                self.game.delay = delay;
                self.look_now();
            }
            Fault::Http(mode) => self.http = mode,
            Fault::Wrong(wrong) => self.server.misbehave(self.t, wrong),
            Fault::Prize => self.server.prize(self.t, PLAYERS[self.player]),
            Fault::Bet => {
                let key = format!("earlier-{}", self.rng.next());
                self.server.settle(self.t, PLAYERS[self.player], &key);
            }
            Fault::Offer { lives_ms } => self.server.offer(self.t, PLAYERS[self.player], lives_ms),
            Fault::Splash => self.server.splash(self.t),
            Fault::Announce => self.server.announce(self.t),
            Fault::ChangeFlags { spread_ms } => self.server.change_flags(self.t, spread_ms),
            Fault::Burst => self.burst(),
        }
    }

    fn each_link(&mut self, strike: impl Fn(&mut World, LinkId)) {
        let open: Vec<LinkId> =
            self.net.links.iter().filter(|(_, l)| l.device && l.server).map(|(id, _)| *id).collect();
        for link in open {
            strike(self, link);
        }
    }

    /// The same install, copied, connects on its own: the server fences this one.
    fn elsewhere(&mut self) {
        let devices: Vec<String> =
            self.server.live().iter().map(|(_, id)| self.server.store.sessions[id].device.clone()).collect();
        let (mode, player) = (self.tokens, self.player);
        self.tokens = TokenMode::Good;
        for device in devices {
            let conn = 1 << 40;
            let Some(token) = self.make_token() else { continue };
            self.server.accept(self.t, conn);
            let hello = Authenticate {
                token: token.into(),
                device: device.into(),
                build: "2.0.0".into(),
                sdk: None,
                resume: None,
            };
            let text = Envelope::of(&hello, 0).encode();
            self.server.text(self.t, conn, &text);
            self.server.gone(self.t, conn);
        }
        (self.tokens, self.player) = (mode, player);
    }

    fn suspend(&mut self, ms: u64, mono_stops: bool) {
        if self.device.asleep.is_some() || self.device.process.is_none() {
            return;
        }
        self.cover.hit(if mono_stops { Mark::Suspended } else { Mark::Frozen });
        self.device.asleep = Some(Sleep { since: self.t, until: self.t + ms, mono_stops });
        self.schedule(self.t + ms, Item::Awake);
    }

    pub(crate) fn lifecycle(&mut self, what: Lifecycle) {
        match what {
            Lifecycle::Foreground => self.background = false,
            Lifecycle::Background => {
                self.background = true;
                self.cover.hit(Mark::Background);
            }
            Lifecycle::NetworkChanged => {
                self.network_lost = false;
                self.cover.hit(Mark::NetworkChanged);
            }
            Lifecycle::NetworkLost => {
                self.network_lost = true;
                self.cover.hit(Mark::NetworkLost);
            }
            _ => {}
        }
        // A host that sleeps tells nothing; what it would have told, it tells when a process starts.
        if self.device.asleep.is_none() {
            self.feed(Input::Lifecycle(what));
        }
    }

    /// The game looks sooner, or later, than it meant to.
    fn look_now(&mut self) {
        let delay = self.game.poll_delay();
        let Some(process) = &mut self.device.process else { return };
        process.poll_due = !process.inbox.is_empty();
        if process.poll_due {
            self.deliver(self.t + delay, Local::Poll);
        }
    }

    /// Nothing fails any more; what is open has to end.
    pub(crate) fn become_calm(&mut self) {
        self.trace.line("calm", || "nothing fails any more".into());
        self.calm = true;
        if self.device.asleep.is_some() {
            self.awake_now();
        }
        self.net.set_weather(self.t, Weather::Good);
        self.net.refuse = None;
        self.net.server_up = true;
        self.tokens = TokenMode::Good;
        self.http = HttpMode::Good;
        self.device.disk_mode = DiskMode::Good;
        self.device.hidden = false;
        self.game.delay = 30;
        if self.device.process.is_none() {
            self.start_process();
        }
        self.look_now();
        self.lifecycle(Lifecycle::NetworkChanged);
        self.lifecycle(Lifecycle::Foreground);
        for n in 0..6 {
            self.schedule(self.t + 1_000 + u64::from(n) * 25_000, Item::CalmAct(n));
        }
    }

    /// A patient game: it takes the client back where it may, and asks for an offer now and then, which is a reason to be online.
    pub(crate) fn calm_act(&mut self, n: u32) {
        if n == 1 {
            // A client that gave up on flags for a while has a reason to look again.
            self.server.change_flags(self.t, 500);
        }
        match self.checks.state() {
            State::Failed | State::Replaced if n < 4 => self.command(Command::Reconnect),
            State::Closed => {}
            _ => {
                let ready = self.game.ready(3_000);
                self.command(ready);
            }
        }
    }

    /// What must be true of every history at its end.
    pub(crate) fn finish(&mut self) {
        let player = PLAYERS[self.player];
        // What came in the last moment is about to be polled.
        let pending = self.device.process.as_ref().map_or(0, |p| if p.poll_due { 0 } else { p.inbox.len() });
        self.checks.finish(&self.server, player, pending, self.plan.until, &mut self.cover);
    }
}
