//! Requests of the game: effects, keys, recorded replies, and the durable messages of the game's channel (`PROTOCOL.md`, sections 6 and 10).
//!
//! `work {n, fail?}` is the simulation's own request: it takes effect once and says so, or fails as it was told to.

use castline::protocol::{Channel, Envelope};
use serde::Deserialize;

use super::{Conn, Server};
use crate::coverage::Mark;

/// What was answered under a key.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    asked: String,
    channel: Channel,
    kind: String,
    payload: String,
}

/// The payload of `work`.
#[derive(Debug, Deserialize)]
pub(crate) struct Work {
    pub(crate) n: u64,
    #[serde(default)]
    pub(crate) fail: Option<String>,
}

impl Server {
    pub(super) fn game(&mut self, t: u64, conn: Conn, session: &str, envelope: &Envelope<'_>) {
        let player = self.store.sessions[session].player.clone();
        let key = envelope.key.as_deref().map(|key| (player.clone(), key.to_owned()));
        let asked = format!("{} {}", envelope.kind, envelope.payload);
        if let Some(recorded) = key.as_ref().and_then(|key| self.store.replies.get(key)).cloned() {
            if recorded.asked != asked {
                return self.error(t, conn, envelope, "IDEMPOTENCY_MISMATCH", None);
            }
            self.seen.push(Mark::RequestRecorded);
            return self.reply(t, conn, envelope, recorded.channel, &recorded.kind, recorded.payload);
        }
        let Some((channel, kind, payload)) = self.execute(t, conn, session, &player, envelope) else {
            return;
        };
        if let Some(key) = key {
            let recorded = Recorded { asked, channel, kind: kind.into(), payload: payload.clone() };
            self.store.replies.insert(key, recorded);
        }
        self.reply(t, conn, envelope, channel, kind, payload);
    }

    /// The effect; `None` when the answer is an error or none is wanted.
    fn execute(
        &mut self,
        t: u64,
        conn: Conn,
        session: &str,
        player: &str,
        envelope: &Envelope<'_>,
    ) -> Option<(Channel, &'static str, String)> {
        match &*envelope.kind {
            "work" => self.work(t, conn, envelope),
            "join_game" => self.join_game(session, player, envelope),
            "leave_game" => self.leave_game(session, envelope),
            "game_event" => self.relay(t, conn, session, envelope),
            "place_bet" => self.place_bet(t, conn, player, envelope),
            "bet_status" => self.bet_status(t, conn, player, envelope),
            "chat" => Some((Channel::System, "ok", "{}".into())),
            other => {
                self.complaints.push(format!("no such message of the game: {other}"));
                self.error(t, conn, envelope, "UNKNOWN_MESSAGE_TYPE", None);
                None
            }
        }
    }

    fn work(
        &mut self,
        t: u64,
        conn: Conn,
        envelope: &Envelope<'_>,
    ) -> Option<(Channel, &'static str, String)> {
        let work: Work = self.parse(envelope)?;
        if let Some(code) = &work.fail {
            self.error(t, conn, envelope, code, (code == "RATE_LIMITED").then_some(700));
            return None;
        }
        *self.store.executed.entry(work.n).or_default() += 1;
        Some((Channel::Game, "worked", format!("{{\"n\":{}}}", work.n)))
    }

    /// A durable message that the server marks as such: its number tells the checks which it was.
    pub(crate) fn prize(&mut self, t: u64, player: &str) {
        let of = |(id, s): (&String, &super::Session)| (s.player == player).then(|| id.clone());
        let sessions: Vec<String> = self.store.sessions.iter().filter_map(of).collect();
        for id in sessions {
            self.durable(t, &id, Channel::Game, "prize", |number| format!("{{\"number\":{number}}}"), None);
        }
    }

    pub(super) fn parse<T: for<'a> Deserialize<'a>>(&mut self, envelope: &Envelope<'_>) -> Option<T> {
        match serde_json::from_str(&envelope.payload) {
            Ok(payload) => Some(payload),
            Err(e) => {
                self.complaints.push(format!("{}: {e}: {}", envelope.kind, envelope.payload));
                None
            }
        }
    }
}
