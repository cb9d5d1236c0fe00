//! The game's side of the events: a bounded queue, and the moment at which fetched flags take effect.
//!
//! Every driver puts what the core says into an [`Inbox`] and hands the game what comes out, behind whatever lock it needs. The policy
//! is here alone: what is dropped or told as one when the game does not poll, and when flags are published. Publishing itself (a
//! swap of the snapshot that the getters use) is the driver's: it does so with every [`Flags`] that a method here returns.

use crate::event::{Dropped, Event, FlagUpdates, RoomChange, State};
use crate::flags::{Flags, Source};
use crate::protocol::limits::MAX_QUEUED_EVENTS;

/// An event on its way to the game.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handed {
    /// What the game is told.
    pub event: Event,
    /// Publish these before the game sees the event.
    pub flags: Option<Flags>,
    /// An acknowledgement waits for this: tell the core [`Inbox::taken`] soon.
    pub durable: bool,
}

#[derive(Debug)]
struct Slot {
    event: Event,
    durable: bool,
    /// Which of the core's events it is, from 1; 0: the inbox or the driver made it.
    number: u64,
    /// Of `FlagsChanged`: what it publishes; `None`: already published.
    flags: Option<Flags>,
}

/// The queue between the core and the game. See [`MAX_QUEUED_EVENTS`] for its bound.
#[derive(Debug)]
pub struct Inbox {
    updates: FlagUpdates,
    /// Oldest first. They are taken out and handed on.
    #[allow(clippy::vec_box)]
    queue: Vec<Box<Slot>>,
    /// How many events the core has pushed.
    pushed: u64,
    /// Dropped and not yet told.
    dropped: u64,
    current: Flags,
    /// Waits for a safe point.
    pending: Option<Flags>,
    session_seen: bool,
}

impl Inbox {
    /// An empty inbox; `initial` is what the getters give now.
    pub fn new(updates: FlagUpdates, initial: Flags) -> Inbox {
        initial.mark_applied();
        let session_seen = initial.source() == Source::Session && !initial.version().is_empty();
        Inbox {
            updates,
            queue: Vec::new(),
            pushed: 0,
            dropped: 0,
            current: initial,
            pending: None,
            session_seen,
        }
    }

    /// The core's next event. Beyond 256 the oldest `Message` or `RoomMessage` is dropped, then the oldest `PlayerJoined` or
    /// `PlayerLeft`, and what a later event of the same room has overtaken. Durable events and answers stay: there can be no more of
    /// them than requests are open and the server sends unacknowledged.
    pub fn push(&mut self, event: Event, durable: bool) {
        self.pushed += 1;
        self.queue_up(event, durable, self.pushed);
    }

    /// An event that the driver makes itself, such as `TokenNeeded` for `FetchToken`: the core doesn't know of it, so it stays out of
    /// the count of [`Inbox::taken`].
    pub fn push_own(&mut self, event: Event) {
        self.queue_up(event, false, 0);
    }

    fn queue_up(&mut self, event: Event, durable: bool, number: u64) {
        let Some(event) = self.coalesce(event) else { return };
        self.queue.push(Box::new(Slot { event, durable, number, flags: None }));
        self.keep_bound();
    }

    /// Joins an event to one that waits; `None`: nothing is left to queue.
    fn coalesce(&mut self, mut event: Event) -> Option<Event> {
        match &mut event {
            Event::StateChanged { state, previous, .. } => {
                let waits = |event: &Event| matches!(event, Event::StateChanged { .. });
                // The earlier move is told with the later one, at its place: nothing that came between is told too late.
                if let Some(slot) = self.take(&|slot| waits(&slot.event))
                    && let Event::StateChanged { previous: from, .. } = slot.event
                {
                    *previous = from;
                    // There and back is no move; but another wait ends at another time, which the game may show.
                    if from == *state && from != State::Waiting {
                        return None;
                    }
                }
            }
            Event::TokenNeeded if self.queue.iter().any(|slot| matches!(slot.event, Event::TokenNeeded)) => {
                return None;
            }
            Event::SessionLost => {
                // One is enough, unless something of a session in between waits behind it, which the next one may repeat.
                let told = self.queue.iter().rposition(|slot| matches!(slot.event, Event::SessionLost));
                if told.is_some_and(|at| !self.queue[at..].iter().any(|slot| slot.durable)) {
                    return None;
                }
            }
            Event::Dropped { what, count } => {
                for slot in &mut self.queue {
                    if let Event::Dropped { what: same, count: waiting } = &mut slot.event
                        && same == what
                    {
                        *waiting = waiting.saturating_add(*count);
                        return None;
                    }
                }
            }
            Event::FlagsChanged { .. } => {
                self.take(&|slot| slot.flags.is_none() && matches!(slot.event, Event::FlagsChanged { .. }));
            }
            _ => {}
        }
        Some(event)
    }

    fn keep_bound(&mut self) {
        while self.queue.len() > MAX_QUEUED_EVENTS {
            let message = |e: &Event| matches!(e, Event::Message { .. } | Event::RoomMessage { .. });
            let moved = |e: &Event| {
                matches!(
                    e,
                    Event::RoomChanged { change: RoomChange::PlayerJoined | RoomChange::PlayerLeft, .. }
                )
            };
            let found = self.oldest(&message).or_else(|| self.oldest(&moved));
            if let Some(at) = found {
                self.queue.remove(at);
                self.dropped += 1;
            } else if !self.join_rooms() {
                return;
            }
        }
    }

    fn oldest(&self, kind: &dyn Fn(&Event) -> bool) -> Option<usize> {
        self.queue.iter().position(|slot| !slot.durable && kind(&slot.event))
    }

