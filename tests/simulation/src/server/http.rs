//! What the server answers over HTTP: flags, claims, events (`PROTOCOL.md`, sections 7 to 9).

use castline::protocol::limits::{MAX_BATCH_BYTES, MAX_BATCH_EVENTS};
use castline::protocol::messages::{Accepted, Claim, ClaimAnswer, Events};
use castline::protocol::{Channel, Envelope, encode};
use serde::Deserialize;

use super::{Conn, Server};
use crate::coverage::Mark;

/// A request as it left the device.
#[derive(Debug, Clone)]
pub(crate) struct HttpCall {
    pub(crate) post: bool,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Deserialize)]
struct Tracked {
    n: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfferResult {
    offer_id: String,
    outcome: String,
}

impl HttpCall {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The path, without scheme, host and query.
    pub(crate) fn path(&self) -> &str {
        let rest = self.url.split_once("://").map_or(&*self.url, |(_, rest)| rest);
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        path.split('?').next().unwrap_or(path)
    }
}

pub(crate) fn answer(status: u16, kind: &str, body: String) -> HttpAnswer {
    HttpAnswer { status, headers: vec![("content-type".into(), kind.into())], body: body.into_bytes() }
}

fn problem(status: u16, code: &str) -> HttpAnswer {
    answer(status, "application/problem+json", format!("{{\"title\":\"{code}\",\"code\":\"{code}\"}}"))
}

impl Server {
    pub(crate) fn http(&mut self, t: u64, call: &HttpCall) -> HttpAnswer {
        if self.store.tokens.keys().any(|token| call.url.contains(token.as_str())) {
            self.complaints.push(format!("a token in a URL: {}", call.path()));
        }
        let bearer = call.header("authorization").and_then(|v| v.strip_prefix("Bearer "));
        let player = bearer.map(|token| self.player_of(t, token));
        match (call.post, call.path()) {
            (false, "/flags") => match player {
                Some(Err(code)) => problem(401, code),
                Some(Ok(player)) if !call.url.contains(&format!("player_id={player}")) => {
                    self.complaints.push(format!("/flags with player_id other than sub: {}", call.url));
                    problem(403, "FORBIDDEN")
                }
                _ => self.flags(call),
            },
            (true, "/offers/claim") => match player {
                Some(Ok(player)) => match serde_json::from_str::<Claim>(&call.body) {
                    Ok(_) => {
                        let offers = self.claim(t, &player);
                        answer(200, "application/json", encode(&ClaimAnswer { offers }))
                    }
                    Err(e) => {
                        self.complaints.push(format!("claim: {e}: {}", call.body));
                        problem(400, "INVALID_PAYLOAD")
                    }
                },
                Some(Err(code)) => problem(401, code),
                None => problem(401, "INVALID_TOKEN"),
            },
            (true, "/events") => match player {
                Some(Ok(player)) => match self.store_events(t, &player, &call.body) {
                    Ok(accepted) => {
                        self.seen.push(Mark::EventsOverHttp);
                        answer(200, "application/json", encode(&accepted))
                    }
                    Err(_) => problem(400, "INVALID_PAYLOAD"),
                },
                Some(Err(code)) => problem(401, code),
                None => problem(401, "INVALID_TOKEN"),
            },
            (_, other) => {
                self.complaints.push(format!("no such address: {other}"));
                problem(404, "NOT_FOUND")
            }
        }
    }

    fn flags(&mut self, call: &HttpCall) -> HttpAnswer {
        let version = self.store.flags_version;
        let etag = format!("\"v{version}-0\"");
        let headers =
            vec![("etag".to_owned(), etag.clone()), ("content-type".into(), "application/json".into())];
        if call.header("if-none-match") == Some(&*etag) {
            self.seen.push(Mark::FlagsUnchanged);
            return HttpAnswer { status: 304, headers, body: Vec::new() };
        }
        self.seen.push(Mark::FlagsNew);
        HttpAnswer { status: 200, headers, body: flags_body(version).into_bytes() }
    }

    pub(super) fn events(&mut self, t: u64, conn: Conn, session: &str, envelope: &Envelope<'_>) {
        let player = self.store.sessions[session].player.clone();
        match self.store_events(t, &player, &envelope.payload) {
            Ok(accepted) => {
                let payload = encode(&accepted);
                self.reply(t, conn, envelope, Channel::Analytics, "accepted", payload);
            }
            Err(_) => self.error(t, conn, envelope, "INVALID_PAYLOAD", None),
        }
    }

    fn store_events(&mut self, t: u64, player: &str, body: &str) -> Result<Accepted, ()> {
        let batch: Events<'_> = serde_json::from_str(body).map_err(|e| {
            self.complaints.push(format!("events: {e}: {body}"));
        })?;
        if batch.events.len() > MAX_BATCH_EVENTS
            || body.len() > MAX_BATCH_BYTES + 256
            || batch.events.is_empty()
        {
            self.complaints.push(format!("a batch of {} events, {} bytes", batch.events.len(), body.len()));
        }
        let mut accepted = Accepted::default();
        for event in &batch.events {
            if !self.store.event_ids.insert((player.into(), event.event_id.to_string())) {
                accepted.duplicates += 1;
                self.seen.push(Mark::EventsDuplicate);
                continue;
            }
            accepted.count += 1;
            self.seen.push(Mark::EventsStored);
            let props = event.props.map_or("{}", |p| p.get());
            match &*event.name {
                "$offer_result" => match serde_json::from_str::<OfferResult>(props) {
                    Ok(result) => self.offer_result(t, player, &result.offer_id, &result.outcome),
                    Err(e) => self.complaints.push(format!("$offer_result: {e}: {props}")),
                },
                "$exposure" | "$dropped" => {}
                name if name.starts_with('$') => self.complaints.push(format!("an event named {name}")),
                _ => {
                    if let Ok(tracked) = serde_json::from_str::<Tracked>(props) {
                        let ids = self.store.tracked.entry(tracked.n).or_default();
                        ids.insert(event.event_id.to_string());
                    }
                }
            }
        }
        Ok(accepted)
    }
}

/// The answer of a configuration version. `price` tells which version a client reads.
pub(crate) fn flags_body(version: u64) -> String {
    format!(
        "{{\"version\":\"v{version}\",\"flags\":{{\
         \"price\":{{\"variant\":\"a\",\"value\":{version},\"reason\":\"STATIC\"}},\
         \"title\":{{\"variant\":\"on\",\"value\":\"Hello\",\"reason\":\"SPLIT\"}}}}}}"
    )
}
