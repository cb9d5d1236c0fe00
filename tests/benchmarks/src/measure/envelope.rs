//! The envelope of a typical message, in and out.

use std::hint::black_box;
use std::time::Duration;

use castline::protocol::Envelope;
use serde_json::Value;

use super::Effort;
use crate::report::{Aim, Row, Section, Unit};
use crate::rounds::{self, Sides};
use crate::wire::typical_message;

const EXPLANATION: &str = "\
A message of 300 bytes, with a payload of eight members. Ours: `Envelope::decode`, which checks length, depth and
numbers and leaves the payload as text, and `Envelope::encode`. The peer: `serde_json` to a `Value` and back to text,
without any check.";

pub(crate) fn run(effort: Effort) -> anyhow::Result<Section> {
    let (count, batch) = (effort.pick(21, 151), Duration::from_millis(1));
    let text = typical_message();
    let envelope = Envelope::decode(&text)?;
    let value: Value = serde_json::from_str(&text)?;
    let decode = rounds::nanoseconds(
        count,
        batch,
        || _ = black_box(Envelope::decode(black_box(&text))),
        || _ = black_box(serde_json::from_str::<Value>(black_box(&text))),
    )?;
    let encode = rounds::nanoseconds(
        count,
        batch,
        || _ = black_box(black_box(&envelope).encode()),
        || _ = black_box(serde_json::to_string(black_box(&value))),
    )?;
    let row = |what: &str, sides: Sides| Row {
        what: what.to_owned(),
        peer: "serde_json::Value".to_owned(),
        aim: Aim::Ratio(1.0),
        unit: Unit::Nanoseconds,
        summary: sides.summary(),
        n: format!("{count} rounds of {batch:?} a side"),
    };
    let rows = vec![row("decode", decode), row("encode", encode)];
    Ok(Section { title: "Envelope".into(), explanation: EXPLANATION.into(), rows })
}
