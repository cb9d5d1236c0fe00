//! What the end-to-end stories are told with: a network that fails on demand, servers good and bad, and a game.
//!
//! Everything listens on a free port of 127.0.0.1 and ends with its value, so that stories can run side by side. Nothing here
//! measures time: a wait is for an event, with a deadline far beyond what a busy machine needs.

pub mod authority;
pub mod database;
pub mod front;
pub mod game;
pub mod player;
pub mod proxy;
pub mod raw;
pub mod server;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

/// No wait in a story is longer.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The runtime of everything here that is asynchronous; the client under test has a thread of its own and never sees it.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).thread_name("e2e").enable_all().build().expect("a runtime starts")
    })
}

/// Looks again and again until `look` finds what it is after.
///
/// # Panics
/// It does not within [`PATIENCE`]; `what` says what was waited for.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Random numbers from a seed, so that a story's history can be told again.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The same seed, the same numbers.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// 0 … `below` − 1 (splitmix64).
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}
