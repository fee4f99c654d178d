//! Journeys against the demo's support centre: the ticket form and the hotline, well and broken in every way.

mod fixture;
mod stopped;
mod waiting;
mod way;

use std::time::Duration;

use axum::{
    Json, Router,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use lamplighter::{
    cli::demo::support_centre::fault::{Door, Fault},
    domain::outcome::{Outcome, PhaseKind, Reason, Stage, Verdict},
};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinSet};

use self::fixture::{Centre, Served};
use crate::loopback::{Server, read_request};

/// The ticket form: form, token, post, poll the agents' side, delete.
const TICKET: &str = r#"
cleanup_timeout = "300ms"
secrets = { agents = { file = "agents-secret" } }

[[steps]]
name = "form"
http = { url = "CENTRE/tickets/new" }
capture = { csrf = { css = "input[name=csrf]", attribute = "value", otherwise = "missing" } }

[[steps]]
name = "send"
http = { url = "CENTRE/tickets", body = { form = { csrf = "{csrf}", subject = "{nonce}" } } }

[[steps]]
name = "arrives"
http = { url = "CENTRE/agents/tickets", headers = { authorization = "Bearer {agents}" } }
until = { every = "100ms", within = "500ms", otherwise = "lost", expect = { body = [{ contains = "{nonce}" }] } }
capture = { ticket = { json = "$.tickets[0].id" } }

[[cleanup]]
name = "delete"
http = { method = "DELETE", url = "CENTRE/agents/tickets/{ticket}", headers = { authorization = "Bearer {agents}" } }
"#;

/// The hotline: ask for a callback, wait until it rings, cancel.
const HOTLINE: &str = r#"
cleanup_timeout = "300ms"

[[steps]]
name = "ask"
http = { url = "CENTRE/hotline/callbacks", body = { json = { number = "+49 30 5550100" } } }
capture = { status_page = { header = "location" } }

[[steps]]
name = "rings"
http = { url = "{status_page}", expect = { json = [{ path = "$.status", matches = "^(queued|ringing)$", otherwise = "busy" }] } }
until = { every = "100ms", within = "500ms", otherwise = "queue_timeout", expect = { json = [{ path = "$.status", equals = "ringing" }] } }

[[cleanup]]
name = "cancel"
http = { method = "DELETE", url = "{status_page}" }
"#;

const TIMEOUT: Duration = Duration::from_secs(5);

fn failure_of(outcome: &Outcome) -> (Stage, &str, Reason, Option<Reason>) {
    let failure = outcome.verdict.failure().unwrap_or_else(|| panic!("no failure: {:?}", outcome.verdict));
    (failure.stage, failure.step.as_deref().unwrap_or_default(), failure.reason, failure.cause)
}

#[tokio::test]
async fn a_ticket_is_sent_found_on_the_agents_side_and_deleted() {
    let centre = Centre::open().await;
    let (outcome, checks) = centre.run(TICKET, TIMEOUT).await;
    assert_eq!(outcome.verdict, Verdict::Ok);
    assert_eq!(centre.support.tickets(), 0);
    assert!(checks.iter().all(|check| check.held == Some(true)), "{checks:?}");
    let steps: Vec<_> = outcome.phases.iter().filter_map(|phase| phase.step.as_deref()).collect();
    for step in ["form", "send", "arrives", "delete"] {
        assert!(steps.contains(&step), "{steps:?}");
    }
    let redirected = outcome.phases.iter().filter(|phase| phase.hop == 1 && phase.kind == PhaseKind::Wait);
    assert_eq!(redirected.filter_map(|phase| phase.step.as_deref()).collect::<Vec<_>>(), ["send"]);
    assert!(checks.iter().any(|check| check.expectation.contains("csrf")));
}

#[tokio::test]
async fn a_ticket_that_never_arrives_is_lost() {
    let centre = Centre::open().await;
    centre.support.break_door(Door::TicketForm, Fault::Drop);
    let (outcome, checks) = centre.run(TICKET, TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Expect, "arrives", Reason::Lost, Some(Reason::Content)));
    assert!(outcome.duration >= Duration::from_millis(500), "the whole wait: {:?}", outcome.duration);
    assert!(outcome.phases.iter().any(|phase| phase.kind == PhaseKind::Pause));
    let broken: Vec<_> = checks.iter().filter(|check| check.held == Some(false)).collect();
    assert_eq!(broken.len(), 1, "only the last look is told: {broken:?}");
}

#[tokio::test]
async fn a_form_without_its_token_is_told_by_the_reason_that_the_capture_names() {
    let centre = Centre::open().await;
    let other = TICKET.replace("input[name=csrf]", "input[name=token]");
    let (outcome, _) = centre.run(&other, TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Capture, "form", Reason::Missing, Some(Reason::Content)));
}

#[tokio::test]
async fn an_error_page_fails_its_step_and_the_steps_behind_it_are_not_taken() {
    let centre = Centre::open().await;
    centre.support.break_door(Door::TicketForm, Fault::Error);
    let (outcome, checks) = centre.run(TICKET, TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Expect, "form", Reason::Status, None));
    assert!(checks.iter().all(|check| check.step.as_deref() == Some("form")), "{checks:?}");
}

