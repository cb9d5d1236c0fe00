//! A certificate authority of one test, and what it certifies.

use std::path::Path;

use castline_server::TlsFiles;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A local authority.
#[derive(Debug)]
pub struct Authority {
    /// Its certificate, for those who trust it.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one, that nobody trusts yet.
    pub fn new() -> anyhow::Result<Authority> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Authority { pem, issuer: Issuer::new(params, key) })
    }

    /// A certificate for these names and addresses, as files in `directory`.
    pub fn certify(&self, names: &[&str], directory: &Path) -> anyhow::Result<TlsFiles> {
        let key = KeyPair::generate()?;
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate = CertificateParams::new(names)?.signed_by(&key, &self.issuer)?;
        let files =
            TlsFiles { certificates: directory.join("certificate.pem"), key: directory.join("key.pem") };
        std::fs::write(&files.certificates, certificate.pem())?;
        std::fs::write(&files.key, key.serialize_pem())?;
        Ok(files)
    }
}
