//! What the browser tells about a visit while it goes on: requests and how they ended, errors of scripts, dialogs. It is
//! what explains why an entry is not there; each list is bounded.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::{
    domain::outcome::{Reason, Stage},
    probe::transport::{never_reached, shown},
};

/// How many entries each list keeps.
const KEPT_MAX: usize = 64;
/// How much of what a page says is kept, in characters.
const SAID_MAX: usize = 300;
/// How much of an address.
const URL_BYTES_MAX: usize = 4096;
/// How many requests are followed at once; of more, the end is not known.
const UNDER_WAY_MAX: usize = 1_000;
/// What has been under way for longer is waited for no more.
const LOADING_MAX: Duration = Duration::from_secs(1);

/// What has happened.
#[derive(Debug, Default)]
pub struct Log {
    under_way: HashMap<String, Request>,
    /// The last requests that failed.
    pub failures: Vec<FailedRequest>,
    /// The last that were answered, with their status.
    pub answers: VecDeque<(Box<str>, u16)>,
    /// Errors that no script has caught, and what was written to the console as an error.
    pub errors: Vec<String>,
    /// Texts of dialogs that the page has put up; each has been accepted.
    pub dialogs: Vec<String>,
    /// The last document of each frame.
    pub documents: HashMap<Box<str>, Document>,
    /// A place to which a page has led and no probe may go.
    pub forbidden: Option<String>,
}

#[derive(Debug)]
struct Request {
    url: Box<str>,
    kind: Box<str>,
    begun_at: Instant,
    is_sent: bool,
}

/// A request that failed.
#[derive(Clone, Debug)]
pub struct FailedRequest {
    /// The address, without what may be secret in it.
    pub url: String,
    /// Whether it was for a script.
    pub is_script: bool,
    /// The technical word.
    pub reason: Reason,
    /// In words.
    pub why: String,
}

/// The answer that brought a document.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its status.
    pub status: u16,
    /// Whether it says itself that it is a challenge.
    pub is_challenge: bool,
    /// When the certificate of its connection expires.
    pub certificate_expires_at: Option<Timestamp>,
    /// The address that it came from.
    pub address: Option<IpAddr>,
}

impl Log {
    /// Takes note of an event.
    pub(super) fn note(&mut self, method: &str, params: &Value) {
        match method {
            "Network.requestWillBeSent" => self.begun(params),
            "Network.requestWillBeSentExtraInfo" => {
                if let Some(request) = self.under_way.get_mut(text(&params["requestId"])) {
                    request.is_sent = true;
                }
            }
            "Network.responseReceived" => self.answered(params),
            "Network.loadingFinished" => {
                self.under_way.remove(text(&params["requestId"]));
            }
            "Network.loadingFailed" => self.failed(params),
            "Network.webSocketCreated" => {
                let (id, url) = (text(&params["requestId"]), text(&params["url"]));
                self.follow(id, url, "WebSocket");
            }
            "Network.webSocketFrameError" => self.socket_failed(params),
            "Network.webSocketClosed" => {
                self.under_way.remove(text(&params["requestId"]));
            }
            "Runtime.exceptionThrown" => {
                let thrown = &params["exceptionDetails"];
                let said = thrown["exception"]["description"].as_str().unwrap_or(text(&thrown["text"]));
                let said = said.lines().next().unwrap_or_default();
                keep(&mut self.errors, said.chars().take(SAID_MAX).collect());
            }
            "Runtime.consoleAPICalled" if text(&params["type"]) == "error" => {
                let said = params["args"].as_array().into_iter().flatten();
                let said = said.map(|part| part["value"].as_str().unwrap_or(text(&part["description"])));
                let said = said.collect::<Vec<_>>().join(" ");
                keep(&mut self.errors, said.chars().take(SAID_MAX).collect());
            }
            "Page.javascriptDialogOpening" => {
                let said = text(&params["message"]);
                if !said.is_empty() {
                    keep(&mut self.dialogs, said.chars().take(SAID_MAX).collect());
                }
            }
            _ => {}
        }
    }

    /// The first script that has not arrived.
    #[must_use]
    pub fn pending_script(&self) -> Option<String> {
        let mut pending: Vec<&str> = self
            .under_way
            .values()
            .filter(|request| &*request.kind == "Script")
            .map(|request| &*request.url)
            .collect();
        pending.sort_unstable();
        pending.first().map(|url| shown_text(url))
    }

