//! By what the pages are served where they are encrypted: a certificate and its key. A reload brings another; connections
//! that stand keep the one they began with.

use std::sync::Arc;

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// A certificate with its key, ready to serve.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What a handshake needs.
    pub config: Arc<ServerConfig>,
    /// The certificate itself, without those that vouch for it.
    pub certificate: CertificateDer<'static>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// There is something wrong with the certificate; what.
    Certificate(String),
    /// There is something wrong with the key; what.
    Key(String),
}

impl Identity {
    /// Reads both from PEM: the chain with the own certificate first, and its key.
    ///
    /// # Errors
    /// When one of them is missing or cannot be read, or they do not belong together.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, Unfit> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(certificate).collect::<Result<_, _>>().map_err(|error| {
                Unfit::Certificate(format!("the file holds a certificate that cannot be read: {error}"))
            })?;
        let Some(own) = chain.first().cloned() else {
            return Err(Unfit::Certificate("the file holds no certificate".to_owned()));
        };
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| Unfit::Key("the file holds no key that can be read".to_owned()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Unfit::Key(error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => {
                    Unfit::Key("the key does not belong to the certificate".to_owned())
                }
                rustls::Error::InvalidCertificate(_) => {
                    Unfit::Certificate(format!("the certificate cannot be used: {error}"))
                }
                _ => Unfit::Key(format!("the key cannot be used: {error}")),
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), certificate: own })
    }
}
