//! Offers: only in a break, once on a device, never after their end; one answer to each `ready`.

use std::collections::{BTreeMap, VecDeque};

use castline::protocol::Envelope;
use castline::protocol::messages::{Authenticated, ClaimAnswer, NewOffer};
use castline::{Command, Event, Input, Now, StoreKey};

use super::{Broken, Moment};
use crate::coverage::Mark;
use crate::server::{EPOCH, Server};

#[derive(Debug)]
struct Break {
    placement: String,
    until: u64,
    over: bool,
    opened: u64,
}

#[derive(Debug)]
struct Surfaced {
    process: u32,
    /// The step in which the core was told that the game has it.
    taken: Option<u64>,
    popped: bool,
    /// A save asked for after that is on the disk: no later process may show it again.
    remembered: bool,
    expired: bool,
}

#[derive(Debug, Clone, Copy)]
struct Arrived {
    step: u64,
    over_http: bool,
}

#[derive(Debug, Default)]
pub(super) struct OfferCheck {
    persistent: bool,
    process: u32,
    player: String,
    breaks: VecDeque<Break>,
    /// The placements of the `ready`s that the game itself waits for, and whether it has said `not_ready` since.
    asked: VecDeque<String>,
    play_goes_on: bool,
    arrived: BTreeMap<String, Arrived>,
    surfaced: BTreeMap<String, Surfaced>,
    /// How far off the client's idea of the server's clock may be; `None`: it has had no word since a clock was disturbed.
    error: Option<u64>,
    pub(super) marks: Vec<Mark>,
}

impl OfferCheck {
    pub(super) fn new(persistent: bool) -> OfferCheck {
        OfferCheck { persistent, ..OfferCheck::default() }
    }

    pub(super) fn process_starts(&mut self) {
        self.process += 1;
        self.error = None;
        self.player.clear();
        // What was not on the disk by now no later save brings there.
        for surfaced in self.surfaced.values_mut().filter(|s| !s.remembered) {
            (surfaced.popped, surfaced.taken) = (false, None);
        }
    }

    pub(super) fn process_dies(&mut self) {
        self.breaks.clear();
        self.asked.clear();
    }

    pub(super) fn any_open(&self) -> bool {
        !self.breaks.is_empty()
    }

