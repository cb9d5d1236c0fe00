//! Everybody connects at once; then the server dies in the middle of a burst, comes back on the same data, and everybody returns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::{PATIENCE, Setup, Stage, Watch, ledger, played};
use crate::player::Order;
use crate::report::{Figure, Round, Unit};

/// What each player tracks before the server dies.
const EVENT: &str = "load_storm";
/// Long enough to outlive the outage.
const LEASE_MS: u64 = 60_000;

/// The server's `timers.requeue`: what was claimed and never received is due again.
const LOST_CLAIM: Duration = Duration::from_secs(120);

/// For whoever doubts a figure.
pub const EXPLANATION: &str = "\
All players start at the same moment: TCP, upgrade, `authenticate`, and a request for `/flags` each. Then each tracks an event and half of them say
`ready_for_offer` within 300 ms; in the midst of it the server is killed with `kill -9`. The other half says `ready_for_offer` while it is down. It is
started again on the same data at once, and the players come back by their own back-off; times count from the kill. At the end each has seen
exactly the two offers that the server's tables hold for him, one of them triggered by the event from before the kill.";

/// One round.
///
/// # Errors
/// Something was lost or came twice, or somebody did not come back.
pub fn play(setup: &Setup) -> anyhow::Result<Round> {
    let mut round = survive(setup)?;
    // The server has told of the storm, as it should, if it had the time.
    let said = round.server_log.lines().filter(|line| !line.contains("the reconnect rate is "));
    round.server_log = said.collect::<Vec<_>>().join("\n");
    Ok(round)
}

