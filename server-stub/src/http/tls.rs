//! The certificate of the players' address, replaced while the server runs.
//!
//! Files are looked at every few seconds, and when somebody asks (SIGHUP). New ones hold for connections from then on; those that
//! are open stay. Files that are no good, or whose key does not fit (of two files one is always written first), change nothing but the
//! log, and are looked at again when they change again.

use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use anyhow::Context;
use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::metrics::Metrics;
use crate::settings::TlsFiles;

/// A certificate that follows its files.
pub(crate) struct Certificates {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<CertifiedKey>,
    seen: Mutex<[Stamp; 2]>,
    metrics: Arc<Metrics>,
}

/// What tells a file from its successor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    changed: Option<SystemTime>,
    length: u64,
    number: u64,
}

impl Stamp {
    fn of(file: &Path) -> Option<Stamp> {
        let data = std::fs::metadata(file).ok()?;
        let number = data.ino();
        Some(Stamp { changed: data.modified().ok(), length: data.len(), number })
    }
}

impl Certificates {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// A file that cannot be read, or holds no certificate or key; a key that does not fit the certificate.
    pub(crate) fn read(files: TlsFiles, metrics: Arc<Metrics>) -> anyhow::Result<Arc<Certificates>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let seen = stamps(&files);
        let current = ArcSwap::from_pointee(load(&files, &provider)?);
        let seen = Mutex::new(seen.context("the certificate's files went away while they were read")?);
        Ok(Arc::new(Certificates { files, provider, current, seen, metrics }))
    }

    /// For the listener.
    ///
    /// # Errors
    /// None with the provider that is built in.
    pub(crate) fn acceptor(self: &Arc<Self>) -> anyhow::Result<TlsAcceptor> {
        let config = rustls::ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Takes the files anew if they have changed since they were last looked at. Reads from disk: not for a socket's task.
    pub(crate) fn look(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that is away for a moment is being replaced.
        let Some(now) = stamps(&self.files) else { return };
        if *seen == now {
            return;
        }
        *seen = now;
        match load(&self.files, &self.provider) {
            Ok(key) => {
                self.current.store(Arc::new(key));
                self.metrics.tls_reloads.inc();
                tracing::info!("the certificate was replaced");
            }
            Err(error) => {
                self.metrics.tls_failures.inc();
                tracing::error!(
                    error = format!("{error:#}"),
                    "the new certificate is no good; the old one stays"
                );
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

fn stamps(files: &TlsFiles) -> Option<[Stamp; 2]> {
    Some([Stamp::of(&files.certificates)?, Stamp::of(&files.key)?])
}

/// Whether the files can be used, and if not, why.
pub(crate) fn check(files: &TlsFiles) -> anyhow::Result<()> {
    load(files, &rustls::crypto::ring::default_provider()).map(drop)
}

fn load(files: &TlsFiles, provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let read =
        |path: &Path| CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read(&files.certificates)
        .with_context(|| format!("no certificates could be read from {}", files.certificates.display()))?;
    anyhow::ensure!(!chain.is_empty(), "no certificate is in {}", files.certificates.display());
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .with_context(|| format!("no private key could be read from {}", files.key.display()))?;
    CertifiedKey::from_der(chain, key, provider).with_context(|| {
        format!("{} and {} do not belong together", files.certificates.display(), files.key.display())
    })
}
