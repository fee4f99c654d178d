//! Incidents: a list, and the whole story of one.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    asked::{Asked, Channel, Limit, Moment, Named},
    refused::Refused,
    route::Route,
    shapes::{Incident, Incidents, Story},
};
use crate::{
    domain::{
        incident::IncidentId,
        inquiry::{IncidentInquiry, Standing},
        outcome::Detail,
    },
    web::Context,
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "/incidents",
            "list_incidents",
            "The incidents, the latest first, a page at a time.",
            list,
        )
        .query::<Query>()
        .answers::<Incidents>(200, "Some of the incidents.")
        .refuses(503, "The store cannot be read, or not in time."),
        Route::get("/incidents/{incident}", "show_incident", "One incident, with its timeline.", show)
            .answers::<Story>(200, "All that is kept of it.")
            .refuses(404, "There is no such incident.")
            .refuses(503, "The store cannot be read, or not in time."),
    ]
}

/// Whether an incident is over.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Word {
    /// It is not.
    Open,
    /// It is.
    Closed,
}

/// Which incidents.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// Those of this channel.
    channel: Option<Channel>,
    /// Those that are `open`, or `closed`.
    state: Option<Word>,
    /// Those that were not over by then.
    from: Option<Moment>,
    /// Those that began before.
    until: Option<Moment>,
    /// Those before this: the `next` of the page before.
    cursor: Option<String>,
    /// At most so many.
    #[serde(default)]
    limit: Limit,
}

async fn list(
    State(context): State<Context>,
    Asked(asked): Asked<Query>,
) -> Result<Json<Incidents>, Refused> {
    let inquiry = IncidentInquiry {
        channel: asked.channel.map(|Channel(id)| id),
        standing: asked.state.map(|state| match state {
            Word::Open => Standing::Open,
            Word::Closed => Standing::Closed,
        }),
        from: asked.from.map(|Moment(at)| at),
        until: asked.until.map(|Moment(at)| at),
        before: asked.cursor.map(IncidentId),
        limit: asked.limit.0,
    };
    let page = context.source.incidents(inquiry).await.map_err(Refused::unread)?;
    let next = page.next.map(|id| id.0);
    Ok(Json(Incidents { incidents: page.items.iter().map(Incident::of).collect(), next }))
}

async fn show(State(context): State<Context>, Named(id): Named<String>) -> Result<Json<Story>, Refused> {
    let id = IncidentId(id);
    let story = context.source.story(id.clone()).await.map_err(Refused::unread)?;
    let story =
        story.ok_or_else(|| Refused::unknown(format!("there is no incident {}", Detail::new(&id.0))))?;
    Ok(Json(Story::of(&story)))
}
