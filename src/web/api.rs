//! What programs ask and tell the daemon, under `/api/v1`, in JSON. Whoever may read the pages may ask; a command needs a token
//! with its scope, is handed on through [`Source`](super::Source), and is answered when what has come of it is kept.
//!
//! Every route stands in a table, with what it takes, answers and refuses. From the table come the router and the
//! [`document`] that describes it, so that neither says what the other does not.

mod alternatives;
mod asked;
mod channels;
mod commands;
mod incidents;
mod openapi;
mod outcomes;
mod probes;
mod refused;
mod route;
mod shapes;

use axum::{
    Router,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};

use self::{refused::Refused, route::Route};
use super::Context;

/// Where all of it lies.
const BASE: &str = "/api/v1";

/// Every route there is.
fn routes() -> Vec<Route> {
    let parts = [
        channels::routes(),
        probes::routes(),
        outcomes::routes(),
        incidents::routes(),
        commands::routes(),
        alternatives::routes(),
        openapi::routes(),
    ];
    parts.into_iter().flatten().collect()
}

/// What is under `/api/v1`.
pub(super) fn router() -> Router<Context> {
    let router =
        routes().into_iter().fold(Router::new(), |router, route| router.route(route.path, route.handler));
    router.method_not_allowed_fallback(other_method).fallback(nothing)
}

/// The description of the API by OpenAPI 3.1, as indented JSON with a line break at its end.
#[must_use]
pub fn document() -> String {
    let mut text =
        serde_json::to_string_pretty(&openapi::describe(&routes())).expect("a description is plain JSON");
    text.push('\n');
    text
}

async fn nothing() -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing here; {BASE}/openapi.json says what there is"),
    )
}

/// Says by which methods it is asked.
async fn other_method(method: Method, uri: Uri) -> Response {
    let path = uri.path().trim_start_matches(BASE);
    let mut allowed: Vec<&str> =
        routes().iter().filter(|route| route.is_at(path)).map(|route| route.method).collect();
    if allowed.contains(&"GET") {
        allowed.push("HEAD");
    }
    let allowed = allowed.join(", ");
    let sentence = format!("this is not asked by {method}, but by {allowed}");
    let mut response = Refused::new(StatusCode::METHOD_NOT_ALLOWED, sentence).into_response();
    if let Ok(allowed) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}