    pub(super) fn input(&mut self, m: Moment, before: Now, input: &Input<'_>, live: Option<bool>) {
        let mono = m.now.mono.saturating_sub(before.mono) as i64;
        let wall = m.now.wall as i64 - before.wall as i64;
        let skew = (mono - wall).unsigned_abs();
        self.error = self.error.filter(|_| skew <= 1_000).map(|e| e + skew);
        match input {
            Input::Command(Command::Ready { placement, lease_ms, .. }) => {
                self.breaks.iter_mut().for_each(|b| b.over = true);
                self.asked.push_back(placement.clone());
                self.play_goes_on = false;
                self.breaks.push_back(Break {
                    placement: placement.clone(),
                    until: m.elapsed + lease_ms,
                    over: false,
                    opened: m.step,
                });
            }
            Input::Command(Command::NotReady { withdrawn }) => {
                self.breaks.iter_mut().for_each(|b| b.over = true);
                self.play_goes_on = true;
                // The game never saw it: it may surface in another break.
                for id in withdrawn {
                    self.surfaced.remove(id);
                    self.marks.push(Mark::Withdrawn);
                }
            }
            Input::Taken { .. } => {
                for surfaced in self.surfaced.values_mut().filter(|s| s.popped && s.taken.is_none()) {
                    surfaced.taken = Some(m.step);
                }
            }
            Input::Text { text, .. } => {
                if let Some(online) = live {
                    self.text(m, text, online);
                }
            }
            Input::HttpResponse { reply: Ok(reply), .. } if reply.status == 200 => {
                if let Ok(answer) = serde_json::from_slice::<ClaimAnswer>(reply.body) {
                    answer.offers.into_iter().for_each(|offer| self.arrive(m, offer, true));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, m: Moment, text: &str, online: bool) {
        let Ok(envelope) = Envelope::decode(text) else { return };
        match &*envelope.kind {
            "authenticated" if !online => {
                let Ok(answer) = envelope.payload_as::<Authenticated>() else { return };
                let another = !self.player.is_empty();
                if self.player != answer.user_id {
                    self.player = answer.user_id;
                    // The former player's data is put away. When he comes back, what the disk has of it counts, as after a restart.
                    if another {
                        self.surfaced.values_mut().for_each(|s| s.process = 0);
                    }
                }
            }
            "new_offer" => {
                if let Ok(offer) = envelope.payload_as::<NewOffer>() {
                    self.arrive(m, offer, false);
                }
            }
            // The server wrote its clock into it; as old as the text is, so wrong can the client be.
            "connected" | "pong" => {
                let age = (EPOCH + m.t).saturating_sub(envelope.timestamp.unsigned_abs());
                let before = self.error.unwrap_or(0);
                self.error = Some(before.max(age));
            }
            _ => {}
        }
    }

    fn arrive(&mut self, m: Moment, offer: NewOffer, over_http: bool) {
        self.arrived.entry(offer.offer_id).or_insert(Arrived { step: m.step, over_http });
    }

    pub(super) fn saved(&mut self, key: &StoreKey, step: u64) {
        if !matches!(key, StoreKey::Player(_)) {
            return;
        }
        for surfaced in self.surfaced.values_mut() {
            surfaced.remembered |= surfaced.taken.is_some_and(|taken| taken <= step);
        }
    }

    pub(super) fn loaded(&mut self, _key: &StoreKey, _found: bool) {}

    /// What was on the disk is lost: an offer may be shown again by a process that can't know better.
    pub(super) fn disk_corrupt(&mut self, _name: &str) {
        for surfaced in self.surfaced.values_mut() {
            (surfaced.remembered, surfaced.popped, surfaced.taken) = (false, false, None);
        }
    }

    pub(super) fn event(&mut self, m: Moment, event: &Event, server_time: i64) -> Broken {
        match event {
            Event::NoOffer { placement } => {
                let Some(open) = self.breaks.pop_front() else {
                    return Err(format!("NoOffer for {placement} answers no ready"));
                };
                if open.placement != *placement {
                    return Err(format!("NoOffer for {placement} answers the ready of {}", open.placement));
                }
                Ok(())
            }
            Event::OfferReady { offer } => self.offer_ready(m, offer, server_time),
            Event::OfferExpired { offer_id } => {
                let Some(surfaced) = self.surfaced.get_mut(offer_id) else {
                    return Err(format!("OfferExpired for {offer_id}, which never surfaced"));
                };
                if std::mem::replace(&mut surfaced.expired, true) {
                    return Err(format!("OfferExpired twice for {offer_id}"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn offer_ready(&mut self, m: Moment, offer: &castline::Offer, server_time: i64) -> Broken {
        let id = &offer.offer_id;
        let Some(open) = self.breaks.pop_front() else {
            return Err(format!("{id} surfaced outside a break"));
        };
        if open.over || m.elapsed >= open.until {
            return Err(format!("{id} surfaced after the break was over"));
        }
        if open.placement != offer.placement {
            return Err(format!("{id} surfaced for {} in the break of {}", offer.placement, open.placement));
        }
        let Some(arrived) = self.arrived.get(id).copied() else {
            return Err(format!("{id} surfaced and never came"));
        };
        if offer.expires_at <= server_time {
            return Err(format!(
                "{id} surfaced after its end by the client's own idea of the server's clock"
            ));
        }
        // The estimate is off by no more than the age of the texts it was made from, and a second for small jumps.
        if let Some(error) = self.error
            && offer.expires_at + error as i64 + 1_000 < (EPOCH + m.t) as i64
        {
            return Err(format!("{id} surfaced after its end by the server's clock, error bound {error} ms"));
        }
        match self.surfaced.get(id) {
            Some(before) if before.process == self.process => return Err(format!("{id} surfaced twice")),
            Some(before) if before.remembered && self.persistent => {
                return Err(format!("{id} surfaced again in a later process although it was remembered"));
            }
            _ => {}
        }
        self.marks.push(match arrived {
            Arrived { over_http: true, .. } => Mark::OfferClaimed,
            Arrived { step, .. } if step < open.opened => Mark::OfferHeld,
            Arrived { .. } => Mark::OfferLive,
        });
        let surfaced =
            Surfaced { process: self.process, taken: None, popped: false, remembered: false, expired: false };
        self.surfaced.insert(id.clone(), surfaced);
        Ok(())
    }

    pub(super) fn popped(&mut self, event: &Event) -> Broken {
        let placement = match event {
            Event::NoOffer { placement } => placement,
            Event::OfferReady { offer } => {
                if self.play_goes_on {
                    return Err(format!("the game gets {} after it said not_ready", offer.offer_id));
                }
                if let Some(surfaced) = self.surfaced.get_mut(&offer.offer_id) {
                    surfaced.popped = true;
                }
                &offer.placement
            }
            _ => return Ok(()),
        };
        match self.asked.pop_front() {
            Some(asked) if asked == *placement => Ok(()),
            other => Err(format!("the game gets an answer for {placement}; it waits for {other:?}")),
        }
    }

    /// A break that is over has its answer.
    pub(super) fn drained(&mut self, m: Moment) -> Broken {
        if let Some(open) = self.breaks.iter().find(|b| b.over || m.elapsed >= b.until) {
            return Err(format!("the ready of {} is over and has no answer", open.placement));
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, server: &Server) -> Broken {
        let unseen =
            server.store.offers.iter().filter(|(id, o)| o.sent > 0 && !self.surfaced.contains_key(*id));
        if unseen.count() > 0 {
            self.marks.push(Mark::OfferExpiredUnseen);
        }
        if let Some(open) = self.breaks.front() {
            return Err(format!("the ready of {} never had an answer", open.placement));
        }
        Ok(())
    }
}
