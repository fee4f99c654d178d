//! Lamplighter's own judgement: the code that the daemon runs, fed with the outcomes it would be fed with.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use lamplighter::domain::{
    channel::{ChannelId, ProbeKey, ProbeName},
    evaluation::{ChannelState, Moment, Quorum, Rules, State, Watched},
    outcome::{Detail, Failure, Inconclusive, InconclusiveReason, Outcome, Reason, Stage, Verdict},
};

use super::{
    detector::{Detector, Run, Saw, Tiding},
    world::Micros,
};

/// A channel with one probe, as the daemon keeps it.
pub struct Judge {
    rules: Rules,
    state: ChannelState,
    /// Outcomes that are told from each other by their times only.
    ok: Outcome,
    failed: Outcome,
    nothing: Outcome,
    /// Whether an incident is open. One stays open while nothing can be seen.
    alarmed: bool,
}

/// The probe that is watched in every simulation.
pub fn key() -> Arc<ProbeKey> {
    Arc::new(ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("launcher") })
}

impl Judge {
    /// A channel that is judged by these rules and whose probe may be silent for so long.
    pub fn new(dark_after: Quorum, up_after: Quorum, silence: Duration) -> Self {
        let rules = Rules { dark_after, up_after, alert_on_degraded: false, waiting: None };
        let key = key();
        let mut state = ChannelState::new(Timestamp::UNIX_EPOCH);
        state.watch([Watched { key: Arc::clone(&key), silence, fingerprint: 0 }], Duration::ZERO);
        let outcome = |verdict| Outcome {
            probe: Arc::clone(&key),
            started_at: Timestamp::UNIX_EPOCH,
            duration: Duration::ZERO,
            verdict,
            phases: Vec::new(),
            certificate_expires_at: None,
            contact: None,
            met: Vec::new(),
        };
        let failure = Failure {
            stage: Stage::Connect,
            step: None,
            reason: Reason::ConnectRefused,
            cause: None,
            detail: Detail::new("refused"),
        };
        let nothing = Inconclusive {
            reason: InconclusiveReason::OwnNetwork,
            detail: Detail::new("no sentinel answered"),
        };
        Self {
            rules,
            state,
            ok: outcome(Verdict::Ok),
            failed: outcome(Verdict::Failed(failure)),
            nothing: outcome(Verdict::Inconclusive(nothing)),
            alarmed: false,
        }
    }
}

impl Detector for Judge {
    fn see(&mut self, run: Run, tidings: &mut Vec<Tiding>) {
        let outcome = match run.saw {
            Saw::Ok => &mut self.ok,
            Saw::Failed => &mut self.failed,
            Saw::Nothing => &mut self.nothing,
        };
        outcome.started_at = wall(run.began);
        outcome.duration = Duration::from_micros(run.ended - run.began);
        let monotonic = Duration::from_micros(run.counts_at);
        self.state.record(outcome, &self.rules, monotonic);
        let now = Moment { wall: wall(run.counts_at), monotonic };
        let Some(transition) = self.state.judge(&self.rules, now) else { return };
        self.state.adopt(transition.to, transition.since);
        let alarmed = match transition.to {
            State::Dark => true,
            State::Up => false,
            State::Degraded | State::Closed | State::Unknown => self.alarmed,
        };
        if alarmed != self.alarmed {
            self.alarmed = alarmed;
            tidings.push(Tiding::new(run.counts_at, alarmed));
        }
    }
}

fn wall(at: Micros) -> Timestamp {
    Timestamp::from_microsecond(i64::try_from(at).expect("a simulation ends long before the year 294000"))
        .expect("a simulation ends long before the year 9999")
}
