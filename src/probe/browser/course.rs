//! One run of a browser probe: its steps in their order, until one fails.
//!
//! The runner drops the whole future at the run's deadline. So the last moments of it are kept for what is left to do
//! when a step has failed: whether the browser itself is well, a picture, and the end of the visit.

mod exhibits;
mod expectations;
mod looks;
mod reach;
mod talk;

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use self::{
    exhibits::told_by,
    looks::{LOOK_EVERY, Need},
};
use super::{
    BrowserProbe,
    step::{Action, Spot, Step},
    trouble::{Circumstances, Trouble},
};
use crate::{
    domain::{
        contact::Contact,
        exhibit::Exhibit,
        outcome::{Detail, Failure, PhaseKind, Reason, Stage, Verdict},
    },
    probe::{
        Check, Picture, Report,
        captured::Captured,
        chromium::{
            events::{is_local, is_own_network, meaning},
            look::{Aim, Obstacle, Seen},
            release,
            visit::{Hitch, Visit},
        },
        conversation::Transcript,
        persona::Session,
        timeline::{Fact, Timeline},
        transport::{fault::Broken, never_reached},
    },
};

/// What is kept of a run for its end: so much, or a quarter if that is less. It is enough for the last look, for asking
/// whether the browser is well, what stands before the page, a picture, and the end of the visit.
const RESERVE_MAX: Duration = Duration::from_secs(2);

/// A page that is asked when a step's time is up has this time to answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);

/// A browser that is asked whether it is well when a page has not answered has this time: the page may keep the machine
/// busy.
const ALIVE_WITHIN: Duration = Duration::from_millis(900);

/// The picture of a failure takes no longer.
const PICTURE_WITHIN: Duration = Duration::from_millis(600);

/// The most pictures of a run.
const PICTURES_MAX: usize = 8;

/// A run under way.
pub(super) struct Course<'b> {
    probe: &'b BrowserProbe,
    timeline: &'b Timeline,
    stop: &'b CancellationToken,
    visit: Visit,
    /// When the last step must be over.
    limit: Instant,
    step: Arc<str>,
    has_clicked: bool,
    /// What might have been clicked and was not there.
    skipped: Vec<&'b Spot>,
    checks: Vec<Check>,
    pictures: Vec<Picture>,
    /// How much the customer has done so far.
    actions: u16,
    contact: Option<Contact>,
    transcript: Transcript,
    exhibits: Vec<Exhibit>,
    /// What it has of its persona.
    session: Option<Arc<Session>>,
    captured: Captured,
    /// Whether a secret stands on the page: then no picture of it is kept.
    has_told_secret: bool,
    /// The first thing over its budget.
    blemish: Option<Failure>,
}

