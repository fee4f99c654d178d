//! Callers who wait: a hotline that says nothing but what its script says, look by look.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Json, Router, http::StatusCode, routing::post};
use lamplighter::domain::outcome::{PhaseKind, Reason, Stage, Verdict};
use serde_json::json;

use super::{failure_of, fixture::Served};

/// The way through a queue: until the caller is queued or it rings, then until it rings.
const TWO_WAITS: &str = r#"
cleanup_timeout = "300ms"

[[steps]]
name = "ask"
http = { method = "POST", url = "CENTRE/callbacks" }

[[steps]]
name = "taken"
http = { url = "CENTRE/callbacks" }
until = { every = "100ms", within = "500ms", otherwise = "no_answer", expect = { json = [{ path = "$.status", matches = "^(queued|ringing)$" }] } }

[[steps]]
name = "rings"
http = { url = "CENTRE/callbacks" }
until = { every = "100ms", within = "500ms", otherwise = "queue_timeout", expect = { json = [{ path = "$.status", equals = "ringing" }] } }

[[cleanup]]
name = "cancel"
http = { method = "DELETE", url = "CENTRE/callbacks" }
"#;

const TIMEOUT: Duration = Duration::from_secs(5);

struct Hotline {
    served: Served,
    looks: Arc<AtomicUsize>,
    cancelled: Arc<AtomicUsize>,
}

impl Hotline {
    /// Answers one look after the other with the statuses of the script, and all further ones with the last; an empty
    /// one is silence.
    async fn open(script: &'static [&'static str]) -> Self {
        let (looks, cancelled) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let (counted, deleted) = (Arc::clone(&looks), Arc::clone(&cancelled));
        let look = move || {
            let at = counted.fetch_add(1, Relaxed);
            async move {
                let status = script[at.min(script.len() - 1)];
                if status.is_empty() {
                    std::future::pending::<()>().await;
                }
                Json(json!({ "status": status }))
            }
        };
        let cancel = async move || {
            deleted.fetch_add(1, Relaxed);
            StatusCode::NO_CONTENT
        };
        let asked = post(|| async { StatusCode::ACCEPTED });
        let routes = Router::new().route("/callbacks", asked.get(look).delete(cancel));
        Self { served: Served::open(routes).await, looks, cancelled }
    }
}

#[tokio::test]
async fn a_callback_that_nobody_takes_is_no_answer() {
    let hotline = Hotline::open(&["accepted"]).await;
    let (outcome, _) = hotline.served.run(TWO_WAITS, TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Expect, "taken", Reason::NoAnswer, Some(Reason::Content)));
    assert_eq!(hotline.cancelled.load(Relaxed), 1);
    let looks = hotline.looks.load(Relaxed);
    assert!(
        (2..=6).contains(&looks),
        "ten a second for half a second, the last when the time is up: {looks}"
    );
}

#[tokio::test]
async fn a_callback_that_is_taken_and_stays_queued_is_a_queue_timeout() {
    let hotline = Hotline::open(&["accepted", "queued"]).await;
    let (outcome, _) = hotline.served.run(TWO_WAITS, TIMEOUT).await;
    assert_eq!(failure_of(&outcome), (Stage::Expect, "rings", Reason::QueueTimeout, Some(Reason::Content)));
    assert_eq!(hotline.cancelled.load(Relaxed), 1);
}

#[tokio::test]
async fn what_comes_after_its_budget_is_late_and_the_run_degraded() {
    let hotline = Hotline::open(&["queued", "queued", "ringing"]).await;
    let late = TWO_WAITS.replace("otherwise = \"queue_timeout\"", "late_after = \"50ms\"");
    let (outcome, _) = hotline.served.run(&late, TIMEOUT).await;
    assert!(matches!(outcome.verdict, Verdict::Degraded(_)), "{:?}", outcome.verdict);
    assert_eq!(failure_of(&outcome), (Stage::Expect, "rings", Reason::Late, None));
    assert_eq!(hotline.cancelled.load(Relaxed), 1);
}

#[tokio::test]
async fn silence_after_an_answer_means_what_the_wait_means_and_its_cause_is_the_silence() {
    let hotline = Hotline::open(&["queued", "queued", ""]).await;
    let (outcome, _) = hotline.served.run(TWO_WAITS, Duration::from_secs(2)).await;
    let failure = (Stage::Wait, "rings", Reason::QueueTimeout, Some(Reason::FirstByteTimeout));
    assert_eq!(failure_of(&outcome), failure);
    assert_eq!(hotline.cancelled.load(Relaxed), 1);
    let rings = outcome.phases.iter().filter(|phase| phase.step.as_deref() == Some("rings"));
    let waited: Vec<_> =
        rings.filter(|phase| phase.kind != PhaseKind::Connect).map(|phase| phase.kind).collect();
    assert_eq!(
        waited,
        [PhaseKind::Pause, PhaseKind::Send, PhaseKind::Wait],
        "all before the last look is one pause"
    );
}

#[tokio::test]
async fn silence_from_the_first_look_on_is_told_by_the_technical_reason_alone() {
    let hotline = Hotline::open(&[""]).await;
    let (outcome, _) = hotline.served.run(TWO_WAITS, Duration::from_millis(1_500)).await;
    assert_eq!(failure_of(&outcome), (Stage::Wait, "taken", Reason::FirstByteTimeout, None));
    assert_eq!(hotline.cancelled.load(Relaxed), 1);
}
