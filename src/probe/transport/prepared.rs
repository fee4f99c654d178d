//! A request, ready for the wire: everything that can be worked out before the run has been.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Uri,
    uri::{Authority, Scheme},
};
use rustls::pki_types::ServerName;
use url::{Host, Url};

use super::{resolve::Family, tls};

/// A request and the way it takes.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub target: Arc<Target>,
    /// Its headers; `host` only where the operator has written one. A value that is a secret is marked sensitive: it never crosses to another origin.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Whether a secret is in the body.
    pub body_is_secret: bool,
    /// How it is sent.
    pub route: Arc<Route>,
}

/// How a request is sent, whatever it is.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which addresses are used.
    pub family: Family,
    /// How many redirects are followed; 0 takes the first answer as it is.
    pub redirects_max: u8,
    /// Whether a target may redirect to private addresses.
    pub allow_private: bool,
    /// What an answer may be at most.
    pub limits: Limits,
    /// TLS and the version of HTTP.
    pub tls: Arc<tls::Client>,
}

/// What an answer may be at most (`states.md`, limits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of headers, informational answers included.
    pub header_bytes: u32,
    /// Header fields.
    pub header_fields: u16,
    /// Bytes of body on the wire.
    pub body_bytes: u64,
    /// Bytes of body once inflated.
    pub inflated_bytes: u64,
    /// Bytes inflated for each byte on the wire.
    pub inflated_ratio: u64,
    /// Resolving, connecting and the TLS handshake may each take so long.
    pub phase: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 32 << 10,
            header_fields: 100,
            body_bytes: 1 << 20,
            inflated_bytes: 4 << 20,
            inflated_ratio: 100,
            phase: Duration::from_secs(5),
        }
    }
}

/// A URL taken apart into what the layers below need of it.
#[derive(Debug)]
pub struct Target {
    /// The whole.
    pub url: Url,
    pub(super) host: HostAddress,
    pub(super) port: u16,
    /// For TLS; none over plain HTTP.
    pub(super) server_name: Option<ServerName<'static>>,
    /// Path and query, for HTTP/1.
    pub(super) path: Uri,
    pub(super) host_header: HeaderValue,
}

/// A host, as far as it is known before the run.
#[derive(Debug)]
pub(super) enum HostAddress {
    /// An address that needs no resolving.
    Ip(IpAddr),
    /// A name.
    Name(String),
}

impl Target {
    /// Takes an `http` or `https` URL apart.
    ///
    /// # Errors
    /// Says why a request cannot go there.
    pub fn of(url: Url) -> Result<Self, String> {
        let host = match url.host() {
            Some(Host::Ipv4(v4)) => HostAddress::Ip(v4.into()),
            Some(Host::Ipv6(v6)) => HostAddress::Ip(v6.into()),
            Some(Host::Domain(name)) => HostAddress::Name(name.to_owned()),
            None => return Err("the address has no host".to_owned()),
        };
        let port = url.port_or_known_default().ok_or("the address has no port")?;
        let server_name = (url.scheme() == "https")
            .then(|| match &host {
                HostAddress::Ip(ip) => Ok(ServerName::from(*ip)),
                HostAddress::Name(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()),
            })
            .transpose()
            .map_err(|_| "the host is not a valid name for TLS".to_owned())?;
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let unfit = |error: &dyn std::fmt::Display| format!("the address cannot be requested: {error}");
        Authority::try_from(authority).map_err(|error| unfit(&error))?;
        Ok(Self {
            path: path.parse().map_err(|error| unfit(&error))?,
            host_header: authority.parse().map_err(|error| unfit(&error))?,
            host,
            port,
            server_name,
            url,
        })
    }

    /// The whole address without its fragment, as HTTP/2 wants it, on this host or its own.
    pub(super) fn absolute(&self, host: Option<Authority>) -> Uri {
        let own = || {
            Authority::try_from(self.host_header.as_bytes())
                .expect("it was one when the address was taken apart")
        };
        let mut parts = self.path.clone().into_parts();
        parts.scheme = Some(if self.server_name.is_some() { Scheme::HTTPS } else { Scheme::HTTP });
        parts.authority = Some(host.unwrap_or_else(own));
        Uri::from_parts(parts).expect("scheme, host and path make an address")
    }
}
