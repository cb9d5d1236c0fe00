//! Whom the players call, and with what: addresses, the keys of the game's backend, TLS.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use jsonwebtoken::{EncodingKey, Header};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;

/// How long a player's token is good, seconds: the longest that the server takes.
const TOKEN_LIFE_S: u64 = 300;

/// One address of a server, as a client needs it.
#[derive(Clone)]
pub(crate) struct Place {
    /// `http://host:port` or `https://…`.
    pub(crate) url: String,
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    pub(crate) tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Place {
    /// Looks the name up, once. `authority` is a file of PEM certificates to trust beside the public ones.
    ///
    /// # Errors
    /// No such host, no certificates in the file.
    pub(crate) fn of(url: &str, authority: Option<&std::path::Path>) -> anyhow::Result<Place> {
        let (rest, secure) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (rest, false),
            (_, Some(rest)) => (rest, true),
            _ => bail!("{url} is no address: it begins with http:// or https://"),
        };
        let host = rest.split('/').next().unwrap_or_default();
        let with_port = if host.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:{}", if secure { 443 } else { 80 })
        };
        let address = with_port
            .to_socket_addrs()
            .with_context(|| format!("{with_port} could not be looked up"))?
            .next()
            .with_context(|| format!("{with_port} has no address"))?;
        let tls = if secure {
            let name = with_port.rsplit_once(':').map_or(with_port.as_str(), |(name, _)| name);
            Some((connector(authority)?, ServerName::try_from(name.to_owned())?))
        } else {
            None
        };
        Ok(Place { url: url.trim_end_matches('/').to_owned(), address, host: host.to_owned(), tls })
    }
}

fn connector(authority: Option<&std::path::Path>) -> anyhow::Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(file) = authority {
        for certificate in CertificateDer::pem_file_iter(file)
            .with_context(|| format!("no certificates could be read from {}", file.display()))?
        {
            roots.add(certificate?)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A server, seen as its players and its game's backend see it.
#[derive(Clone)]
pub struct Target {
    /// The players' address.
    pub(crate) players: Place,
    /// The operators'.
    pub(crate) operators: Place,
    pub(crate) admin_key: String,
    key: EncodingKey,
}

impl Target {
    /// `jwt_secret` signs the players' tokens, as the game's backend does.
    pub(crate) fn new(players: Place, operators: Place, jwt_secret: &str, admin_key: &str) -> Target {
        let key = EncodingKey::from_secret(jwt_secret.as_bytes());
        Target { players, operators, admin_key: admin_key.to_owned(), key }
    }

    /// A token for a player.
    pub(crate) fn token(&self, player: &str) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        let claims = serde_json::json!({"sub": player, "iat": now, "exp": now + TOKEN_LIFE_S});
        jsonwebtoken::encode(&Header::default(), &claims, &self.key).ok()
    }

    /// Where the player of this number calls from. On loopback players come from addresses of their own, 16 from each, for a
    /// server lets only 20 strangers of one address in; elsewhere they all come from this machine's.
    pub(crate) fn source(&self, number: usize) -> Option<IpAddr> {
        let place = number / 16;
        let address =
            [127, (1 + place / 62_500 % 250) as u8, (place / 250 % 250) as u8, (place % 250 + 1) as u8];
        self.players.address.ip().is_loopback().then(|| IpAddr::from(address))
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("url", &self.url).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("players", &self.players.url).finish_non_exhaustive()
    }
}
