//! The OpenAPI documents: `GET /openapi.json` describes the operators' address, `GET /openapi/players.json` the players'. Both are
//! served on the operators' address, without a key: they hold no secret.
//!
//! They are written by hand, in parts by subject (`openapi/*.json`), for a derived document would repeat what serde accepts and miss
//! what the checks refuse. What keeps them true: the unit test below and `tests/openapi.rs` hold them against the routes, their methods
//! and the members that bodies may have; the step `openapi` of `cargo xtask test` sends what the schemas allow and what they forbid. The answers
//! that every operation of a kind can give (401, 413, 429 …) are added here, so that a part names only its own.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// What both documents share: the problem, the answers of every kind of operation.
const COMMON: &str = include_str!("../../openapi/common.json");
const OPERATORS: &[&str] = &[
    include_str!("../../openapi/operators.json"),
    include_str!("../../openapi/flags.json"),
    include_str!("../../openapi/campaigns.json"),
    include_str!("../../openapi/experiments.json"),
    include_str!("../../openapi/lookup.json"),
    include_str!("../../openapi/pool.json"),
    include_str!("../../openapi/bans.json"),
    include_str!("../../openapi/backends.json"),
];
const PLAYERS: &[&str] = &[include_str!("../../openapi/players.json")];

/// `GET /openapi.json`.
pub(super) async fn operators() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    answer(&TEXT, OPERATORS)
}

/// `GET /openapi/players.json`.
pub(super) async fn players() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    answer(&TEXT, PLAYERS)
}

fn answer(text: &'static OnceLock<String>, parts: &[&str]) -> Response {
    let text = text.get_or_init(|| document(parts).to_string());
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], text.as_str())
        .into_response()
}

/// The parts as one document.
fn document(parts: &[&str]) -> Value {
    let mut whole = Value::Object(Map::new());
    for part in std::iter::once(&COMMON).chain(parts) {
        // The parts are within the binary, and a test reads each.
        let part = serde_json::from_str(part).expect("a part of the OpenAPI document is JSON");
        join(&mut whole, part);
    }
    whole["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    let secured = whole.get("security").is_some();
    if let Some(paths) = whole["paths"].as_object_mut() {
        for item in paths.values_mut().filter_map(Value::as_object_mut) {
            let of_all = item.contains_key("parameters");
            for (method, operation) in item.iter_mut() {
                if is_method(method) {
                    add_answers(operation, of_all, secured);
                }
            }
        }
    }
    whole
}

/// Lays `other` over `into`: objects are joined, lists put one after the other.
fn join(into: &mut Value, other: Value) {
    match (into, other) {
        (Value::Object(into), Value::Object(other)) => {
            for (name, value) in other {
                join(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(other)) => into.extend(other),
        (into, other) => *into = other,
    }
}

fn is_method(member: &str) -> bool {
    matches!(member, "get" | "put" | "post" | "delete" | "patch" | "head" | "options")
}

/// The answers that follow from what an operation takes.
fn add_answers(operation: &mut Value, item_has_parameters: bool, secured_by_default: bool) {
    let has_parameters = item_has_parameters || operation.get("parameters").is_some();
    let has_body = operation.get("requestBody").is_some();
    let secured = match operation.get("security") {
        Some(Value::Array(ways)) => !ways.is_empty(),
        _ => secured_by_default,
    };
    let mut add = |status: &str, name: &str| {
        let answers = &mut operation["responses"];
        if answers.get(status).is_none() {
            answers[status] = json!({ "$ref": format!("#/components/responses/{name}") });
        }
    };
    if has_parameters || has_body {
        add("400", "BadRequest");
    }
    if secured {
        add("401", "Unauthorized");
        add("429", "TooMany");
    }
    if has_body {
        add("413", "TooLarge");
        add("415", "NotJson");
    }
    if secured || has_parameters || has_body {
        add("500", "Failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn paths(document: &Value) -> BTreeSet<String> {
        document["paths"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn what_is_served_is_documented_and_what_is_documented_is_served() {
        for (routes, parts) in
            [(super::super::operators_routes(), OPERATORS), (super::super::players_routes(), PLAYERS)]
        {
            let served: BTreeSet<String> = routes.paths().iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(served, paths(&document(parts)));
        }
    }

    /// Every `$ref` leads somewhere, every component is used, every operation has a name of its own.
    #[test]
    fn the_documents_hold_together() {
        fn collect<'a>(value: &'a Value, key: &str, into: &mut Vec<&'a str>) {
            match value {
                Value::Object(members) => {
                    for (name, value) in members {
                        if let (true, Value::String(text)) = (name == key, value) {
                            into.push(text);
                        }
                        collect(value, key, into);
                    }
                }
                Value::Array(list) => list.iter().for_each(|value| collect(value, key, into)),
                _ => {}
            }
        }
        for parts in [OPERATORS, PLAYERS] {
            let document = document(parts);
            let mut refs = Vec::new();
            collect(&document, "$ref", &mut refs);
            assert!(refs.len() > 20);
            for found in &refs {
                let pointer = found.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{found}");
            }
            for (name, _) in document["components"]["schemas"].as_object().unwrap() {
                let found = format!("#/components/schemas/{name}");
                assert!(refs.contains(&found.as_str()), "{name} is not used");
            }
            let mut ids = Vec::new();
            collect(&document["paths"], "operationId", &mut ids);
            let operations = document["paths"]
                .as_object()
                .unwrap()
                .values()
                .flat_map(|item| item.as_object().unwrap().keys())
                .filter(|member| is_method(member))
                .count();
            assert_eq!((ids.iter().collect::<BTreeSet<_>>().len(), ids.len()), (operations, operations));
        }
    }
}
