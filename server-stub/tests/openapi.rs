//! The OpenAPI documents against the running server: the same methods at each path, and the same members in each body.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::openapi::{operations, resolved};
use support::operator::Operator;
use support::{Answer, http, start_with};

#[tokio::test]
async fn each_path_takes_the_methods_that_are_documented() {
    let (server, _data) = support::start();
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    let bearer = format!("Bearer {key}");
    let backend = Operator::of(&server).api_key("sweep").await;
    let mut documented: BTreeMap<(bool, String), (Vec<String>, BTreeSet<String>)> = BTreeMap::new();
    for operation in operations(&server).await {
        let (paths, methods) =
            documented.entry((operation.is_operators(), operation.template.clone())).or_default();
        paths.push(operation.path(None));
        if operation.method == "GET" {
            methods.insert("HEAD".to_owned());
        }
        methods.insert(operation.method);
    }
    assert!(documented.len() > 25, "{}", documented.len());
    for ((operators, template), (paths, methods)) in documented {
        let address = if operators { server.admin_addr() } else { server.addr() };
        let bearer = if template.starts_with("/server/") { &backend } else { &bearer };
        let answer = http(address, "QUERY", &paths[0], &[("authorization", bearer)], "").await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (405, Some("application/problem+json")),
            "{template}"
        );
        let allowed: BTreeSet<String> =
            answer.header("allow").unwrap().split(',').map(str::to_owned).collect();
        assert_eq!(allowed, methods, "{template}");
    }
}

/// Serde's refusal of an unknown member names the known ones: those must be the documented ones, at every level.
#[tokio::test]
async fn operators_bodies_have_the_members_that_are_documented() {
    let (server, _data) = start_with(|s| s.limits.wrong_keys = castline_server::Rate::unlimited());
    let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
    let bearer = format!("Bearer {key}");
    let backend = Operator::of(&server).api_key("sweep").await;
    let mut checked = 0;
    for operation in operations(&server).await.iter().filter(|operation| operation.is_operators()) {
        let Some((schema, example)) = &operation.body else { continue };
        let mut places = Vec::new();
        objects(&operation.document, schema, example, String::new(), &mut places);
        for (pointer, members) in places {
            let mut body = example.clone();
            let object = body.pointer_mut(&pointer).unwrap().as_object_mut().unwrap();
            object.insert("zzz".to_owned(), Value::Null);
            let name = format!("{} {pointer}", operation.name());
            let headers = [("authorization", if operation.is_backends() { &*backend } else { &*bearer })];
            let answer = http(
                operation.address,
                &operation.method,
                &operation.path(None),
                &headers,
                &body.to_string(),
            )
            .await;
            assert_eq!(answer.status, 400, "{name}: {answer:?}");
            let said = expected(&answer);
            // `expected one of` names all; of two `or`, of one none of both.
            assert_eq!(said, members, "{name}: {answer:?}");
            checked += 1;
        }
    }
    assert!(checked >= 15, "{checked} objects");
}

/// The objects of the example whose members the schema lists: pointer and members.
fn objects(
    document: &Value,
    schema: &Value,
    example: &Value,
    at: String,
    into: &mut Vec<(String, BTreeSet<String>)>,
) {
    let schema = resolved(document, schema);
    if let Some(schema) = schema["anyOf"].as_array().and_then(|schemas| schemas.first()) {
        return objects(document, schema, example, at, into);
    }
    match example {
        Value::Object(members) => {
            let properties = schema["properties"].as_object();
            if let Some(properties) = properties.filter(|_| schema["additionalProperties"] == false) {
                into.push((at.clone(), properties.keys().cloned().collect()));
            }
            for (name, value) in members {
                let within = properties.and_then(|properties| properties.get(name));
                if let Some(schema) = within.or(schema.get("additionalProperties").filter(|s| s.is_object()))
                {
                    objects(document, schema, value, format!("{at}/{name}"), into);
                }
            }
        }
        Value::Array(list) => {
            if let Some((first, items)) = list.first().zip(schema.get("items")) {
                objects(document, items, first, format!("{at}/0"), into);
            }
        }
        _ => {}
    }
}

/// The words in backticks after `expected`.
fn expected(answer: &Answer) -> BTreeSet<String> {
    let json = answer.json();
    let detail = json["detail"].as_str().unwrap();
    let known = detail.split_once("expected").map_or("", |(_, known)| known);
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
