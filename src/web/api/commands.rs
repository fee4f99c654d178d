//! What the daemon can be told to do: to take an incident as in somebody's hand, and to begin, extend and end maintenance.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tracing::info;

use super::{
    asked::{Channel, Named, Team, Window, admitted},
    refused::Refused,
    route::Route,
};
use crate::{
    domain::{
        access,
        channel::is_id,
        command::{Answer, Command},
        incident::IncidentId,
        maintenance::{Announced, Begin, Scope, TEXT_CHARS_MAX, WindowId},
        outcome::Detail,
    },
    setting::Span,
    web::{Context, access::Caller, drawn},
};

/// A command is carried out within this time.
const WITHIN: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Vec<Route> {
    let told = |route: Route| {
        route
            .refuses(404, "There is no such channel, team, window or incident.")
            .refuses(409, "It is so already, or not at present.")
            .refuses(503, "It could not be kept, and has not happened.")
            .refuses(504, "It took too long, and may have happened.")
    };
    let (acknowledging, maintaining) = (access::Scope::Acknowledge, access::Scope::Maintenance);
    vec![
        told(
            Route::post(
                "/acknowledgements",
                "acknowledge",
                "Says that somebody has taken an incident in hand.",
                acknowledging,
                acknowledge,
            )
            .takes::<AcknowledgeRequest>()
            .answers::<Acknowledged>(201, "Nobody is reminded of it any more, and nobody else is told."),
        ),
        Route::get(
            "/maintenance",
            "list_maintenance",
            "The windows of maintenance under way and to come.",
            list,
        )
        .answers::<Windows>(200, "The windows."),
        told(
            Route::post("/maintenance", "begin_maintenance", "Begins maintenance now.", maintaining, begin)
                .takes::<BeginRequest>()
                .answers::<Announced>(201, "The window that has begun."),
        ),
        told(
            Route::post(
                "/maintenance/{window}/extend",
                "extend_maintenance",
                "Makes maintenance under way last longer.",
                maintaining,
                extend,
            )
            .takes::<ExtendRequest>()
            .answers::<Announced>(200, "The window as it stands now."),
        ),
        told(
            Route::post(
                "/maintenance/{window}/end",
                "end_maintenance",
                "Ends maintenance under way now.",
                maintaining,
                end,
            )
            .refuses(400, "It makes no sense.")
            .answers::<Announced>(200, "The window as it stands now."),
        ),
    ]
}

/// The windows of maintenance.
#[derive(Serialize, JsonSchema)]
struct Windows {
    /// Those under way, then the next time of those to come.
    maintenance: Vec<Arc<Announced>>,
}

async fn list(State(context): State<Context>) -> Json<Windows> {
    let snapshot = drawn(&context).await;
    Json(Windows { maintenance: snapshot.maintenance.to_vec() })
}

/// How a span of time is described: days, hours, minutes and seconds, such as `1h 30m`.
struct Lasting;

impl JsonSchema for Lasting {
    fn schema_name() -> Cow<'static, str> {
        "Lasting".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 2,
            "pattern": "^([1-9]d ?)?([1-9][0-9]?h ?)?([1-9][0-9]?m ?)?([1-9][0-9]?s)?$",
            "examples": ["1h 30m", "45m"]
        })
    }
}

/// A window that is to begin. Without channels, teams and labels it is for all channels.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BeginRequest {
    /// The window of the configuration that begins early; without, a new one begins.
    id: Option<Window>,
    /// How long it lasts from now on; that of the configuration can do without.
    #[serde(rename = "for")]
    #[schemars(with = "Option<Lasting>")]
    lasts: Option<Span>,
    /// For these channels.
    #[serde(default)]
    channels: Vec<Channel>,
    /// For the channels of these teams.
    #[serde(default)]
    teams: Vec<Team>,
    /// For the channels with all of these labels.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// What is announced: one line.
    #[serde(default)]
    #[schemars(length(max = TEXT_CHARS_MAX))]
    text: String,
}

