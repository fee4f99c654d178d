//! Requests in their order, as whoever follows a way makes them: a customer on a journey, a chat that is polled. The
//! texts of a request may have variables; what an answer holds is captured into variables for the requests that follow.
//!
//! Every walk is a new customer's: a cookie jar of its own, a nonce of its own. Whatever can be wrong with it besides
//! what its targets do is found while the configuration is loaded: a variable always has its value when it is used.

pub mod blueprint;
pub mod capture;
pub mod frame;
pub mod step;
mod template;
mod variables;

use std::{cell::OnceCell, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    select,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use url::{Origin, Url};

use self::{
    capture::Answered,
    step::{Bearings, Step, Until, Wording},
    variables::Variables,
};
use crate::{
    clock::Clock,
    domain::{
        exhibit::Exhibit,
        outcome::{Detail, Failure, Inconclusive, InconclusiveReason, PhaseKind, Reason, Stage, Verdict},
    },
    probe::{
        Check,
        captured::Captured,
        exhibits::Asked,
        expect::{Expectations, Fill, Judged},
        jar::Jar,
        persona::{Persona, Session},
        request::draft::Text,
        timeline::Timeline,
        transport::{
            Answer, Transport,
            fault::Broken,
            prepared::Prepared,
            socket::{Opening, Socket},
        },
    },
    secret::Secret,
};

/// What every walk of a probe shares.
#[derive(Debug)]
pub struct Way {
    transport: Arc<Transport>,
    clock: Clock,
    secrets: Vec<(Box<str>, Secret)>,
    /// The origins that the addresses of the steps name; a captured address leads nowhere else.
    origins: Vec<Origin>,
}

/// A walk under way.
pub struct Walk<'w> {
    way: &'w Way,
    timeline: &'w Timeline,
    stop: &'w CancellationToken,
    jar: Jar,
    variables: Variables,
    /// Where the last answer came from.
    page: Option<Url>,
    /// What became of every expectation.
    pub checks: Vec<Check>,
    /// The first thing over its budget.
    pub blemish: Option<Failure>,
    /// Earliest `notAfter` among the certificates presented.
    pub certificate_expires_at: Option<Timestamp>,
    /// What was asked and answered last.
    last: Option<(Asked, Option<Answer>)>,
    /// As whom it goes: the language, and the session.
    worn: Option<(Option<Arc<str>>, Arc<Session>)>,
}

impl<'w> Walk<'w> {
    /// Begins as a new customer.
    #[must_use]
    pub fn begin(way: &'w Way, timeline: &'w Timeline, stop: &'w CancellationToken) -> Self {
        let secrets = way.secrets.iter().map(|(name, secret)| (&**name, secret));
        Self {
            way,
            timeline,
            stop,
            jar: Jar::default(),
            variables: Variables::begin(way.clock.now(), secrets),
            page: None,
            checks: Vec::new(),
            blemish: None,
            certificate_expires_at: None,
            last: None,
            worn: None,
        }
    }

    /// Whether every variable of a step has its value.
    #[must_use]
    pub fn can_take(&self, step: &Step) -> bool {
        step.request.can_be_filled(&self.variables)
    }

    /// Gives a variable a value of ours.
    pub fn give(&mut self, name: &str, value: &str) {
        self.variables.give(name, value.to_owned());
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// What broke.
    pub async fn open_socket(&self, opening: &Opening, timeline: &Timeline) -> Result<Socket, Broken> {
        let prepared = self.dressed(opening.prepared.clone());
        let cookies = self.jar.header_for(&prepared.target.url);
        self.way.transport.open_socket(opening, &prepared, cookies, timeline).await
    }

    /// What was asked and answered last, to be kept.
    #[must_use]
    pub fn last_exchange(&self) -> Option<Exhibit> {
        self.last.as_ref().map(|(asked, answer)| asked.answered(answer.as_ref()))
    }

    /// A text with its variables filled in.
    ///
    /// # Errors
    /// A variable without a value, which is a bug of ours.
    pub fn word(&self, wording: &Wording) -> Result<Text, Broken> {
        wording.filled(&self.variables)
    }

    /// What a login leaves: its cookies, and what it has captured.
    #[must_use]
    pub fn into_session(self) -> (Jar, Captured) {
        (self.jar, self.variables.into_captured())
    }

    /// Goes on as a persona, with its cookies.
    pub fn wear(&mut self, persona: &Persona, session: Arc<Session>) {
        self.jar = session.jar();
        self.worn = Some((persona.locale.clone(), session));
    }

    /// What the target's answers have given.
    #[must_use]
    pub fn into_captured(self) -> Captured {
        let captured = self.variables.into_captured();
        match &self.worn {
            Some((_, session)) => captured.and(&session.captured),
            None => captured,
        }
    }

    /// Takes a step, as often as it takes until what it waits for is there; gives the last answer.
    ///
    /// # Errors
    /// What broke; the failure names the step.
    pub async fn take(&mut self, step: &Step) -> Result<Answer, Broken> {
        self.timeline.enter_step(Arc::clone(&step.name));
        self.make(step).await
    }

    /// The same, as part of the step under way.
    ///
    /// # Errors
    /// What broke; the failure names the step.
    pub async fn make(&mut self, step: &Step) -> Result<Answer, Broken> {
        self.answer(step).await.map_err(|broken| in_step(broken, &step.name))
    }

    async fn answer(&mut self, step: &Step) -> Result<Answer, Broken> {
        let answer = match &step.until {
            None => {
                let answer = self.exchange(step).await?;
                self.judge(step, &step.expect, &answer)?;
                answer
            }
            Some(until) => self.poll(step, until).await?,
        };
        self.capture(step, &answer)?;
        Ok(answer)
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
        let bearings = Bearings { page: self.page.as_ref(), origins: &self.way.origins };
        let prepared = step.request.prepare(&self.variables, bearings)?;
        let prepared = self.dressed(prepared);
        let (_, answered) = self.last.insert((Asked::of(&prepared), None));
        let answer = self.way.transport.exchange(&prepared, &self.jar, self.timeline).await?;
        self.certificate_expires_at =
            [self.certificate_expires_at, answer.certificate_expires_at].into_iter().flatten().min();
        self.page = Some(answer.url.clone());
        *answered = Some(answer.clone());
        Ok(answer)
    }

    /// A request as the persona makes it.
    #[must_use]
    pub fn dressed(&self, prepared: Prepared) -> Prepared {
        match &self.worn {
            Some((locale, session)) => session.dress(&prepared, locale.as_deref()),
            None => prepared,
        }
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
        expect.judge(answer, self.way.clock.now(), fill)
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

/// A run that was told to stop.
#[must_use]
pub fn stopped() -> Broken {
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

/// A failure with the step it belongs to.
#[must_use]
pub fn in_step(broken: Broken, step: &Arc<str>) -> Broken {
    match broken {
        Broken::Failed(failure) => Broken::Failed(Failure { step: Some(Arc::clone(step)), ..failure }),
        Broken::Inconclusive(inconclusive) => Broken::Inconclusive(inconclusive),
    }
}
