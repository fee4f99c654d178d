//! Which door opens while another does not.

use std::sync::Arc;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{asked::Asked, refused::Refused, route::Route};
use crate::{
    clock::Clock,
    domain::{
        alternatives::{Offer, Sentence, offers},
        channel::{ChannelId, ChannelKind},
        evaluation,
        outcome::Detail,
        snapshot::ChannelView,
    },
    web::{Context, drawn},
};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/alternatives", "list_alternatives", "Which doors open while one does not.", show)
            .query::<Query>()
            .answers::<Alternatives>(200, "The doors, and a sentence for customers.")
            .refuses(404, "There is no such channel."),
    ]
}

/// Of which channel.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// The channel that customers cannot get through by.
    #[serde(rename = "for")]
    of: String,
}

/// Where customers can be sent.
#[derive(Serialize, JsonSchema)]
struct Alternatives {
    /// The channel that was asked about.
    #[serde(rename = "for")]
    of: ChannelId,
    /// Its state.
    state: evaluation::State,
    /// The doors that open, the one that answers soonest first.
    alternatives: Vec<Offer>,
    /// What customers are told.
    sentence: Sentence,
}

async fn show(
    State(context): State<Context>,
    Asked(asked): Asked<Query>,
) -> Result<Json<Alternatives>, Refused> {
    let snapshot = drawn(&context).await;
    let is_asked =
        |view: &&Arc<ChannelView>| view.id.as_str() == asked.of && view.kind != ChannelKind::Dependency;
    let of = snapshot.channels.iter().find(is_asked).ok_or_else(|| {
        Refused::unknown(format!(
            "there is no channel {:?}; the page / lists them",
            Detail::new(&asked.of).as_str()
        ))
    })?;
    let candidates: Vec<_> = snapshot.channels.iter().map(|view| view.candidate()).collect();
    let offers = offers(&candidates, &of.id, Clock::system().now());
    let sentence = Sentence::of(&offers);
    Ok(Json(Alternatives { of: of.id.clone(), state: of.state, alternatives: offers, sentence }))
}
