//! What every request passes before it comes to a page: how often whoever asks may do so, and whether he may read. Health
//! and signed links are open to everybody; commands look at their tokens themselves. Of the pages for everybody only how
//! often is asked. Where an answer says nothing of its own, no cache keeps it and nobody guesses what it is.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Extension, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state, map_response},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    Source,
    access::{Access, Denial},
    rates::{Rates, Sort, Who},
};

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

#[derive(Clone)]
struct Door {
    source: Arc<dyn Source>,
    rates: Arc<Rates>,
}

/// The pages behind the door. Whoever serves them says for each connection where it comes from, by a [`Peer`].
pub(crate) fn guarded(pages: Router, source: Arc<dyn Source>, rates: Arc<Rates>) -> Router {
    pages.layer(from_fn_with_state(Door { source, rates }, pass)).layer(map_response(reserved))
}

/// The pages for everybody, of which each address may ask so often.
pub(crate) fn paced(pages: Router, source: Arc<dyn Source>, rates: Arc<Rates>) -> Router {
    pages.layer(from_fn_with_state(Door { source, rates }, pass_paced)).layer(map_response(reserved))
}

/// What every answer bears, a refusal too, unless it has said something of its own.
async fn reserved(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn pass(
    State(door): State<Door>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let access = door.source.access();
    let (headers, path) = (request.headers(), request.uri().path());
    let sort = sort(request.method(), path);
    let who = access
        .known(headers)
        .map_or_else(|| asking(&access, headers, peer), |caller| Who::Client(caller.name));
    if let Err(wait) = door.rates.take(who, sort) {
        return too_often(path, wait);
    }
    let is_open = sort == Sort::Health || path.starts_with("/acknowledge/");
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads
        && !is_open
        && let Err(denial) = access.may_read(headers, peer.ip())
    {
        return denied(path, denial);
    }
    next.run(request).await
}

async fn pass_paced(
    State(door): State<Door>,
    Extension(Peer(peer)): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let who = asking(&door.source.access(), request.headers(), peer);
    match door.rates.take(who, Sort::Read) {
        Ok(()) => next.run(request).await,
        Err(wait) => too_often(request.uri().path(), wait),
    }
}

/// At which address somebody asks.
fn asking(access: &Access, headers: &HeaderMap, peer: SocketAddr) -> Who {
    Who::at(forwarded_for(headers).filter(|_| access.behind_proxy).unwrap_or(peer.ip()))
}

fn sort(method: &Method, path: &str) -> Sort {
    match path {
        "/healthz" | "/readyz" => Sort::Health,
        _ if matches!(*method, Method::GET | Method::HEAD) => Sort::Read,
        path if path.starts_with("/api/") && path.ends_with("/run") => Sort::Run,
        _ => Sort::Command,
    }
}

/// For whom the stated proxy asks: what it has added itself stands last.
fn forwarded_for(headers: &HeaderMap) -> Option<std::net::IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

/// Tells a program in JSON, a person in a line.
fn refusal(path: &str, status: StatusCode, sentence: String) -> Response {
    if path.starts_with("/api/") {
        (status, Json(json!({ "error": sentence }))).into_response()
    } else {
        (status, sentence + "\n").into_response()
    }
}

fn too_often(path: &str, wait: Duration) -> Response {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let sentence = format!("too many requests; wait {seconds} s");
    let mut response = refusal(path, StatusCode::TOO_MANY_REQUESTS, sentence);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

fn denied(path: &str, denial: Denial) -> Response {
    let mut response = refusal(path, status(denial), denial.sentence());
    challenge(&mut response);
    // A browser asks for the password only if it is asked for one, which a page of another site is not to bring about.
    let is_for_people = denial != Denial::OtherSite && !path.starts_with("/api/");
    if response.status() == StatusCode::UNAUTHORIZED && is_for_people {
        let basic = HeaderValue::from_static("Basic realm=\"Lamplighter\", charset=\"UTF-8\"");
        response.headers_mut().append(header::WWW_AUTHENTICATE, basic);
    }
    response
}

/// Which status says why somebody is not heard.
pub(super) fn status(denial: Denial) -> StatusCode {
    match denial {
        Denial::Missing(_) | Denial::Unknown | Denial::HandedOn | Denial::OtherSite => {
            StatusCode::UNAUTHORIZED
        }
        Denial::NotConfigured(_) | Denial::Lacks(_) => StatusCode::FORBIDDEN,
    }
}

/// Says which sort of token is asked for, where one is.
pub(super) fn challenge(response: &mut Response) {
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_by_a_stated_proxy_is_at_the_address_that_the_proxy_has_added() {
        let peer: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        let who = |behind_proxy, values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            asking(&Access { behind_proxy, ..Access::default() }, &headers, peer)
        };
        for (values, expected) in [
            (&["198.51.100.1, 203.0.113.9"][..], "203.0.113.9"),
            (&["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
            (&["198.51.100.1", "198.51.100.2,203.0.113.9"], "203.0.113.9"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&[], "127.0.0.1"),
            (&[""], "127.0.0.1"),
            (&["unknown"], "127.0.0.1"),
            (&["203.0.113.9, "], "127.0.0.1"),
            (&["203.0.113.9:4711"], "127.0.0.1"),
        ] {
            assert_eq!(who(true, values), Who::at(expected.parse().unwrap()), "{values:?}");
            assert_eq!(who(false, values), Who::at(peer.ip()), "no proxy is stated: {values:?}");
        }
    }
}
