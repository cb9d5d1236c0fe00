//! Everybody is online and comes to a break within the same second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{PATIENCE, Setup, Watch, ledger, played};
use crate::player::Order;
use crate::report::{Figure, Round, Unit};

/// Bursts in a round: the players' own limit is one break a second.
const BURSTS: u32 = 3;
const WITHIN: Duration = Duration::from_secs(1);
/// Until the outcomes of one burst are reported.
const REST: Duration = Duration::from_secs(4);

/// For whoever doubts a figure.
pub const EXPLANATION: &str = "\
All players are online and say `ready_for_offer` at random moments of the same second; three times, 4 s apart. Each offer is shown at once and accepted
or declined within the next two seconds.";

/// One round.
///
/// # Errors
/// Something was lost or came twice, or somebody dropped out.
pub fn play(setup: &Setup) -> anyhow::Result<Round> {
    played(setup, &[], |stage| {
        let mut figures = Vec::new();
        let players = setup.players;
        stage.flag(0)?;
        stage.campaign("burst", "burst", &serde_json::json!({"perPlayer": 1_000}))?;
        while stage.crowd.len() < players {
            stage.crowd.come(200.min(players - stage.crowd.len()));
            stage.crowd.wait_online(PATIENCE)?;
        }
        stage.wait_settled()?;
        stage.crowd.tell_all(&Order::Decide(true));
        let watch = Watch::begin(stage)?;
        let placement = Arc::<str>::from("burst");
        for burst in 1..=BURSTS {
            let start = Instant::now();
            let (placement, lease_ms) = (placement.clone(), 10_000);
            stage.crowd.tell_all(&Order::Ready { placement, lease_ms, within: WITHIN });
            let all = players as u64 * u64::from(burst);
            stage.crowd.wait("the burst to be answered", PATIENCE, |tally| {
                tally.breaks == all && tally.open_breaks() == 0
            })?;
            std::thread::sleep((WITHIN + REST).saturating_sub(start.elapsed()));
        }
        watch.end(stage, "while playing", &mut figures)?;
        let (without, online) = {
            let tally = stage.crowd.tally();
            figures.extend(Figure::percentiles(
                "ready_for_offer to receipt",
                &tally.offers,
                [Some(20.0), Some(50.0), None],
            ));
            figures.push(super::steady::lateness(&tally.lateness));
            (tally.without_offer, tally.count_online())
        };
        figures.push(Figure::new("breaks without an offer", Unit::Count, without as f64));
        ensure!(online == players, "{} of {players} players dropped out", players - online);
        if let Some(process) = &stage.process {
            let compared = ledger::compare(&stage.crowd, &process.database(), "load_catch")?;
            figures.push(Figure::new("offers, each seen once", Unit::Count, compared.offers as f64));
        }
        let errors = std::mem::take(&mut stage.crowd.tally().errors);
        Ok((figures, errors))
    })
}
