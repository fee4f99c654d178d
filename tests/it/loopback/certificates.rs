//! A certificate authority of the tests' own, and servers with its certificates.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

/// An authority that signs what it is given.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key.
pub struct Signed {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Authority {
    pub fn new() -> Self {
        let params = authority(&format!("authority {:x}", rand::random::<u64>()));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// An authority of this name, which this one vouches for.
    pub fn vouch(&self, name: &str) -> Self {
        Self(CertifiedIssuer::signed_by(authority(name), KeyPair::generate().unwrap(), &self.0).unwrap())
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// The root certificate, as a file holds it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names, changed as a test needs it.
    pub fn sign(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut params = params_for(names);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Signed { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }

    /// Accepts connections that show a certificate of this authority.
    pub fn acceptor_of_known_clients(&self, signed: &Signed) -> TlsAcceptor {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let config = server_config().with_client_cert_verifier(verifier);
        let config = config.with_single_cert(vec![signed.der()], signed.private_key()).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A certificate that vouches for itself.
pub fn self_signed(names: &[&str]) -> Signed {
    let key = KeyPair::generate().unwrap();
    Signed { certificate: params_for(names).self_signed(&key).unwrap(), key }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn params_for(names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(4096, 1, 1);
    params
}

impl Signed {
    /// Accepts connections with this certificate.
    pub fn acceptor(&self, alpn: &[&str]) -> TlsAcceptor {
        self.acceptor_with(Vec::new(), alpn)
    }

    /// Accepts connections with this certificate and others after it.
    pub fn acceptor_with(&self, others: Vec<CertificateDer<'static>>, alpn: &[&str]) -> TlsAcceptor {
        let chain = std::iter::once(self.der()).chain(others).collect();
        let mut config =
            server_config().with_no_client_auth().with_single_cert(chain, self.private_key()).unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::try_from(self.key.serialize_der()).unwrap()
    }
}

fn server_config() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
}
