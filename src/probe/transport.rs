//! The way to a target and back, under every probe that speaks HTTP: resolve, vet the address, connect, shake hands,
//! send, wait, read, and follow redirects hop by hop.
//!
//! A run gets a connection of its own, never one that was used before: it sees what a new customer sees. Everything
//! a run opens is owned by its future, nothing is spawned, so dropping the future ends it all at once. No limit here
//! depends on the target's good will.

mod address;
mod body;
mod certificate;
mod connect;
mod dns;
mod drive;
pub mod fault;
mod inflate;
mod meter;
mod outgoing;
pub mod prepared;
mod race;
mod reach;
mod redirect;
pub mod resolve;
pub mod socket;
mod talk;
pub mod tls;

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;
use url::{Position, Url};

use self::{
    address::{Chosen, refusal},
    fault::{Broken, of_io, stage_of, timeout_in},
    meter::Wire,
    prepared::{HostAddress, Prepared, Target},
    redirect::Trail,
    resolve::{Family, Resolver},
    talk::{Reply, Spoken},
    tls::{Clients, Identity, IdentityError, Version},
};
use crate::{
    domain::outcome::{PhaseKind, Reason, Stage},
    probe::{
        jar::Jar,
        timeline::{Fact, Timeline},
    },
};

/// Why an address is never connected to, whoever has chosen it; none if it may be.
#[must_use]
pub fn never_reached(address: IpAddr) -> Option<&'static str> {
    refusal(address, Chosen::ByOperator)
}

/// What every probe shares: the name servers to ask and the TLS settings in use.
#[derive(Debug)]
pub struct Transport {
    resolver: Resolver,
    clients: Clients,
}

/// The last answer of an exchange.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, inflated.
    pub body: Bytes,
    /// Where it came from, after redirects.
    pub url: Url,
    /// The address that the operator's URL led to.
    pub home: IpAddr,
    /// Earliest `notAfter` among the certificates presented on the way.
    pub certificate_expires_at: Option<Timestamp>,
    /// From the first hop's beginning to the last byte of the answer.
    pub elapsed: Duration,
}

impl Transport {
    /// A transport that asks this resolver.
    #[must_use]
    pub fn new(resolver: Resolver) -> Arc<Self> {
        Arc::new(Self { resolver, clients: Clients::default() })
    }

    /// The TLS client for a setting; equal settings share one.
    ///
    /// # Errors
    /// Says which PEM text cannot be used.
    pub fn client(&self, identity: &Identity, version: Version) -> Result<Arc<tls::Client>, IdentityError> {
        self.clients.client(identity, version)
    }

    /// Whether the name servers answer when they are asked for a name, as every run asks them; that it does not exist is
    /// an answer.
    ///
    /// # Errors
    /// What came in place of an answer. There is no limit of time.
    pub async fn ask_for(&self, name: &str) -> Result<(), Broken> {
        match self.resolver.addresses(name, Family::Any).await {
            Ok(_) => Ok(()),
            Err(Broken::Failed(failure)) if failure.reason == Reason::DnsNxdomain => Ok(()),
            Err(broken) => Err(broken),
        }
    }

    /// Whether anybody answers at an address; that nobody listens there is an answer too. Nothing is sent.
    ///
    /// # Errors
    /// What came in place of an answer. There is no limit of time.
    pub async fn knock(address: SocketAddr) -> Result<(), Broken> {
        match connect::connect(&[address]).await {
            Ok(_) => Ok(()),
            Err(Broken::Failed(failure)) if failure.reason == Reason::ConnectRefused => Ok(()),
            Err(broken) => Err(broken),
        }
    }

    /// Makes a request and follows it to its answer.
    ///
    /// # Errors
    /// What broke, with the stage it broke in. There is no limit of time on the whole: that is the runner's.
    pub async fn exchange(
        &self,
        prepared: &Prepared,
        jar: &Jar,
        timeline: &Timeline,
    ) -> Result<Answer, Broken> {
        self.travel(prepared, Chosen::ByOperator, jar, timeline).await
    }

