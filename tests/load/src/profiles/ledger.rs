//! Nothing lost, nothing twice: what players saw against what the server's tables say.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};

use crate::crowd::Crowd;
use crate::tables::Tables;

/// How long acknowledgements and outcomes may take to reach the tables: an acknowledgement rides on something within a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared {
    pub(super) offers: usize,
    pub(super) events: usize,
}

/// Waits until the server knows that everything arrived, then compares each offer and each event by its id.
///
/// # Errors
/// Something was lost, came twice, or is still on its way.
pub(super) fn compare(crowd: &Crowd, database: &Path, event: &str) -> anyhow::Result<Compared> {
    compare_beside(crowd, database, event, 0)
}

/// The same where so many others have sessions too.
///
/// # Errors
/// As above.
pub(super) fn compare_beside(
    crowd: &Crowd,
    database: &Path,
    event: &str,
    others: usize,
) -> anyhow::Result<Compared> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tables = Tables::read(database, event)?;
        let tracked = crowd.tally().tracked;
        let waiting =
            tables.offers.iter().filter(|(_, _, state)| state == "sent" || state == "queued").count();
        if waiting == 0 && tables.unacknowledged == 0 && tables.events.len() as u64 >= tracked {
            return judge(crowd, &tables, others);
        }
        if Instant::now() > deadline {
            bail!(
                "after {PATIENCE:?} the server still waits: {waiting} offers not received, {} messages not acknowledged, {} of {tracked} events; {:?}",
                tables.unacknowledged,
                tables.events.len(),
                judge(crowd, &tables, others).err().map(|error| error.to_string()),
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn judge(crowd: &Crowd, tables: &Tables, others: usize) -> anyhow::Result<Compared> {
    let tally = crowd.tally();
    ensure!(tally.sessions_lost == 0, "{} sessions were lost", tally.sessions_lost);
    ensure!(tally.dropped == 0, "{} things were dropped", tally.dropped);
    ensure!(tables.discarded == 0, "the server discarded {} messages", tables.discarded);
    ensure!(
        (crowd.len()..=crowd.len() + others).contains(&(tables.sessions as usize)),
        "{} sessions for {} players",
        tables.sessions,
        crowd.len()
    );
    let mut seen: BTreeMap<(String, &str), u32> = BTreeMap::new();
    for (player, offer) in &tally.surfaced {
        *seen.entry((crowd.player(*player as usize), offer)).or_default() += 1;
    }
    if let Some(((player, offer), times)) = seen.iter().find(|(_, times)| **times != 1) {
        bail!("{player} saw {offer} {times} times");
    }
    for (player, offer, state) in &tables.offers {
        let known = seen.contains_key(&(player.clone(), offer.as_str()));
        ensure!(known, "{player} never saw {offer}, which is {state} at the server");
    }
    ensure!(
        seen.len() == tables.offers.len(),
        "players saw {} offers, and the server sent {}",
        seen.len(),
        tables.offers.len()
    );
    let mut numbers = HashSet::new();
    for event in &tables.events {
        ensure!(numbers.insert(event), "event {} of {} was stored twice", event.1, event.0);
    }
    ensure!(
        numbers.len() as u64 == tally.tracked,
        "{} events were tracked, and {} stored",
        tally.tracked,
        numbers.len()
    );
    Ok(Compared { offers: seen.len(), events: numbers.len() })
}
