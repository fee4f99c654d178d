//! The judgement of a channel: outcomes become evidence, evidence becomes a state.
//!
//! Judging is level-triggered. Evidence is taken in at once; a change of state is proposed as a [`Transition`], and is
//! proposed again on the next look until somebody has committed it and called [`ChannelState::adopt`]. So a store that
//! refuses a transaction can delay a verdict and can lose none: an outage that ends before it could be committed is
//! still proposed first, and its end after it.
//!
//! A channel is as bad as the worst of its probes. A probe that has been silent for longer than it may be says
//! nothing; if it was bad when it fell silent, the channel is unknown rather than better.

mod evidence;
mod opening;
mod personas;
mod recent;
mod suspicion;
mod waits;

use std::{borrow::Cow, sync::Arc, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    opening::Opening,
    recent::{RecentRun, RunWord},
};
use crate::domain::{
    channel::{ProbeKey, ProbeName},
    evaluation::{
        evidence::{Beginning, Effect, ProbeEvidence, Turned},
        opening::Gate,
        personas::{Finding, findings},
    },
    outcome::{Failure, Outcome, Phase},
};

/// The judged condition of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    Up,
    /// It works, over a budget.
    Degraded,
    /// It does not work.
    Dark,
    /// Closed outside its published hours, or under announced maintenance.
    Closed,
    /// We cannot tell.
    Unknown,
}

impl State {
    /// Every state, in the order of the definition.
    pub const ALL: [Self; 5] = [Self::Up, Self::Degraded, Self::Dark, Self::Closed, Self::Unknown];

    /// The word used in metrics, columns and mails.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Dark => "dark",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
        }
    }
}

/// `count` out of the last `of` conclusive runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// How many must agree.
    pub count: u32,
    /// Among how many; at most [`WINDOW_MAX`].
    pub of: u32,
}

/// The longest window of runs a [`Quorum`] may look at.
pub const WINDOW_MAX: u32 = 64;

/// By what a channel is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When a probe's failures make the channel dark.
    pub dark_after: Quorum,
    /// When its successes make it up again.
    pub up_after: Quorum,
    /// Whether `degraded` opens an incident.
    pub alert_on_degraded: bool,
    /// How often customers may wait for a person in vain; without, a wait in vain is a failure like any other.
    pub waiting: Option<Waiting>,
}

/// How often customers may wait for a person in vain: one who is late, or does not come.
///
/// A wait in vain proves little: at busy hours many customers have one. So it does not count among the failures of
/// [`Rules::dark_after`]; what counts is the share of such waits over a window. Over the line the channel is degraded, and
/// dark when nobody was answered at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The share that may be in vain, in thousandths.
    pub timeouts_permille: u16,
    /// Over this time.
    pub window: Duration,
    /// With fewer runs in the window nothing is said.
    pub runs_min: u32,
}

/// A change of state, with its reason and its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// The moment of the change: the end of the run that completed the evidence.
    pub at: Timestamp,
    /// Start of the first run that belongs to the new state: for `dark`, the first failure of the evidence.
    /// Where no run decided, the same as `at`.
    pub since: Timestamp,
    /// What was seen.
    pub evidence: Evidence,
}

/// What a transition rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The probe whose runs decided.
    pub probe: Option<Arc<ProbeKey>>,
    /// How many runs agreed.
    pub agreeing: u32,
    /// Among how many looked at.
    pub of: u32,
    /// The latest failure, for `dark` and `degraded`; for a recovery, the probe's last one, which is over.
    pub failure: Option<Failure>,
    /// The phases of the run that failed latest (for a recovery: that succeeded latest).
    pub phases: Vec<Phase>,
    /// The last runs, oldest first.
    pub recent: Vec<RecentRun>,
}

/// A moment on both clocks: intervals are measured on the monotonic one, people are told the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time of day; a label only.
    pub wall: Timestamp,
    /// Time since an origin that the caller chooses and keeps.
    pub monotonic: Duration,
}

