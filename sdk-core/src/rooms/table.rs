//! The rooms that the game wants to be in, and how far each one's events were seen.

use crate::protocol::limits::MAX_ROOMS;

#[derive(Debug)]
struct Room {
    game_id: String,
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
pub(crate) struct Rooms(Vec<Room>);

impl Rooms {
    fn at(&self, game_id: &str) -> Option<usize> {
        self.0.iter().position(|room| room.game_id == game_id)
    }

    /// The game wants to be in it. False: 8 rooms are the bound.
    pub(crate) fn want(&mut self, game_id: &str) -> bool {
        if let Some(at) = self.at(game_id) {
            self.0[at].joined = false;
            return true;
        }
        if self.0.len() >= MAX_ROOMS {
            return false;
        }
        self.0.push(Room { game_id: game_id.to_owned(), joined: false, was_joined: false, last: 0 });
        true
    }

    /// The game does not want to be in it (any more). False: it was not.
    pub(crate) fn drop(&mut self, game_id: &str) -> bool {
        self.at(game_id).map(|at| self.0.remove(at)).is_some()
    }

    /// Any room, which the game does not want to be in any more.
    pub(crate) fn take(&mut self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.remove(0).game_id)
    }

    /// A room to join on this connection, but for those that are asked for.
    pub(crate) fn to_join(&self, is_asked: &dyn Fn(&str) -> bool) -> Option<&str> {
        let room = self.0.iter().find(|room| !room.joined && !is_asked(&room.game_id))?;
        Some(&room.game_id)
    }

    /// A new connection: the server is yet to say where this session still is.
    pub(crate) fn reconnected(&mut self) {
        for room in &mut self.0 {
            room.joined = false;
        }
    }

    /// The server has this session in it; `n` is its last event. Returns how many events were missed, or `None` for a room that is
    /// not wanted.
    pub(crate) fn joined(&mut self, game_id: &str, n: u64) -> Option<u64> {
        let at = self.at(game_id)?;
        let room = &mut self.0[at];
        let missing = if room.was_joined { n.saturating_sub(room.last) } else { 0 };
        (room.joined, room.was_joined, room.last) = (true, true, n);
        Some(missing)
    }

    /// An event of a room.
    pub(crate) fn numbered(&mut self, game_id: &str, n: Option<u64>) -> Numbered {
        let Some(at) = self.at(game_id).filter(|at| self.0[*at].joined) else { return Numbered::Ignore };
        let room = &mut self.0[at];
        let n = n.unwrap_or(room.last + 1);
        if n <= room.last {
            return Numbered::Ignore;
        }
        let missing = n - room.last - 1;
        room.last = n;
        Numbered::Next { missing }
    }

    pub(crate) fn is_in(&self, game_id: &str) -> bool {
        self.at(game_id).is_some_and(|at| self.0[at].joined)
    }

    /// Whether some room is still to be joined: a reason to be connected.
    pub(crate) fn any_to_join(&self) -> bool {
        self.0.iter().any(|room| !room.joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        rooms.reconnected();
        assert_eq!(rooms.to_join(&|_| false), Some("a"));
        assert_eq!((rooms.joined("a", 12), rooms.joined("c", 1)), (Some(2), None));
        assert_eq!(rooms.to_join(&|_| false), Some("b"));
        assert_eq!(rooms.to_join(&|id| id == "b"), None);
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
