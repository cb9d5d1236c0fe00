//! Reading a flag: in a frame of a game, with few and many flags, there or not.

use std::cell::Cell;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use castline::flags::Source;
use castline::{Client, Flags};

use super::Effort;
use crate::report::{Aim, Row, Section, Unit};
use crate::rounds;

const EXPLANATION: &str = "\
A getter on a snapshot with 1 flag and with 200, half of them booleans and half texts. The peer is a `HashMap<String,
_>` with the same names and values, asked in the same way: `get`, match the type, else the default. \"In turn\" reads
all flags one after the other; in the line \"200 against 1\" both sides are ours and read the same one flag.
`client.flags()` takes the current snapshot anew for each read; its peer is the same map behind a `Mutex`.";

/// As a game without a library would hold it.
enum Value {
    Bool(bool),
    Text(String),
}

struct Pair {
    ours: Flags,
    map: HashMap<String, Value>,
    bools: Vec<String>,
    texts: Vec<String>,
}

impl Pair {
    fn new(count: usize) -> anyhow::Result<Pair> {
        let mut map = HashMap::new();
        let mut body = Vec::new();
        let (mut bools, mut texts) = (Vec::new(), Vec::new());
        for number in 0..count {
            let name = format!("feature_number_{number}");
            let value =
                if number % 2 == 0 { "true".to_owned() } else { format!("\"variant text {number}\"") };
            body.push(format!(r#""{name}":{{"variant":"v","value":{value},"reason":"SPLIT"}}"#));
            if number % 2 == 0 {
                map.insert(name.clone(), Value::Bool(true));
                bools.push(name);
            } else {
                map.insert(name.clone(), Value::Text(format!("variant text {number}")));
                texts.push(name);
            }
        }
        let body = format!(r#"{{"version":"v1","flags":{{{}}}}}"#, body.join(","));
        let ours = Flags::decode_within(1 << 20, body.as_bytes(), Source::Session)
            .ok()
            .context("the flags of the benchmark are malformed")?;
        anyhow::ensure!(ours.len() == count && bools.iter().all(|name| ours.bool(name, false)));
        Ok(Pair { ours, map, bools, texts })
    }

    fn map_bool(&self, name: &str) -> bool {
        map_bool(&self.map, name)
    }

    fn map_text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.map.get(name) {
            Some(Value::Text(text)) => text,
            _ => default,
        }
    }
}

fn map_bool(map: &HashMap<String, Value>, name: &str) -> bool {
    matches!(map.get(name), Some(Value::Bool(true)))
}

/// Gives its names one after the other, again and again.
struct Turns<'a>(&'a [String], Cell<usize>);

impl<'a> Turns<'a> {
    fn new(names: &'a [String]) -> Turns<'a> {
        Turns(names, Cell::new(0))
    }

    fn next(&self) -> &'a str {
        let at = self.1.get();
        self.1.set(if at + 1 == self.0.len() { 0 } else { at + 1 });
        black_box(self.0[at].as_str())
    }
}

/// `client` is connected to a server with some flags, of which `flag_3` is true.
pub(crate) fn run(effort: Effort, client: &Client) -> anyhow::Result<Section> {
    let (one, many) = (Pair::new(1)?, Pair::new(200)?);
    let absent: Vec<String> = (0..100).map(|n| format!("feature_absent_{n}")).collect();
    let mut rows = Vec::new();
    let row = |what: &str, peer: &str, aim, ours: &mut dyn FnMut(), theirs: &mut dyn FnMut()| {
        let (count, batch) = (effort.pick(21, 151), Duration::from_millis(1));
        let sides = rounds::nanoseconds(count, batch, ours, theirs)?;
        let summary = sides.summary();
        let (what, peer, n) =
            (what.to_owned(), peer.to_owned(), format!("{count} rounds of {batch:?} a side"));
        anyhow::Ok(Row { what, peer, aim, unit: Unit::Nanoseconds, summary, n })
    };
    let fast = Aim::AtMost(100.0);

    let turns = (Turns::new(&one.bools), Turns::new(&one.bools));
    rows.push(row(
        "bool, hit, 1 flag",
        "HashMap",
        fast,
        &mut || _ = black_box(one.ours.bool(turns.0.next(), false)),
        &mut || _ = black_box(one.map_bool(turns.1.next())),
    )?);
    let turns = (Turns::new(&many.bools), Turns::new(&many.bools));
    rows.push(row(
        "bool, hit, 200 flags in turn",
        "HashMap",
        fast,
        &mut || _ = black_box(many.ours.bool(turns.0.next(), false)),
        &mut || _ = black_box(many.map_bool(turns.1.next())),
    )?);
    let turns = (Turns::new(&many.texts), Turns::new(&many.texts));
    rows.push(row(
        "string, hit, 200 flags in turn",
        "HashMap",
        fast,
        &mut || _ = black_box(many.ours.string(turns.0.next(), "").len()),
        &mut || _ = black_box(many.map_text(turns.1.next(), "").len()),
    )?);
    let turns = (Turns::new(&absent), Turns::new(&absent));
    rows.push(row(
        "bool, miss, 200 flags",
        "HashMap",
        fast,
        &mut || _ = black_box(many.ours.bool(turns.0.next(), false)),
        &mut || _ = black_box(many.map_bool(turns.1.next())),
    )?);
    let turns = (Turns::new(&one.bools), Turns::new(&one.bools));
    rows.push(row(
        "bool, hit, 200 against 1",
        "ours with 1 flag",
        // "The same", within what a busy machine lets one see.
        Aim::Ratio(1.2),
        &mut || _ = black_box(many.ours.bool(turns.0.next(), false)),
        &mut || _ = black_box(one.ours.bool(turns.1.next(), false)),
    )?);
    anyhow::ensure!(client.flags().bool("flag_3", false), "the client's flags have not come");
    let name = "flag_3".to_owned();
    let locked = Mutex::new(HashMap::from([(name.clone(), Value::Bool(true))]));
    rows.push(row(
        "client.flags().bool, hit",
        "Mutex<HashMap>",
        fast,
        &mut || _ = black_box(client.flags().bool(black_box(&name), false)),
        &mut || _ = black_box(locked.lock().is_ok_and(|map| map_bool(&map, black_box(&name)))),
    )?);
    Ok(Section { title: "Flag read".into(), explanation: EXPLANATION.into(), rows })
}
