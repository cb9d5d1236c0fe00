//! Whose request it is, where proxies stand before the server.
//!
//! Each proxy appends to `X-Forwarded-For` the address that it was asked from. What stands to the left of our own proxies' words,
//! anybody may have written. So the list is read from the right: addresses of configured proxies are passed over, and the first
//! other one is the client. From a peer that is no configured proxy the header is not read at all.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

const HEADER: &str = "x-forwarded-for";

/// The proxies that are believed.
#[derive(Debug)]
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
}

impl Proxies {
    pub(crate) fn new(networks: Vec<IpNet>) -> Proxies {
        Proxies { networks }
    }

    /// The client of a request that `peer` sent.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        if !self.trust(peer) {
            return client;
        }
        for value in headers.get_all(HEADER).iter().rev() {
            // A word that is no text ends what can be followed.
            let Ok(text) = value.to_str() else { return client };
            for word in text.rsplit(',') {
                let Some(address) = address(word.trim()) else { return client };
                client = address;
                if !self.trust(address) {
                    return client;
                }
            }
        }
        client
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// An address, with a port or without. An IPv4 address in IPv6's clothes is itself.
fn address(word: &str) -> Option<IpAddr> {
    let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
    let address = bare.parse().ok().or_else(|| word.parse::<SocketAddr>().ok().map(|socket| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, values: &[&[u8]]) -> String {
        let networks = ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"].map(|n| n.parse().unwrap()).to_vec();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, axum::http::HeaderValue::from_bytes(value).unwrap());
        }
        Proxies::new(networks).client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_is_the_client() {
        assert_eq!(client("10.0.0.1", &[b"203.0.113.5"]), "203.0.113.5");
        assert_eq!(client("10.0.0.1", &[b"203.0.113.5, 192.0.2.7,10.9.9.9"]), "203.0.113.5");
        assert_eq!(client("fd00::1", &[b"2001:db8::5"]), "2001:db8::5");
        // Several headers are one list.
        assert_eq!(client("10.0.0.1", &[b"198.51.100.1", b"203.0.113.5, 10.0.0.2"]), "203.0.113.5");
        // Ports and brackets are some proxies' way; a mapped address is the same as the bare one.
        assert_eq!(client("10.0.0.1", &[b"203.0.113.5:4711"]), "203.0.113.5");
        assert_eq!(client("10.0.0.1", &[b"[2001:db8::5]:4711, ::ffff:10.0.0.2"]), "2001:db8::5");
        assert_eq!(client("10.0.0.1", &[b"[2001:db8::5]"]), "2001:db8::5");
        // Proxies all the way: the farthest.
        assert_eq!(client("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_a_client_writes_itself_is_not_believed() {
        // It is no proxy.
        assert_eq!(client("203.0.113.5", &[b"198.51.100.1"]), "203.0.113.5");
        assert_eq!(client("192.0.2.8", &[b"198.51.100.1"]), "192.0.2.8");
        // It wrote a list, and the proxy appended the truth.
        assert_eq!(client("10.0.0.1", &[b"198.51.100.1, 10.0.0.9, 203.0.113.5"]), "203.0.113.5");
        assert_eq!(client("10.0.0.1", &[b"198.51.100.1", b"203.0.113.5"]), "203.0.113.5");
        // Rubbish ends the way: the last that is known for sure.
        assert_eq!(client("10.0.0.1", &[b"198.51.100.1, unknown, 10.0.0.2"]), "10.0.0.2");
        for rubbish in [&b""[..], b",", b"1.2.3", b"1.2.3.4.5", b"::1::", b"' OR 1=1", b"\xff\xfe", b"127.1"]
        {
            assert_eq!(client("10.0.0.1", &[rubbish]), "10.0.0.1", "{rubbish:?}");
        }
        let long = "10.0.0.2,".repeat(2_000);
        assert_eq!(client("10.0.0.1", &[format!("{long}203.0.113.5").as_bytes()]), "203.0.113.5");
    }
}
