//! Sessions: fencing, the durable queue, acknowledgement, resume (`PROTOCOL.md`, section 5).

use std::collections::BTreeSet;

use castline::protocol::messages::{AuthFailed, Authenticate, Authenticated, RoomState};
use castline::protocol::{Channel, Envelope};

use super::{Conn, OfferState, Server};
use crate::coverage::Mark;

/// How long what a detached session has not acknowledged stays.
pub(crate) const GIVE_BACK_MS: u64 = 120_000;
const SESSION_LIFE_MS: u64 = 24 * 3_600_000;

/// A stored message that waits for its acknowledgement.
#[derive(Debug, Clone)]
pub(crate) struct Durable {
    pub(crate) seq: u64,
    /// Unique in the history, rising with time.
    pub(crate) number: u64,
    pub(crate) channel: Channel,
    pub(crate) kind: &'static str,
    pub(crate) payload: String,
    pub(crate) offer: Option<String>,
    sent: bool,
}

/// One player on one device.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) player: String,
    pub(crate) device: String,
    pub(crate) epoch: u64,
    pub(crate) conn: Option<Conn>,
    pub(crate) detached: u64,
    /// The highest number given to a message.
    pub(crate) last_seq: u64,
    pub(crate) acked: u64,
    pub(crate) unacked: Vec<Durable>,
    pub(crate) discarded: u64,
    pub(crate) rooms: BTreeSet<String>,
}

