//! Who may read, who may command. A token is asked for in the Authorization header. As `Bearer`, which a browser never sends
//! by itself to a page of somebody else's, it is good for everything that its client may do; as the password of `Basic`, which
//! browsers and Prometheus know to send and browsers repeat by themselves, it is good for reading alone.
//!
//! Whoever comes from this machine may read without one, as far as can be told: what says that it was handed on, or asks for
//! another host than this machine itself, comes from elsewhere by way of a proxy or a misled browser, and what a page of
//! another site asks for is asked by nobody here. A proxy that says nothing of itself and asks for this machine by its
//! loopback name cannot be told from somebody here; it must be stated.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    domain::access::{Client, Scope, TokenHash, bearer},
    secret::Secret,
    setting::is_loopback,
};

/// By what is decided who may do what.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The token that may do everything.
    pub root: Option<Secret>,
    /// Clients with tokens of their own.
    pub clients: Vec<Client>,
    /// Whether a proxy stands before the pages, and says who on this machine may read.
    pub behind_proxy: bool,
}

/// What the token of `[api]` is called in the log.
const ROOT: &str = "[api] token";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// What it is called in the log.
    pub(super) name: Arc<str>,
    scopes: BTreeSet<Scope>,
}

/// Why somebody is not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    /// There is no token in the configuration that would do.
    NotConfigured(Scope),
    /// None was borne.
    Missing(Scope),
    /// It is nobody's.
    Unknown,
    /// It may not do this.
    Lacks(Scope),
    /// It comes from elsewhere by way of this machine.
    HandedOn,
    /// A browser asks for it by order of a page of another site.
    OtherSite,
}

impl Denial {
    /// What whoever asked should do.
    pub(super) fn sentence(self) -> String {
        let word = |scope: Scope| scope.as_str();
        match self {
            Self::NotConfigured(scope) => format!(
                "this monitor has no token with the scope {:?}: add [api] with token = {{ env = \"...\" }} to the first file of its \
                 configuration, or [[api.client]] with what `lamplighter token` prints",
                word(scope)
            ),
            Self::Missing(Scope::Read) => {
                "reading needs a token here: send the header \"Authorization: Bearer ...\", or give the token as the password"
                    .to_owned()
            }
            Self::Missing(scope) => format!(
                "this needs a token with the scope {:?}: send the header \"Authorization: Bearer ...\"",
                word(scope)
            ),
            Self::Unknown => "this is no token of this monitor".to_owned(),
            Self::Lacks(scope) => format!("this token lacks the scope {:?}", word(scope)),
            Self::HandedOn => "this request comes from elsewhere by way of this machine, so it needs a token; where a proxy says \
                               who may read, put behind_proxy = true under [monitor]"
                .to_owned(),
            Self::OtherSite => "a page of another site asks for this, so it needs a token: send the header \"Authorization: \
                                Bearer ...\""
                .to_owned(),
        }
    }
}

/// How a token may be borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Bearer,
    Basic,
}

impl Access {
    /// Who may command this.
    pub(super) fn commander(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, Denial> {
        let can_do = |client: &Client| client.scopes.contains(&scope);
        if self.root.is_none() && !self.clients.iter().any(can_do) {
            return Err(Denial::NotConfigured(scope));
        }
        match borne(headers) {
            Some((Form::Bearer, token)) => allowed(self.caller(&token)?, scope),
            _ => Err(Denial::Missing(scope)),
        }
    }

    /// Whether whoever asks from this address may read.
    pub(super) fn may_read(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Denial> {
        let is_here = peer.to_canonical().is_loopback();
        let was_handed_on = is_here && !self.behind_proxy && !is_asked_here(headers);
        if is_here && !was_handed_on && !is_asked_by_other_site(headers) {
            return Ok(());
        }
        match borne(headers) {
            Some((_, token)) => allowed(self.caller(&token)?, Scope::Read).map(drop),
            None if was_handed_on => Err(Denial::HandedOn),
            None if is_here => Err(Denial::OtherSite),
            None => Err(Denial::Missing(Scope::Read)),
        }
    }

    /// Who it is, if it bears a token that we know. Never the reason for anything but how often it may ask.
    pub(super) fn known(&self, headers: &HeaderMap) -> Option<Caller> {
        self.caller(&borne(headers)?.1).ok()
    }

    fn caller(&self, token: &str) -> Result<Caller, Denial> {
        let root = self.root.as_ref().map(|root| Client {
            name: ROOT.into(),
            scopes: Scope::ALL.into(),
            hash: TokenHash::of(root.expose()),
        });
        // Both are looked at, whichever it is.
        let (client, root) = (bearer(&self.clients, token), bearer(root.as_slice(), token).cloned());
        let known = root.or_else(|| client.cloned()).ok_or(Denial::Unknown)?;
        Ok(Caller { name: known.name, scopes: known.scopes })
    }
}

/// Whether a request from this machine was made on it: nobody says to have handed it on, and it is for this machine itself, not
/// for a name that somebody else has turned towards it or by which a proxy is reached.
fn is_asked_here(headers: &HeaderMap) -> bool {
    const TELLTALES: [&str; 9] = [
        "forwarded",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-forwarded-server",
        "x-client-ip",
        "x-real-ip",
    ];
    if TELLTALES.iter().any(|name| headers.contains_key(*name)) {
        return false;
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        // HTTP/1.0 needs none; no browser speaks that.
        (None, _) => true,
        (Some(host), None) => host.to_str().is_ok_and(|host| is_loopback(without_port(host))),
        _ => false,
    }
}

/// Whether a browser asks by order of a page of another site. That somebody follows a link from there is his own will.
fn is_asked_by_other_site(headers: &HeaderMap) -> bool {
    let says =
        |name, words: &str| headers.get(name).is_some_and(|value| value.as_bytes() == words.as_bytes());
    says("sec-fetch-site", "cross-site") && !says("sec-fetch-mode", "navigate")
}

fn allowed(caller: Caller, scope: Scope) -> Result<Caller, Denial> {
    if caller.scopes.contains(&scope) { Ok(caller) } else { Err(Denial::Lacks(scope)) }
}

/// The one token that a request bears.
fn borne(headers: &HeaderMap) -> Option<(Form, String)> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    if token.is_empty() {
        return None;
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some((Form::Bearer, token.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let (_, password) = pair.split_once(':')?;
    (!password.is_empty()).then(|| (Form::Basic, password.to_owned()))
}

/// `127.0.0.1:9899` without its port, `[::1]:9899` too.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests;
