//! What the core is made with, and the one check of it.

use crate::address::{self, cut};
use crate::command::{check_token, is_graphic, need};
use crate::error::Error;
use crate::event::FlagUpdates;
use crate::protocol::messages::SdkInfo;
use crate::protocol::{is_name, is_player_id};
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
        check_url(self.url.as_bytes())?;
        need(is_name(&self.build), "build must be 1 to 128 bytes without control characters")?;
        need(
            self.player_id.as_deref().is_none_or(is_player_id),
            "player_id must be 1 to 64 of the characters A-Z a-z 0-9 _ . : -",
        )?;
        need(
            self.token.is_none() || self.telegram_init_data.is_none(),
            "token and telegram_init_data exclude each other",
        )?;
        self.token.as_deref().map_or(Ok(()), check_token)?;
        need(
            self.telegram_init_data.as_deref().is_none_or(|data| is_graphic(data, 8_192)),
            "telegram_init_data must be the raw initData: 1 to 8,192 visible ASCII characters",
        )
    }

    /// The WebSocket's address.
    pub(crate) fn socket_url(&self) -> String {
        let base = self.base_url();
        // "http" → "ws", "https" → "wss".
        join(&["ws", base.strip_prefix("http").unwrap_or(base), "/ws"])
    }

    /// The address that paths are put behind.
    pub(crate) fn base_url(&self) -> &str {
        let mut url = &*self.url;
        while let Some(shorter) = url.strip_suffix('/') {
            url = shorter;
        }
        url
    }
}

fn check_url(url: &[u8]) -> Result<(), Error> {
    let secure = url.strip_prefix(b"https://");
    let rest = secure.or_else(|| url.strip_prefix(b"http://"));
    need(rest.is_some(), "url must begin with https:// (or http:// for a private address)")?;
    need(
        url.len() <= 512 && url.iter().all(u8::is_ascii_graphic),
        "url must be at most 512 visible ASCII characters",
    )?;
    let rest = rest.unwrap_or_default();
    need(!rest.iter().any(|byte| b"?#@\\\"<>".contains(byte)), "url must have no user, query or fragment")?;
    let host = host_of(cut(rest, b'/').0);
    need(host.is_some(), "url must be https://host[:port][/prefix]")?;
    need(
        secure.is_some() || host.is_some_and(is_private),
        "url may be http:// for loopback and private addresses only; use https://",
    )
}

/// The host of `host[:port]`, brackets of an IPv6 address taken off.
fn host_of(authority: &[u8]) -> Option<&[u8]> {
    let (host, after) = match authority.strip_prefix(b"[") {
        Some(inside) => {
            let (host, after) = cut(inside, b']');
            address::v6(host)?;
            (host, after.get(1..)?)
        }
        None => cut(authority, b':'),
    };
    if let [colon, port @ ..] = after {
        let port = digits(port).filter(|port| *port <= u64::from(u16::MAX));
        port.filter(|_| *colon == b':')?;
    }
    (!host.is_empty() && host[0] != b'.').then_some(host)
}

fn is_private(host: &[u8]) -> bool {
    host == b"localhost" || host.ends_with(b".localhost") || address::is_private(host)
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
