//! Properties of what operators write about offers: a campaign or a condition is refused with the member that is wrong, or it is kept as it
//! was written; never a panic.
#![allow(clippy::unwrap_used)]

use castline::protocol::encode;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::OfferDefinition;
use super::plan::Campaign;
use crate::engine::segments::{Condition, Profile};

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..2_000).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Of 17 digits serde_json may lose the last one; nobody writes those.
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        ".{0,10}".prop_map(Value::from),
    ]
}

fn comparison() -> impl Strategy<Value = Value> {
    let value = prop_oneof![scalar(), vec(scalar(), 0..3).prop_map(Value::from)];
    ("[a-z]{0,3}", "=|!=|<|<=|>|>=|in|exists", value)
        .prop_map(|(name, op, value)| json!({"name": name, "op": op, "value": value}))
}

fn condition() -> impl Strategy<Value = Value> {
    let history = (".{0,3}", 0..400_u32, 0..5_u64)
        .prop_map(|(name, days, count)| json!({"name": name, "withinDays": days, "atLeast": count}));
    let leaf = ("trait|attribute", comparison()).prop_map(|(kind, comparison)| json!({ kind: comparison }));
    let leaf = prop_oneof![leaf, history.prop_map(|history| json!({ "event": history }))];
    leaf.prop_recursive(6, 48, 4, |inner| {
        prop_oneof![
            ("all|any", vec(inner.clone(), 0..4)).prop_map(|(kind, list)| json!({ kind: list })),
            inner.prop_map(|inner| json!({ "not": inner })),
        ]
    })
}

/// A campaign of members that are right, nearly right or wrong.
fn campaign() -> impl Strategy<Value = Value> {
    let hours = ("[0-2][0-9]:[0-6][0-9]", "[0-2][0-9]:[0-6][0-9]")
        .prop_map(|(from, to)| json!([{"from": from, "to": to}]));
    let trigger = (".{0,4}", 0..120_u32, vec(comparison(), 0..3))
        .prop_map(|(event, count, conditions)| json!({"event": event, "count": count, "withinSeconds": 5, "where": conditions}));
    let member = prop_oneof![
        ("title|imageUrl|campaignId|timeZone", ".{0,12}".prop_map(Value::from)),
        (
            "discount|expiresInSeconds|priority|perPlayer|perPlayerPerDay|cooldownSeconds|startsAt|endsAt",
            prop_oneof![(-5_i64..5_000).prop_map(Value::from), any::<i64>().prop_map(Value::from)]
        ),
        (
            "placements|players|segments|notSegments",
            vec(".{0,4}".prop_map(Value::from), 0..3).prop_map(Value::from)
        ),
        ("when", condition()),
        ("trigger", trigger),
        ("hours", hours),
        ("data|enabled|firstSession|budget|split", scalar()),
    ]
    .prop_map(|(name, value): (String, Value)| (name, value));
    vec(member, 0..6).prop_map(|members| {
        let mut campaign = json!({"title": "t", "expiresInSeconds": 60});
        members.into_iter().for_each(|(name, value)| campaign[name] = value);
        campaign
    })
}

proptest! {
    #[test]
    fn a_campaign_is_refused_by_its_member_or_kept_as_it_was_written(json in campaign()) {
        let Ok(definition) = serde_json::from_str::<OfferDefinition>(&json.to_string()) else { return Ok(()) };
        match definition.check("id") {
            Err(fault) => {
                let member = fault.field.split(['.', '[']).next().unwrap();
                prop_assert!(json.get(member).is_some(), "{} is no member of {}", fault, json);
                prop_assert!(!fault.why.is_empty());
            }
            Ok(()) => {
                let text = encode(&definition);
                let again: OfferDefinition = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(encode(&again), text);
                let campaign = Campaign::new("id", 0, definition).unwrap();
                campaign.runs(1_795_236_586_991);
                if let Some(when) = &campaign.definition.when {
                    when.holds(&Profile::default(), 0);
                }
            }
        }
    }

    #[test]
    fn a_condition_is_refused_where_it_stands_or_holds_or_not(
        json in condition(),
        attributes in btree_map("[a-z]{0,2}", scalar(), 0..3),
        traits in btree_map("[a-z]{0,2}", ".{0,4}", 0..3),
    ) {
        let condition: Condition = serde_json::from_value(json.clone()).unwrap();
        prop_assert_eq!(serde_json::to_value(&condition).unwrap(), json);
        if let Err(fault) = condition.check("when") {
            prop_assert!(fault.field.starts_with("when"), "{}", fault);
        }
        let profile = Profile { traits, attributes, ..Profile::default() };
        let holds = condition.holds(&profile, 1_795_236_586_991);
        prop_assert_eq!(Condition::Not(Box::new(condition)).holds(&profile, 1_795_236_586_991), !holds);
    }
}
