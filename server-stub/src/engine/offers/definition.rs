//! What a campaign is, as operators write it, and what makes it well-formed.

use std::collections::BTreeMap;

use castline::protocol::limits::MAX_SAFE_INTEGER;
use castline::protocol::{is_name, is_player_id};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::calendar::{Calendar, Hours};
use crate::engine::segments::{Comparison, Condition, Fault};

/// Bytes of an offer's `data`: an offer must fit into a message with room to spare.
const MAX_DATA: usize = 4_096;
/// A year, seconds.
const YEAR_S: i64 = 31_536_000;

/// A campaign as operators write it: the body of `PUT /admin/campaigns/{id}`, and of `PUT /admin/offers/{id}`, which is the
/// same. Each player it fits gets a copy of its offer, at the first fitting break.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct OfferDefinition {
    /// What the offer calls its campaign; without: the definition's own id.
    #[serde(default)]
    pub campaign_id: String,
    /// The headline.
    pub title: String,
    /// Per cent, 0 to 100.
    #[serde(default)]
    pub discount: f64,
    /// Life of a copy from the moment it is first sent, seconds: 1 to 31,536,000.
    pub expires_in_seconds: i64,
    /// `https`, or empty.
    #[serde(default)]
    pub image_url: String,
    /// Whatever the game wants to know; JSON, at most 4,096 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// Where it may appear; without: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placements: Option<Vec<String>>,
    /// Who may get it; without: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub players: Option<Vec<String>>,
    /// The greater comes first.
    #[serde(default)]
    pub priority: i64,
    /// Copies a player may get in all, one at a time: 1 to 1,000.
    #[serde(default = "one")]
    pub per_player: u32,
    /// Copies a player may get on one day; without: as many as `per_player`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_player_per_day: Option<u32>,
    /// From one copy of a player to the next, seconds.
    #[serde(default)]
    pub cooldown_seconds: i64,
    /// Copies for all players together.
    #[serde(default)]
    pub budget: Budget,
    /// IANA name: where its days and hours are counted.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// Not before, Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<i64>,
    /// Not from then on, Unix ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
    /// When of the day; without: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
    /// What must have happened first; without: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Only in the session in which the player was first seen.
    #[serde(default)]
    pub first_session: bool,
    /// He belongs to each of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
    /// He belongs to none of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_segments: Vec<String>,
    /// A condition of its own: a level or a spend that the backend states as a trait, say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// A flag by whose variant the offer differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// `false`: no further copy is sent.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// How many copies all players together may get. A copy counts from its first sending; one that nobody received by the
/// end of its life gives its place back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Budget {
    /// In all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// On one day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
}

/// An analytics event that makes the campaign due for its player. One firing is good for one copy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Trigger {
    /// The event's name.
    pub event: String,
    /// What its `props` must say, such as a level. These are the game's claims.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Comparison>,
    /// How many such events it takes: 1 to 100.
    #[serde(default = "one")]
    pub count: u32,
    /// Within which time they must come, seconds, by the server's clock: 1 to 31,536,000. Mandatory with a count above 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_seconds: Option<i64>,
    /// How long it waits for a fitting break from the last event on, seconds: 1 to 31,536,000, a day by default.
    #[serde(default = "day_s")]
    pub due_for_seconds: i64,
}

/// An experiment with the offer: a flag's variant → what is different then.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Split {
    /// The flag.
    pub flag: String,
    /// What differs; a variant that is not named gets the offer as it is.
    pub variants: BTreeMap<String, Change>,
}

/// What a variant changes about the offer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Change {
    /// Another headline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Another discount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discount: Option<f64>,
    /// Another picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Other data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<RawValue>>,
    /// `true`: no offer at all, for comparison.
    pub hold_out: bool,
}

fn one() -> u32 {
    1
}
fn yes() -> bool {
    true
}
fn utc() -> String {
    "UTC".to_owned()
}
fn day_s() -> i64 {
    86_400
}

impl OfferDefinition {
    /// An offer for everybody, anywhere, once.
    pub fn new(title: &str, discount: f64, expires_in_seconds: i64) -> OfferDefinition {
        OfferDefinition {
            campaign_id: String::new(),
            title: title.to_owned(),
            discount,
            expires_in_seconds,
            image_url: String::new(),
            data: None,
            placements: None,
            players: None,
            priority: 0,
            per_player: 1,
            per_player_per_day: None,
            cooldown_seconds: 0,
            budget: Budget::default(),
            time_zone: utc(),
            starts_at: None,
            ends_at: None,
            hours: Vec::new(),
            trigger: None,
            first_session: false,
            segments: Vec::new(),
            not_segments: Vec::new(),
            when: None,
            split: None,
            enabled: true,
        }
    }

