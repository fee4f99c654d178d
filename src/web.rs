//! The HTTP edge: metrics, health, the pages with the state of every channel ([`pages`]), what programs ask and tell
//! ([`api`]), and what is behind the links in mails ([`acknowledge`]). Everything shown comes through [`Source`], and every command leaves
//! through it; of whoever may not give any, no body is ever read.
//!
//! `/healthz` says whether the process should be restarted, `/readyz` whether it does its work.

pub mod access;
pub mod acknowledge;
pub mod api;
mod body;
pub(crate) mod connection;
pub(crate) mod door;
mod pages;
pub mod public;
pub(crate) mod rates;
mod scrape;
pub mod tls;

use std::{collections::BTreeMap, future::Future, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::{
    clock::Clock,
    domain::{
        channel::{ChannelId, ProbeKey},
        chronicle::Chronicle,
        command::{self, Command, NotRun},
        health::Health,
        incident::IncidentId,
        inquiry::{IncidentInquiry, Incidents, OutcomeInquiry, Outcomes, Story},
        outcome::Outcome,
        past::{ChannelPast, IncidentPast},
        snapshot::{IncidentView, Snapshot},
    },
    secret::Secret,
    web::{
        access::Access,
        scrape::{Pace, PacedBody},
    },
};

/// What has come of a command, once it is known.
pub type AnswerFuture = Pin<Box<dyn Future<Output = command::Result> + Send>>;

/// How an incident stands, once it is known: none where there is no such incident, a sentence where it cannot be said.
pub type IncidentFuture = Pin<Box<dyn Future<Output = Result<Option<IncidentView>, String>> + Send>>;

/// The past of all channels, once it is read.
pub type ChroniclesFuture = Pin<Box<dyn Future<Output = Arc<BTreeMap<ChannelId, Chronicle>>> + Send>>;
/// What is kept, once it has been read; a sentence where it cannot be.
pub type KeptFuture<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// What a run saw that was asked for, once it is over.
pub type RunFuture = Pin<Box<dyn Future<Output = Result<Outcome, NotRun>> + Send>>;

/// What is read for a page, or a sentence that says why it cannot be.
pub type Asked<T> = Pin<Box<dyn Future<Output = Result<T, String>> + Send>>;

/// Ready when the daemon is told to end.
pub type EndFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

fn nothing<T: Send + 'static>(what: T) -> Asked<T> {
    Box::pin(std::future::ready(Ok(what)))
}

/// What the web asks of the daemon. Each answer is given at once, without waiting, but those that are futures.
pub trait Source: Send + Sync + 'static {
    /// All metrics in the Prometheus text format, in pieces.
    fn metrics(&self) -> Box<dyn Iterator<Item = Bytes> + Send>;
    /// The picture of all channels, drawn anew while anybody has it.
    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>>;
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
    /// By what links are signed; none signs none.
    fn token(&self) -> Option<Secret>;
    /// Who may ask and command.
    fn access(&self) -> Arc<Access>;
    /// Has a command carried out.
    fn command(&self, command: Command) -> AnswerFuture;
    /// How an incident stands, whether it is open or closed; any of those that are told as one.
    fn incident(&self, incident: IncidentId) -> IncidentFuture;
    /// The past of all channels, at most a minute old; nothing where the store cannot be read.
    fn chronicles(&self) -> ChroniclesFuture;
    /// The runs in the history that are asked for, the latest first.
    fn outcomes(&self, inquiry: OutcomeInquiry) -> KeptFuture<Outcomes>;
    /// The incidents that are asked for, the latest first.
    fn incidents(&self, inquiry: IncidentInquiry) -> KeptFuture<Incidents>;
    /// All that is kept of an incident; none where there is no such incident.
    fn story(&self, incident: IncidentId) -> KeptFuture<Option<Story>>;
    /// Has a probe run now, and gives what it saw. The run is made to its end whether or not that is waited for.
    fn run(&self, probe: ProbeKey) -> RunFuture;

    /// How the monitor itself fares.
    fn health(&self) -> Health {
        Health { reload_successful: true, ..Health::default() }
    }
    /// What is known of a channel's past.
    fn channel_past(&self, _channel: ChannelId) -> Asked<ChannelPast> {
        nothing(ChannelPast::default())
    }
    /// How an incident went, open or closed; none where there is no such incident.
    fn incident_past(&self, _incident: IncidentId) -> Asked<Option<IncidentPast>> {
        nothing(None)
    }
    /// One file of a bundle of evidence, by the names of both; none where no such is kept.
    fn exhibit(&self, _bundle: String, _file: String) -> Asked<Option<Vec<u8>>> {
        nothing(None)
    }
    /// In which time pages tell moments.
    fn time_zone(&self) -> TimeZone {
        TimeZone::UTC
    }
    /// The present moment.
    fn now(&self) -> Timestamp {
        Clock::system().now()
    }
    /// Ready when the daemon is told to end; what streams ends then.
    fn ending(&self) -> EndFuture {
        Box::pin(std::future::pending())
    }
}

#[derive(Clone)]
struct Context {
    source: Arc<dyn Source>,
    pace: Arc<Pace>,
    /// The places of those who are told of changes.
    watchers: Arc<Semaphore>,
}

/// Every page there is.
pub fn router(source: Arc<dyn Source>) -> Router {
    Router::new()
        .merge(pages::router())
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .nest("/acknowledge", acknowledge::router())
        .nest("/api/v1", api::router())
        .fallback((StatusCode::NOT_FOUND, "nothing here; see /\n"))
        .with_state(Context {
            source,
            pace: Arc::new(Pace::default()),
            watchers: Arc::new(Semaphore::new(pages::PLACES)),
        })
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

/// The picture is drawn while somebody looks; it is waited for no longer than this.
const DRAWN_MAX: Duration = Duration::from_secs(1);

/// The picture as it is now.
async fn drawn(context: &Context) -> Arc<Snapshot> {
    // Whoever is told of changes has the picture drawn with each of them.
    if context.watchers.available_permits() < pages::PLACES {
        return Arc::clone(&context.source.snapshots().borrow());
    }
    drawn_by(&*context.source).await
}

/// The picture as it is now.
pub(crate) async fn drawn_by(source: &dyn Source) -> Arc<Snapshot> {
    let mut snapshots = source.snapshots();
    // Where nothing has changed since somebody last looked, nothing is drawn and the last picture is still right.
    timeout(DRAWN_MAX, snapshots.changed()).await.ok();
    Arc::clone(&snapshots.borrow())
}
