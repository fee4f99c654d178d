//! Runs due probes: bounded, each alone, as close to their moment as the machine allows.
//!
//! One loop turns the schedule and does nothing that waits. Every run is a task of its own; when it ends it hands its
//! outcome to the evaluator itself, so that an evaluator that is slow holds up runs, which then count as skipped, and
//! never the loop. When the daemon shuts down, or a probe leaves the plan, its run is told to stop: it cleans up what it
//! has made, if anything, and gives no outcome.

pub(crate) mod errands;
mod tempo;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinSet},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug_span};

use crate::{
    clock::Clock,
    config::plan::{Channel, Plan, ProbePlan},
    daemon::{
        lookout::Gate,
        pulse::Pulse,
        scheduler::{
            errands::{Answer, Errand},
            tempo::{Paces, Tempo},
        },
        systemd::Watchdog,
    },
    domain::{
        channel::ProbeKey,
        exhibit::Exhibit,
        outcome::{Outcome, Verdict},
        schedule::{Ending, Pace, Recheck, Schedule, Skip, Slot, Turn},
    },
    metrics::{
        Metrics,
        instruments::{Count, Level, Spread},
    },
    probe::{
        asks::Tally,
        run::{self, Ended},
    },
};

/// The loop turns at least this often, for its pulse.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// A timer of this period always stands on the runtime of the probes. A timer that is set while none stands that is due
/// sooner wakes the runtime, by a system call, to reckon anew how long it may sleep; the deadlines of runs, each of which
/// sets several, are later than this one and wake nobody.
const STANDING: Duration = Duration::from_millis(100);

/// So long it lets ended runs gather before it is woken for them: a turn frees their places anyway.
const GATHER: Duration = Duration::from_millis(5);

/// An outcome on its way to the evaluator.
#[derive(Debug)]
pub(crate) struct Observed {
    /// Which configuration of the probe made it; that of another is ignored.
    pub(crate) fingerprint: u64,
    /// What was seen.
    pub(crate) outcome: Outcome,
    /// What is kept of it.
    pub(crate) exhibits: Vec<Exhibit>,
}

/// What the scheduler is connected to.
pub(crate) struct Connections {
    /// The plan to work by. A new one is adopted at the next turn.
    pub(crate) plans: watch::Receiver<Arc<Plan>>,
    /// Where outcomes go; closes when the scheduler ends.
    pub(crate) outcomes: mpsc::Sender<Observed>,
    /// Runs that are asked for besides.
    pub(crate) errands: mpsc::Receiver<Errand>,
    /// Where those wait that may have failed for want of a network of our own.
    pub(crate) gate: Gate,
    /// Where it counts.
    pub(crate) metrics: Arc<Metrics>,
    /// Beats once per turn.
    pub(crate) pulse: Arc<Pulse>,
    /// Labels the runs.
    pub(crate) clock: Clock,
}

/// Turns the wheel until it is told to stop.
///
/// # Errors
/// When a run's task breaks outside its probe, which is a bug of ours.
pub(crate) async fn run(connections: Connections, stop: CancellationToken) -> anyhow::Result<()> {
    let mut wheel = Wheel::new(connections, stop.child_token());
    wheel.adopt();
    let mut watchdog = Watchdog::from_unit();
    let mut woken_by_runs_from = Instant::now();
    let mut standing = interval(STANDING);
    standing.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = Instant::now();
        wheel.pulse.beat(now);
        watchdog.feed(now);
        wheel.collect()?;
        wheel.heed_hours(now);
        wheel.turn(now);
        let wake_at = [wheel.next_wake(), wheel.next_opening(now), watchdog.next_at()]
            .into_iter()
            .flatten()
            .fold(now + IDLE_MAX, Instant::min);
        let gathering = now < woken_by_runs_from;
        let wake_at =
            if gathering && !wheel.runs.is_empty() { wake_at.min(woken_by_runs_from) } else { wake_at };
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            changed = wheel.plans.changed() => match changed {
                Ok(()) => wheel.adopt(),
                Err(_) => break,
            },
            Some(errand) = wheel.errands.recv() => wheel.run_errand(errand),
            Some(ended) = wheel.runs.join_next(), if !gathering => {
                wheel.finish(ended)?;
                woken_by_runs_from = Instant::now() + GATHER;
            }
            () = sleep_until(wake_at) => {}
            _ = standing.tick() => {}
        }
    }
    wheel.wind_up().await;
    Ok(())
}

