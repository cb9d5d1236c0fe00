//! Random histories against a small model: what is taken, counted and given back is what a list of copies says.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::definition::OfferDefinition;
use super::plan::Plan;
use super::take::{Break, take};
use crate::engine::flags::Configuration;
use crate::engine::segments::DAY_MS;
use crate::store::campaigns::{self, CampaignRow};
use crate::store::events::NewEvent;
use crate::store::sql::Connection;
use crate::store::{offers, sweep};

const HOUR: i64 = 3_600_000;
const REQUEUE: i64 = 120_000;

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Queued,
    Sent,
    Received,
    Closed,
    Lapsed,
}

#[derive(Debug, Clone)]
struct Copy {
    player: usize,
    campaign: usize,
    id: String,
    state: State,
    created: i64,
    sent: i64,
    expires: i64,
}

/// What is told of a campaign, and what the model knows of it.
struct Rules {
    id: &'static str,
    per_player: usize,
    per_day: usize,
    cooldown: i64,
    total: usize,
    total_day: usize,
    triggered: bool,
    life: i64,
}

const RULES: [Rules; 2] = [
    Rules {
        id: "a",
        per_player: 3,
        per_day: 1,
        cooldown: 5 * HOUR,
        total: 6,
        total_day: 3,
        triggered: false,
        life: 6 * HOUR,
    },
    Rules {
        id: "b",
        per_player: 4,
        per_day: 2,
        cooldown: 0,
        total: 9,
        total_day: 4,
        triggered: true,
        life: HOUR,
    },
];

