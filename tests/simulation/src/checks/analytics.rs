//! Analytics: each tracked event under one id, and at the server in the end unless it was reported dropped.

use std::collections::BTreeMap;

use castline::{Command, Dropped, Event, Input, State, StoreKey};

use super::{Broken, Moment};
use crate::server::Server;

#[derive(Debug, Default)]
struct Tracked {
    process: u32,
    /// Lost with a disk or a process, as may be.
    excused: bool,
}

#[derive(Debug, Default)]
pub(super) struct AnalyticsCheck {
    tracked: BTreeMap<u64, Tracked>,
    process: u32,
    dropped: u64,
    /// What belongs to a former player waits for his own token.
    players_change: bool,
    /// Saves of pages by file and step: which events were in them.
    pages: BTreeMap<(String, u64), Vec<u64>>,
    /// Events whose page has reached the disk, and the step in which that was asked for.
    on_disk: BTreeMap<u64, u64>,
    /// The same of the player's record, which names the pages.
    record_saved: u64,
}

impl AnalyticsCheck {
    pub(super) fn new(players_change: bool) -> AnalyticsCheck {
        AnalyticsCheck { players_change, ..AnalyticsCheck::default() }
    }

    pub(super) fn input(&mut self, input: &Input<'_>, state: State) {
        match input {
            Input::Command(Command::Track { props, .. }) if state != State::Closed => {
                let digits: String = props
                    .chars()
                    .skip_while(|c| !c.is_ascii_digit())
                    .take_while(char::is_ascii_digit)
                    .collect();
                if let Ok(n) = digits.parse() {
                    self.tracked.insert(n, Tracked { process: self.process, excused: false });
                }
            }
            _ => {}
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        if let Event::Dropped { what: Dropped::Analytics, count } = event {
            self.dropped += count;
        }
    }

    /// The core wants something kept.
    pub(super) fn save(&mut self, m: Moment, key: &StoreKey, bytes: &[u8]) -> Broken {
        // Held offers, seen ids, open bets: each is bounded, so their record is.
        if bytes.len() > 65_536 {
            return Err(format!("{} bytes are saved as {key:?}", bytes.len()));
        }
        if matches!(key, StoreKey::Events(..)) {
            self.pages.insert((key.file_name(), m.step), numbers(&String::from_utf8_lossy(bytes)));
        }
        Ok(())
    }

    pub(super) fn saved(&mut self, key: &StoreKey, step: u64) {
        match key {
            StoreKey::Events(..) => {
                for n in self.pages.remove(&(key.file_name(), step)).unwrap_or_default() {
                    self.on_disk.entry(n).or_insert(step);
                }
            }
            StoreKey::Player(_) => self.record_saved = self.record_saved.max(step),
            _ => {}
        }
    }

    /// What had not reached the disk may be lost with the process.
    pub(super) fn process_dies(&mut self) {
        for (n, tracked) in self.tracked.iter_mut().filter(|(_, t)| t.process == self.process) {
            tracked.excused |= self.on_disk.get(n).is_none_or(|step| *step > self.record_saved);
        }
        self.process += 1;
    }

    pub(super) fn disk_corrupt(&mut self, _name: &str) {
        self.tracked.values_mut().for_each(|t| t.excused = true);
    }

    pub(super) fn finish(&self, server: &Server) -> Broken {
        if let Some((n, ids)) = server.store.tracked.iter().find(|(_, ids)| ids.len() > 1) {
            return Err(format!("event {n} was stored {} times, under {ids:?}", ids.len()));
        }
        if self.players_change {
            return Ok(());
        }
        let missing =
            self.tracked.iter().filter(|(n, t)| !t.excused && !server.store.tracked.contains_key(n));
        let missing: Vec<u64> = missing.map(|(n, _)| *n).collect();
        if missing.len() as u64 > self.dropped {
            return Err(format!(
                "{} events never reached the server: {missing:?}; {} were told as dropped",
                missing.len(),
                self.dropped
            ));
        }
        Ok(())
    }
}

/// Every `"n":` of a text.
fn numbers(text: &str) -> Vec<u64> {
    let after = text.split("\"n\":").skip(1);
    after.filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()).collect()
}