/// The schedule and everything that turns with it.
struct Wheel {
    schedule: Schedule,
    /// The schedule's zero.
    origin: Instant,
    /// What sits in each of the schedule's slots, by the slot's index.
    seats: Vec<Option<Seat>>,
    slots: HashMap<Arc<ProbeKey>, Slot>,
    /// Which probes run more rarely when their channel is closed.
    tempo: Tempo,
    /// How often each probe has asked for people, also one that is not in the plan just now.
    tallies: HashMap<Arc<ProbeKey>, Tally>,
    runs: JoinSet<(Slot, Ending)>,
    runs_max: usize,
    runs_per_host_max: usize,
    skipped: [Count; Skip::ALL.len()],
    lag: Spread,
    plans: watch::Receiver<Arc<Plan>>,
    outcomes: mpsc::Sender<Observed>,
    errands: mpsc::Receiver<Errand>,
    gate: Gate,
    metrics: Arc<Metrics>,
    pulse: Arc<Pulse>,
    clock: Clock,
    /// Tells every run to stop.
    stop: CancellationToken,
}

/// Runs under way against each of a probe's hosts, each shared by all the probes of that host.
type HostLoads = Arc<[Arc<AtomicUsize>]>;

struct Seat {
    plan: Arc<ProbePlan>,
    hosts: HostLoads,
    in_flight: Level,
    /// Tells the probe's run to stop.
    stop: CancellationToken,
}

/// What a run weighs, for as long as it is under way, however it ends.
struct Weight {
    hosts: HostLoads,
    in_flight: Level,
}

impl Weight {
    fn put_on(seat: &Seat) -> Self {
        seat.in_flight.inc();
        for host in &*seat.hosts {
            host.fetch_add(1, Relaxed);
        }
        Self { hosts: Arc::clone(&seat.hosts), in_flight: seat.in_flight.clone() }
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.in_flight.dec();
        for host in &*self.hosts {
            host.fetch_sub(1, Relaxed);
        }
    }
}

impl Wheel {
    fn new(connections: Connections, stop: CancellationToken) -> Self {
        let Connections { plans, outcomes, errands, gate, metrics, pulse, clock } = connections;
        let since_epoch = Duration::try_from(clock.now().as_duration()).unwrap_or(Duration::ZERO);
        let skipped =
            Skip::ALL.map(|reason| metrics.instruments.runs_skipped.with_label_values(&[reason.as_str()]));
        Self {
            schedule: Schedule::new(since_epoch),
            origin: Instant::now(),
            seats: Vec::new(),
            slots: HashMap::new(),
            tempo: Tempo::default(),
            tallies: HashMap::new(),
            runs: JoinSet::new(),
            runs_max: 0,
            runs_per_host_max: 0,
            skipped,
            lag: metrics.instruments.scheduler_lag.clone(),
            plans,
            outcomes,
            errands,
            gate,
            metrics,
            pulse,
            clock,
            stop,
        }
    }

    /// Gives every turn that has come what it is due.
    fn turn(&mut self, now: Instant) {
        let now = now - self.origin;
        while let Some(turn) = self.schedule.take_due(now) {
            match turn {
                Turn::Run { slot, due_at } => match self.room(slot) {
                    Ok(()) => self.start(slot, self.origin + due_at, None),
                    Err(reason) => {
                        self.count_skipped(reason, 1);
                        self.schedule.finished(slot, now, Ending::Void);
                    }
                },
                Turn::Skipped { reason, turns, .. } => self.count_skipped(reason, turns),
            }
        }
    }

    /// Changes the pace of probes whose channel has opened or closed.
    fn heed_hours(&mut self, now: Instant) {
        let now = now - self.origin;
        for turned in self.tempo.turned(self.clock.now()) {
            self.schedule.change(turned.slot, turned.pace, now);
            if turned.opened {
                self.schedule.hasten(turned.slot, now);
            }
        }
    }

