//! Who may read, who may command. A token is asked for in the Authorization header. As `Bearer`, which a browser never sends
//! by itself to a page of somebody else's, it is good for everything that its client may do; as the password of `Basic`, which
//! browsers and Prometheus know to send and browsers repeat by themselves, it is good for reading alone.
//!
//! Whoever comes from this machine may read without one, if it is certain that he does: what says that it was handed on, or
//! asks for a host that this machine is not known by, comes from elsewhere by way of a proxy or a misled browser.

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
    /// The host under which people reach the pages.
    pub public_host: Option<String>,
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
                               who may read, put behind_proxy = true under [monitor], and where people reach this monitor by \
                               another name, put it into public_url"
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
        let was_handed_on = is_here && !self.behind_proxy && !self.is_asked_here(headers);
        if is_here && !was_handed_on {
            return Ok(());
        }
        match borne(headers) {
            Some((_, token)) => allowed(self.caller(&token)?, Scope::Read).map(drop),
            None if was_handed_on => Err(Denial::HandedOn),
            None => Err(Denial::Missing(Scope::Read)),
        }
    }

    /// Who it is, if it bears a token that we know. Never the reason for anything but how often it may ask.
    pub(super) fn known(&self, headers: &HeaderMap) -> Option<Caller> {
        self.caller(&borne(headers)?.1).ok()
    }

    /// Whether a request from this machine was made on it: nobody says to have handed it on, and it is for this machine, not
    /// for a name that somebody else has turned towards it.
    fn is_asked_here(&self, headers: &HeaderMap) -> bool {
        const TELLTALES: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
        if TELLTALES.iter().any(|name| headers.contains_key(*name)) {
            return false;
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        match (hosts.next(), hosts.next()) {
            // HTTP/1.0 needs none; no browser speaks that.
            (None, _) => true,
            (Some(host), None) => host.to_str().is_ok_and(|host| {
                let name = without_port(host);
                is_loopback(name)
                    || self.public_host.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(name))
            }),
            _ => false,
        }
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
