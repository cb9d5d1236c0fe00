//! The rooms that the game wants to be in, and how far each one's events were seen.

use crate::map::Map;
use crate::protocol::limits::MAX_ROOMS;
use crate::protocol::messages::RoomState;

#[derive(Debug, Default)]
struct Room {
    /// The server has this session in it.
    joined: bool,
    /// It was in it at some time, so `last` means something.
    was_joined: bool,
    /// Number of the last event.
    last: u64,
}

/// What a numbered event means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Numbered {
    /// The next one, after this many that were missed.
    Next { missing: u64 },
    /// Seen before, or of a room that the game is not in.
    Ignore,
}

#[derive(Debug, Default)]
pub(crate) struct Rooms(Map<String, Room>);

impl Rooms {
    /// The game wants to be in it. False: 8 rooms are the bound.
    pub(crate) fn want(&mut self, game_id: &str) -> bool {
        if !self.0.contains_key(game_id) && self.0.len() >= MAX_ROOMS {
            return false;
        }
        match self.0.get_mut(game_id) {
            Some(room) => room.joined = false,
            None => drop(self.0.insert(game_id.to_owned(), Room::default())),
        }
        true
    }

    /// The game does not want to be in it (any more). False: it was not.
    pub(crate) fn drop(&mut self, game_id: &str) -> bool {
        self.0.remove(game_id).is_some()
    }

    /// Takes every room away.
    pub(crate) fn take_all(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0).into_vec().into_iter().map(|(id, _)| id).collect()
    }

    /// Rooms to join on this connection.
    pub(crate) fn to_join(&self) -> Vec<String> {
        self.0.iter().filter(|(_, room)| !room.joined).map(|(id, _)| id.clone()).collect()
    }

    /// The server has this session in it; `n` is its last event. Returns how many events were missed, or `None` for a room that is
    /// not wanted.
    pub(crate) fn joined(&mut self, game_id: &str, n: u64) -> Option<u64> {
        let room = self.0.get_mut(game_id)?;
        let missing = if room.was_joined { n.saturating_sub(room.last) } else { 0 };
        *room = Room { joined: true, was_joined: true, last: n };
        Some(missing)
    }

    /// A new connection: the server says where this session still is. Returns (room, events missed) for those, and the rooms that it
    /// should leave.
    pub(crate) fn reconcile(&mut self, still_in: &[RoomState]) -> (Vec<(String, u64)>, Vec<String>) {
        for room in self.0.values_mut() {
            room.joined = false;
        }
        let (mut kept, mut unwanted) = (Vec::new(), Vec::new());
        for state in still_in {
            match self.joined(&state.game_id, state.n) {
                Some(missing) => kept.push((state.game_id.clone(), missing)),
                None => unwanted.push(state.game_id.clone()),
            }
        }
        (kept, unwanted)
    }

    /// An event of a room.
    pub(crate) fn numbered(&mut self, game_id: &str, n: Option<u64>) -> Numbered {
        let Some(room) = self.0.get_mut(game_id).filter(|room| room.joined) else { return Numbered::Ignore };
        let n = n.unwrap_or(room.last + 1);
        if n <= room.last {
            return Numbered::Ignore;
        }
        let missing = n - room.last - 1;
        room.last = n;
        Numbered::Next { missing }
    }

    pub(crate) fn is_in(&self, game_id: &str) -> bool {
        self.0.get(game_id).is_some_and(|room| room.joined)
    }

    /// Whether some room is still to be joined: a reason to be connected.
    pub(crate) fn any_to_join(&self) -> bool {
        self.0.values().any(|room| !room.joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(game_id: &str, n: u64) -> RoomState {
        RoomState { game_id: game_id.into(), players: 2, n }
    }

    #[test]
    fn a_hole_in_the_numbers_shows() {
        let mut rooms = Rooms::default();
        assert!(rooms.want("dice"));
        assert_eq!(rooms.numbered("dice", Some(5)), Numbered::Ignore, "not in it yet");
        assert_eq!(rooms.joined("dice", 4), Some(0));
        assert_eq!(rooms.numbered("dice", Some(5)), Numbered::Next { missing: 0 });
        assert_eq!(rooms.numbered("dice", Some(5)), Numbered::Ignore);
        assert_eq!(rooms.numbered("dice", Some(9)), Numbered::Next { missing: 3 });
        assert_eq!(rooms.numbered("poker", Some(1)), Numbered::Ignore);
    }

    #[test]
    fn after_a_reconnect_missed_events_and_unwanted_rooms_are_told() {
        let mut rooms = Rooms::default();
        for id in ["a", "b"] {
            rooms.want(id);
            rooms.joined(id, 10);
        }
        let (kept, unwanted) = rooms.reconcile(&[state("a", 12), state("c", 1)]);
        assert_eq!((kept, unwanted), (vec![("a".to_owned(), 2)], vec!["c".to_owned()]));
        assert_eq!(rooms.to_join(), ["b"]);
        assert_eq!(rooms.joined("b", 11), Some(1));
    }

    #[test]
    fn eight_rooms_are_the_bound() {
        let mut rooms = Rooms::default();
        for n in 0..MAX_ROOMS {
            assert!(rooms.want(&n.to_string()));
        }
        assert!(!rooms.want("ninth"));
        assert!(rooms.want("3"), "wanting one again is no new one");
        assert!(rooms.drop("3") && !rooms.drop("3"));
        assert!(rooms.want("ninth"));
    }
}
