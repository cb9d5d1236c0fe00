//! Requests: one answer each, in time; the same bytes when repeated, and repeated only where that is safe.

use std::collections::BTreeMap;

use castline::protocol::limits::REQUEST_TIMEOUT_MS;
use castline::protocol::messages::Authenticated;
use castline::protocol::{Channel, Code, Envelope};
use castline::{Command, Event, Input, RequestId};

use super::{Broken, Moment};
use crate::coverage::{Coverage, Mark};
use crate::server::Server;

#[derive(Debug)]
struct Asked {
    process: u32,
    /// Who played when it was asked; empty: nobody knew yet.
    player: String,
    /// `None`: a bet, whose payload the SDK makes.
    payload: Option<String>,
    key: Option<String>,
    deadline: u64,
    written: u32,
    wire: Option<String>,
    answered: bool,
    /// Told as done.
    done: bool,
    /// `n` of a `work`.
    n: Option<u64>,
    code: Option<Code>,
}

#[derive(Debug, Default)]
pub(super) struct RequestCheck {
    asked: BTreeMap<RequestId, Asked>,
    by_n: BTreeMap<u64, RequestId>,
    /// Key → the bytes of a bet.
    bets: BTreeMap<String, String>,
    process: u32,
    /// Whom the present process has authenticated as last.
    player: String,
    resent: u64,
    counts: BTreeMap<&'static str, u64>,
}

impl RequestCheck {
    pub(super) fn process_starts(&mut self) {
        self.process += 1;
        self.player.clear();
    }

    pub(super) fn process_dies(&mut self) {
        // Nobody waits for these any more, and nothing may repeat them.
        for asked in self.asked.values_mut() {
            asked.answered = true;
        }
    }

    pub(super) fn open(&self) -> usize {
        self.asked.values().filter(|a| !a.answered).count()
    }

    /// `live`: whether a text came on the socket that is held, and whether that was authenticated before.
    pub(super) fn input(&mut self, m: Moment, input: &Input<'_>, live: Option<bool>) {
        match input {
            Input::Text { text, .. } if live == Some(false) => {
                if let Ok(envelope) = Envelope::decode(text)
                    && envelope.kind == "authenticated"
                    && let Ok(answer) = envelope.payload_as::<Authenticated>()
                {
                    self.player = answer.user_id;
                }
            }
            Input::Command(Command::Request { request, payload, timeout_ms, key, .. }) => {
                let n = number(payload);
                if let Some(n) = n {
                    self.by_n.insert(n, *request);
                }
                self.add(m, *request, Some(payload.clone()), *timeout_ms, key.clone(), n);
            }
            // A bet's deadline is the SDK's default.
            Input::Command(Command::PlaceBet { request, key, .. }) => {
                self.add(m, *request, None, REQUEST_TIMEOUT_MS, key.clone(), None);
            }
            // After `SEED_USED` a bet names another seed, once.
            Input::Text { text, .. } if text.contains("SEED_USED") => {
                self.bets.clear();
                self.asked.values_mut().filter(|a| a.payload.is_none()).for_each(|a| a.written = 0);
            }
            _ => {}
        }
    }

    fn add(
        &mut self,
        m: Moment,
        id: RequestId,
        payload: Option<String>,
        ms: u64,
        key: Option<String>,
        n: Option<u64>,
    ) {
        let deadline = m.elapsed + ms;
        let process = self.process;
        let asked = Asked {
            process,
            player: self.player.clone(),
            payload,
            key,
            deadline,
            written: 0,
            wire: None,
            answered: false,
            done: false,
            n,
            code: None,
        };
        self.asked.insert(id, asked);
    }

    /// A text went out.
    pub(super) fn sent(&mut self, m: Moment, text: &str) -> Broken {
        let Ok(envelope) = Envelope::decode(text) else { return Ok(()) };
        if envelope.kind == "place_bet" {
            return self.bet_sent(m, &envelope);
        }
        if envelope.channel != Channel::Game || envelope.kind != "work" || envelope.id.is_none() {
            return Ok(());
        }
        let Some(asked) =
            number(&envelope.payload).and_then(|n| self.by_n.get(&n)).and_then(|id| self.asked.get_mut(id))
        else {
            return Err(format!("a request that the game never made: {text}"));
        };
        if asked.process != self.process {
            return Err(format!("a later process repeats a request: {text}"));
        }
        if !asked.player.is_empty() && asked.player != self.player {
            return Err(format!("a request of {} is sent for {}: {text}", asked.player, self.player));
        }
        if asked.answered {
            return Err(format!("sent after its answer: {text}"));
        }
        if m.elapsed >= asked.deadline {
            return Err(format!("sent after its deadline: {text}"));
        }
        if asked.payload.as_deref() != Some(&*envelope.payload)
            || asked.key.as_deref() != envelope.key.as_deref()
        {
            return Err(format!("not what the game asked: {text}"));
        }
        let bytes = format!("{} {} {:?}", envelope.kind, envelope.payload, envelope.key);
        if asked.written > 0 {
            if asked.key.is_none() {
                return Err(format!("repeated without a key: {text}"));
            }
            if asked.wire.as_ref() != Some(&bytes) {
                return Err(format!("repeated with other bytes: {text}"));
            }
            self.resent += 1;
        }
        asked.written += 1;
        asked.wire = Some(bytes);
        Ok(())
    }

