//! The files under `deploy/`: what they name is what the server has.
#![allow(clippy::unwrap_used)]

use crate::support;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use support::binary::Binary;
use support::get;
use tempfile::TempDir;

const RULES: &str = include_str!("../deploy/prometheus/castline.rules.yaml");
const DASHBOARD: &str = include_str!("../deploy/grafana/castline.json");
const UNIT: &str = include_str!("../deploy/systemd/castline-server.service");
const COMPOSE: &str = include_str!("../deploy/docker/compose.yaml");
const DOCKERFILE: &str = include_str!("../deploy/docker/Dockerfile");

/// The metrics that an expression of PromQL names: words that are no function, no label and no keyword.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || "{[\"".contains(c)) {
        rest = &rest[start..];
        let closing = match rest.as_bytes()[0] {
            b'{' => Some('}'),
            b'[' => Some(']'),
            b'"' => Some('"'),
            _ => None,
        };
        if let Some(closing) = closing {
            let end = rest[1..].find(closing).expect("it is closed") + 2;
            rest = &rest[end..];
            continue;
        }
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        match word {
            // The labels follow in brackets.
            "by" | "without" | "on" | "ignoring" => rest = &rest[rest.find(')').expect("it is closed")..],
            "and" | "or" | "unless" => {}
            _ if rest.trim_start().starts_with('(') || rest.trim_start().starts_with("by ") => {}
            // A number such as 1e9.
            _ if word.starts_with('e') && word[1..].chars().all(|c| c.is_ascii_digit()) => {}
            _ => drop(found.insert(word.to_owned())),
        }
    }
    found
}

#[test]
fn expressions_are_read() {
    let read = |expression| metrics_of(expression).into_iter().collect::<Vec<_>>();
    assert_eq!(
        read(r#"sum by (code, by) (rate(ws_closes_total{code!="1000"}[5m])) / a > 1e9"#),
        ["a", "ws_closes_total"]
    );
    assert_eq!(read("x < 2 or predict_linear(y_bytes[6h], 86400) < 0"), ["x", "y_bytes"]);
}

#[tokio::test]
async fn every_metric_of_the_dashboard_and_the_alerts_is_exported() {
    let data = TempDir::new().unwrap();
    let server = Binary::start_by(&mut Command::new("env"), data.path(), &["--metrics-open"]);
    // What has labels is there as soon as it has happened once.
    get(server.players, "/flags?player_id=p1", &[]).await;
    server.login("p1", "d1", None).await;
    let text = get(server.operators, "/metrics", &[]).await.body;
    let mut exported = BTreeSet::from(["up".to_owned()]);
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        exported.insert(name.to_owned());
        if kind == "histogram" {
            exported.extend(["bucket", "sum", "count"].map(|part| format!("{name}_{part}")));
        }
    }
    let mut named = BTreeSet::new();
    for line in RULES.lines().filter_map(|line| line.trim().strip_prefix("expr: ")) {
        named.extend(metrics_of(line));
    }
    let alerts = RULES.matches("- alert: ").count();
    assert!(alerts >= 10 && named.len() >= 10, "{named:?}");
    assert_eq!(RULES.matches("action: ").count(), alerts, "an alert says what to do");
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            named.extend(metrics_of(target["expr"].as_str().unwrap()));
        }
    }
    let unknown: Vec<_> = named.difference(&exported).collect();
    assert!(unknown.is_empty(), "{unknown:?} are not exported");
    // The container's health check, against a living and a dead server.
    let operators = server.operators.to_string();
    let health = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_castline-server"));
        command.args(["health", "--admin-listen", &operators]).output().unwrap().status.code()
    };
    assert_eq!(health(), Some(0));
    server.kill_9();
    assert_eq!(health(), Some(1));
}

#[test]
fn the_settings_that_the_files_name_are_settings() {
    let sample = castline_server::config::sample();
    let known = |variable: &str| {
        let plain = variable.strip_suffix("_FILE").unwrap_or(variable);
        // The sample names the variable of a secret, and the key of everything else.
        let key = plain.strip_prefix("CASTLINE_").unwrap().to_lowercase();
        sample.contains(plain)
            || sample.lines().any(|line| line.starts_with(&format!("{key} = ")))
            || key.split_once('_').is_some_and(|(section, name)| {
                let of = sample.split(&format!("\n[{section}]\n")).nth(1);
                of.is_some_and(|of| {
                    of.split("\n[").next().unwrap().lines().any(|l| l.starts_with(&format!("{name} = ")))
                })
            })
    };
    let mut count = 0;
    for file in [UNIT, COMPOSE, DOCKERFILE] {
        for variable in file.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
            if variable.starts_with("CASTLINE_") {
                assert!(known(variable), "{variable}");
                count += 1;
            }
        }
    }
    assert!(count >= 11, "{count}");
}
