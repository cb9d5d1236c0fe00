//! The game that a simulated player plays: breaks, events, outcomes, at the times that the scenario orders; and what he saw of
//! it, into the tally. It polls at once and not once a frame, so that no frame time is in the figures.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use castline::{Command, Event, Inbox, Outcome};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::tally::Shared;

/// What the scenario tells a player.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// Says `ready` once, at a random moment within this time.
    Ready { placement: Arc<str>, lease_ms: u64, within: Duration },
    /// Tracks an event.
    Track { name: Arc<str>, props: String },
    /// Plays on: at random moments, this long apart in the mean, an event and a `ready`.
    Play { placement: Arc<str>, every: Duration },
    /// No further `ready`.
    Rest,
    /// Whether an offer is accepted (or declined) a moment after it was shown.
    Decide(bool),
    /// Ends the player.
    GoHome,
}

#[derive(Debug)]
enum Act {
    Ready { placement: Arc<str>, lease_ms: u64 },
    Play,
    Outcome { offer_id: String, outcome: Outcome },
}

/// The SDK's default.
const LEASE_MS: u64 = 10_000;

pub(super) struct Game {
    number: u32,
    shared: Arc<Shared>,
    rng: StdRng,
    /// A few at most.
    agenda: Vec<(Instant, Act)>,
    commands: VecDeque<Command>,
    /// Since when the break is open.
    ready_since: Option<Instant>,
    playing: Option<(Arc<str>, Duration)>,
    decides: bool,
    tracked: u64,
}

impl Game {
    pub(super) fn new(number: u32, seed: u64, shared: Arc<Shared>) -> Game {
        Game {
            number,
            shared,
            rng: StdRng::seed_from_u64(seed),
            agenda: Vec::new(),
            commands: VecDeque::new(),
            ready_since: None,
            playing: None,
            decides: false,
            tracked: 0,
        }
    }

    pub(super) fn take(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Ready { placement, lease_ms, within } => {
                let at = now + within.mul_f64(self.rng.random());
                self.agenda.push((at, Act::Ready { placement, lease_ms }));
            }
            Order::Track { name, props } => self.track(&name, props),
            Order::Play { placement, every } => {
                self.playing = Some((placement, every));
                self.plan_play(now);
            }
            Order::Rest => {
                self.playing = None;
                self.agenda.retain(|(_, act)| !matches!(act, Act::Play));
            }
            Order::Decide(decides) => self.decides = decides,
            Order::GoHome => {}
        }
    }

    fn plan_play(&mut self, now: Instant) {
        let Some((_, every)) = &self.playing else { return };
        // Exponential: each moment is as good as another, as among thousands of players.
        let wait = every.mul_f64((-(1.0 - self.rng.random::<f64>()).ln()).min(5.0));
        self.agenda.push((now + wait, Act::Play));
    }

    fn track(&mut self, name: &str, props: String) {
        self.commands.push_back(Command::Track { name: name.to_owned(), props });
        self.shared.lock().tracked += 1;
    }

    pub(super) fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    pub(super) fn next_act(&self) -> Option<Instant> {
        self.agenda.iter().map(|(at, _)| *at).min()
    }

    /// Does what is due.
    pub(super) fn act(&mut self, now: Instant, inbox: &mut Inbox) {
        while let Some(place) = self.agenda.iter().position(|(at, _)| *at <= now) {
            let (at, act) = self.agenda.swap_remove(place);
            self.shared.lock().lateness.add(now.saturating_duration_since(at));
            match act {
                Act::Ready { placement, lease_ms } => self.ready(&placement, lease_ms, now, inbox),
                Act::Play => {
                    if let Some((placement, _)) = self.playing.clone() {
                        self.tracked += 1;
                        let props = format!(r#"{{"n":{},"fish":"carp","weight":12.5}}"#, self.tracked);
                        self.track("load_catch", props);
                        // A player who still waits for an answer is not at another break.
                        if self.ready_since.is_none() {
                            self.ready(&placement, LEASE_MS, now, inbox);
                        }
                    }
                    self.plan_play(now);
                }
                Act::Outcome { offer_id, outcome } => {
                    self.commands.push_back(Command::OfferResult { offer_id, outcome });
                    self.shared.lock().outcomes += 1;
                }
            }
        }
    }

    fn ready(&mut self, placement: &str, lease_ms: u64, now: Instant, inbox: &mut Inbox) {
        // As games do where they decide what to show; the first read of a session is an exposure.
        let _ = inbox.current_flags().string("load_price", "");
        self.ready_since = Some(now);
        let (placement, context) = (placement.to_owned(), Some(r#"{"level":7}"#.to_owned()));
        self.commands.push_back(Command::Ready { placement, context, lease_ms });
        self.shared.lock().breaks += 1;
    }

    /// A look at a message before the core gets it, for what the core does not tell: when the push of a changed flag came.
    pub(super) fn look_at(&self, text: &str) {
        if text.contains(r#""flags_changed""#) {
            let mut tally = self.shared.lock();
            if let Some(at) = tally.flag_changed_at {
                tally.pushes.add(at.elapsed());
            }
        }
    }

    /// What the SDK tells the game.
    pub(super) fn play(&mut self, event: Event) {
        let now = Instant::now();
        let mut tally = self.shared.lock();
        match event {
            Event::OfferReady { offer } => {
                tally.with_offer += 1;
                if let Some(since) = self.ready_since.take() {
                    tally.offers.add(now.saturating_duration_since(since));
                }
                tally.surfaced.push((self.number, offer.offer_id.clone()));
                tally.outcomes += 1;
                let offer_id = offer.offer_id.clone();
                self.commands.push_back(Command::OfferResult { offer_id, outcome: Outcome::Shown });
                if self.decides {
                    let outcome =
                        if self.rng.random_bool(0.3) { Outcome::Accepted } else { Outcome::Declined };
                    let at = now + Duration::from_millis(self.rng.random_range(500..2_000));
                    self.agenda.push((at, Act::Outcome { offer_id: offer.offer_id, outcome }));
                }
            }
            Event::NoOffer { .. } => {
                self.ready_since = None;
                tally.without_offer += 1;
            }
            Event::FlagsChanged { .. } => {
                tally.has_flags[self.number as usize] = true;
                if let Some(at) = tally.flag_changed_at {
                    tally.flag_changes.add(at.elapsed());
                }
            }
            Event::SessionLost => tally.sessions_lost += 1,
            Event::Dropped { count, what } => {
                tally.dropped += count;
                tally.error(format!("dropped: {what}"));
            }
            Event::OfferExpired { .. } => tally.error("offer expired on the screen"),
            Event::RequestFailed { code, .. } => tally.error(format!("request: {code}")),
            _ => {}
        }
    }
}
