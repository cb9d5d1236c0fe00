//! Where a `ws://` or `wss://` address leads: host, port, path, and whether TLS is spoken. Which addresses a game may use is
//! decided elsewhere.

use std::net::{IpAddr, SocketAddr};

use http::Uri;

/// A parsed WebSocket address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// A name or an address, without the brackets of IPv6.
    pub(crate) host: String,
    /// The port, the scheme's own where none was named.
    pub(crate) port: u16,
    /// The whole address, for the upgrade request.
    pub(crate) uri: Uri,
}

impl Target {
    /// Parses an address; `None` where it is none.
    pub(crate) fn parse(url: &str) -> Option<Target> {
        let uri: Uri = url.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "ws" => false,
            "wss" => true,
            _ => return None,
        };
        let host = uri.host()?;
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host).to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        if host.is_empty() {
            return None;
        }
        Some(Target { tls, host, port, uri })
    }

    /// The address itself, where the host is one: then nobody needs to be asked.
    pub(crate) fn literal(&self) -> Option<SocketAddr> {
        self.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, self.port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ports_and_literals() {
        let target = Target::parse("wss://live.example.com/game/ws").unwrap();
        assert!(target.tls);
        assert_eq!((target.host.as_str(), target.port), ("live.example.com", 443));
        assert_eq!(target.uri.path(), "/game/ws");
        assert_eq!(target.literal(), None);

        let target = Target::parse("ws://[::1]:8080/ws").unwrap();
        assert_eq!((target.tls, target.host.as_str(), target.port), (false, "::1", 8080));
        assert_eq!(target.literal(), Some("[::1]:8080".parse().unwrap()));

        for bad in ["", "ws://", "http://host/ws", "/ws", "ws:///ws"] {
            assert_eq!(Target::parse(bad), None, "{bad}");
        }
    }
}
