//! Rooms: messages in their order, gaps told, and in the end the client is where the game wants it to be.

use std::collections::{BTreeMap, BTreeSet};

use castline::{Command, Event, Input, RoomChange};

use super::Broken;
use crate::server::Server;

#[derive(Debug, Default)]
pub(super) struct RoomCheck {
    wanted: BTreeSet<String>,
    /// Room → number up to which the game knows of its events; absent after a new start.
    known: BTreeMap<String, u64>,
}

impl RoomCheck {
    pub(super) fn process_starts(&mut self) {
        *self = RoomCheck::default();
    }

    pub(super) fn input(&mut self, input: &Input<'_>) {
        match input {
            Input::Command(Command::Join { game_id }) => {
                self.wanted.insert(game_id.clone());
            }
            Input::Command(Command::Leave { game_id }) => {
                self.wanted.remove(game_id);
                self.known.remove(game_id);
            }
            _ => {}
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> Broken {
        match event {
            Event::RoomChanged { game_id, change: RoomChange::Joined, .. }
                if !self.wanted.contains(game_id) =>
            {
                return Err(format!("joined {game_id}, which the game does not want"));
            }
            Event::RoomChanged { game_id, change: RoomChange::JoinFailed | RoomChange::Left, .. } => {
                self.wanted.remove(game_id);
                self.known.remove(game_id);
            }
            Event::RoomGap { game_id, missing } => {
                if let Some(known) = self.known.get_mut(game_id) {
                    *known += missing;
                }
            }
            Event::RoomMessage { game_id, data, .. } => {
                let n: u64 =
                    data.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0);
                let before = self.known.insert(game_id.clone(), n);
                if let Some(before) = before
                    && n != before + 1
                {
                    return Err(format!("message {n} of {game_id} after {before}, no gap told"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn finish(&self, server: &Server, player: &str) -> Broken {
        for session in server.store.sessions.values().filter(|s| s.player == player && s.conn.is_some()) {
            if session.rooms != self.wanted {
                return Err(format!(
                    "the client is in {:?}; the game wants {:?}",
                    session.rooms, self.wanted
                ));
            }
        }
        Ok(())
    }
}
