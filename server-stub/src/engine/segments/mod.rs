//! Conditions on a player: what the game's backend knows (traits), what the game observes at a break (attributes, which are
//! claims), and what the player has done (event history). A segment is a named condition; campaigns refer to it.
//!
//! Evaluation is pure: whoever asks brings the facts.

use std::collections::{BTreeMap, HashMap};

use castline::protocol::{encode, is_name};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Nested conditions at most.
const MAX_DEPTH: usize = 5;
/// Conditions in one tree at most.
const MAX_NODES: usize = 64;
/// The longest window of an event history.
pub(crate) const MAX_DAYS: u32 = 365;
/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A condition on a player: `{"trait":{"name":"level","op":">=","value":10}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "Written")]
#[non_exhaustive]
pub enum Condition {
    /// Every one holds.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// What the game's backend says about the player: a fact.
    Trait(Comparison),
    /// What the game observes at the break: a claim. A condition on money asks for a trait.
    Attribute(Comparison),
    /// What the player has done.
    Event(History),
}

/// A condition as it is written. Serde's own reading of an enum has no word for two conditions in one object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "some")]
    all: Option<Vec<Condition>>,
    #[serde(default, deserialize_with = "some")]
    any: Option<Vec<Condition>>,
    #[serde(default, deserialize_with = "some")]
    not: Option<Box<Condition>>,
    #[serde(default, deserialize_with = "some")]
    r#trait: Option<Comparison>,
    #[serde(default, deserialize_with = "some")]
    attribute: Option<Comparison>,
    #[serde(default, deserialize_with = "some")]
    event: Option<History>,
}

/// What is written is there: `null` is no condition.
fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl TryFrom<Written> for Condition {
    type Error = String;

    fn try_from(written: Written) -> Result<Condition, String> {
        let Written { all, any, not, r#trait, attribute, event } = written;
        let found = [
            all.map(Condition::All),
            any.map(Condition::Any),
            not.map(Condition::Not),
            r#trait.map(Condition::Trait),
            attribute.map(Condition::Attribute),
            event.map(Condition::Event),
        ];
        let mut found = found.into_iter().flatten();
        match (found.next(), found.count()) {
            (Some(only), 0) => Ok(only),
            (first, more) => Err(format!(
                "{} conditions in one object; one of all, any, not, trait, attribute and event is needed",
                usize::from(first.is_some()) + more
            )),
        }
    }
}

/// A named value against another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Comparison {
    /// The value's name.
    pub name: String,
    /// How they are compared.
    pub op: Op,
    /// A scalar; with `in` an array of scalars, with `exists` a boolean.
    pub value: Value,
}

/// How two values are compared. Numbers with numbers and texts with texts; a value that is not there, or is of another kind,
/// is different, and neither greater nor less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Op {
    /// The same.
    #[serde(rename = "=")]
    Equal,
    /// Not the same, or not there.
    #[serde(rename = "!=")]
    Different,
    /// Less.
    #[serde(rename = "<")]
    Less,
    /// Less or the same.
    #[serde(rename = "<=")]
    AtMost,
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// Greater or the same.
    #[serde(rename = ">=")]
    AtLeast,
    /// One of several.
    #[serde(rename = "in")]
    In,
    /// There (`true`) or not there (`false`).
    #[serde(rename = "exists")]
    Exists,
}

/// How often an event came: within the last days, or ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct History {
    /// The event's name.
    pub name: String,
    /// Today and the days before it, UTC, 1 to 365; without: ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_days: Option<u32>,
    /// So often or more. Without either bound: once or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u64>,
    /// So often or less; 0 is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

/// The body of `PUT /admin/segments/{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Segment {
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Who belongs to it.
    pub when: Condition,
}

/// What is known about a player.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    /// As text: a number is written as JSON writes it.
    pub(crate) traits: BTreeMap<String, String>,
    pub(crate) attributes: BTreeMap<String, Value>,
    /// Event name → (UTC day number, count); the day -1 holds the sum of all time.
    pub(crate) history: HashMap<String, Vec<(i64, i64)>>,
}

