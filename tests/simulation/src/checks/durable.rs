//! Durable messages: each once and in order, and acknowledged only when the game has taken it or the disk has it.

use std::collections::{BTreeMap, BTreeSet};

use castline::protocol::limits::ACK_DELAY_MS;
use castline::protocol::messages::{Authenticate, Authenticated, ClaimAnswer, NewOffer};
use castline::protocol::{Channel, Envelope};
use castline::{Event, Input, StoreKey};

use super::{Broken, Moment};
use crate::server::Server;

/// What an acknowledgement of a message needs.
#[derive(Debug, Clone, PartialEq)]
enum Needs {
    /// The game takes this event: its text.
    Taken(String),
    /// This offer is on the disk, or was taken, or was known.
    Offer(String),
    Nothing,
}

#[derive(Debug, Default)]
pub(super) struct DurableCheck {
    misbehaving: bool,
    persistent: bool,
    session: String,
    player: String,
    authenticated_before: bool,
    last_seq: u64,
    /// What was received in this session: number → need.
    received: BTreeMap<u64, Needs>,
    acked: u64,
    /// Since when the server could know more than it was told.
    owed_since: Option<u64>,
    /// Of this process: events that the game took, and that the core was told of.
    popped: BTreeSet<String>,
    told: BTreeSet<String>,
    last_number: u64,
    emitted: BTreeSet<String>,
    /// Offers of this device: in which step each came, and when it ends by the server's clock.
    offers: BTreeMap<String, (u64, i64)>,
    safe: BTreeSet<String>,
    kept: BTreeSet<String>,
    released: BTreeSet<String>,
    session_lost: u64,
    session_lost_due: u64,
}

impl DurableCheck {
    pub(super) fn new(misbehaving: bool, persistent: bool) -> DurableCheck {
        DurableCheck { misbehaving, persistent, ..DurableCheck::default() }
    }

    pub(super) fn process_starts(&mut self) {
        let (offers, mut safe) = (std::mem::take(&mut self.offers), std::mem::take(&mut self.safe));
        safe.append(&mut self.kept);
        let fresh = DurableCheck::new(self.misbehaving, self.persistent);
        *self = DurableCheck { offers, safe, ..fresh };
    }

