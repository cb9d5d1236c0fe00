//! Offers: queued → sent → received → closed, leases, claims (`PROTOCOL.md`, section 7).

use castline::protocol::messages::{Lease, NewOffer, ReadyForOffer};
use castline::protocol::{Channel, Envelope, encode};

use super::sessions::GIVE_BACK_MS;
use super::{Conn, Server};
use crate::coverage::Mark;

/// Where an offer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfferState {
    Queued,
    Sent,
    /// Sent as the answer to a claim, at this time.
    Claimed(u64),
    Received,
    Closed,
}

/// One offer to one player.
#[derive(Debug, Clone)]
pub(crate) struct OfferRecord {
    pub(crate) player: String,
    pub(crate) rank: u64,
    /// Server time, Unix ms.
    pub(crate) expires_at: i64,
    pub(crate) state: OfferState,
    pub(crate) sent: u64,
}

/// A connection's break.
#[derive(Debug)]
pub(super) struct OpenLease {
    pub(super) until: u64,
    left: u32,
}

impl Server {
    /// A campaign has something for a player.
    pub(crate) fn offer(&mut self, t: u64, player: &str, lives: u64) {
        let id = format!("offer-{}", self.store.offers.len() + 1);
        let record = OfferRecord {
            player: player.into(),
            rank: self.rng.below(3),
            expires_at: Server::clock(t + lives),
            state: OfferState::Queued,
            sent: 0,
        };
        self.store.offers.insert(id, record);
        self.deliver_due_offers(t);
    }

    pub(super) fn ready_for_offer(
        &mut self,
        t: u64,
        conn: Conn,
        session: &str,
        envelope: &Envelope<'_>,
        ready: &ReadyForOffer,
    ) {
        if !(1_000..=60_000).contains(&ready.lease_ms) || !(1..=5).contains(&ready.max) {
            self.complaints
                .push(format!("ready_for_offer with leaseMs {} max {}", ready.lease_ms, ready.max));
            return self.error(t, conn, envelope, "INVALID_PAYLOAD", None);
        }
        let player = self.store.sessions[session].player.clone();
        let pending = self.pending(t, &player).len().min(ready.max as usize) as u32;
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        connection.lease = Some(OpenLease { until: t + ready.lease_ms, left: ready.max });
        self.send(t, conn, &Lease { pending }, envelope.id.as_deref());
    }

    pub(super) fn end_lease(&mut self, conn: Conn) {
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.lease = None;
        }
    }

    pub(super) fn expire_leases(&mut self, t: u64) {
        for connection in self.conns.values_mut() {
            if connection.lease.as_ref().is_some_and(|l| t >= l.until) {
                connection.lease = None;
            }
        }
    }

    /// What is queued for a player, best first.
    fn pending(&self, t: u64, player: &str) -> Vec<String> {
        let now = Server::clock(t);
        let open = self.store.offers.iter();
        let open =
            open.filter(|(_, o)| o.player == player && o.state == OfferState::Queued && o.expires_at > now);
        let mut found: Vec<_> = open.map(|(id, o)| (o.rank, id.clone())).collect();
        found.sort();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Sends into every open lease what is queued.
    pub(super) fn deliver_due_offers(&mut self, t: u64) {
        let open: Vec<Conn> =
            self.conns.iter().filter(|(_, c)| c.lease.is_some()).map(|(id, _)| *id).collect();
        for conn in open {
            let Some((session, epoch)) = self.conns[&conn].session.clone() else { continue };
            let Some(held) = self.store.sessions.get(&session).filter(|s| s.epoch == epoch) else { continue };
            let player = held.player.clone();
            let left = self.conns[&conn].lease.as_ref().map_or(0, |l| l.left);
            for id in self.pending(t, &player).into_iter().take(left as usize) {
                if let Some(lease) = self.conns.get_mut(&conn).and_then(|c| c.lease.as_mut()) {
                    lease.left -= 1;
                }
                let offer = self.take_offer(&id, OfferState::Sent);
                let payload = encode(&self.wire(t, &id, &offer));
                self.durable(t, &session, Channel::Offers, "new_offer", |_| payload, Some(id));
            }
        }
    }

    /// The atomic step: only a queued offer is sent.
    fn take_offer(&mut self, id: &str, state: OfferState) -> OfferRecord {
        let record = self.store.offers.get_mut(id).expect("it was pending");
        record.state = state;
        record.sent += 1;
        if record.sent > 1 {
            self.seen.push(Mark::OfferTwiceSent);
        }
        record.clone()
    }

    pub(super) fn wire(&self, t: u64, id: &str, offer: &OfferRecord) -> NewOffer {
        NewOffer {
            offer_id: id.into(),
            campaign_id: "campaign".into(),
            title: format!("Offer {id}"),
            discount: 20.0,
            expires_in: (offer.expires_at - Server::clock(t) + 999) / 1_000,
            expires_at: offer.expires_at,
            image_url: "https://img.example.com/a.png".into(),
            data: None,
        }
    }

    pub(super) fn claim(&mut self, t: u64, player: &str) -> Vec<NewOffer> {
        let Some(id) = self.pending(t, player).into_iter().next() else { return Vec::new() };
        let offer = self.take_offer(&id, OfferState::Claimed(t));
        vec![self.wire(t, &id, &offer)]
    }

    pub(super) fn offer_received(&mut self, _t: u64, id: &str) {
        if let Some(offer) = self.store.offers.get_mut(id)
            && matches!(offer.state, OfferState::Sent | OfferState::Claimed(_) | OfferState::Queued)
        {
            offer.state = OfferState::Received;
        }
    }

    pub(super) fn offer_result(&mut self, t: u64, player: &str, id: &str, outcome: &str) {
        let Some(offer) = self.store.offers.get_mut(id).filter(|o| o.player == player) else { return };
        match outcome {
            "received" | "shown" => self.offer_received(t, id),
            "accepted" | "declined" | "expired" => offer.state = OfferState::Closed,
            other => self.complaints.push(format!("$offer_result with outcome {other}")),
        }
    }

    pub(super) fn give_back_claims(&mut self, t: u64) {
        for offer in self.store.offers.values_mut() {
            if matches!(offer.state, OfferState::Claimed(at) if t >= at + GIVE_BACK_MS) {
                offer.state = OfferState::Queued;
            }
        }
    }

    pub(super) fn claims_back_at(&self) -> u64 {
        let at = |state| match state {
            OfferState::Claimed(at) => Some(at + GIVE_BACK_MS),
            _ => None,
        };
        self.store.offers.values().filter_map(|o| at(o.state)).min().unwrap_or(u64::MAX)
    }
}
