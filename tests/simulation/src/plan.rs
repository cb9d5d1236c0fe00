//! What a history will be: drawn from the seed before it begins, so that it does not depend on what the client does.
//!
//! Each history gets a handful of the fault classes (not all of them: a history in which everything fails tests little), its own
//! pace of game and server, and its own device.

use castline::{FlagUpdates, Lifecycle};

use crate::network::Weather;
use crate::rng::Rng;
use crate::server::Wrong;

/// What the token source does from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenMode {
    Good,
    Slow,
    None,
    Expired,
    Forged,
    /// Good, but dies within seconds.
    Short,
}

/// What the disk does from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskMode {
    Good,
    Slow,
    Failing,
}

/// What answers `/flags` (and sometimes everything else) over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HttpMode {
    Good,
    ServerError,
    TooMany,
    Portal,
    Oversized,
    Empty,
    HalfMalformed,
    Redirect,
    Lost,
    Hanging,
}

/// One thing that goes wrong, or right again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    Cut,
    HalfOpen,
    Stall(u64),
    Weather(Weather),
    Refuse(Option<u64>),
    ServerRestart {
        down_ms: u64,
    },
    ServerUp,
    Drain,
    ServerClose(u16),
    /// The same install connects elsewhere.
    Elsewhere,
    Suspend {
        ms: u64,
        mono_stops: bool,
    },
    WallJump(i64),
    Lifecycle(Lifecycle),
    Hidden(bool),
    Kill {
        after_ms: u64,
    },
    Player(usize),
    Tokens(TokenMode),
    Disk(DiskMode),
    CorruptDisk,
    Polling(u64),
    Http(HttpMode),
    Wrong(Wrong),
    Prize,
    Bet,
    Offer {
        lives_ms: u64,
    },
    Announce,
    Splash,
    ChangeFlags {
        spread_ms: u64,
    },
    Burst,
}

/// A history's shape.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// When the calm begins.
    pub(crate) until: u64,
    pub(crate) faults: Vec<(u64, Fault)>,
    /// Mean time between two acts of the game, ms.
    pub(crate) pace: u64,
    pub(crate) persistent: bool,
    /// Tokens come by the game's event loop (as `set_token`), not by a provider.
    pub(crate) token_by_game: bool,
    pub(crate) flag_updates: FlagUpdates,
    /// The driver reports ends and texts of sockets that the core has given up.
    pub(crate) sloppy: bool,
    /// The server breaks its word in this history: some promises do not hold then.
    pub(crate) misbehaving: bool,
    pub(crate) slowness: u64,
    pub(crate) idle_timeout: u64,
    pub(crate) first_token: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Cuts,
    Silence,
    Stalls,
    Weather,
    Refusals,
    Restarts,
    Drains,
    Closes,
    Elsewhere,
    Sleep,
    Clock,
    Life,
    Hidden,
    Death,
    Players,
    Tokens,
    Disk,
    Polling,
    Http,
    Wrong,
    Bursts,
}

const CLASSES: &[Class] = &[
    Class::Cuts,
    Class::Silence,
    Class::Stalls,
    Class::Weather,
    Class::Refusals,
    Class::Restarts,
    Class::Drains,
    Class::Closes,
    Class::Elsewhere,
    Class::Sleep,
    Class::Clock,
    Class::Life,
    Class::Hidden,
    Class::Death,
    Class::Players,
    Class::Tokens,
    Class::Disk,
    Class::Polling,
    Class::Http,
    Class::Wrong,
    Class::Bursts,
];

/// What the server says by itself.
const SPEECH: &[fn(&mut Rng) -> Fault] = &[
    |_| Fault::Prize,
    |_| Fault::Prize,
    |_| Fault::Bet,
    |r| Fault::Offer { lives_ms: r.skewed(500, 600_000) },
    |r| Fault::Offer { lives_ms: r.range(20_000, 600_000) },
    |_| Fault::Announce,
    |_| Fault::Splash,
    |_| Fault::Splash,
    |r| Fault::ChangeFlags { spread_ms: r.below(3_000) },
];

impl Plan {
    pub(crate) fn draw(seed: u64) -> Plan {
        let mut rng = Rng::new(seed).fork(1);
        let until = match rng.below(10) {
            0 => rng.range(300_000, 4_000_000),
            1..=4 => rng.range(60_000, 400_000),
            _ => rng.range(10_000, 90_000),
        };
        let amount = rng.range(1, 5);
        let classes: Vec<Class> = (0..amount).map(|_| rng.pick(CLASSES)).collect();
        let mut faults = Vec::new();
        for &class in &classes {
            for _ in 0..rng.skewed(1, 8) {
                let at = rng.below(until);
                class.draw(&mut rng, at, &mut faults);
            }
        }
        for _ in 0..rng.skewed(2, 24) {
            let at = rng.below(until);
            let speech = rng.pick(SPEECH);
            faults.push((at, speech(&mut rng)));
        }
        faults.sort_by_key(|(at, _)| *at);
        Plan {
            seed,
            until,
            faults,
            pace: rng.pick(&[300, 1_000, 3_000, 10_000, 60_000]).max(until / 60),
            persistent: !rng.chance(10),
            token_by_game: rng.chance(40),
            flag_updates: rng.pick(&[FlagUpdates::Immediate, FlagUpdates::AtBreak]),
            sloppy: rng.chance(30),
            misbehaving: classes.contains(&Class::Wrong),
            slowness: rng.pick(&[0, 30, 300, 3_000]),
            idle_timeout: rng.pick(&[300_000, 60_000, 20_000]),
            first_token: rng.chance(50),
        }
    }
}