/// A probe whose runs count for a channel.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Its key.
    pub key: Arc<ProbeKey>,
    /// After how long without a conclusive run it says nothing any more.
    pub silence: Duration,
    /// Equal while the probe is configured alike; what a changed probe has seen before does not count.
    pub fingerprint: u64,
}

/// A bad state and when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// `Degraded` or `Dark`.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
}

/// Everything known about one channel: the state that was committed, and the evidence seen so far.
#[derive(Debug)]
pub struct ChannelState {
    state: State,
    since: Timestamp,
    /// In the order of their names.
    probes: Vec<ProbeEvidence>,
    /// The change proposed last, until it is adopted or the evidence calls for it no more.
    // Boxed: it is large, and of most channels there is none.
    proposed: Option<Box<Transition>>,
    /// While the channel is unknown or closed: what it was when it was bad last, if it was.
    before_unknown: Option<Outage>,
    /// Whether it is open, as far as was said.
    gate: Gate,
    /// No proposal can arise before this moment unless a probe turns.
    settled_until: Duration,
}

impl ChannelState {
    /// A channel never seen before.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self::restore(State::Unknown, at, None)
    }

    /// A channel as it was last committed, with the outage of its incident if one stands. Its probes begin in this
    /// state, and need full evidence to leave it; where it is unknown or closed, they begin in the outage, in doubt.
    #[must_use]
    pub fn restore(state: State, since: Timestamp, outage: Option<Outage>) -> Self {
        let before_unknown = outage.filter(|_| is_unseen(state));
        Self {
            state,
            since,
            probes: Vec::new(),
            proposed: None,
            before_unknown,
            gate: Gate::default(),
            settled_until: Duration::ZERO,
        }
    }

    /// Says which probes count from now on. One that is configured as before keeps its evidence; a new or changed
    /// one begins in the channel's state, or in the one that is about to be committed: it has seen nothing that could
    /// speak against it.
    pub fn watch(&mut self, probes: impl IntoIterator<Item = Watched>, now: Duration) {
        let beginning = self.beginning();
        let mut before = std::mem::take(&mut self.probes);
        let probes = probes.into_iter();
        self.probes.reserve_exact(probes.size_hint().0);
        for watched in probes {
            let kept = before
                .iter()
                .position(|known| known.key == watched.key && known.fingerprint == watched.fingerprint)
                .map(|index| before.swap_remove(index));
            self.probes.push(match kept {
                Some(mut known) => {
                    known.silence = watched.silence;
                    known
                }
                None => ProbeEvidence::new(watched, beginning, now),
            });
        }
        self.probes.sort_by(|a, b| a.key.probe.cmp(&b.key.probe));
        self.settled_until = Duration::ZERO;
    }

    /// Takes in what a run saw. An outcome of a probe that is not watched is ignored. Call [`ChannelState::judge`]
    /// after it.
    pub fn record(&mut self, outcome: &Outcome, rules: &Rules, now: Duration) {
        let name = &outcome.probe.probe;
        let Ok(index) = self.probes.binary_search_by(|known| known.key.probe.cmp(name)) else { return };
        if !self.gate.counts(outcome, now) {
            self.probes[index].witness(outcome);
            return;
        }
        // That a persona is served says something of the others, also where it is no news of its own.
        if self.probes[index].record(outcome, rules, now) == Effect::Turned || name.persona().is_some() {
            self.settled_until = Duration::ZERO;
        }
    }

    /// Proposes the change of state that the evidence calls for, if any. The same is proposed again until it has been
    /// adopted. Call it after every record, and once a second for what only time brings about.
    pub fn judge(&mut self, rules: &Rules, now: Moment) -> Option<Transition> {
        if let Some(owed) = self.proposed.as_ref().filter(|proposed| is_owed(proposed.to, rules)) {
            return Some((**owed).clone());
        }
        if now.monotonic < self.settled_until {
            return None;
        }
        let target = if self.gate.is_closed() { State::Closed } else { self.weigh(now.monotonic) };
        self.proposed = (target != self.state).then(|| Box::new(self.transition_to(target, now)));
        if self.proposed.is_none() {
            self.settled_until = self.next_silence(now.monotonic);
        }
        self.proposed.as_deref().cloned()
    }

    /// Takes a state as its own that has been committed.
    pub fn adopt(&mut self, state: State, since: Timestamp) {
        self.before_unknown = self.outage().filter(|_| is_unseen(state));
        self.state = state;
        self.since = since;
        self.proposed = None;
        self.settled_until = Duration::ZERO;
    }

    /// The committed state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What others are told of this channel: its state, or the one about to be committed where that is worse. Nobody is
    /// sent to a door that is found broken at the same moment.
    #[must_use]
    pub fn outlook(&self) -> State {
        match self.proposed.as_ref().map_or(self.state, |proposed| proposed.to) {
            State::Dark => State::Dark,
            next => self.state.max(next),
        }
    }

    /// Since when.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The latest failure of the worst probe, while the channel is neither up nor unknown.
    #[must_use]
    pub fn failure(&self) -> Option<Cow<'_, Failure>> {
        let worst = self.probes.iter().filter(|probe| probe.condition == self.state);
        match self.state {
            State::Degraded | State::Dark => match worst.max_by_key(|probe| probe.turned.at) {
                Some(worst) => worst.failure.as_ref().map(Cow::Borrowed),
                None => findings(self.probes.iter()).iter().find_map(Finding::failure).map(Cow::Owned),
            },
            State::Up | State::Closed | State::Unknown => None,
        }
    }

    /// The last runs of one of its probes, oldest first, inconclusive ones included.
    pub fn recent(&self, probe: &ProbeName) -> impl DoubleEndedIterator<Item = &RecentRun> {
        let index = self.probes.binary_search_by(|known| known.key.probe.cmp(probe)).ok();
        index.into_iter().flat_map(|index| self.probes[index].recent())
    }

    /// How a probe begins of which nothing is known but its channel.
    fn beginning(&self) -> Beginning {
        let (state, since) =
            self.proposed.as_ref().map_or((self.state, self.since), |next| (next.to, next.since));
        match self.outage() {
            Some(outage) if is_unseen(state) => {
                Beginning { state: outage.state, since: outage.since, in_doubt: true }
            }
            _ => Beginning { state, since, in_doubt: false },
        }
    }

    /// The outage that the channel is in, or was in when it was last heard of.
    fn outage(&self) -> Option<Outage> {
        match self.state {
            State::Degraded | State::Dark => Some(Outage { state: self.state, since: self.since }),
            State::Unknown | State::Closed => self.before_unknown,
            State::Up => None,
        }
    }

    /// The worst that probes say; unknown where none says anything, or where one fell silent in a worse state.
    fn weigh(&self, now: Duration) -> State {
        let worst = |speaking: bool| {
            let those = self.probes.iter().filter(|probe| probe.speaks(now) == speaking);
            findings(those).into_iter().map(|finding| finding.state).max()
        };
        match (worst(true), worst(false)) {
            (Some(heard), None | Some(State::Up)) => heard,
            (Some(heard), Some(before_silence)) if heard >= before_silence => heard,
            _ => State::Unknown,
        }
    }

    fn next_silence(&self, now: Duration) -> Duration {
        let silences = self.probes.iter().filter(|probe| probe.speaks(now)).map(ProbeEvidence::silent_at);
        silences.min().unwrap_or(Duration::MAX)
    }

    fn transition_to(&self, target: State, now: Moment) -> Transition {
        let closes_at = self.gate.turned_at().filter(|_| target == State::Closed);
        let at_once = Turned::without_run(closes_at.unwrap_or(now.wall));
        let deciding = self.deciding(target, now.monotonic);
        let turned = match deciding {
            // It has long been so, and shows only now that a worse probe has left the plan or has mended.
            Some(probe) if self.betters(target) && probe.turned.since < self.since => at_once,
            Some(probe) => probe.turned,
            None => at_once,
        };
        // What was seen under maintenance is told of from its end on.
        let opened_at = self.gate.turned_at().filter(|_| self.state == State::Closed);
        let restricted = self.restricted(deciding, target, now.monotonic);
        let failure = match target {
            State::Degraded if restricted.is_some() => restricted,
            State::Up | State::Degraded | State::Dark => deciding.and_then(|probe| probe.failure.clone()),
            State::Closed | State::Unknown => None,
        };
        Transition {
            from: self.state,
            to: target,
            at: opened_at.map_or(turned.at, |opened_at| turned.at.max(opened_at)),
            since: turned.since,
            evidence: Evidence {
                probe: deciding.map(|probe| probe.key.clone()),
                agreeing: turned.agreeing,
                of: turned.of,
                failure,
                phases: deciding.map(|probe| probe.phases.clone()).unwrap_or_default(),
                recent: self.recent_runs(deciding),
            },
        }
    }

    fn betters(&self, target: State) -> bool {
        target == State::Up || (target == State::Degraded && self.state == State::Dark)
    }

    /// What is told of a persona that is refused while others are served, if that is what makes the channel degraded.
    fn restricted(&self, deciding: Option<&ProbeEvidence>, target: State, now: Duration) -> Option<Failure> {
        let deciding =
            deciding.filter(|probe| target == State::Degraded && probe.condition == State::Dark)?;
        let speaking = self.probes.iter().filter(|probe| probe.speaks(now));
        findings(speaking).iter().find(|finding| finding.refuses(deciding))?.failure()
    }

    /// The probe whose runs decided: the one that went bad first, or the one that was bad longest.
    fn deciding(&self, target: State, now: Duration) -> Option<&ProbeEvidence> {
        let speaking = self.probes.iter().filter(|probe| probe.speaks(now));
        let findings = findings(speaking.clone());
        let refused = |probe: &ProbeEvidence| findings.iter().any(|finding| finding.refuses(probe));
        let mut agreeing = speaking
            .filter(|probe| probe.condition == target || (target == State::Degraded && refused(probe)));
        match target {
            State::Dark | State::Degraded => agreeing.min_by_key(|probe| probe.turned.since),
            State::Up => agreeing
                .clone()
                .filter(|probe| probe.turned.from > State::Up && probe.turned.from <= State::Dark)
                .max_by_key(|probe| probe.turned.at)
                .or_else(|| agreeing.next()),
            State::Closed | State::Unknown => None,
        }
    }

    /// What the table in a mail shows: the last runs of the deciding probe, and the last one of each other.
    fn recent_runs(&self, deciding: Option<&ProbeEvidence>) -> Vec<RecentRun> {
        let mut runs: Vec<RecentRun> = Vec::new();
        for probe in &self.probes {
            let decides = deciding.is_none_or(|deciding| deciding.key == probe.key);
            let count = if decides { RECENT_MAX } else { 1 };
            runs.extend(probe.recent().rev().take(count).cloned());
        }
        runs.sort_by_key(|run| run.started_at);
        let surplus = runs.len().saturating_sub(TABLE_MAX);
        runs.drain(..surplus);
        runs
    }
}

/// Whether what the channel was before is still to be known in this state.
fn is_unseen(state: State) -> bool {
    matches!(state, State::Unknown | State::Closed)
}

/// Whether people must hear of a change to this state, whatever is seen until it is committed.
fn is_owed(state: State, rules: &Rules) -> bool {
    state == State::Dark || (state == State::Degraded && rules.alert_on_degraded)
}

/// So many runs of a probe are remembered.
pub const RECENT_MAX: usize = 8;

/// So many runs at most are shown in a mail.
pub const TABLE_MAX: usize = 12;

#[cfg(test)]
mod tests;
