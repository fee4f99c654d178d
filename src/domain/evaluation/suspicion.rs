//! What looks bad and is not judged to be: for others to be cautious.

use crate::domain::{
    evaluation::{ChannelState, ProbeEvidence, RecentRun, RunWord, State, Transition},
    outcome::Failure,
};

impl ChannelState {
    /// Whether it looks bad and is not judged to be: its last run failed, or a bad state is about to be committed.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        if !matches!(self.state, State::Up | State::Unknown) {
            return false;
        }
        let bad = |proposed: &Transition| matches!(proposed.to, State::Dark | State::Degraded);
        self.proposed.as_deref().is_some_and(bad) || self.failing().next().is_some()
    }

    /// What it is suspected for, or judged by: the latest failure of the worst probe.
    #[must_use]
    pub fn last_failure(&self) -> Option<Failure> {
        let suspected = || self.failing().find_map(|probe| probe.failure.clone());
        self.failure().map(std::borrow::Cow::into_owned).or_else(suspected)
    }

    /// The probes whose last run failed, as far as it could look.
    fn failing(&self) -> impl Iterator<Item = &ProbeEvidence> {
        let failed = |probe: &&ProbeEvidence| {
            let conclusive = |run: &&RecentRun| run.outcome != RunWord::Inconclusive;
            probe.recent().rev().find(conclusive).is_some_and(|run| run.outcome == RunWord::Failed)
        };
        self.probes.iter().filter(failed)
    }
}
