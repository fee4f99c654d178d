//! Certificates for mail servers, in the files that the route and a real server read.

use std::{fs, path::PathBuf};

use rcgen::CertificateParams;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::loopback::certificates::Authority;

/// A certificate authority and a server certificate that it signed.
pub struct Certificates {
    directory: TempDir,
    pub acceptor: TlsAcceptor,
}

impl Certificates {
    /// For an address or a host name.
    pub fn for_name(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// For an address or a host name, changed as a test needs it.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let authority = Authority::new();
        let signed = authority.sign(&[name], change);
        let directory = tempfile::tempdir().unwrap();
        let files = [
            ("root.pem", authority.pem()),
            ("server.pem", signed.certificate.pem()),
            ("server.key", signed.key.serialize_pem()),
        ];
        for (name, pem) in files {
            fs::write(directory.path().join(name), pem).unwrap();
        }
        Self { directory, acceptor: signed.acceptor(&[]) }
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
