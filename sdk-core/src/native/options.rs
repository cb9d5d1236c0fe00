//! What a client is made with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::logs::LogQueue;
use super::socket::{Resolve, SystemResolver};
use crate::config::Config;
use crate::error::Error;
use crate::event::FlagUpdates;

/// What a [`Client`](crate::Client) is made with. `url` and `build` are required; [`Client::connect`](crate::Client::connect)
/// checks everything.
#[derive(Clone)]
pub struct Options {
    pub(crate) config: Config,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) extra_ca: Vec<u8>,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) log_queue: Option<Arc<LogQueue>>,
}

// Token and initData stay out of it.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("config", &self.config)
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// The required ones.
    ///
    /// `url` is `https://host[:port][/prefix]`, without user, query or fragment; the socket is its `/ws`. `http` is for loopback
    /// and private addresses only. `build` is the game's build, 1 to 128 bytes.
    pub fn new(url: impl Into<String>, build: impl Into<String>) -> Self {
        let config = Config::new(url, build);
        Options {
            config,
            data_dir: None,
            extra_ca: Vec::new(),
            resolver: Arc::new(SystemResolver),
            log_queue: None,
        }
    }

    /// The player, for flags before the first token; must be the token's `sub`. Default: that `sub`.
    #[must_use]
    pub fn player_id(mut self, id: impl Into<String>) -> Self {
        self.config.player_id = Some(id.into());
        self
    }

    /// A token to start with. Without it the game is asked by [`Event::TokenNeeded`](crate::Event::TokenNeeded).
    #[must_use]
    pub fn token(mut self, jwt: impl Into<String>) -> Self {
        self.config.token = Some(jwt.into());
        self
    }

    /// Telegram's raw `initData`, from which tokens are made; excludes [`Options::token`].
    #[must_use]
    pub fn telegram_init_data(mut self, raw: impl Into<String>) -> Self {
        self.config.telegram_init_data = Some(raw.into());
        self
    }

    /// Where to remember flags, offers, unsent events and the session, in a sub-directory `castline`; made where it is absent.
    /// One client per directory. Without it nothing outlives the process. Best is a place that is not backed up.
    #[must_use]
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(dir.into());
        self
    }

    /// When fetched flags take effect. Default: [`FlagUpdates::Immediate`].
    #[must_use]
    pub fn flag_updates(mut self, when: FlagUpdates) -> Self {
        self.config.flag_updates = when;
        self
    }

    /// For development: trust these certificate authorities too (PEM, one or more), such as the one of a test server on the
    /// local network. Leave it out of what you ship.
    #[must_use]
    pub fn dev_extra_ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_ca = pem.into();
        self
    }

    /// For tests: who looks up the socket's host.
    #[doc(hidden)]
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// For the other faces: where this client's log lines go. Needs [`Logger::install`](super::logs::Logger::install).
    #[doc(hidden)]
    #[must_use]
    pub fn log_queue(mut self, queue: Arc<LogQueue>) -> Self {
        self.log_queue = Some(queue);
        self
    }

    /// The checked configuration of the core.
    pub(crate) fn checked(&self) -> Result<Config, Error> {
        self.config.check()?;
        let mut config = self.config.clone();
        config.persistent = self.data_dir.is_some();
        if self.data_dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            return Err(Error::InvalidArgument("data_dir must not be empty"));
        }
        Ok(config)
    }
}
