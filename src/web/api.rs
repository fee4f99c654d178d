//! What programs ask and tell the daemon, under `/api/v1`, in JSON. Whoever may look at the pages may ask; a command needs
//! the [`token`], is handed on through [`Source::command`](super::Source::command), and is answered when what has come of
//! it is kept.

mod token;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::timeout;

use super::{
    Context,
    body::{self, Unread},
    drawn,
};
use crate::{
    clock::Clock,
    domain::{
        alternatives::{Sentence, offers},
        channel::{ChannelId, ChannelKind, TeamId, is_id},
        command::{Answer, Command},
        incident::IncidentId,
        maintenance::{Begin, Refusal, Scope, WindowId},
        outcome::Detail,
        snapshot::ChannelView,
    },
    setting::{HELP, Span},
};

/// The longest request, in bytes.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// A command is carried out within this time.
const WITHIN: Duration = Duration::from_secs(10);

/// What is under `/api/v1`.
pub(super) fn router() -> Router<Context> {
    Router::new()
        .route("/alternatives", get(alternatives))
        .route("/acknowledgements", post(acknowledge))
        .route("/maintenance", get(list_maintenance).post(begin_maintenance))
        .route("/maintenance/{id}/extend", post(extend_maintenance))
        .route("/maintenance/{id}/end", post(end_maintenance))
        .fallback(async || {
            Refused::new(StatusCode::NOT_FOUND, "there is nothing here; docs/hours.md says what there is")
        })
}

/// What is refused, and the sentence that says why.
struct Refused {
    status: StatusCode,
    sentence: String,
}

impl Refused {
    fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self { status, sentence: sentence.into() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.sentence }))).into_response()
    }
}

/// A window that is to begin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BeginRequest {
    id: Option<String>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default)]
    teams: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtendRequest {
    #[serde(rename = "for")]
    by: Span,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlternativesRequest {
    #[serde(rename = "for")]
    of: String,
}

/// Answers anybody, a shop's page in a browser too: it says nothing that customers may not know.
async fn alternatives(State(context): State<Context>, Query(asked): Query<AlternativesRequest>) -> Response {
    let snapshot = drawn(&context).await;
    let is_asked =
        |view: &&Arc<ChannelView>| view.id.as_str() == asked.of && view.kind != ChannelKind::Dependency;
    let Some(of) = snapshot.channels.iter().find(is_asked) else {
        let sentence =
            format!("there is no channel {:?}; the page / lists them", Detail::new(&asked.of).as_str());
        return Refused::new(StatusCode::NOT_FOUND, sentence).into_response();
    };
    let candidates: Vec<_> = snapshot.channels.iter().map(|view| view.candidate()).collect();
    let offers = offers(&candidates, &of.id, Clock::system().now());
    let answer = json!({
        "for": of.id,
        "state": of.state,
        "alternatives": offers,
        "sentence": Sentence::of(&offers),
    });
    ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(answer)).into_response()
}

async fn list_maintenance(State(context): State<Context>) -> Response {
    let snapshot = drawn(&context).await;
    Json(json!({ "maintenance": snapshot.maintenance })).into_response()
}

async fn begin_maintenance(State(context): State<Context>, request: Request) -> Response {
    let order = async {
        let asked: BeginRequest = admitted(&context, request).await?;
        let scope = Scope {
            channels: ids(&asked.channels, ChannelId::new)?,
            teams: ids(&asked.teams, TeamId::new)?,
            labels: asked.labels,
        };
        let id = asked.id.as_deref().map(window).transpose()?;
        let lasts = asked.lasts.map(|lasts| lasts.0);
        Ok(Command::BeginMaintenance(Begin { id, lasts, scope, text: asked.text }))
    };
    carry_out(&context, StatusCode::CREATED, order.await).await
}

async fn extend_maintenance(
    State(context): State<Context>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let order = async {
        let ExtendRequest { by } = admitted(&context, request).await?;
        Ok(Command::ExtendMaintenance { id: window(&id)?, by: by.0 })
    };
    carry_out(&context, StatusCode::OK, order.await).await
}

async fn end_maintenance(
    State(context): State<Context>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let order = admit(&context, &headers).and_then(|()| Ok(Command::EndMaintenance { id: window(&id)? }));
    carry_out(&context, StatusCode::OK, order).await
}

/// Who has taken which incident in hand.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgeRequest {
    incident: String,
    by: String,
}

async fn acknowledge(State(context): State<Context>, request: Request) -> Response {
    let order = async {
        let AcknowledgeRequest { incident, by } = admitted(&context, request).await?;
        if by.trim().is_empty() {
            return Err(Refused::new(StatusCode::BAD_REQUEST, "say by whom: `by` is empty"));
        }
        Ok(Command::Acknowledge { incident: IncidentId(incident), by })
    };
    carry_out(&context, StatusCode::CREATED, order.await).await
}

/// Refuses whoever may not give commands.
fn admit(context: &Context, headers: &HeaderMap) -> Result<(), Refused> {
    let token = context.source.token();
    token::check(headers, token.as_ref()).map_err(|denial| {
        let status = match denial {
            token::Denial::Missing => StatusCode::UNAUTHORIZED,
            token::Denial::NotConfigured | token::Denial::Wrong => StatusCode::FORBIDDEN,
        };
        Refused::new(status, denial.sentence())
    })
}

/// What somebody asks who may give commands. Of anybody else nothing is read.
async fn admitted<T: DeserializeOwned>(context: &Context, request: Request) -> Result<T, Refused> {
    admit(context, request.headers())?;
    let body = body::read(request, REQUEST_BYTES_MAX).await.map_err(|unread| match unread {
        Unread::Late => Refused::new(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive"),
        Unread::TooLong => {
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "the request is longer than 16 KiB, or broke off")
        }
    })?;
    serde_json::from_slice(&body)
        .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error.to_string().replace(HELP, "; ")))
}

/// Has a command carried out, and says what has come of it; `done` is the status if it was.
async fn carry_out(context: &Context, done: StatusCode, order: Result<Command, Refused>) -> Response {
    let command = match order {
        Ok(command) => command,
        Err(refused) => return refused.into_response(),
    };
    match timeout(WITHIN, context.source.command(command)).await {
        Ok(Ok(Answer::Maintenance(window))) => (done, Json(window)).into_response(),
        Ok(Ok(Answer::Acknowledged { incident, by, at })) => {
            (done, Json(json!({ "incident": incident, "by": by, "at": at }))).into_response()
        }
        Ok(Err(refusal)) => {
            let status = match refusal {
                Refusal::Unknown(_) => StatusCode::NOT_FOUND,
                Refusal::Senseless(_) => StatusCode::BAD_REQUEST,
                Refusal::Untimely(_) => StatusCode::CONFLICT,
                Refusal::NotKept(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            Refused::new(status, refusal.to_string()).into_response()
        }
        Err(_) => Refused::new(
            StatusCode::GATEWAY_TIMEOUT,
            "the daemon is too slow to say what has come of it; ask again what holds before telling it twice",
        )
        .into_response(),
    }
}

fn ids<T>(words: &[String], id: impl Fn(&str) -> T) -> Result<Vec<T>, Refused> {
    words.iter().map(|word| if is_id(word) { Ok(id(word)) } else { Err(no_id(word)) }).collect()
}

fn window(word: &str) -> Result<WindowId, Refused> {
    if is_id(word) { Ok(WindowId::new(word)) } else { Err(no_id(word)) }
}

fn no_id(word: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, format!("{word:?} cannot be an id"))
}
