//! Certificates of the tests' own: an authority, and a server certificate that it signed.

use std::{path::PathBuf, sync::Arc};

use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

/// A certificate authority and a server certificate for 127.0.0.1, or for another name.
pub struct Certificates {
    directory: TempDir,
    pub acceptor: TlsAcceptor,
}

impl Certificates {
    /// For an address or a host name.
    pub fn for_name(name: &str) -> Self {
        Self::with(|parameters| parameters.subject_alt_names = vec![subject(name)])
    }

    /// For whatever the parameters say.
    pub fn with(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let mut parameters = rcgen::CertificateParams::default();
        change(&mut parameters);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &issuer).unwrap();

        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("root.pem"), root.pem()).unwrap();
        std::fs::write(directory.path().join("server.pem"), certificate.pem()).unwrap();
        std::fs::write(directory.path().join("server.key"), key.serialize_pem()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
            .unwrap();
        Self { directory, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// The authority's certificate.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }

    /// The server's certificate and its key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.directory.path().join("server.pem"), self.directory.path().join("server.key"))
    }
}

/// An address or a host name as a certificate names it.
pub fn subject(name: &str) -> rcgen::SanType {
    match name.parse() {
        Ok(address) => rcgen::SanType::IpAddress(address),
        Err(_) => rcgen::SanType::DnsName(name.try_into().unwrap()),
    }
}
