//! Targeting rules: which questions a rule may ask, and whether they fit whoever asks. Which rule comes first is the flag's affair.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use castline::protocol::{is_name, is_player_id};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Number, Value};

use super::version::{self, VersionRange};
use super::{Asker, Wrong};
use crate::engine::segments::Segment;

/// Conditions of a rule.
const MAX_CONDITIONS: usize = 16;
/// Operands of `in` and `notIn`.
const MAX_OPERANDS: usize = 1_000;
/// Bytes of an operand.
const MAX_OPERAND: usize = 1_024;

/// Gives a variant to whom it fits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Rule {
    /// `player`, `build`, `attr.<name>` (what the game says), `trait.<name>` (what the server knows) or `segment` (which it belongs to) →
    /// what it must be. All must fit.
    pub when: BTreeMap<String, Test>,
    /// The variant then.
    pub variant: String,
}

/// What a value must be: a list of which it is one (`["gold", "silver"]`), or operators that must all hold (`{">=": 10, "<": 20}`).
#[derive(Debug, Clone)]
pub struct Test(Vec<Check>);

#[derive(Debug, Clone)]
enum Check {
    In(Vec<Scalar>),
    NotIn(Vec<Scalar>),
    Equal(Scalar),
    NotEqual(Scalar),
    Order(Order, Scalar),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Exists(bool),
    Range(VersionRange),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone)]
enum Scalar {
    Text(String),
    Number(Number),
    Bool(bool),
}

impl Rule {
    /// Whether all conditions fit.
    pub(super) fn fits(&self, asker: &Asker, segments: &BTreeMap<String, Segment>) -> bool {
        self.when.iter().all(|(subject, test)| match subject.as_str() {
            "segment" => test.fits_segments(|name| asker.belongs(segments.get(name))),
            subject => test.fits(asker.value(subject), subject == "build"),
        })
    }