fn survive(setup: &Setup) -> anyhow::Result<Round> {
    played(setup, &[], |stage| {
        let mut figures = Vec::new();
        let players = setup.players;
        stage.flag(0)?;
        stage.campaign("before", "before", &serde_json::json!({}))?;
        stage.campaign("while", "while", &serde_json::json!({}))?;
        // Due by an event that is tracked before the server dies, and shown after it is back.
        stage.campaign("due", "after", &serde_json::json!({"trigger": {"event": EVENT}}))?;

        let (start, watch) = (Instant::now(), Watch::begin(stage)?);
        stage.crowd.tally().begin(start);
        stage.crowd.come(players);
        stage.crowd.wait_online(PATIENCE)?;
        let arrivals = stage.crowd.tally().arrivals();
        figures.push(Figure::new(
            "connects per second",
            Unit::PerSecond,
            players as f64 / arrivals.max() * 1_000.0,
        ));
        figures.extend(Figure::percentiles("all connect at once: online after", &arrivals, [None; 3]));
        watch.end(stage, "while connecting", &mut figures)?;
        stage.wait_settled()?;
        if let Some(process) = &stage.process {
            figures.push(Figure::new(
                "memory of the server, all idle",
                Unit::MiB,
                process.memory_kib()? / 1_024.0,
            ));
        }
        let mut errors = std::mem::take(&mut stage.crowd.tally().errors);
        if stage.process.is_none() {
            return Ok((figures, errors));
        }

        // Half of the players are at a break when it happens, half get to one while the server is down.
        let mut dice = StdRng::seed_from_u64(setup.seed);
        let (before, during): (Arc<str>, Arc<str>) = ("before".into(), "while".into());
        let within = Duration::from_millis(300);
        for number in 0..players {
            stage.crowd.tell(number, Order::Track { name: EVENT.into(), props: r#"{"n":1}"#.to_owned() });
            if number % 2 == 0 {
                let placement = before.clone();
                stage.crowd.tell(number, Order::Ready { placement, lease_ms: LEASE_MS, within });
            }
        }
        std::thread::sleep(Duration::from_millis(dice.random_range(50..250)));
        let killed = Instant::now();
        let answered = stage.crowd.tally().with_offer;
        if let Some(process) = &mut stage.process {
            process.kill()?;
        }
        for number in (1..players).step_by(2) {
            let placement = during.clone();
            let within = Duration::from_millis(200);
            stage.crowd.tell(number, Order::Ready { placement, lease_ms: LEASE_MS, within });
        }
        stage.crowd.wait("everybody to notice", PATIENCE, |tally| tally.count_online() == 0)?;
        std::thread::sleep(setup.down.saturating_sub(killed.elapsed()));
        // `begin` would forget the offers that were seen before; only the mark moves.
        stage.crowd.tally().mark_from(killed);
        if let Some(process) = &mut stage.process {
            process.restart()?;
        }
        let (down, watch) = (killed.elapsed(), Watch::begin(stage)?);
        stage.crowd.wait_online(PATIENCE)?;
        watch.end(stage, "while coming back", &mut figures)?;
        let back = stage.crowd.tally().arrivals();
        figures.push(Figure::new("kill -9 to accepting again", Unit::Milliseconds, down.as_secs_f64() * 1e3));
        figures.push(
            Figure::new("back after kill -9, mean", Unit::Milliseconds, back.mean())
                .aim(2_500.0)
                .of(back.count()),
        );
        let aims = [None, Some(5_000.0), None];
        figures.extend(Figure::percentiles("back after kill -9", &back, aims));

        stage.crowd.wait("every break to be answered", PATIENCE, |tally| {
            tally.breaks == players as u64 && tally.open_breaks() == 0
        })?;
        let (after, within) = (Arc::<str>::from("after"), Duration::from_secs(1));
        stage.crowd.tell_all(&Order::Ready { placement: after, lease_ms: LEASE_MS, within });
        stage.crowd.wait("the last breaks to be answered", PATIENCE, |tally| {
            tally.breaks == 2 * players as u64 && tally.open_breaks() == 0
        })?;
        let again = ask_again(stage, players)?;
        if let Some(process) = &stage.process {
            let compared = ledger::compare(&stage.crowd, &process.database(), EVENT)?;
            let all = 2 * players;
            ensure!(compared.offers == all, "{} offers came, and {all} were due", compared.offers);
            figures.push(Figure::new("offers, each seen once", Unit::Count, compared.offers as f64));
            figures.push(Figure::new("of them before the kill", Unit::Count, answered as f64));
            figures.push(Figure::new("of them at a further break", Unit::Count, again as f64));
            figures.push(Figure::new("events, each stored once", Unit::Count, compared.events as f64));
        }
        for (what, count) in std::mem::take(&mut stage.crowd.tally().errors) {
            *errors.entry(what).or_default() += count;
        }
        Ok((figures, errors))
    })
}

/// Where the answer to a claim over HTTP crosses the socket's coming back, its offer is kept for the next break, and takes the
/// place of the one that was due there. Where it did not come in time at all, the server gives its offer to somebody's break again after a while.
/// Whoever misses one goes to further breaks, as games do; returns how many did.
fn ask_again(stage: &Stage, players: usize) -> anyhow::Result<usize> {
    let (mut asked, mut missed, deadline) = (0, 0, Instant::now() + LOST_CLAIM + PATIENCE);
    while Instant::now() < deadline {
        let mut seen = vec![Vec::new(); players];
        for (player, offer) in &stage.crowd.tally().surfaced {
            seen[*player as usize].push(offer.clone());
        }
        let mut more = 0;
        for (number, seen) in seen.iter().enumerate() {
            let first = if number % 2 == 0 { ("before", "before") } else { ("while", "while") };
            let missing = [first, ("due", "after")].into_iter().find(|(id, _)| !seen.iter().any(|s| s == id));
            if let Some((_, placement)) = missing {
                let (placement, within) = (placement.into(), Duration::from_secs(1));
                stage.crowd.tell(number, Order::Ready { placement, lease_ms: LEASE_MS, within });
                more += 1;
            }
        }
        if more == 0 {
            break;
        }
        asked += more;
        missed = missed.max(more);
        let breaks = (2 * players + asked) as u64;
        stage.crowd.wait("further breaks to be answered", PATIENCE, |tally| {
            tally.breaks == breaks && tally.open_breaks() == 0
        })?;
    }
    Ok(missed)
}
