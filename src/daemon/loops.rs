//! Starts the loops and connects them with one another.

use std::{mem, sync::Arc};

use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
};
use tokio_util::sync::CancellationToken;

use crate::{
    daemon::{
        Daemon, archivist, canary,
        dispatcher::Dispatcher,
        evaluator::{self, orders::Order},
        heartbeat,
        keeper::Keeper,
        lookout, recorder, reporter,
        scheduler::{self, errands::Errand},
        trouble::Trouble,
        upkeep,
        vitals::Vitals,
    },
    domain::notification::Notification,
    evidence::Archive,
    store::{Remembered, Store},
};

/// So many outcomes wait for the evaluator; runs that end meanwhile wait with theirs.
const OUTCOMES_WAITING: usize = 1_024;
/// So many batches wait for the recorder; more wait in the evaluator's backlog.
const BATCHES_WAITING: usize = 2;
/// So many notifications wait on the way past the store.
const DIRECT_WAITING: usize = 1_024;

/// What the loops begin with.
pub(super) struct Start {
    pub(super) store: Store,
    pub(super) remembered: Remembered,
    pub(super) evidence: Option<Archive>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) errands: mpsc::Receiver<Errand>,
    pub(super) probing: Handle,
}

/// What several loops share.
struct Shared {
    store: Store,
    /// Rung when something has been put into the outbox.
    bell: Arc<Notify>,
    /// The way past the store.
    direct: mpsc::Sender<Notification>,
    vitals: Arc<Vitals>,
    trouble: Arc<Trouble>,
}

impl Daemon {
    /// Starts all of them.
    pub(super) fn start_loops(&mut self, start: Start) {
        let Start { store, mut remembered, evidence, orders, errands, probing } = start;
        let (outcomes_in, outcomes) = mpsc::channel(OUTCOMES_WAITING);
        let (batches_in, batches) = mpsc::channel(BATCHES_WAITING);
        let (direct_in, direct) = mpsc::channel(DIRECT_WAITING);
        let shared = Shared {
            store,
            bell: Arc::new(Notify::new()),
            direct: direct_in,
            vitals: Arc::new(Vitals::default()),
            trouble: Arc::new(Trouble::new(self.metrics.instruments.store_degraded.clone())),
        };
        let (lookout, gate) = lookout::build(lookout::Connections {
            plans: self.plans.subscribe(),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock,
        });
        let scheduler = scheduler::Connections {
            plans: self.plans.subscribe(),
            outcomes: outcomes_in,
            errands,
            gate: gate.clone(),
            metrics: Arc::clone(&self.metrics),
            pulse: Arc::clone(&self.pulse),
            clock: self.clock,
        };
        let canary = canary::Connections {
            plans: self.plans.subscribe(),
            remembered: mem::take(&mut remembered.canaries),
            network: gate.network(),
            store: shared.store.clone(),
            direct: shared.direct.clone(),
            outbox: Arc::clone(&shared.bell),
            vitals: Arc::clone(&shared.vitals),
            metrics: Arc::clone(&self.metrics),
            clock: self.clock,
        };
        let commits_over = CancellationToken::new();
        let evaluator = evaluator::Connections {
            plans: self.plans.subscribe(),
            outcomes,
            network: gate.network(),
            orders,
            batches: batches_in,
            evidence: evidence.map(Keeper::new),
            store: shared.store.clone(),
            direct: shared.direct.clone(),
            vitals: Arc::clone(&shared.vitals),
            trouble: Arc::clone(&shared.trouble),
            metrics: Arc::clone(&self.metrics),
            snapshots: self.snapshots.clone(),
            outbox: Arc::clone(&shared.bell),
            commits_over: commits_over.clone().drop_guard(),
            clock: self.clock,
        };
        let evaluator = evaluator::Evaluator::new(evaluator, remembered);
        let recording =
            recorder::run(batches, shared.store.clone(), Arc::clone(&shared.trouble), self.stop.clone());
        let dispatcher = self.dispatcher(&shared, direct);
        self.watch_over_itself(shared);
        self.start_looking(scheduler, lookout, &probing);
        self.spawn_sure("canary", canary::run(canary, self.stop.clone()));
        self.spawn_sure("evaluator", evaluator::run(evaluator));
        self.spawn_sure("recorder", recording);
        self.spawn_sure("dispatcher", dispatcher.run(commits_over));
    }

    fn dispatcher(&self, shared: &Shared, direct: mpsc::Receiver<Notification>) -> Dispatcher {
        let (store, bell, metrics) =
            (shared.store.clone(), Arc::clone(&shared.bell), Arc::clone(&self.metrics));
        Dispatcher::new(store, self.routes.subscribe(), bell, self.clock, metrics)
            .with_direct(direct)
            .with_plans(self.plans.subscribe())
            .with_vitals(Arc::clone(&shared.vitals))
    }

    /// Starts what looks at the doors and at our own network, where the probes run.
    fn start_looking(
        &mut self,
        scheduler: scheduler::Connections,
        lookout: lookout::Lookout,
        probing: &Handle,
    ) {
        let turning = scheduler::run(scheduler, self.stop.clone());
        self.loops.spawn_on(async move { ("scheduler", turning.await) }, probing);
        let looking = lookout::run(lookout, self.stop.clone());
        let looking = async move {
            looking.await;
            ("lookout", Ok(()))
        };
        self.loops.spawn_on(looking, probing);
    }

    /// Starts what looks after the store, and what says elsewhere that all of this works.
    fn watch_over_itself(&mut self, shared: Shared) {
        let archiving = archivist::run(shared.store.clone(), self.clock, self.stop.clone());
        self.spawn_sure("archivist", archiving);
        let reporting = reporter::Connections {
            plans: self.plans.subscribe(),
            store: shared.store.clone(),
            outbox: Arc::clone(&shared.bell),
            clock: self.clock,
        };
        self.spawn_sure("reporter", reporter::run(reporting, self.stop.clone()));
        let beating = heartbeat::Connections {
            plans: self.plans.subscribe(),
            pulse: Arc::clone(&self.pulse),
            vitals: shared.vitals,
            failing: shared.trouble.failing(),
            metrics: Arc::clone(&self.metrics),
        };
        let beating = heartbeat::run(beating, self.stop.clone());
        self.spawn_sure("heartbeat", beating);
        let upkeep = upkeep::Connections {
            store: shared.store,
            plans: self.plans.subscribe(),
            trouble: shared.trouble,
            direct: shared.direct,
            outbox: shared.bell,
            metrics: Arc::clone(&self.metrics),
            clock: self.clock,
        };
        let looking_after = upkeep::run(upkeep, self.stop.clone());
        self.spawn_sure("upkeep", looking_after);
    }
}
