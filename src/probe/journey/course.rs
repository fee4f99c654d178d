//! One run of a journey: its steps in their order, then its cleanup, whatever happened before.
//!
//! The runner drops the whole future at the run's deadline, and dropped futures clean nothing up. So a journey that
//! has cleanup steps ends its other steps itself, early enough that the cleanup has its time within the run. When it
//! is told to stop, it waits no longer for anything but the answer under way, which may be that of a callback asked
//! for, and cleans up.

use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::Journey;
use crate::{
    domain::{
        contact::Contact,
        exhibit::Exhibit,
        outcome::{Detail, Verdict},
    },
    probe::{
        Check, Report,
        captured::Captured,
        persona::Session,
        run::out_of_time,
        timeline::Timeline,
        transport::fault::Broken,
        walk::{Walk, in_step, step::Step, stopped},
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
    walk: Walk<'j>,
    contact: Option<Box<Contact>>,
    /// What it has of its persona.
    session: Option<Arc<Session>>,
    /// What a login that failed had captured.
    captured: Captured,
    /// What was asked and answered last when something went wrong, before the cleanup asked further.
    shown: Option<Exhibit>,
}

impl<'j> Course<'j> {
    pub(super) fn begin(journey: &'j Journey, timeline: &'j Timeline, stop: &'j CancellationToken) -> Self {
        let walk = Walk::begin(&journey.way, timeline, stop);
        let captured = Captured::default();
        Self { journey, timeline, stop, walk, contact: None, session: None, captured, shown: None }
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
                if ended.is_err() || self.walk.blemish.is_some() {
                    self.shown = self.walk.last_exchange();
                }
                let clearance = DEADLINE_CLEARANCE_MAX.min(reserved / 4);
                self.clean_up(reserved - clearance).await;
                ended
            }
        };
        if let (Err(Broken::Failed(_)), Some(session)) = (&ended, &self.session) {
            session.distrust();
        }
        let Self { mut walk, contact, captured, shown, .. } = self;
        let verdict = match (ended, walk.blemish.take()) {
            (Err(broken), _) => broken.into(),
            (Ok(()), Some(blemish)) => Verdict::Degraded(blemish),
            (Ok(()), None) => Verdict::Ok,
        };
        let exhibits = shown.or_else(|| walk.last_exchange());
        let exhibits = exhibits.filter(|_| verdict != Verdict::Ok).into_iter().collect();
        Report {
            exhibits,
            certificate_expires_at: walk.certificate_expires_at,
            checks: std::mem::take(&mut walk.checks),
            captured: walk.into_captured().and(&captured),
            contact,
            ..Report::without_answer(verdict)
        }
    }

    async fn walk(&mut self) -> Result<(), Broken> {
        let journey = self.journey;
        if let Some(persona) = &journey.persona {
            let session = persona.session(self.timeline, self.stop).await.map_err(|failed| {
                self.captured = failed.captured;
                failed.broken
            })?;
            self.walk.wear(persona, Arc::clone(self.session.insert(session)));
        }
        for step in &journey.steps {
            if self.stop.is_cancelled() {
                return Err(stopped());
            }
            self.walk.take(step).await?;
            if step.reaches_person {
                self.reach_person(step);
            }
        }
        Ok(())
    }

    /// A person is reached: with the first step a customer has arrived, and with each that followed has done something,
    /// unless it was waiting.
    fn reach_person(&mut self, step: &Step) {
        let steps = &self.journey.steps;
        let at = steps.iter().position(|taken| std::ptr::eq(taken, step)).unwrap_or_default();
        let actions = steps[..=at].iter().skip(1).filter(|taken| !taken.waits()).count();
        let steps = u16::try_from(actions).unwrap_or(u16::MAX);
        self.contact = Some(Box::new(Contact { steps: Some(steps), ..Contact::default() }));
        let far = self.journey.budget.exceeded(steps, &step.name);
        self.walk.blemish = self.walk.blemish.take().or(far);
    }

    /// Takes every cleanup step that has something to clean up. What fails here takes nothing from what was seen
    /// before, and nothing but the appearance from a run that went well.
    async fn clean_up(&mut self, limit: Duration) {
        let journey = self.journey;
        let until = Instant::now() + limit;
        for step in &journey.cleanup {
            if !self.walk.can_take(step) {
                continue;
            }
            let broken = match timeout_at(until, self.walk.take(step)).await {
                Ok(Ok(_)) => continue,
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
            self.walk.checks.push(Check {
                step: Some(Arc::clone(&step.name)),
                expectation: "cleans up".into(),
                held: Some(false),
                seen: failure.detail.clone(),
            });
            self.walk.blemish.get_or_insert(failure);
        }
    }
}

/// Ends when the step under way has had its time since the journey was told to stop.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(LAST_STEP_MAX).await;
}
