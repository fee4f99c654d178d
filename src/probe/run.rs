//! One run of a probe: the only place that knows its deadline. A run always ends as an [`Outcome`]: what a kind
//! reports, what running out of time means where it was, or that we could not look.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    select,
    sync::OwnedSemaphorePermit,
    time::{sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    domain::{
        channel::ProbeKey,
        exhibit::{Exhibit, Medium},
        outcome::{Detail, Failure, Inconclusive, InconclusiveReason, Outcome, Verdict},
    },
    probe::{
        Check, Picture, Probe, Report,
        captured::Captured,
        conversation::Transcript,
        exhibits,
        timeline::{Reached, Timeline},
        transport::fault::{stage_of, timeout_in},
    },
    secret::Redactor,
};

/// A run that has been told to stop is over after this time, whatever it has left to clean up.
const STOPPED_MAX: Duration = Duration::from_secs(3);

/// A run that has ended.
#[derive(Debug)]
pub struct Ended {
    /// What it saw.
    pub outcome: Outcome,
    /// Every expectation with what became of it.
    pub checks: Vec<Check>,
    /// What its window showed.
    pub pictures: Vec<Picture>,
    /// What was said.
    pub transcript: Transcript,
    /// What is kept of it; nothing of one that went well.
    pub exhibits: Vec<Exhibit>,
}

/// Runs a probe once. It ends at the deadline at the latest: then its future is dropped, and with it everything that
/// it had opened. Details and checks are handed on without the secrets that `redactor` knows and without the tokens that
/// the run has captured. A run that `stop` tells to end before it is done gives no outcome.
pub async fn run(
    probe: &dyn Probe,
    key: Arc<ProbeKey>,
    timeout: Duration,
    clock: Clock,
    redactor: &Redactor,
    stop: &CancellationToken,
) -> Option<Ended> {
    let turn = turn(probe, stop).await?;
    let started_at = clock.now();
    let timeline = Timeline::start();
    let looking = AssertUnwindSafe(probe.run(&timeline, stop)).catch_unwind();
    let ended = select! {
        biased;
        ended = timeout_at(timeline.started() + timeout, looking) => ended,
        () = overdue(probe, &key, stop) => return None,
    };
    if stop.is_cancelled() {
        return None;
    }
    let duration = timeline.elapsed();
    let reached = timeline.finish();
    drop(turn);
    let report = match ended {
        Ok(Ok(report)) => report,
        Ok(Err(_panic)) => Report::without_answer(panicked(&key)),
        Err(_elapsed) => Report::without_answer(Verdict::Failed(out_of_time(&reached, timeout))),
    };
    let Report {
        mut exhibits,
        mut verdict,
        certificate_expires_at,
        mut checks,
        captured,
        pictures,
        contact,
        mut transcript,
    } = report;
    let said = transcript.iter_mut().map(|utterance| &mut utterance.text);
    let shown = checks.iter_mut().map(|check| &mut check.seen).chain(said).chain(detail_of(&mut verdict));
    shown.for_each(|detail| clean(detail, redactor, &captured));
    let is_bad = matches!(verdict, Verdict::Degraded(_) | Verdict::Failed(_));
    exhibits =
        if is_bad { exhibits_of(exhibits, &reached, &transcript, redactor, &captured) } else { Vec::new() };
    let met = exhibits::met(&reached);
    let phases = reached.phases;
    let outcome =
        Outcome { probe: key, started_at, duration, verdict, phases, certificate_expires_at, contact, met };
    Some(Ended { outcome, checks, pictures, transcript, exhibits })
}

/// All that is kept of a run that has not gone well, without secrets. A picture shows what the page shows; a kind that has
/// put a secret there keeps none.
fn exhibits_of(
    given: Vec<Exhibit>,
    reached: &Reached,
    transcript: &Transcript,
    redactor: &Redactor,
    captured: &Captured,
) -> Vec<Exhibit> {
    let ours = exhibits::connection(reached).into_iter().chain(exhibits::transcript(transcript));
    let mut exhibits: Vec<Exhibit> = given.into_iter().chain(ours).collect();
    for exhibit in exhibits.iter_mut().filter(|exhibit| exhibit.medium == Medium::Text) {
        let text = String::from_utf8_lossy(&exhibit.bytes);
        let shown = captured.hide(&redactor.redact(&text)).into_owned();
        exhibit.bytes = shown.into_bytes().into();
    }
    exhibits
}

