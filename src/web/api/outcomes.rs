//! What the runs saw.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    asked::{Asked, Channel, Cursor, Limit, Moment, Probe, ReasonWord},
    refused::Refused,
    route::Route,
    shapes::{Outcomes, Run},
};
use crate::{
    domain::{evaluation::RunWord, inquiry::OutcomeInquiry},
    web::Context,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/outcomes",
            "list_outcomes",
            "What the runs saw, the latest first, a page at a time.",
            list,
        )
        .query::<Query>()
        .answers::<Outcomes>(200, "Some of the runs.")
        .refuses(503, "The history cannot be read, or not in time."),
    ]
}

/// Which runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// Those of this channel.
    channel: Option<Channel>,
    /// Those of probes of this name.
    probe: Option<Probe>,
    /// Those that ended so.
    outcome: Option<RunWord>,
    /// Those that failed, or were inconclusive, for this reason.
    reason: Option<ReasonWord>,
    /// Those that began then or later.
    from: Option<Moment>,
    /// Those that began before.
    until: Option<Moment>,
    /// Those before this: the `next` of the page before.
    cursor: Option<Cursor>,
    /// At most so many.
    #[serde(default)]
    limit: Limit,
}

async fn list(State(context): State<Context>, Asked(asked): Asked<Query>) -> Result<Json<Outcomes>, Refused> {
    let inquiry = OutcomeInquiry {
        channel: asked.channel.map(|Channel(id)| id),
        probe: asked.probe.map(|Probe(name)| name),
        outcome: asked.outcome,
        reason: asked.reason.map(|ReasonWord(word)| word),
        from: asked.from.map(|Moment(at)| at),
        until: asked.until.map(|Moment(at)| at),
        before: asked.cursor.map(|Cursor(number)| number),
        limit: asked.limit.0,
    };
    let page = context.source.outcomes(inquiry).await.map_err(Refused::unread)?;
    let next = page.next.map(|number| number.0);
    Ok(Json(Outcomes { outcomes: page.items.iter().map(Run::kept).collect(), next }))
}
