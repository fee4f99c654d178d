//! The channels as they are judged now.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    asked::{Asked, Channel as Id, Limit, Named},
    refused::Refused,
    route::Route,
    shapes::{Channel, Channels},
};
use crate::{
    domain::evaluation::State as Judged,
    web::{Context, drawn},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/channels", "list_channels", "The channels, a page at a time.", list)
            .query::<Query>()
            .answers::<Channels>(200, "Some of the channels."),
        Route::get("/channels/{channel}", "show_channel", "One channel.", show)
            .answers::<Channel>(200, "The channel.")
            .refuses(404, "There is no such channel."),
    ]
}

/// Which channels.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// Those in this state.
    state: Option<Judged>,
    /// Those behind this: the `next` of the page before.
    cursor: Option<String>,
    /// At most so many.
    #[serde(default)]
    limit: Limit,
}

async fn list(State(context): State<Context>, Asked(asked): Asked<Query>) -> Json<Channels> {
    let snapshot = drawn(&context).await;
    let is_meant = |state: Judged| asked.state.is_none_or(|meant| meant == state);
    let is_behind = |id: &str| asked.cursor.as_deref().is_none_or(|cursor| id > cursor);
    let mut meant = snapshot
        .channels
        .iter()
        .filter(|view| is_meant(view.state) && is_behind(view.id.as_str()))
        .peekable();
    let channels: Vec<_> = meant.by_ref().take(asked.limit.0).collect();
    let next = meant.peek().and(channels.last()).map(|view| view.id.to_string());
    Json(Channels { channels: channels.into_iter().map(|view| Channel::of(view)).collect(), next })
}

async fn show(State(context): State<Context>, Named(Id(id)): Named<Id>) -> Result<Json<Channel>, Refused> {
    let snapshot = drawn(&context).await;
    let view = snapshot.channels.iter().find(|view| view.id == id);
    let view = view.ok_or_else(|| Refused::unknown(format!("there is no channel {id}")))?;
    Ok(Json(Channel::of(view)))
}
