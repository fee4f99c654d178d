//! The demo's one page and the same for scripts: the channels as judged, the switches, the mailbox, the daemon's
//! metrics. It only looks on; the switches act on the support centre, never on the daemon.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;

use super::{
    inbox::Inbox,
    support_centre::{
        SupportCentre,
        fault::{Door, Fault},
    },
    trail::Trails,
};
use crate::domain::{
    channel::ChannelKind,
    evaluation::State as Judged,
    outcome::Failure,
    snapshot::{ChannelView, Snapshot},
};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page runs its own script and nothing else; a mail's HTML part lives in a frame that may not run any.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Renders the daemon's metrics.
pub(super) type Metrics = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;

/// What the page shows and what its switches act on. Cheap to share.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) centre: SupportCentre,
    /// Where the support centre's shop is.
    pub(super) shop: String,
    /// Where the daemon's own pages are.
    pub(super) status: String,
    /// What the demo does without here.
    pub(super) skipped: Option<&'static str>,
    pub(super) inbox: Inbox,
    pub(super) snapshot: watch::Receiver<Arc<Snapshot>>,
    pub(super) metrics: Metrics,
    trails: Arc<Mutex<Trails>>,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").field("shop", &self.shop).finish_non_exhaustive()
    }
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    shop: &'a str,
    /// The daemon's own pages.
    status: &'a str,
    /// What the demo does without here.
    skipped: Option<&'static str>,
    newest_mail: u64,
    channels: Vec<Channel<'a>>,
}

#[derive(Debug, Serialize)]
struct Channel<'a> {
    id: &'a str,
    title: &'a str,
    kind: ChannelKind,
    state: Judged,
    since: jiff::Timestamp,
    failure: Option<&'a Failure>,
    latencies_ms: Vec<f64>,
    fault: Option<Fault>,
    faults: Vec<Switch>,
}

#[derive(Debug, Serialize)]
struct Switch {
    how: Fault,
    label: &'static str,
}

impl Page {
    pub(super) fn new(
        centre: SupportCentre,
        shop: String,
        status: String,
        skipped: Option<&'static str>,
        inbox: Inbox,
        snapshot: watch::Receiver<Arc<Snapshot>>,
        metrics: Metrics,
    ) -> Self {
        Self { centre, shop, status, skipped, inbox, snapshot, metrics, trails: Arc::default() }
    }

    /// Everything answered at the demo's address.
    pub(super) fn routes(&self) -> Router {
        let asset = |kind: &'static str, text: &'static str| {
            get(
                move || async move { ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], text) },
            )
        };
        Router::new()
            .route("/", get(page))
            .route("/demo/page.css", asset("text/css; charset=utf-8", STYLE))
            .route("/demo/page.js", asset("text/javascript; charset=utf-8", SCRIPT))
            .route("/demo/state.json", get(state))
            .route("/demo/break", post(break_door))
            .route("/demo/mend", post(mend))
            .route("/demo/mails.json", get(mails))
            .route("/metrics", get(metrics))
            .with_state(self.clone())
    }

    /// Collects the latencies from every snapshot; never ends while the daemon lives.
    pub(super) async fn follow(&self) {
        let mut snapshot = self.snapshot.clone();
        loop {
            let latest = Arc::clone(&snapshot.borrow_and_update());
            self.trails.lock().unwrap_or_else(PoisonError::into_inner).take(&latest);
            if snapshot.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE).into_response()
}

async fn state(State(page): State<Page>) -> Response {
    let snapshot = Arc::clone(&page.snapshot.borrow());
    let trails = page.trails.lock().unwrap_or_else(PoisonError::into_inner);
    let show = |door: Door| {
        let view = snapshot.channels.iter().find(|channel| channel.id.as_str() == door.as_str())?;
        Some(Channel::of(view, door, page.centre.fault(door), trails.latencies_ms(&view.id)))
    };
    let shown = Shown {
        shop: &page.shop,
        status: &page.status,
        skipped: page.skipped,
        newest_mail: page.inbox.newest(),
        channels: Door::ALL.into_iter().filter_map(show).collect(),
    };
    Json(&shown).into_response()
}

impl<'a> Channel<'a> {
    fn of(view: &'a ChannelView, door: Door, fault: Option<Fault>, latencies_ms: Vec<f64>) -> Self {
        Self {
            id: view.id.as_str(),
            title: &view.title,
            kind: view.kind,
            state: view.state,
            since: view.since,
            failure: view.failure.as_ref(),
            latencies_ms,
            fault,
            faults: door.faults().iter().map(|&how| Switch { how, label: how.label() }).collect(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Break {
    channel: Door,
    how: Fault,
}

async fn break_door(State(page): State<Page>, ask: Result<Json<Break>, JsonRejection>) -> Response {
    let Json(Break { channel, how }) = match ask {
        Ok(ask) => ask,
        Err(rejection) => return refuse(&rejection.body_text()),
    };
    if !channel.faults().contains(&how) {
        let words: Vec<_> = channel.faults().iter().map(|fault| fault.as_str()).collect();
        return refuse(&format!("{} can be broken by: {}", channel.as_str(), words.join(", ")));
    }
    page.centre.break_door(channel, how);
    Json(json!({ "channel": channel, "fault": how })).into_response()
}

#[derive(Debug, Deserialize)]
struct Mend {
    channel: Door,
    /// Taken and passed over, so that the same body breaks and mends.
    #[serde(rename = "how")]
    _how: Option<String>,
}

async fn mend(State(page): State<Page>, ask: Result<Json<Mend>, JsonRejection>) -> Response {
    match ask {
        Ok(Json(Mend { channel, .. })) => {
            page.centre.mend(channel);
            Json(json!({ "channel": channel, "fault": null })).into_response()
        }
        Err(rejection) => refuse(&rejection.body_text()),
    }
}

fn refuse(why: &str) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "error": why }))).into_response()
}

async fn mails(State(page): State<Page>) -> Response {
    Json(page.inbox.mails()).into_response()
}

async fn metrics(State(page): State<Page>) -> Response {
    let text = (page.metrics)();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