impl Plan {
    /// Whether another player logs in at some time.
    pub(crate) fn players_change(&self) -> bool {
        self.faults.iter().any(|(_, fault)| matches!(fault, Fault::Player(player) if *player > 0))
    }
}

impl Class {
    fn draw(self, rng: &mut Rng, at: u64, out: &mut Vec<(u64, Fault)>) {
        let spell = rng.skewed(200, 90_000);
        let fault = match self {
            Class::Cuts => Fault::Cut,
            Class::Silence => Fault::HalfOpen,
            Class::Stalls => Fault::Stall(rng.skewed(100, 30_000)),
            Class::Weather => {
                out.push((at + spell, Fault::Weather(Weather::Good)));
                Fault::Weather(rng.pick(&[Weather::Slow, Weather::Down, Weather::Hole]))
            }
            Class::Refusals => {
                out.push((at + spell, Fault::Refuse(None)));
                out.push((at, Fault::Cut));
                Fault::Refuse(Some(rng.range(1, 20) * 1_000))
            }
            Class::Restarts => {
                out.push((at + spell.min(20_000), Fault::ServerUp));
                Fault::ServerRestart { down_ms: spell.min(20_000) }
            }
            Class::Drains => Fault::Drain,
            Class::Closes => Fault::ServerClose(rng.pick(&[
                1000, 1001, 1006, 1009, 1011, 1013, 4001, 4002, 4008, 4009, 4029, 4029, 4999, 4077, 4500,
                4503,
            ])),
            Class::Elsewhere => Fault::Elsewhere,
            Class::Sleep => Fault::Suspend { ms: rng.skewed(500, 7_200_000), mono_stops: rng.chance(60) },
            Class::Clock => {
                let by = rng.skewed(500, 86_400_000) as i64;
                Fault::WallJump(if rng.chance(50) { by } else { -by })
            }
            Class::Life => return life(rng, at, spell, out),
            Class::Hidden => {
                out.push((at + spell * 3, Fault::Hidden(false)));
                Fault::Hidden(true)
            }
            Class::Death => Fault::Kill { after_ms: rng.skewed(10, 300_000) },
            Class::Players => {
                out.push((at + 1, Fault::Kill { after_ms: rng.skewed(10, 5_000) }));
                if rng.chance(50) {
                    out.push((at + 1, Fault::Cut));
                    out.remove(out.len() - 2);
                }
                Fault::Player(rng.below(3) as usize)
            }
            Class::Tokens => {
                out.push((at + spell, Fault::Tokens(TokenMode::Good)));
                out.push((at + 1, Fault::Cut));
                let modes = [
                    TokenMode::Slow,
                    TokenMode::None,
                    TokenMode::Expired,
                    TokenMode::Forged,
                    TokenMode::Short,
                ];
                Fault::Tokens(rng.pick(&modes))
            }
            Class::Disk => {
                out.push((at + spell, Fault::Disk(DiskMode::Good)));
                if rng.chance(40) {
                    out.push((at + spell / 2, Fault::CorruptDisk));
                    out.push((at + spell / 2 + 1, Fault::Kill { after_ms: rng.skewed(10, 5_000) }));
                }
                Fault::Disk(rng.pick(&[DiskMode::Slow, DiskMode::Failing]))
            }
            Class::Polling => {
                out.push((at + spell * 2, Fault::Polling(30)));
                Fault::Polling(rng.pick(&[5_000, 60_000, u64::MAX / 4]))
            }
            Class::Http => {
                out.push((at + spell, Fault::Http(HttpMode::Good)));
                out.push((at + 1, Fault::ChangeFlags { spread_ms: 0 }));
                let modes = [
                    HttpMode::ServerError,
                    HttpMode::TooMany,
                    HttpMode::Portal,
                    HttpMode::Oversized,
                    HttpMode::Empty,
                    HttpMode::HalfMalformed,
                    HttpMode::Redirect,
                    HttpMode::Lost,
                    HttpMode::Hanging,
                ];
                Fault::Http(rng.pick(&modes))
            }
            Class::Wrong => Fault::Wrong(rng.pick(Wrong::ALL)),
            Class::Bursts => Fault::Burst,
        };
        out.push((at, fault));
    }
}

fn life(rng: &mut Rng, at: u64, spell: u64, out: &mut Vec<(u64, Fault)>) {
    let spell = spell.max(rng.skewed(500, 60_000));
    if rng.chance(50) {
        out.push((at, Fault::Lifecycle(Lifecycle::Background)));
        out.push((at + spell, Fault::Lifecycle(Lifecycle::Foreground)));
    } else {
        if rng.chance(70) {
            out.push((at, Fault::Lifecycle(Lifecycle::NetworkLost)));
        }
        if rng.chance(50) {
            out.push((at, Fault::HalfOpen));
        }
        out.push((at + spell, Fault::Lifecycle(Lifecycle::NetworkChanged)));
    }
}