    /// When a channel opens or closes next.
    fn next_opening(&self, now: Instant) -> Option<Instant> {
        self.tempo.next_in(self.clock.now()).and_then(|wait| now.checked_add(wait))
    }

    fn next_wake(&mut self) -> Option<Instant> {
        self.schedule.next_wake().map(|at| self.origin + at)
    }

    /// Whether a run more is allowed.
    fn room(&self, slot: Slot) -> Result<(), Skip> {
        if self.runs.len() >= self.runs_max {
            return Err(Skip::RunsMax);
        }
        let mut hosts = self.seats[slot.index()].iter().flat_map(|seat| &*seat.hosts);
        if hosts.any(|host| host.load(Relaxed) >= self.runs_per_host_max) {
            return Err(Skip::HostMax);
        }
        Ok(())
    }

    /// Starts a run; whoever has asked for it is told what it saw.
    fn start(&mut self, slot: Slot, due_at: Instant, answer: Option<Answer>) {
        let Some(seat) = &self.seats[slot.index()] else { return };
        let weight = Weight::put_on(seat);
        let span = debug_span!("run", probe = %seat.plan.key);
        let delivery = Delivery {
            outcomes: self.outcomes.downgrade(),
            gate: self.gate.clone(),
            stop: seat.stop.clone(),
            answer,
        };
        let look = look(Arc::clone(&seat.plan), due_at, self.lag.clone(), self.clock, weight, delivery);
        let run = async move { (slot, look.await) };
        self.runs.spawn(run.instrument(span));
    }

    /// Takes note of all runs that have ended.
    fn collect(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.runs.try_join_next() {
            self.finish(ended)?;
        }
        Ok(())
    }

    /// A run has ended. That of a probe that has left the plan means nothing to the schedule.
    fn finish(&mut self, ended: Result<(Slot, Ending), JoinError>) -> anyhow::Result<()> {
        let (slot, ending) = ended.context("a run broke outside its probe")?;
        self.schedule.finished(slot, self.origin.elapsed(), ending);
        Ok(())
    }

    /// Tells all runs to stop, and waits for those that clean up; nobody else does, since no outcome comes any more.
    async fn wind_up(mut self) {
        self.stop.cancel();
        drop(self.outcomes);
        while self.runs.join_next().await.is_some() {}
    }

    fn count_skipped(&self, reason: Skip, turns: u64) {
        self.skipped[reason as usize].inc_by(turns);
    }

    /// Takes over the latest plan. A probe that stays keeps its place in its interval, and a run of it that is under
    /// way still counts as its run.
    fn adopt(&mut self) {
        let plan = Arc::clone(&self.plans.borrow_and_update());
        let now = self.origin.elapsed();
        self.runs_max = plan.runs_max;
        self.runs_per_host_max = plan.runs_per_host_max;
        let wall = self.clock.now();
        self.tempo = Tempo::default();
        let mut hosts = self.hosts_in_use();
        let mut before = std::mem::take(&mut self.slots);
        for channel in plan.channels.values() {
            for probe in channel.probes.values() {
                let paces = paces(channel, probe);
                let pace = paces.as_ref().map_or_else(|| pace(channel, probe), |paces| paces.at(wall));
                let slot = match before.remove(&probe.key) {
                    Some(slot) => {
                        self.schedule.change(slot, pace, now);
                        slot
                    }
                    None => self.schedule.insert(&probe.key, pace, now),
                };
                if let Some(paces) = paces {
                    self.tempo.add(slot, paces, wall);
                }
                self.seat(slot, probe, &mut hosts);
            }
        }
        for slot in before.into_values() {
            self.schedule.remove(slot);
            if let Some(seat) = self.seats[slot.index()].take() {
                seat.stop.cancel();
            }
        }
    }

