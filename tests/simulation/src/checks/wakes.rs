//! Wakes: each has a reason, none comes too soon after another, and a client without work asks for none.

use castline::{Input, Now, Output, State};

use super::{Broken, Moment};
use crate::coverage::Coverage;

/// Wakes in a row that do nothing: more than this is a tick.
const MOST_IDLE: u32 = 3;
/// Wakes in one stay in a state without a socket, nothing else happening.
const MOST_HALTED: u32 = 12;

#[derive(Debug)]
pub(super) struct WakeCheck {
    wake_at: u64,
    /// The deadline in the client's time.
    armed: Option<u64>,
    lateness: u64,
    woke: bool,
    outputs: u32,
    idle_in_a_row: u32,
    overdue_in_a_row: u32,
    halted_wakes: u32,
    wakes: u64,
    idle: u64,
}

impl Default for WakeCheck {
    fn default() -> Self {
        WakeCheck {
            wake_at: u64::MAX,
            armed: None,
            lateness: 0,
            woke: false,
            outputs: 0,
            idle_in_a_row: 0,
            overdue_in_a_row: 0,
            halted_wakes: 0,
            wakes: 0,
            idle: 0,
        }
    }
}

impl WakeCheck {
    pub(super) fn process_starts(&mut self, _now: Now) {
        *self = WakeCheck { wakes: self.wakes, idle: self.idle, ..WakeCheck::default() };
    }

    pub(super) fn woke(&self) -> bool {
        self.woke
    }

    /// Whether the wake just handled did nothing.
    pub(super) fn was_idle(&self) -> bool {
        self.woke && self.outputs == 0
    }

    /// How late the input came after the deadline that the core had asked for.
    pub(super) fn lateness(&self) -> u64 {
        self.lateness
    }

    pub(super) fn input(&mut self, m: Moment, _before: Now, input: &Input<'_>) {
        self.lateness = self.armed.map_or(0, |armed| m.elapsed.saturating_sub(armed));
        self.woke = matches!(input, Input::Wake) && m.now.mono >= self.wake_at;
        self.outputs = 0;
        if !matches!(input, Input::Wake | Input::Saved { .. }) {
            self.halted_wakes = 0;
        }
    }

    pub(super) fn output(&mut self, output: &Output) {
        match output {
            Output::WakeAt(at) => self.wake_at = *at,
            Output::Log { .. } => {}
            _ => self.outputs += 1,
        }
    }

    pub(super) fn drained(&mut self, m: Moment, halted: bool, state: State) -> Broken {
        let (asked, now) = (self.wake_at, m.now.mono);
        self.armed = (asked != u64::MAX).then(|| m.elapsed + asked.saturating_sub(now));
        if asked <= now {
            self.overdue_in_a_row += 1;
            if self.overdue_in_a_row > 3 {
                return Err(format!("WakeAt lies in the past again and again in state {state}"));
            }
        } else {
            self.overdue_in_a_row = 0;
        }
        if !self.woke {
            return Ok(());
        }
        self.wakes += 1;
        if self.outputs > 0 {
            self.idle_in_a_row = 0;
        } else {
            self.idle += 1;
            self.idle_in_a_row += 1;
            if self.idle_in_a_row > MOST_IDLE {
                return Err(format!("{MOST_IDLE} wakes in a row did nothing, state {state}"));
            }
        }
        if halted {
            self.halted_wakes += 1;
            if self.halted_wakes > MOST_HALTED {
                return Err(format!("the client keeps waking up in state {state} with nothing to do"));
            }
        }
        Ok(())
    }

    pub(super) fn report(&self, cover: &mut Coverage) {
        cover.wakes += self.wakes;
        cover.idle_wakes += self.idle;
    }
}