fn plan() -> Plan {
    let rows: Vec<CampaignRow> = RULES
        .iter()
        .enumerate()
        .map(|(n, rules)| {
            let mut definition = OfferDefinition::new("t", 1.0, rules.life / 1000);
            definition.priority = -(n as i64);
            definition.per_player = rules.per_player as u32;
            definition.per_player_per_day = Some(rules.per_day as u32);
            definition.cooldown_seconds = rules.cooldown / 1000;
            definition.budget.total = Some(rules.total as u32);
            definition.budget.per_day = Some(rules.total_day as u32);
            if rules.triggered {
                definition.trigger =
                    Some(serde_json::from_str(r#"{"event":"e","dueForSeconds":7200}"#).unwrap());
            }
            CampaignRow {
                definition_id: rules.id.into(),
                body: castline::protocol::encode(&definition),
                updated_at: 0,
            }
        })
        .collect();
    Plan::of(1, &rows, &[])
}

#[derive(Default)]
struct Model {
    copies: Vec<Copy>,
    due: std::collections::HashMap<usize, i64>,
}

impl Model {
    fn take(&mut self, player: usize, max: usize, now: i64) -> Vec<String> {
        let mut sent = Vec::new();
        for (campaign, rules) in RULES.iter().enumerate() {
            if sent.len() >= max {
                break;
            }
            let own = |c: &&mut Copy| c.player == player && c.campaign == campaign;
            let waiting = |c: &Copy| c.state == State::Queued && c.expires > now;
            if let Some(copy) = self.copies.iter_mut().filter(own).find(|c| waiting(c)) {
                (copy.state, copy.sent) = (State::Sent, now);
                sent.push(copy.id.clone());
                continue;
            }
            let mine: Vec<&Copy> =
                self.copies.iter().filter(|c| c.player == player && c.campaign == campaign).collect();
            let open =
                mine.iter().any(|c| !matches!(c.state, State::Closed | State::Lapsed) && c.expires > now);
            let counted: Vec<&&Copy> = mine
                .iter()
                .filter(|c| c.state != State::Lapsed && !(c.state == State::Queued && c.expires <= now))
                .collect();
            let today = counted.iter().filter(|c| c.created / DAY_MS == now / DAY_MS).count();
            let cold = counted.iter().all(|c| c.created + rules.cooldown <= now);
            let charged = self.copies.iter().filter(|c| c.campaign == campaign && c.state != State::Lapsed);
            let charged: Vec<i64> = charged.map(|c| c.created / DAY_MS).collect();
            let charged_today = charged.iter().filter(|day| **day == now / DAY_MS).count();
            let due = !rules.triggered || self.due.get(&player).is_some_and(|until| *until > now);
            if open
                || !due
                || !cold
                || counted.len() >= rules.per_player
                || today >= rules.per_day
                || charged.len() >= rules.total
                || charged_today >= rules.total_day
            {
                continue;
            }
            let number = mine.len() + 1;
            let id = if number == 1 { rules.id.to_owned() } else { format!("{}.{number}", rules.id) };
            sent.push(id.clone());
            if rules.triggered {
                self.due.remove(&player);
            }
            let (state, expires) = (State::Sent, now + rules.life);
            self.copies.push(Copy { player, campaign, id, state, created: now, sent: now, expires });
        }
        sent
    }

    fn sweep(&mut self, now: i64) {
        for copy in &mut self.copies {
            if copy.state == State::Sent && copy.sent <= now - REQUEUE {
                copy.state = State::Queued;
            }
            if copy.state == State::Queued && copy.expires <= now {
                copy.state = State::Lapsed;
            }
        }
    }

    fn result(&mut self, at: usize, outcome: &str) {
        let copy = &mut self.copies[at];
        if copy.state != State::Closed {
            copy.state = if outcome == "received" { State::Received } else { State::Closed };
        }
    }
}

async fn history(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut c = Connection::Here(rusqlite::Connection::open_in_memory().unwrap());
    sqlx::migrate!("./migrations").iter().for_each(|migration| c.batch(migration.sql.as_str()).unwrap());
    let (plan, flags, mut model) = (plan(), Configuration::default(), Model::default());
    let mut now = 100 * DAY_MS;
    let mut late = 0;
    for step in 0..120 {
        now += [0, 1, 60_000, 20 * 60_000, 3 * HOUR][random.random_range(0..5)];
        let player = random.random_range(0..4);
        let name = format!("p{player}");
        match random.random_range(0..8) {
            0..=3 => {
                let max = random.random_range(1..=2);
                let at = Break {
                    player: name,
                    device: "d".into(),
                    placement: "x".into(),
                    context: Default::default(),
                    session: None,
                    max,
                    now,
                };
                let taken = take(&mut c, &plan, &flags, &at).await.unwrap();
                let taken: Vec<String> = taken.into_iter().map(|sent| sent.offer_id).collect();
                assert_eq!(taken, model.take(player, max as usize, now), "seed {seed}, step {step}");
            }
            4 => {
                let event = NewEvent {
                    event_id: step.to_string(),
                    name: "e".into(),
                    happened_at: now,
                    props: "{}".into(),
                    offer_result: None,
                };
                super::triggers::note(&mut c, &plan, &name, &event, now).await.unwrap();
                model.due.insert(player, now + 2 * HOUR);
            }
            5 => {
                let ages = sweep::Ages {
                    requeue: REQUEUE,
                    session: DAY_MS,
                    key: DAY_MS,
                    event_id: DAY_MS,
                    audit: DAY_MS,
                };
                sweep::sweep(&mut c, ages, now).await.unwrap();
                model.sweep(now);
            }
            _ if !model.copies.is_empty() => {
                let at = random.random_range(0..model.copies.len());
                let outcome = ["received", "accepted", "declined", "expired"][random.random_range(0..4)];
                late += usize::from(model.copies[at].state == State::Lapsed);
                let (whose, id) = (format!("p{}", model.copies[at].player), model.copies[at].id.clone());
                offers::result(&mut c, &whose, &id, outcome, now).await.unwrap();
                model.result(at, outcome);
            }
            _ => {}
        }
        for (campaign, rules) in RULES.iter().enumerate() {
            let charged = model.copies.iter().filter(|x| x.campaign == campaign && x.state != State::Lapsed);
            let charged: Vec<i64> = charged.map(|x| x.created / DAY_MS).collect();
            let today = charged.iter().filter(|day| **day == now / DAY_MS).count();
            let day = plan.campaigns[campaign].calendar.day(now);
            let spent = campaigns::spent(&mut c, rules.id, &day).await.unwrap();
            assert_eq!(spent, (charged.len() as i64, today as i64), "seed {seed}, step {step}");
            assert!(charged.len() <= rules.total + late, "only what was received too late passes the budget");
        }
    }
    let given = model.copies.len();
    assert!(given > 0, "seed {seed}: nothing happened");
}

#[tokio::test]
async fn histories_go_as_a_list_of_copies_says() {
    for seed in 0..60 {
        history(seed).await;
    }
}
