//! `backoff.json`: the delay before attempt n.

use castline::backoff::delay;
use castline_conformance::{Nothing, load};
use serde_json::value::RawValue;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    attempt: u32,
    unit: Box<RawValue>,
    delay_ms: u64,
}

#[test]
fn delays() {
    for Case { attempt, unit, delay_ms } in load::<Case, Nothing>("backoff.json").cases {
        // By the standard library's reading, which is exact to the last bit.
        let unit: f64 = unit.get().parse().unwrap();
        assert_eq!(delay(attempt, unit), delay_ms, "attempt {attempt}, unit {unit}");
    }
}
