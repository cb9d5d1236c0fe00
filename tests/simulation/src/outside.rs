//! What lies outside the game and the server: where tokens come from, and what stands between a request over HTTP and its answer.

use castline::{HttpFailure, HttpId, HttpReply, Input};

use crate::coverage::Mark;
use crate::plan::{HttpMode, TokenMode};
use crate::server::TokenRecord;
use crate::server::http::{HttpAnswer, HttpCall, answer, flags_body};
use crate::trace::short;
use crate::world::{HttpEnd, Item, Local, PLAYERS, World};

impl World {
    /// A token as the source gives it now, and how long it takes.
    pub(crate) fn ask_token(&mut self) -> (Option<String>, u64) {
        let quick = self.rng.range(1, 150);
        match self.tokens {
            TokenMode::None => {
                self.cover.hit(Mark::TokenNone);
                (None, quick)
            }
            TokenMode::Slow => {
                self.cover.hit(Mark::TokenSlow);
                (self.make_token(), self.rng.skewed(2_000, 120_000))
            }
            _ => (self.make_token(), quick),
        }
    }

    pub(crate) fn make_token(&mut self) -> Option<String> {
        let player = PLAYERS[self.player];
        let (age, life, genuine) = match self.tokens {
            TokenMode::Expired => (600_000, 120_000, true),
            TokenMode::Forged => (0, 300_000, false),
            TokenMode::Short => (0, self.rng.range(1, 40) * 1_000, true),
            _ => (0, 300_000, true),
        };
        if self.tokens == TokenMode::Expired {
            self.cover.hit(Mark::TokenExpired);
        }
        let iat = (crate::server::EPOCH + self.t).saturating_sub(age) / 1_000;
        let claims = format!("{{\"sub\":\"{player}\",\"iat\":{iat},\"exp\":{}}}", iat + life / 1_000);
        let token = format!("e30.{}.sig{}", base64url(claims.as_bytes()), self.server.store.tokens.len());
        let expires = if age > 0 { self.t.saturating_sub(1) } else { self.t + life };
        let record =
            TokenRecord { player: player.into(), issued: self.t.saturating_sub(age), expires, genuine };
        self.server.store.tokens.insert(token.clone(), record);
        Some(token)
    }

    pub(crate) fn http_request(&mut self, http: HttpId, call: HttpCall, timeout_ms: u64) {
        let deadline = self.t + timeout_ms;
        let (there, back) = (self.net.latency(), self.net.latency());
        let soon = self.t + there + back;
        let late = |end: HttpEnd, at: u64| {
            if at > deadline { (Err(HttpFailure::TimedOut), deadline) } else { (end, at) }
        };
        let only_flags = self.plan.seed.is_multiple_of(2) && call.path() != "/flags";
        let mode = if only_flags { HttpMode::Good } else { self.http };
        let bad = mode != HttpMode::Good;
        if bad {
            self.cover.hit(Mark::FlagsBad);
        }
        let (end, at): (HttpEnd, u64) = match (self.net.reaches_server(), mode) {
            (Err(false), _) => late(Err(HttpFailure::Unreachable), soon),
            (Err(true), _) | (_, HttpMode::Hanging) => (Err(HttpFailure::TimedOut), deadline),
            (Ok(()), HttpMode::Good | HttpMode::Lost) => {
                let process = self.device.number;
                // An answer that will be lost is asked for all the same: its deadline is over before it comes.
                let deadline = if mode == HttpMode::Lost { self.t + there } else { deadline };
                if mode == HttpMode::Lost {
                    self.deliver(self.t + timeout_ms, Local::Http(http, Err(HttpFailure::TimedOut)));
                }
                let process = if mode == HttpMode::Lost { u32::MAX } else { process };
                return self.schedule(self.t + there, Item::HttpAtServer { process, http, call, deadline });
            }
            (Ok(()), mode) => late(bad_answer(mode, &call, self.server.store.flags_version), soon),
        };
        self.deliver(at, Local::Http(http, end));
    }

    pub(crate) fn http_at_server(&mut self, process: u32, http: HttpId, call: &HttpCall, deadline: u64) {
        if !self.net.server_up {
            if process != u32::MAX {
                self.schedule(
                    self.t,
                    Item::Device(process, Local::Http(http, Err(HttpFailure::Unreachable))),
                );
            }
            return;
        }
        self.trace.line("server reads", || format!("HTTP {} {}", call.url, short(&call.body)));
        let answer = self.server.http(self.t, call);
        self.trace.line("server answers", || {
            format!("{} {}", answer.status, short(&String::from_utf8_lossy(&answer.body)))
        });
        let at = self.t + self.net.latency() + self.rng.below(self.plan.slowness + 1);
        let (end, at) = if at > deadline { (Err(HttpFailure::TimedOut), deadline) } else { (Ok(answer), at) };
        if process != u32::MAX {
            self.schedule(at, Item::Device(process, Local::Http(http, end)));
        }
    }

    pub(crate) fn http_end(&mut self, http: HttpId, end: HttpEnd) {
        let reply = end.as_ref().map_err(|e| *e).map(|a| HttpReply {
            status: a.status,
            headers: &a.headers,
            body: &a.body,
        });
        self.feed(Input::HttpResponse { http, reply });
    }
}

fn bad_answer(mode: HttpMode, call: &HttpCall, version: u64) -> HttpEnd {
    let json = "application/json";
    Ok(match mode {
        HttpMode::ServerError => answer(500, "text/plain", "oops".into()),
        HttpMode::TooMany => {
            let mut a: HttpAnswer =
                answer(429, "application/problem+json", "{\"code\":\"RATE_LIMITED\"}".into());
            a.headers.push(("retry-after".into(), "4".into()));
            a
        }
        HttpMode::Portal => answer(200, "text/html", "<html>Log in to the hotel's network</html>".into()),
        HttpMode::Oversized => return Err(HttpFailure::TooLarge),
        HttpMode::Redirect => answer(302, "text/plain", String::new()),
        HttpMode::HalfMalformed if call.path() == "/flags" => {
            answer(200, json, flags_body(version).replace("\"variant\":\"on\"", "\"variant\":7"))
        }
        HttpMode::HalfMalformed => answer(500, json, "{}".into()),
        _ => answer(200, json, String::new()),
    })
}

fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |w, b| (w << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(word >> (18 - 6 * at)) as usize & 63]));
        }
    }
    out
}
