//! One request and its answer over one connection, in HTTP/1.1 or HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Uri, Version,
    header::{CONNECTION, COOKIE, HOST},
    response,
    uri::Authority,
};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn};
use hyper_util::rt::TokioIo;

use super::{
    body,
    drive::{Crawls, Tasks, drive},
    fault::{Broken, of_http},
    meter::{FirstByte, Meter, Metered, Wire},
    outgoing::Outgoing,
    prepared::{Limits, Prepared},
    redirect::leads_on,
};
use crate::{
    domain::outcome::{PhaseKind, Reason, Stage},
    probe::{timeline::Timeline, transport::fault::stage_of},
};

/// The smallest buffer hyper accepts.
const BUFFER_BYTES_MIN: usize = 8192;
/// Room for frames that carry no content: as much again as the body, and this.
const FRAMING_BYTES: u64 = 1 << 20;
/// A list of header fields up to this size is read in HTTP/2, so that it can be said how large it is.
const HEADER_LIST_BYTES_KEPT: u32 = 1 << 20;

/// Head and body of an answer; no body where a redirect is followed instead.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: response::Parts,
    pub(super) body: Option<Bytes>,
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Sends a request and reads its answer.
pub(super) async fn talk(
    wire: Wire,
    spoken: Spoken,
    prepared: &Prepared,
    cookies: Option<HeaderValue>,
    timeline: &Timeline,
) -> Result<Reply, Broken> {
    let limits = &prepared.route.limits;
    let head_max = u64::from(limits.header_bytes);
    let wire_max = limits.body_bytes.saturating_mul(2) + head_max + FRAMING_BYTES;
    timeline.begin(PhaseKind::Send);
    // What ended the connection, where hyper had nobody to tell it to.
    let mut lost = None;
    let driven = match spoken {
        Spoken::Http1 => {
            let meter = Meter::new(timeline.clone(), FirstByte::IsAnswer, head_max, wire_max);
            let io = TokioIo::new(Metered { wire, meter: meter.clone() });
            let mut builder = conn::http1::Builder::new();
            builder.max_buf_size(BUFFER_BYTES_MIN.max(limits.header_bytes as usize));
            if limits.header_fields != Limits::default().header_fields {
                builder.max_headers(usize::from(limits.header_fields));
            }
            let (mut sender, connection) =
                builder.handshake(io).await.map_err(|error| at(timeline, &error))?;
            let request = http1_request(prepared, cookies, &meter);
            let exchange = async {
                let answer = sender.send_request(request).await;
                finish(answer, prepared, &meter, timeline).await
            };
            drive(async { lost = connection.await.err() }, exchange, &meter).await
        }
        Spoken::Http2 => {
            let meter = Meter::new(timeline.clone(), FirstByte::IsFraming, head_max, wire_max);
            let io = TokioIo::new(Metered { wire, meter: meter.clone() });
            let tasks = Tasks::default();
            let mut builder = conn::http2::Builder::new(tasks.clone());
            // A list over the limit is told apart from a broken one by `check_head`; this only bounds what is kept.
            builder.max_header_list_size(limits.header_bytes.saturating_mul(2).max(HEADER_LIST_BYTES_KEPT));
            let (mut sender, connection) =
                builder.handshake(io).await.map_err(|error| at(timeline, &error))?;
            let request = http2_request(prepared, cookies, &meter);
            let exchange = async {
                let answer = sender.send_request(request).await;
                finish(answer, prepared, &meter, timeline).await
            };
            drive(tasks.run_with(connection), exchange, &meter).await
        }
    };
    match (driven, lost) {
        (Ok(Err(Broken::Failed(failure))), Some(error)) if failure.reason == Reason::Truncated => {
            Err(at(timeline, &error))
        }
        (Ok(talked), _) => talked,
        (Err(Crawls { bytes, elapsed }), _) => {
            let detail = format!("{bytes} bytes in {:.1} s", elapsed.as_secs_f64());
            Err(Broken::failed(Stage::Transfer, Reason::TooSlow, detail))
        }
    }
}

async fn finish(
    answer: hyper::Result<http::Response<Incoming>>,
    prepared: &Prepared,
    meter: &Meter,
    timeline: &Timeline,
) -> Result<Reply, Broken> {
    let (head, body) = answer.map_err(|error| at(timeline, &error))?.into_parts();
    meter.head_complete();
    let limits = &prepared.route.limits;
    check_head(&head.headers, limits)?;
    if prepared.route.redirects_max > 0 && leads_on(head.status, &head.headers) {
        return Ok(Reply { head, body: None });
    }
    let body = body::read(body, &head.headers, limits).await?;
    Ok(Reply { head, body: Some(body) })
}

/// HTTP/1 answers over the limit do not get here; HTTP/2 ones do.
fn check_head(headers: &HeaderMap, limits: &Limits) -> Result<(), Broken> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > usize::from(limits.header_fields) || bytes > limits.header_bytes as usize {
        let detail = format!("{} header fields of {bytes} bytes", headers.len());
        return Err(Broken::failed(Stage::Transfer, Reason::HeaderTooLarge, detail));
    }
    Ok(())
}

fn http1_request(
    prepared: &Prepared,
    cookies: Option<HeaderValue>,
    meter: &Arc<Meter>,
) -> Request<Full<Outgoing>> {
    let mut request = request(prepared, cookies, meter);
    *request.uri_mut() = prepared.target.path.clone();
    let headers = request.headers_mut();
    if !headers.contains_key(HOST) {
        headers.insert(HOST, prepared.target.host_header.clone());
    }
    if !headers.contains_key(CONNECTION) {
        // The connection is not used again, and the target need not wait to learn that.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    request
}

fn http2_request(
    prepared: &Prepared,
    cookies: Option<HeaderValue>,
    meter: &Arc<Meter>,
) -> Request<Full<Outgoing>> {
    let mut request = request(prepared, cookies, meter);
    *request.uri_mut() = addressed(prepared);
    *request.version_mut() = Version::HTTP_2;
    for name in [HOST, CONNECTION] {
        request.headers_mut().remove(name);
    }
    request
}

/// The whole address. HTTP/2 says in it which host is meant: that of the operator's `host` header, if there is one.
fn addressed(prepared: &Prepared) -> Uri {
    let host = prepared.headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    prepared.target.absolute(host)
}

fn request(prepared: &Prepared, cookies: Option<HeaderValue>, meter: &Arc<Meter>) -> Request<Full<Outgoing>> {
    let mut request = Request::new(Full::new(Outgoing::new(prepared.body.clone(), meter.clone())));
    *request.method_mut() = prepared.method.clone();
    *request.headers_mut() = prepared.headers.clone();
    if let Some(cookies) = cookies {
        // One header, however many cookies (RFC 6265, 5.4).
        let cookies = match request.headers().get(COOKIE) {
            Some(configured) => joined(configured, &cookies),
            None => cookies,
        };
        request.headers_mut().insert(COOKIE, cookies);
    }
    request
}

/// Two values of the header `cookie` in one (RFC 6265, 5.4).
pub(super) fn joined(one: &HeaderValue, two: &HeaderValue) -> HeaderValue {
    let mut both = HeaderValue::from_bytes(&[one.as_bytes(), b"; ", two.as_bytes()].concat())
        .expect("two header values and a separator make a header value");
    both.set_sensitive(true);
    both
}

fn at(timeline: &Timeline, error: &hyper::Error) -> Broken {
    of_http(stage_of(timeline.current()), error)
}
