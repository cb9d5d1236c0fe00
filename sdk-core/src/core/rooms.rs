//! Rooms: joined when the game asks, joined again after a lost session, left when the game says so.

use crate::event::{Event, RoomChange};
use crate::protocol::json::{Json, Members, Object};
use crate::protocol::messages::client::{Read, Relayed};
use crate::protocol::messages::{GameJoined, PlayerMoved, RoomState};
use crate::protocol::{Channel, Code, Envelope};
use crate::rooms::table::Numbered;
use crate::session::delivery::Wait;
use crate::session::requests::Owner;

use super::Core;

/// The bound on one attempt to join.
const JOIN_TIMEOUT_MS: u64 = 10_000;

fn room_payload(game_id: &str) -> String {
    Object::new().text("gameId", game_id).end()
}

impl Core {
    pub(super) fn join(&mut self, game_id: &str) {
        if !self.rooms.want(game_id) {
            self.room_changed(game_id, RoomChange::JoinFailed, "", 0, Some(Code::QueueFull));
        }
    }

    pub(super) fn leave(&mut self, game_id: &str) {
        if !self.rooms.drop(game_id) {
            return;
        }
        let owner = Owner::Join(game_id.to_owned());
        self.requests.take_first(&|open| open.owner == owner);
        self.send_leave(game_id);
        self.room_changed(game_id, RoomChange::Left, "", 0, None);
    }

    fn send_leave(&mut self, game_id: &str) {
        self.send(Channel::Game, "leave_game", &room_payload(game_id));
    }

    /// `rooms().send`: not kept.
    pub(super) fn room_send(&mut self, game_id: &str, event: &str, data: &str) {
        let payload = Object::new().text("gameId", game_id).text("event", event).raw("data", data).end();
        if self.rooms.is_in(game_id) {
            self.send(Channel::Game, "game_event", &payload);
        }
    }

    /// Asks for every room that this session is not in.
    pub(super) fn join_rooms(&mut self) {
        while let Some(game_id) = self.rooms.to_join(&|room| self.requests.joins(room)) {
            let (owner, payload) = (Owner::Join(game_id.to_owned()), room_payload(game_id));
            let deadline = self.clock.t() + JOIN_TIMEOUT_MS;
            self.requests.add(owner, Channel::Game, "join_game", payload, deadline, None);
        }
    }

    /// `authenticated` says where this session still is.
    pub(super) fn reconcile_rooms(&mut self, still_in: &[RoomState]) {
        self.rooms.reconnected();
        for RoomState { game_id, n, .. } in still_in {
            match self.rooms.joined(game_id, *n) {
                Some(missing) => self.tell_gap(game_id, missing),
                None => self.send_leave(game_id),
            }
        }
    }

    /// Another player: the rooms were the former one's.
    pub(super) fn leave_all_rooms(&mut self) {
        while let Some(game_id) = self.rooms.take() {
            self.room_changed(&game_id, RoomChange::Left, "", 0, None);
        }
    }

    pub(super) fn on_joined(&mut self, game_id: &str, payload: &str) {
        let mut payload = Members::of(payload);
        let joined = GameJoined::of(&mut payload);
        if payload.wrong().is_some() {
            return self.on_join_failed(game_id, Code::InvalidPayload);
        }
        if let Some(hash) = joined.server_seed_hash {
            self.bets.learn_hash(game_id, &hash);
        }
        let Some(missing) = self.rooms.joined(game_id, joined.n) else { return };
        self.room_changed(game_id, RoomChange::Joined, "", joined.players, None);
        self.tell_gap(game_id, missing);
    }

    pub(super) fn on_join_lost(&mut self, game_id: &str, code: Code) {
        if code == Code::UnknownOutcome {
            if !self.link.is_online() {
                // Its socket went: the next one asks again.
                return;
            }
            // The server may yet let us in; what comes after this on the wire undoes it.
            self.send_leave(game_id);
        }
        self.on_join_failed(game_id, code);
    }

    fn on_join_failed(&mut self, game_id: &str, code: Code) {
        if self.rooms.drop(game_id) {
            self.room_changed(game_id, RoomChange::JoinFailed, "", 0, Some(code));
        }
    }

    pub(super) fn on_game_event(&mut self, envelope: &Envelope<'_>, durable: bool) -> Wait {
        let mut payload = Members::of(&envelope.payload);
        let message = Relayed::of(&mut payload);
        if !self.is_whole(envelope, &payload) {
            return Wait::Done;
        }
        let Numbered::Next { missing } = self.rooms.numbered(&message.game_id, message.n) else {
            return Wait::Done;
        };
        self.tell_gap(&message.game_id, missing);
        let event = Event::RoomMessage {
            game_id: message.game_id,
            from: message.from.unwrap_or_default(),
            event: message.event,
            data: message.data.map_or_else(|| "{}".to_owned(), |Json(data)| data),
        };
        Wait::Event(self.push_event(event, durable))
    }

    pub(super) fn on_player_moved(&mut self, envelope: &Envelope<'_>, change: RoomChange) {
        let mut payload = Members::of(&envelope.payload);
        let moved = PlayerMoved::of(&mut payload);
        if self.is_whole(envelope, &payload) && self.rooms.is_in(&moved.game_id) {
            self.room_changed(&moved.game_id, change, &moved.user_id, moved.player_count, None);
        }
    }

    fn tell_gap(&mut self, game_id: &str, missing: u64) {
        if missing > 0 {
            self.event(Event::RoomGap { game_id: game_id.to_owned(), missing });
        }
    }

    fn room_changed(
        &mut self,
        game_id: &str,
        change: RoomChange,
        user_id: &str,
        player_count: u32,
        code: Option<Code>,
    ) {
        let (game_id, user_id) = (game_id.to_owned(), user_id.to_owned());
        self.event(Event::RoomChanged { game_id, change, user_id, player_count, code });
    }
}
