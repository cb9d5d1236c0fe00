//! Rooms and bets in their plainest form (`PROTOCOL.md`, section 10): one player a room, one seed a bet, everybody loses.

use castline::protocol::messages::{
    BetAcknowledged, BetQuery, BetSettled, ErrorReply, GameEvent, GameJoined, GameRef, Message, PlaceBet,
};
use castline::protocol::{Channel, Envelope, encode};
use serde_json::value::RawValue;

use super::{Conn, Later, Server};
use crate::coverage::Mark;

/// How long a dropped member stays in its rooms.
const STAY_MS: u64 = 15_000;

/// What became of a bet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BetState {
    Processing {
        balance: i64,
    },
    Settled {
        balance: i64,
    },
    /// Asked for before it was placed: never to be placed.
    Burned,
}

/// A success: what the reply will be.
pub(super) type Success = (Channel, &'static str, String);

impl Server {
    pub(super) fn join_game(
        &mut self,
        session: &str,
        player: &str,
        envelope: &Envelope<'_>,
    ) -> Option<Success> {
        let room: GameRef = self.parse(envelope)?;
        let rooms = &mut self.store.sessions.get_mut(session)?.rooms;
        rooms.insert(room.game_id.clone());
        if rooms.len() > 8 {
            self.complaints.push("a ninth room".into());
        }
        self.seen.push(Mark::RoomJoined);
        let joined = GameJoined {
            n: self.store.rooms.get(&room.game_id).copied().unwrap_or(0),
            game_id: room.game_id,
            players: 1,
            balance: Some(self.balance(player)),
            server_seed_hash: Some(self.seed_of(player)),
        };
        Some((GameJoined::CHANNEL, GameJoined::KIND, encode(&joined)))
    }

    pub(super) fn leave_game(&mut self, session: &str, envelope: &Envelope<'_>) -> Option<Success> {
        let room: GameRef = self.parse(envelope)?;
        self.store.sessions.get_mut(session)?.rooms.remove(&room.game_id);
        Some((Channel::System, "ok", "{}".into()))
    }

    pub(super) fn relay(
        &mut self,
        t: u64,
        conn: Conn,
        session: &str,
        envelope: &Envelope<'_>,
    ) -> Option<Success> {
        let event: GameEvent = self.parse(envelope)?;
        if !self.store.sessions[session].rooms.contains(&event.game_id) {
            self.error(t, conn, envelope, "NOT_IN_ROOM", None);
            return None;
        }
        Some((Channel::System, "ok", "{}".into()))
    }

    /// The engine speaks in every room that somebody is in, and in one that nobody hears.
    pub(crate) fn splash(&mut self, t: u64) {
        for room in crate::game::ROOMS {
            let n = self.store.rooms.entry(room.to_owned()).or_default();
            *n += 1;
            let n = *n;
            let event = GameEvent {
                game_id: room.to_owned(),
                event: "splash".into(),
                data: RawValue::from_string(format!("{{\"n\":{n}}}")).ok(),
                n: Some(n),
                from: None,
            };
            for (conn, session) in self.live() {
                if self.store.sessions[&session].rooms.contains(room) {
                    self.send(t, conn, &event, None);
                }
            }
        }
    }

    /// A member that has been away too long is out.
    pub(super) fn empty_rooms(&mut self, t: u64) {
        for session in
            self.store.sessions.values_mut().filter(|s| s.conn.is_none() && t >= s.detached + STAY_MS)
        {
            session.rooms.clear();
        }
    }

    pub(super) fn empty_rooms_at(&self) -> u64 {
        let away = self.store.sessions.values().filter(|s| s.conn.is_none() && !s.rooms.is_empty());
        away.map(|s| s.detached + STAY_MS).min().unwrap_or(u64::MAX)
    }

    pub(super) fn place_bet(
        &mut self,
        t: u64,
        conn: Conn,
        player: &str,
        envelope: &Envelope<'_>,
    ) -> Option<Success> {
        let bet: PlaceBet = self.parse(envelope)?;
        if envelope.key.as_deref() != Some(&*bet.idempotency_key) {
            self.complaints.push("place_bet whose key is not its idempotencyKey".into());
        }
        let id = (player.to_owned(), bet.idempotency_key.clone());
        match self.store.bets.get(&id) {
            Some(BetState::Burned) => {
                self.error(t, conn, envelope, "IDEMPOTENCY_MISMATCH", None);
                return None;
            }
            // The recorded reply was looked at before.
            Some(_) => self.complaints.push(format!("bet {} placed twice", bet.idempotency_key)),
            None => {}
        }
        let hash = self.seed_of(player);
        if bet.server_seed_hash != hash {
            self.seed_used(t, conn, envelope, hash);
            return None;
        }
        *self.store.seeds.entry(player.to_owned()).or_default() += 1;
        let balance = self.balance(player) - bet.amount;
        self.store.balances.insert(player.to_owned(), balance);
        self.store.bets.insert(id, BetState::Processing { balance });
        let at = t + self.rng.skewed(10, 5_000);
        let reply = self.acknowledged(player, &bet.idempotency_key, balance);
        self.later(at, Later::Settle { player: player.into(), key: bet.idempotency_key });
        Some(reply)
    }

    fn seed_used(&mut self, t: u64, conn: Conn, envelope: &Envelope<'_>, hash: String) {
        self.seen.push(Mark::SeedUsed);
        let error = ErrorReply {
            code: "SEED_USED".into(),
            message: "bet on the next".into(),
            retry_after_ms: None,
            server_seed_hash: Some(hash),
        };
        self.reply(t, conn, envelope, Channel::System, "error", encode(&error));
    }

    pub(super) fn bet_status(
        &mut self,
        t: u64,
        conn: Conn,
        player: &str,
        envelope: &Envelope<'_>,
    ) -> Option<Success> {
        let query: BetQuery = self.parse(envelope)?;
        let id = (player.to_owned(), query.idempotency_key.clone());
        self.seen.push(Mark::BetAskedFor);
        match self.store.bets.get(&id).cloned() {
            Some(BetState::Processing { balance }) => {
                Some(self.acknowledged(player, &query.idempotency_key, balance))
            }
            Some(BetState::Settled { balance }) => {
                let settled = settled(&query.idempotency_key, balance);
                Some((BetSettled::CHANNEL, BetSettled::KIND, encode(&settled)))
            }
            Some(BetState::Burned) | None => {
                self.store.bets.insert(id, BetState::Burned);
                self.error(t, conn, envelope, "NOT_FOUND", None);
                None
            }
        }
    }

    fn acknowledged(&self, player: &str, key: &str, balance: i64) -> Success {
        let acknowledged = BetAcknowledged {
            idempotency_key: key.into(),
            status: "processing".into(),
            balance,
            next_seed_hash: self.seed_of(player),
        };
        (BetAcknowledged::CHANNEL, BetAcknowledged::KIND, encode(&acknowledged))
    }

    /// A bet's outcome goes to every session of the player, stored before it is sent.
    pub(crate) fn settle(&mut self, t: u64, player: &str, key: &str) {
        let balance = self.balance(player);
        self.store.bets.insert((player.to_owned(), key.to_owned()), BetState::Settled { balance });
        let of = |(id, s): (&String, &super::Session)| (s.player == player).then(|| id.clone());
        let sessions: Vec<String> = self.store.sessions.iter().filter_map(of).collect();
        for id in sessions {
            self.seen.push(Mark::BetSettled);
            self.durable(t, &id, Channel::Game, BetSettled::KIND, |_| encode(&settled(key, balance)), None);
        }
    }

    pub(super) fn balance(&self, player: &str) -> i64 {
        self.store.balances.get(player).copied().unwrap_or(0)
    }

    fn seed_of(&self, player: &str) -> String {
        format!("{:064x}", self.store.seeds.get(player).copied().unwrap_or(0))
    }
}

fn settled(key: &str, balance: i64) -> BetSettled {
    BetSettled {
        idempotency_key: key.into(),
        outcome: "lose".into(),
        payout: 0,
        balance,
        roll: 7,
        sides: 100,
        server_seed: "00".repeat(32),
        server_seed_hash: "00".repeat(32),
        client_seed: "seed".into(),
    }
}
