//! The OpenFeature Remote Evaluation Protocol 0.3: the flags of `GET /flags` for OpenFeature's own providers.
//!
//! `context.targetingKey` is the player, `context.build` the build, every other scalar of the context an attribute. What the context holds
//! beside scalars cannot be targeted and is passed over. Whether the game's type fits a value (`TYPE_MISMATCH`) only the provider can tell.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use castline::protocol::encode;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::flags::{add_attribute, admit, check_player, check_value, tagged};
use super::form::{Body, Name, json, name};
use super::problem::Problem;
use super::{App, Peer};
use crate::engine::flags::{Asker, Evaluated};

/// An evaluation that succeeded.
#[derive(Serialize)]
struct Success<'a> {
    key: &'a str,
    value: &'a RawValue,
    reason: &'a str,
    variant: &'a str,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    version: &'a str,
}

/// One that did not: with `key` for one flag, without for all.
#[derive(Debug)]
enum Bad {
    Evaluation {
        status: StatusCode,
        code: &'static str,
        details: String,
    },
    /// The token, the rate, the size: OFREP looks at the status alone.
    Problem(Problem),
}

impl Bad {
    fn context(problem: Problem) -> Bad {
        Bad::new("INVALID_CONTEXT", problem.detail().to_owned())
    }

    fn new(code: &'static str, details: impl Into<String>) -> Bad {
        Bad::Evaluation { status: StatusCode::BAD_REQUEST, code, details: details.into() }
    }

    fn answer(self, key: Option<&str>) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            key: Option<&'a str>,
            error_code: &'a str,
            error_details: &'a str,
        }
        let (status, code, details) = match self {
            Bad::Evaluation { status, code, details } => (status, code, details),
            Bad::Problem(problem) if problem.status().is_server_error() => {
                (problem.status(), "GENERAL", problem.detail().to_owned())
            }
            Bad::Problem(problem) => return problem.into_response(),
        };
        let body = encode(&Body { key, error_code: code, error_details: &details });
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    }
}

/// `POST /ofrep/v1/evaluate/flags`.
pub(super) async fn all(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    #[derive(Serialize)]
    struct Bulk<'a> {
        flags: Vec<Success<'a>>,
        metadata: Metadata<'a>,
    }
    let asker = match asker(&app, &peer, &headers, body).await {
        Ok(asker) => asker,
        Err(bad) => return bad.answer(None),
    };
    let configuration = app.engine.configuration();
    let version = configuration.version_text();
    let flags = configuration.evaluate_all(&asker).map(|flag| success(flag, &version)).collect();
    let body = encode(&Bulk { flags, metadata: Metadata { version: &version } });
    tagged(&headers, &configuration.etag(&body), body)
}

/// `POST /ofrep/v1/evaluate/flags/{key}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: Name,
    body: Body,
) -> Response {
    let key = match name(path) {
        Ok(key) => key,
        Err(problem) => return Bad::new("GENERAL", problem.detail()).answer(None),
    };
    let asker = match asker(&app, &peer, &headers, body).await {
        Ok(asker) => asker,
        Err(bad) => return bad.answer(Some(&key)),
    };
    let configuration = app.engine.configuration();
    let Some(flag) = configuration.evaluate(&key, &asker) else {
        let details = "no such flag for this player and build".to_owned();
        let bad = Bad::Evaluation { status: StatusCode::NOT_FOUND, code: "FLAG_NOT_FOUND", details };
        return bad.answer(Some(&key));
    };
    let version = configuration.version_text();
    let body = encode(&success(flag, &version));
    tagged(&headers, &configuration.etag(&body), body)
}

fn success<'a>(flag: Evaluated<'a>, version: &'a str) -> Success<'a> {
    let Evaluated { name, variant, value, reason } = flag;
    Success { key: name, value, reason, variant, metadata: Metadata { version } }
}

async fn asker(app: &App, peer: &Peer, headers: &HeaderMap, body: Body) -> Result<Asker, Bad> {
    let request: Map<String, Value> = json(headers, body).map_err(|problem| match problem.status() {
        StatusCode::BAD_REQUEST => Bad::new("PARSE_ERROR", problem.detail()),
        _ => Bad::Problem(problem),
    })?;
    let asker = read(request)?;
    admit(app, peer, headers, asker, "context.targetingKey").await.map_err(Bad::Problem)
}

fn read(mut request: Map<String, Value>) -> Result<Asker, Bad> {
    let context = match request.remove("context") {
        Some(Value::Object(context)) => context,
        Some(_) => return Err(Bad::new("INVALID_CONTEXT", "context: it must be an object")),
        None => return Err(Bad::new("INVALID_CONTEXT", "context: missing")),
    };
    let mut asker = Asker::default();
    for (name, value) in context {
        let field = format!("context.{name}");
        match (name.as_str(), value) {
            ("targetingKey", Value::String(player)) => {
                if !player.is_empty() {
                    check_player(&field, &player).map_err(Bad::context)?;
                }
                asker.player = player;
            }
            ("build", Value::String(build)) => {
                check_value(&field, &build).map_err(Bad::context)?;
                asker.build = build;
            }
            ("targetingKey" | "build", Value::Null) => {}
            ("targetingKey" | "build", other) => {
                return Err(Bad::new("INVALID_CONTEXT", format!("{field}: {} is no text", kind(&other))));
            }
            (_, Value::String(text)) => {
                add_attribute(&mut asker.attributes, &field, &name, text).map_err(Bad::context)?;
            }
            (_, scalar @ (Value::Number(_) | Value::Bool(_))) => {
                add_attribute(&mut asker.attributes, &field, &name, scalar.to_string())
                    .map_err(Bad::context)?;
            }
            (_, Value::Null | Value::Array(_) | Value::Object(_)) => {}
        }
    }
    if asker.player.is_empty() {
        return Err(Bad::new(
            "TARGETING_KEY_MISSING",
            "context.targetingKey: missing; it is the player's id",
        ));
    }
    Ok(asker)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
