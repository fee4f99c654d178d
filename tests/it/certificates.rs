//! Certificates for mail servers, and in the files that a real server reads.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use rcgen::CertificateParams;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use crate::loopback::certificates::Authority;

/// A certificate authority and a server certificate that it signed.
pub struct Certificates {
    directory: TempDir,
    root: Bytes,
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
        let files = [("server.pem", signed.certificate.pem()), ("server.key", signed.key.serialize_pem())];
        for (name, pem) in files {
            fs::write(directory.path().join(name), pem).unwrap();
        }
        Self { directory, root: authority.pem().into(), acceptor: signed.acceptor(&[]) }
    }

    /// The authority's certificate.
    pub fn root(&self) -> Bytes {
        self.root.clone()
    }

    /// The server's certificate and its key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.directory.path().join("server.pem"), self.directory.path().join("server.key"))
    }
}