/// How a step ends before it is done.
enum End {
    /// It cannot be looked at, and that is our doing.
    Broken(Broken),
    /// What the customer meets.
    Trouble(Trouble),
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl<'b> Course<'b> {
    /// Goes the whole way.
    pub(super) async fn run(
        probe: &'b BrowserProbe,
        timeline: &'b Timeline,
        stop: &'b CancellationToken,
    ) -> Report {
        let reserve = RESERVE_MAX.min(probe.timeout / 4);
        let deadline = timeline.started() + probe.timeout;
        let visit = match Self::visit(probe, deadline - reserve).await {
            Ok(visit) => visit,
            Err(broken) => return Report::without_answer(broken.into()),
        };
        let mut course = Self {
            probe,
            timeline,
            stop,
            visit,
            limit: deadline - reserve,
            step: "".into(),
            has_clicked: false,
            skipped: Vec::new(),
            checks: Vec::new(),
            pictures: Vec::new(),
            actions: 0,
            contact: None,
            transcript: Transcript::new(),
            exhibits: Vec::new(),
            session: None,
            captured: Captured::default(),
            has_told_secret: false,
            blemish: None,
        };
        let ended = match course.put_on_persona().await {
            Ok(()) => course.walk().await,
            Err(broken) => Err(broken),
        };
        timeline.end();
        if let (Err(Broken::Failed(_)), Some(session)) = (&ended, &course.session) {
            session.distrust();
        }
        let leave_by = (deadline - reserve / 5).min(Instant::now() + reserve);
        course.report(ended, leave_by).await
    }

    /// Begins in a browser that has nothing of the run before. What goes wrong with that is ours.
    async fn visit(probe: &BrowserProbe, limit: Instant) -> Result<Visit, Broken> {
        let running = timeout_at(limit, probe.chromium.running()).await;
        let running = running.map_err(|_| Broken::local("the browser did not start in time"))??;
        let beginning = Visit::begin(Arc::clone(&running), Arc::clone(&probe.device));
        let why = match timeout_at(limit, beginning).await {
            Ok(Ok(visit)) => return Ok(visit),
            Ok(Err(hitch)) => hitch.to_string(),
            Err(_) => "it does not answer".to_owned(),
        };
        running.spend();
        release(running).await;
        Err(Broken::local(format_args!("the browser failed: {why}")))
    }

    /// Leaves the page, and reports.
    async fn report(self, ended: Result<(), Broken>, leave_by: Instant) -> Report {
        let certificate_expires_at = self.certificate();
        let addresses = self.visit.log.documents.values().filter_map(|document| document.address);
        addresses.for_each(|address| self.timeline.learn(Fact::Connected(address)));
        let Self { visit, checks, pictures, blemish, contact, transcript, exhibits, captured, .. } = self;
        visit.leave(leave_by).await;
        let verdict = match (ended, blemish) {
            (Err(broken), _) => broken.into(),
            (Ok(()), Some(blemish)) => Verdict::Degraded(blemish),
            (Ok(()), None) => Verdict::Ok,
        };
        let contact = contact.map(Box::new);
        Report {
            certificate_expires_at,
            checks,
            pictures,
            contact,
            transcript,
            exhibits,
            captured,
            ..Report::without_answer(verdict)
        }
    }

    /// Goes as the persona, with its cookies.
    async fn put_on_persona(&mut self) -> Result<(), Broken> {
        let Some((persona, url)) = &self.probe.persona else { return Ok(()) };
        let session = persona.session(self.timeline, self.stop).await.map_err(|failed| {
            self.captured = failed.captured;
            failed.broken
        })?;
        self.session = Some(Arc::clone(&session));
        self.captured = session.captured.clone();
        for (name, value) in session.cookies(url) {
            let set = timeout_at(self.limit, self.visit.set_cookie(url.as_str(), &name, &value)).await;
            // A session is a secret that a page may show.
            self.has_told_secret = true;
            if !matches!(set, Ok(Ok(()))) {
                return Err(Broken::local("the browser does not take the cookies of the persona"));
            }
        }
        Ok(())
    }

    async fn walk(&mut self) -> Result<(), Broken> {
        let probe = self.probe;
        for step in &probe.steps {
            self.step = Arc::clone(&step.name);
            self.timeline.enter_step(Arc::clone(&step.name));
            self.timeline.begin(PhaseKind::Wait);
            let began = Instant::now();
            let until = self.limit.min(began + step.within);
            let taken = self.take(step, until).await;
            self.timeline.end();
            if let Err(end) = taken {
                return Err(self.fail(step, end).await);
            }
            self.actions = self.actions.saturating_add(step.action.is_customers().into());
            if step.reaches_person {
                self.reach_person_after(self.actions);
            }
            self.mind_lateness(step, began.elapsed());
            if step.has_picture {
                if let Err(end) = self.settle(self.limit).await {
                    return Err(self.fail(step, end).await);
                }
                self.picture(self.limit).await;
            }
        }
        Ok(())
    }

    async fn take(&mut self, step: &'b Step, until: Instant) -> Result<(), End> {
        let shown = match &step.action {
            Action::Open(url) => self.open(url, until).await?,
            Action::Click { on, opens } => {
                let need = if step.is_optional { Need::May } else { Need::Must };
                let Some(seen) = self.clear(on, Aim::Click, need, until).await? else {
                    self.note(step, None, "not there, and it need not be");
                    self.skipped.push(on);
                    // It was not done; what is counted after it is taken off here.
                    self.actions = self.actions.saturating_sub(1);
                    return Ok(());
                };
                self.click(on, &seen, until).await?;
                if let Some(opens) = opens {
                    self.has_clicked = true;
                    self.look_until(opens, Aim::Use, until).await?;
                }
                self.has_clicked |= !step.is_optional;
                seen.shown.unwrap_or_default()
            }
            Action::Type { into, text, is_secret } => {
                self.has_told_secret |= is_secret;
                self.write(into, text.expose(), until).await?
            }
            Action::Press(key) => {
                let pressing = self.visit.press(key.name, key.code, key.writes);
                Self::done(timeout_at(until, pressing).await)?;
                self.has_clicked = true;
                String::new()
            }
            Action::Select { from, option } => {
                let seen = self.look_until(from, Aim::Fill, until).await?;
                let choosing = self.visit.choose(&from.frames, option);
                match Self::done(timeout_at(until, choosing).await)? {
                    Some(obstacle) => return Err(Trouble::InTheWay(obstacle).into()),
                    None => seen.shown.unwrap_or_default(),
                }
            }
            Action::Upload { into, file } => self.upload(into, file, until).await?,
            Action::WaitFor(spot) => self.look_until(spot, Aim::See, until).await?.shown.unwrap_or_default(),
            Action::Expect(expectation) => self.expect(expectation, until).await?,
            Action::Talk(talk) => self.talk(talk).await?,
            Action::Reach(reach) => self.reach(reach, until).await?,
        };
        if let Some(why) = &self.visit.log.forbidden {
            let broken = Broken::failed(Stage::Connect, Reason::PolicyBlocked, why);
            return Err(End::Broken(broken));
        }
        self.note(step, Some(true), &shown);
        Ok(())
    }

    /// Goes to a page. What does not come in time may still be looked at by the steps that follow, once the answer has
    /// begun.
    async fn open(&mut self, url: &Url, until: Instant) -> Result<String, End> {
        if let Some((address, why)) = address_of(url).and_then(|it| Some((it, never_reached(it)?))) {
            let why = format_args!("{address} is {why}");
            return Err(End::Broken(Broken::failed(Stage::Connect, Reason::PolicyBlocked, why)));
        }
        let error = match timeout_at(until, self.visit.navigate(url.as_str())).await {
            Ok(Ok(error)) => error,
            Ok(Err(hitch)) => return Err(of_hitch(hitch)),
            Err(_) => return Err(self.no_answer().await),
        };
        if let Some(error) = error {
            return Err(End::Broken(self.unopened(&error)));
        }
        let document = self.visit.main_frame().and_then(|frame| self.visit.log.documents.get(frame)).cloned();
        if let Some(document) = document.filter(|document| document.status >= 400) {
            let detail = format!("the page answered {}", document.status);
            return Err(match self.wall().await {
                Some(_) => Trouble::Unmet(detail).into(),
                None => End::Broken(Broken::failed(Stage::Expect, Reason::Status, detail)),
            });
        }
        Ok(String::new())
    }

    /// The browser has no answer to show, and says why.
    fn unopened(&self, error: &str) -> Broken {
        if is_own_network(error) {
            return Broken::own_network(format_args!("the browser says {error}"));
        }
        if is_local(error) {
            return Broken::local(format_args!("the browser says {error}"));
        }
        let (stage, reason) = meaning(error);
        Broken::failed(stage, reason, format_args!("the page did not open: {error}"))
    }

    async fn no_answer(&mut self) -> End {
        if !self.visit.is_browser_alive(ALIVE_WITHIN).await {
            return End::Broken(Broken::local("the browser does not answer"));
        }
        let (stage, reason) = match self.visit.log.is_document_asked_for() {
            true => (Stage::Wait, Reason::FirstByteTimeout),
            false => (Stage::Connect, Reason::ConnectTimeout),
        };
        End::Broken(Broken::failed(stage, reason, "the page did not open in time"))
    }

    async fn click(&mut self, spot: &Spot, seen: &Seen, until: Instant) -> Result<(), End> {
        let clicking = self.visit.click(&spot.frames, seen.x, seen.y);
        match timeout_at(until, clicking).await {
            // A click that ends the page has been a click.
            Ok(Ok(()) | Err(Hitch::Refused(_))) => Ok(()),
            Ok(Err(hitch)) => Err(of_hitch(hitch)),
            Err(_) => Err(self.hung().await),
        }
    }

    async fn write(&mut self, into: &Spot, text: &str, until: Instant) -> Result<String, End> {
        let Some(seen) = self.clear(into, Aim::Fill, Need::Must, until).await? else {
            return Ok(String::new());
        };
        self.click(into, &seen, until).await?;
        Self::done(timeout_at(until, self.visit.write(text)).await)?;
        let words = into.words();
        let asking = self.visit.has_typed(&into.frames, text);
        if !Self::done(timeout_at(until, asking).await)? {
            let why = format!("what is typed does not stand in {words}");
            return Err(Trouble::InTheWay(Obstacle { reason: Reason::Unresponsive, why }).into());
        }
        Ok(seen.shown.unwrap_or_default())
    }

    async fn upload(&mut self, into: &Spot, file: &str, until: Instant) -> Result<String, End> {
        // Such fields are hidden behind a button of the page's own, and take a file all the same.
        let seen = self.look_until(into, Aim::Find, until).await?;
        Self::done(timeout_at(until, self.visit.upload(&into.frames, file)).await)?;
        Ok(seen.shown.unwrap_or_default())
    }

    /// Nothing has come from the page in time. If nothing comes from the browser either, that is ours.
    async fn hung(&mut self) -> End {
        match self.visit.is_browser_alive(ALIVE_WITHIN).await {
            true => Trouble::Hung.into(),
            false => End::Broken(Broken::local("the browser does not answer")),
        }
    }

    /// What a command has given; nothing in time means that the page hangs.
    fn done<T>(ended: Result<Result<T, Hitch>, tokio::time::error::Elapsed>) -> Result<T, End> {
        match ended {
            Ok(Ok(given)) => Ok(given),
            Ok(Err(hitch)) => Err(of_hitch(hitch)),
            Err(_) => Err(Trouble::Hung.into()),
        }
    }

    async fn fail(&mut self, step: &Step, end: End) -> Broken {
        // Such a page answers nothing more.
        let is_lost = matches!(
            end,
            End::Broken(Broken::Inconclusive(_)) | End::Trouble(Trouble::Crashed | Trouble::Hung)
        );
        let mut broken = match end {
            End::Broken(broken) => broken,
            End::Trouble(trouble) => {
                let wall = if is_lost { None } else { self.wall().await };
                trouble.broken(self.around(wall.as_deref()), &self.probe.closed)
            }
        };
        if let Broken::Failed(failure) = &mut broken {
            failure.step.get_or_insert_with(|| Arc::clone(&step.name));
            if let Some(otherwise) = step.otherwise.filter(|otherwise| *otherwise != failure.reason) {
                failure.cause = Some(failure.cause.unwrap_or(failure.reason));
                failure.reason = otherwise;
            }
            let seen = failure.detail.as_str().to_owned();
            self.note(step, Some(false), &seen);
        }
        if !is_lost {
            self.picture(Instant::now() + PICTURE_WITHIN).await;
            self.exhibit().await;
        }
        self.exhibits.extend(told_by(&self.visit.log));
        broken
    }

    fn around<'a>(&'a self, wall: Option<&'a str>) -> Circumstances<'a> {
        Circumstances { log: &self.visit.log, has_clicked: self.has_clicked, crash: self.visit.crash, wall }
    }

    /// What stands before the page, if the page can be asked.
    async fn wall(&mut self) -> Option<String> {
        timeout(ANSWER_WITHIN, self.visit.wall()).await.ok()?.ok()?
    }

    async fn picture(&mut self, until: Instant) {
        while self.pictures.len() < PICTURES_MAX {
            match timeout_at(until, self.visit.picture()).await {
                Ok(Ok(png)) => return self.pictures.push(Picture { step: Arc::clone(&self.step), png }),
                // A page that has just come cannot be drawn yet.
                Ok(Err(Hitch::Refused(_))) if Instant::now() < until => {
                    let _gone = self.visit.linger(until.min(Instant::now() + LOOK_EVERY)).await;
                }
                _ => return,
            }
        }
    }

    fn note(&mut self, step: &Step, held: Option<bool>, seen: &str) {
        self.checks.push(Check {
            step: Some(Arc::clone(&step.name)),
            expectation: step.action.words().into(),
            held,
            seen: Detail::new(seen),
        });
    }

    fn mind_lateness(&mut self, step: &Step, took: Duration) {
        let Some(budget) = step.late_after.filter(|budget| took > *budget) else { return };
        let (took, budget) = (took.as_secs_f64(), budget.as_secs_f64());
        let detail = Detail::new(&format!("took {took:.1} s, longer than its budget of {budget} s"));
        self.blemish.get_or_insert(Failure {
            stage: Stage::Expect,
            step: Some(Arc::clone(&step.name)),
            reason: Reason::Late,
            cause: None,
            detail,
        });
    }

    /// A person is reached: it was so far.
    fn reach_person_after(&mut self, steps: u16) {
        self.actions = steps;
        self.contact.get_or_insert_default().steps = Some(steps);
        let far = self.probe.budget.exceeded(steps, &self.step);
        self.blemish = self.blemish.take().or(far);
    }

    fn certificate(&self) -> Option<jiff::Timestamp> {
        let documents = self.visit.log.documents.values();
        documents.filter_map(|document| document.certificate_expires_at).min()
    }
}

/// The address that is written in place of a name.
fn address_of(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn of_hitch(hitch: Hitch) -> End {
    match hitch {
        Hitch::Lost(lost) => End::Broken(Broken::local(lost)),
        Hitch::Crashed => End::Trouble(Trouble::Crashed),
        Hitch::Refused(why) => End::Trouble(Trouble::Unseen(why)),
    }
}