    /// The last event against the earlier ones of its room: of gaps the sum is told, of joining and leaving the last. Whether
    /// anything was joined.
    fn join_rooms(&mut self) -> bool {
        let Some(mut last) = self.queue.pop() else { return false };
        let overtaken = |slot: &Slot| match (&slot.event, &last.event) {
            _ if slot.durable => false,
            (Event::RoomGap { game_id: a, .. }, Event::RoomGap { game_id: b, .. }) => a == b,
            (Event::RoomChanged { game_id: a, .. }, Event::RoomChanged { game_id: b, .. }) => a == b,
            _ => false,
        };
        let found = self.take(&overtaken);
        if let Some(found) = &found
            && let (Event::RoomGap { missing: before, .. }, Event::RoomGap { missing, .. }) =
                (&found.event, &mut last.event)
        {
            *missing = missing.saturating_add(*before);
        }
        self.queue.push(last);
        found.is_some()
    }

    /// Takes the oldest slot of its kind out of the queue.
    fn take(&mut self, kind: &dyn Fn(&Slot) -> bool) -> Option<Box<Slot>> {
        let at = self.queue.iter().position(|slot| kind(slot))?;
        Some(self.queue.remove(at))
    }

    /// Takes the `FlagsChanged` that would publish something.
    fn take_flags(&mut self) -> Option<Box<Slot>> {
        self.take(&|slot| slot.flags.is_some())
    }

    /// Play goes on: every `OfferReady` that waits becomes `NoOffer`, so that none can surface in active play. Returns the offers' ids,
    /// for [`Command::NotReady`](crate::Command::NotReady).
    pub fn not_ready(&mut self) -> Vec<String> {
        let mut withdrawn = Vec::new();
        for slot in &mut self.queue {
            if let Event::OfferReady { offer } = &mut slot.event {
                withdrawn.push(std::mem::take(&mut offer.offer_id));
                slot.event = Event::NoOffer { placement: std::mem::take(&mut offer.placement) };
            }
        }
        withdrawn
    }

    /// Freshly decoded flags. `Some`: publish them now, for the values are what the getters give already and only the reasons are
    /// fresher. Otherwise they are published with the `FlagsChanged` that tells of them: at once with `Immediate`; with `AtBreak` at
    /// [`Inbox::apply_flags`], but for a run's first answer (and the disk's before it) while no flag has been read.
    #[must_use = "publish the returned flags"]
    pub fn offer_flags(&mut self, flags: Flags) -> Option<Flags> {
        let first = !self.session_seen;
        self.session_seen |= flags.source() == Source::Session && !flags.version().is_empty();
        let waiting = self.take_flags();
        if flags.same_as(&self.current) {
            self.pending = None;
            return Some(self.adopt(flags));
        }
        let now = match self.updates {
            FlagUpdates::Immediate => true,
            FlagUpdates::AtBreak => (first || waiting.is_some()) && !self.current.any_read(),
        };
        if now {
            self.pending = None;
            self.announce(flags.version().to_owned(), Some(flags));
        } else {
            self.pending = Some(flags);
        }
        None
    }

    /// A safe point. `Some`: publish these before the call returns to the game; where they differ, `FlagsChanged` follows.
    #[must_use = "publish the returned flags"]
    pub fn apply_flags(&mut self) -> Option<Flags> {
        let announced = self.take_flags().and_then(|slot| slot.flags);
        let flags = self.pending.take().or(announced)?;
        if !flags.same_as(&self.current) {
            self.announce(flags.version().to_owned(), None);
        }
        Some(self.adopt(flags))
    }

    fn announce(&mut self, version: String, flags: Option<Flags>) {
        // One that is published already and not yet told is told with this one.
        self.take(&|slot| matches!(slot.event, Event::FlagsChanged { .. }));
        let event = Event::FlagsChanged { version };
        self.queue.push(Box::new(Slot { event, durable: false, number: 0, flags }));
        self.keep_bound();
    }

    fn adopt(&mut self, flags: Flags) -> Flags {
        flags.adopt_reads(&self.current);
        flags.mark_applied();
        self.current = flags.clone();
        flags
    }

    /// The next event for the game.
    pub fn pop(&mut self) -> Option<Handed> {
        if self.dropped > 0 {
            // The oldest were dropped, so this comes before what is left.
            let count = std::mem::take(&mut self.dropped);
            let event = Event::Dropped { what: Dropped::Events, count };
            return Some(Handed { event, flags: None, durable: false });
        }
        loop {
            let slot = self.take(&|_| true)?;
            let flags = match slot.flags {
                // A flag was read after the first answer came: the answer waits for a break like any other.
                Some(flags) if self.updates == FlagUpdates::AtBreak && self.current.any_read() => {
                    self.pending.get_or_insert(flags);
                    continue;
                }
                Some(flags) => Some(self.adopt(flags)),
                None => None,
            };
            return Some(Handed { event: slot.event, flags, durable: slot.durable });
        }
    }

    /// What the getters give now.
    pub fn current_flags(&self) -> Flags {
        self.current.clone()
    }

    /// How many events wait.
    pub fn len(&self) -> usize {
        self.queue.len() + usize::from(self.dropped > 0)
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.dropped == 0
    }

    /// Every event of the core up to this one, by its running number, was handed over, dropped or joined to another: for
    /// [`Input::Taken`](crate::Input::Taken).
    pub fn taken(&self) -> u64 {
        // Numbers grow towards the end; only what the inbox or the driver made has none.
        self.queue.iter().find(|slot| slot.number > 0).map_or(self.pushed, |slot| slot.number - 1)
    }
}

#[cfg(test)]
mod tests;
