//! The app's life: foreground, background, another network, none.

use crate::event::{Cause, Lifecycle, State};
use crate::io::Output;
use crate::protocol::CloseCode;
use crate::protocol::limits::{BACKGROUND_GRACE_MS, PROBE_TIMEOUT_MS};
use crate::session::link::{Halt, Phase};
use crate::session::timers::Timer;

use super::Core;

impl Core {
    pub(super) fn on_lifecycle(&mut self, what: Lifecycle) {
        match what {
            Lifecycle::Foreground => self.on_foreground(),
            Lifecycle::Background => self.on_background(),
            Lifecycle::NetworkChanged => {
                self.link.network = true;
                self.on_maybe_new_path();
                self.flag_fetch.on_network(self.clock.t());
            }
            Lifecycle::NetworkLost => {
                self.link.network = false;
                // Nothing is tried until there is one again, and then at once.
                if self.link.phase == Phase::Backoff {
                    self.link.phase = Phase::Idle;
                    self.timers.stop(Timer::Reconnect);
                }
            }
        }
    }

    fn on_foreground(&mut self) {
        let was_away = std::mem::take(&mut self.link.background);
        self.timers.stop(Timer::Grace);
        if self.link.is_dormant() {
            self.link.halt = None;
        }
        // The server has dropped a connection that was silent for so long: asking would only cost time.
        if self.link.is_online() && self.heartbeat.silence(self.clock.t()) > self.dead_after {
            self.give_up_socket(Cause::Network);
        }
        self.on_maybe_new_path();
        if was_away {
            self.flag_fetch.on_foreground(self.clock.t());
        }
    }

    /// Foreground or another network: a live socket is probed, a dead one replaced at once.
    fn on_maybe_new_path(&mut self) {
        match self.link.phase {
            Phase::Online if !self.heartbeat.is_probing() => self.probe(),
            Phase::Opening | Phase::Handshake => {
                // It may be dialling on a network that is gone.
                let soon = self.clock.t() + PROBE_TIMEOUT_MS;
                let bound = self.timers.get(Timer::Handshake).map_or(soon, |at| at.min(soon));
                self.timers.set(Timer::Handshake, Some(bound));
            }
            _ => {}
        }
        self.try_now();
    }

    fn on_background(&mut self) {
        // Said twice, what came since is said and kept, too: hidden first and then frozen, a page may never run again.
        self.flush_now();
        self.save_all();
        if std::mem::replace(&mut self.link.background, true) {
            return;
        }
        if self.link.socket().is_some() {
            self.timers.set(Timer::Grace, Some(self.clock.t() + BACKGROUND_GRACE_MS));
        } else {
            self.go_dormant_in_background();
        }
    }

    pub(super) fn on_grace_over(&mut self) {
        if !self.link.background {
            return;
        }
        if let Some(socket) = self.link.socket() {
            if self.link.is_online() {
                self.flush_now();
                self.send_batches();
                self.send_ack();
            }
            self.out.push(Output::CloseSocket { socket, code: CloseCode::NORMAL });
            self.leave_socket();
        }
        self.go_dormant_in_background();
    }

    fn go_dormant_in_background(&mut self) {
        if self.link.halt.is_none() {
            self.link.phase = Phase::Idle;
            self.timers.stop(Timer::Reconnect);
            self.link.halt = Some(Halt::new(State::Dormant, Cause::Background, 0));
        }
    }

    /// In background no lost socket is replaced.
    pub(super) fn settle_background(&mut self) {
        if self.link.background && self.link.socket().is_none() {
            self.timers.stop(Timer::Grace);
            self.go_dormant_in_background();
        }
    }
}