    fn bet_sent(&mut self, m: Moment, envelope: &Envelope<'_>) -> Broken {
        let key = envelope.key.as_deref().unwrap_or_default();
        let same = |a: &&mut Asked| {
            a.key.as_deref() == Some(key) && a.payload.is_none() && a.process == self.process
        };
        if let Some(asked) = self.asked.values_mut().find(same) {
            if asked.answered || m.elapsed >= asked.deadline {
                return Err(format!("bet {key} is sent after its answer or deadline"));
            }
            self.resent += u64::from(asked.written > 0);
            asked.written += 1;
        } else if key.starts_with("bet-") {
            return Err(format!("bet {key} is sent by a process that did not place it"));
        }
        let payload = envelope.payload.to_string();
        match self.bets.insert(key.to_owned(), payload.clone()) {
            Some(before) if before != payload => {
                Err(format!("bet {key} is repeated with other bytes: {payload}"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn event(&mut self, _m: Moment, event: &Event) -> Broken {
        let (id, code) = match event {
            Event::RequestCompleted { request, .. } => (*request, None),
            Event::RequestFailed { request, code, .. } => (*request, Some(*code)),
            _ => return Ok(()),
        };
        if id.0 == 0 {
            return Ok(());
        }
        let Some(asked) = self.asked.get_mut(&id) else {
            return Err(format!("an answer to nothing: {event:?}"));
        };
        if asked.answered {
            return Err(format!("a second answer: {event:?}"));
        }
        asked.answered = true;
        asked.code = code;
        asked.done = code.is_none();
        match code {
            None if asked.written == 0 && asked.n.is_some() => {
                return Err(format!("completed although it was never written: {event:?}"));
            }
            Some(Code::NotSent) if asked.written > 0 => {
                return Err(format!("NOT_SENT although it was written {} times: {event:?}", asked.written));
            }
            Some(Code::UnknownOutcome) if asked.written == 0 && asked.n.is_some() => {
                return Err(format!("UNKNOWN_OUTCOME although it was never written: {event:?}"));
            }
            _ => {}
        }
        let word = match code {
            None => "done",
            Some(Code::NotSent) => "not sent",
            Some(Code::UnknownOutcome) => "unknown",
            Some(_) => "refused",
        };
        *self.counts.entry(word).or_default() += 1;
        Ok(())
    }

    /// Whatever the client's clock says is over must have been answered by now.
    pub(super) fn drained(&mut self, m: Moment) -> Broken {
        let late = self.asked.iter().find(|(_, a)| !a.answered && m.elapsed > a.deadline);
        match late {
            Some((id, asked)) => Err(format!(
                "request {} has no answer {} ms after its deadline",
                id.0,
                m.elapsed - asked.deadline
            )),
            None => Ok(()),
        }
    }

    pub(super) fn finish(&self, server: &Server) -> Broken {
        for (id, asked) in &self.asked {
            // One with a deadline of ten minutes may still wait for a client that is not allowed to connect.
            let executed = asked.n.and_then(|n| server.store.executed.get(&n)).copied().unwrap_or(0);
            if executed > 1 {
                return Err(format!("request {} took effect {executed} times", id.0));
            }
            match asked.code {
                Some(Code::NotSent) if executed > 0 => {
                    return Err(format!("request {} was executed and told as NOT_SENT", id.0));
                }
                None if asked.done && executed == 0 && asked.n.is_some() => {
                    return Err(format!("request {} was told as done and never executed", id.0));
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn report(&self, cover: &mut Coverage) {
        for _ in 0..self.resent {
            cover.hit(Mark::RequestResent);
        }
        for (word, mark) in [
            ("not sent", Mark::NotSent),
            ("unknown", Mark::UnknownOutcome),
            ("refused", Mark::RequestRefused),
        ] {
            for _ in 0..self.counts.get(word).copied().unwrap_or(0) {
                cover.hit(mark);
            }
        }
    }
}

/// The `n` of a payload.
fn number(payload: &str) -> Option<u64> {
    let rest = payload.strip_prefix("{\"n\":")?;
    let end = rest.find(|c: char| !c.is_ascii_digit())?;
    rest[..end].parse().ok()
}
