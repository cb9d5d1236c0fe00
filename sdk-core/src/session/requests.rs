//! Open requests: what to send, what to repeat, how each ends (`PROTOCOL.md`, section 6).
//!
//! Every request ends exactly once. One with a key is repeated, byte for byte, on every new connection until its deadline; one
//! without a key that was written is never repeated.

use crate::event::RequestId;
use crate::protocol::{Channel, Code};
use crate::text::digits;

/// Who waits for the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// The game.
    Game(RequestId),
    /// The break that this `ready_for_offer` asked for (a running count of breaks).
    Break(u64),
    /// A page of analytics.
    Page(u32),
    /// A room to join.
    Join(String),
    /// A bet.
    Bet(RequestId),
    /// The question after an earlier bet, by its key.
    BetStatus(String),
}

#[derive(Debug)]
pub(crate) struct Open {
    /// Names it on the wire.
    pub(crate) id: u64,
    pub(crate) owner: Owner,
    pub(crate) channel: Channel,
    pub(crate) kind: String,
    pub(crate) payload: String,
    pub(crate) key: Option<String>,
    pub(crate) deadline: u64,
    /// Written to some socket, so the server may have executed it.
    written: bool,
    /// That socket is the present one.
    on_socket: bool,
}

impl Open {
    /// How it ends when no reply will come any more.
    pub(crate) fn end_code(&self) -> Code {
        if self.written { Code::UnknownOutcome } else { Code::NotSent }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Oldest first. They are taken out and handed on.
    #[allow(clippy::vec_box)]
    open: Vec<Box<Open>>,
    last_id: u64,
}

impl Requests {
    /// A number for an `id` on the wire, for pings too.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn add(
        &mut self,
        owner: Owner,
        channel: Channel,
        kind: &str,
        payload: String,
        deadline: u64,
        key: Option<String>,
    ) -> u64 {
        let (id, kind) = (self.next_id(), kind.to_owned());
        let (written, on_socket) = (false, false);
        self.open.push(Box::new(Open {
            id,
            owner,
            channel,
            kind,
            payload,
            key,
            deadline,
            written,
            on_socket,
        }));
        id
    }

    /// A number on the wire, as it comes back.
    pub(crate) fn id_of(re: &str) -> Option<u64> {
        digits(re.strip_prefix('c')?)
    }

    /// The next request to write: one not yet on the present socket that may be written again.
    pub(crate) fn to_write(&self) -> Option<&Open> {
        let may = |r: &Open| !r.on_socket && (r.key.is_some() || !r.written);
        self.open.iter().map(Box::as_ref).find(|r| may(r))
    }

    pub(crate) fn written(&mut self, id: u64) {
        if let Some(request) = self.open.iter_mut().find(|r| r.id == id) {
            request.written = true;
            request.on_socket = true;
        }
    }

    /// The present socket ended.
    pub(crate) fn socket_ended(&mut self) {
        for request in &mut self.open {
            request.on_socket = false;
        }
    }

    /// Takes the request that a reply answers, which counts only for what was asked.
    pub(crate) fn take_reply(&mut self, id: u64) -> Option<Box<Open>> {
        self.take_first(&|r| r.id == id && r.written)
    }

    pub(crate) fn take(&mut self, id: u64) -> Option<Box<Open>> {
        self.take_first(&|r| r.id == id)
    }

    /// Takes the oldest that `which` says.
    pub(crate) fn take_first(&mut self, which: &dyn Fn(&Open) -> bool) -> Option<Box<Open>> {
        let at = self.open.iter().position(|open| which(open))?;
        Some(self.open.remove(at))
    }

    /// Takes one whose deadline has passed.
    pub(crate) fn take_expired(&mut self, t: u64) -> Option<Box<Open>> {
        self.take_first(&|r| r.deadline <= t)
    }

    /// The socket ended: takes one that no later socket may carry.
    pub(crate) fn take_lost(&mut self) -> Option<Box<Open>> {
        self.take_first(&|r| r.written && r.key.is_none())
    }

    /// The longest request that is on the present socket unanswered: the one that a close 1009 was about.
    pub(crate) fn take_longest(&mut self) -> Option<Box<Open>> {
        let on_socket = self.open.iter().filter(|r| r.on_socket);
        let id = on_socket.max_by_key(|r| r.payload.len())?.id;
        self.take(id)
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.open.iter().map(|r| r.deadline).min()
    }

    /// Whether the game waits for an answer, which is a reason to be connected.
    pub(crate) fn any_wanted(&self) -> bool {
        self.open.iter().any(|r| matches!(r.owner, Owner::Game(_) | Owner::Bet(_)))
    }

    /// Whether the server is being asked into this room.
    pub(crate) fn joins(&self, game_id: &str) -> bool {
        self.open.iter().any(|r| matches!(&r.owner, Owner::Join(room) if room == game_id))
    }

    /// Whether the server is being asked after this earlier bet.
    pub(crate) fn asks_after(&self, key: &str) -> bool {
        self.open.iter().any(|r| matches!(&r.owner, Owner::BetStatus(bet) if bet == key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Requests {
        fn ask(&mut self, n: u64, key: Option<&str>) -> u64 {
            let (owner, key) = (Owner::Game(RequestId(n)), key.map(str::to_owned));
            self.add(owner, Channel::Game, "spin", "{}".into(), 100 * n, key)
        }
    }

    #[test]
    fn a_key_makes_it_safe_to_repeat() {
        let mut requests = Requests::default();
        let keyed = requests.ask(1, Some("k"));
        let plain = requests.ask(2, None);
        assert_eq!(requests.to_write().unwrap().id, keyed);
        requests.written(keyed);
        assert_eq!(requests.to_write().unwrap().id, plain);
        requests.written(plain);
        assert!(requests.to_write().is_none());
        let lost = requests.take_lost().unwrap();
        assert_eq!((&lost.owner, lost.end_code()), (&Owner::Game(RequestId(2)), Code::UnknownOutcome));
        assert!(requests.take_lost().is_none());
        requests.socket_ended();
        assert_eq!(requests.to_write().unwrap().id, keyed);
    }

    #[test]
    fn what_was_never_written_ends_not_sent() {
        let mut requests = Requests::default();
        requests.ask(1, Some("k"));
        requests.ask(2, None);
        assert_eq!(requests.next_deadline(), Some(100));
        assert_eq!(requests.take_expired(100).unwrap().end_code(), Code::NotSent);
        assert!(requests.take_expired(100).is_none());
        assert!(requests.any_wanted());
    }

    #[test]
    fn a_number_comes_back_as_it_went_out() {
        assert_eq!(Requests::id_of("c17"), Some(17));
        assert_eq!((Requests::id_of("17"), Requests::id_of("c"), Requests::id_of("cx")), (None, None, None));
    }

    #[test]
    fn a_reply_to_nothing_is_nothing() {
        let mut requests = Requests::default();
        let id = requests.ask(1, None);
        assert!(requests.take_reply(id).is_none(), "it was never asked");
        requests.written(id);
        assert!(requests.take_reply(999).is_none());
        assert!(requests.take_reply(id).is_some());
        assert!(requests.take_reply(id).is_none());
    }
}
