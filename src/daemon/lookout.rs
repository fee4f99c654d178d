//! The lookout over our own network: asks the sentinels, and keeps back what a run saw that failed until they have said
//! whether the network was well.
//!
//! Sentinels are asked in rounds, one after the other: at the pace of the plan, and at once when a run has failed. All
//! runs that wait share a round. A run waits in its own task, so that the outcomes of a probe keep their order, and one
//! that shutdown interrupts gives none. Without sentinels nobody waits.

use std::{ops::ControlFlow, pin::Pin, sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    clock::Clock,
    config::plan::{NetworkPlan, Plan},
    domain::{
        evaluation::Moment,
        network::{Answer, Broke, Kind, Network, Question, Ruling, Sight},
        outcome::{Detail, Inconclusive, InconclusiveReason, Outcome, Verdict},
    },
    metrics::Metrics,
    probe::sentinel::{self, Heard},
};

/// From the beginning of a round to that of the next at least, however many runs fail: what is asked is not ours alone.
const ROUND_GAP: Duration = Duration::from_millis(200);

/// While there is doubt, sentinels are asked at least so often.
const DOUBT_PACE: Duration = Duration::from_secs(1);

/// What the lookout is connected to.
pub(crate) struct Connections {
    /// The plan with the sentinels.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// Where it shows what each does.
    pub(crate) metrics: Arc<Metrics>,
    /// Labels what happens.
    pub(crate) clock: Clock,
}

/// Makes a lookout and the gate before which runs wait for it.
pub(crate) fn build(connections: Connections) -> (Lookout, Gate) {
    let Connections { mut plans, metrics, clock } = connections;
    let origin = Instant::now();
    let plan = plans.borrow_and_update().network.clone();
    let network = watch::Sender::new(Network::new(kinds(&plan)));
    let wanted = watch::Sender::new(Duration::ZERO);
    let gate = Gate { network: network.subscribe(), wanted: Arc::new(wanted.clone()), origin };
    let lookout = Lookout {
        asking: FuturesUnordered::new(),
        answered: vec![None; plan.sentinels.len()],
        generation: 0,
        plan,
        network,
        wanted: wanted.subscribe(),
        origin,
        plans,
        metrics,
        clock,
    };
    (lookout, gate)
}

fn kinds(plan: &NetworkPlan) -> Vec<Kind> {
    plan.sentinels.iter().map(|sentinel| sentinel.kind).collect()
}

/// Where a run that failed waits until it is known whether our own network was well.
#[derive(Clone)]
pub(crate) struct Gate {
    network: watch::Receiver<Network>,
    /// The latest end of a run that waits.
    wanted: Arc<watch::Sender<Duration>>,
    origin: Instant,
}

impl Gate {
    /// What has been found out about our own network, as it changes.
    pub(crate) fn network(&self) -> watch::Receiver<Network> {
        self.network.clone()
    }

    /// Lets pass what a run saw that was made between two moments; where our own network may have been at fault, as
    /// inconclusive. Breaks where nobody will tell any more, since the daemon ends.
    pub(crate) async fn pass(
        &self,
        outcome: &mut Outcome,
        began: Instant,
        ended: Instant,
    ) -> ControlFlow<()> {
        let Some(broke) = Broke::of(&outcome.verdict) else { return ControlFlow::Continue(()) };
        let (began, ended) = (began - self.origin, ended - self.origin);
        let mut network = self.network.clone();
        loop {
            let ruling = network.borrow_and_update().ruling(broke, began, ended);
            match ruling {
                Ruling::Counts => return ControlFlow::Continue(()),
                Ruling::Doubted(sight) => {
                    outcome.verdict = doubted(&outcome.verdict, sight);
                    return ControlFlow::Continue(());
                }
                Ruling::Waits => {}
            }
            self.wanted.send_if_modified(|latest| {
                let is_later = ended > *latest;
                *latest = ended.max(*latest);
                is_later
            });
            if network.changed().await.is_err() {
                return ControlFlow::Break(());
            }
        }
    }
}

fn doubted(verdict: &Verdict, sight: Sight) -> Verdict {
    let who = if sight == Sight::Nameless { "no name server" } else { "nothing outside" };
    let broke = match verdict.failure() {
        Some(failure) => format!(": {}, {}", failure.stage, failure.reason),
        None => String::new(),
    };
    let detail = format!("{who} answered at that time, so this says nothing of the channel{broke}");
    Verdict::Inconclusive(Inconclusive {
        reason: InconclusiveReason::OwnNetwork,
        detail: Detail::new(&detail),
    })
}

type Asking = Pin<Box<dyn Future<Output = (u64, Question, Heard)> + Send>>;

