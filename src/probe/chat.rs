//! The kind `chat`: is anybody there? A conversation over a WebSocket, or over requests that are polled, as a customer's
//! page or app holds it with the service. It ends as soon as it knows, and is left politely whatever happened.

mod polling;
mod settings;
mod websocket;

use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub use self::settings::ChatSettings;
use self::{polling::Polling, websocket::WebSocket};
use crate::{
    clock::Clock,
    domain::{exhibit::Exhibit, outcome::Verdict},
    probe::{
        Probe, Report, RunFuture,
        asks::Asks,
        conversation::{Circumstances, Line, Record, hold, script::Script},
        persona::Persona,
        run::out_of_time,
        steps::StepsBudget,
        timeline::Timeline,
        transport::fault::Broken,
        walk::{Walk, Way, stopped},
    },
};

/// What is kept of a run for leaving the conversation: so much, or an eighth if that is less.
const LEAVING_MAX: Duration = Duration::from_secs(1);

/// The variable that stands for what is said.
const SAID: &str = "text";

/// A chat, ready to be held.
#[derive(Debug)]
struct Chat {
    place: Place,
    way: Way,
    script: Script,
    asks: Asks,
    budget: StepsBudget,
    timeout: Duration,
    clock: Clock,
    persona: Option<Arc<Persona>>,
}

/// Where it is held.
#[derive(Debug)]
enum Place {
    WebSocket(Box<WebSocket>),
    Polling(Box<Polling>),
}

/// An open line that can be left.
trait Leave: Line {
    /// What was asked and answered last, to be kept.
    fn last_exchange(&self) -> Option<Exhibit>;

    /// Leaves the conversation. What goes wrong with that may be told as what is left behind.
    fn leave(self) -> impl Future<Output = Result<(), Broken>> + Send;
}

impl Chat {
    fn leaving_time(&self) -> Duration {
        LEAVING_MAX.min(self.timeout / 8)
    }

    async fn hold(&self, timeline: &Timeline, stop: &CancellationToken) -> Report {
        let mut walk = Walk::begin(&self.way, timeline, stop);
        let mut worn = None;
        if let Some(persona) = &self.persona {
            match persona.session(timeline, stop).await {
                Ok(session) => walk.wear(persona, Arc::clone(worn.insert(session))),
                Err(failed) => return failed.report(),
            }
        }
        let mut shown = None;
        let held = match &self.place {
            Place::WebSocket(place) => match place.open(&walk, timeline).await {
                Ok(socket) => {
                    walk.certificate_expires_at = socket.certificate_expires_at;
                    Ok(self.talk(place.line(socket, &mut walk), &mut shown, timeline, stop).await)
                }
                Err(broken) => Err(broken),
            },
            Place::Polling(place) => match self.open(place, &mut walk, timeline, stop).await {
                Ok(()) => Ok(self.talk(place.line(&mut walk, timeline), &mut shown, timeline, stop).await),
                Err(broken) => {
                    shown = walk.last_exchange();
                    // What broke is told already; what else breaks adds nothing to it.
                    drop(timeout_at(self.left_by(timeline), place.line(&mut walk, timeline).leave()).await);
                    Err(broken)
                }
            },
        };
        let report = self.report(held, shown, walk);
        if let (Verdict::Failed(_), Some(session)) = (&report.verdict, worn) {
            session.distrust();
        }
        report
    }

    /// By when it must have been left.
    fn left_by(&self, timeline: &Timeline) -> Instant {
        let reserve = self.leaving_time();
        (timeline.started() + self.timeout - reserve / 8).min(Instant::now() + reserve)
    }

    /// Opens a conversation over requests, early enough that what was opened can still be left.
    async fn open(
        &self,
        place: &Polling,
        walk: &mut Walk<'_>,
        timeline: &Timeline,
        stop: &CancellationToken,
    ) -> Result<(), Broken> {
        let reserve = self.leaving_time();
        let limit = self.timeout - reserve;
        let overdue = async {
            stop.cancelled().await;
            sleep(reserve / 2).await;
        };
        select! {
            biased;
            opened = timeout_at(timeline.started() + limit, place.open(walk)) => opened
                .unwrap_or_else(|_| Err(Broken::Failed(out_of_time(&timeline.whereabouts(), limit)))),
            () = overdue => Err(stopped()),
        }
    }

    /// Holds the conversation over an open line, and leaves it. What was asked and answered last before that is put into
    /// `shown`: the answer to a farewell proves nothing.
    async fn talk<L: Leave>(
        &self,
        mut line: L,
        shown: &mut Option<Exhibit>,
        timeline: &Timeline,
        stop: &CancellationToken,
    ) -> Record {
        let reserve = self.leaving_time();
        let limit = timeline.started() + self.timeout - reserve;
        let around = Circumstances { timeline, limit, now: self.clock.now(), asks: &self.asks, stop };
        let mut record = hold(&self.script, &mut line, around).await;
        *shown = line.last_exchange();
        if let Ok(Err(Broken::Failed(failure))) = timeout_at(self.left_by(timeline), line.leave()).await {
            record.blemish.get_or_insert(failure);
        }
        record
    }

    fn report(&self, held: Result<Record, Broken>, shown: Option<Exhibit>, mut walk: Walk<'_>) -> Report {
        let blemish = walk.blemish.take();
        let mut checks = std::mem::take(&mut walk.checks);
        let certificate_expires_at = walk.certificate_expires_at;
        let exhibits: Vec<_> = shown.into_iter().collect();
        let captured = walk.into_captured();
        let record = match held {
            Ok(record) => record,
            Err(broken) => {
                let report = Report::without_answer(broken.into());
                return Report { checks, certificate_expires_at, captured, exhibits, ..report };
            }
        };
        checks.extend(record.checks);
        let far = record.contact.steps.and_then(|steps| self.budget.exceeded(steps, self.script.last()));
        let verdict = match (record.ended, record.blemish.or(far).or(blemish)) {
            (Err(broken), _) => broken.into(),
            (Ok(()), Some(blemish)) => Verdict::Degraded(blemish),
            (Ok(()), None) => Verdict::Ok,
        };
        Report {
            verdict,
            certificate_expires_at,
            checks,
            captured,
            pictures: Vec::new(),
            contact: Some(Box::new(record.contact)),
            transcript: record.transcript,
            exhibits,
        }
    }
}

impl Probe for Chat {
    fn run<'a>(&'a self, timeline: &'a Timeline, stop: &'a CancellationToken) -> RunFuture<'a> {
        Box::pin(self.hold(timeline, stop))
    }

    fn time_to_clean_up(&self) -> Duration {
        self.leaving_time()
    }

    fn asks(&self) -> Option<&Asks> {
        self.script.asks_people().then_some(&self.asks)
    }
}