    /// Whether something is under way that may change the page: not what has been waiting for long, as chats do.
    #[must_use]
    pub fn is_loading(&self) -> bool {
        let changes = |request: &Request| matches!(&*request.kind, "Script" | "XHR" | "Fetch" | "Stylesheet");
        self.under_way.values().any(|request| changes(request) && request.begun_at.elapsed() < LOADING_MAX)
    }

    /// Whether a request for a document has gone out and has no answer.
    #[must_use]
    pub fn is_document_asked_for(&self) -> bool {
        self.under_way.values().any(|request| &*request.kind == "Document" && request.is_sent)
    }

    fn begun(&mut self, params: &Value) {
        let id = text(&params["requestId"]);
        let redirect = &params["redirectResponse"];
        if redirect.is_object() {
            self.judge_address(redirect);
        }
        // The end of what a worker asks for is told to the worker.
        if !text(&params["loaderId"]).is_empty() {
            self.follow(id, text(&params["request"]["url"]), text(&params["type"]));
        }
    }

    fn follow(&mut self, id: &str, url: &str, kind: &str) {
        if self.under_way.len() < UNDER_WAY_MAX {
            let (url, begun_at) = (clipped(url).into(), Instant::now());
            let request = Request { url, kind: kind.into(), begun_at, is_sent: false };
            self.under_way.insert(id.to_owned(), request);
        }
    }

    fn answered(&mut self, params: &Value) {
        let (kind, response) = (text(&params["type"]), &params["response"]);
        let status = u16::try_from(response["status"].as_u64().unwrap_or_default()).unwrap_or_default();
        let url = text(&response["url"]);
        self.judge_address(response);
        if self.answers.len() == KEPT_MAX {
            self.answers.pop_front();
        }
        self.answers.push_back((clipped(url).into(), status));
        if kind == "Document" && self.documents.len() < KEPT_MAX {
            let expires_at = response["securityDetails"]["validTo"].as_f64();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a float too large for a time saturates, and is none"
            )]
            let certificate_expires_at = expires_at.and_then(|at| Timestamp::from_second(at as i64).ok());
            let header = |name: &str| {
                response["headers"].as_object().and_then(|headers| {
                    headers
                        .iter()
                        .find(|(key, _)| key.eq_ignore_ascii_case(name))
                        .map(|(_, value)| text(value))
                })
            };
            let is_challenge = header("cf-mitigated") == Some("challenge");
            let address = address_of(response);
            let document = Document { status, is_challenge, certificate_expires_at, address };
            self.documents.insert(text(&params["frameId"]).into(), document);
        }
        if status >= 400 && is_told(kind) {
            let failed = FailedRequest {
                url: shown_text(url),
                is_script: kind == "Script",
                reason: Reason::Status,
                why: format!("answered {status}"),
            };
            keep(&mut self.failures, failed);
        }
    }

    fn failed(&mut self, params: &Value) {
        let Some(request) = self.under_way.remove(text(&params["requestId"])) else { return };
        let kind = text(&params["type"]);
        if params["canceled"].as_bool() == Some(true) || !is_told(kind) {
            return;
        }
        let error = text(&params["errorText"]);
        let (_, reason) = meaning(error);
        let failed = FailedRequest {
            url: shown_text(&request.url),
            is_script: kind == "Script",
            reason,
            why: format!("failed: {error}"),
        };
        keep(&mut self.failures, failed);
    }

    fn socket_failed(&mut self, params: &Value) {
        let Some(request) = self.under_way.remove(text(&params["requestId"])) else { return };
        let error = text(&params["errorMessage"]);
        let code = error.split_whitespace().find_map(|word| word.strip_prefix("net::"));
        let (_, reason) = meaning(&format!("net::{}", code.unwrap_or_default()));
        let url = shown_text(&request.url);
        keep(
            &mut self.failures,
            FailedRequest { url, is_script: false, reason, why: format!("failed: {error}") },
        );
    }

    /// The browser has connected by itself; what it says of where to is looked at afterwards.
    fn judge_address(&mut self, response: &Value) {
        if let Some(address) = address_of(response)
            && let Some(why) = never_reached(address)
        {
            let url = shown_text(text(&response["url"]));
            self.forbidden.get_or_insert_with(|| format!("{url} is at {address}, {why}"));
        }
    }
}

/// From where an answer came.
fn address_of(response: &Value) -> Option<IpAddr> {
    text(&response["remoteIPAddress"]).trim_matches(['[', ']']).parse().ok()
}

