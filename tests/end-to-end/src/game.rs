//! A game that the stories play: it polls like a game loop, hands out tokens when asked, and keeps every event it was told.

use std::time::{Duration, Instant};

use castline::{Break, Cause, Client, Event, Lifecycle, Offer, Options, State};

use crate::PATIENCE;
use crate::server;

/// Where tokens come from; `None`: there is none now.
pub type Provider = Box<dyn FnMut() -> Option<String> + Send>;

/// A move of the connection, as `StateChanged` told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// The state now.
    pub state: State,
    /// Why.
    pub cause: Cause,
    /// The close code, or 0.
    pub code: u16,
    /// Milliseconds to the next try.
    pub retry_in: u64,
}

/// A client and the loop around it.
pub struct Game {
    /// The client under test.
    pub client: Client,
    /// Everything it told, oldest first.
    pub events: Vec<Event>,
    /// Tokens that were asked for.
    pub asked: u32,
    /// Taps "reconnect" whenever the client waits for the network. Without it the client is left to its back-off.
    pub impatient: bool,
    provider: Provider,
    read: usize,
    breaks: usize,
}

impl Game {
    /// Connects, with good tokens for this player.
    pub fn start(url: &str, player: &str) -> Game {
        Game::with(options(url), player)
    }

    /// The same with options of one's own.
    pub fn with(options: Options, player: &str) -> Game {
        let player = player.to_owned();
        Game::with_tokens(options, Box::new(move || Some(server::token(&player))))
    }

    /// Connects, with tokens from `provider`.
    pub fn with_tokens(options: Options, provider: Provider) -> Game {
        let client = Client::connect(options).expect("the options are good");
        Game { client, events: Vec::new(), asked: 0, impatient: false, provider, read: 0, breaks: 0 }
    }

    /// Gives other tokens from now on.
    pub fn change_tokens(&mut self, provider: Provider) {
        self.provider = provider;
    }

    /// One frame: takes what there is.
    pub fn frame(&mut self) {
        while let Some(event) = self.client.poll_event() {
            if event == Event::TokenNeeded {
                self.asked += 1;
                let token = (self.provider)();
                // A token that cannot be one is refused at the call; the game then has none.
                if self.client.set_token(token.as_deref()).is_err() {
                    self.client.set_token(None).expect("none is always a word");
                }
            }
            self.events.push(event);
        }
        if self.impatient && self.client.state() == State::Waiting {
            self.client.reconnect().expect("it is not closed");
        }
    }

    /// Frames until `look` finds something in the game.
    ///
    /// # Panics
    /// It finds nothing within [`PATIENCE`]; the message holds every event so far.
    pub fn until<T>(&mut self, what: &str, mut look: impl FnMut(&mut Game) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.frame();
            if let Some(found) = look(self) {
                return found;
            }
            if Instant::now() >= deadline {
                panic!("waited in vain: {what}\nstate {:?}, events {:#?}", self.client.state(), self.events);
            }
            // The length of a frame; not a wait for anything.
            std::thread::sleep(Duration::from_millis(3));
        }
    }

    /// The next event, beyond those found before, in which `find` finds something.
    pub fn wait<T>(&mut self, what: &str, mut find: impl FnMut(&Event) -> Option<T>) -> T {
        self.until(what, |game| {
            while let Some(event) = game.events.get(game.read) {
                game.read += 1;
                if let Some(found) = find(event) {
                    return Some(found);
                }
            }
            None
        })
    }

    /// The next move into this state.
    pub fn wait_for(&mut self, wanted: State) -> Move {
        self.wait(&format!("{wanted:?}"), |event| moved(event).filter(|to| to.state == wanted))
    }

    /// The next time that the connection is lost or could not be made. Waiting for a token is neither. Where the wait is over before it is
    /// told, the next try is told with the cause of it.
    pub fn lost(&mut self) -> Move {
        let lost = |to: &Move| {
            matches!(to.state, State::Waiting | State::Connecting)
                && !matches!(to.cause, Cause::None | Cause::Token)
        };
        self.wait("the connection to be lost", |event| moved(event).filter(lost))
    }

    /// Until the client is authenticated, whether it was told already or not.
    pub fn online(&mut self) {
        self.until("to be online", |game| (game.client.state() == State::Online).then_some(()));
    }

    /// The game is at a break. [`Game::answer`] has the answer.
    pub fn ready(&mut self, at: impl Into<Break>) {
        self.client.offers().ready(at).expect("a good placement");
        self.breaks += 1;
    }

    /// The answer to the last break, an offer or none. Each break has its own; one that a later break ended has had none.
    pub fn answer(&mut self) -> Option<Offer> {
        self.until("the answer to a break", |game| {
            let answers = game.events.iter().filter_map(|event| match event {
                Event::OfferReady { offer } => Some(Some(offer.clone())),
                Event::NoOffer { .. } => Some(None),
                _ => None,
            });
            let mut answers = answers.skip(game.breaks - 1);
            answers.next()
        })
    }

    /// A break and its answer.
    pub fn break_at(&mut self, placement: &str) -> Option<Offer> {
        self.ready(placement);
        self.answer()
    }

    /// Breaks until there is an offer.
    pub fn offer_at(&mut self, placement: &str) -> Offer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(offer) = self.break_at(placement) {
                return offer;
            }
            assert!(Instant::now() < deadline, "no offer at {placement}; events {:#?}", self.events);
        }
    }

    /// What was told of the network: it changed. The client tries at once.
    pub fn network_changed(&self) {
        self.client.lifecycle(Lifecycle::NetworkChanged);
    }

    /// The moves so far.
    pub fn moves(&self) -> Vec<Move> {
        self.events.iter().filter_map(moved).collect()
    }

    /// The offers that were surfaced so far.
    pub fn offers(&self) -> Vec<String> {
        let surfaced = self.events.iter().filter_map(|event| match event {
            Event::OfferReady { offer } => Some(offer.offer_id.clone()),
            _ => None,
        });
        surfaced.collect()
    }

    /// How many events `is` holds for.
    pub fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| is(event)).count()
    }

    /// Ends in order, with everything sent that can be.
    ///
    /// # Panics
    /// A break had no answer, or more than one.
    pub fn end(mut self) -> Vec<Event> {
        self.client.close(PATIENCE).expect("it closes in time");
        self.impatient = false;
        self.frame();
        let answers = self.count(|e| matches!(e, Event::OfferReady { .. } | Event::NoOffer { .. }));
        assert_eq!(answers, self.breaks, "each break has one answer: {:#?}", self.events);
        self.events
    }
}

impl std::fmt::Debug for Game {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Game")
            .field("client", &self.client)
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// The options that every story begins with.
pub fn options(url: &str) -> Options {
    Options::new(url, "2.0.0")
}

fn moved(event: &Event) -> Option<Move> {
    match event {
        Event::StateChanged { state, cause, code, retry_in, .. } => {
            Some(Move { state: *state, cause: *cause, code: *code, retry_in: *retry_in })
        }
        _ => None,
    }
}
