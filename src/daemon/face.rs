//! What the web sees of the daemon, and how a command that it has taken in reaches the evaluator.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{Timestamp, tz::TimeZone};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    clock::Clock,
    config::plan::Plan,
    daemon::{Daemon, chronicle::Chronicler, evaluator::orders::Order, past, pulse::Pulse},
    domain::{
        channel::ChannelId,
        command::{self, Command},
        health::Health,
        incident::IncidentId,
        maintenance::Refusal,
        notification::Plate,
        past::{ChannelPast, IncidentPast},
        snapshot::{IncidentView, Snapshot},
    },
    evidence::{EvidenceError, exhibits},
    metrics::Metrics,
    secret::Secret,
    store::Store,
    web::{self, AnswerFuture, Asked, ChroniclesFuture, EndFuture, IncidentFuture},
};

const ENDING: &str = "the daemon is ending";

/// So many bundles of a channel are shown.
const BUNDLES_MAX: usize = 12;

/// What it sees.
pub(crate) struct Face {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    pub(crate) orders: mpsc::Sender<Order>,
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

    fn health(&self) -> Health {
        self.metrics.instruments.health()
    }

    fn channel_past(&self, channel: ChannelId) -> Asked<ChannelPast> {
        let plan = Arc::clone(&self.plans.borrow());
        Box::pin(past::read(move || {
            let found = exhibits::of_channel(&plan.boot.evidence.directory, channel.as_str(), BUNDLES_MAX)?;
            let bundles = found.into_iter().map(past::kept).collect();
            Ok::<_, EvidenceError>(ChannelPast { bundles, ..ChannelPast::default() })
        }))
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