/// The beginning of an address: one may hold a whole picture.
fn clipped(url: &str) -> &str {
    url.get(..url.floor_char_boundary(URL_BYTES_MAX)).unwrap_or(url)
}

fn keep<T>(list: &mut Vec<T>, entry: T) {
    if list.len() < KEPT_MAX {
        list.push(entry);
    }
}

/// Whether it explains anything when a request of this kind fails: a picture that is missing does not.
fn is_told(kind: &str) -> bool {
    matches!(kind, "Script" | "Document" | "XHR" | "Fetch" | "WebSocket" | "EventSource")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// An address without what may be secret in it.
pub fn shown_text(url: &str) -> String {
    Url::parse(url).map_or_else(|_| "an address that is none".to_owned(), |url| shown(&url))
}

/// Where a request broke, and the word for it, by Chromium's name of the error
/// (net/base/net_error_list.h in its source).
#[must_use]
pub fn meaning(error: &str) -> (Stage, Reason) {
    let name = error.strip_prefix("net::ERR_").unwrap_or(error);
    match name {
        "NAME_NOT_RESOLVED" | "ICANN_NAME_COLLISION" => (Stage::Resolve, Reason::DnsNxdomain),
        "DNS_TIMED_OUT" => (Stage::Resolve, Reason::DnsTimeout),
        "DNS_SERVER_FAILED" | "NAME_RESOLUTION_FAILED" => (Stage::Resolve, Reason::DnsServfail),
        "DNS_MALFORMED_RESPONSE" => (Stage::Resolve, Reason::DnsMalformed),
        "CONNECTION_REFUSED" | "CONNECTION_FAILED" => (Stage::Connect, Reason::ConnectRefused),
        "CONNECTION_TIMED_OUT" => (Stage::Connect, Reason::ConnectTimeout),
        "ADDRESS_UNREACHABLE" => (Stage::Connect, Reason::ConnectUnreachable),
        "CERT_DATE_INVALID" => (Stage::Tls, Reason::CertificateExpired),
        "CERT_COMMON_NAME_INVALID" => (Stage::Tls, Reason::CertificateName),
        name if name.starts_with("CERT_") => (Stage::Tls, Reason::CertificateUntrusted),
        name if name.starts_with("SSL_") || name == "BAD_SSL_CLIENT_AUTH_CERT" => {
            (Stage::Tls, Reason::TlsHandshake)
        }
        "CONNECTION_RESET" => (Stage::Wait, Reason::Reset),
        "CONNECTION_CLOSED" | "EMPTY_RESPONSE" => (Stage::Wait, Reason::Truncated),
        "CONTENT_LENGTH_MISMATCH" | "INCOMPLETE_CHUNKED_ENCODING" => (Stage::Transfer, Reason::Truncated),
        "TIMED_OUT" => (Stage::Wait, Reason::FirstByteTimeout),
        "TOO_MANY_REDIRECTS" => (Stage::Wait, Reason::RedirectLimit),
        "UNSAFE_REDIRECT" | "UNKNOWN_URL_SCHEME" | "DISALLOWED_URL_SCHEME" | "INVALID_REDIRECT" => {
            (Stage::Wait, Reason::RedirectBlocked)
        }
        "RESPONSE_HEADERS_TOO_BIG" => (Stage::Wait, Reason::HeaderTooLarge),
        "UNSAFE_PORT" | "ACCESS_DENIED" => (Stage::Connect, Reason::PolicyBlocked),
        name if name.starts_with("BLOCKED_BY_") => (Stage::Wait, Reason::PolicyBlocked),
        "ABORTED" => (Stage::Wait, Reason::Content),
        _ => (Stage::Wait, Reason::Protocol),
    }
}

/// Whether an error says that our own network is gone.
#[must_use]
pub fn is_own_network(error: &str) -> bool {
    matches!(
        error,
        "net::ERR_INTERNET_DISCONNECTED" | "net::ERR_NETWORK_CHANGED" | "net::ERR_NETWORK_IO_SUSPENDED"
    )
}

/// Whether an error says that this machine lacks something.
#[must_use]
pub fn is_local(error: &str) -> bool {
    matches!(error, "net::ERR_INSUFFICIENT_RESOURCES" | "net::ERR_OUT_OF_MEMORY" | "net::ERR_ADDRESS_IN_USE")
}
