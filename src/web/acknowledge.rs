//! The page behind the [`link()`] in a mail, by which whoever reads the mail takes its incident in hand. To look at it
//! changes nothing, since mail servers and chats follow links by themselves; only the button does. Of a link that is not
//! ours no body is read, and nothing is said of what there is.

mod link;
mod page;

use std::time::Duration;

use axum::{
    Router,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use tokio::time::timeout;
use url::form_urlencoded;

pub use self::link::link;
use super::{
    Context,
    body::{self, Unread},
};
use crate::domain::{command::Command, incident::IncidentId, maintenance::Refusal, snapshot::IncidentView};

/// The longest form, in bytes: a name in letters of which each takes twelve.
const FORM_BYTES_MAX: usize = 4 * 1024;
/// The daemon says within this time how an incident stands, and what has come of a command.
const WITHIN: Duration = Duration::from_secs(10);

/// The page shows itself and sends its form to where it came from; nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// What is under `/acknowledge`.
pub(super) fn router() -> Router<Context> {
    Router::new()
        .route("/{incident}/{signature}", get(show).post(press))
        .fallback(async || not_ours(StatusCode::NOT_FOUND))
        .layer(map_response(guarded))
}

/// A page and its status.
type Page = (StatusCode, Html<String>);

/// The address is a key to one door: it is kept in no cache and told to no other site.
async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Which incident, and by what signature.
type Address = Result<Path<(String, String)>, PathRejection>;

async fn show(State(context): State<Context>, address: Address) -> Response {
    let shown = async {
        let view = look(&context, meant(&context, address)?).await?;
        let status = if view.closed_at.is_some() { StatusCode::GONE } else { StatusCode::OK };
        Ok((status, Html(as_it_stands(&view, "Acknowledged"))))
    };
    answer(shown.await)
}

async fn press(State(context): State<Context>, address: Address, request: Request) -> Response {
    let pressed = async {
        let incident = meant(&context, address)?;
        let by = name(request).await?;
        let command = Command::Acknowledge { incident: incident.clone(), by };
        let done = timeout(WITHIN, context.source.command(command)).await.map_err(|_| slow())?;
        let (status, heading) = match done {
            Ok(_) => (StatusCode::OK, "Acknowledged"),
            Err(Refusal::Untimely(_)) => (StatusCode::CONFLICT, "Acknowledged already"),
            Err(Refusal::Unknown(_)) => (StatusCode::GONE, "This incident is over"),
            Err(Refusal::Senseless(_) | Refusal::NotKept(_)) => return Err(not_kept()),
        };
        let view = look(&context, incident).await?;
        Ok((status, Html(as_it_stands(&view, heading))))
    };
    answer(pressed.await)
}

fn answer(page: Result<Page, Page>) -> Response {
    page.unwrap_or_else(|refused| refused).into_response()
}

/// The incident that a link is about.
fn meant(context: &Context, address: Address) -> Result<IncidentId, Page> {
    let Some(token) = context.source.token() else {
        let what = "This monitor has no token of [api] in its configuration, so nothing can be acknowledged by link. Tell \
                    your team, and whoever runs this monitor.";
        return Err(refused(StatusCode::FORBIDDEN, "Links are switched off", what));
    };
    let Ok(Path((incident, signature))) = address else { return Err(not_ours(StatusCode::FORBIDDEN)) };
    let incident = IncidentId(incident);
    if link::is_signed(&incident, &signature, &token) {
        Ok(incident)
    } else {
        Err(not_ours(StatusCode::FORBIDDEN))
    }
}

/// The name in the form.
async fn name(request: Request) -> Result<String, Page> {
    let form = body::read(request, FORM_BYTES_MAX).await.map_err(|unread| match unread {
        Unread::Late => refused(
            StatusCode::REQUEST_TIMEOUT,
            "The form took too long to arrive",
            "Nothing has been acknowledged. Open the link again.",
        ),
        Unread::TooLong => refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The form is too long",
            "Nothing has been acknowledged. Open the link again and give a shorter name, or none.",
        ),
    })?;
    let given = form_urlencoded::parse(&form).find(|(key, _)| key == "by").map(|(_, value)| value);
    let given = given.as_deref().map(str::trim).filter(|name| !name.is_empty());
    Ok(given.unwrap_or(page::NAMELESS).chars().take(page::NAME_MAX).collect())
}

/// How an incident stands.
async fn look(context: &Context, incident: IncidentId) -> Result<IncidentView, Page> {
    let asked = timeout(WITHIN, context.source.incident(incident)).await.map_err(|_| slow())?;
    let known = asked.map_err(|why| {
        let what = format!("At present {why}. Open the link again in a minute.");
        refused(StatusCode::SERVICE_UNAVAILABLE, "Nobody can say how this incident stands", &what)
    })?;
    known.ok_or_else(|| {
        let what = "The link is right, but this monitor does not know the incident any more: it was long ago, or its store \
                    has been replaced. The first page shows what is dark now.";
        refused(StatusCode::NOT_FOUND, "There is no such incident", what)
    })
}

fn as_it_stands(view: &IncidentView, heading: &str) -> String {
    match (view.closed_at, &view.acknowledged) {
        (Some(at), _) => page::closed(view, at),
        (None, Some(by)) => page::acknowledged(view, by, heading),
        (None, None) => page::open(view),
    }
}

fn refused(status: StatusCode, heading: &str, sentences: &str) -> Page {
    (status, Html(page::refused(heading, sentences)))
}

fn not_ours(status: StatusCode) -> Page {
    let what = "Either it has lost a part on its way, or the token of [api] has changed since the mail was written. Copy the \
                whole link, take that of the latest mail, or type: lamplighter acknowledge INCIDENT --by NAME";
    refused(status, "This link is not right", what)
}

fn not_kept() -> Page {
    let what = "The monitor could not write down that you have taken it in hand, so reminders go on. Try again in a minute; its \
                log says what is wrong.";
    refused(StatusCode::SERVICE_UNAVAILABLE, "Not acknowledged", what)
}

fn slow() -> Page {
    let what = "The monitor is too slow to say what has come of it. Open the link again to see whether it is acknowledged.";
    refused(StatusCode::GATEWAY_TIMEOUT, "No answer yet", what)
}