/// What a condition asks about a player.
pub(crate) trait Facts {
    /// What the game's backend says, as text: a number is written as JSON writes it.
    fn stated(&self, name: &str) -> Option<&str>;
    /// What the game says.
    fn claimed(&self, name: &str) -> Option<Claim<'_>>;
    /// When events of a name came, and how many: (UTC day number, count); the day -1 holds the sum of all time.
    fn days(&self, event: &str) -> &[(i64, i64)];
}

/// What the game says of a player: over the socket with its kind, in a query as text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Claim<'a> {
    Value(&'a Value),
    Text(&'a str),
}

impl Facts for Profile {
    fn stated(&self, name: &str) -> Option<&str> {
        self.traits.get(name).map(String::as_str)
    }

    fn claimed(&self, name: &str) -> Option<Claim<'_>> {
        self.attributes.get(name).map(Claim::Value)
    }

    fn days(&self, event: &str) -> &[(i64, i64)] {
        self.history.get(event).map_or(&[], Vec::as_slice)
    }
}

/// What is wrong with a definition: the member, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: String,
    pub(crate) why: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> Fault {
        Fault { field: field.into(), why: why.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.why)
    }
}

impl Condition {
    /// Whether it can be evaluated; `field` names where it stands.
    pub(crate) fn check(&self, field: &str) -> Result<(), Fault> {
        let mut nodes = 0;
        self.check_node(field, 1, &mut nodes)
    }

    fn check_node(&self, field: &str, depth: usize, nodes: &mut usize) -> Result<(), Fault> {
        *nodes += 1;
        if depth > MAX_DEPTH || *nodes > MAX_NODES {
            let why = format!("more than {MAX_DEPTH} levels or {MAX_NODES} conditions");
            return Err(Fault::new(field, why));
        }
        match self {
            Condition::All(list) | Condition::Any(list) => {
                if list.is_empty() {
                    return Err(Fault::new(field, "an empty list of conditions"));
                }
                list.iter()
                    .enumerate()
                    .try_for_each(|(n, c)| c.check_node(&format!("{field}[{n}]"), depth + 1, nodes))
            }
            Condition::Not(inner) => inner.check_node(&format!("{field}.not"), depth + 1, nodes),
            Condition::Trait(comparison) | Condition::Attribute(comparison) => comparison.check(field),
            Condition::Event(history) => {
                if !is_name(&history.name) {
                    return Err(Fault::new(
                        format!("{field}.event.name"),
                        "1 to 128 bytes, no control characters",
                    ));
                }
                if let Some(days) = history.within_days.filter(|d| !(1..=MAX_DAYS).contains(d)) {
                    let why = format!("is {days}; it must be 1 to {MAX_DAYS}");
                    return Err(Fault::new(format!("{field}.event.withinDays"), why));
                }
                Ok(())
            }
        }
    }

    /// Whether it holds. `now` is Unix ms.
    pub(crate) fn holds(&self, facts: &impl Facts, now: i64) -> bool {
        match self {
            Condition::All(list) => list.iter().all(|c| c.holds(facts, now)),
            Condition::Any(list) => list.iter().any(|c| c.holds(facts, now)),
            Condition::Not(inner) => !inner.holds(facts, now),
            Condition::Trait(comparison) => comparison.holds_text(facts.stated(&comparison.name)),
            Condition::Attribute(comparison) => match facts.claimed(&comparison.name) {
                Some(Claim::Text(text)) => comparison.holds_text(Some(text)),
                Some(Claim::Value(value)) => comparison.holds(Some(value)),
                None => comparison.holds(None),
            },
            Condition::Event(history) => history.holds(facts.days(&history.name), now),
        }
    }

    /// The conditions that are no combination of others.
    pub(crate) fn visit<'a>(&'a self, each: &mut impl FnMut(&'a Condition)) {
        match self {
            Condition::All(list) | Condition::Any(list) => list.iter().for_each(|c| c.visit(each)),
            Condition::Not(inner) => inner.visit(each),
            Condition::Trait(_) | Condition::Attribute(_) | Condition::Event(_) => each(self),
        }
    }

