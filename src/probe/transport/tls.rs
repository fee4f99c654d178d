//! TLS as a new customer's browser does it: a full handshake on every connection, never a resumed session. What is
//! costly (trust anchors, keys) is prepared once per distinct setting and shared by every probe that has it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::fault::{Broken, of_io};
use crate::{
    domain::outcome::Stage,
    probe::timeline::{Fact, Timeline},
};

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
    prepared: OnceLock<Result<(ClientConfig, Arc<WebPkiServerVerifier>), String>>,
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
        let client = Self { roots, client: client.transpose()?, version, system, prepared: OnceLock::new() };
        // A key that does not fit is a mistake in the configuration: say so while that is read.
        if client.client.is_some() && client.config(RootCertStore::empty()).is_err() {
            return Err(IdentityError::ClientKey);
        }
        Ok(client)
    }

    /// Does now what the first connection would otherwise wait for: reads the system's trust anchors.
    pub fn warm_up(&self) {
        let _ready = self.prepared();
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Shakes hands. What certificate was presented is learned also where it is refused.
    pub(super) async fn connect(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
        timeline: &Timeline,
    ) -> Result<TlsStream<TcpStream>, Broken> {
        let (config, verifier) = self.prepared().map_err(Broken::local)?;
        let mut config = config.clone();
        let (verifier, timeline) = (Arc::clone(verifier), timeline.clone());
        config.dangerous().set_certificate_verifier(Arc::new(Noting { verifier, timeline }));
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.map_err(|error| of_io(Stage::Tls, &error))
    }

    fn prepared(&self) -> Result<&(ClientConfig, Arc<WebPkiServerVerifier>), &str> {
        let made = self.prepared.get_or_init(|| {
            let mut roots = self.system.get_or_init(system_roots).clone();
            roots.add_parsable_certificates(self.roots.iter().cloned());
            if roots.is_empty() {
                return Err("no trusted root certificate on this machine: install ca-certificates".to_owned());
            }
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots.clone()), provider());
            let verifier = verifier.build().map_err(|error| format!("failed to set up TLS: {error}"))?;
            let config = self.config(roots).map_err(|error| format!("failed to set up TLS: {error}"))?;
            Ok((config, verifier))
        });
        made.as_ref().map_err(String::as_str)
    }

    fn config(&self, roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(provider())
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

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Verifies as ever, and notes what was presented on one connection.
#[derive(Debug)]
struct Noting {
    verifier: Arc<WebPkiServerVerifier>,
    timeline: Timeline,
}

impl ServerCertVerifier for Noting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.timeline.learn(Fact::Presented(Sha256::digest(end_entity).into()));
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
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
