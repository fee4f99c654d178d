//! One run of a journey: its steps in their order, then its cleanup, whatever happened before.
//!
//! The runner drops the whole future at the run's deadline, and dropped futures clean nothing up. So a journey that
//! has cleanup steps ends its other steps itself, early enough that the cleanup has its time within the run. When it
//! is told to stop, it waits no longer for anything but the answer under way, which may be that of a callback asked
//! for, and cleans up.

use std::{cell::OnceCell, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    select,
    time::{Instant, sleep, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    Journey,
    capture::Answered,
    step::{Bearings, Step, Until},
    variables::Variables,
};
use crate::{
    domain::outcome::{Detail, Failure, Inconclusive, InconclusiveReason, PhaseKind, Reason, Stage, Verdict},
    probe::{
        Check, Report,
        expect::{Expectations, Fill, Judged},
        jar::Jar,
        run::out_of_time,
        timeline::Timeline,
        transport::{Answer, fault::Broken},
    },
};

/// What the end of the cleanup keeps clear of the run's deadline, so that the run still reports what it saw.
const DEADLINE_CLEARANCE_MAX: Duration = Duration::from_millis(100);

/// How long the step under way may still take when the journey is told to stop.
pub(super) const LAST_STEP_MAX: Duration = Duration::from_secs(1);

/// A journey under way.
pub(super) struct Course<'j> {
    journey: &'j Journey,
    timeline: &'j Timeline,
    stop: &'j CancellationToken,
    jar: Jar,
    variables: Variables,
    /// Where the last answer came from.
    page: Option<Url>,
    checks: Vec<Check>,
    /// The first thing over its budget.
    blemish: Option<Failure>,
    certificate_expires_at: Option<Timestamp>,
}

impl<'j> Course<'j> {
    pub(super) fn begin(journey: &'j Journey, timeline: &'j Timeline, stop: &'j CancellationToken) -> Self {
        let secrets = journey.secrets.iter().map(|(name, secret)| (&**name, secret));
        Self {
            journey,
            timeline,
            stop,
            jar: Jar::default(),
            variables: Variables::begin(journey.clock.now(), secrets),
            page: None,
            checks: Vec::new(),
            blemish: None,
            certificate_expires_at: None,
        }
    }

    /// Goes the whole way.
    pub(super) async fn run(mut self) -> Report {
        let ended = match self.journey.cleanup_time() {
            None => self.walk().await,
            Some(reserved) => {
                let limit = self.journey.timeout.saturating_sub(reserved);
                let (timeline, stop) = (self.timeline, self.stop);
                let ended = select! {
                    biased;
                    ended = timeout_at(timeline.started() + limit, self.walk()) => ended
                        .unwrap_or_else(|_| Err(Broken::Failed(out_of_time(&timeline.whereabouts(), limit)))),
                    () = overdue(stop) => Err(stopped()),
                };
                let clearance = DEADLINE_CLEARANCE_MAX.min(reserved / 4);
                self.clean_up(reserved - clearance).await;
                ended
            }
        };
        let verdict = match (ended, self.blemish) {
            (Err(broken), _) => broken.into(),
            (Ok(()), Some(blemish)) => Verdict::Degraded(blemish),
            (Ok(()), None) => Verdict::Ok,
        };
        Report {
            verdict,
            certificate_expires_at: self.certificate_expires_at,
            checks: self.checks,
            captured: self.variables.into_captured(),
            pictures: Vec::new(),
        }
    }

    async fn walk(&mut self) -> Result<(), Broken> {
        let journey = self.journey;
        for step in &journey.steps {
            if self.stop.is_cancelled() {
                return Err(stopped());
            }
            self.take(step).await.map_err(|broken| in_step(broken, &step.name))?;
        }
        Ok(())
    }

