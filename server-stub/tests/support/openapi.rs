//! The operations that the served OpenAPI documents name, each with an example of everything that it takes.
#![allow(clippy::unwrap_used, dead_code)]

use std::net::SocketAddr;

use castline_server::RunningServer;
use serde_json::Value;

use super::get;

/// One method of one path.
pub struct Operation {
    pub document: std::rc::Rc<Value>,
    pub address: SocketAddr,
    pub method: String,
    /// As documented: `/admin/flags/{name}`.
    pub template: String,
    pub parameters: Vec<Value>,
    /// The schema and the example of a JSON body.
    pub body: Option<(Value, Value)>,
    pub key: Key,
    pub responses: Value,
}

/// What an operation asks of whoever calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Nothing,
    /// A token is looked at if there is one.
    Perhaps,
    Needed,
}

/// All operations of both documents. The players' come first: an operator may ban them.
pub async fn operations(server: &RunningServer) -> Vec<Operation> {
    let mut all = Vec::new();
    for (path, address) in [("/openapi.json", server.admin_addr()), ("/openapi/players.json", server.addr())]
    {
        let answer = get(server.admin_addr(), path, &[]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let document = std::rc::Rc::new(answer.json());
        for (template, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in
                item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters")
            {
                let lists = [&item["parameters"], &operation["parameters"]];
                let parameters = lists.into_iter().filter_map(Value::as_array).flatten();
                let ways = operation.get("security").or(document.get("security")).and_then(Value::as_array);
                all.push(Operation {
                    address,
                    method: method.to_uppercase(),
                    template: template.clone(),
                    parameters: parameters.map(|p| resolved(&document, p).clone()).collect(),
                    body: operation["requestBody"]["content"].get("application/json").map(|body| {
                        assert!(body.get("example").is_some(), "{method} {template} has no example");
                        (resolved(&document, &body["schema"]).clone(), body["example"].clone())
                    }),
                    key: match ways {
                        None => Key::Nothing,
                        Some(ways) if ways.is_empty() => Key::Nothing,
                        Some(ways) if ways.iter().any(|way| way.as_object().unwrap().is_empty()) => {
                            Key::Perhaps
                        }
                        Some(_) => Key::Needed,
                    },
                    responses: operation["responses"].clone(),
                    document: document.clone(),
                });
            }
        }
    }
    all
}

/// What a `$ref` leads to.
pub fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(to) => resolved(document, document.pointer(to.strip_prefix('#').unwrap()).unwrap()),
        None => value,
    }
}

impl Operation {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    fn of(&self, place: &str) -> impl Iterator<Item = &Value> {
        self.parameters.iter().filter(move |parameter| parameter["in"] == place)
    }

    pub fn path_parameters(&self) -> Vec<&str> {
        self.of("path").map(|parameter| parameter["name"].as_str().unwrap()).collect()
    }

    pub fn query_parameters(&self) -> Vec<&str> {
        self.of("query").map(|parameter| parameter["name"].as_str().unwrap()).collect()
    }

    /// The path with its examples, and where `instead` says so, another segment; with the mandatory query.
    pub fn path(&self, instead: Option<(&str, &str)>) -> String {
        let mut path = self.template.clone();
        for parameter in self.of("path") {
            let name = parameter["name"].as_str().unwrap();
            let example =
                parameter["example"].as_str().unwrap_or_else(|| panic!("{path}: {name} has no example"));
            let value = instead.filter(|(other, _)| *other == name).map_or(example, |(_, value)| value);
            path = path.replace(&format!("{{{name}}}"), value);
        }
        let needed = self.of("query").filter(|parameter| parameter["required"] == true);
        let query: Vec<String> = needed
            .map(|p| format!("{}={}", p["name"].as_str().unwrap(), p["example"].as_str().unwrap()))
            .collect();
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// Of the operators' address.
    pub fn is_operators(&self) -> bool {
        self.document["security"].is_array()
    }

    /// For the game's backends, behind an API key.
    pub fn is_backends(&self) -> bool {
        self.template.starts_with("/server/")
    }

    /// OpenFeature's protocol has errors of its own.
    pub fn is_ofrep(&self) -> bool {
        self.template.starts_with("/ofrep/")
    }
}
