//! One request to an endpoint that is told: a connection of its own, driven in the task that waits for it, closed
//! with the answer. Redirects are not followed, since they would carry a secret to where nobody has sent it; the answer is
//! read to a limit; every step has a time limit.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::{domain::outcome::Detail, notify::Delivery, secret::Redactor};

/// So much of an answer is read: that of one who is told, and of one who is asked.
const ANSWER_BYTES_MAX: usize = 16 << 10;
const ASKED_BYTES_MAX: usize = 4 << 20;

/// So much of it is repeated, in characters.
const ANSWER_CHARS_MAX: usize = 200;

/// So many addresses of a host are tried at most.
const ADDRESSES_MAX: usize = 8;

/// An endpoint that asks for a pause is given at most this one.
const PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// An endpoint that asks for a pause is given at least this one.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// How long an endpoint may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Name resolution, connection and TLS.
    pub connect: Duration,
    /// The whole of one request.
    pub whole: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), whole: Duration::from_secs(10) }
    }
}

/// Why requests to an endpoint cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The address is none.
    #[error("failed to use the address of an endpoint: it is no http or https address with a host")]
    Address,
    /// TLS cannot be set up.
    #[error("failed to set up TLS for an endpoint: {0}")]
    Tls(#[from] rustls::Error),
}

/// An endpoint to which requests are posted.
pub(super) struct Endpoint {
    host: String,
    port: u16,
    /// What the Host header says.
    authority: HeaderValue,
    /// Path and query.
    target: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limits: Limits,
}

/// What an endpoint answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Silence {
    doing: &'static str,
    why: String,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.why)
    }
}

impl Endpoint {
    /// An endpoint at an address; `root_ca` is a further root certificate to trust, in PEM.
    pub(super) fn new(url: &Url, root_ca: Option<&Bytes>, limits: Limits) -> Result<Self, PostError> {
        let (host, name) = match url.host() {
            Some(Host::Domain(name)) => {
                (name.to_owned(), ServerName::try_from(name.to_owned()).map_err(|_| PostError::Address)?)
            }
            Some(Host::Ipv4(address)) => {
                (address.to_string(), ServerName::IpAddress(std::net::IpAddr::V4(address).into()))
            }
            Some(Host::Ipv6(address)) => {
                (address.to_string(), ServerName::IpAddress(std::net::IpAddr::V6(address).into()))
            }
            None => return Err(PostError::Address),
        };
        let port = url.port_or_known_default().ok_or(PostError::Address)?;
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
            None => url.host_str().unwrap_or_default().to_owned(),
        };
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let tls = match url.scheme() {
            "https" => Some((connector(root_ca)?, name)),
            "http" => None,
            _ => return Err(PostError::Address),
        };
        Ok(Self {
            host,
            port,
            authority: HeaderValue::from_str(&authority).map_err(|_| PostError::Address)?,
            target: format!("{}{query}", url.path()),
            tls,
            limits,
        })
    }

    /// Posts a body of JSON.
    pub(super) async fn post(&self, mut headers: HeaderMap, body: String) -> Result<Answer, Silence> {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers;
        self.send(request, &self.target, ANSWER_BYTES_MAX).await
    }

    /// Asks for what stands at the same path with this query.
    pub(super) async fn get(&self, headers: HeaderMap, query: &str) -> Result<Answer, Silence> {
        let mut request = Request::new(Full::default());
        *request.headers_mut() = headers;
        self.send(request, &format!("{}?{query}", self.target), ASKED_BYTES_MAX).await
    }

    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        target: &str,
        bytes_max: usize,
    ) -> Result<Answer, Silence> {
        let target = target
            .parse()
            .map_err(|_| Silence { doing: "writing the request", why: NO_TARGET.to_owned() })?;
        *request.uri_mut() = target;
        request.headers_mut().insert(header::HOST, self.authority.clone());
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let limit = self.limits.whole;
        timeout(limit, self.exchange(request, bytes_max)).await.unwrap_or_else(|_| {
            let why = format!("not done within {} s", limit.as_secs_f64());
            Err(Silence { doing: "the whole request", why })
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Answer, Silence> {
        let failed = |error: &hyper::Error| Silence { doing: "request", why: told(error) };
        let limit = self.limits.connect;
        let wire = timeout(limit, self.connect()).await.unwrap_or_else(|_| {
            Err(Silence { doing: "connecting", why: format!("no answer within {} s", limit.as_secs_f64()) })
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(wire))
            .await
            .map_err(|error| failed(&error))?;
        let talk = async move {
            let answer = sender.send_request(request).await.map_err(|error| failed(&error))?;
            let (parts, body) = answer.into_parts();
            // What cannot be read of the body changes nothing: the status has been said.
            let body = Limited::new(body, bytes_max).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            let body = String::from_utf8_lossy(&body).into_owned();
            Ok(Answer { status: parts.status, headers: parts.headers, body })
        };
        beside(connection, talk).await
    }

    async fn connect(&self) -> Result<Pin<Box<dyn Wire>>, Silence> {
        let at = |doing| move |error: io::Error| Silence { doing, why: error.to_string() };
        let stream = connect(&self.host, self.port, self.limits.connect).await.map_err(at("connecting"))?;
        match &self.tls {
            None => Ok(Box::pin(stream)),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(at("TLS handshake"))?;
                Ok(Box::pin(stream))
            }
        }
    }
}

const NO_TARGET: &str = "its address has a path or a query that cannot be sent";

const USER_AGENT: &str = concat!("Lamplighter/", env!("CARGO_PKG_VERSION"));

/// What a connection is to the one that talks over it.
trait Wire: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Wire for T {}

/// hyper's words with those of what lies below them.
fn told(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Drives the connection until the talk over it is over.
async fn beside<T>(connection: impl Future, talk: impl Future<Output = T>) -> T {
    let mut connection = pin!(connection);
    let mut talk = pin!(talk);
    let mut open = true;
    poll_fn(|cx| {
        open = open && connection.as_mut().poll(cx).is_pending();
        if let Poll::Ready(end) = talk.as_mut().poll(cx) {
            return Poll::Ready(end);
        }
        // Once more for what the talk wants sent.
        open = open && connection.as_mut().poll(cx).is_pending();
        Poll::Pending
    })
    .await
}

/// Connects to the first address that answers. Each has its share of the time.
pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.take(ADDRESSES_MAX).collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::Error::new(io::ErrorKind::TimedOut, "it does not answer"),
        }
    }
    Err(failure)
}