    /// Takes every cleanup step that has something to clean up. What fails here takes nothing from what was seen
    /// before, and nothing but the appearance from a run that went well.
    async fn clean_up(&mut self, limit: Duration) {
        let journey = self.journey;
        let until = Instant::now() + limit;
        for step in &journey.cleanup {
            if !step.request.can_be_filled(&self.variables) {
                continue;
            }
            let broken = match timeout_at(until, self.take(step)).await {
                Ok(Ok(())) => continue,
                Ok(Err(broken)) => broken,
                Err(_) => Broken::Failed(out_of_time(&self.timeline.whereabouts(), limit)),
            };
            let Broken::Failed(mut failure) = in_step(broken, &step.name) else { continue };
            if self.stop.is_cancelled() {
                // There will be no outcome to tell it.
                let (probe, step, reason) = (&journey.key, &step.name, failure.reason);
                tracing::warn!(%probe, %step, %reason, "a run that was told to stop has left something behind");
            }
            failure.detail = Detail::new(&format!("left behind by the cleanup: {}", failure.detail));
            self.checks.push(Check {
                step: Some(Arc::clone(&step.name)),
                expectation: "cleans up".into(),
                held: Some(false),
                seen: failure.detail.clone(),
            });
            self.blemish.get_or_insert(failure);
        }
    }

    async fn take(&mut self, step: &Step) -> Result<(), Broken> {
        self.timeline.enter_step(Arc::clone(&step.name));
        let answer = match &step.until {
            None => {
                let answer = self.exchange(step).await?;
                self.judge(step, &step.expect, &answer)?;
                answer
            }
            Some(until) => self.poll(step, until).await?,
        };
        self.capture(step, &answer)
    }

    /// Looks again and again until what is awaited is there. Every answer must meet the step's own expectations; one
    /// that does not ends the waiting at once. The last look is made when the time is up.
    async fn poll(&mut self, step: &Step, until: &Until) -> Result<Answer, Broken> {
        let began = Instant::now();
        let last_look_at = began + until.within;
        let mut looks = 0_u32;
        loop {
            let looked_at = Instant::now();
            looks += 1;
            let answer = self.exchange(step).await?;
            let checks_before = self.checks.len();
            self.judge(step, &step.expect, &answer)?;
            let awaited = self.look_at(&until.expect, &answer);
            let failure = match awaited.verdict {
                Verdict::Failed(failure) => failure,
                verdict => {
                    self.remember(step, awaited.checks);
                    self.blemish_of(verdict, step);
                    self.mind_lateness(step, until, began.elapsed());
                    return Ok(answer);
                }
            };
            if looked_at >= last_look_at {
                self.remember(step, awaited.checks);
                return Err(Broken::Failed(never_held(until, &failure, looks, began.elapsed())));
            }
            // Only the last look is told.
            self.checks.truncate(checks_before);
            if let Some(reason) = until.otherwise {
                self.timeline.on_deadline(reason);
            }
            self.timeline.begin(PhaseKind::Pause);
            select! {
                biased;
                () = self.stop.cancelled() => return Err(stopped()),
                () = sleep_until(last_look_at.min(looked_at + until.every)) => {}
            }
            self.timeline.try_again();
        }
    }

    async fn exchange(&mut self, step: &Step) -> Result<Answer, Broken> {
        let bearings = Bearings { page: self.page.as_ref(), origins: &self.journey.origins };
        let prepared = step.request.prepare(&self.variables, bearings)?;
        let answer = self.journey.transport.exchange(&prepared, &self.jar, self.timeline).await?;
        self.certificate_expires_at =
            [self.certificate_expires_at, answer.certificate_expires_at].into_iter().flatten().min();
        self.page = Some(answer.url.clone());
        Ok(answer)
    }

    fn judge(&mut self, step: &Step, expect: &Expectations, answer: &Answer) -> Result<(), Broken> {
        let judged = self.look_at(expect, answer);
        self.remember(step, judged.checks);
        match judged.verdict {
            Verdict::Failed(failure) => Err(Broken::Failed(failure)),
            Verdict::Inconclusive(inconclusive) => Err(Broken::Inconclusive(inconclusive)),
            verdict => {
                self.blemish_of(verdict, step);
                Ok(())
            }
        }
    }

