//! Flags: what is published is what the server said last, and no bad answer takes a good one away.

use castline::{Flags, Input};

use super::Broken;
use crate::server::Server;

#[derive(Debug, Default)]
pub(super) struct FlagCheck {
    /// The newest configuration published in this process for this player.
    newest: u64,
    /// Another player has other flags, and the compiled ones until they come.
    players_change: bool,
    last: u64,
    fetches: u64,
    /// The last answer was 401: by its own clock the client holds a good token, and that clock was set back while it slept.
    unauthorised: bool,
}

impl FlagCheck {
    pub(super) fn new(players_change: bool) -> FlagCheck {
        FlagCheck { players_change, ..FlagCheck::default() }
    }

    pub(super) fn process_starts(&mut self) {
        *self = FlagCheck::new(self.players_change);
    }

    pub(super) fn input(&mut self, input: &Input<'_>) {
        if let Input::HttpResponse { reply: Ok(reply), .. } = input {
            self.unauthorised = reply.status == 401;
        }
    }

    pub(super) fn asked(&mut self, url: &str) {
        self.fetches += u64::from(url.contains("/flags?"));
    }

    pub(super) fn published(&mut self, flags: &Flags) -> Broken {
        let version = flags.version().trim_start_matches('v').parse().unwrap_or(0);
        if version < self.newest && !self.players_change {
            return Err(format!("flags of version {version} are published after {}", self.newest));
        }
        if version > 0 && !flags.names().any(|name| name == "price") {
            return Err(format!("version {version} is published without the flag that every version has"));
        }
        (self.newest, self.last) = (version, version);
        Ok(())
    }

    /// A client that has been online in the calm reads what the server says now.
    pub(super) fn finish(&self, server: &Server) -> Broken {
        let now = server.store.flags_version;
        if self.last != now && !self.unauthorised {
            return Err(format!(
                "the client has version {}, the server {now}, after {} fetches",
                self.last, self.fetches
            ));
        }
        Ok(())
    }
}
