//! What the core is made with, and the one check of it.

use crate::address;
use crate::error::Error;
use crate::event::FlagUpdates;
use crate::protocol::is_player_id;
use crate::protocol::messages::SdkInfo;
use crate::text::{digits, join};

/// What the core is made with. Make it with [`Config::new`], set fields, and [`Config::check`] it.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// `https://host[:port][/prefix]`; `http` for loopback and private addresses only.
    pub url: String,
    /// The game's build, 1 to 128 bytes.
    pub build: String,
    /// The player, for flags before the first token; must be the token's `sub`.
    pub player_id: Option<String>,
    /// A token to start with.
    pub token: Option<String>,
    /// Telegram's raw `initData`: the core makes tokens from it by `POST /auth/telegram` and never asks the game.
    pub telegram_init_data: Option<String>,
    /// When fetched flags take effect.
    pub flag_updates: FlagUpdates,
    /// Whether `Save` reaches a disk. Without one nothing counts as saved, and an offer is acknowledged when the game has it.
    pub persistent: bool,
    /// How the SDK names itself to the server.
    pub sdk: SdkInfo,
}

// Neither token nor initData may reach a log.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("url", &self.url)
            .field("build", &self.build)
            .field("player_id", &self.player_id)
            .field("flag_updates", &self.flag_updates)
            .field("persistent", &self.persistent)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The required parts; everything else has its default.
    pub fn new(url: impl Into<String>, build: impl Into<String>) -> Self {
        Config {
            url: url.into(),
            build: build.into(),
            player_id: None,
            token: None,
            telegram_init_data: None,
            flag_updates: FlagUpdates::Immediate,
            persistent: false,
            sdk: SdkInfo {
                name: "castline".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                platform: std::env::consts::OS.into(),
            },
        }
    }

    /// Checks every option.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming the option and its form.
    pub fn check(&self) -> Result<(), Error> {
        check_url(&self.url)?;
        if self.build.is_empty() || self.build.len() > 128 || self.build.chars().any(char::is_control) {
            return Err(Error::InvalidArgument("build must be 1 to 128 bytes without control characters"));
        }
        if self.player_id.as_deref().is_some_and(|p| !is_player_id(p)) {
            return Err(Error::InvalidArgument(
                "player_id must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -",
            ));
        }
        if self.token.is_some() && self.telegram_init_data.is_some() {
            return Err(Error::InvalidArgument("token and telegram_init_data exclude each other"));
        }
        if let Some(token) = &self.token {
            crate::command::check_token(token)?;
        }
        let header_safe =
            |data: &str| !data.is_empty() && data.len() <= 8192 && data.bytes().all(|b| b.is_ascii_graphic());
        if self.telegram_init_data.as_deref().is_some_and(|data| !header_safe(data)) {
            let message = "telegram_init_data must be the raw initData: 1 to 8,192 visible ASCII characters";
            return Err(Error::InvalidArgument(message));
        }
        Ok(())
    }

    /// The WebSocket's address.
    pub(crate) fn socket_url(&self) -> String {
        let base = self.base_url();
        // "http" → "ws", "https" → "wss".
        join(&["ws", base.strip_prefix("http").unwrap_or(base), "/ws"])
    }

    /// The address that paths are put behind.
    pub(crate) fn base_url(&self) -> &str {
        self.url.trim_end_matches('/')
    }
}

fn check_url(url: &str) -> Result<(), Error> {
    let (rest, secure) = if let Some(rest) = url.strip_prefix("https://") {
        (rest, true)
    } else if let Some(rest) = url.strip_prefix("http://") {
        (rest, false)
    } else {
        return Err(Error::InvalidArgument(
            "url must begin with https:// (or http:// for a private address)",
        ));
    };
    if url.len() > 512 || !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::InvalidArgument("url must be at most 512 visible ASCII characters"));
    }
    if rest.bytes().any(|byte| b"?#@\\\"<>".contains(&byte)) {
        return Err(Error::InvalidArgument("url must have no user, query or fragment"));
    }
    let authority = rest.split('/').next().unwrap_or("");
    let Some(host) = host_of(authority) else {
        return Err(Error::InvalidArgument("url must be https://host[:port][/prefix]"));
    };
    if secure || is_private(host) {
        Ok(())
    } else {
        Err(Error::InvalidArgument(
            "url may be http:// for loopback and private addresses only; use https://",
        ))
    }
}

/// The host of `host[:port]`, brackets of an IPv6 address taken off.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        address::v6(host)?;
        (host, after.strip_prefix(':').or(after.is_empty().then_some("0"))?)
    } else {
        authority.split_once(':').unwrap_or((authority, "0"))
    };
    digits(port).filter(|port| *port <= u64::from(u16::MAX))?;
    (!host.is_empty() && !host.starts_with('.')).then_some(host)
}

fn is_private(host: &str) -> bool {
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    address::is_private(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |url: &str| Config::new(url, "1.0.0").check().is_ok();
        for good in [
            "https://live.example.com",
            "https://live.example.com:8443/games/ccfish/",
            "http://127.0.0.1:8080",
            "http://localhost:8080",
            "http://[::1]:8080/x",
            "http://192.168.1.20:8080",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "",
            "live.example.com",
            "ws://live.example.com",
            "http://live.example.com",
            "http://8.8.8.8",
            "https://",
            "https://user@host",
            "https://host?x=1",
            "https://host#x",
            "https://host:port",
            "https://host:99999",
            "https://ho st",
            "https://[::1",
        ] {
            assert!(!check(bad), "{bad}");
        }
    }

    #[test]
    fn addresses() {
        let config = Config::new("https://live.example.com/games/", "1");
        assert_eq!(config.socket_url(), "wss://live.example.com/games/ws");
        assert_eq!(config.base_url(), "https://live.example.com/games");
        assert_eq!(Config::new("http://127.0.0.1:1", "1").socket_url(), "ws://127.0.0.1:1/ws");
    }

    #[test]
    fn options_that_exclude_each_other() {
        let mut config = Config::new("https://a.example", "1");
        config.token = Some("a.b.c".into());
        assert!(config.check().is_ok());
        config.telegram_init_data = Some("query_id=1".into());
        assert!(config.check().is_err());
    }
}
