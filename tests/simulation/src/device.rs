//! The device: two clocks, a disk that may fail, a sleep, and the process that runs the core.

use std::collections::{BTreeMap, VecDeque};

use castline::{Core, Inbox, Now, StoreKey};

use crate::plan::DiskMode;
use crate::rng::Rng;
use crate::server::EPOCH;
use crate::world::Local;

/// A `Save` under way.
#[derive(Debug)]
pub(crate) struct PendingSave {
    pub(crate) number: u64,
    pub(crate) key: StoreKey,
    pub(crate) bytes: Vec<u8>,
    /// The step in which the core asked for it.
    pub(crate) step: u64,
}

/// How a save ended.
#[derive(Debug)]
pub(crate) struct SaveEnd {
    pub(crate) key: StoreKey,
    pub(crate) ok: bool,
    /// The bytes are on the disk, whatever was reported.
    pub(crate) kept: bool,
    pub(crate) step: u64,
}

/// One process: a core and the game's side of it.
pub(crate) struct Process {
    pub(crate) core: Core,
    pub(crate) inbox: Inbox,
    /// What `WakeAt` said last, and how often it was said.
    pub(crate) wake_at: u64,
    pub(crate) wakes: u64,
    pub(crate) saves: VecDeque<PendingSave>,
    pub(crate) poll_due: bool,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("wake_at", &self.wake_at)
            .field("saves", &self.saves)
            .finish_non_exhaustive()
    }
}

/// Asleep since, until, and whether the monotonic clock stands still meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sleep {
    pub(crate) since: u64,
    pub(crate) until: u64,
    pub(crate) mono_stops: bool,
}

/// The device.
#[derive(Debug)]
pub(crate) struct Device {
    /// Counts process starts; what was meant for an earlier process never arrives.
    pub(crate) number: u32,
    pub(crate) process: Option<Process>,
    pub(crate) disk: BTreeMap<String, Vec<u8>>,
    pub(crate) disk_mode: DiskMode,
    pub(crate) asleep: Option<Sleep>,
    /// What came while it slept.
    pub(crate) deferred: Vec<Local>,
    /// Timers fire once a minute.
    pub(crate) hidden: bool,
    mono_start: u64,
    mono_stopped: u64,
    wall_offset: i64,
    next_save: u64,
    pub(crate) rng: Rng,
}

impl Device {
    pub(crate) fn new(mut rng: Rng) -> Device {
        Device {
            number: 0,
            process: None,
            disk: BTreeMap::new(),
            disk_mode: DiskMode::Good,
            asleep: None,
            deferred: Vec::new(),
            hidden: false,
            mono_start: rng.below(1 << 40),
            mono_stopped: 0,
            // The player's clock is off by up to an hour.
            wall_offset: rng.below(7_200_000) as i64 - 3_600_000,
            next_save: 0,
            rng,
        }
    }

    pub(crate) fn now(&self, t: u64) -> Now {
        Now {
            mono: self.mono_start + t - self.mono_stopped,
            wall: (EPOCH + t).saturating_add_signed(self.wall_offset),
        }
    }

    /// The true time at which the monotonic clock will show `mono`, if nothing stops it.
    pub(crate) fn time_of(&self, t: u64, mono: u64) -> u64 {
        t.saturating_add(mono.saturating_sub(self.now(t).mono))
    }

    pub(crate) fn jump_wall(&mut self, by: i64) {
        self.wall_offset += by;
    }

    pub(crate) fn wake_up(&mut self, t: u64) {
        if let Some(sleep) = self.asleep.take()
            && sleep.mono_stops
        {
            self.mono_stopped += t - sleep.since;
        }
    }

    /// When a timer that is due at `t` really fires.
    pub(crate) fn timer(&mut self, t: u64) -> u64 {
        if self.hidden {
            return (t / 60_000 + 1) * 60_000;
        }
        let late = match self.rng.below(50) {
            0 => self.rng.range(10, 1_500),
            1 => self.rng.range(1_500, 8_000),
            _ => self.rng.below(3),
        };
        t + late
    }

    pub(crate) fn save(&mut self, key: StoreKey, bytes: Vec<u8>, step: u64) -> (u64, u64) {
        self.next_save += 1;
        let number = self.next_save;
        if let Some(process) = &mut self.process {
            process.saves.push_back(PendingSave { number, key, bytes, step });
        }
        let takes = match self.disk_mode {
            DiskMode::Slow => self.rng.skewed(50, 20_000),
            _ => self.rng.range(0, 12),
        };
        (number, takes)
    }

    /// The oldest save under way ends. Saves end in their order.
    pub(crate) fn saved(&mut self, number: u64, persistent: bool) -> Vec<SaveEnd> {
        let Some(process) = &mut self.process else { return Vec::new() };
        let mut ended = Vec::new();
        while process.saves.front().is_some_and(|s| s.number <= number) {
            let Some(save) = process.saves.pop_front() else { break };
            let ok = persistent && self.disk_mode != DiskMode::Failing;
            // A failed save may still have reached the disk.
            let kept = ok || (persistent && self.rng.chance(25));
            ended.push(SaveEnd { key: save.key.clone(), ok, kept, step: save.step });
            if kept {
                write(&mut self.disk, save);
            }
        }
        ended
    }

    /// The process dies: of what was under way, the oldest few may have reached the disk.
    pub(crate) fn die(&mut self, persistent: bool) -> (usize, Vec<(StoreKey, u64)>) {
        let Some(process) = self.process.take() else { return (0, Vec::new()) };
        let pending = process.saves.len();
        let reached = if persistent { self.rng.below(pending as u64 + 1) as usize } else { 0 };
        let mut kept = Vec::new();
        for save in process.saves.into_iter().take(reached) {
            if self.disk_mode != DiskMode::Failing {
                kept.push((save.key.clone(), save.step));
                write(&mut self.disk, save);
            }
        }
        self.deferred.clear();
        (pending, kept)
    }

    /// A new process finds the same disk; its monotonic clock may have begun anew.
    pub(crate) fn start(&mut self, t: u64, core: Core, inbox: Inbox) {
        self.number += 1;
        if self.rng.chance(30) {
            self.mono_start = self.rng.below(1 << 30) + self.mono_stopped;
        }
        let _ = t;
        self.process = Some(Process {
            core,
            inbox,
            wake_at: u64::MAX,
            wakes: 0,
            saves: VecDeque::new(),
            poll_due: false,
        });
    }

    pub(crate) fn load(&self, key: &StoreKey) -> Option<Vec<u8>> {
        self.disk.get(&key.file_name()).cloned()
    }

    /// What a player's analytics take on the disk.
    pub(crate) fn analytics_bytes(&self, player: &str) -> usize {
        let first = StoreKey::Events(player.to_owned(), 0).file_name();
        let prefix = first.trim_end_matches('0');
        self.disk.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, bytes)| bytes.len()).sum()
    }

    /// Some file turns out unreadable and is set aside.
    pub(crate) fn corrupt(&mut self) -> Option<String> {
        let at = self.rng.below(self.disk.len() as u64) as usize;
        let name = self.disk.keys().nth(at).cloned()?;
        self.disk.remove(&name);
        Some(name)
    }
}

fn write(disk: &mut BTreeMap<String, Vec<u8>>, save: PendingSave) {
    if save.bytes.is_empty() {
        disk.remove(&save.key.file_name());
    } else {
        disk.insert(save.key.file_name(), save.bytes);
    }
}
