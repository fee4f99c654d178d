//! TLS towards the mail server: the system's root certificates and the configured one, by rustls and ring.

use std::sync::Arc;

use lettre::transport::smtp::client::{Certificate, TlsParameters};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio_rustls::TlsConnector;

use super::{MailError, MailSecurity, MailServer};

/// How a connection is encrypted.
pub(super) enum Tls {
    /// From the first byte, by ourselves: lettre takes a ready stream.
    Implicit {
        /// Makes the handshake.
        connector: TlsConnector,
        /// Whom the certificate must name.
        name: ServerName<'static>,
    },
    /// After STARTTLS, by lettre.
    StartTls(TlsParameters),
}

impl Tls {
    /// Reads certificates and prepares the handshake.
    pub(super) fn new(server: &MailServer) -> Result<Self, MailError> {
        let broken = |why: &dyn ToString| MailError::Tls { host: server.host.clone(), why: why.to_string() };
        let pem = root_ca(server)?;
        if server.security == MailSecurity::StartTls {
            let mut parameters = TlsParameters::builder(server.host.clone());
            if let Some(pem) = pem {
                parameters =
                    parameters.add_root_certificate(Certificate::from_pem(pem).map_err(|e| broken(&e))?);
            }
            return Ok(Self::StartTls(parameters.build_rustls().map_err(|e| broken(&e))?));
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(pem) = pem {
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| broken(&e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(server.host.clone()).map_err(|e| broken(&e))?;
        Ok(Self::Implicit { connector: TlsConnector::from(Arc::new(config)), name })
    }
}

/// The configured root certificate, known to be at least one.
fn root_ca(server: &MailServer) -> Result<Option<&[u8]>, MailError> {
    let Some(pem) = &server.root_ca else { return Ok(None) };
    let broken = |why: String| MailError::RootCa { host: server.host.clone(), why };
    let mut certificates = CertificateDer::pem_slice_iter(pem).peekable();
    if certificates.peek().is_none() {
        return Err(broken("there is no certificate in it; it must be in PEM".to_owned()));
    }
    for certificate in certificates {
        certificate.map_err(|error| broken(error.to_string()))?;
    }
    Ok(Some(pem))
}
