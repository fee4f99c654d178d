//! Turns outcomes into verdicts, and owns everything judged; nobody else writes it.
//!
//! A verdict is decided by a pure function, committed together with the mails it owes, and only then adopted. One
//! commit is under way at a time, of whatever has been decided by then, beside the intake of further outcomes. A store
//! that refuses is asked again every second: what has been seen is still known, so a verdict comes late and is not lost.

mod absent;
mod blindness;
mod gates;
mod held;
pub(super) mod history;
pub(super) mod orders;
mod picture;
mod roster;
mod ruling;
mod world;

use std::{collections::BTreeSet, future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::DropGuard;
use tracing::{info, warn};

use crate::{
    clock::Clock,
    config::plan::Plan,
    daemon::{
        evaluator::{
            blindness::Account,
            gates::Gates,
            history::History,
            orders::{Order, Orders, Step},
            picture::Picture,
            roster::Roster,
            ruling::Keeps,
            world::Surroundings,
        },
        keeper::Keeper,
        scheduler::Observed,
        systemd,
        trouble::{self, Trouble},
    },
    domain::{
        case::Case,
        casebook::{Announcement, Casebook},
        channel::ChannelId,
        decision::Decision,
        evaluation::{Moment, State},
        incident::{IncidentEvent, Severity},
        network::{Network, Sight},
        outcome::{InconclusiveReason, Outcome},
        snapshot::Snapshot,
    },
    evidence::Bundle,
    metrics::Metrics,
    store::{Remembered, Store, StoreError},
};

/// So many outcomes are taken in at once.
const INTAKE: usize = 256;
/// So long it lets outcomes gather after it has taken some in: to be woken for each of a thousand a second costs more
/// than to judge it.
const GATHER: Duration = Duration::from_millis(5);
/// How often the picture is drawn.
const TICK: Duration = Duration::from_millis(200);
/// Every so many ticks, a second, what only time brings about is looked at.
const TICKS_PER_LOOK: u32 = 5;
/// So many probes' windows are shown in their metrics every second; more take turns.
const WINDOWS_PER_LOOK: usize = 1_000;
/// So many verdicts are committed in one transaction: to commit ten thousand one by one takes a quarter of a minute, and
/// to decide more at once would hold up the intake.
const VERDICTS_PER_COMMIT: usize = 64;
/// At the end, so long is spent on committing what is still owed.
pub(super) const LAST_COMMITS: Duration = Duration::from_secs(3);

/// So long after it was looked through what is to be told, it is not looked through again, unless mails left: a thousand
/// doors that fall one after the other are one case, which is written down whole each time.
const TELLING_RESTS: Duration = Duration::from_secs(1);
/// What is to be told waits for verdicts under way, which may belong to it, no longer than this.
const TELLING_WAITS_MAX: Duration = Duration::from_secs(1);

/// What the evaluator is connected to.
pub(crate) struct Connections {
    /// The plan to judge by.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// Where outcomes come from; the evaluator ends when it closes.
    pub(crate) outcomes: mpsc::Receiver<Observed>,
    /// What has been found out about our own network.
    pub(crate) network: watch::Receiver<Network>,
    /// Where commands come from.
    pub(crate) orders: mpsc::Receiver<Order>,
    /// Where the history goes, in batches; closes when the evaluator ends.
    pub(crate) batches: mpsc::Sender<Arc<[Outcome]>>,
    /// Where evidence is kept, if it is.
    pub(crate) evidence: Option<Keeper>,
    /// Where verdicts are committed.
    pub(crate) store: Store,
    /// Where trouble with the store is noted.
    pub(crate) trouble: Arc<Trouble>,
    /// Where it shows what it knows.
    pub(crate) metrics: Arc<Metrics>,
    /// Where it shows the picture.
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    /// Rung when mails have been committed.
    pub(crate) outbox: Arc<Notify>,
    /// Dropped when no more will be.
    pub(crate) commits_over: DropGuard,
    /// Labels what happens.
    pub(crate) clock: Clock,
}

/// Judges until no outcomes come any more, then commits what is still owed.
pub(crate) async fn run(mut evaluator: Evaluator) {
    let mut arrived = Vec::with_capacity(INTAKE);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut intake_from = Instant::now();
    loop {
        let gathering = Instant::now() < intake_from;
        tokio::select! {
            () = sleep_until(intake_from), if gathering => {}
            count = evaluator.outcomes.recv_many(&mut arrived, INTAKE), if !gathering => {
                if count == 0 {
                    break;
                }
                if count < INTAKE {
                    intake_from = Instant::now() + GATHER;
                }
                // An outcome of a new plan can come only after the plan itself.
                if evaluator.plans.has_changed().unwrap_or(false) {
                    evaluator.adopt_plan();
                }
                evaluator.take_in(arrived.drain(..));
            }
            result = finished(&mut evaluator.commit) => evaluator.conclude(result),
            news = evaluator.blindness.news() => match news {
                blindness::News::Found => evaluator.follow_network(),
                blindness::News::Written(written) => evaluator.note_written(written),
            },
            step = evaluator.orders.next() => evaluator.follow(step),
            _ = ticks.tick() => evaluator.tick(),
            Ok(()) = evaluator.plans.changed() => evaluator.adopt_plan(),
        }
        evaluator.commit_next();
    }
    evaluator.finish().await;
}

/// Everything judged, and what it takes to judge on.
pub(crate) struct Evaluator {
    roster: Roster,
    gates: Gates,
    orders: Orders,
    history: History,
    picture: Picture,
    /// Places of channels whose evidence calls for a change of state.
    wanting: BTreeSet<usize>,
    /// The times in which our own network was lost.
    blindness: Account,
    /// Channels that have been away for so long that their incident is to be withdrawn.
    leaving: Vec<ChannelId>,
    /// What people are told, and when.
    casebook: Casebook,
    /// When it is next looked through what is to be told.
    telling_from: Duration,
    /// What is under way to the store.
    commit: Option<Commit>,
    /// The store has refused; it is asked again at the next look.
    refused: bool,
    /// It has refused and taken nothing since: verdicts are put to it one by one, so that one it does not like holds up none
    /// that was decided before it.
    doubted: bool,
    ticks: u32,
    /// The place from which windows are shown next.
    windows_from: usize,
    /// Zero of the monotonic clock.
    origin: Instant,
    plan: Arc<Plan>,
    plans: watch::Receiver<Arc<Plan>>,
    outcomes: mpsc::Receiver<Observed>,
    evidence: Option<Keeper>,
    store: Store,
    trouble: Arc<Trouble>,
    metrics: Arc<Metrics>,
    outbox: Arc<Notify>,
    commits_over: DropGuard,
    clock: Clock,
}

struct Commit {
    what: Work,
    done: Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>,
}

/// What is committed in one transaction.
enum Work {
    /// What has been decided, each with the state that its channel leaves; no channel twice.
    Verdicts(Vec<(Decision, State)>),
    /// What people are told.
    Announcement(Announcement),
}

/// Waits for the commit under way; for ever if there is none.
async fn finished(commit: &mut Option<Commit>) -> Result<(), StoreError> {
    match commit {
        Some(commit) => commit.done.as_mut().await,
        None => std::future::pending().await,
    }
}

impl Evaluator {
    /// Adopts the plan at once, so that whoever asks for the metrics finds every channel in them from the first moment.
    pub(crate) fn new(connections: Connections, remembered: Remembered) -> Self {
        let Connections {
            mut plans,
            outcomes,
            network,
            orders,
            batches,
            evidence,
            store,
            trouble,
            metrics,
            snapshots,
            outbox,
            commits_over,
            clock,
        } = connections;
        let plan = Arc::clone(&plans.borrow_and_update());
        let Remembered { channels, cases, owed, blindness, maintenance, .. } = remembered;
        let blindness = Account::new(network, blindness);
        let beginning = Moment { wall: clock.now(), monotonic: Duration::ZERO };
        let mut evaluator = Self {
            gates: Gates::new(maintenance),
            orders: Orders::new(orders),
            roster: Roster::new(plan.boot.location.clone(), channels),
            casebook: Casebook::restore(cases, owed, beginning),
            history: History::new(batches),
            picture: Picture::new(snapshots),
            telling_from: Duration::ZERO,
            wanting: BTreeSet::new(),
            blindness,
            leaving: Vec::new(),
            commit: None,
            refused: false,
            doubted: false,
            ticks: 0,
            windows_from: 0,
            origin: Instant::now(),
            plan,
            plans,
            outcomes,
            evidence,
            store,
            trouble,
            metrics,
            outbox,
            commits_over,
            clock,
        };
        evaluator.adopt_plan();
        evaluator
    }

    fn now(&self) -> Moment {
        Moment { wall: self.clock.now(), monotonic: self.origin.elapsed() }
    }

    fn adopt_plan(&mut self) {
        self.plan = Arc::clone(&self.plans.borrow_and_update());
        let now = self.now();
        self.metrics.publish(self.roster.adopt(&self.plan, now));
        self.gates.adopt_plan(&self.plan);
        self.look(now);
        self.tell_status();
    }

    /// Does what a command asks for, or takes note of what has become of one.
    fn follow(&mut self, step: Step) {
        let now = self.now();
        if self.orders.take(step, &mut self.gates, &self.plan, &self.store, now.wall) {
            self.look(now);
        }
    }

    fn take_in(&mut self, arrived: impl Iterator<Item = Observed>) {
        let now = self.now();
        // What was seen is taken in by what holds now.
        if self.gates.look(&mut self.roster, now) {
            self.look(now);
        }
        for Observed { fingerprint, outcome, exhibits } in arrived {
            let Some(place) = self.roster.record(&outcome, exhibits, fingerprint, now) else { continue };
            if !self.wanting.contains(&place) && self.roster.judge(place, now).is_some() {
                self.wanting.insert(place);
            }
            self.blindness.note_run(&outcome);
            self.history.push(outcome);
        }
        self.history.flush_if_full();
    }

    fn tick(&mut self) {
        let now = self.now();
        self.ticks += 1;
        if self.gates.look(&mut self.roster, now) {
            self.look(now);
        }
        if self.ticks.is_multiple_of(TICKS_PER_LOOK) {
            self.refused = false;
            self.look(now);
            self.follow_network();
            self.history.flush();
            self.windows_from = self.roster.show_windows(self.windows_from, WINDOWS_PER_LOOK, now.monotonic);
        }
        self.picture.draw(&mut self.roster, self.gates.announced());
    }

    /// Finds every channel whose state is to change and every incident that is to be withdrawn; shows whether anything
    /// can be seen at all.
    fn look(&mut self, now: Moment) {
        self.gates.look(&mut self.roster, now);
        self.wanting =
            (0..self.roster.posts().len()).filter(|&place| self.roster.judge(place, now).is_some()).collect();
        self.leaving = self.roster.absent().overdue(now).cloned().collect();
        self.show_blindness();
    }

    fn show_blindness(&self) {
        let mut blindness = self.roster.blindness();
        // Where sentinels look, they say it first, and say first that it is over.
        match self.blindness.sight() {
            Some(Sight::Blind) => blindness.insert(InconclusiveReason::OwnNetwork),
            Some(Sight::Clear) => blindness.remove(&InconclusiveReason::OwnNetwork),
            Some(Sight::Nameless) | None => false,
        };
        for cause in InconclusiveReason::ALL {
            let blind = self.metrics.instruments.blind.with_label_values(&[cause.as_str()]);
            blind.set(blindness.contains(cause).into());
        }
    }

    /// Goes by what has been found out about our own network.
    fn follow_network(&mut self) {
        self.blindness.follow(&self.roster, &self.plan, self.clock.now());
        self.show_blindness();
        self.blindness.write_next(&self.store, &self.trouble);
    }

    /// What was to be written about it has been, or is tried again at the next look.
    fn note_written(&mut self, written: Result<bool, StoreError>) {
        if let Ok(has_mails) = written {
            if has_mails {
                self.outbox.notify_one();
            }
            self.blindness.write_next(&self.store, &self.trouble);
        }
    }

    /// Begins the next commit, if none is under way: of verdicts, or where there are none, of what people are told of them.
    fn commit_next(&mut self) {
        if self.commit.is_some() || self.refused {
            return;
        }
        let now = self.now();
        let waits = |since: Duration| since + TELLING_WAITS_MAX <= now.monotonic;
        let is_telling_late = self.casebook.waiting_since().is_some_and(waits);
        self.commit = match is_telling_late {
            true => self.announce(now).or_else(|| self.pass_verdicts()),
            false => self.pass_verdicts().or_else(|| self.announce(now)),
        };
    }

    fn pass_verdicts(&mut self) -> Option<Commit> {
        let most = if self.doubted { 1 } else { VERDICTS_PER_COMMIT };
        let (mut verdicts, mut bundles) = (Vec::new(), Vec::new());
        for (verdict, bundle) in std::iter::from_fn(|| self.next_decision()).take(most) {
            verdicts.push(verdict);
            bundles.extend(bundle);
        }
        if verdicts.is_empty() {
            return None;
        }
        let keeping = self.evidence.clone().filter(|_| !bundles.is_empty());
        let clock = self.clock;
        let (store, trouble) = (self.store.clone(), Arc::clone(&self.trouble));
        let decisions = verdicts.iter().map(|(decision, _)| decision.clone()).collect();
        let done = Box::pin(async move {
            if let Some(keeper) = keeping {
                keeper.keep(bundles, clock).await;
            }
            trouble.attend(trouble::Work::Verdict, store.commit(decisions)).await
        });
        Some(Commit { what: Work::Verdicts(verdicts), done })
    }

    fn announce(&mut self, now: Moment) -> Option<Commit> {
        if now.monotonic < self.telling_from || !self.casebook.has_news(now) {
            return None;
        }
        let world = Surroundings { roster: &self.roster, plan: &self.plan };
        let announcement = self.casebook.settle(&world, now);
        let leave = announcement.as_ref().is_some_and(|it| !it.notifications.is_empty());
        self.telling_from = if leave { Duration::ZERO } else { now.monotonic + TELLING_RESTS };
        let announcement = announcement?;
        let (store, trouble) = (self.store.clone(), Arc::clone(&self.trouble));
        let committed = announcement.clone();
        let done = Box::pin(async move {
            trouble.attend(trouble::Work::Verdict, store.announce(committed, now.wall)).await
        });
        Some(Commit { what: Work::Announcement(announcement), done })
    }

    /// What is to be decided next, the state that the channel leaves by it, and the evidence.
    fn next_decision(&mut self) -> Option<((Decision, State), Option<Bundle>)> {
        let now = self.now();
        while let Some(place) = self.wanting.pop_first() {
            let Some(transition) = self.roster.judge(place, now) else { continue };
            let keeps = if self.evidence.is_some() { Keeps::Evidence } else { Keeps::Nothing };
            let (decision, bundle) =
                ruling::decide(&self.roster.posts()[place], &transition, keeps, now.wall);
            return Some(((decision, transition.from), bundle));
        }
        let id = self.leaving.pop()?;
        ruling::withdraw(&self.roster, &id, now.wall).map(|verdict| (verdict, None))
    }

    /// Takes what was committed for its own.
    fn conclude(&mut self, result: Result<(), StoreError>) {
        let Some(Commit { what, .. }) = self.commit.take() else { return };
        if result.is_err() {
            // The evidence stands, and proposes the change again.
            (self.refused, self.doubted) = (true, true);
            return;
        }
        self.doubted = false;
        match what {
            Work::Verdicts(verdicts) => {
                for (decision, from) in verdicts {
                    log_change(&decision, from);
                    self.blindness.note(&decision);
                    self.adopt_decision(decision);
                }
                self.tell_status();
            }
            Work::Announcement(announcement) => {
                announcement.cases.iter().for_each(|case| log_case(case, &announcement));
                if !announcement.notifications.is_empty() {
                    self.outbox.notify_one();
                }
                let now = self.now();
                self.casebook.adopt(&announcement, now);
            }
        }
    }

    fn adopt_decision(&mut self, decision: Decision) {
        let now = self.now();
        if let Some(happening) = decision.happening.clone() {
            self.casebook.take(happening, now);
        }
        let Some(place) = self.roster.place(&decision.channel) else {
            self.roster.remember(&decision);
            return;
        };
        let post = self.roster.post_mut(place);
        match (decision.event(), &decision.incident) {
            (Some(IncidentEvent::Opened), Some(incident)) => post.series.count_incident(incident.severity),
            (Some(IncidentEvent::Worsened), _) => post.series.count_incident(Severity::Dark),
            _ => {}
        }
        post.adopt(&decision, now);
        if decision.event() == Some(IncidentEvent::Resolved) {
            self.roster.let_go(place);
        }
        self.wanting.insert(place);
    }

    fn tell_status(&self) {
        let mut counts = [0_usize; State::ALL.len()];
        for post in self.roster.posts() {
            counts[post.state.state() as usize] += 1;
        }
        let words = counts.into_iter().zip(State::ALL).filter(|(count, _)| *count > 0);
        let words: Vec<String> = words.map(|(count, state)| format!("{count} {}", state.as_str())).collect();
        systemd::status(&format!("channels: {}", words.join(", ")));
    }

    /// The end: no outcomes come any more. What is owed is committed while the store lets us, then the dispatcher may
    /// make its last pass; beside it the history is handed over whole.
    async fn finish(mut self) {
        let committing = async {
            if let Some(step) = self.orders.last().await {
                self.follow(step);
            }
            self.look(self.now());
            self.refused = false;
            self.commit_next();
            while self.commit.is_some() {
                let result = finished(&mut self.commit).await;
                self.conclude(result);
                self.commit_next();
            }
            self.blindness.write_next(&self.store, &self.trouble);
            while self.blindness.is_writing() {
                let written = self.blindness.written().await;
                self.note_written(written);
            }
        };
        if timeout(LAST_COMMITS, committing).await.is_err() {
            warn!(
                "the store is too slow to commit what was still owed; it will be judged anew after the start"
            );
        }
        drop(self.commits_over);
        self.picture.draw(&mut self.roster, self.gates.announced());
        self.history.hand_over().await;
    }
}

fn log_change(decision: &Decision, from: State) {
    let incident = decision.incident.as_ref();
    let failure = incident.and_then(|incident| incident.evidence.failure.as_ref());
    info!(
        channel = %decision.channel,
        from = from.as_str(),
        to = decision.state.as_str(),
        since = %decision.since,
        incident = incident.map(|incident| incident.id.0.as_str()),
        event = decision.event().map(IncidentEvent::as_str),
        reason = failure.map(|failure| failure.reason.as_str()),
        detail = failure.map(|failure| failure.detail.as_str()),
        "channel changed its state"
    );
}

fn log_case(case: &Case, announcement: &Announcement) {
    let mails = announcement.notifications.iter().filter(|mail| mail.incident == case.id).count();
    info!(
        incident = %case.id,
        channels = case.members.len(),
        cause = case.cause().map(ToString::to_string),
        mails,
        "decided whom to tell"
    );
}
