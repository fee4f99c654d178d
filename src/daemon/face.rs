//! What the web sees of the daemon, and how a command that it has taken in reaches the evaluator.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    clock::Clock,
    config::plan::Plan,
    daemon::{
        Daemon,
        chronicle::{self, Chronicler},
        evaluator::orders::Order,
        past,
        pulse::Pulse,
        scheduler::errands::Errand,
    },
    domain::{
        channel::{ChannelId, ProbeKey},
        command::{self, Command, NotRun},
        health::Health,
        incident::IncidentId,
        inquiry::{IncidentInquiry, Incidents, OutcomeInquiry, Outcomes, Story},
        maintenance::Refusal,
        notification::Plate,
        past::{ChannelPast, IncidentPast},
        snapshot::{IncidentView, Snapshot},
    },
    evidence::exhibits,
    metrics::Metrics,
    secret::Secret,
    store::{Store, StoreError},
    web::{
        self, AnswerFuture, Asked, ChroniclesFuture, EndFuture, IncidentFuture, KeptFuture, RunFuture,
        access::Access,
    },
};

const ENDING: &str = "the daemon is ending";

/// So many runs of each probe, and so many in all, incidents and bundles of a channel are shown.
const RUNS_OF_A_PROBE: usize = 60;
const RUNS_MAX: usize = 600;
const INCIDENTS_MAX: usize = 30;
const BUNDLES_MAX: usize = 12;

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
            chronicler: Arc::clone(&self.chronicler),
            clock: self.clock,
            stop: self.stop.clone(),
        }
    }
}

impl Face {
    /// The past of all channels, read anew where that is longer ago than so.
    pub(super) fn past(&self, fresh: Duration) -> ChroniclesFuture {
        let (chronicler, now) = (Arc::clone(&self.chronicler), self.clock.now());
        let plan = Arc::clone(&self.plans.borrow());
        Box::pin(
            async move { chronicler.of(plan.channels.keys().cloned(), &plan.time_zone, now, fresh).await },
        )
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
        self.past(chronicle::FRESH)
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

    fn health(&self) -> Health {
        self.metrics.instruments.health()
    }

    fn channel_past(&self, channel: ChannelId) -> Asked<ChannelPast> {
        let (plan, store) = (Arc::clone(&self.plans.borrow()), self.store.clone());
        Box::pin(async move {
            let of_it = Some(channel.clone());
            let probes = plan.channels.get(&channel).map_or(1, |channel| channel.probes.len());
            let most = (RUNS_OF_A_PROBE * probes).min(RUNS_MAX);
            let runs = past::runs(&store, &channel, most).await.map_err(unread)?;
            let inquiry =
                IncidentInquiry { channel: of_it, limit: INCIDENTS_MAX, ..IncidentInquiry::default() };
            let incidents = store.incidents(inquiry).await.map_err(unread)?;
            let directory = plan.boot.evidence.directory.clone();
            let keeps = move || exhibits::of_channel(&directory, channel.as_str(), BUNDLES_MAX);
            let bundles = past::read(keeps).await?;
            Ok(ChannelPast {
                runs: runs.into_iter().map(past::run).collect(),
                incidents: incidents.items.into_iter().map(|kept| past::listed(kept.incident)).collect(),
                bundles: bundles.into_iter().map(past::kept).collect(),
            })
        })
    }

    fn incident_past(&self, incident: IncidentId) -> Asked<Option<IncidentPast>> {
        let (orders, store) = (self.orders.clone(), self.store.path().to_owned());
        let plan = Arc::clone(&self.plans.borrow());
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            orders.send(Order::Show(incident.clone(), answer)).await.map_err(|_| ENDING.to_owned())?;
            let standing = answered.await.map_err(|_| ENDING.to_owned())?;
            past::read(move || past::incident(&store, &plan, &incident, standing)).await
        })
    }

    fn exhibit(&self, bundle: String, file: String) -> Asked<Option<Vec<u8>>> {
        let plan = Arc::clone(&self.plans.borrow());
        Box::pin(past::read(move || exhibits::read(&plan.boot.evidence.directory, &bundle, &file)))
    }

    fn time_zone(&self) -> TimeZone {
        self.plans.borrow().time_zone.clone()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn ending(&self) -> EndFuture {
        Box::pin(self.stop.clone().cancelled_owned())
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