    /// The same with an address that stands in the page of an answer, and so was chosen by a target. Where the page came
    /// from the address `asked` of the operator's, so may this; any other leads where a redirect would lead.
    ///
    /// # Errors
    /// What broke, with the stage it broke in.
    pub async fn exchange_within(
        &self,
        page: &Answer,
        asked: &Url,
        prepared: &Prepared,
        jar: &Jar,
        timeline: &Timeline,
    ) -> Result<Answer, Broken> {
        let url = &prepared.target.url;
        if let Some(why) = redirect::refusal(&page.url, url) {
            let detail = format_args!("{}: {why}", shown(url));
            return Err(Broken::failed(Stage::Send, Reason::PolicyBlocked, detail));
        }
        let chosen = match prepared.route.allow_private || url.origin() == asked.origin() {
            true => Chosen::ByOperator,
            false => Chosen::ByTarget { home: page.home },
        };
        self.travel(prepared, chosen, jar, timeline).await
    }

    async fn travel(
        &self,
        prepared: &Prepared,
        mut chosen: Chosen,
        jar: &Jar,
        timeline: &Timeline,
    ) -> Result<Answer, Broken> {
        let began = Instant::now();
        let mut trail = Trail::default();
        let mut certificate_expires_at: Option<Timestamp> = None;
        let mut followed: Option<Prepared> = None;
        loop {
            let current = followed.as_ref().unwrap_or(prepared);
            let url = &current.target.url;
            let (reply, peer) = self.hop(current, chosen, jar, timeline).await?;
            let Reply { head, body } = reply;
            timeline.end();
            certificate_expires_at =
                [certificate_expires_at, peer.certificate_expires_at].into_iter().flatten().min();
            let new_cookies = jar.keep(url, &head.headers);
            if let Some(body) = body {
                return Ok(Answer {
                    status: head.status,
                    headers: head.headers,
                    body,
                    url: url.clone(),
                    home: match chosen {
                        Chosen::ByTarget { home } => home,
                        Chosen::ByOperator => peer.address,
                    },
                    certificate_expires_at,
                    elapsed: began.elapsed(),
                });
            }
            followed = Some(trail.next(current, head.status, &head.headers, new_cookies)?);
            if chosen == Chosen::ByOperator && !prepared.route.allow_private {
                chosen = Chosen::ByTarget { home: peer.address };
            }
            timeline.next_hop();
        }
    }

    async fn hop(
        &self,
        prepared: &Prepared,
        chosen: Chosen,
        jar: &Jar,
        timeline: &Timeline,
    ) -> Result<(Reply, Peer), Broken> {
        let (wire, spoken, peer) = self.dial(prepared, chosen, timeline).await?;
        let cookies = jar.header_for(&prepared.target.url);
        let reply = talk::talk(wire, spoken, prepared, cookies, timeline).await?;
        Ok((reply, peer))
    }