    fn look_at(&self, expect: &Expectations, answer: &Answer) -> Judged {
        let fill: Fill<'_> = &|text| self.variables.fill(text);
        expect.judge(answer, self.journey.clock.now(), fill)
    }

    fn capture(&mut self, step: &Step, answer: &Answer) -> Result<(), Broken> {
        let cookie = |name: &str| self.jar.value(&answer.url, name);
        let page = OnceCell::new();
        let answered = Answered { headers: &answer.headers, body: &answer.body, cookie: &cookie, page };
        let taken: Vec<_> = step.captures.iter().map(|capture| (capture, capture.take(&answered))).collect();
        for (capture, taken) in taken {
            let expectation = format!("{} from {}", capture.name, capture.place()).into();
            let seen = Detail::new(taken.as_ref().map_or_else(String::as_str, |_| "a value"));
            self.checks.push(Check {
                step: Some(Arc::clone(&step.name)),
                expectation,
                held: Some(taken.is_ok()),
                seen,
            });
            let value = taken.map_err(|missing| {
                let detail =
                    format!("failed to capture {} from {}: {missing}", capture.name, capture.place());
                Broken::Failed(Failure {
                    stage: Stage::Capture,
                    step: None,
                    reason: capture.otherwise.unwrap_or(Reason::Content),
                    cause: capture.otherwise.map(|_| Reason::Content),
                    detail: Detail::new(&detail),
                })
            })?;
            self.variables.set(&capture.name, value);
        }
        Ok(())
    }

    fn mind_lateness(&mut self, step: &Step, until: &Until, waited: Duration) {
        let Some(budget) = until.late_after.filter(|budget| waited > *budget) else { return };
        let (waited, budget) = (waited.as_secs_f64(), budget.as_secs_f64());
        let detail = format!("held after {waited:.1} s, later than its budget of {budget} s");
        self.blemish.get_or_insert(Failure {
            stage: Stage::Expect,
            step: Some(Arc::clone(&step.name)),
            reason: Reason::Late,
            cause: None,
            detail: Detail::new(&detail),
        });
    }

    fn blemish_of(&mut self, verdict: Verdict, step: &Step) {
        if let Verdict::Degraded(mut failure) = verdict {
            failure.step = Some(Arc::clone(&step.name));
            self.blemish.get_or_insert(failure);
        }
    }

    fn remember(&mut self, step: &Step, checks: Vec<Check>) {
        let named = checks.into_iter().map(|check| Check { step: Some(Arc::clone(&step.name)), ..check });
        self.checks.extend(named);
    }
}

/// Ends when the step under way has had its time since the journey was told to stop.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(LAST_STEP_MAX).await;
}

fn stopped() -> Broken {
    let detail = Detail::new("told to stop before it was done");
    Broken::Inconclusive(Inconclusive { reason: InconclusiveReason::Shutdown, detail })
}

/// What is told when the time is up and what was awaited is not there.
fn never_held(until: &Until, last: &Failure, looks: u32, waited: Duration) -> Failure {
    let waited = waited.as_secs_f64();
    let detail = format!("not after {looks} looks in {waited:.1} s: {}", last.detail);
    Failure {
        stage: Stage::Expect,
        step: None,
        reason: until.otherwise.unwrap_or(last.reason),
        cause: until.otherwise.map_or(last.cause, |_| Some(last.cause.unwrap_or(last.reason))),
        detail: Detail::new(&detail),
    }
}

fn in_step(broken: Broken, step: &Arc<str>) -> Broken {
    match broken {
        Broken::Failed(failure) => Broken::Failed(Failure { step: Some(Arc::clone(step)), ..failure }),
        Broken::Inconclusive(inconclusive) => Broken::Inconclusive(inconclusive),
    }
}
