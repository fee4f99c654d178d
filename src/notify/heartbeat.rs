//! The heartbeat that goes out to a dead man's switch: a request to its address, which tells by its absence that the
//! monitor does not do its work. The address is a secret: whoever knows it can keep the switch quiet.
//!
//! One request on a fresh connection, in HTTP/1.1, of which only the status is read. No redirect is followed.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::{
    domain::outcome::Detail,
    secret::{MaybeSecret, Sources},
    setting::{At, HttpUrl, Problem, Span},
};

/// How often a heartbeat goes out where nothing else is said.
const EVERY: Duration = Duration::from_secs(60);
const EVERY_MIN: Duration = Duration::from_secs(1);
const EVERY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A heartbeat that has not been taken by then has failed.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Room for a status line.
const STATUS_BYTES: usize = 64;

/// `[heartbeat]`: a sign of life to a dead man's switch elsewhere.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, such as [heartbeat]")]
#[schemars(extend("required" = ["url"]))]
pub struct HeartbeatSettings {
    /// The address that the switch waits to be asked for; better a reference, since whoever knows it can keep the switch
    /// quiet.
    pub url: Option<At<MaybeSecret>>,
    /// How often, from "1s" to "1d". Default "1m".
    pub every: Option<At<Span>>,
    /// Whether it is asked for by GET or by POST. Default "GET".
    pub method: Option<Method>,
}

/// By which method the address is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// GET.
    #[default]
    Get,
    /// POST, with an empty body.
    Post,
}

/// A future that borrows its beat: why it was not taken, if it was not.
pub type BeatFuture<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A sign of life.
pub trait Beat: fmt::Debug + Send + Sync {
    /// Gives it once. What quotes the other side is one escaped line without secrets.
    fn send(&self) -> BeatFuture<'_>;
}

/// To whom it goes, and how often.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// How often.
    pub every: Duration,
    /// To whom.
    pub beat: Arc<dyn Beat>,
}

impl HeartbeatSettings {
    /// Reads the address and prepares the way.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn build(&self, sources: &Sources) -> Result<Heartbeat, Vec<Problem>> {
        let mut problems = Vec::new();
        let every = self.every.as_ref().map_or(EVERY, |every| every.value.0);
        if let Some(at) = self.every.as_ref().filter(|_| !(EVERY_MIN..=EVERY_MAX).contains(&every)) {
            let problem = at.problem("a heartbeat goes out every \"1s\" to \"1d\"");
            problems.push(problem.hint("write a span between these, such as \"1m\""));
        }
        let target = self.url.as_ref().and_then(|url| {
            let text = sources.text(url).map_err(|problem| problems.push(problem)).ok()?;
            let parsed = HttpUrl::parse(text.expose());
            let Ok(HttpUrl(parsed)) = parsed else {
                let problem = url.problem("the address of the heartbeat is none of http or https");
                problems.push(
                    problem.hint("it begins with https:// and is the one that the switch has given you"),
                );
                return None;
            };
            Target::new(&parsed, self.method.unwrap_or_default())
                .map_err(|why| problems.push(url.problem(why).hint("give another address")))
                .ok()
        });
        match target {
            Some(target) if problems.is_empty() => Ok(Heartbeat { every, beat: Arc::new(target) }),
            _ => Err(problems),
        }
    }
}

/// An address by HTTP.
struct Target {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// The whole request.
    request: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target(***)")
    }
}

impl Target {
    fn new(url: &Url, method: Method) -> Result<Self, String> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let tls = if url.scheme() == "https" {
            let name =
                ServerName::try_from(host.clone()).map_err(|_| "its host has no name that TLS knows")?;
            Some((connector().map_err(|error| format!("TLS cannot be set up: {error}"))?, name))
        } else {
            None
        };
        let (word, length) = match method {
            Method::Get => ("GET", ""),
            Method::Post => ("POST", "Content-Length: 0\r\n"),
        };
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = format!(
            "{word} {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: lamplighter/{}\r\nAccept: */*\r\n{length}Connection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        );
        Ok(Self { host, port, tls, request })
    }

    async fn ask(&self) -> Result<(), String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| format!("connecting: {}", error.kind()))?;
        match &self.tls {
            None => self.talk(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                self.talk(stream.map_err(|error| format!("TLS handshake: {}", shown(&error.to_string())))?)
                    .await
            }
        }
    }

    async fn talk(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), String> {
        let broken = |error: std::io::Error| format!("asking: {}", error.kind());
        stream.write_all(self.request.as_bytes()).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut answer = Vec::with_capacity(STATUS_BYTES);
        while answer.len() < STATUS_BYTES && !answer.contains(&b'\n') {
            if stream.read_buf(&mut answer).await.map_err(broken)? == 0 {
                break;
            }
        }
        let line = String::from_utf8_lossy(&answer);
        let line = line.lines().next().unwrap_or_default();
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some(version), Some(status)) if version.starts_with("HTTP/1.") => {
                if status.len() == 3 && status.starts_with('2') {
                    return Ok(());
                }
                Err(format!("answered {}, expected 200 to 299", shown(status)))
            }
            _ => Err("answered, but not in HTTP".to_owned()),
        }
    }
}

/// What the other side says, as it may be shown.
fn shown(words: &str) -> String {
    Detail::new(words).as_str().to_owned()
}

fn connector() -> Result<TlsConnector, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Beat for Target {
    fn send(&self) -> BeatFuture<'_> {
        Box::pin(async {
            let late = || Err(format!("no answer within {} s", TIMEOUT.as_secs()));
            timeout(TIMEOUT, self.ask()).await.unwrap_or_else(|_| late())
        })
    }
}