impl Server {
    /// Whether a token is good at `t`: `Err` is the reason.
    pub(super) fn player_of(&self, t: u64, token: &str) -> Result<String, &'static str> {
        let Some(record) = self.store.tokens.get(token) else { return Err("INVALID_TOKEN") };
        if !record.genuine {
            return Err("INVALID_TOKEN");
        }
        if t >= record.expires || t >= record.issued + 300_000 {
            return Err("EXPIRED_TOKEN");
        }
        Ok(record.player.clone())
    }

    pub(super) fn authenticate(
        &mut self,
        t: u64,
        conn: Conn,
        auth: &Authenticate<'_>,
        envelope: &Envelope<'_>,
    ) {
        let re = envelope.id.as_deref();
        let player = match self.player_of(t, &auth.token) {
            Ok(player) => player,
            Err(reason) => {
                self.send(t, conn, &AuthFailed { reason: reason.into() }, re);
                return self.close(t, conn, 4001);
            }
        };
        self.store.balances.entry(player.clone()).or_insert(100_000);
        let known = self.session_of(&player, &auth.device);
        // Fence first: whoever held the session is out before anything else happens.
        if let Some(id) = &known {
            let session = self.store.sessions.get_mut(id).expect("found above");
            session.epoch += 1;
            if let Some(older) = session.conn.take() {
                session.detached = t;
                self.close(t, older, 4003);
            }
        }
        let (id, resumed, discarded) = self.resume_or_begin(t, &player, auth, known);
        let session = self.store.sessions.get_mut(&id).expect("just made or resumed");
        session.conn = Some(conn);
        let epoch = session.epoch;
        let rooms = session.rooms.iter().map(|g| (g.clone(), self.store.rooms.get(g).copied().unwrap_or(0)));
        let rooms: Vec<RoomState> = rooms.map(|(game_id, n)| RoomState { game_id, players: 1, n }).collect();
        self.conns.get_mut(&conn).expect("it just spoke").session = Some((id.clone(), epoch));
        let answer = Authenticated {
            user_id: player,
            session_id: id.clone(),
            resumed,
            discarded,
            flags_version: format!("v{}", self.store.flags_version),
            rooms,
        };
        self.seen.push(if resumed { Mark::Resumed } else { Mark::SessionLost });
        if discarded > 0 {
            self.seen.push(Mark::Discarded);
        }
        self.send(t, conn, &answer, re);
        self.replay(t, &id, auth.resume.as_ref().filter(|r| r.session_id == id).map_or(0, |r| r.last_seq));
    }

    pub(crate) fn session_of(&self, player: &str, device: &str) -> Option<String> {
        let held = |s: &Session| s.player == player && s.device == device;
        self.store.sessions.iter().find(|(_, s)| held(s)).map(|(id, _)| id.clone())
    }

    fn resume_or_begin(
        &mut self,
        t: u64,
        player: &str,
        auth: &Authenticate<'_>,
        known: Option<String>,
    ) -> (String, bool, u64) {
        let wanted = auth.resume.as_ref();
        if let (Some(id), Some(resume)) = (&known, wanted)
            && resume.session_id == *id
        {
            let session = self.store.sessions.get_mut(id).expect("known");
            if resume.last_seq <= session.last_seq {
                let discarded = std::mem::take(&mut session.discarded);
                session.renumber(resume.last_seq);
                return (id.clone(), discarded == 0, discarded);
            }
        }
        let old = known.and_then(|id| self.store.sessions.remove(&id));
        self.store.next_session += 1;
        let id = format!("s{}-{:08x}", self.store.next_session, self.rng.next() as u32);
        let mut session = Session {
            player: player.into(),
            device: auth.device.to_string(),
            epoch: old.as_ref().map_or(1, |s| s.epoch + 1),
            conn: None,
            detached: t,
            last_seq: 0,
            acked: 0,
            discarded: 0,
            unacked: Vec::new(),
            rooms: BTreeSet::new(),
        };
        let discarded = old.as_ref().map_or(0, |s| s.discarded);
        session.unacked = old.map(|s| s.unacked).unwrap_or_default();
        session.renumber(0);
        self.store.sessions.insert(id.clone(), session);
        (id.clone(), false, discarded)
    }

    fn replay(&mut self, t: u64, id: &str, after: u64) {
        let Some(session) = self.store.sessions.get_mut(id) else { return };
        let Some(conn) = session.conn else { return };
        let mut texts = Vec::new();
        for message in session.unacked.iter_mut().filter(|m| m.seq > after) {
            if message.sent {
                self.seen.push(Mark::DurableReplayed);
            }
            message.sent = true;
            texts.push(message.text(t));
        }
        for text in texts {
            self.write(t, conn, text);
        }
    }

    /// Stores a message for one session, then sends it if a socket is there.
    pub(crate) fn durable(
        &mut self,
        t: u64,
        id: &str,
        channel: Channel,
        kind: &'static str,
        payload: impl FnOnce(u64) -> String,
        offer: Option<String>,
    ) {
        self.store.next_durable += 1;
        let number = self.store.next_durable;
        let Some(session) = self.store.sessions.get_mut(id) else { return };
        session.last_seq += 1;
        let message = Durable {
            seq: session.last_seq,
            number,
            channel,
            kind,
            payload: payload(number),
            offer,
            sent: true,
        };
        let text = message.text(t);
        session.unacked.push(message);
        if let Some(conn) = session.conn {
            self.write(t, conn, text);
        }
    }

    pub(super) fn acknowledge(&mut self, t: u64, id: &str, ack: u64) {
        let Some(session) = self.store.sessions.get_mut(id) else { return };
        if ack > session.last_seq {
            self.complaints
                .push(format!("ack {ack} of a number not yet sent (last is {})", session.last_seq));
            return;
        }
        if ack < session.acked {
            self.complaints.push(format!("ack went back from {} to {ack}", session.acked));
            return;
        }
        session.acked = ack;
        let done: Vec<Durable> = session.unacked.iter().filter(|m| m.seq <= ack).cloned().collect();
        session.unacked.retain(|m| m.seq > ack);
        for message in done {
            self.store.acked.insert(message.number);
            if let Some(offer) = &message.offer {
                self.offer_received(t, offer);
            }
        }
    }

    pub(super) fn detach(&mut self, t: u64, id: &str, epoch: u64) {
        if let Some(session) = self.store.sessions.get_mut(id)
            && session.epoch == epoch
        {
            session.conn = None;
            session.detached = t;
        }
    }

    /// What was not acknowledged in time goes back (offers), stays (bets) or is given up (the rest).
    pub(super) fn give_back(&mut self, t: u64) {
        self.give_back_claims(t);
        for session in self.store.sessions.values_mut() {
            if session.conn.is_some() || t < session.detached + GIVE_BACK_MS {
                continue;
            }
            let mut kept = Vec::new();
            for message in session.unacked.drain(..) {
                if let Some(offer) = &message.offer {
                    if let Some(record) = self.store.offers.get_mut(offer)
                        && record.state == OfferState::Sent
                    {
                        record.state = OfferState::Queued;
                    }
                } else if message.kind == "bet_settled" {
                    kept.push(message);
                } else {
                    session.discarded += 1;
                    self.store.discarded.insert(message.number);
                }
            }
            session.unacked = kept;
        }
        let expired = |s: &Session| s.conn.is_none() && t >= s.detached + SESSION_LIFE_MS;
        for session in self.store.sessions.values().filter(|s| expired(s)) {
            self.store.discarded.extend(session.unacked.iter().map(|m| m.number));
        }
        self.store.sessions.retain(|_, s| !expired(s));
    }

    pub(super) fn give_back_at(&self) -> u64 {
        let sessions = self.store.sessions.values().filter(|s| s.conn.is_none());
        let waiting = |s: &Session| s.unacked.iter().any(|m| m.kind != "bet_settled");
        let at = |s: &Session| if waiting(s) { GIVE_BACK_MS } else { SESSION_LIFE_MS } + s.detached;
        sessions.map(at).chain([self.claims_back_at()]).min().unwrap_or(u64::MAX)
    }
}

impl Session {
    /// Numbers what is unacknowledged so that it goes on without a hole after `last`: what the client has stays as it is.
    fn renumber(&mut self, last: u64) {
        let mut next = last;
        self.acked = self.acked.min(last);
        for message in &mut self.unacked {
            if message.seq <= last {
                continue;
            }
            next += 1;
            message.seq = next;
        }
        self.last_seq = next;
    }
}

impl Durable {
    fn text(&self, t: u64) -> String {
        let mut envelope = Envelope::new(self.channel, self.kind, &*self.payload, Server::clock(t));
        envelope.seq = Some(self.seq);
        envelope.encode()
    }
}
