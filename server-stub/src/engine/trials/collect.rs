//! From stored events to the numbers of an experiment: who was exposed to what, when first, and what each did from then on.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ExperimentDefinition;
use crate::engine::experiments::{ExperimentData, Group, LeftOut, MAX_VALUE};
use crate::store::StoreError;
use crate::store::experiments::each_event;
use crate::store::sql::Connection;

/// Segments shown; the players of all smaller ones are one.
const MAX_SEGMENTS: usize = 20;
/// Bytes of a segment's name.
const MAX_SEGMENT: usize = 64;
/// A segment is looked for so far before the experiment's start.
const SEGMENT_AGE_MS: i64 = 30 * 86_400_000;
/// Players of whom the segment is not known.
const UNKNOWN: &str = "unknown";
/// Players of segments beyond the bound.
const OTHER: &str = "other";

struct Player {
    /// Into the list of variants seen.
    variant: usize,
    first: i64,
    two_variants: bool,
    converted: bool,
    value: f64,
    segment: Option<String>,
}

#[derive(Deserialize)]
struct Exposure {
    flag: String,
    variant: String,
}

/// Reads what happened from `from` to just before `until`. The shares are the caller's to fill in.
pub(super) async fn collect(
    c: &mut Connection,
    definition: &ExperimentDefinition,
    control: &str,
    from: i64,
    until: i64,
) -> Result<ExperimentData, StoreError> {
    let (variants, mut players) = exposures(c, &definition.flag, from, until).await?;
    let (event, prop) = definition.measured();
    each_event(c, event, from, until, |player, at, props| {
        let Some(player) = players.get_mut(&player).filter(|player| player.first <= at) else { return };
        player.converted = true;
        if let Some(value) = prop.and_then(|prop| member(props, prop)).and_then(|raw| number(&raw)) {
            player.value = (player.value + value).clamp(-MAX_VALUE, MAX_VALUE);
        }
    })
    .await?;
    if let Some(segment) = &definition.segment_by {
        let since = from.saturating_sub(SEGMENT_AGE_MS);
        each_event(c, &segment.event, since, until, |player, at, props| {
            let Some(player) = players.get_mut(&player).filter(|player| at <= player.first) else { return };
            if let Some(text) = member(props, &segment.prop).and_then(|raw| scalar(&raw)) {
                player.segment = Some(text);
            }
        })
        .await?;
    }
    let mut data = ExperimentData {
        control: control.to_owned(),
        metric: definition.metric(),
        direction: definition.direction,
        shares: BTreeMap::new(),
        first_exposure: None,
        as_of: until,
        everyone: Group::new(),
        segments: BTreeMap::new(),
        left_out: LeftOut::default(),
        flag_changed: false,
    };
    let shown = shown_segments(&players);
    for player in players.into_values() {
        if player.two_variants {
            data.left_out.two_variants += 1;
            continue;
        }
        data.first_exposure = Some(data.first_exposure.map_or(player.first, |first| first.min(player.first)));
        let value = if prop.is_some() { player.value } else { f64::from(u8::from(player.converted)) };
        let Some(variant) = variants.get(player.variant) else { continue };
        put(&mut data.everyone, variant, value);
        if definition.segment_by.is_some() {
            let segment = player.segment.as_deref().unwrap_or(UNKNOWN);
            let segment = if shown.contains(segment) { segment } else { OTHER };
            put(data.segments.entry(segment.to_owned()).or_default(), variant, value);
        }
    }
    Ok(data)
}

fn put(group: &mut Group, variant: &str, value: f64) {
    // Within its bounds by the clamp above, so that it is always taken.
    let _ = group.entry(variant.to_owned()).or_default().add(value);
}

/// Who was exposed to the flag: the variants seen, and by player the first one, its time, and whether another followed.
async fn exposures(
    c: &mut Connection,
    flag: &str,
    from: i64,
    until: i64,
) -> Result<(Vec<String>, HashMap<String, Player>), StoreError> {
    let mut variants: Vec<String> = Vec::new();
    let mut players: HashMap<String, Player> = HashMap::new();
    each_event(c, "$exposure", from, until, |player, at, props| {
        let Ok(exposure) = serde_json::from_str::<Exposure>(props) else { return };
        if exposure.flag != flag {
            return;
        }
        let variant = variants.iter().position(|v| *v == exposure.variant).unwrap_or_else(|| {
            variants.push(exposure.variant);
            variants.len() - 1
        });
        let known = players.entry(player).or_insert(Player {
            variant,
            first: at,
            two_variants: false,
            converted: false,
            value: 0.0,
            segment: None,
        });
        known.two_variants |= known.variant != variant;
    })
    .await?;
    Ok((variants, players))
}

/// The largest segments.
fn shown_segments(players: &HashMap<String, Player>) -> std::collections::BTreeSet<String> {
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for player in players.values().filter(|player| !player.two_variants) {
        *sizes.entry(player.segment.as_deref().unwrap_or(UNKNOWN)).or_default() += 1;
    }
    let mut largest: Vec<(&str, u64)> = sizes.into_iter().collect();
    // By size, and by name where sizes are equal, so that two reports of the same numbers are the same.
    largest.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    largest.into_iter().take(MAX_SEGMENTS).map(|(name, _)| name.to_owned()).collect()
}

/// A member of the props as JSON text.
fn member(props: &str, name: &str) -> Option<Box<RawValue>> {
    serde_json::from_str::<HashMap<String, Box<RawValue>>>(props).ok()?.remove(name)
}

/// A number that can be added up.
fn number(raw: &RawValue) -> Option<f64> {
    serde_json::from_str::<f64>(raw.get()).ok().filter(|value| value.abs() <= MAX_VALUE)
}

/// A text, number or boolean as a segment's name.
fn scalar(raw: &RawValue) -> Option<String> {
    let text = match raw.get().as_bytes().first()? {
        b'{' | b'[' | b'n' => return None,
        b'"' => serde_json::from_str::<String>(raw.get()).ok()?,
        _ => raw.get().to_owned(),
    };
    (!text.is_empty() && text.len() <= MAX_SEGMENT).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_are_added_and_only_scalars_are_segments() {
        let props = r#"{"a":1.5,"b":"1.5","c":1e300,"d":null,"e":[1],"f":true,"g":"gold","h":""}"#;
        let numbers = ["a", "b", "c", "d", "x"].map(|name| member(props, name).and_then(|raw| number(&raw)));
        assert_eq!(numbers, [Some(1.5), None, None, None, None]);
        let names =
            ["a", "d", "e", "f", "g", "h"].map(|name| member(props, name).and_then(|raw| scalar(&raw)));
        assert_eq!(
            names.each_ref().map(Option::as_deref),
            [Some("1.5"), None, None, Some("true"), Some("gold"), None]
        );
    }
}
