//! `authenticate`: from a token to a session that this socket, and no older one, holds.

use std::sync::Arc;
use std::time::Instant;

use castline::protocol::messages::{Authenticate, Authenticated};
use castline::protocol::{encode, is_name, is_player_id};

use super::{BadToken, Engine, Failure, Who, now_ms};
use crate::bus::Note;
use crate::store::sessions::{Durable, LoginAsk, login};

/// Why an `authenticate` came to nothing.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// `auth_failed` with this reason, then close 4001.
    Token(&'static str),
    /// Close 4503.
    Banned,
    /// An `error`; the socket may try again.
    Failure(Failure),
}

/// What a good `authenticate` gets.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) who: Who,
    /// The payload of `authenticated`.
    pub(crate) authenticated: String,
    /// The last number that the client has.
    pub(crate) sent_to: u64,
    pub(crate) acked: u64,
    pub(crate) replay: Vec<Durable>,
}

impl Engine {
    /// Checks the token. Fast, and without effect.
    pub(crate) fn identify(&self, ask: &Authenticate<'_>) -> Result<(Arc<str>, Arc<str>), Refusal> {
        let player = self.check_token(&ask.token).map_err(|bad| match bad {
            BadToken::Banned => Refusal::Banned,
            bad => Refusal::Token(bad.as_str()),
        })?;
        if !is_player_id(&ask.device) {
            let why =
                format!("device is {} bytes; it must be 1 to 64 of A-Z a-z 0-9 _ . : -", ask.device.len());
            return Err(Refusal::Failure(Failure::invalid(why)));
        }
        if !ask.build.is_empty() && !is_name(&ask.build) {
            let why =
                format!("build is {} bytes; the limit is 128, without control characters", ask.build.len());
            return Err(Refusal::Failure(Failure::invalid(why)));
        }
        if let Err(wait) = self.http_rates.authenticate.take(player.clone(), Instant::now()) {
            return Err(Refusal::Failure(Failure::rate_limited(
                "authenticate messages of this player",
                wait,
            )));
        }
        Ok((player.into(), ask.device.as_ref().into()))
    }

    /// Takes the session over. From here on nothing that an older socket of this device asks for is done.
    pub(crate) async fn log_in(
        &self,
        connection: u64,
        (player, device): (Arc<str>, Arc<str>),
        ask: &Authenticate<'_>,
    ) -> Result<Session, Failure> {
        // The socket hears notes by now: a ban is seen here or heard there, whenever it comes.
        if self.bans.holds(&player, now_ms()) {
            return Err(Failure::Banned);
        }
        let job = LoginAsk {
            player: player.to_string(),
            device: device.to_string(),
            build: ask.build.to_string(),
            resume: ask.resume.as_ref().map(|r| (r.session_id.clone(), r.last_seq)),
            fresh_id: hex::encode(rand::random::<[u8; 16]>()),
            now: now_ms(),
            max_sessions: self.settings.limits.sessions_per_player,
        };
        let login = self.store.write(move |c| Box::pin(async move { login(c, &job).await })).await?;
        self.bus.publish(&Note::Fence { player: player.clone(), device: device.clone(), epoch: login.epoch });
        for ended in login.ended_devices {
            self.bus.publish(&Note::Fence { player: player.clone(), device: ended.into(), epoch: i64::MAX });
        }
        let authenticated = Authenticated {
            user_id: player.to_string(),
            session_id: login.session_id.clone(),
            resumed: login.resumed,
            discarded: login.discarded,
            flags_version: self.configuration().version_text(),
            rooms: Vec::new(),
        };
        let session = login.session_id.into();
        Ok(Session {
            who: Who { connection, player, device, session, epoch: login.epoch },
            authenticated: encode(&authenticated),
            sent_to: login.sent_to,
            acked: login.acked,
            replay: login.replay,
        })
    }
}