/// Asks the sentinels.
pub(crate) struct Lookout {
    plan: NetworkPlan,
    /// Those that are being asked.
    asking: FuturesUnordered<Asking>,
    /// Whether each answered when it was asked last.
    answered: Vec<Option<bool>>,
    /// Counts the sets of sentinels that have been in force, so that the answer of a former one is told apart.
    generation: u64,
    network: watch::Sender<Network>,
    wanted: watch::Receiver<Duration>,
    origin: Instant,
    plans: watch::Receiver<Arc<Plan>>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// Asks until it is told to stop.
pub(crate) async fn run(mut lookout: Lookout, stop: CancellationToken) {
    loop {
        let next_at = lookout.next_at();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            Ok(()) = lookout.plans.changed() => lookout.adopt(),
            Some((generation, question, heard)) = lookout.asking.next(), if !lookout.asking.is_empty() => {
                if generation == lookout.generation {
                    lookout.hear(question, &heard);
                }
            }
            Ok(()) = lookout.wanted.changed() => {}
            () = sleep_until(next_at.unwrap_or_else(Instant::now)), if next_at.is_some() => lookout.ask(),
        }
    }
}

impl Lookout {
    fn now(&self) -> Moment {
        Moment { wall: self.clock.now(), monotonic: self.origin.elapsed() }
    }

    /// When the next round begins; none while one is under way that must end before, or nobody is to be asked.
    fn next_at(&mut self) -> Option<Instant> {
        let pace = self.plan.sentinels.iter().map(|sentinel| sentinel.every).min()?;
        let network = self.network.borrow();
        let Some(asked_at) = network.asked_at() else { return Some(self.origin) };
        if !network.may_ask() {
            return None;
        }
        let pace = if *self.wanted.borrow() > asked_at {
            ROUND_GAP
        } else if network.is_in_doubt() {
            pace.min(DOUBT_PACE)
        } else {
            pace
        };
        Some(self.origin + asked_at + pace)
    }

    fn ask(&mut self) {
        let now = self.now();
        let mut questions = Vec::new();
        self.network.send_modify(|network| questions = network.ask(now));
        for question in questions {
            let plan = &self.plan.sentinels[question.place];
            let (generation, sentinel, wait) = (self.generation, Arc::clone(&plan.sentinel), plan.timeout);
            self.asking
                .push(Box::pin(async move { (generation, question, sentinel::ask(&*sentinel, wait).await) }));
        }
    }

    fn hear(&mut self, question: Question, heard: &Heard) {
        let now = self.now();
        let before = self.network.borrow().sight();
        self.network.send_modify(|network| network.hear(question, heard.answer, now));
        let sight = self.network.borrow().sight();
        self.show(question.place, heard, sight);
        if sight != before {
            self.tell(sight);
        }
    }

    /// Shows whether a sentinel answers; one that is silent alone is worth a warning.
    fn show(&mut self, place: usize, heard: &Heard, sight: Option<Sight>) {
        let sentinel = &self.plan.sentinels[place];
        let answered = heard.answer != Answer::None;
        self.metrics.instruments.sentinel_up.with_label_values(&[&sentinel.name]).set(answered.into());
        let before = self.answered[place].replace(answered);
        if before == Some(answered) || (before.is_none() && answered) {
            return;
        }
        let (name, target, why) = (sentinel.name.as_str(), sentinel.sentinel.target(), heard.why.as_str());
        match answered {
            true => info!(sentinel = name, target, "a sentinel answers again"),
            false if sight == Some(Sight::Clear) => {
                warn!(sentinel = name, target, why, "a sentinel does not answer, while others do");
            }
            false => debug!(sentinel = name, target, why, "a sentinel does not answer"),
        }
    }

    fn tell(&self, sight: Option<Sight>) {
        match sight {
            Some(Sight::Blind) => {
                warn!("no sentinel answers: our own network is lost; what fails counts against no channel");
            }
            Some(Sight::Nameless) => {
                warn!("no name server answers; what fails for want of a name counts against no channel");
            }
            Some(Sight::Clear) => info!("the sentinels answer"),
            None => {}
        }
    }

    /// Goes by the sentinels of the latest plan. Where they stand for the same as before, what they have shown is kept.
    fn adopt(&mut self) {
        let plan = self.plans.borrow_and_update().network.clone();
        let names = |plan: &NetworkPlan| {
            plan.sentinels
                .iter()
                .map(|one| (one.name.clone(), one.kind, one.sentinel.target()))
                .collect::<Vec<_>>()
        };
        let is_same = names(&plan) == names(&self.plan);
        self.plan = plan;
        if is_same {
            return;
        }
        self.generation += 1;
        self.asking.clear();
        self.answered = vec![None; self.plan.sentinels.len()];
        self.metrics.instruments.sentinel_up.reset();
        self.network.send_replace(Network::new(kinds(&self.plan)));
    }
}
