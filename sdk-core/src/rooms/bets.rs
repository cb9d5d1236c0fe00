//! Bets: which seed the next one names, which are unanswered, which are settled already.

/// Settled bets remembered, so that each is told once.
const MAX_SETTLED: usize = 256;
/// Unanswered bets kept for a later process.
const MAX_UNANSWERED: usize = 64;
/// How often a bet's seed is renewed before the server's refusal reaches the game.
pub(crate) const MAX_RENEWALS: u32 = 5;

/// What is needed to write a bet again with another seed.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) key: String,
    pub(crate) game_id: String,
    pub(crate) amount: i64,
    pub(crate) selection: String,
    pub(crate) client_seed: String,
    pub(crate) renewals: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Bets {
    /// Bets whose request is open.
    placed: Vec<Placed>,
    /// Keys without an answer, oldest first. On disk.
    pub(crate) unanswered: Vec<String>,
    /// With the event that told of each.
    settled: Vec<(String, u64)>,
    /// The seed hash for the next bet, by game.
    next_hash: Vec<(String, String)>,
}

impl Bets {
    /// A bet is about to be sent. A key that is placed again is no longer asked for as an earlier one.
    pub(crate) fn place(&mut self, placed: Placed) {
        let key = placed.key.clone();
        self.answered(&key);
        self.placed.push(placed);
        if self.unanswered.len() >= MAX_UNANSWERED {
            self.unanswered.remove(0);
        }
        self.unanswered.push(key);
    }

    /// A bet whose request is open.
    pub(crate) fn placed(&self, key: &str) -> Option<&Placed> {
        self.placed.iter().find(|placed| placed.key == key)
    }

    /// The hash to bet on; empty where none is known, which makes the server name it.
    pub(crate) fn hash_for(&self, game_id: &str) -> &str {
        self.next_hash.iter().find(|(id, _)| id == game_id).map_or("", |(_, hash)| hash)
    }

    pub(crate) fn learn_hash(&mut self, game_id: &str, hash: &str) {
        if hash.is_empty() {
            return;
        }
        match self.next_hash.iter_mut().find(|(id, _)| id == game_id) {
            Some((_, known)) => hash.clone_into(known),
            None => self.next_hash.push((game_id.to_owned(), hash.to_owned())),
        }
    }

    /// `SEED_USED`: whether to write the bet again, which ends when it was tried often enough.
    pub(crate) fn renew(&mut self, key: &str, hash: &str) -> bool {
        let known = self.placed.iter_mut().find(|placed| placed.key == key);
        let Some(placed) = known.filter(|p| p.renewals < MAX_RENEWALS && !hash.is_empty()) else {
            return false;
        };
        placed.renewals += 1;
        let game_id = placed.game_id.clone();
        self.learn_hash(&game_id, hash);
        true
    }

    /// The server answered: nobody will have to ask again. Returns the game that the bet was in, if this process placed it.
    pub(crate) fn answered(&mut self, key: &str) -> Option<String> {
        if let Some(at) = self.unanswered.iter().position(|k| k == key) {
            self.unanswered.remove(at);
        }
        self.given_up(key)
    }

    /// The request ended without an answer: the key stays, to be asked for. Returns the game as [`Bets::answered`] does.
    pub(crate) fn given_up(&mut self, key: &str) -> Option<String> {
        let at = self.placed.iter().position(|placed| placed.key == key)?;
        Some(self.placed.remove(at).game_id)
    }

    /// An earlier bet to ask for on a new connection, but for those that are asked for.
    pub(crate) fn to_ask(&self, is_asked: &dyn Fn(&str) -> bool) -> Option<&str> {
        let key = self.unanswered.iter().find(|key| self.placed(key).is_none() && !is_asked(key))?;
        Some(key)
    }

    /// The event that told of this result, if one has.
    pub(crate) fn told(&self, key: &str) -> Option<u64> {
        self.settled.iter().find(|(k, _)| k == key).map(|(_, event)| *event)
    }

    /// This event tells of the result.
    pub(crate) fn settle(&mut self, key: String, event: u64) {
        if self.settled.len() >= MAX_SETTLED {
            self.settled.remove(0);
        }
        self.settled.push((key, event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed() -> Placed {
        Placed {
            key: "k".into(),
            game_id: "dice".into(),
            amount: 5,
            selection: "{}".into(),
            client_seed: "s".into(),
            renewals: 0,
        }
    }

    #[test]
    fn an_unanswered_bet_is_asked_for_unless_it_is_open_again() {
        let mut bets = Bets::default();
        bets.place(placed());
        assert_eq!(bets.to_ask(&|_| false), None);
        bets.given_up("k");
        assert_eq!(bets.to_ask(&|_| false), Some("k"));
        assert_eq!(bets.to_ask(&|key| key == "k"), None);
        bets.place(placed());
        assert_eq!(bets.to_ask(&|_| false), None);
        assert_eq!(bets.answered("k").as_deref(), Some("dice"));
        assert!(bets.unanswered.is_empty());
    }

    #[test]
    fn a_seed_is_renewed_a_bounded_number_of_times() {
        let mut bets = Bets::default();
        bets.place(placed());
        for n in 0..MAX_RENEWALS {
            assert!(bets.renew("k", &format!("h{n}")));
        }
        assert!(!bets.renew("k", "h"));
        assert_eq!(bets.hash_for("dice"), "h4");
        assert_eq!(bets.hash_for("roulette"), "");
    }

    #[test]
    fn a_result_is_told_once() {
        let mut bets = Bets::default();
        assert_eq!(bets.told("k"), None);
        bets.settle("k".into(), 7);
        assert_eq!(bets.told("k"), Some(7));
    }
}