/// Waits until a run may begin. None if it is told to stop before.
async fn turn(probe: &dyn Probe, stop: &CancellationToken) -> Option<Option<OwnedSemaphorePermit>> {
    let Some(turns) = probe.turns() else { return Some(None) };
    select! {
        biased;
        () = stop.cancelled() => None,
        // Nobody closes it.
        turn = Arc::clone(turns).acquire_owned() => Some(turn.ok()),
    }
}

/// Ends when a run that was told to stop has had its time to clean up.
async fn overdue(probe: &dyn Probe, key: &ProbeKey, stop: &CancellationToken) {
    stop.cancelled().await;
    let time = probe.time_to_clean_up().min(STOPPED_MAX);
    if !time.is_zero() {
        sleep(time).await;
        tracing::warn!(probe = %key, "a run was cut off while it cleaned up, and may have left something behind");
    }
}

/// The deadline has struck: where the run was says what that means to a customer.
pub(super) fn out_of_time(reached: &Reached, timeout: Duration) -> Failure {
    let technical = timeout_in(reached.open);
    let (reason, cause) = match reached.on_deadline {
        Some(reason) if reason != technical => (reason, Some(technical)),
        _ => (technical, None),
    };
    let detail = format!("not done within {} s", timeout.as_secs_f64());
    Failure {
        stage: stage_of(reached.open),
        step: reached.step.clone(),
        reason,
        cause,
        detail: Detail::new(&detail),
    }
}

fn panicked(key: &ProbeKey) -> Verdict {
    tracing::error!(probe = %key, "a probe panicked; this is a bug of ours, please report it");
    let detail = Detail::new("the probe panicked; the log says where");
    Verdict::Inconclusive(Inconclusive { reason: InconclusiveReason::Internal, detail })
}

fn detail_of(verdict: &mut Verdict) -> Option<&mut Detail> {
    match verdict {
        Verdict::Ok => None,
        Verdict::Degraded(failure) | Verdict::Failed(failure) => Some(&mut failure.detail),
        Verdict::Inconclusive(inconclusive) => Some(&mut inconclusive.detail),
    }
}

