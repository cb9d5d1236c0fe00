//! Everybody is online and plays: events, breaks at random moments, offers shown and decided on; meanwhile a flag changes.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::{PATIENCE, Setup, WARM, Watch, ledger, played};
use crate::player::Order;
use crate::report::{Figure, Round, Unit};

/// What players track while they play.
const EVENT: &str = "load_catch";
/// A flag changes so often in a round.
const CHANGES: u32 = 2;
/// A fetch that a push asks for comes within ten seconds.
const SPREAD: Duration = Duration::from_secs(10);

/// For whoever doubts a figure.
pub const EXPLANATION: &str = "\
All players are online. Each tracks an event and says `ready_for_offer` at random moments (exponential, 10 s apart in the mean unless the command
says otherwise), and each offer that comes is shown at once and accepted or declined a moment later. A flag changes twice meanwhile: every socket hears
of it and fetches within the ten seconds that the server spreads them over.";

/// One round.
///
/// # Errors
/// Something was lost or came twice, or somebody dropped out.
pub fn play(setup: &Setup) -> anyhow::Result<Round> {
    played(setup, &[], |stage| {
        let mut figures = Vec::new();
        let players = setup.players;
        stage.flag(0)?;
        stage.campaign("steady", "steady", &serde_json::json!({"perPlayer": 1_000}))?;
        let warm = WARM.min(players / 2);
        stage.crowd.come(warm);
        stage.wait_settled()?;
        let before = stage.process.as_ref().map_or(Ok(0.0), |process| process.memory_kib())?;
        // In groups that no backlog notices: how a crowd comes is another profile's question.
        while stage.crowd.len() < players {
            stage.crowd.come(200.min(players - stage.crowd.len()));
            stage.crowd.wait_online(PATIENCE)?;
        }
        stage.wait_settled()?;
        if let Some(process) = &stage.process {
            let each = (process.memory_kib()? - before) / (players - warm) as f64;
            let figure = Figure::new("memory per idle connection", Unit::KiB, each).aim(8.0);
            figures.push(figure.of((players - warm) as u64));
        }
        let mut errors = std::mem::take(&mut stage.crowd.tally().errors);

        stage.crowd.tell_all(&Order::Decide(true));
        stage.crowd.tell_all(&Order::Play { placement: "steady".into(), every: setup.every });
        // Half a mean break: by then the first ones are spread as all later ones.
        std::thread::sleep(setup.every.div_f64(2.0));
        let (surfaced, tracked) = {
            let mut tally = stage.crowd.tally();
            let kept = (std::mem::take(&mut tally.surfaced), tally.tracked);
            let open = tally.open_breaks();
            tally.begin(Instant::now());
            // Those that were open will be answered in the stretch that is measured.
            tally.breaks = open;
            kept
        };
        let (start, watch) = (Instant::now(), Watch::begin(stage)?);
        for change in 1..=CHANGES {
            let at = setup.play.mul_f64(f64::from(change) / f64::from(CHANGES + 1));
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            stage.crowd.tally().flag_changed_at = Some(Instant::now());
            stage.flag(change)?;
        }
        std::thread::sleep(setup.play.saturating_sub(start.elapsed()));
        watch.end(stage, "while playing", &mut figures)?;
        let took = start.elapsed().as_secs_f64();
        {
            let tally = stage.crowd.tally();
            let rate = tally.with_offer as f64 / took;
            figures.push(Figure::new("offers per second", Unit::PerSecond, rate).of(tally.with_offer));
            figures.extend(Figure::percentiles(
                "ready_for_offer to receipt",
                &tally.offers,
                [Some(20.0), Some(50.0), None],
            ));
            figures.extend(Figure::percentiles(
                "flag changed to push",
                &tally.pushes,
                [Some(32.0), Some(87.0), None],
            ));
            figures.push(lateness(&tally.lateness));
        }
        stage.crowd.tell_all(&Order::Rest);
        stage.crowd.wait("the last breaks to be answered", PATIENCE, |tally| tally.open_breaks() == 0)?;
        let changed = players as u64 * u64::from(CHANGES);
        stage.crowd.wait("the flag's changes to be in force", SPREAD + PATIENCE, |tally| {
            tally.flag_changes.count() >= changed.min(players as u64)
        })?;
        let online = stage.crowd.tally().count_online();
        ensure!(online == players, "{} of {players} players dropped out", players - online);
        if let Some(process) = &stage.process {
            figures.push(Figure::new("memory of the server", Unit::MiB, process.memory_kib()? / 1_024.0));
            {
                let mut tally = stage.crowd.tally();
                tally.surfaced.extend(surfaced);
                tally.tracked += tracked;
            }
            let compared = ledger::compare(&stage.crowd, &process.database(), EVENT)?;
            figures.push(Figure::new("offers, each seen once", Unit::Count, compared.offers as f64));
            figures.push(Figure::new("events, each stored once", Unit::Count, compared.events as f64));
        }
        for (what, count) in std::mem::take(&mut stage.crowd.tally().errors) {
            *errors.entry(what).or_default() += count;
        }
        Ok((figures, errors))
    })
}

/// The tool's own slowness.
pub(super) fn lateness(times: &crate::tally::Times) -> Figure {
    Figure::new("the tool's own lateness, p99", Unit::Milliseconds, times.quantile(0.99)).of(times.count())
}