/// The system's root certificates and the further one, by rustls and ring.
pub(super) fn connector(root_ca: Option<&Bytes>) -> Result<TlsConnector, PostError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = root_ca {
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).flatten());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What an answer means for the notification. A server that is overloaded or broken may mend, and so may whatever stands
/// before it and redirects; what it refuses it will refuse again.
pub(super) fn delivery(result: Result<Answer, Silence>, redactor: &Redactor) -> Delivery {
    let say = |text: &str| Detail::new(&redactor.redact(text)).as_str().to_owned();
    let answer = match result {
        Ok(answer) => answer,
        Err(silence) => return Delivery::Transient(say(&silence.to_string())),
    };
    let mut words = answer.status.as_u16().to_string();
    let said: String = answer.body.split_whitespace().collect::<Vec<_>>().join(" ");
    let said: String = redactor.redact(&said).chars().take(ANSWER_CHARS_MAX).collect();
    if !said.is_empty() {
        words = format!("{words} {said}");
    }
    match answer.status.as_u16() {
        200..=299 => Delivery::Accepted(say(&words)),
        300..=399 => Delivery::Transient(say(&format!("{words} (redirects are not followed)"))),
        408 | 425 | 429 | 500..=599 => match pause(&answer.headers) {
            Some(pause) => Delivery::Busy(say(&words), pause),
            None => Delivery::Transient(say(&words)),
        },
        _ => Delivery::Permanent(say(&words)),
    }
}

/// How long the other side wants to be left alone, within reason.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let secs: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(secs).clamp(PAUSE_MIN, PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn answered(status: u16, retry_after: Option<&str>, body: &str) -> Delivery {
        let mut headers = HeaderMap::new();
        if let Some(value) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        let secret = Secret::new("hunter2-and-more".to_owned());
        delivery(Ok(Answer { status, headers, body: body.to_owned() }), &Redactor::new([&secret]))
    }

    #[test]
    fn what_may_mend_is_tried_again_and_what_is_refused_is_not() {
        let secs = Duration::from_secs;
        for (status, retry_after, expected) in [
            (200, None, Delivery::Accepted("200 ok".to_owned())),
            (202, None, Delivery::Accepted("202 ok".to_owned())),
            (302, None, Delivery::Transient("302 ok (redirects are not followed)".to_owned())),
            (400, None, Delivery::Permanent("400 ok".to_owned())),
            (401, None, Delivery::Permanent("401 ok".to_owned())),
            (404, None, Delivery::Permanent("404 ok".to_owned())),
            (408, None, Delivery::Transient("408 ok".to_owned())),
            (429, Some("7"), Delivery::Busy("429 ok".to_owned(), secs(7))),
            (429, Some("0"), Delivery::Busy("429 ok".to_owned(), secs(1))),
            (429, Some("86400"), Delivery::Busy("429 ok".to_owned(), PAUSE_MAX)),
            (429, Some("soon"), Delivery::Transient("429 ok".to_owned())),
            (503, None, Delivery::Transient("503 ok".to_owned())),
        ] {
            assert_eq!(answered(status, retry_after, "ok"), expected);
        }
    }

    #[test]
    fn what_is_quoted_is_one_short_line_without_secrets() {
        let body = format!("no\r\nhunter2-and-more\u{1b}[31m{}", "x".repeat(5_000));
        let Delivery::Permanent(words) = answered(403, None, &body) else { panic!() };
        assert!(words.starts_with("403 no ***"), "{words}");
        assert!(words.len() < 300 && !words.contains(['\n', '\u{1b}']), "{words}");
    }
}
