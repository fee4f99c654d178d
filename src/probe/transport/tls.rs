//! TLS as a new customer's browser does it: a full handshake on every connection, never a resumed session. What is
//! costly (trust anchors, keys) is prepared once per distinct setting and shared by every probe that has it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::fault::{Broken, of_io};
use crate::domain::outcome::Stage;

/// Which versions of HTTP are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/2 or 1.1 over TLS, as the server likes; 1.1 without TLS.
    #[default]
    Auto,
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 only, without TLS by prior knowledge.
    Http2,
}

/// Whom a probe trusts and as whom it presents itself; PEM texts.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Root certificates trusted besides those of the system.
    pub roots: Option<Vec<u8>>,
    /// A client certificate with its chain, and its private key.
    pub client: Option<(Vec<u8>, crate::secret::Secret)>,
}

/// What of an [`Identity`] cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No root certificate in the PEM text.
    #[error("there is no certificate in this PEM file")]
    Roots,
    /// No client certificate in the PEM text.
    #[error("there is no certificate in this PEM file")]
    ClientCertificate,
    /// No usable private key.
    #[error("there is no private key that fits the certificate in this PEM file")]
    ClientKey,
}

/// The TLS settings in use, one client per distinct setting.
#[derive(Debug, Default)]
pub(super) struct Clients {
    clients: Mutex<HashMap<[u8; 32], Arc<Client>>>,
    system: Arc<OnceLock<RootCertStore>>,
}

impl Clients {
    /// The client for a setting, made unless there is one already.
    pub(super) fn client(&self, identity: &Identity, version: Version) -> Result<Arc<Client>, IdentityError> {
        let key = digest(identity, version);
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = Arc::new(Client::new(identity, version, self.system.clone())?);
        clients.insert(key, client.clone());
        Ok(client)
    }
}

fn digest(identity: &Identity, version: Version) -> [u8; 32] {
    let client = identity.client.as_ref();
    let parts = [
        identity.roots.as_deref(),
        client.map(|(chain, _)| &chain[..]),
        client.map(|(_, key)| key.expose().as_bytes()),
    ];
    let mut digest = Sha256::new();
    digest.update([version as u8]);
    for part in parts {
        digest.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
        digest.update(part.unwrap_or_default());
    }
    digest.finalize().into()
}

/// Makes TLS connections of one setting.
pub struct Client {
    roots: Vec<CertificateDer<'static>>,
    client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    version: Version,
    system: Arc<OnceLock<RootCertStore>>,
    connector: OnceLock<Result<TlsConnector, String>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Client {
    fn new(
        identity: &Identity,
        version: Version,
        system: Arc<OnceLock<RootCertStore>>,
    ) -> Result<Self, IdentityError> {
        let roots = identity
            .roots
            .as_deref()
            .map_or(Ok(Vec::new()), |pem| certificates(pem, IdentityError::Roots))?;
        let client = identity.client.as_ref().map(|(chain, key)| {
            let chain = certificates(chain, IdentityError::ClientCertificate)?;
            let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
                .map_err(|_| IdentityError::ClientKey)?;
            Ok((chain, key))
        });
        let client = Self { roots, client: client.transpose()?, version, system, connector: OnceLock::new() };
        // A key that does not fit is a mistake in the configuration: say so while that is read.
        if client.client.is_some() && client.config(RootCertStore::empty()).is_err() {
            return Err(IdentityError::ClientKey);
        }
        Ok(client)
    }

    /// Does now what the first connection would otherwise wait for: reads the system's trust anchors.
    pub fn warm_up(&self) {
        let _ready = self.connector();
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Shakes hands.
    pub(super) async fn connect(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Broken> {
        let connector = self.connector().map_err(Broken::local)?;
        connector.connect(name, stream).await.map_err(|error| of_io(Stage::Tls, &error))
    }

    fn connector(&self) -> Result<&TlsConnector, &str> {
        let made = self.connector.get_or_init(|| {
            let mut roots = self.system.get_or_init(system_roots).clone();
            roots.add_parsable_certificates(self.roots.iter().cloned());
            if roots.is_empty() {
                return Err("no trusted root certificate on this machine: install ca-certificates".to_owned());
            }
            let config = self.config(roots).map_err(|error| format!("failed to set up TLS: {error}"))?;
            Ok(TlsConnector::from(Arc::new(config)))
        });
        made.as_ref().map_err(String::as_str)
    }

    fn config(&self, roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let mut config = match &self.client {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = match self.version {
            Version::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Version::Http1 => vec![b"http/1.1".to_vec()],
            Version::Http2 => vec![b"h2".to_vec()],
        };
        Ok(config)
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "failed to read a root certificate of the system");
    }
    roots.add_parsable_certificates(loaded.certs);
    roots
}

fn certificates(pem: &[u8], error: IdentityError) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let certificates: Vec<_> =
        CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| error)?;
    if certificates.is_empty() { Err(error) } else { Ok(certificates) }
}