    /// The event names whose history it asks for.
    pub(crate) fn events<'a>(&'a self, into: &mut Vec<&'a str>) {
        self.visit(&mut |condition| {
            if let Condition::Event(history) = condition {
                into.push(&history.name);
            }
        });
    }
}

impl Comparison {
    pub(crate) fn check(&self, field: &str) -> Result<(), Fault> {
        if !is_name(&self.name) {
            return Err(Fault::new(format!("{field}.name"), "1 to 128 bytes, no control characters"));
        }
        let scalar = |v: &Value| !(v.is_array() || v.is_object() || v.is_null());
        let (fits, form) = match self.op {
            Op::Exists => (self.value.is_boolean(), "true or false"),
            Op::In => {
                let fits = self
                    .value
                    .as_array()
                    .is_some_and(|a| !a.is_empty() && a.len() <= 1_000 && a.iter().all(scalar));
                (fits, "an array of 1 to 1000 scalars")
            }
            Op::Equal | Op::Different => (scalar(&self.value), "a scalar"),
            _ => (self.value.is_number() || self.value.is_string(), "a number or a text"),
        };
        if fits {
            return Ok(());
        }
        Err(Fault::new(
            format!("{field}.value"),
            format!("is {}; with this op it must be {form}", encode(&self.value)),
        ))
    }

    /// The same for a text, read as the kind that it is compared with.
    fn holds_text(&self, actual: Option<&str>) -> bool {
        let sample = match &self.value {
            Value::Array(list) => list.first(),
            other => Some(other),
        };
        let read = actual.map(|text| match sample {
            Some(Value::Number(_) | Value::Bool(_)) if self.op != Op::Exists => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
            }
            _ => Value::String(text.to_owned()),
        });
        self.holds(read.as_ref())
    }

    pub(crate) fn holds(&self, actual: Option<&Value>) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let Some(actual) = actual else {
            return self.op == Op::Different || (self.op == Op::Exists && self.value == Value::Bool(false));
        };
        let order = order(actual, &self.value);
        match self.op {
            Op::Equal => order == Some(Equal),
            Op::Different => order != Some(Equal),
            Op::Less => order == Some(Less),
            Op::AtMost => matches!(order, Some(Less | Equal)),
            Op::Greater => order == Some(Greater),
            Op::AtLeast => matches!(order, Some(Greater | Equal)),
            Op::In => {
                let list = self.value.as_array();
                list.is_some_and(|list| list.iter().any(|one| self::order(actual, one) == Some(Equal)))
            }
            Op::Exists => self.value == Value::Bool(true),
        }
    }
}

/// `None`: they cannot be compared.
fn order(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
        },
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) if a == b => Some(std::cmp::Ordering::Equal),
        _ => None,
    }
}

