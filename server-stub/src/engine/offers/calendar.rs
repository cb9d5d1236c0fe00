//! Days and hours where the campaign lives: an IANA time zone, from the table inside the binary.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::engine::segments::Fault;

/// A stretch of the day by the campaign's clock. Where `to` is not after `from` it ends on the next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Hours {
    /// On which days it begins: `mon` … `sun`; empty: every day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// `HH:MM`, inclusive.
    pub from: String,
    /// `HH:MM`, exclusive; `24:00` is the end of the day.
    pub to: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn of(weekday: Weekday) -> Day {
        match weekday {
            Weekday::Monday => Day::Mon,
            Weekday::Tuesday => Day::Tue,
            Weekday::Wednesday => Day::Wed,
            Weekday::Thursday => Day::Thu,
            Weekday::Friday => Day::Fri,
            Weekday::Saturday => Day::Sat,
            Weekday::Sunday => Day::Sun,
        }
    }
}

/// A campaign's clock.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    zone: TimeZone,
    hours: Vec<(Vec<Day>, i32, i32)>,
}

impl Calendar {
    pub(super) fn new(zone: &str, hours: &[Hours]) -> Result<Calendar, Fault> {
        let known = if zone.len() <= 64 { TimeZone::get(zone).ok() } else { None };
        let zone = known.ok_or_else(|| {
            Fault::new(
                "timeZone",
                format!("{:?} is no IANA time zone, such as Europe/Berlin", crate::engine::shortened(zone)),
            )
        })?;
        if hours.len() > 32 {
            return Err(Fault::new("hours", format!("{} entries; the limit is 32", hours.len())));
        }
        let mut parsed = Vec::with_capacity(hours.len());
        for (n, entry) in hours.iter().enumerate() {
            let minutes = |name: &str, text: &str, most: i32| {
                parse_minutes(text).filter(|m| *m <= most).ok_or_else(|| {
                    let why = format!("{:?} is not HH:MM", crate::engine::shortened(text));
                    Fault::new(format!("hours[{n}].{name}"), why)
                })
            };
            parsed.push((
                entry.days.clone(),
                minutes("from", &entry.from, 1_439)?,
                minutes("to", &entry.to, 1_440)?,
            ));
        }
        Ok(Calendar { zone, hours: parsed })
    }

    /// The day at `now`, `2026-11-21`.
    pub(super) fn day(&self, now: i64) -> String {
        self.local(now).date().to_string()
    }

    /// Whether the clock is within the hours; without hours always.
    pub(super) fn open(&self, now: i64) -> bool {
        if self.hours.is_empty() {
            return true;
        }
        let local = self.local(now);
        let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
        let (today, yesterday) = (local.weekday(), local.weekday().previous());
        self.hours.iter().any(|(days, from, to)| {
            let on = |weekday: Weekday| days.is_empty() || days.contains(&Day::of(weekday));
            if from < to {
                on(today) && (*from..*to).contains(&minute)
            } else {
                (on(today) && minute >= *from) || (on(yesterday) && minute < *to)
            }
        })
    }

    /// For people: `Sat 2026-11-21 18:30 in Europe/Berlin`.
    pub(super) fn told(&self, now: i64) -> String {
        let local = self.local(now);
        let zone = self.zone.iana_name().unwrap_or("UTC");
        let day = Day::of(local.weekday());
        format!("{day:?} {} {:02}:{:02} in {zone}", local.date(), local.hour(), local.minute())
    }

    fn local(&self, now: i64) -> jiff::Zoned {
        Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(self.zone.clone())
    }
}

fn parse_minutes(text: &str) -> Option<i32> {
    let (hours, minutes) = text.split_once(':')?;
    let two =
        |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<i32>().ok())?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (minutes < 60 && hours <= 24).then_some(hours * 60 + minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn calendar(zone: &str, days: &[Day], from: &str, to: &str) -> Calendar {
        Calendar::new(zone, &[Hours { days: days.to_vec(), from: from.into(), to: to.into() }]).unwrap()
    }

    #[test]
    fn hours_are_those_of_the_zone_and_its_summer_time() {
        let evening = calendar("Europe/Berlin", &[], "18:00", "20:00");
        assert!(!evening.open(at("2026-01-15T16:59:59Z")) && evening.open(at("2026-01-15T17:00:00Z")));
        assert!(!evening.open(at("2026-01-15T19:00:00Z")));
        // Summer: an hour earlier by UTC.
        assert!(evening.open(at("2026-07-15T16:00:00Z")) && !evening.open(at("2026-07-15T18:00:00Z")));
        // 2026-03-29: the hour from two to three is left out.
        let night = calendar("Europe/Berlin", &[], "02:00", "03:00");
        assert!(!night.open(at("2026-03-29T00:59:00Z")) && !night.open(at("2026-03-29T01:00:00Z")));
        // 2026-10-25: it comes twice.
        assert!(night.open(at("2026-10-25T00:30:00Z")) && night.open(at("2026-10-25T01:30:00Z")));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_began() {
        let saturday = calendar("UTC", &[Day::Sat], "22:00", "02:00");
        // 2026-11-21 is a Saturday.
        assert!(saturday.open(at("2026-11-21T22:00:00Z")) && saturday.open(at("2026-11-22T01:59:00Z")));
        assert!(!saturday.open(at("2026-11-21T01:00:00Z")) && !saturday.open(at("2026-11-22T22:00:00Z")));
        assert!(calendar("UTC", &[], "00:00", "24:00").open(at("2026-11-21T23:59:00Z")));
    }

    #[test]
    fn days_turn_at_the_zones_midnight() {
        let tokyo = Calendar::new("Asia/Tokyo", &[]).unwrap();
        assert_eq!(tokyo.day(at("2026-11-21T14:59:59Z")), "2026-11-21");
        assert_eq!(tokyo.day(at("2026-11-21T15:00:00Z")), "2026-11-22");
        assert!(tokyo.told(at("2026-11-21T15:00:00Z")).contains("Sun 2026-11-22 00:00 in Asia/Tokyo"));
    }

    #[test]
    fn what_is_no_zone_and_no_time_is_refused() {
        assert_eq!(Calendar::new("Europe/Atlantis", &[]).unwrap_err().field, "timeZone");
        for bad in ["8:00", "24:01", "12:60", "noon", "", "+1:00", "１２:00"] {
            let hours = [Hours { days: vec![], from: "00:00".into(), to: bad.into() }];
            assert_eq!(Calendar::new("UTC", &hours).unwrap_err().field, "hours[0].to", "{bad}");
        }
        let hours = [Hours { days: vec![], from: "24:00".into(), to: "01:00".into() }];
        assert!(Calendar::new("UTC", &hours).is_err());
    }
}
