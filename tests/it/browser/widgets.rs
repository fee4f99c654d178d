//! Chat widgets of others, as they are published: served here with the services behind them, healthy and broken.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::json;

use super::{
    PATIENT, expected, look,
    site::{Page, Site},
    words,
};
use crate::loopback::browser;

const REPLY: &str = "It is on its way.";

/// Where `tests/run` puts them.
fn installed(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/widgets")).join(path)
}

async fn widget(Path(path): Path<String>) -> Response {
    let kind = if path.ends_with(".css") { "text/css" } else { "text/javascript" };
    match std::fs::read(installed(&path)) {
        Ok(file) => ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], file).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The services behind the widgets. As long as the flag is set they fail.
async fn vendor(State(is_down): State<Arc<AtomicBool>>, Path(path): Path<String>) -> Response {
    if is_down.load(SeqCst) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match path.as_str() {
        "deep-chat" => Json(json!({ "text": REPLY })).into_response(),
        "n8n" => Json(json!({ "output": REPLY })).into_response(),
        path if path.starts_with("flowise/api/v1/prediction") => {
            Json(json!({ "text": REPLY })).into_response()
        }
        path if path.starts_with("flowise/api") => Json(json!({})).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test]
async fn widgets_that_nobody_here_wrote_are_used_as_customers_use_them() {
    assert!(installed("").is_dir(), "the widgets are not installed: run tests/run");
    let is_down = Arc::new(AtomicBool::new(false));
    let routes = Router::new()
        .route("/vendor/{*path}", any(vendor))
        .with_state(Arc::clone(&is_down))
        .route("/npm/{*path}", get(widget));
    let (site, chromium) = (Site::with(routes).await, browser());
    let pages = Page::all("widgets");
    let mut wrong = Vec::new();
    for page in pages {
        is_down.store(page.name.ends_with("-down"), SeqCst);
        let ended = look(&page.settings(&site), PATIENT, &chromium).await;
        let (got, detail) = words(&ended.outcome.verdict);
        let (wanted, seconds) = (expected(&page), ended.outcome.duration.as_secs_f64());
        let step =
            ended.outcome.verdict.failure().and_then(|failure| failure.step.clone()).unwrap_or_default();
        println!("{:<32} {wanted:<24} {got:<24} {seconds:>4.1} s  {step}: {detail}", page.name);
        if got != wanted || !detail.contains(&page.says) {
            wrong.push(format!("{}: {got}, not {wanted}: {detail:?} for {:?}", page.name, page.says));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