    /// Makes a connection to where a request goes.
    async fn dial(
        &self,
        prepared: &Prepared,
        chosen: Chosen,
        timeline: &Timeline,
    ) -> Result<(Wire, Spoken, Peer), Broken> {
        let target = &prepared.target;
        let limit = prepared.route.limits.phase;
        let addresses = self.addresses(prepared, chosen, timeline).await?;
        if addresses.len() > 1 || matches!(target.host, HostAddress::Name(_)) {
            timeline.learn(Fact::Resolved(addresses.as_slice().into()));
        }
        timeline.begin(PhaseKind::Connect);
        let (stream, address) = within(limit, PhaseKind::Connect, connect::connect(&addresses)).await?;
        timeline.learn(Fact::Connected(address));
        let mut peer = Peer { address, certificate_expires_at: None };
        let version = prepared.route.tls.version();
        if target.server_name.is_some() || version == Version::Http2 || !prepared.body.is_empty() {
            // More than one small write follows: none may wait for the acknowledgement of the one before.
            stream.set_nodelay(true).map_err(|error| of_io(Stage::Connect, &error))?;
        }
        let (wire, spoken) = match &target.server_name {
            Some(name) => {
                timeline.begin(PhaseKind::Tls);
                let handshake = prepared.route.tls.connect(name.clone(), stream, timeline);
                let stream = within(limit, PhaseKind::Tls, handshake).await?;
                let (_, session) = stream.get_ref();
                peer.certificate_expires_at =
                    session.peer_certificates().and_then(certificate::earliest_expiry);
                timeline.learn(Fact::Tls {
                    version: session.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS"),
                    suite: session
                        .negotiated_cipher_suite()
                        .and_then(|suite| suite.suite().as_str())
                        .unwrap_or("an unknown suite"),
                    expires_at: peer.certificate_expires_at,
                });
                let spoken =
                    if session.alpn_protocol() == Some(b"h2") { Spoken::Http2 } else { Spoken::Http1 };
                if version == Version::Http2 && spoken == Spoken::Http1 {
                    return Err(Broken::failed(
                        Stage::Tls,
                        Reason::Protocol,
                        "the server does not offer HTTP/2",
                    ));
                }
                (Wire::Tls(Box::new(stream)), spoken)
            }
            None if version == Version::Http2 => (Wire::Plain(stream), Spoken::Http2),
            None => (Wire::Plain(stream), Spoken::Http1),
        };
        Ok((wire, spoken, peer))
    }

    /// The addresses of a target that may be connected to, best first; never none.
    async fn addresses(
        &self,
        prepared: &Prepared,
        chosen: Chosen,
        timeline: &Timeline,
    ) -> Result<Vec<SocketAddr>, Broken> {
        let Target { host, port, .. } = &*prepared.target;
        let found = match host {
            HostAddress::Ip(address) => vec![*address],
            HostAddress::Name(name) => {
                timeline.begin(PhaseKind::Resolve);
                let resolving = self.resolver.addresses(name, prepared.route.family);
                within(prepared.route.limits.phase, PhaseKind::Resolve, resolving).await?
            }
        };
        // One address that is off limits condemns the name: a mix is what rebinding looks like.
        for address in &found {
            if let Some(why) = refusal(*address, chosen) {
                let stage = if matches!(host, HostAddress::Ip(_)) { Stage::Connect } else { Stage::Resolve };
                return Err(Broken::failed(stage, Reason::PolicyBlocked, format_args!("{address} is {why}")));
            }
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, *port)).collect())
    }
}

/// A URL for a detail: without the user in it and without what follows the path, where tokens travel. An ellipsis stands
/// where something was left out.
#[must_use]
pub fn shown(url: &Url) -> String {
    let user = if url.username().is_empty() && url.password().is_none() { "" } else { "…@" };
    let rest = match (url.query(), url.fragment()) {
        (Some(_), _) => "?…",
        (None, Some(_)) => "#…",
        (None, None) => "",
    };
    let (scheme, place) = (&url[..Position::BeforeUsername], &url[Position::BeforeHost..Position::AfterPath]);
    format!("{scheme}{user}{place}{rest}")
}

/// Whom a hop was made with.
struct Peer {
    address: IpAddr,
    certificate_expires_at: Option<Timestamp>,
}

/// Gives a phase its own limit.
async fn within<T>(
    limit: Duration,
    phase: PhaseKind,
    work: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => {
            let what = match phase {
                PhaseKind::Resolve => "the name was not resolved",
                PhaseKind::Connect => "no connection was made",
                _ => "the TLS handshake was not done",
            };
            let detail = format_args!("{what} within {} s", limit.as_secs_f64());
            Err(Broken::failed(stage_of(Some(phase)), timeout_in(Some(phase)), detail))
        }
    }
}
