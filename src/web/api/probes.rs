//! The probes with what they saw lately, and one of them run now.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};
use tokio::time::timeout;
use tracing::info;

use super::{
    asked::{Asked, Channel as Id, Limit, Named, Probe as Name},
    refused::Refused,
    route::Route,
    shapes::{Probe, Probes, Run},
};
use crate::{
    domain::{access::Scope, channel::ProbeKey},
    web::{Context, drawn},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/probes", "list_probes", "The probes, a page at a time.", list)
            .query::<Query>()
            .answers::<Probes>(200, "Some of the probes."),
        Route::get("/probes/{channel}/{probe}", "show_probe", "One probe.", show)
            .answers::<Probe>(200, "The probe.")
            .refuses(404, "There is no such probe."),
        Route::post("/probes/{channel}/{probe}/run", "run_probe", "Runs a probe now.", Scope::Run, run)
            .query::<RunQuery>()
            .answers::<Run>(200, "What the run saw. It counts as any other.")
            .answers::<UnderWay>(
                202,
                "The run takes longer than is waited for; its outcome counts when it is over.",
            )
            .refuses(404, "There is no such probe.")
            .refuses(409, "It is running already.")
            .refuses(503, "There is no room for a run now, or the run was broken off."),
    ]
}

/// Which probes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// Those of this channel.
    channel: Option<Id>,
    /// Those behind this: the `next` of the page before.
    cursor: Option<String>,
    /// At most so many.
    #[serde(default)]
    limit: Limit,
}

async fn list(State(context): State<Context>, Asked(asked): Asked<Query>) -> Json<Probes> {
    let snapshot = drawn(&context).await;
    // By its two parts, so that the order is that of the list whatever stands in an id.
    let cursor = asked.cursor.as_deref().map(|cursor| cursor.split_once('/').unwrap_or((cursor, "")));
    let channels =
        snapshot.channels.iter().filter(|view| asked.channel.as_ref().is_none_or(|Id(id)| *id == view.id));
    let mut meant = channels
        .flat_map(|view| view.probes.iter().map(|probe| (&**view, probe)))
        .filter(|(view, probe)| cursor.is_none_or(|cursor| (view.id.as_str(), probe.name.as_str()) > cursor))
        .peekable();
    let found: Vec<_> = meant.by_ref().take(asked.limit.0).collect();
    let next = meant.peek().and(found.last()).map(|(view, probe)| format!("{}/{}", view.id, probe.name));
    Json(Probes { probes: found.into_iter().map(|(view, probe)| Probe::of(view, probe)).collect(), next })
}

async fn show(
    State(context): State<Context>,
    Named((Id(channel), Name(probe))): Named<(Id, Name)>,
) -> Result<Json<Probe>, Refused> {
    let snapshot = drawn(&context).await;
    let view = snapshot.channels.iter().find(|view| view.id == channel);
    let found = view.and_then(|view| Some((view, view.probes.iter().find(|known| known.name == probe)?)));
    let (view, probe) =
        found.ok_or_else(|| Refused::unknown(format!("there is no probe {channel}/{probe}")))?;
    Ok(Json(Probe::of(view, probe)))
}

/// How a run is asked for.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunQuery {
    /// So many seconds its outcome is waited for; 0 does not wait.
    #[serde(default)]
    #[schemars(range(min = 0, max = WAIT_SECS_MAX), extend("default" = WAIT_SECS_MAX))]
    wait: Wait,
}

/// The longest wait, in seconds: shorter than the life of a connection.
const WAIT_SECS_MAX: u64 = 30;

#[derive(Clone, Copy, JsonSchema)]
#[schemars(inline, transparent)]
struct Wait(u64);

impl Default for Wait {
    fn default() -> Self {
        Self(WAIT_SECS_MAX)
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            seconds @ 0..=WAIT_SECS_MAX => Ok(Self(seconds)),
            _ => Err(de::Error::custom(format_args!("`wait` is 0 to {WAIT_SECS_MAX} seconds"))),
        }
    }
}

/// A run that is not over yet.
#[derive(Serialize, JsonSchema)]
struct UnderWay {
    /// Its channel.
    channel: String,
    /// Its probe.
    probe: String,
    /// Where its outcome will be.
    outcomes: String,
}

async fn run(
    State(context): State<Context>,
    Named((Id(channel), Name(probe))): Named<(Id, Name)>,
    headers: HeaderMap,
    asked: Result<Asked<RunQuery>, Refused>,
) -> Result<Response, Refused> {
    let caller = context.source.access().commander(&headers, Scope::Run)?;
    let Asked(RunQuery { wait: Wait(seconds) }) = asked?;
    let key = ProbeKey { channel, probe };
    info!(client = %caller.name, probe = %key, "asked to run a probe now");
    let run = context.source.run(key.clone());
    // Not waiting is waiting for as long as it takes to be refused.
    let patience = Duration::from_secs(seconds).max(REFUSED_WITHIN);
    match timeout(patience, run).await {
        Ok(outcome) => Ok(Json(Run::of(&outcome?)).into_response()),
        Err(_) => {
            let ProbeKey { channel, probe } = key;
            let outcomes = format!("{}/outcomes?channel={channel}&probe={probe}", super::BASE);
            let under_way = UnderWay { channel: channel.to_string(), probe: probe.to_string(), outcomes };
            Ok((StatusCode::ACCEPTED, Json(under_way)).into_response())
        }
    }
}

/// The scheduler says within this time that a run cannot be made.
const REFUSED_WITHIN: Duration = Duration::from_millis(250);
