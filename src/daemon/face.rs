//! What the web sees of the daemon, and how a command that it has taken in reaches the evaluator.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    config::plan::Plan,
    daemon::{evaluator::orders::Order, pulse::Pulse},
    domain::{
        command::{self, Command},
        maintenance::Refusal,
        snapshot::Snapshot,
    },
    metrics::Metrics,
    secret::Secret,
    web::{self, AnswerFuture},
};

/// What it sees.
pub(crate) struct Face {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    pub(crate) orders: mpsc::Sender<Order>,
    pub(crate) stop: CancellationToken,
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
            let ending = || Refusal::NotKept("the daemon is ending".to_owned());
            orders.send(Order { command, answer }).await.map_err(|_| ending())?;
            let answered: command::Result = answered.await.map_err(|_| ending())?;
            answered
        })
    }
}
