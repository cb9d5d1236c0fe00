//! Analytics events: what is accepted, when it happened by our clock, and what an `$offer_result` does.

use std::collections::BTreeMap;

use castline::protocol::limits::{MAX_ANALYTICS_EVENT_BYTES, MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use castline::protocol::messages::{Accepted, AnalyticsEvent, Events};
use castline::protocol::{Envelope, encode, is_key, is_name};
use serde::Deserialize;

use super::flags::Configuration;
use super::offers::PlanTable;
use super::{Answer, Engine, Failure, Who, now_ms, reply_of};
use crate::store::events::{NewEvent, insert};
use crate::store::keys::{self, Key};
use crate::store::offers;

/// A batch that has passed the checks.
#[derive(Debug)]
struct Batch {
    flags: String,
    events: Vec<NewEvent>,
    rejected: Vec<String>,
}

impl Engine {
    pub(super) async fn events_message(
        &self,
        who: &Who,
        envelope: &Envelope<'_>,
        key: Option<Key>,
    ) -> Result<Answer, Failure> {
        let events: Events<'_> =
            serde_json::from_str(&envelope.payload).map_err(|e| Failure::invalid(e.to_string()))?;
        let batch = self.check(&events, envelope.payload.len(), envelope.timestamp, MAX_BATCH_BYTES)?;
        let holder = Some((who.session.to_string(), who.epoch));
        let reply = self.store_batch(who.player.to_string(), holder, batch, key).await?;
        Ok(Answer { reply, then: Vec::new() })
    }

    /// The same over HTTP, out of a body of so many bytes. `timestamp` is the sender's clock, 0 if it did not say.
    pub(crate) async fn events_http(
        &self,
        player: &str,
        events: &Events<'_>,
        bytes: usize,
        timestamp: i64,
    ) -> Result<String, Failure> {
        // A token beside a full batch must not make it too large.
        let batch = self.check(events, bytes, timestamp, MAX_BATCH_BYTES + 4_096)?;
        Ok(self.store_batch(player.to_owned(), None, batch, None).await?.payload)
    }

    fn check(&self, batch: &Events<'_>, bytes: usize, timestamp: i64, max: usize) -> Result<Batch, Failure> {
        if bytes > max {
            return Err(Failure::invalid(format!("batch is {bytes} bytes; the limit is {max}")));
        }
        if batch.events.len() > MAX_BATCH_EVENTS {
            let count = batch.events.len();
            return Err(Failure::at("events", format!("are {count}; the limit is {MAX_BATCH_EVENTS}")));
        }
        let configuration = self.configuration();
        let received = now_ms();
        let mut checked = Batch {
            flags: known_flags(&batch.flags, &configuration),
            events: Vec::new(),
            rejected: Vec::new(),
        };
        for event in &batch.events {
            match check_event(event, &configuration, timestamp, received) {
                Some(event) => checked.events.push(event),
                None => checked.rejected.push(super::shortened(&event.event_id)),
            }
        }
        Ok(checked)
    }

    async fn store_batch(
        &self,
        player: String,
        holder: Option<(String, i64)>,
        batch: Batch,
        key: Option<Key>,
    ) -> Result<keys::Reply, Failure> {
        let (now, plans, whose) = (now_ms(), self.plans.clone(), player.clone());
        let job = self.store.write(move |c| {
            Box::pin(async move {
                let plan = match &holder {
                    Some((session, epoch)) => plans.seen_by_holder(c, session, *epoch).await?,
                    None => plans.seen_by(c).await?,
                };
                if let Some(key) = &key
                    && let Some(reply) = keys::recorded(c, key).await?
                {
                    return Ok((reply, false, Vec::new()));
                }
                let (mut fell_due, mut counted) = (false, Vec::new());
                let mut accepted = Accepted { rejected: batch.rejected, ..Accepted::default() };
                for event in &batch.events {
                    if !insert(c, &player, event, &batch.flags, now).await? {
                        accepted.duplicates += 1;
                        continue;
                    }
                    accepted.count += 1;
                    let noted = PlanTable::note_by(c, &plan, &player, event, now).await?;
                    fell_due |= noted.effect;
                    if !noted.counts.is_empty() {
                        counted.push((event.name.clone(), noted.counts));
                    }
                    if let Some((offer, outcome)) = &event.offer_result {
                        offers::result(c, &player, offer, outcome, now).await?;
                    }
                }
                let reply = reply_of(&accepted);
                if let Some(key) = &key {
                    keys::record(c, key, &reply, now).await?;
                }
                Ok((reply, fell_due, counted))
            })
        });
        let (reply, fell_due, counted) = job.await?;
        self.known.counted(&whose, &counted);
        if fell_due {
            self.serve_player(&whose).await;
        }
        Ok(reply)
    }
}

/// The stated variants, without those that the flag does not have.
fn known_flags(stated: &BTreeMap<String, String>, configuration: &Configuration) -> String {
    let known: BTreeMap<_, _> =
        stated.iter().filter(|(flag, variant)| configuration.has_variant(flag, variant)).collect();
    encode(&known)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfferResult {
    offer_id: String,
    outcome: String,
}

#[derive(Deserialize)]
struct Exposure {
    flag: String,
    variant: String,
}

/// `None`: this event will never be taken.
fn check_event(
    event: &AnalyticsEvent<'_>,
    configuration: &Configuration,
    sent_at: i64,
    received: i64,
) -> Option<NewEvent> {
    let props = event.props.map_or("{}", |p| p.get());
    if !is_key(&event.event_id) || !is_name(&event.name) || encode(event).len() > MAX_ANALYTICS_EVENT_BYTES {
        return None;
    }
    // The text itself is stored; a number that nobody can hold (1e999) must not be.
    if !props.starts_with('{') || serde_json::from_str::<serde_json::Value>(props).is_err() {
        return None;
    }
    let mut offer_result = None;
    if event.name.starts_with('$') {
        match &*event.name {
            "$exposure" => {
                let exposure: Exposure = serde_json::from_str(props).ok()?;
                configuration.has_variant(&exposure.flag, &exposure.variant).then_some(())?;
            }
            "$offer_result" => {
                let result: OfferResult = serde_json::from_str(props).ok()?;
                let known = ["received", "shown", "accepted", "declined", "expired"];
                known.contains(&&*result.outcome).then_some(())?;
                offer_result = Some((result.offer_id, result.outcome));
            }
            "$dropped" => {}
            _ => return None,
        }
    }
    Some(NewEvent {
        event_id: event.event_id.to_string(),
        name: event.name.to_string(),
        happened_at: corrected(event.timestamp, sent_at, received),
        props: props.to_owned(),
        offer_result,
    })
}

/// A client's time by our clock: moved by what its clock said when it sent. Never later than now.
fn corrected(stated: i64, sent_at: i64, received: i64) -> i64 {
    let offset = if sent_at > 0 { received.saturating_sub(sent_at) } else { 0 };
    stated.saturating_add(offset).clamp(0, received)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(json: &str) -> Option<NewEvent> {
        let event: AnalyticsEvent<'_> = serde_json::from_str(json).unwrap();
        check_event(&event, &Configuration::default(), 1_000, 5_000)
    }

    #[test]
    fn times_are_moved_by_the_senders_clock() {
        assert_eq!(corrected(900, 1_000, 5_000), 4_900);
        assert_eq!(corrected(1_500, 1_000, 5_000), 5_000, "nothing happened in the future");
        assert_eq!(corrected(900, 0, 5_000), 900, "an unknown clock is not corrected");
        assert_eq!(corrected(i64::MIN, i64::MIN, 5_000), 0);
    }

    #[test]
    fn names_with_a_dollar_are_ours() {
        assert!(
            checked(r#"{"eventId":"1","name":"level_completed","timestamp":1,"props":{"n":3}}"#).is_some()
        );
        assert!(checked(r#"{"eventId":"1","name":"$mine","timestamp":1}"#).is_none());
        assert!(checked(r#"{"eventId":"1","name":"$dropped","timestamp":1,"props":{"count":3}}"#).is_some());
        assert!(
            checked(r#"{"eventId":"1","name":"$exposure","timestamp":1,"props":{"flag":"f","variant":"v"}}"#)
                .is_none()
        );
        let result = r#"{"eventId":"1","name":"$offer_result","timestamp":1,"props":{"offerId":"o","outcome":"shown"}}"#;
        assert_eq!(checked(result).unwrap().offer_result, Some(("o".into(), "shown".into())));
        assert!(checked(&result.replace("shown", "eaten")).is_none());
    }

    #[test]
    fn bounds_are_kept() {
        assert!(checked(r#"{"eventId":"","name":"x","timestamp":1}"#).is_none());
        assert!(checked(r#"{"eventId":"1","name":"x","timestamp":1,"props":[1]}"#).is_none());
        assert!(checked(r#"{"eventId":"1","name":"x","timestamp":1,"props":{"a":1e999}}"#).is_none());
        assert!(checked(r#"{"eventId":"1","name":"x","timestamp":1,"props":{"a":"\ud800"}}"#).is_none());
        let long =
            format!(r#"{{"eventId":"1","name":"x","timestamp":1,"props":{{"a":"{}"}}}}"#, "a".repeat(2_048));
        assert!(checked(&long).is_none());
    }
}
