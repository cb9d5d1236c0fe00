//! The form of what is sent: JSON bodies read strictly, names in paths. What is wrong is said with the member that it stands in.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query};
use axum::http::{HeaderMap, StatusCode, header};
use castline::protocol::Code;
use serde::Deserialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::problem::Problem;
use super::strict::Strict;
use super::text;

pub(super) type Body = Result<Bytes, BytesRejection>;
/// What a query says, pair by pair.
pub(super) type Parameters = Result<Query<Vec<(String, String)>>, QueryRejection>;
pub(super) type Name = Result<Path<String>, PathRejection>;

/// A JSON body. No content type is taken for JSON, another one is refused; so is a member that comes twice, for a reader who saw the
/// first and a server that took the second would never agree.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    from_text(&json_text(headers, &[], body)?)
}

/// The same, where there may be no body at all.
pub(super) fn json_or_nothing<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
) -> Result<Option<T>, Problem> {
    match body {
        Ok(bytes) if bytes.is_empty() => Ok(None),
        body => json(headers, body).map(Some),
    }
}

/// The text of a JSON body, which may go by these content types too.
pub(super) fn json_text(headers: &HeaderMap, also: &[&str], body: Body) -> Result<String, Problem> {
    is_json(headers, also)?;
    text(body)
}

fn is_json(headers: &HeaderMap, also: &[&str]) -> Result<(), Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(()) };
    let kind = value.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
        || also.contains(&essence.as_str())
    {
        return Ok(());
    }
    let detail = format!("content-type: {essence:?}; the body must be application/json");
    let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidPayload.as_str(), detail);
    Err(problem.on("content-type"))
}

/// The text of a JSON object as a value.
pub(super) fn from_text<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Problem> {
    if !text.trim_start().starts_with('{') {
        let what = if text.trim().is_empty() { "empty" } else { "no object" };
        return Err(Problem::at("body", format!("{what}; a JSON object is needed")));
    }
    if let Some(twice) = comes_twice(text) {
        return Err(Problem::at(twice, "given twice"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(Strict(&mut reader)).map_err(|error| {
        let path = error.path().to_string();
        // Where the text itself breaks off or goes wrong, the last step of the path is unknown.
        let field = match path.trim_end_matches(['?', '.']) {
            "" => "body",
            known => known,
        };
        Problem::at(field, error.into_inner().to_string())
    })?;
    reader.end().map_err(|error| Problem::at("body", error.to_string()))?;
    Ok(value)
}

/// The parameters of a query: only known ones, each at most once.
pub(super) fn parameters(query: Parameters, known: &[&str]) -> Result<BTreeMap<String, String>, Problem> {
    let Query(pairs) = query.map_err(|rejection| Problem::at("query", rejection.body_text()))?;
    let mut found = BTreeMap::new();
    for (name, value) in pairs {
        if !known.contains(&name.as_str()) {
            let field = if name.is_empty() { "query" } else { &name };
            return Err(Problem::at(
                field,
                format!("unknown parameter {name:?}; there are {}", known.join(", ")),
            ));
        }
        if found.insert(name.clone(), value).is_some() {
            return Err(Problem::at(name, "given twice"));
        }
    }
    Ok(found)
}

/// A name in the path.
pub(super) fn name(path: Name) -> Result<String, Problem> {
    path.map(|Path(name)| name).map_err(|rejection| Problem::at("name", rejection.body_text()))
}

/// The path of a member that an object has twice. Text that is no JSON is somebody else's affair.
fn comes_twice(text: &str) -> Option<String> {
    let found = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_str(text);
    let _ = Unique { path: "", found: &found }.deserialize(&mut reader);
    found.into_inner()
}

#[derive(Clone, Copy)]
struct Unique<'a> {
    path: &'a str,
    found: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let path = if self.path.is_empty() { key.clone() } else { format!("{}.{key}", self.path) };
            if !seen.insert(key) {
                *self.found.borrow_mut() = Some(path);
                return Err(A::Error::custom("twice"));
            }
            map.next_value_seed(Unique { path: &path, found: self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    #[test]
    fn a_member_that_comes_twice_is_named() {
        for (text, twice) in [
            (r#"{"a":1,"b":{"c":[{"d":1},{"d":1,"d":2}]}}"#, Some("b.c.d")),
            (r#"{"a":1,"\u0061":2}"#, Some("a")),
            (r#"{"a":{"a":{"a":null}},"b":[1.5,-1,true,"a"]}"#, None),
            ("[", None),
        ] {
            assert_eq!(comes_twice(text).as_deref(), twice, "{text}");
        }
    }

    /// Any JSON, objects with few names, so that they meet.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // Of 17 digits serde_json may lose the last one; nobody writes those.
            any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..5).prop_map(Value::from),
                btree_map("[ab]{1,2}|.{0,3}", inner, 0..5).prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Sample {
        #[serde(rename = "a")]
        _number: i64,
        #[serde(rename = "b", default)]
        _inner: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(rename = "ab")]
        _text: String,
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_a_field(text in ".{0,60}") {
            for problem in [from_text::<Sample>(&text).err(), from_text::<Map<String, Value>>(&text).err()] {
                prop_assert!(problem.is_none_or(|problem| problem.names_a_field()));
            }
        }

        #[test]
        fn any_json_is_read_or_refused_with_a_field(json in any_json()) {
            let refused = from_text::<Sample>(&json.to_string()).err();
            prop_assert!(refused.is_none_or(|problem| problem.names_a_field()));
        }

        #[test]
        fn an_object_is_read_as_it_was_written(members in btree_map(".{0,6}", any_json(), 0..6)) {
            let written: Map<String, Value> = members.into_iter().collect();
            let read: Map<String, Value> = from_text(&Value::Object(written.clone()).to_string()).unwrap();
            prop_assert_eq!(Value::Object(read).to_string(), Value::Object(written).to_string());
        }

        #[test]
        fn a_member_that_comes_twice_is_found_wherever_it_is(
            names in vec("[a-z]{1,4}", 1..5),
            twice in ".{1,6}",
            values in (any_json(), any_json()),
        ) {
            let name = Value::from(twice.as_str()).to_string();
            let inner = format!("{{{name}:{},{name}:{}}}", values.0, values.1);
            let text = names.iter().rev().fold(inner, |inner, name| format!("{{\"{name}\":[1,{inner}]}}"));
            let problem = from_text::<Map<String, Value>>(&text).unwrap_err();
            prop_assert_eq!(problem.detail(), format!("{}.{twice}: given twice", names.join(".")));
        }
    }
}
