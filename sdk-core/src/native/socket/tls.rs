//! The one TLS configuration, shared by the socket and by HTTP: ring, Mozilla's roots (or the platform's verifier), and an
//! extra authority for development.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, KeyProvider, ring};
use rustls::sign::SigningKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::Error;

const BAD_CA: Error = Error::InvalidArgument("dev_extra_ca must be one or more certificates in PEM");

/// Makes the configuration. `extra_ca` is PEM; empty: none.
///
/// # Errors
/// [`Error::InvalidArgument`] where `extra_ca` holds no certificate; [`Error::Internal`] where the platform's verifier does
/// not start.
pub fn client_config(extra_ca: &[u8]) -> Result<Arc<ClientConfig>, Error> {
    let mut extra = Vec::new();
    if !extra_ca.is_empty() {
        for certificate in CertificateDer::pem_slice_iter(extra_ca) {
            extra.push(certificate.map_err(|_| BAD_CA)?);
        }
        if extra.is_empty() {
            return Err(BAD_CA);
        }
    }
    let provider = Arc::new(CryptoProvider { key_provider: &NoKeys, ..ring::default_provider() });
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| Error::Internal)?;
    let mut config = verified(builder, provider, extra)?.with_no_client_auth();
    // Without this a server might choose HTTP/2, where the upgrade is another protocol.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// A client has no certificate of its own and signs nothing: ring's private keys stay out of what a game ships.
#[derive(Debug)]
struct NoKeys;

impl KeyProvider for NoKeys {
    fn load_private_key(&self, _key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("a client has no key".to_owned()))
    }
}

type Wants<T> = rustls::ConfigBuilder<ClientConfig, T>;

#[cfg(not(feature = "platform-verifier"))]
fn verified(
    builder: Wants<rustls::WantsVerifier>,
    _provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
) -> Result<Wants<rustls::client::WantsClientCert>, Error> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in extra {
        roots.add(certificate).map_err(|_| BAD_CA)?;
    }
    Ok(builder.with_root_certificates(roots))
}

#[cfg(feature = "platform-verifier")]
fn verified(
    builder: Wants<rustls::WantsVerifier>,
    provider: Arc<CryptoProvider>,
    extra: Vec<CertificateDer<'static>>,
) -> Result<Wants<rustls::client::WantsClientCert>, Error> {
    use rustls_platform_verifier::Verifier;
    let verifier = if extra.is_empty() {
        Verifier::new(provider).map_err(|_| Error::Internal)?
    } else {
        Verifier::new_with_extra_roots(extra, provider).map_err(|_| BAD_CA)?
    };
    // "Dangerous" is rustls' word for any verifier but its own.
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extra_authority_must_be_pem() {
        assert!(client_config(b"").is_ok());
        assert_eq!(client_config(b"not a certificate").unwrap_err(), BAD_CA);
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(client_config(broken).unwrap_err(), BAD_CA);
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        assert!(client_config(key.cert.pem().as_bytes()).is_ok());
    }
}
