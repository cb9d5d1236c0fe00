//! The game: calls whatever it likes at moments of its own, and looks at its events when it feels like it.

use castline::protocol::Channel;
use castline::{Command, Outcome, RequestId, State};

use crate::rng::Rng;
use crate::world::World;

/// What the game remembers.
#[derive(Debug)]
pub(crate) struct Game {
    rng: Rng,
    pace: u64,
    /// How long an event waits for the game to look.
    pub(crate) delay: u64,
    requests: u64,
    works: u64,
    tracks: u64,
    /// Offers that it has shown.
    shown: Vec<String>,
}

/// The rooms there are.
pub(crate) const ROOMS: [&str; 3] = ["dice", "pond", "reef"];
const PLACEMENTS: [&str; 3] = ["level_completed", "rare_fish", "shop_opened"];

impl Game {
    pub(crate) fn new(rng: Rng, pace: u64) -> Game {
        Game { rng, pace, delay: 30, requests: 0, works: 0, tracks: 0, shown: Vec::new() }
    }

    pub(crate) fn first_act(&mut self) -> u64 {
        self.rng.below(2_000)
    }

    pub(crate) fn pause(&mut self) -> u64 {
        self.rng.range(1, self.pace * 2)
    }

    pub(crate) fn poll_delay(&mut self) -> u64 {
        if self.delay > 1_000 { self.delay } else { self.rng.range(0, self.delay) }
    }

    pub(crate) fn process_died(&mut self) {
        self.shown.clear();
    }

    /// An offer is on the screen: what the player does with it at once.
    pub(crate) fn judge(&mut self, offer_id: &str) -> Vec<Command> {
        let tell = |outcome| Command::OfferResult { offer_id: offer_id.into(), outcome };
        self.shown.push(offer_id.into());
        match self.rng.below(4) {
            0 => Vec::new(),
            1 => vec![tell(Outcome::Shown)],
            2 => vec![tell(Outcome::Shown), tell(Outcome::Accepted)],
            _ => vec![tell(Outcome::Shown), tell(Outcome::Declined)],
        }
    }

    pub(crate) fn ready(&mut self, lease_ms: u64) -> Command {
        let placement = self.rng.pick(&PLACEMENTS).to_owned();
        let context = self.rng.chance(30).then(|| "{\"level\":3}".to_owned());
        Command::Ready { placement, context, lease_ms }
    }

    /// `work {n}`: `n` is unique in the history.
    pub(crate) fn request(&mut self) -> Command {
        self.requests += 1;
        self.works += 1;
        let n = self.works;
        let fail = match self.rng.below(12) {
            0 => ",\"fail\":\"RATE_LIMITED\"",
            1 => ",\"fail\":\"INTERNAL\"",
            _ => "",
        };
        // Now and then as large as the check at the call lets through.
        let pad = "x".repeat(if self.rng.chance(3) { 16_000 } else { 0 });
        Command::Request {
            request: RequestId(self.requests),
            channel: Channel::Game,
            kind: "work".into(),
            payload: format!("{{\"n\":{n}{fail},\"pad\":\"{pad}\"}}"),
            timeout_ms: self.rng.pick(&[500, 3_000, 10_000, 10_000, 60_000, 600_000]),
            key: self.rng.chance(60).then(|| format!("key-{n}")),
        }
    }

    pub(crate) fn track(&mut self, pad: usize) -> Command {
        self.tracks += 1;
        let pad = "x".repeat(if self.rng.chance(10) { 1_500 } else { pad });
        Command::Track {
            name: "level_completed".into(),
            props: format!("{{\"n\":{},\"pad\":\"{pad}\"}}", self.tracks),
        }
    }

    fn bet(&mut self) -> Command {
        self.requests += 1;
        Command::PlaceBet {
            request: RequestId(self.requests),
            game_id: "dice".into(),
            amount: 100,
            selection: "{\"under\":50}".into(),
            client_seed: None,
            key: self.rng.chance(80).then(|| format!("bet-{}", self.requests)),
        }
    }

    fn draw(&mut self) -> Command {
        let game_id = self.rng.pick(&ROOMS).to_owned();
        match self.rng.below(100) {
            0..=29 => {
                let lease = self.rng.pick(&[1_000, 3_000, 10_000, 10_000, 60_000]);
                self.ready(lease)
            }
            30..=37 => Command::NotReady { withdrawn: vec![] },
            38..=57 => self.request(),
            58..=62 => {
                self.works += 1;
                let payload = format!("{{\"n\":{}}}", self.works);
                Command::Send { channel: Channel::Game, kind: "work".into(), payload }
            }
            63..=78 => self.track(0),
            79..=82 => Command::Join { game_id },
            83..=84 => Command::Leave { game_id },
            85..=86 => Command::RoomSend { game_id, event: "splash".into(), data: "{}".into() },
            87..=90 => self.bet(),
            91..=94 => match self.shown.last() {
                Some(offer) => Command::OfferResult { offer_id: offer.clone(), outcome: Outcome::Declined },
                None => Command::NotReady { withdrawn: vec![] },
            },
            95..=96 => Command::SetAttributes("{\"level\":4}".into()),
            97..=98 => Command::Reconnect,
            _ => self.track(0),
        }
    }
}

impl World {
    /// The game does something, if there is a game and it is awake.
    pub(crate) fn act(&mut self) {
        if self.device.process.is_none()
            || self.device.asleep.is_some()
            || self.checks.state() == State::Closed
        {
            return;
        }
        if self.game.rng.chance(20)
            && let Some(process) = &self.device.process
        {
            // Read through the snapshot, as a getter does: an exposure may follow.
            let _price = process.inbox.current_flags().i64("price", 0);
        }
        if self.game.rng.below(2_000) == 0 {
            self.command(Command::Close);
            return;
        }
        let command = self.game.draw();
        self.command(command);
    }

    /// More at once than the bounds allow.
    pub(crate) fn burst(&mut self) {
        if self.device.process.is_none()
            || self.device.asleep.is_some()
            || self.checks.state() == State::Closed
        {
            return;
        }
        match self.rng.below(8) {
            0 | 1 => {
                for _ in 0..70 {
                    let command = self.game.request();
                    self.command(command);
                }
            }
            2..=4 => {
                for _ in 0..120 {
                    let command = self.game.track(0);
                    self.command(command);
                }
            }
            // More than the disk may hold of them.
            5 => {
                for _ in 0..400 {
                    let command = self.game.track(1_700);
                    self.command(command);
                }
            }
            _ => {
                for _ in 0..280 {
                    self.server.announce(self.t);
                    self.flush();
                }
            }
        }
    }
}
