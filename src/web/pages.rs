//! The pages for people: all channels, one channel, one incident, in four languages. Each is whole without a script and
//! without its style; a script keeps it as the picture is. Nothing is loaded from anywhere else, and every text that
//! somebody else has written passes [`pen::foreign`].

mod assets;
mod channel;
mod charts;
mod exhibits;
mod incident;
mod live;
mod overview;
mod pen;
pub(super) mod public;
mod shell;
mod words;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio::time::timeout;

pub(super) use self::{assets::serve as asset, live::PLACES};
use self::{
    pen::Pen,
    shell::{Keeps, Sheet},
    words::Language,
};
use super::{Asked, Context, drawn};
use crate::domain::{
    channel::{ChannelId, is_id},
    chronicle::Chronicle,
    incident::IncidentId,
};

/// What is known of the past is waited for no longer than this.
const WITHIN: Duration = Duration::from_secs(5);
/// The longest id of an incident that is looked for, in bytes.
const INCIDENT_LEN_MAX: usize = 128;
/// The name of the cookie that keeps the chosen language.
const COOKIE: &str = "lamplighter_lang";

/// A page loads its own style, script and pictures, listens to its own stream, and does nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// All of them.
pub(super) fn router() -> Router<Context> {
    Router::new()
        .route("/", get(overview))
        .route("/channel/{channel}", get(channel))
        .route("/incident/{incident}", get(incident))
        .route("/evidence/{bundle}/{file}", get(exhibits::serve))
        .route("/assets/{name}", get(assets::serve))
        .route("/live", get(live::serve))
        .layer(map_response(guarded))
}

/// What every answer bears, unless it has said something of its own.
pub(super) async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Which language was chosen, in the address.
#[derive(Deserialize)]
pub(super) struct Switch {
    lang: Option<String>,
}

/// What whoever asks has said of languages.
struct Reader {
    language: Language,
    /// Whether the language was chosen just now, and is to be kept.
    has_chosen: bool,
}

impl Reader {
    fn of(switch: &Switch, headers: &HeaderMap) -> Self {
        if let Some(chosen) = switch.lang.as_deref().and_then(Language::from_word) {
            return Self { language: chosen, has_chosen: true };
        }
        let said = |name| headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        let kept = said(header::COOKIE)
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
            .find_map(Language::from_word);
        let language = kept.unwrap_or_else(|| {
            Language::wanted(&said(header::ACCEPT_LANGUAGE).collect::<Vec<_>>().join(","))
        });
        Self { language, has_chosen: false }
    }

    /// A page, with what keeps the choice.
    fn answer(&self, status: StatusCode, page: impl Into<Body>) -> Response {
        let mut response = (status, Html::<Body>(page.into())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Language, Cookie"));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        if self.has_chosen {
            let year = 365 * 24 * 60 * 60;
            let cookie =
                format!("{COOKIE}={}; Path=/; Max-Age={year}; SameSite=Lax; HttpOnly", self.language.word());
            headers.insert(
                header::SET_COOKIE,
                HeaderValue::from_str(&cookie).expect("a cookie of ASCII letters"),
            );
        }
        response
    }
}

/// What the daemon says, if it says so in time.
async fn asked<T>(asking: Asked<T>) -> Result<T, String> {
    timeout(WITHIN, asking).await.unwrap_or_else(|_| Err("the store is too slow to say".to_owned()))
}

/// How channels fared; nothing where the store is too slow to say, since the present is not to wait for the past.
async fn chronicles(context: &Context) -> Arc<BTreeMap<ChannelId, Chronicle>> {
    timeout(WITHIN, context.source.chronicles()).await.unwrap_or_default()
}

async fn overview(
    State(context): State<Context>,
    Query(switch): Query<Switch>,
    headers: HeaderMap,
) -> Response {
    let reader = Reader::of(&switch, &headers);
    let snapshot = drawn(&context).await;
    let chronicles = chronicles(&context).await;
    let zone = context.source.time_zone();
    let pen = Pen { language: reader.language, zone: &zone, now: context.source.now(), root: "" };
    let sheet = overview::write(&pen, &snapshot, &chronicles, &context.source.health());
    reader.answer(StatusCode::OK, shell::write(&pen, &sheet, Keeps::Live))
}

async fn channel(
    State(context): State<Context>,
    Path(id): Path<String>,
    Query(switch): Query<Switch>,
    headers: HeaderMap,
) -> Response {
    let reader = Reader::of(&switch, &headers);
    let zone = context.source.time_zone();
    let snapshot = drawn(&context).await;
    let found = snapshot.channels.iter().find(|view| view.id.as_str() == id);
    let pen = Pen { language: reader.language, zone: &zone, now: context.source.now(), root: "../" };
    let Some(view) = found.filter(|_| is_id(&id)) else { return missing(&reader, &pen) };
    let chronicles = chronicles(&context).await;
    let past = asked(context.source.channel_past(ChannelId::new(&id))).await.ok();
    let sheet = channel::write(&pen, view, chronicles.get(&view.id), past.as_ref());
    reader.answer(StatusCode::OK, shell::write(&pen, &sheet, Keeps::Live))
}

async fn incident(
    State(context): State<Context>,
    Path(id): Path<String>,
    Query(switch): Query<Switch>,
    headers: HeaderMap,
) -> Response {
    let reader = Reader::of(&switch, &headers);
    let zone = context.source.time_zone();
    let pen = Pen { language: reader.language, zone: &zone, now: context.source.now(), root: "../" };
    if id.len() > INCIDENT_LEN_MAX {
        return missing(&reader, &pen);
    }
    match asked(context.source.incident_past(IncidentId(id))).await {
        Ok(Some(story)) => {
            let sheet = incident::write(&pen, &story);
            let keeps = if story.closed_at.is_none() { Keeps::Live } else { Keeps::Still };
            reader.answer(StatusCode::OK, shell::write(&pen, &sheet, keeps))
        }
        Ok(None) => missing(&reader, &pen),
        Err(_) => {
            let sheet = notice(&pen, pen.language.unreadable(), pen.language.unreadable_why());
            reader.answer(StatusCode::SERVICE_UNAVAILABLE, shell::write(&pen, &sheet, Keeps::Live))
        }
    }
}

fn missing(reader: &Reader, pen: &Pen<'_>) -> Response {
    let sheet = notice(pen, pen.language.not_found(), pen.language.not_found_why());
    reader.answer(StatusCode::NOT_FOUND, shell::write(pen, &sheet, Keeps::Still))
}

/// A page that only says something.
fn notice(pen: &Pen<'_>, heading: &str, sentence: &str) -> Sheet {
    let (root, back) = (pen.root, pen.language.all_channels());
    Sheet {
        title: heading.to_owned(),
        html: format!("<h1>{heading}</h1>\n<p>{sentence}</p>\n<p><a href=\"{root}\">{back}</a></p>\n"),
    }
}
