//! The HTTP edge: metrics, health and a plain index page. It only looks on: everything shown comes through
//! [`Source`], nothing can be changed from here, and no request body is ever read.
//!
//! `/healthz` says whether the process should be restarted, `/readyz` whether it does its work.

pub(crate) mod connection;
mod scrape;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse},
    routing::get,
};
use bytes::Bytes;

use crate::web::scrape::{Pace, PacedBody};

/// What the web asks of the daemon. Each answer is given at once, without waiting.
pub trait Source: Send + Sync + 'static {
    /// All metrics in the Prometheus text format, in pieces.
    fn metrics(&self) -> Box<dyn Iterator<Item = Bytes> + Send>;
    /// Whether the scheduler's loop turned lately.
    ///
    /// # Errors
    /// Why the process should be restarted.
    fn alive(&self) -> Result<(), String>;
    /// Whether it does its work.
    ///
    /// # Errors
    /// What is missing.
    fn ready(&self) -> Result<(), String>;
}

#[derive(Clone)]
struct Context {
    source: Arc<dyn Source>,
    pace: Arc<Pace>,
}

/// Every page there is.
pub fn router(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .fallback((StatusCode::NOT_FOUND, "nothing here; see /\n"))
        .with_state(Context { source, pace: Arc::new(Pace::default()) })
}

const TEXT_FORMAT: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");

async fn metrics(State(context): State<Context>) -> impl IntoResponse {
    context.pace.turn().await;
    let body = PacedBody::new(context.source.metrics(), context.pace);
    ([TEXT_FORMAT], Body::new(body))
}

async fn healthz(State(context): State<Context>) -> impl IntoResponse {
    verdict(context.source.alive())
}

async fn readyz(State(context): State<Context>) -> impl IntoResponse {
    verdict(context.source.ready())
}

fn verdict(result: Result<(), String>) -> (StatusCode, String) {
    match result {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}

async fn index() -> Html<&'static str> {
    Html(concat!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Lamplighter</title></head><body>\n",
        "<h1>Lamplighter ",
        env!("CARGO_PKG_VERSION"),
        "</h1>\n<ul>\n",
        "<li><a href=\"/metrics\">/metrics</a>: for Prometheus</li>\n",
        "<li><a href=\"/healthz\">/healthz</a>: alive; restart it where this fails</li>\n",
        "<li><a href=\"/readyz\">/readyz</a>: at work</li>\n",
        "</ul>\n</body></html>\n",
    ))
}
