//! A server that misbehaves: what no server may send, but some will. A client must survive it, and lose nothing that was good.

use castline::protocol::messages::{Announcement, FlagsChanged, NewOffer};
use castline::protocol::{Channel, Envelope, encode};

use super::{Action, Conn, Server};
use crate::coverage::Mark;

/// Which wrong it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    Garbage,
    Unknown,
    Deep,
    Hole,
    Duplicate,
    StrangeReply,
    StaleOffer,
    TwiceAuthenticated,
}

impl Wrong {
    pub(crate) const ALL: &'static [Wrong] = &[
        Wrong::Garbage,
        Wrong::Unknown,
        Wrong::Deep,
        Wrong::Hole,
        Wrong::Duplicate,
        Wrong::StrangeReply,
        Wrong::StaleOffer,
        Wrong::TwiceAuthenticated,
    ];
}

/// What it has done so far.
#[derive(Debug, Default)]
pub(crate) struct Mischief {
    pub(crate) done: u64,
}

impl Server {
    /// The connections that are authenticated and not fenced.
    pub(crate) fn live(&self) -> Vec<(Conn, String)> {
        let held = |c: &super::Connection| {
            let (id, epoch) = c.session.as_ref()?;
            self.store.sessions.get(id).filter(|s| s.epoch == *epoch).map(|_| id.clone())
        };
        self.conns.iter().filter_map(|(conn, c)| held(c).map(|id| (*conn, id))).collect()
    }

    /// Ordinary words that no client asked for.
    pub(crate) fn announce(&mut self, t: u64) {
        for (conn, _) in self.live() {
            self.send(t, conn, &Announcement { message: "Hello".into(), data: None }, None);
        }
    }

    /// A new configuration; everybody is told.
    pub(crate) fn change_flags(&mut self, t: u64, spread_ms: u64) {
        self.store.flags_version += 1;
        let version = format!("v{}", self.store.flags_version);
        for (conn, _) in self.live() {
            self.seen.push(Mark::FlagsPushed);
            self.send(t, conn, &FlagsChanged { version: version.clone(), spread_ms }, None);
        }
    }

    pub(crate) fn misbehave(&mut self, t: u64, wrong: Wrong) {
        for (conn, session) in self.live() {
            self.mischief.done += 1;
            let text = self.wrong_text(t, &session, wrong);
            self.actions.extend(text.into_iter().map(|text| Action::Send(conn, text)));
        }
    }

    fn wrong_text(&mut self, t: u64, session: &str, wrong: Wrong) -> Option<String> {
        let last = self.store.sessions[session].last_seq;
        let message = |channel, kind: &'static str, payload: String| {
            Envelope::new(channel, kind, payload, Server::clock(t))
        };
        let mark = match wrong {
            Wrong::Hole => Mark::Hole,
            Wrong::Duplicate => Mark::Duplicate,
            _ => Mark::Garbage,
        };
        self.seen.push(mark);
        Some(match wrong {
            Wrong::Garbage => {
                self.rng.pick(&["", "hello", "{", "[1,2]", "{\"channel\":7}", "null", "\u{1F3A3}"]).into()
            }
            Wrong::Unknown => {
                r#"{"channel":"weather","type":"rain","payload":{"mm":3},"timestamp":1}"#.into()
            }
            Wrong::Deep => {
                format!(r#"{{"channel":"game","type":"x","payload":{}1{}}}"#, "[".repeat(40), "]".repeat(40))
            }
            // A number that skips what was never sent: the client has to come back and ask.
            Wrong::Hole => {
                let mut hole = message(Channel::Game, "prize", "{\"number\":0}".into());
                hole.seq = Some(last + 3);
                hole.encode()
            }
            // Only what was sent already: the client must drop it.
            Wrong::Duplicate => {
                if last == 0 {
                    return None;
                }
                let mut again = message(Channel::Game, "prize", "{\"number\":0,\"again\":true}".into());
                again.seq = Some(last);
                again.encode()
            }
            Wrong::StrangeReply => {
                let mut reply = message(Channel::System, "ok", "{}".into());
                reply.re = Some(format!("c{}", 900_000 + self.rng.below(9)).into());
                reply.encode()
            }
            // Durable and in order, but over before it began.
            Wrong::StaleOffer => {
                let player = self.store.sessions[session].player.clone();
                let offer = NewOffer {
                    offer_id: format!("stale-{}-{player}", self.mischief.done),
                    campaign_id: String::new(),
                    title: "Too late".into(),
                    discount: 1.0,
                    expires_in: 0,
                    expires_at: Server::clock(t) - 60_000,
                    image_url: String::new(),
                    data: None,
                };
                self.durable(t, session, Channel::Offers, "new_offer", |_| encode(&offer), None);
                return None;
            }
            Wrong::TwiceAuthenticated => {
                let payload = "{\"userId\":\"someone-else\",\"sessionId\":\"x\",\"resumed\":false}";
                message(Channel::System, "authenticated", payload.into()).encode()
            }
        })
    }
}
