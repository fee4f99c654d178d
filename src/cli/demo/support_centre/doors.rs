//! The doors as customers and agents meet them: HTTP in front of the [`Desk`](super::desk::Desk).
//!
//! A door's fault is applied before its handlers; only what concerns one handler alone (grey, drop, busy, queue) is
//! asked for there. The agents' side has no switch: it shows the truth.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{any, delete, get, post},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    SupportCentre, chat,
    desk::{CallbackStatus, Refused, Ticket},
    fault::{Door, Fault},
};

/// How long a slow door takes.
const SLOWNESS: Duration = Duration::from_millis(600);

const SHOP: &str = include_str!("shop.html");
const FORM: &str = include_str!("form.html");
const THANKS: &str = include_str!("thanks.html");

pub(super) fn routes(centre: &SupportCentre) -> Router {
    let behind = |door: Door, routes: Router<SupportCentre>| {
        routes.route_layer(middleware::from_fn_with_state((centre.clone(), door), apply_fault))
    };
    let chat =
        Router::new().route("/chat/launcher.json", get(launcher)).route("/chat/socket", any(chat::open));
    let hotline = Router::new()
        .route("/hotline/callbacks", post(ask_for_callback))
        .route("/hotline/callbacks/{number}", get(callback).delete(cancel_callback));
    let form = Router::new()
        .route("/tickets/new", get(form))
        .route("/tickets", post(take_ticket))
        .route("/tickets/thanks", get(|| async { Html(THANKS) }));
    let agents = Router::new()
        .route("/agents/tickets", get(list_tickets))
        .route("/agents/tickets/{number}", delete(delete_ticket))
        .route_layer(middleware::from_fn_with_state(centre.clone(), agents_only));
    Router::new()
        .route("/", get(|| async { Html(SHOP) }))
        .merge(behind(Door::WebChat, chat))
        .merge(behind(Door::Hotline, hotline))
        .merge(behind(Door::TicketForm, form))
        .merge(agents)
        .with_state(centre.clone())
}

/// Hangs, breaks or slows a door. A request that hangs is let go when the door is mended or broken otherwise.
async fn apply_fault(
    State((centre, door)): State<(SupportCentre, Door)>,
    request: Request,
    next: Next,
) -> Response {
    let mut switches = centre.0.switches.subscribe();
    match centre.fault(door) {
        Some(Fault::Hang) => {
            // An error would mean that the support centre is gone, and its sender lives in `centre`.
            switches.wait_for(|switches| switches.get(door) != Some(Fault::Hang)).await.ok();
        }
        Some(Fault::Error) => {
            return (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side").into_response();
        }
        Some(Fault::Slow) => tokio::time::sleep(SLOWNESS).await,
        _ => {}
    }
    next.run(request).await
}

async fn agents_only(State(centre): State<SupportCentre>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match shown.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(secret) if secret == centre.0.agents_secret.expose() => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn launcher(State(centre): State<SupportCentre>, headers: HeaderMap) -> Response {
    let fault = centre.fault(Door::WebChat);
    if fault == Some(Fault::Refuse) && cookie(&headers, "account") == "new" {
        return (StatusCode::FORBIDDEN, Json(json!({ "error": "chat is for customers of long standing" })))
            .into_response();
    }
    let is = |other| fault == Some(other);
    let (enabled, covered, far) = (!is(Fault::Grey), is(Fault::Cover), is(Fault::Far));
    Json(json!({ "enabled": enabled, "covered": covered, "far": far, "label": "Chat with us" }))
        .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallMe {
    number: String,
}

async fn ask_for_callback(State(centre): State<SupportCentre>, Json(ask): Json<CallMe>) -> Response {
    if !ask.number.starts_with('+') {
        let error = json!({ "error": "a telephone number with its country, please" });
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(error)).into_response();
    }
    let now = centre.now();
    let id = centre.desk().ask_for_callback(now);
    let location = format!("/hotline/callbacks/{id}");
    let body = Json(json!({ "id": id, "status": "accepted" }));
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], body).into_response()
}

async fn callback(State(centre): State<SupportCentre>, Path(number): Path<u64>) -> Response {
    let now = centre.now();
    let Some(status) = centre.desk().callback(number, now) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let body = match (centre.fault(Door::Hotline), status) {
        (Some(Fault::Busy), _) => {
            json!({ "status": "busy", "text": "All agents are busy, please try later." })
        }
        (Some(Fault::Queue), _) | (_, CallbackStatus::Queued) => json!({ "status": "queued", "position": 7 }),
        (_, CallbackStatus::Ringing) => json!({ "status": "ringing" }),
    };
    Json(body).into_response()
}

async fn cancel_callback(State(centre): State<SupportCentre>, Path(number): Path<u64>) -> StatusCode {
    if centre.desk().cancel_callback(number) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

async fn form(State(centre): State<SupportCentre>) -> Response {
    let (session, csrf) = (token(), token());
    let page = FORM.replace("{{csrf}}", &csrf);
    let cookie = format!("session={session}; Path=/tickets; HttpOnly; SameSite=Lax");
    centre.desk().hand_out(session, csrf);
    ([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".to_owned())], Html(page))
        .into_response()
}

async fn take_ticket(State(centre): State<SupportCentre>, headers: HeaderMap, body: String) -> Response {
    let field = |name: &str| {
        let mut fields = url::form_urlencoded::parse(body.as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let keep = centre.fault(Door::TicketForm) != Some(Fault::Drop);
    let now = centre.now();
    let taken =
        centre.desk().take(&cookie(&headers, "session"), &field("csrf"), &field("subject"), now, keep);
    match taken {
        Ok(()) => Redirect::to("/tickets/thanks").into_response(),
        Err(Refused::Csrf) => {
            (StatusCode::FORBIDDEN, "this form has expired, please load it again").into_response()
        }
        Err(Refused::Subject) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "please say what it is about").into_response()
        }
    }
}

fn cookie(headers: &HeaderMap, wanted: &str) -> String {
    let pairs = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

#[derive(Deserialize)]
struct Search {
    subject: Option<String>,
}

async fn list_tickets(State(centre): State<SupportCentre>, Query(search): Query<Search>) -> Response {
    let now = centre.now();
    let tickets = centre.desk().tickets(search.subject.as_deref(), now);
    let show = |ticket: &Ticket| json!({ "id": ticket.number, "subject": ticket.subject });
    Json(json!({ "tickets": tickets.iter().map(show).collect::<Vec<_>>() })).into_response()
}

async fn delete_ticket(State(centre): State<SupportCentre>, Path(number): Path<u64>) -> StatusCode {
    if centre.desk().delete_ticket(number) { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND }
}

fn token() -> String {
    format!("{:032x}", rand::random::<u128>())
}
