//! What every request passes before it comes to a page: how often whoever asks may do so, and whether he may read. Health
//! and signed links are open to everybody; commands look at their tokens themselves. Of the pages for everybody only how
//! often is asked.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Extension, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn_with_state},
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
    pages.layer(from_fn_with_state(Door { source, rates }, pass))
}

/// The pages for everybody, of which each address may ask so often.
pub(crate) fn paced(pages: Router, source: Arc<dyn Source>, rates: Arc<Rates>) -> Router {
    pages.layer(from_fn_with_state(Door { source, rates }, pass_paced))
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
    // A browser asks for the password only if it is asked for one.
    if response.status() == StatusCode::UNAUTHORIZED && !path.starts_with("/api/") {
        let basic = HeaderValue::from_static("Basic realm=\"Lamplighter\", charset=\"UTF-8\"");
        response.headers_mut().append(header::WWW_AUTHENTICATE, basic);
    }
    response
}

/// Which status says why somebody is not heard.
pub(super) fn status(denial: Denial) -> StatusCode {
    match denial {
        Denial::Missing(_) | Denial::Unknown => StatusCode::UNAUTHORIZED,
        Denial::NotConfigured(_) | Denial::Lacks(_) | Denial::HandedOn => StatusCode::FORBIDDEN,
    }
}

/// Says which sort of token is asked for, where one is.
pub(super) fn challenge(response: &mut Response) {
    if response.status() == StatusCode::UNAUTHORIZED {
        response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}