#[tokio::test]
async fn a_callback_is_asked_for_rings_and_is_cancelled() {
    let centre = Centre::open().await;
    let (outcome, _) = centre.run(HOTLINE, TIMEOUT).await;
    assert_eq!(outcome.verdict, Verdict::Ok);
    assert_eq!(centre.support.callbacks(), 0);
}

#[tokio::test]
async fn a_busy_hotline_is_told_at_once_and_the_callback_is_cancelled_all_the_same() {
    let centre = Centre::open().await;
    centre.support.break_door(Door::Hotline, Fault::Busy);
    let (outcome, _) = centre.run(HOTLINE, TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Expect, "rings", Reason::Busy, Some(Reason::Content)));
    assert!(!outcome.phases.iter().any(|phase| phase.kind == PhaseKind::Pause), "it did not wait");
    assert_eq!(centre.support.callbacks(), 0);
}

#[tokio::test]
async fn a_queue_that_never_moves_is_a_queue_timeout() {
    let centre = Centre::open().await;
    centre.support.break_door(Door::Hotline, Fault::Queue);
    let (outcome, _) = centre.run(HOTLINE, TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Expect, "rings", Reason::QueueTimeout, Some(Reason::Content)));
    assert_eq!(centre.support.callbacks(), 0);
}

#[tokio::test]
async fn a_door_that_hangs_fails_in_the_phase_it_hung_in_and_the_run_ends_in_time() {
    let centre = Centre::open().await;
    centre.support.break_door(Door::Hotline, Fault::Hang);
    let (outcome, _) = centre.run(HOTLINE, Duration::from_secs(1)).await;
    assert_eq!(failure_of(&outcome), (Stage::Wait, "ask", Reason::FirstByteTimeout, None));
    assert_eq!(centre.support.callbacks(), 0);
}

/// The way hangs in its last step; what the first has made is cleaned up within the run's own time.
#[tokio::test]
async fn the_cleanup_has_its_time_when_the_way_hangs() {
    let centre = Centre::open().await;
    let hangs = r#"
        cleanup_timeout = "500ms"
        steps = [
            { name = "ask", http = { url = "CENTRE/hotline/callbacks", body = { json = { number = "+1" } } },
               capture = { callback = { json = "$.id" } } },
            { name = "form", http = { url = "CENTRE/tickets/new" } },
        ]
        cleanup = [{ name = "cancel", http = { method = "DELETE", url = "CENTRE/hotline/callbacks/{callback}" } }]
        "#;
    centre.support.break_door(Door::TicketForm, Fault::Hang);
    let (outcome, _) = centre.run(hangs, Duration::from_secs(1)).await;
    assert_eq!(failure_of(&outcome), (Stage::Wait, "form", Reason::FirstByteTimeout, None));
    assert_eq!(centre.support.callbacks(), 0);
}

#[tokio::test]
async fn a_cleanup_that_fails_makes_a_good_run_degraded_and_is_shown() {
    let centre = Centre::open().await;
    let stubborn = HOTLINE.replace("method = \"DELETE\"", "method = \"PUT\"");
    let (outcome, checks) = centre.run(&stubborn, TIMEOUT).await;
    assert!(matches!(outcome.verdict, Verdict::Degraded(_)), "{:?}", outcome.verdict);
    assert_eq!(failure_of(&outcome), (Stage::Expect, "cancel", Reason::Status, None));
    assert!(
        checks.iter().any(|check| &*check.expectation == "cleans up" && check.held == Some(false)),
        "{checks:?}"
    );
}

#[tokio::test]
async fn a_captured_address_leads_nowhere_but_to_hosts_that_the_journey_names() {
    let centre = Centre::open().await;
    let elsewhere = r#"
        [[steps]]
        name = "form"
        http = { url = "CENTRE/" }
        capture = { away = { css = "a.elsewhere", attribute = "href" } }
        [[steps]]
        name = "follow"
        http = { url = "{away}" }
    "#;
    let (outcome, _) = centre.run(elsewhere, TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Send, "follow", Reason::RedirectBlocked, None));
}

#[tokio::test]
async fn every_run_has_a_nonce_and_cookies_of_its_own() {
    let centre = Centre::open().await;
    let keeps = TICKET.replace("[[cleanup]]", "[[steps]]").replace("method = \"DELETE\"", "method = \"GET\"");
    let keeps = keeps.replace("CENTRE/agents/tickets/{ticket}", "CENTRE/agents/tickets?after={ticket}");
    for _ in 0..3 {
        let (outcome, _) = centre.run(&keeps, TIMEOUT).await;
        assert_eq!(outcome.verdict, Verdict::Ok);
    }
    let subjects = std::collections::BTreeSet::from_iter(centre.subjects().await);
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    assert!(subjects.iter().all(|subject| subject.starts_with("lamplighter-")), "{subjects:?}");
}

