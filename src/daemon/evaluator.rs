//! Turns outcomes into verdicts, and owns everything judged; nobody else writes it.
//!
//! A verdict is decided by a pure function, committed together with the mails it owes, and only then adopted. One
//! commit is under way at a time, of whatever has been decided by then, beside the intake of further outcomes. A store
//! that refuses is asked again every second: what has been seen is still known, so a verdict comes late and is not lost.

mod absent;
mod acknowledging;
mod blindness;
mod commits;
mod gates;
mod held;
pub(super) mod history;
mod ledger;
pub(super) mod orders;
mod picture;
mod rewriting;
mod roster;
mod ruling;
mod storeless;
pub(super) mod world;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};
use tokio_util::sync::DropGuard;
use tracing::{error, warn};

use crate::{
    clock::Clock,
    config::plan::Plan,
    daemon::{
        evaluator::{
            acknowledging::Acknowledging,
            blindness::Account,
            commits::{Commit, finished},
            gates::Gates,
            history::History,
            ledger::Ledger,
            orders::{Order, Orders, Step},
            picture::Picture,
            rewriting::Rewriting,
            roster::Roster,
            storeless::Storeless,
            world::Surroundings,
        },
        keeper::Keeper,
        recorder::Batch,
        scheduler::Observed,
        systemd,
        trouble::Trouble,
        vitals::Vitals,
    },
    domain::{
        casebook::Casebook,
        channel::ChannelId,
        command::Command,
        evaluation::{Moment, State},
        network::{Network, Sight},
        notification::Notification,
        outcome::InconclusiveReason,
        snapshot::Snapshot,
    },
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
/// At the end, so long is spent on committing what is still owed.
pub(super) const LAST_COMMITS: Duration = Duration::from_secs(3);

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
    pub(crate) batches: mpsc::Sender<Batch>,
    /// Where evidence is kept, if it is.
    pub(crate) evidence: Option<Keeper>,
    /// Where verdicts are committed.
    pub(crate) store: Store,
    /// The way of notifications past the store.
    pub(crate) direct: mpsc::Sender<Notification>,
    /// Where it shows that it turns, and how fresh what it knows is.
    pub(crate) vitals: Arc<Vitals>,
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
        evaluator.vitals.evaluator.beat(Instant::now());
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
    ledger: Ledger,
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
    /// Whether what stays dark is to be told again, by the last look.
    has_become_due: bool,
    /// Who has taken an incident in hand, to be kept.
    acknowledging: Acknowledging,
    /// What is under way to the store.
    commit: Option<Commit>,
    /// The store has refused; it is asked again at the next look.
    refused: bool,
    /// It has refused and taken nothing since: verdicts are put to it one by one, so that one it does not like holds up none
    /// that was decided before it.
    doubted: bool,
    /// What is decided while the store takes nothing.
    storeless: Storeless,
    /// What a store that was replaced does not know.
    rewriting: Rewriting,
    vitals: Arc<Vitals>,
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
            direct,
            vitals,
            trouble,
            metrics,
            snapshots,
            outbox,
            commits_over,
            clock,
        } = connections;
        let plan = Arc::clone(&plans.borrow_and_update());
        let Remembered { channels, cases, owed, blindness, maintenance, conditions, .. } = remembered;
        let blindness = Account::new(network, blindness);
        let beginning = Moment { wall: clock.now(), monotonic: Duration::ZERO };
        let mut evaluator = Self {
            gates: Gates::new(maintenance),
            orders: Orders::new(orders),
            roster: Roster::new(plan.boot.location.clone(), channels),
            casebook: Casebook::restore(cases, owed, beginning),
            history: History::new(batches, beginning.wall),
            ledger: Ledger::new(conditions, beginning.wall),
            picture: Picture::new(snapshots),
            telling_from: Duration::ZERO,
            has_become_due: false,
            acknowledging: Acknowledging::default(),
            wanting: BTreeSet::new(),
            blindness,
            leaving: Vec::new(),
            commit: None,
            refused: false,
            doubted: false,
            storeless: Storeless::new(direct),
            rewriting: Rewriting::new(store.restored()),
            vitals,
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
        let step = match step {
            Step::Weigh(Order::Command(Command::Acknowledge { incident, by }, answer)) => {
                return self.acknowledging.ask(incident, by, answer);
            }
            step => step,
        };
        if self.orders.take(step, &mut self.gates, &self.plan, &self.store, &self.casebook, now.wall) {
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
        self.history.flush_if_full(now.wall);
    }

    fn tick(&mut self) {
        let now = self.now();
        self.ticks += 1;
        self.note_stall(now);
        if self.gates.look(&mut self.roster, now) {
            self.look(now);
        }
        if self.ticks.is_multiple_of(TICKS_PER_LOOK) {
            self.refused = false;
            self.look(now);
            self.follow_network();
            self.history.note(self.ledger.look(&self.roster, now.wall));
            self.history.flush(now.wall);
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
        let world = Surroundings { roster: &self.roster, plan: &self.plan, now: now.wall };
        self.has_become_due = self.casebook.has_become_due(&world, now);
        self.show_blindness();
        let (probes, fresh) = self.roster.freshness(now.monotonic);
        self.vitals.show_probes(probes, fresh);
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
        self.blindness.tell_past_the_store(&self.storeless);
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
        if self.storeless.owed() > 0 {
            error!(
                owed = self.storeless.owed(),
                "the store did not take what was decided meanwhile; people may be told of it again after the start"
            );
        }
        let now = self.now();
        drop(self.commits_over);
        self.picture.draw(&mut self.roster, self.gates.announced());
        self.history.note(self.ledger.look(&self.roster, now.wall));
        self.history.hand_over(now.wall).await;
    }
}
