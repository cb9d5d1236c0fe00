//! The game: a loop of sixty frames a second that asks Castline for events once a frame, as any game would.
//!
//! It only listens and remembers. What ought to happen, and in which order, is told in `main`.

use crate::screen::{Screen, span};
use anyhow::{Result, bail};
use castline::{Cause, Client, Event, Offer, State};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 60);

/// The whole story takes less.
const AT_MOST: Duration = Duration::from_secs(120);

/// What came in so far.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) offers: Vec<Offer>,
    pub(crate) breaks_without_offer: u64,
    pub(crate) online: u64,
    pub(crate) offline: u64,
    pub(crate) flags_changed: u64,
    pub(crate) dropped: u64,
    pub(crate) sessions_lost: u64,
    pub(crate) frames: u64,
    pub(crate) fish: u64,
    /// The longest time that one frame spent inside Castline.
    pub(crate) slowest: Duration,
}

pub(crate) struct Game<'a> {
    pub(crate) client: Arc<Client>,
    pub(crate) seen: Seen,
    screen: &'a Screen,
    /// Gets a token for this player: the game's own business, on a thread of its own.
    token: Arc<dyn Fn() -> Result<String> + Send + Sync>,
    next_frame: Instant,
}

impl<'a> Game<'a> {
    pub(crate) fn new(
        client: Client,
        screen: &'a Screen,
        token: impl Fn() -> Result<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            client: Arc::new(client),
            seen: Seen::default(),
            screen,
            token: Arc::new(token),
            next_frame: Instant::now(),
        }
    }

    /// Plays on until `done`, and says how long that took.
    ///
    /// # Errors
    /// It took longer than `within`: `what` did not happen.
    pub(crate) fn until(
        &mut self,
        what: &str,
        within: Duration,
        mut done: impl FnMut(&Seen) -> bool,
    ) -> Result<Duration> {
        let started = Instant::now();
        while !done(&self.seen) {
            if started.elapsed() > within {
                bail!(
                    "{what}: did not happen within {} (the client is {})",
                    span(within),
                    self.client.state()
                );
            }
            self.frame(0)?;
        }
        Ok(started.elapsed())
    }

    /// Plays for a while and catches `fish`, evenly spread.
    pub(crate) fn play(&mut self, time: Duration, fish: u32) -> Result<()> {
        let started = Instant::now();
        let mut caught = 0;
        while started.elapsed() < time {
            let due = caught < fish && started.elapsed() >= time * (2 * caught + 1) / (2 * fish);
            caught += u32::from(due);
            self.frame(u64::from(due))?;
        }
        Ok(())
    }

    /// One frame: the fish caught in it, all events that are there, then sleep for the rest of the 16.7 ms.
    fn frame(&mut self, caught: u64) -> Result<()> {
        let started = Instant::now();
        for _ in 0..caught {
            self.seen.fish += 1;
            self.client.track("fish_caught", &format!(r#"{{"n":{}}}"#, self.seen.fish))?;
        }
        let mut spent = started.elapsed();
        loop {
            let asked = Instant::now();
            let event = self.client.poll_event();
            spent += asked.elapsed();
            let Some(event) = event else { break };
            self.hear(event)?;
        }
        self.seen.slowest = self.seen.slowest.max(spent);
        self.seen.frames += 1;
        if self.screen.elapsed() > AT_MOST {
            bail!("the story takes longer than {}", span(AT_MOST));
        }
        self.next_frame = (self.next_frame + FRAME).max(started);
        std::thread::sleep(self.next_frame.saturating_duration_since(Instant::now()));
        Ok(())
    }

    fn hear(&mut self, event: Event) -> Result<()> {
        match event {
            Event::TokenNeeded => {
                // That is a request to the game's own backend, which a frame must not wait for.
                let (client, token) = (Arc::clone(&self.client), Arc::clone(&self.token));
                std::thread::spawn(move || {
                    // Refused only when the client was closed meanwhile: then nobody needs it any more.
                    let _ = client.set_token(token().ok().as_deref());
                });
            }
            Event::StateChanged { state: State::Online, .. } => self.seen.online += 1,
            Event::StateChanged { state: State::Failed, cause, code, .. } => {
                bail!("the client gave up: {cause}, close code {code}");
            }
            Event::StateChanged { state: State::Waiting, cause: Cause::Network, retry_in, .. } => {
                self.seen.offline += 1;
                let next = span(Duration::from_millis(retry_in));
                self.screen.line("network", format!("no connection; the next try comes in {next}"));
            }
            Event::OfferReady { offer } => self.seen.offers.push(offer),
            Event::NoOffer { .. } => self.seen.breaks_without_offer += 1,
            Event::FlagsChanged { .. } => self.seen.flags_changed += 1,
            Event::Dropped { count, .. } => self.seen.dropped += count,
            Event::SessionLost => self.seen.sessions_lost += 1,
            _ => {}
        }
        Ok(())
    }
}
