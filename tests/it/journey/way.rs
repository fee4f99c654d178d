//! What a journey carries along its way: cookies, captured values, secrets; and what it meets on hostile pages.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode, Uri, header},
    response::Html,
    routing::get,
};
use lamplighter::domain::outcome::{Reason, Stage, Verdict};

use super::{TIMEOUT, failure_of, fixture::Served};

#[tokio::test]
async fn cookies_go_along_the_whole_way_and_no_further() {
    let visits = Arc::new(AtomicUsize::new(0));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (visited, listening) = (Arc::clone(&visits), Arc::clone(&heard));
    let hear = move |uri: &Uri, headers: &HeaderMap| {
        let cookie = headers.get(header::COOKIE).map_or("", |value| value.to_str().unwrap());
        listening.lock().unwrap().push(format!("{uri} {cookie}"));
    };
    let hear_too = hear.clone();
    let enter = async move |uri: Uri, headers: HeaderMap| {
        hear(&uri, &headers);
        let visit = visited.fetch_add(1, Relaxed);
        [(header::SET_COOKIE, format!("visit=v{visit}; Path=/; HttpOnly"))]
    };
    let ask = async move |uri: Uri, headers: HeaderMap| hear_too(&uri, &headers);
    let target = Served::open(Router::new().route("/enter", get(enter)).route("/ask", get(ask))).await;
    let journey = r#"
        [[steps]]
        name = "enter"
        http = { url = "CENTRE/enter" }
        capture = { visit = { cookie = "visit" } }
        [[steps]]
        name = "ask"
        http = { url = "CENTRE/ask?visit={visit}" }
    "#;
    for _ in 0..2 {
        let (outcome, _) = target.run(journey, TIMEOUT).await;
        assert_eq!(outcome.verdict, Verdict::Ok);
    }
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, ["/enter ", "/ask?visit=v0 visit=v0", "/enter ", "/ask?visit=v1 visit=v1"]);
}

#[tokio::test]
async fn a_cleanup_that_fails_takes_nothing_from_what_a_failed_run_saw() {
    let refuse = || async { StatusCode::CONFLICT };
    let target = Served::open(Router::new().route("/ticket", get(refuse).delete(refuse))).await;
    let journey = r#"
        steps = [{ name = "look", http = { url = "CENTRE/ticket" } }]
        cleanup = [{ name = "delete", http = { method = "DELETE", url = "CENTRE/ticket" } }]
    "#;
    let (outcome, checks) = target.run(journey, TIMEOUT).await;
    assert!(matches!(outcome.verdict, Verdict::Failed(_)), "{:?}", outcome.verdict);
    assert_eq!(failure_of(&outcome), (Stage::Expect, "look", Reason::Status, None));
    assert!(
        checks.iter().any(|check| &*check.expectation == "cleans up" && check.held == Some(false)),
        "{checks:?}"
    );
}

#[tokio::test]
async fn a_refusal_is_told_as_auth_wherever_the_step_shows_its_secret() {
    let refuse = || async { StatusCode::UNAUTHORIZED };
    let target = Served::open(Router::new().route("/", get(refuse).post(refuse))).await;
    for (shown, reason) in [
        ("", Reason::Status),
        (r#", headers = { x-api-key = "{nonce}" }"#, Reason::Status),
        (r#", headers = { x-api-key = "{key}" }"#, Reason::Auth),
        (r#", query = { key = "{key}" }"#, Reason::Auth),
        (r#", body = { json = { login = { password = "{key}" } } }"#, Reason::Auth),
        (r#", body = { form = { password = { file = "agents-secret" } } }"#, Reason::Auth),
    ] {
        let journey = format!(
            r#"
            secrets = {{ key = {{ file = "agents-secret" }} }}
            steps = [{{ name = "ask", http = {{ url = "CENTRE/"{shown} }} }}]
            "#
        );
        let (outcome, _) = target.run(&journey, TIMEOUT).await;
        assert_eq!(failure_of(&outcome), (Stage::Expect, "ask", reason, None), "{shown}");
    }
}

#[tokio::test]
async fn a_page_made_to_stall_a_parser_is_left_unread_and_the_run_ends_in_time() {
    let mut page = "<div>".repeat(150_000);
    (0..150_000).for_each(|at| page += &format!("<b a={at}>"));
    page += &"</div>x".repeat(150_000);
    let small: String = page.chars().take(1 << 20).collect();
    let routes = Router::new()
        .route("/whole", get(move || async { Html(page) }))
        .route("/start", get(move || async { Html(small) }));
    let target = Served::open(routes).await;
    for (path, why) in [("whole", "1048576 bytes"), ("start", "256 elements within each other")] {
        let journey = r#"
            [[steps]]
            name = "form"
            http = { url = "CENTRE/PAGE", limits = { body_bytes = "64MiB", inflated_bytes = "64MiB" } }
            capture = { csrf = { css = "input[name=csrf]", attribute = "value", otherwise = "missing" } }
        "#;
        let (outcome, _) = target.run(&journey.replace("PAGE", path), Duration::from_secs(10)).await;
        assert_eq!(failure_of(&outcome), (Stage::Capture, "form", Reason::Missing, Some(Reason::Content)));
        let detail = &outcome.verdict.failure().unwrap().detail;
        assert!(detail.as_str().contains(why), "{detail}");
    }
}