    /// `live`: whether a text came on the socket that the client still holds, and is authenticated.
    pub(super) fn input(&mut self, m: Moment, input: &Input<'_>, live: Option<bool>) {
        match input {
            Input::Text { text, .. } => {
                if let (Some(online), Ok(envelope)) = (live, Envelope::decode(text)) {
                    self.text(m, &envelope, online);
                }
            }
            Input::HttpResponse { reply: Ok(reply), .. } if reply.status == 200 => {
                let claimed = serde_json::from_slice::<ClaimAnswer>(reply.body);
                for offer in claimed.map(|answer| answer.offers).unwrap_or_default() {
                    self.offers.entry(offer.offer_id).or_insert((m.step, offer.expires_at));
                }
            }
            Input::Taken { .. } => {
                self.told.extend(self.popped.iter().cloned());
                if self.ackable() > self.acked {
                    self.owed_since.get_or_insert(m.elapsed);
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, m: Moment, envelope: &Envelope<'_>, online: bool) {
        if (envelope.channel, &*envelope.kind) == (Channel::System, "authenticated") && !online {
            let Ok(answer) = envelope.payload_as::<Authenticated>() else { return };
            let other = !self.player.is_empty() && self.player != answer.user_id;
            if self.authenticated_before && (other || !answer.resumed) {
                self.session_lost_due += 1;
            }
            self.authenticated_before = true;
            self.player = answer.user_id;
            if self.session != answer.session_id {
                self.session = answer.session_id;
                self.received.clear();
                self.last_seq = 0;
                self.acked = 0;
                // What the old session had told and not acknowledged comes again in the new one.
                self.emitted.clear();
            }
            return;
        }
        let (Some(seq), true) = (envelope.seq, online) else { return };
        if seq != self.last_seq + 1 {
            return;
        }
        self.last_seq = seq;
        let need = match &*envelope.kind {
            "new_offer" => match envelope.payload_as::<NewOffer>() {
                Ok(offer) => {
                    self.offers.entry(offer.offer_id.clone()).or_insert((m.step, offer.expires_at));
                    Needs::Offer(offer.offer_id)
                }
                Err(_) => Needs::Nothing,
            },
            "prize" => Needs::Taken(envelope.payload.to_string()),
            "bet_settled" => Needs::Taken(bet_key(&envelope.payload)),
            _ => Needs::Nothing,
        };
        self.received.insert(seq, need);
    }

    /// A save ended well: what had arrived before it was asked for is on the disk.
    pub(super) fn saved(&mut self, key: &StoreKey, step: u64) {
        if matches!(key, StoreKey::Player(_)) && self.persistent {
            let safe =
                self.offers.iter().filter(|(_, (arrived, _))| *arrived <= step).map(|(id, _)| id.clone());
            self.safe.extend(safe);
        }
    }

    /// Bytes reached the disk without the process knowing it: a later process knows.
    pub(super) fn kept(&mut self, key: &StoreKey, step: u64) {
        if matches!(key, StoreKey::Player(_)) && self.persistent {
            let there =
                self.offers.iter().filter(|(_, (arrived, _))| *arrived <= step).map(|(id, _)| id.clone());
            self.kept.extend(there);
        }
    }

    pub(super) fn sent(&mut self, text: &str) -> Broken {
        let Ok(envelope) = Envelope::decode(text) else { return Ok(()) };
        if envelope.kind == "authenticate"
            && let Ok(Authenticate { resume: Some(resume), .. }) = envelope.payload_as::<Authenticate<'_>>()
            && (resume.session_id != self.session || resume.last_seq != self.last_seq)
        {
            let (id, last) = (&self.session, self.last_seq);
            return Err(format!("resumes {resume:?}; this process has received {last} in {id}"));
        }
        let Some(ack) = envelope.ack else { return Ok(()) };
        if ack > self.last_seq {
            return Err(format!("ack {ack} of what was not received (last is {})", self.last_seq));
        }
        if ack < self.acked {
            return Err(format!("ack goes back from {} to {ack}", self.acked));
        }
        for (seq, need) in self.received.iter().filter(|(seq, _)| **seq > self.acked && **seq <= ack) {
            if !self.met(need) {
                return Err(format!(
                    "ack {ack} covers message {seq} ({need:?}), which is neither taken nor saved"
                ));
            }
        }
        self.acked = ack;
        self.owed_since = None;
        Ok(())
    }

    fn met(&self, need: &Needs) -> bool {
        match need {
            Needs::Nothing => true,
            Needs::Taken(what) => self.told.contains(what),
            Needs::Offer(id) => {
                self.safe.contains(id) || self.told.contains(id) || self.released.contains(id)
            }
        }
    }

    /// Up to where an acknowledgement is owed: what the game has taken. Of an offer only the client knows whether it counts as saved.
    fn ackable(&self) -> u64 {
        let taken = |need: &Needs| match need {
            Needs::Nothing => true,
            Needs::Taken(what) | Needs::Offer(what) => self.told.contains(what),
        };
        let open = self.received.iter().filter(|(seq, _)| **seq > self.acked);
        let met = open.take_while(|(_, need)| taken(need));
        met.last().map_or(self.acked, |(seq, _)| *seq)
    }

    /// Within a second of being possible an acknowledgement is on its way, if there is a way.
    pub(super) fn drained(&mut self, m: Moment, online: bool) -> Broken {
        if !online {
            self.owed_since = None;
        }
        match self.owed_since {
            Some(since) if m.elapsed > since + ACK_DELAY_MS => {
                Err(format!("an acknowledgement up to {} is {} ms old", self.ackable(), m.elapsed - since))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn event(&mut self, event: &Event, _durable: bool) -> Broken {
        match event {
            Event::SessionLost => {
                self.session_lost += 1;
                if self.session_lost > self.session_lost_due && !self.misbehaving {
                    return Err("SessionLost although the session was resumed, or never was before".into());
                }
                Ok(())
            }
            Event::Message { kind, payload, .. } if kind == "prize" => self.told_once(payload.clone()),
            Event::Message { kind, payload, .. } if kind == "bet_settled" => self.told_once(bet_key(payload)),
            Event::BetSettled { idempotency_key, .. } => self.told_once(idempotency_key.clone()),
            _ => Ok(()),
        }
    }

    fn told_once(&mut self, what: String) -> Broken {
        if what.contains("again") {
            return Err("a message whose number was seen before was told".into());
        }
        if self.misbehaving && what.contains("\"number\":0}") {
            return Ok(());
        }
        if !self.emitted.insert(what.clone()) {
            return Err(format!("a durable message came twice: {what}"));
        }
        Ok(())
    }

    pub(super) fn popped(&mut self, event: &Event) -> Broken {
        match event {
            Event::Message { kind, payload, .. } if kind == "prize" => {
                self.popped.insert(payload.clone());
                let digits: String = payload.chars().filter(char::is_ascii_digit).collect();
                let number: u64 = digits.parse().unwrap_or(0);
                if number == 0 {
                    return Ok(());
                }
                if number <= self.last_number {
                    return Err(format!("message {number} came after {}", self.last_number));
                }
                self.last_number = number;
            }
            Event::Message { kind, payload, .. } if kind == "bet_settled" => {
                self.popped.insert(bet_key(payload));
            }
            Event::BetSettled { idempotency_key, .. } => {
                self.popped.insert(idempotency_key.clone());
            }
            Event::OfferReady { offer } => {
                self.popped.insert(offer.offer_id.clone());
            }
            // From here on the game knows that things may come again.
            Event::SessionLost => self.last_number = 0,
            _ => {}
        }
        Ok(())
    }

    /// An offer that has ended by the client's own idea of the server's clock will never surface, and needs no disk.
    pub(super) fn clock(&mut self, server_time: i64) {
        let ended = self.offers.iter().filter(|(_, (_, expires_at))| *expires_at <= server_time);
        let ended: Vec<String> =
            ended.map(|(id, _)| id.clone()).filter(|id| !self.released.contains(id)).collect();
        self.released.extend(ended);
    }

    /// At the end of the calm nothing waits for an acknowledgement, but offers on a device without a disk.
    pub(super) fn finish(&self, server: &Server, player: &str) -> Broken {
        if self.misbehaving {
            return Ok(());
        }
        for session in server.store.sessions.values().filter(|s| s.player == player && s.conn.is_some()) {
            if let Some(message) = session.unacked.iter().find(|m| m.offer.is_none() || self.persistent) {
                return Err(format!(
                    "message {} (seq {}, {} {}) was never acknowledged on {}",
                    message.number, message.seq, message.kind, message.payload, session.device
                ));
            }
        }
        if self.session_lost < self.session_lost_due {
            return Err(format!(
                "SessionLost was told {} times instead of {}",
                self.session_lost, self.session_lost_due
            ));
        }
        Ok(())
    }
}

fn bet_key(payload: &str) -> String {
    let rest = payload.split_once("\"idempotencyKey\":\"").map_or(payload, |(_, rest)| rest);
    rest.split('"').next().unwrap_or(rest).to_owned()
}
