//! Whoever holds the operators' key.
#![allow(clippy::unwrap_used, dead_code)]

use castline_server::RunningServer;
use serde_json::Value;

use super::{Answer, http};

pub struct Operator<'a> {
    server: &'a RunningServer,
    bearer: String,
}

impl<'a> Operator<'a> {
    pub fn of(server: &'a RunningServer) -> Operator<'a> {
        let key = std::fs::read_to_string(server.admin_key_file().unwrap()).unwrap();
        Operator { server, bearer: format!("Bearer {key}") }
    }

    pub async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_as("ann", method, path, body).await
    }

    pub async fn ask_as(&self, who: &str, method: &str, path: &str, body: &str) -> Answer {
        let headers = [("authorization", self.bearer.as_str()), ("castline-actor", who)];
        http(self.server.admin_addr(), method, path, &headers, body).await
    }

    /// What must go well; returns the answer.
    pub async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.ask(method, path, &body).await;
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer.json()
    }

    /// A new API key with all scopes, as a header's value.
    pub async fn api_key(&self, name: &str) -> String {
        let new = serde_json::json!({"name": name, "scopes": ["offers", "traits", "revenue", "bans"]});
        let made = self.done("POST", "/admin/api-keys", new).await;
        format!("Bearer {}", made["key"].as_str().unwrap())
    }

    /// The audit table's lines, the latest first: who, action, subject.
    pub async fn audit(&self, query: &str) -> Vec<(String, String, String)> {
        let page = self.done("GET", &format!("/admin/audit?{query}"), Value::Null).await;
        let text = |line: &Value, member: &str| line[member].as_str().unwrap().to_owned();
        let lines = page["lines"].as_array().unwrap();
        lines.iter().map(|l| (text(l, "who"), text(l, "action"), text(l, "subject"))).collect()
    }
}