async fn begin(State(context): State<Context>, request: Request) -> Result<Response, Refused> {
    let (caller, asked): (_, BeginRequest) = admitted(&context, request, access::Scope::Maintenance).await?;
    let scope = Scope {
        channels: asked.channels.into_iter().map(|Channel(id)| id).collect(),
        teams: asked.teams.into_iter().map(|Team(id)| id).collect(),
        labels: asked.labels,
    };
    let id = asked.id.map(|Window(id)| id);
    let lasts = asked.lasts.map(|lasts| lasts.0);
    let command = Command::BeginMaintenance(Begin { id, lasts, scope, text: asked.text });
    carry_out(&context, &caller, StatusCode::CREATED, command).await
}

/// By how much a window lasts longer.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExtendRequest {
    /// By this.
    #[serde(rename = "for")]
    #[schemars(with = "Lasting")]
    by: Span,
}

async fn extend(
    State(context): State<Context>,
    Named(id): Named<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (caller, ExtendRequest { by }) = admitted(&context, request, access::Scope::Maintenance).await?;
    let command = Command::ExtendMaintenance { id: window(&id)?, by: by.0 };
    carry_out(&context, &caller, StatusCode::OK, command).await
}

async fn end(
    State(context): State<Context>,
    Named(id): Named<String>,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let caller = context.source.access().commander(&headers, access::Scope::Maintenance)?;
    let command = Command::EndMaintenance { id: window(&id)? };
    carry_out(&context, &caller, StatusCode::OK, command).await
}

/// Who has taken which incident in hand.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AcknowledgeRequest {
    /// The incident, as its mails name it; any of those that are told as one.
    incident: String,
    /// Who; the mails that follow say so.
    #[schemars(regex(pattern = "\\S"))]
    by: String,
}

/// An incident that somebody has taken in hand.
#[derive(Serialize, JsonSchema)]
struct Acknowledged {
    /// The one under whose id people are told of it.
    incident: String,
    /// Who has taken it in hand.
    by: String,
    /// When.
    at: Timestamp,
}

async fn acknowledge(State(context): State<Context>, request: Request) -> Result<Response, Refused> {
    let (caller, AcknowledgeRequest { incident, by }) =
        admitted(&context, request, access::Scope::Acknowledge).await?;
    if by.trim().is_empty() {
        return Err(Refused::senseless("say by whom: `by` is empty"));
    }
    let command = Command::Acknowledge { incident: IncidentId(incident), by };
    carry_out(&context, &caller, StatusCode::CREATED, command).await
}

/// Has a command carried out, and says what has come of it; `done` is the status if it was.
async fn carry_out(
    context: &Context,
    caller: &Caller,
    done: StatusCode,
    command: Command,
) -> Result<Response, Refused> {
    let (what, about) = named(&command);
    let outcome = timeout(WITHIN, context.source.command(command)).await.map_err(|_| {
        Refused::new(
            StatusCode::GATEWAY_TIMEOUT,
            "the daemon is too slow to say what has come of it; ask again what holds before telling it twice",
        )
    })?;
    let result = if outcome.is_ok() { "done" } else { "refused" };
    info!(client = %caller.name, what, %about, result, "told by the API");
    Ok(match outcome? {
        Answer::Maintenance(window) => (done, Json(window)).into_response(),
        Answer::Acknowledged { incident, by, at } => {
            (done, Json(Acknowledged { incident: incident.0, by, at })).into_response()
        }
    })
}

/// What a command is called in the log, and what it is about.
fn named(command: &Command) -> (&'static str, Detail) {
    let (what, about) = match command {
        Command::BeginMaintenance(begin) => {
            ("begin maintenance", begin.id.as_ref().map_or("a new window", WindowId::as_str))
        }
        Command::ExtendMaintenance { id, .. } => ("extend maintenance", id.as_str()),
        Command::EndMaintenance { id } => ("end maintenance", id.as_str()),
        Command::Acknowledge { incident, .. } => ("acknowledge", incident.0.as_str()),
    };
    (what, Detail::new(about))
}

fn window(word: &str) -> Result<WindowId, Refused> {
    if is_id(word) {
        Ok(WindowId::new(word))
    } else {
        Err(Refused::senseless(format!("{:?} cannot be an id", Detail::new(word).as_str())))
    }
}