/// Secrets go first: part of one may have been captured, and what that leaves of it would not be recognised.
fn clean(detail: &mut Detail, redactor: &Redactor, captured: &Captured) {
    let redacted = redactor.redact(detail.as_str());
    let hidden = captured.hide(&redacted);
    if hidden != detail.as_str() {
        *detail = Detail::new(&hidden);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{
            channel::{ChannelId, ProbeName},
            outcome::{PhaseKind, Reason, Stage},
        },
        probe::RunFuture,
        secret::Secret,
    };

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// A probe of which only the future matters, and how long it says that it cleans up.
    struct Acts<F>(F, Duration);

    impl<F> std::fmt::Debug for Acts<F> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Acts")
        }
    }

    impl<F: Fn(Timeline) -> RunFuture<'static> + Send + Sync> Probe for Acts<F> {
        fn run<'a>(&'a self, timeline: &'a Timeline, _: &'a CancellationToken) -> RunFuture<'a> {
            (self.0)(timeline.clone())
        }

        fn time_to_clean_up(&self) -> Duration {
            self.1
        }
    }

    async fn outcome(act: impl Fn(Timeline) -> RunFuture<'static> + Send + Sync) -> (Outcome, Vec<Check>) {
        let ended = run_until(&CancellationToken::new(), Acts(act, Duration::ZERO)).await.unwrap();
        (ended.outcome, ended.checks)
    }

    async fn run_until(stop: &CancellationToken, probe: impl Probe) -> Option<Ended> {
        let key = ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("launcher") };
        let clock = Clock::following("2026-01-31T12:00:00Z".parse().unwrap());
        let redactor = Redactor::new(&[Secret::new("hunter2-canary".to_owned())]);
        run(&probe, Arc::new(key), TIMEOUT, clock, &redactor, stop).await
    }

    fn hangs_in(
        phase: Option<PhaseKind>,
        on_deadline: Option<Reason>,
    ) -> impl Fn(Timeline) -> RunFuture<'static> {
        move |timeline| {
            Box::pin(async move {
                timeline.enter_step("ask".into());
                if let Some(reason) = on_deadline {
                    timeline.on_deadline(reason);
                }
                if let Some(phase) = phase {
                    timeline.begin(phase);
                }
                std::future::pending().await
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_hangs_ends_at_its_deadline_with_the_phase_it_died_in() {
        for (phase, stage, reason) in [
            (Some(PhaseKind::Resolve), Stage::Resolve, Reason::DnsTimeout),
            (Some(PhaseKind::Connect), Stage::Connect, Reason::ConnectTimeout),
            (Some(PhaseKind::Tls), Stage::Tls, Reason::TlsTimeout),
            (Some(PhaseKind::Send), Stage::Send, Reason::FirstByteTimeout),
            (Some(PhaseKind::Wait), Stage::Wait, Reason::FirstByteTimeout),
            (Some(PhaseKind::Transfer), Stage::Transfer, Reason::TransferTimeout),
            (None, Stage::Wait, Reason::FirstByteTimeout),
        ] {
            let (outcome, _) = outcome(hangs_in(phase, None)).await;
            let failure = outcome.verdict.failure().unwrap();
            assert_eq!((failure.stage, failure.reason, failure.cause), (stage, reason, None));
            assert_eq!(failure.step.as_deref(), Some("ask"));
            assert_eq!(outcome.duration, TIMEOUT);
            assert_eq!(outcome.phases.len(), usize::from(phase.is_some()), "the phase cut off is told");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_running_out_of_time_means_to_a_customer_comes_before_the_technical_word() {
        let (outcome, _) = outcome(hangs_in(Some(PhaseKind::Wait), Some(Reason::QueueTimeout))).await;
        let failure = outcome.verdict.failure().unwrap();
        assert_eq!((failure.reason, failure.cause), (Reason::QueueTimeout, Some(Reason::FirstByteTimeout)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_is_told_to_stop_has_the_time_to_clean_up_and_gives_no_outcome() {
        for (asked, given) in [
            (Duration::ZERO, Duration::ZERO),
            (Duration::from_secs(2), Duration::from_secs(2)),
            (Duration::from_secs(60), STOPPED_MAX),
        ] {
            let stop = CancellationToken::new();
            let running = run_until(&stop, Acts(hangs_in(None, None), asked));
            let telling = async {
                sleep(Duration::from_secs(1)).await;
                stop.cancel();
                tokio::time::Instant::now()
            };
            let (outcome, told_at) = tokio::join!(running, telling);
            assert!(outcome.is_none());
            assert_eq!(told_at.elapsed(), given, "it asked for {asked:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_no_evidence_against_the_channel() {
        let (outcome, _) = outcome(|_| Box::pin(async { panic!("a planted bug") })).await;
        let Verdict::Inconclusive(inconclusive) = outcome.verdict else { panic!("{:?}", outcome.verdict) };
        assert_eq!(inconclusive.reason, InconclusiveReason::Internal);
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_the_target_echoes_is_not_handed_on() {
        let seen = || Detail::new("you sent hunter2-canary");
        let (outcome, checks) = outcome(move |_| {
            let failure = Failure {
                stage: Stage::Expect,
                step: None,
                reason: Reason::Content,
                cause: None,
                detail: seen(),
            };
            let check =
                Check { step: None, expectation: "a greeting".into(), held: Some(false), seen: seen() };
            let report = Report { checks: vec![check], ..Report::without_answer(Verdict::Failed(failure)) };
            Box::pin(std::future::ready(report))
        })
        .await;
        assert!(!format!("{outcome:?}{checks:?}").contains("canary"), "{outcome:?} {checks:?}");
        assert_eq!(checks[0].seen.as_str(), "you sent ***");
    }
}
