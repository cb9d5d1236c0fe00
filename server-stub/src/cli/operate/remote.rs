//! Requests to the operators' address, and what can go wrong with them.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

use super::To;
use crate::settings::Secret;

/// No request takes longer. A report reads all events of an experiment.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const MAX_ANSWER: u64 = 64 * 1024 * 1024;

/// A running server.
pub(super) struct Remote {
    agent: Agent,
    url: String,
    key: Secret,
    actor: Option<String>,
}

/// Why it was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server said no.
    Refused { status: u16, code: String, detail: String, field: Option<String> },
    /// What was asked for makes no sense here.
    Usage(String),
    /// There is no server, or it is none of ours.
    Unreachable(String),
}

impl Trouble {
    pub(super) fn code(&self) -> u8 {
        match self {
            Trouble::Refused { .. } => 1,
            Trouble::Usage(_) => 2,
            Trouble::Unreachable(_) => 3,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Refused { status, code, detail, field } => {
                write!(f, "refused ({status} {code}): {detail}")?;
                match field {
                    Some(field) => write!(f, "\nfield: {field}"),
                    None => Ok(()),
                }
            }
            Trouble::Usage(why) => write!(f, "error: {why}"),
            Trouble::Unreachable(why) => write!(f, "error: no answer: {why}"),
        }
    }
}

impl Remote {
    pub(super) fn new(to: &To) -> Result<Remote, Trouble> {
        let url = to.admin.trim_end_matches('/').to_owned();
        if !url.starts_with("http://") {
            let why = "an address such as http://127.0.0.1:8081 is needed: the operators' address speaks plain HTTP, for this machine or a tunnel";
            return Err(Trouble::Usage(format!("--admin {url:?}: {why}")));
        }
        let key = match &to.key_file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|error| Trouble::Usage(format!("--key-file {}: {error}", file.display())))?,
            None => std::env::var("CASTLINE_ADMIN_KEY").unwrap_or_default(),
        };
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = "no admin key: give --key-file, or set CASTLINE_ADMIN_KEY, to one of visible ASCII";
            return Err(Trouble::Usage(why.to_owned()));
        }
        if to.actor.as_ref().is_some_and(|name| !name.bytes().all(|byte| (0x20..0x7f).contains(&byte))) {
            return Err(Trouble::Usage("--as: a name of visible ASCII is needed".to_owned()));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .timeout_connect(Some(CONNECT))
            .max_redirects(0)
            .proxy(None)
            .build();
        Ok(Remote { agent: config.into(), url, key: Secret::new(key), actor: to.actor.clone() })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, Trouble> {
        self.ask("GET", path, None)
    }

    /// A change.
    pub(super) fn change(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Trouble> {
        self.ask(method, path, body)
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Trouble> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.key.expose()))
            .header("content-type", "application/json");
        if let Some(actor) = &self.actor {
            request = request.header("castline-actor", actor);
        }
        let request = request
            .body(body.map_or_else(String::new, Value::to_string))
            .map_err(|error| Trouble::Usage(format!("--admin {:?}: {error}", self.url)))?;
        let unreachable = |error: ureq::Error| Trouble::Unreachable(format!("{}: {error}", self.url));
        // A client that never sends a body with GET would not let us name its kind either.
        let mut response = match body {
            None => self.agent.run(request.map(|_| ())).map_err(unreachable)?,
            Some(_) => self.agent.run(request).map_err(unreachable)?,
        };
        let status = response.status().as_u16();
        let text =
            response.body_mut().with_config().limit(MAX_ANSWER).read_to_string().map_err(unreachable)?;
        let foreign =
            || Trouble::Unreachable(format!("{}: {status}, and no answer of a Castline server", self.url));
        let json: Value = serde_json::from_str(&text).map_err(|_| foreign())?;
        if (200..300).contains(&status) {
            return Ok(json);
        }
        let member = |name: &str| json[name].as_str().map(str::to_owned);
        let (Some(code), Some(detail)) = (member("code"), member("detail")) else { return Err(foreign()) };
        Err(Trouble::Refused { status, code, detail, field: member("field") })
    }
}

/// A name as a segment of a path.
pub(super) fn segment(name: &str) -> String {
    let mut segment = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~:".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        assert_eq!(segment("starter.2_a-b:c"), "starter%2E2_a-b:c");
        assert_eq!(segment("../flags?x#рыба"), "%2E%2E%2Fflags%3Fx%23%D1%80%D1%8B%D0%B1%D0%B0");
    }

    #[test]
    fn each_trouble_has_its_exit_code_and_names_the_field() {
        let refused = Trouble::Refused {
            status: 400,
            code: "INVALID_PAYLOAD".into(),
            detail: "rolloutBp: 10001; the limit is 10000".into(),
            field: Some("rolloutBp".into()),
        };
        assert_eq!(
            refused.to_string(),
            "refused (400 INVALID_PAYLOAD): rolloutBp: 10001; the limit is 10000\nfield: rolloutBp"
        );
        let codes = [refused, Trouble::Usage(String::new()), Trouble::Unreachable(String::new())];
        assert_eq!(codes.map(|trouble| trouble.code()), [1, 2, 3]);
    }
}
