//! Evidence, file by file. What a target has said is never shown as a page of ours: texts are plain text, and a browser
//! that opens one by itself opens it in a sandbox.

use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::asked;
use crate::web::Context;

/// Gives one file of a bundle.
pub(super) async fn serve(
    State(context): State<Context>,
    Path((bundle, file)): Path<(String, String)>,
) -> Response {
    let medium = medium(&file);
    let mut response = match asked(context.source.exhibit(bundle, file)).await {
        Ok(Some(bytes)) => ([(header::CONTENT_TYPE, medium)], bytes).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, "no such evidence is kept\n").into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n").into_response(),
    };
    let policy = HeaderValue::from_static("default-src 'none'; sandbox");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn medium(file: &str) -> &'static str {
    match file.rsplit_once('.').map(|(_, ending)| ending) {
        Some("png") => "image/png",
        Some("jpg") => "image/jpeg",
        Some("json") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}