impl History {
    fn holds(&self, days: &[(i64, i64)], now: i64) -> bool {
        let count: i64 = match self.within_days {
            None => days.iter().filter(|(day, _)| *day == -1).map(|(_, n)| n).sum(),
            Some(within) => {
                let today = now.div_euclid(DAY_MS);
                let first = today - i64::from(within) + 1;
                days.iter().filter(|(day, _)| (first.max(0)..=today).contains(day)).map(|(_, n)| n).sum()
            }
        };
        let count = u64::try_from(count).unwrap_or(0);
        let at_least = self.at_least.unwrap_or(u64::from(self.at_most.is_none()));
        count >= at_least && self.at_most.is_none_or(|most| count <= most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn condition(json: Value) -> Condition {
        serde_json::from_value(json).unwrap()
    }

    fn profile() -> Profile {
        Profile {
            traits: [("level".into(), "10".into()), ("country".into(), "DE".into())].into(),
            attributes: [("tier".into(), json!("gold"))].into(),
            history: [("purchase".to_owned(), vec![(-1, 7), (20, 2), (18, 1)])].into(),
        }
    }

    #[test]
    fn values_are_compared_with_their_kind() {
        let profile = profile();
        let holds = |op: &str, value: Value| {
            condition(json!({"trait": {"name": "level", "op": op, "value": value}})).holds(&profile, 0)
        };
        assert!(
            holds(">=", json!(10))
                && holds("<=", json!(10.0))
                && !holds(">", json!(10))
                && holds("<", json!(10.5))
        );
        assert!(
            holds("=", json!(10))
                && holds("=", json!("10"))
                && !holds("=", json!(true))
                && !holds(">", json!("9"))
        );
        assert!(
            holds("in", json!([1, 10])) && holds("in", json!(["1", "10"])) && holds("exists", json!(true))
        );
        let country = |op: &str, value: Value| {
            condition(json!({"trait": {"name": "country", "op": op, "value": value}})).holds(&profile, 0)
        };
        assert!(
            country("=", json!("DE"))
                && !country(">", json!(1))
                && !country("<", json!(1))
                && country("!=", json!(1))
        );
        let absent = |op: &str, value: Value| {
            condition(json!({"attribute": {"name": "level", "op": op, "value": value}})).holds(&profile, 0)
        };
        assert!(absent("!=", json!(1)) && absent("exists", json!(false)));
        assert!(!absent(">=", json!(0)) && !absent("=", json!(10)) && !absent("in", json!([10])));
    }

    #[test]
    fn history_counts_days_or_all_time() {
        let profile = profile();
        let now = 20 * DAY_MS + 5;
        let holds = |json: Value| condition(json!({"event": json})).holds(&profile, now);
        assert!(
            holds(json!({"name": "purchase", "atLeast": 7}))
                && !holds(json!({"name": "purchase", "atLeast": 8}))
        );
        assert!(holds(json!({"name": "purchase", "withinDays": 1, "atLeast": 2, "atMost": 2})));
        assert!(holds(json!({"name": "purchase", "withinDays": 2, "atMost": 2})));
        assert!(holds(json!({"name": "purchase", "withinDays": 3, "atLeast": 3})));
        assert!(holds(json!({"name": "login", "atMost": 0})) && !holds(json!({"name": "login"})));
        assert!(!holds(json!({"name": "purchase", "atMost": 0})));
    }

    #[test]
    fn conditions_combine() {
        let (yes, no) = (
            json!({"trait": {"name": "level", "op": "exists", "value": true}}),
            json!({"trait": {"name": "level", "op": "exists", "value": false}}),
        );
        for (json, expected) in [
            (json!({"all": [yes, yes]}), true),
            (json!({"all": [yes, no]}), false),
            (json!({"any": [no, yes]}), true),
            (json!({"any": [no, no]}), false),
            (json!({"not": no}), true),
            (json!({"all": [yes, {"not": {"any": [no, no]}}]}), true),
        ] {
            assert_eq!(condition(json.clone()).holds(&profile(), 0), expected, "{json}");
        }
    }

    #[test]
    fn an_object_holds_one_condition() {
        let refused = |json: Value| serde_json::from_value::<Condition>(json).unwrap_err().to_string();
        let event = json!({"name": "fish"});
        assert!(refused(json!({"event": event, "not": {"event": event}})).starts_with("2 conditions in one"));
        assert!(refused(json!({})).starts_with("0 conditions"));
        assert!(refused(json!({"events": event})).contains("expected one of `all`"));
        let nested = json!({"not": {"all": [{"event": {"name": "fish", "atMost": 1}}]}});
        assert_eq!(serde_json::to_value(condition(nested.clone())).unwrap(), nested);
    }

    #[test]
    fn what_cannot_be_evaluated_is_refused_by_its_place() {
        let fault = |json: Value| condition(json).check("when").unwrap_err();
        assert_eq!(fault(json!({"all": []})).field, "when");
        let bad = json!({"any": [{"trait": {"name": "a", "op": ">", "value": true}}]});
        assert_eq!(fault(bad).field, "when[0].value");
        assert!(fault(json!({"event": {"name": "x", "withinDays": 366}})).why.contains("366"));
        let mut deep = json!({"event": {"name": "x"}});
        for _ in 0..5 {
            deep = json!({"not": deep});
        }
        assert!(condition(deep).check("when").is_err());
        let wide = vec![json!({"event": {"name": "x"}}); 64];
        assert!(condition(json!({"all": wide})).check("when").is_err());
        assert!(
            serde_json::from_value::<Condition>(json!({"trait": {"name": "a", "op": "~", "value": 1}}))
                .is_err()
        );
    }
}
