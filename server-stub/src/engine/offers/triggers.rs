//! What an analytics event sets off: it counts in histories, and makes campaigns due. It happens in the transaction that stores
//! the event, so an event that is known already sets off nothing.

use serde_json::Value;

use super::definition::Trigger;
use super::plan::Plan;
use crate::engine::segments::DAY_MS;
use crate::store::events::NewEvent;
use crate::store::sql::Connection;
use crate::store::{StoreError, campaigns, players};

/// What a new event came to.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// An offer may have fallen due.
    pub(crate) effect: bool,
    /// How often the player's events of this name have come now, by UTC day; all time is the day -1. Empty: nobody asks.
    pub(crate) counts: Vec<(i64, i64)>,
}

/// Notes a new event.
pub(super) async fn note(
    c: &mut Connection,
    plan: &Plan,
    player: &str,
    event: &NewEvent,
    now: i64,
) -> Result<Noted, StoreError> {
    let mut noted = Noted::default();
    if plan.counts(&event.name) {
        let day = event.happened_at.div_euclid(DAY_MS);
        noted.counts = players::count_event(c, player, &event.name, day).await?;
        noted.effect = true;
    }
    let mut props: Option<Value> = None;
    for campaign in plan.triggered_by(&event.name) {
        let Some(trigger) = &campaign.definition.trigger else { continue };
        if !campaign.definition.enabled || !campaign.is_for(player) {
            continue;
        }
        let props = props.get_or_insert_with(|| serde_json::from_str(&event.props).unwrap_or(Value::Null));
        if !trigger.conditions.iter().all(|condition| condition.holds(props.get(&condition.name))) {
            continue;
        }
        let Some(last) = reached(c, trigger, player, &campaign.id, event.happened_at).await? else {
            continue;
        };
        let until = last.saturating_add(trigger.due_for_seconds * 1000);
        if until > now {
            campaigns::set_due(c, player, &campaign.id, until).await?;
            noted.effect = true;
        }
    }
    Ok(noted)
}

/// Counts the event; when that is enough, returns the time of the last one and begins anew.
async fn reached(
    c: &mut Connection,
    trigger: &Trigger,
    player: &str,
    campaign: &str,
    happened_at: i64,
) -> Result<Option<i64>, StoreError> {
    if trigger.count <= 1 {
        return Ok(Some(happened_at));
    }
    let stored = campaigns::progress(c, player, campaign).await?;
    let times: Vec<i64> = stored.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let window = trigger.within_seconds.unwrap_or(0) * 1000;
    let (times, enough) = slide(times, happened_at, window, trigger.count as usize);
    if let Some(last) = enough {
        campaigns::set_progress(c, player, campaign, None).await?;
        return Ok(Some(last));
    }
    let keep_until = times.last().map_or(0, |last| last.saturating_add(window));
    campaigns::set_progress(c, player, campaign, Some((&castline::protocol::encode(&times), keep_until)))
        .await?;
    Ok(None)
}

/// Puts a time among the others. Events may come late and out of order: what counts is whether some `count` of them lie
/// within the window. Returns the times worth keeping and, when there are enough, the last of them.
fn slide(mut times: Vec<i64>, new: i64, window: i64, count: usize) -> (Vec<i64>, Option<i64>) {
    times.insert(times.partition_point(|t| *t <= new), new);
    let found = times.windows(count).find(|run| run[count - 1] - run[0] <= window).map(|run| run[count - 1]);
    if found.is_some() {
        return (Vec::new(), found);
    }
    // No run of `count` fits, so whatever is kept is sparse; older ones than a window before the last can complete no run
    // unless events come late by more than a window.
    let last = times.last().copied().unwrap_or(new);
    times.retain(|t| last - t <= window);
    (times, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_within_a_window_and_then_anew() {
        let feed = |times: &[i64], window: i64, count: usize| {
            let mut kept = Vec::new();
            let mut fired = Vec::new();
            for time in times {
                let (next, found) = slide(std::mem::take(&mut kept), *time, window, count);
                assert!(next.len() < count);
                kept = next;
                fired.extend(found);
            }
            fired
        };
        assert_eq!(feed(&[0, 10, 20], 20, 3), [20]);
        assert_eq!(feed(&[0, 10, 21], 20, 3), [] as [i64; 0]);
        assert_eq!(feed(&[0, 10, 21, 30], 20, 3), [30]);
        assert_eq!(feed(&[0, 1, 2, 3, 4, 5], 20, 3), [2, 5], "each event counts once");
        assert_eq!(feed(&[20, 0, 10], 20, 3), [20], "out of order");
        assert_eq!(feed(&[0, 0, 0], 1, 3), [0]);
    }
}
