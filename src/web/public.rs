//! What everybody may see, on a listener of its own: a page, badges, a feed, and the state as programs for status pages read it. All of
//! it is written from a [`PublicView`], which has nothing but what is public, so nothing else can be asked for here. It tells
//! who asks nothing of whether another channel exists.

mod badge;
mod feed;
mod statuspage;
mod written;

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::Value;

use super::pages::{self, Switch};
use crate::{
    domain::public::PublicView,
    web::public::{statuspage::Which, written::Written},
};

/// What everybody may see, once it is known; none where nothing is public any more.
pub type ViewFuture = Pin<Box<dyn Future<Output = Option<Arc<PublicView>>> + Send>>;

/// What public pages ask of the daemon.
pub trait PublicSource: Send + Sync + 'static {
    /// What everybody may see, at most some seconds old.
    fn view(&self) -> ViewFuture;
}

#[derive(Clone)]
struct Site {
    source: Arc<dyn PublicSource>,
    written: Arc<Written>,
}

/// Everything there is for everybody.
pub fn router(source: Arc<dyn PublicSource>) -> Router {
    Router::new()
        .route("/", get(the_page))
        .route("/assets/{name}", get(pages::asset))
        .route("/feed.atom", get(the_feed))
        .route("/badge/{name}", get(the_badge))
        .route("/api/v2/summary.json", get(json("summary", statuspage::summary)))
        .route("/api/v2/status.json", get(json("status", statuspage::status)))
        .route("/api/v2/components.json", get(json("components", statuspage::components)))
        .route("/api/v2/incidents.json", get(json("incidents", |view| statuspage::incidents(view, false))))
        .route(
            "/api/v2/incidents/unresolved.json",
            get(json("unresolved", |view| statuspage::incidents(view, true))),
        )
        .route(
            "/api/v2/scheduled-maintenances.json",
            get(json("maintenance", |view| statuspage::maintenances(view, Which::All))),
        )
        .route(
            "/api/v2/scheduled-maintenances/active.json",
            get(json("active", |view| statuspage::maintenances(view, Which::Active))),
        )
        .route(
            "/api/v2/scheduled-maintenances/upcoming.json",
            get(json("upcoming", |view| statuspage::maintenances(view, Which::Upcoming))),
        )
        .fallback(nothing)
        .layer(map_response(pages::guarded))
        .with_state(Site { source, written: Arc::default() })
}

/// What is shown may be shown by others for so long, and what programs ask for be read by scripts of any page.
const KEPT: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=10");
const FOR_ALL: (HeaderName, &str) = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
const NOTHING_ELSE: (HeaderName, &str) = (header::CONTENT_SECURITY_POLICY, "default-src 'none'");
const AS_SAID: (HeaderName, &str) = (header::X_CONTENT_TYPE_OPTIONS, "nosniff");

async fn nothing() -> Response {
    (StatusCode::NOT_FOUND, [AS_SAID], "there is nothing here\n").into_response()
}

fn json<W>(
    name: &'static str,
    write: W,
) -> impl Fn(State<Site>) -> Pin<Box<dyn Future<Output = Response> + Send>> + Clone
where
    W: Fn(&PublicView) -> Value + Copy + Send + 'static,
{
    move |State(site): State<Site>| {
        Box::pin(async move {
            let Some(view) = site.source.view().await else { return nothing().await };
            let medium = (header::CONTENT_TYPE, "application/json");
            let text = site.written.of(&view, name, || write(&view).to_string());
            ([medium, KEPT, FOR_ALL, NOTHING_ELSE, AS_SAID], text).into_response()
        })
    }
}

async fn the_page(State(site): State<Site>, Query(switch): Query<Switch>, headers: HeaderMap) -> Response {
    let Some(view) = site.source.view().await else { return nothing().await };
    let mut page = pages::public::answer(&switch, &headers, |language| {
        site.written.of(&view, language.tag(), || pages::public::write(&view, language))
    });
    // A choice of language is for whoever made it.
    if !page.headers().contains_key(header::SET_COOKIE) {
        page.headers_mut().insert(KEPT.0, HeaderValue::from_static(KEPT.1));
    }
    page
}

async fn the_feed(State(site): State<Site>) -> Response {
    let Some(view) = site.source.view().await else { return nothing().await };
    let medium = (header::CONTENT_TYPE, "application/atom+xml; charset=utf-8");
    let text = site.written.of(&view, "feed", || feed::write(&view));
    ([medium, KEPT, FOR_ALL, NOTHING_ELSE, AS_SAID], text).into_response()
}

async fn the_badge(State(site): State<Site>, Path(name): Path<String>) -> Response {
    let Some(view) = site.source.view().await else { return nothing().await };
    let id = name.strip_suffix(".svg");
    let Some(door) = view.doors.iter().find(|door| Some(door.id.as_str()) == id) else {
        return nothing().await;
    };
    let medium = (header::CONTENT_TYPE, "image/svg+xml; charset=utf-8");
    ([medium, KEPT, FOR_ALL, NOTHING_ELSE, AS_SAID], badge::draw(door)).into_response()
}