    /// The segments that it names.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        let scalars = self.when.get("segment").into_iter().flat_map(|test| &test.0).flat_map(Check::scalars);
        scalars.filter_map(|scalar| match scalar {
            Scalar::Text(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether a condition asks for what only the server knows.
    pub(super) fn asks_for_traits(&self) -> bool {
        self.when.keys().any(|subject| subject.starts_with("trait."))
    }

    /// Whether everything that it asks can be asked. `field` is where the rule stands.
    pub(super) fn check(&self, field: &str) -> Result<(), Wrong> {
        if self.when.is_empty() {
            let detail = "a rule needs a condition; for everybody set defaultVariant instead";
            return Err(Wrong::new(format!("{field}.when"), detail));
        }
        if self.when.len() > MAX_CONDITIONS {
            let detail = format!("{} conditions; the limit is {MAX_CONDITIONS}", self.when.len());
            return Err(Wrong::new(format!("{field}.when"), detail));
        }
        for (subject, test) in &self.when {
            let at = format!("{field}.when[{subject:?}]");
            let named = subject.strip_prefix("attr.").or_else(|| subject.strip_prefix("trait."));
            if !matches!(subject.as_str(), "player" | "build" | "segment") && !named.is_some_and(is_name) {
                let detail = "a rule may ask for player, build, segment, attr.<name> and trait.<name>";
                return Err(Wrong::new(at, detail));
            }
            test.check(&at, subject)?;
        }
        Ok(())
    }
}

impl Test {
    fn fits(&self, is: Option<&str>, is_build: bool) -> bool {
        self.0.iter().all(|check| check.fits(is, is_build))
    }

    /// To a list of segments one belongs if one belongs to any of them. Where it cannot be said nothing fits, the negations included.
    fn fits_segments(&self, belongs: impl Fn(&str) -> Option<bool>) -> bool {
        let is = |wanted: bool| {
            let belongs = &belongs;
            move |scalar: &Scalar| matches!(scalar, Scalar::Text(name) if belongs(name) == Some(wanted))
        };
        self.0.iter().all(|check| match check {
            Check::In(list) => list.iter().any(is(true)),
            Check::Equal(scalar) => is(true)(scalar),
            Check::NotIn(list) => list.iter().all(is(false)),
            Check::NotEqual(scalar) => is(false)(scalar),
            _ => false,
        })
    }

    fn check(&self, at: &str, subject: &str) -> Result<(), Wrong> {
        if self.0.is_empty() {
            return Err(Wrong::new(at, "no operator; write a list of values or for example {\">=\": 10}"));
        }
        for check in &self.0 {
            let (word, operand) = check.to_json();
            let at = format!("{at}[{word:?}]");
            let of_segments =
                matches!(check, Check::In(_) | Check::NotIn(_) | Check::Equal(_) | Check::NotEqual(_));
            if subject == "segment" && !of_segments {
                let detail = format!("{word} cannot be asked of a segment; there are in, notIn, == and !=");
                return Err(Wrong::new(at, detail));
            }
            for scalar in check.scalars() {
                match scalar {
                    Scalar::Text(text) if text.len() > MAX_OPERAND => {
                        let detail = format!("a text of {} bytes; the limit is {MAX_OPERAND}", text.len());
                        return Err(Wrong::new(at, detail));
                    }
                    Scalar::Text(text) if subject == "player" && !is_player_id(text) => {
                        let detail = format!("{text:?} is no player: 1 to 64 of A-Z a-z 0-9 _ . : -");
                        return Err(Wrong::new(at, detail));
                    }
                    Scalar::Text(text) if subject == "segment" && !is_name(text) => {
                        let detail = format!("{} bytes; a segment's name is 1 to 128", text.len());
                        return Err(Wrong::new(at, detail));
                    }
                    Scalar::Number(_) | Scalar::Bool(_)
                        if matches!(subject, "player" | "build" | "segment") =>
                    {
                        return Err(Wrong::new(at, format!("{operand} is no text, and {subject} is one")));
                    }
                    _ => {}
                }
            }
            match check {
                Check::In(list) | Check::NotIn(list) if list.is_empty() || list.len() > MAX_OPERANDS => {
                    let detail = format!("{} values; there must be 1 to {MAX_OPERANDS}", list.len());
                    return Err(Wrong::new(at, detail));
                }
                Check::Order(_, Scalar::Text(text))
                    if subject == "build" && version::parse(text).is_some() => {}
                Check::Order(_, Scalar::Text(text)) if subject == "build" => {
                    return Err(Wrong::new(at, format!("{text:?} is no version such as \"2.0\"")));
                }
                Check::Order(_, Scalar::Number(_)) => {}
                Check::Order(..) => {
                    let detail = format!(
                        "{operand} cannot be put in order: a number is needed (with build, a version)"
                    );
                    return Err(Wrong::new(at, detail));
                }
                Check::StartsWith(text) | Check::EndsWith(text) | Check::Contains(text)
                    if text.is_empty() || text.len() > MAX_OPERAND =>
                {
                    let detail = format!("a text of {} bytes; it must be 1 to {MAX_OPERAND}", text.len());
                    return Err(Wrong::new(at, detail));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Check {
    /// A value that is not there fits `exists: false` and nothing else, the negations included: what a client leaves out must not
    /// win it anything.
    fn fits(&self, is: Option<&str>, is_build: bool) -> bool {
        let Some(is) = is else { return matches!(self, Check::Exists(false)) };
        match self {
            Check::Exists(wanted) => *wanted,
            Check::In(list) => list.iter().any(|scalar| scalar.equals(is, is_build)),
            Check::NotIn(list) => !list.iter().any(|scalar| scalar.equals(is, is_build)),
            Check::Equal(scalar) => scalar.equals(is, is_build),
            Check::NotEqual(scalar) => !scalar.equals(is, is_build),
            Check::Order(order, scalar) => scalar.compare(is, is_build).is_some_and(|is| order.holds(is)),
            Check::StartsWith(text) => is.starts_with(text.as_str()),
            Check::EndsWith(text) => is.ends_with(text.as_str()),
            Check::Contains(text) => is.contains(text.as_str()),
            Check::Range(range) => range.fits(is),
        }
    }

    fn scalars(&self) -> &[Scalar] {
        match self {
            Check::In(list) | Check::NotIn(list) => list,
            Check::Equal(scalar) | Check::NotEqual(scalar) | Check::Order(_, scalar) => {
                std::slice::from_ref(scalar)
            }
            _ => &[],
        }
    }

    fn of(word: &str, operand: Value) -> Result<Check, String> {
        let text = |operand: Value| match operand {
            Value::String(text) => Ok(text),
            other => Err(format!("{word} needs a text, not {other}")),
        };
        let list = |operand: Value| match operand {
            Value::Array(list) => list.into_iter().map(Scalar::of).collect::<Result<Vec<_>, _>>(),
            other => Err(format!("{word} needs a list, not {other}")),
        };
        Ok(match word {
            "in" => Check::In(list(operand)?),
            "notIn" => Check::NotIn(list(operand)?),
            "==" => Check::Equal(Scalar::of(operand)?),
            "!=" => Check::NotEqual(Scalar::of(operand)?),
            "<" => Check::Order(Order::Less, Scalar::of(operand)?),
            "<=" => Check::Order(Order::LessOrEqual, Scalar::of(operand)?),
            ">" => Check::Order(Order::Greater, Scalar::of(operand)?),
            ">=" => Check::Order(Order::GreaterOrEqual, Scalar::of(operand)?),
            "startsWith" => Check::StartsWith(text(operand)?),
            "endsWith" => Check::EndsWith(text(operand)?),
            "contains" => Check::Contains(text(operand)?),
            "exists" => match operand {
                Value::Bool(wanted) => Check::Exists(wanted),
                other => return Err(format!("exists needs true or false, not {other}")),
            },
            "range" => Check::Range(VersionRange::parse(&text(operand)?)?),
            unknown => {
                return Err(format!(
                    "unknown operator {unknown:?}; there are in, notIn, ==, !=, <, <=, >, >=, startsWith, endsWith, contains, exists, range"
                ));
            }
        })
    }

    fn to_json(&self) -> (&'static str, Value) {
        let list = |list: &[Scalar]| Value::Array(list.iter().map(Scalar::to_json).collect());
        match self {
            Check::In(scalars) => ("in", list(scalars)),
            Check::NotIn(scalars) => ("notIn", list(scalars)),
            Check::Equal(scalar) => ("==", scalar.to_json()),
            Check::NotEqual(scalar) => ("!=", scalar.to_json()),
            Check::Order(order, scalar) => (order.word(), scalar.to_json()),
            Check::StartsWith(text) => ("startsWith", text.as_str().into()),
            Check::EndsWith(text) => ("endsWith", text.as_str().into()),
            Check::Contains(text) => ("contains", text.as_str().into()),
            Check::Exists(wanted) => ("exists", (*wanted).into()),
            Check::Range(range) => ("range", range.text().into()),
        }
    }
}

impl Order {
    fn holds(self, is: Ordering) -> bool {
        match self {
            Order::Less => is.is_lt(),
            Order::LessOrEqual => is.is_le(),
            Order::Greater => is.is_gt(),
            Order::GreaterOrEqual => is.is_ge(),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Order::Less => "<",
            Order::LessOrEqual => "<=",
            Order::Greater => ">",
            Order::GreaterOrEqual => ">=",
        }
    }
}

impl Scalar {
    fn of(value: Value) -> Result<Scalar, String> {
        match value {
            Value::String(text) => Ok(Scalar::Text(text)),
            Value::Number(number) => Ok(Scalar::Number(number)),
            Value::Bool(is) => Ok(Scalar::Bool(is)),
            other => Err(format!("{other} is no text, number, true or false")),
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Scalar::Text(text) => text.as_str().into(),
            Scalar::Number(number) => Value::Number(number.clone()),
            Scalar::Bool(is) => (*is).into(),
        }
    }

    /// Values come as texts; the operand says how they are compared. Builds are also equal if they are the same version.
    fn equals(&self, is: &str, is_build: bool) -> bool {
        match self {
            Scalar::Text(text) => {
                text == is || (is_build && version::compare(is, text) == Some(Ordering::Equal))
            }
            Scalar::Number(_) => self.compare(is, false) == Some(Ordering::Equal),
            Scalar::Bool(wanted) => is == if *wanted { "true" } else { "false" },
        }
    }

    /// How the value stands to the operand; `None` where they cannot be compared.
    fn compare(&self, is: &str, is_build: bool) -> Option<Ordering> {
        match self {
            Scalar::Text(text) if is_build => version::compare(is, text),
            Scalar::Number(number) => {
                let is: f64 = is.trim().parse().ok().filter(|n: &f64| n.is_finite())?;
                is.partial_cmp(&number.as_f64()?)
            }
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Test, D::Error> {
        let checks = match Value::deserialize(deserializer)? {
            list @ Value::Array(_) => Check::of("in", list).map(|check| vec![check]),
            Value::Object(operators) => {
                operators.into_iter().map(|(word, operand)| Check::of(&word, operand)).collect()
            }
            other => Err(format!(
                "{other} is neither a list of values nor an object of operators such as {{\">=\": 10}}"
            )),
        };
        checks.map(Test).map_err(D::Error::custom)
    }
}

impl Serialize for Test {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [only @ Check::In(_)] => only.to_json().1.serialize(serializer),
            checks => checks
                .iter()
                .map(Check::to_json)
                .map(|(word, operand)| (word.to_owned(), operand))
                .collect::<Map<_, _>>()
                .serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(json: &str) -> Test {
        serde_json::from_str(json).unwrap()
    }

    fn attribute(json: &str, is: &str) -> bool {
        test(json).fits(Some(is), false)
    }

    #[test]
    fn each_operator_does_what_it_says() {
        for (json, yes, no) in [
            (r#"["gold","silver"]"#, "gold", "Gold"),
            (r#"{"in":["a",2,true]}"#, "2.0", "false"),
            (r#"{"notIn":["a",2]}"#, "b", "2"),
            (r#"{"==":"a"}"#, "a", "A"),
            (r#"{"==":10}"#, "10.0", "10a"),
            (r#"{"==":true}"#, "true", "TRUE"),
            (r#"{"!=":"a"}"#, "b", "a"),
            (r#"{"<":10}"#, "9.99", "10"),
            (r#"{"<=":10}"#, "10", "10.01"),
            (r#"{">":-1.5}"#, "0", "-2"),
            (r#"{">=":10,"<":20}"#, "10", "20"),
            (r#"{"startsWith":"рыб"}"#, "рыбак", "Рыбак"),
            (r#"{"endsWith":"🐟"}"#, "a🐟", "🐟a"),
            (r#"{"contains":"ll"}"#, "hello", "helo"),
            (r#"{"range":">=2, <3"}"#, "2.5", "3"),
        ] {
            assert!(attribute(json, yes), "{json} {yes}");
            assert!(!attribute(json, no), "{json} {no}");
        }
        for odd in ["NaN", "inf", "", "1e999", "0x10"] {
            assert!(!attribute(r#"{">":0}"#, odd), "{odd} is no number");
        }
    }

    #[test]
    fn builds_are_compared_as_versions() {
        let build = |json: &str, is: &str| test(json).fits(Some(is), true);
        assert!(build(r#"{">=":"2.9","<":"3"}"#, "2.10.1"));
        assert!(build(r#"["2.0"]"#, "2.0.0") && build(r#"["dev"]"#, "dev"));
        assert!(!build(r#"{"!=":"2.0"}"#, "2.0.0"));
    }

    #[test]
    fn what_is_left_out_wins_nothing() {
        for json in [r#"["a"]"#, r#"{"!=":"a"}"#, r#"{"notIn":["a"]}"#, r#"{"<":1}"#, r#"{"exists":true}"#] {
            assert!(!test(json).fits(None, false), "{json}");
        }
        assert!(test(r#"{"exists":false}"#).fits(None, false));
        assert!(!test(r#"{"exists":false}"#).fits(Some(""), false));
    }

    #[test]
    fn a_test_is_written_as_it_was_read() {
        for json in [
            r#"["gold"]"#,
            r#"{"<":20,">=":10}"#,
            r#"{"range":">=2, <3"}"#,
            r#"{"exists":false}"#,
            r#"{"notIn":[1,true,"x"]}"#,
        ] {
            assert_eq!(serde_json::to_string(&test(json)).unwrap(), json);
        }
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        let refused = |when: &str| {
            let rule: Result<Rule, _> = serde_json::from_str(&format!(r#"{{"when":{when},"variant":"v"}}"#));
            rule.map_err(|e| e.to_string())
                .and_then(|rule| rule.check("rules[0]").map_err(|e| e.to_string()))
                .unwrap_err()
        };
        for (when, said) in [
            ("{}", "rules[0].when: a rule needs a condition"),
            (r#"{"level":[1]}"#, r#"rules[0].when["level"]: a rule may ask for"#),
            (r#"{"attr.":[1]}"#, r#"rules[0].when["attr."]"#),
            (r#"{"attr.x":[]}"#, "0 values"),
            (r#"{"attr.x":{}}"#, "no operator"),
            (r#"{"attr.x":"gold"}"#, "neither a list"),
            (r#"{"attr.x":{"=>":1}}"#, "unknown operator \"=>\""),
            (r#"{"attr.x":{"<":"ten"}}"#, r#"rules[0].when["attr.x"]["<"]: "ten" cannot be put in order"#),
            (r#"{"attr.x":{"<":[1]}}"#, "[1] is no text"),
            (r#"{"attr.x":{"in":1}}"#, "in needs a list"),
            (r#"{"attr.x":{"exists":1}}"#, "exists needs true or false"),
            (r#"{"attr.x":{"contains":""}}"#, "a text of 0 bytes"),
            (r#"{"build":{"<":"two"}}"#, "\"two\" is no version"),
            (r#"{"build":{"range":"from 2"}}"#, "no version range"),
            (r#"{"build":[2]}"#, "is no text"),
            (r#"{"player":["a b"]}"#, "\"a b\" is no player"),
            (r#"{"segment":{"<":"whales"}}"#, r#"rules[0].when["segment"]["<"]: < cannot be asked"#),
            (r#"{"segment":{"exists":true}}"#, "exists cannot be asked"),
            (r#"{"segment":[5]}"#, "5] is no text"),
            (r#"{"segment":[""]}"#, "0 bytes; a segment"),
        ] {
            let error = refused(when);
            assert!(error.contains(said), "{when}: {error}");
        }
    }
}