    /// Whether everything fits together. What it refers to, segments and flags, is not looked at.
    pub(crate) fn check(&self, id: &str) -> Result<(), Fault> {
        if !is_player_id(id) {
            let why = format!("{:?} is not 1 to 64 of A-Z a-z 0-9 _ . : -", crate::engine::shortened(id));
            return Err(Fault::new("id", why));
        }
        if !self.campaign_id.is_empty() && !is_name(&self.campaign_id) {
            return Err(Fault::new("campaignId", "at most 128 bytes, no control characters"));
        }
        check_content(
            "",
            Some(&self.title),
            Some(self.discount),
            Some(&self.image_url),
            self.data.as_deref(),
        )?;
        range("expiresInSeconds", self.expires_in_seconds, 1, YEAR_S)?;
        for (name, list, fits) in [
            ("placements", &self.placements, is_name as fn(&str) -> bool),
            ("players", &self.players, is_player_id),
        ] {
            if let Some((n, bad)) = list.iter().flatten().enumerate().find(|(_, entry)| !fits(entry)) {
                let why =
                    format!("{:?} is not a name that the protocol allows", crate::engine::shortened(bad));
                return Err(Fault::new(format!("{name}[{n}]"), why));
            }
        }
        range("perPlayer", i64::from(self.per_player), 1, 1_000)?;
        if let Some(count) = self.per_player_per_day {
            range("perPlayerPerDay", i64::from(count), 1, 1_000)?;
        }
        range("cooldownSeconds", self.cooldown_seconds, 0, YEAR_S)?;
        range("priority", self.priority, -MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)?;
        for (name, time) in [("startsAt", self.starts_at), ("endsAt", self.ends_at)] {
            range(name, time.unwrap_or(0), 0, 253_402_300_799_000)?;
        }
        if let (Some(from), Some(to)) = (self.starts_at, self.ends_at)
            && from >= to
        {
            return Err(Fault::new("endsAt", format!("is {to}, which is not after startsAt, {from}")));
        }
        Calendar::new(&self.time_zone, &self.hours)?;
        if let Some(trigger) = &self.trigger {
            trigger.check()?;
        }
        for (name, list) in [("segments", &self.segments), ("notSegments", &self.not_segments)] {
            if list.len() > 32 || list.iter().any(|s| !is_name(s)) {
                return Err(Fault::new(name, "at most 32 names of 1 to 128 bytes, no control characters"));
            }
        }
        if let Some(when) = &self.when {
            when.check("when")?;
        }
        if let Some(split) = &self.split {
            if !is_name(&split.flag) {
                return Err(Fault::new("split.flag", "1 to 128 bytes, no control characters"));
            }
            for (variant, change) in &split.variants {
                let at = format!("split.variants.{}.", crate::engine::shortened(variant));
                check_content(
                    &at,
                    change.title.as_deref(),
                    change.discount,
                    change.image_url.as_deref(),
                    change.data.as_deref(),
                )?;
            }
        }
        Ok(())
    }
}

impl Trigger {
    fn check(&self) -> Result<(), Fault> {
        if !is_name(&self.event)
            || (self.event.starts_with('$') && self.event != crate::engine::revenue::EVENT)
        {
            return Err(Fault::new(
                "trigger.event",
                "1 to 128 bytes, no control characters, no leading $ but that of $revenue",
            ));
        }
        if self.conditions.len() > 16 {
            return Err(Fault::new(
                "trigger.where",
                format!("{} entries; the limit is 16", self.conditions.len()),
            ));
        }
        for (n, condition) in self.conditions.iter().enumerate() {
            condition.check(&format!("trigger.where[{n}]"))?;
        }
        range("trigger.count", i64::from(self.count), 1, 100)?;
        match self.within_seconds {
            Some(seconds) => range("trigger.withinSeconds", seconds, 1, YEAR_S)?,
            None if self.count > 1 => {
                return Err(Fault::new(
                    "trigger.withinSeconds",
                    "is missing; several events come within a time",
                ));
            }
            None => {}
        }
        range("trigger.dueForSeconds", self.due_for_seconds, 1, YEAR_S)
    }
}

fn check_content(
    at: &str,
    title: Option<&str>,
    discount: Option<f64>,
    image_url: Option<&str>,
    data: Option<&RawValue>,
) -> Result<(), Fault> {
    if let Some(title) = title.filter(|t| t.is_empty() || t.len() > 512) {
        return Err(Fault::new(
            format!("{at}title"),
            format!("is {} bytes; it must be 1 to 512", title.len()),
        ));
    }
    if let Some(discount) = discount.filter(|d| !(0.0..=100.0).contains(d)) {
        return Err(Fault::new(format!("{at}discount"), format!("is {discount}; it is per cent, 0 to 100")));
    }
    if image_url.is_some_and(|url| !(url.is_empty() || url.starts_with("https://")) || url.len() > 2_048) {
        return Err(Fault::new(format!("{at}imageUrl"), "must be https, at most 2048 bytes, or empty"));
    }
    let data = data.map(RawValue::get);
    if let Some(bytes) = data.map(str::len).filter(|n| *n > MAX_DATA) {
        return Err(Fault::new(format!("{at}data"), format!("is {bytes} bytes; the limit is {MAX_DATA}")));
    }
    if data.is_some_and(|d| castline::protocol::depth_exceeds(d, 16)) {
        return Err(Fault::new(format!("{at}data"), "is nested deeper than 16 levels"));
    }
    // The text itself goes to clients; what they could not read must not get that far.
    if let Some(Err(error)) = data.map(serde_json::from_str::<serde_json::Value>) {
        return Err(Fault::new(format!("{at}data"), error.to_string()));
    }
    Ok(())
}

fn range(field: &str, value: i64, from: i64, to: i64) -> Result<(), Fault> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(Fault::new(field, format!("is {value}; it must be {from} to {to}")))
}
