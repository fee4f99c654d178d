//! What the web sees of the daemon, and how a command that it has taken in reaches the evaluator.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    clock::Clock,
    config::plan::Plan,
    daemon::{
        Daemon, chronicle::Chronicler, evaluator::orders::Order, pulse::Pulse, scheduler::errands::Errand,
    },
    domain::{
        channel::{ChannelId, ProbeKey},
        command::{self, Command, NotRun},
        incident::IncidentId,
        inquiry::{IncidentInquiry, Incidents, OutcomeInquiry, Outcomes, Story},
        maintenance::Refusal,
        notification::Plate,
        snapshot::{IncidentView, Snapshot},
    },
    metrics::Metrics,
    secret::Secret,
    store::{Store, StoreError},
    web::{self, AnswerFuture, ChroniclesFuture, IncidentFuture, KeptFuture, RunFuture, access::Access},
};

const ENDING: &str = "the daemon is ending";

/// What it sees.
pub(crate) struct Face {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) errands: mpsc::Sender<Errand>,
    pub(crate) store: Store,
    pub(crate) chronicler: Arc<Chronicler>,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
}

impl Daemon {
    /// What the web may see of it.
    pub(super) fn face(&self) -> Face {
        Face {
            metrics: Arc::clone(&self.metrics),
            pulse: Arc::clone(&self.pulse),
            snapshots: self.snapshots.clone(),
            plans: self.plans.subscribe(),
            orders: self.orders.clone(),
            errands: self.errands.clone(),
            store: self.store.clone(),
            chronicler: Arc::new(Chronicler::new(self.store.path().to_owned())),
            clock: self.clock,
            stop: self.stop.clone(),
        }
    }
}

impl web::Source for Face {
    fn metrics(&self) -> Box<dyn Iterator<Item = Bytes> + Send> {
        Box::new(self.metrics.expose())
    }

    fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.subscribe()
    }

    fn alive(&self) -> Result<(), String> {
        self.pulse.check().map_err(|age| format!("the scheduler has stood still for {} s", age.as_secs()))
    }

    fn ready(&self) -> Result<(), String> {
        if self.stop.is_cancelled() {
            return Err("ending".to_owned());
        }
        if !self.pulse.has_begun() {
            return Err("starting".to_owned());
        }
        self.alive()
    }

    fn token(&self) -> Option<Secret> {
        self.plans.borrow().api_token.clone()
    }

    fn access(&self) -> Arc<Access> {
        Arc::clone(&self.plans.borrow().access)
    }

    fn command(&self, command: Command) -> AnswerFuture {
        let orders = self.orders.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let ending = || Refusal::NotKept(ENDING.to_owned());
            orders.send(Order::Command(command, answer)).await.map_err(|_| ending())?;
            let answered: command::Result = answered.await.map_err(|_| ending())?;
            answered
        })
    }

    fn chronicles(&self) -> ChroniclesFuture {
        let (chronicler, now) = (Arc::clone(&self.chronicler), self.clock.now());
        let plan = Arc::clone(&self.plans.borrow());
        Box::pin(async move { chronicler.of(plan.channels.keys().cloned(), &plan.time_zone, now).await })
    }

    fn incident(&self, incident: IncidentId) -> IncidentFuture {
        let (orders, store) = (self.orders.clone(), self.store.clone());
        let plan = Arc::clone(&self.plans.borrow());
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            orders.send(Order::Show(incident.clone(), answer)).await.map_err(|_| ENDING.to_owned())?;
            // What is decided while the store takes nothing is known to the evaluator alone, what is closed to the store.
            let case = match answered.await.map_err(|_| ENDING.to_owned())? {
                Some(case) => Some(case),
                None => store.case_of(&incident).await.map_err(|error| {
                    warn!(%incident, %error, "an incident could not be shown");
                    "the store cannot be read".to_owned()
                })?,
            };
            let plate = |channel: &ChannelId| {
                let channel = plan.channels.get(channel)?;
                Some(Plate { title: &channel.title, kind: channel.kind, labels: &channel.labels })
            };
            Ok(case.map(|case| IncidentView::of(&case, plate, plan.time_zone.clone())))
        })
    }
    fn outcomes(&self, inquiry: OutcomeInquiry) -> KeptFuture<Outcomes> {
        let store = self.store.clone();
        Box::pin(async move { store.outcomes(inquiry).await.map_err(unread) })
    }

    fn incidents(&self, inquiry: IncidentInquiry) -> KeptFuture<Incidents> {
        let store = self.store.clone();
        Box::pin(async move { store.incidents(inquiry).await.map_err(unread) })
    }

    fn story(&self, incident: IncidentId) -> KeptFuture<Option<Story>> {
        let store = self.store.clone();
        Box::pin(async move { store.story(incident).await.map_err(unread) })
    }

    fn run(&self, probe: ProbeKey) -> RunFuture {
        let errands = self.errands.clone();
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            errands.send(Errand { probe, answer }).await.map_err(|_| NotRun::Stopped)?;
            answered.await.map_err(|_| NotRun::Stopped)?
        })
    }
}

/// What whoever asked is told of an error; where the store lies is nobody's business but that of who reads the log.
fn unread(error: StoreError) -> String {
    match error {
        StoreError::TooSlow { .. } => error.to_string(),
        _ => {
            warn!(%error, "a question about what is kept was not answered");
            "the store cannot be read".to_owned()
        }
    }
}