    fn seat(&mut self, slot: Slot, probe: &Arc<ProbePlan>, hosts: &mut HashMap<Arc<str>, Arc<AtomicUsize>>) {
        let load = |host: &Arc<str>| Arc::clone(hosts.entry(Arc::clone(host)).or_default());
        let hosts = probe.hosts.iter().map(load).collect();
        let in_flight = self.metrics.instruments.runs_in_flight.with_label_values(&[probe.kind]);
        if self.seats.len() <= slot.index() {
            self.seats.resize_with(slot.index() + 1, || None);
        }
        let seat = &mut self.seats[slot.index()];
        let before = seat.take();
        if let Some(asks) = probe.probe.asks() {
            asks.share(self.tallies.entry(Arc::clone(&probe.key)).or_insert_with(|| asks.tally()));
        }
        let stop = before.map_or_else(|| self.stop.child_token(), |before| before.stop);
        *seat = Some(Seat { plan: Arc::clone(probe), hosts, in_flight, stop });
        self.slots.insert(Arc::clone(&probe.key), slot);
    }

    /// The hosts of the present plan with the runs under way against them.
    fn hosts_in_use(&self) -> HashMap<Arc<str>, Arc<AtomicUsize>> {
        let seats = self.seats.iter().flatten();
        let loads = |seat: &Seat| std::iter::zip(seat.plan.hosts.to_vec(), seat.hosts.to_vec());
        seats.flat_map(loads).collect()
    }
}

/// By what way the outcome of a run gets to the evaluator.
struct Delivery {
    outcomes: mpsc::WeakSender<Observed>,
    gate: Gate,
    /// Tells the run to stop.
    stop: CancellationToken,
    /// Who has asked for the run.
    answer: Option<Answer>,
}

impl Delivery {
    /// Delivers an outcome, once it is known whether our own network was well; says what the schedule needs to know.
    async fn deliver(self, mut observed: Observed, began: Instant) -> Ending {
        let Self { outcomes, gate, stop, answer } = self;
        let ended = Instant::now();
        let passed = tokio::select! {
            biased;
            passed = gate.pass(&mut observed.outcome, began, ended) => passed,
            () = stop.cancelled() => return Ending::Void,
        };
        if passed.is_break() {
            return Ending::Void;
        }
        if let Some(answer) = answer {
            // Whoever asked may have gone away meanwhile; the outcome counts all the same.
            drop(answer.send(Ok(observed.outcome.clone())));
        }
        let ending = match observed.outcome.verdict {
            Verdict::Ok | Verdict::Degraded(_) => Ending::Passed,
            Verdict::Failed(_) => Ending::Failed,
            Verdict::Inconclusive(_) => Ending::Void,
        };
        // Without its input the evaluator ends; a run that only cleans up must not keep it from that.
        let Some(outcomes) = outcomes.upgrade() else { return Ending::Void };
        tokio::select! {
            biased;
            sent = outcomes.send(observed) => match sent {
                Ok(()) => ending,
                // The evaluator has ended, and the whole daemon ends with it.
                Err(_) => Ending::Void,
            },
            () = stop.cancelled() => Ending::Void,
        }
    }
}

/// One run and the delivery of its outcome. It weighs on its hosts while it is made, and no longer.
async fn look(
    plan: Arc<ProbePlan>,
    due_at: Instant,
    lag: Spread,
    clock: Clock,
    weight: Weight,
    delivery: Delivery,
) -> Ending {
    lag.observe(due_at.elapsed().as_secs_f64());
    let began = Instant::now();
    let key = Arc::clone(&plan.key);
    let run = run::run(&*plan.probe, key, plan.timeout, clock, &plan.redactor, &delivery.stop);
    let ended = run.await;
    drop(weight);
    let Some(Ended { outcome, exhibits, .. }) = ended else { return Ending::Void };
    delivery.deliver(Observed { fingerprint: plan.fingerprint, outcome, exhibits }, began).await
}

/// A recheck follows as often as a verdict of dark still needs after the first failure.
fn pace(channel: &Channel, probe: &ProbePlan) -> Pace {
    let at_most = channel.rules.dark_after.count.saturating_sub(1);
    Pace { every: probe.every, recheck: probe.recheck.map(|after| Recheck { after, at_most }) }
}

/// The paces of a probe that runs more rarely while its channel is closed. What fails then is not looked at again sooner.
fn paces(channel: &Channel, probe: &ProbePlan) -> Option<Paces> {
    let hours = Arc::clone(channel.hours.as_ref()?);
    let every = channel.every_closed.filter(|every| *every > probe.every)?;
    Some(Paces { open: pace(channel, probe), closed: Pace { every, recheck: None }, hours })
}