/// An API that hands out a token for a key, and answers only to that token.
async fn api_with_login(key: &'static str) -> (String, JoinSet<()>) {
    let login = move |Json(asked): Json<Value>| async move {
        if asked["key"] == key {
            Json(json!({ "access_token": "a token of {its} own" })).into_response()
        } else {
            StatusCode::FORBIDDEN.into_response()
        }
    };
    let desk = |headers: HeaderMap| async move {
        let known = headers.get("authorization").is_some_and(|value| value == "Bearer a token of {its} own");
        if known { StatusCode::OK } else { StatusCode::UNAUTHORIZED }
    };
    let routes = Router::new().route("/login", post(login)).route("/desk", get(desk));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut served = JoinSet::new();
    served.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (base, served)
}

#[tokio::test]
async fn a_token_that_a_login_hands_out_is_the_bearer_of_the_next_step() {
    let centre = Centre::open().await;
    let (base, _served) = api_with_login(fixture::AGENTS_SECRET).await;
    let journey = r#"
        secrets = { key = { file = "agents-secret" } }
        [[steps]]
        name = "login"
        http = { url = "BASE/login", body = { json = { key = "{key}" } } }
        capture = { token = { json = "$.access_token", otherwise = "auth" } }
        [[steps]]
        name = "desk"
        http = { url = "BASE/desk", bearer = "{token}" }
    "#;
    let journey = journey.replace("BASE", &base);
    let (outcome, checks) = centre.run(&journey, TIMEOUT).await;
    assert_eq!(outcome.verdict, Verdict::Ok, "{checks:?}");
    let (outcome, _) = centre.run(&journey.replace("\"{token}\"", "\"{key}\""), TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Expect, "desk", Reason::Auth, None));
}

#[tokio::test]
async fn a_secret_is_sent_and_never_told() {
    let centre = Centre::open().await;
    let echoed = TICKET.replace("subject = \"{nonce}\"", "subject = \"{nonce} {agents}\"");
    let echoed = echoed.replace("contains = \"{nonce}\"", "not_contains = \"{nonce}\"");
    let (outcome, checks) = centre.run(&echoed, TIMEOUT).await;
    assert_eq!(failure_of(&outcome).1, "arrives", "the agents' side took the secret as a credential");
    let told = format!("{outcome:?} {checks:?}");
    assert!(!told.contains(fixture::AGENTS_SECRET), "{told}");
}

#[tokio::test]
async fn neither_a_captured_token_nor_a_session_cookie_is_shown() {
    let form = "<input name=csrf value=t-0123456789abcdef>";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nset-cookie: sid=s-0123456789abcdef; HttpOnly\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    let shop = Server::start(move |mut stream| {
        let answer = answer.clone();
        async move {
            read_request(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let journey = r#"
        [[steps]]
        name = "form"
        http = { url = "SHOP/", expect = { headers = [{ name = "set-cookie", contains = "sid=" }] } }
        capture = { csrf = { css = "input[name=csrf]", attribute = "value" }, sid = { cookie = "sid" } }
        [[steps]]
        name = "send"
        http = { url = "SHOP/", body = { form = { csrf = "{csrf}" } }, expect = { body = [{ contains = "thank you" }] } }
    "#;
    let journey = journey.replace("SHOP", &format!("http://{}", shop.address));
    let (outcome, checks) = Centre::open().await.run(&journey, TIMEOUT).await;
    let shown = format!("{outcome:?} {checks:?}");
    assert!(!shown.contains("0123456789abcdef"), "{shown}");
    let detail = outcome.verdict.failure().unwrap().detail.as_str();
    assert!(detail.ends_with("saw <input name=csrf value={csrf}>"), "{detail}");
    assert!(checks.iter().any(|check| check.seen.as_str() == "sid=…; HttpOnly"), "{checks:?}");
}

#[tokio::test]
async fn the_step_with_which_a_person_is_reached_is_counted_and_may_be_too_far() {
    let served = Served::open(Router::new().fallback(async || "here")).await;
    let step = |name: &str, more: &str| {
        format!("{{ name = \"{name}\", http = {{ url = \"CENTRE/{name}\" }}{more} }}")
    };
    let wait = ", until = { within = \"1s\", expect = { status = [200] } }";
    for (between, steps, reason) in [(1, 2, None), (3, 4, None), (4, 5, Some(Reason::TooManySteps))] {
        let mut way = vec![step("arrive", "")];
        way.extend((0..between).map(|number| step(&format!("page-{number}"), "")));
        way.push(step("loads", wait));
        way.push(step("form", ", reaches_person = true"));
        way.push(step("send", ""));
        let journey = format!("steps = [{}]", way.join(", "));
        let (outcome, _) = served.run(&journey, Duration::from_secs(10)).await;
        assert_eq!(outcome.contact.as_ref().and_then(|contact| contact.steps), Some(steps), "{outcome:?}");
        assert_eq!(outcome.verdict.failure().map(|failure| failure.reason), reason, "{outcome:?}");
    }
}
