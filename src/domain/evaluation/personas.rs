//! One probe that runs as several personas: what it finds of its channel when they do not all find the same.

use std::collections::BTreeMap;

use super::{State, evidence::ProbeEvidence};
use crate::domain::outcome::{Detail, Failure, Reason};

/// What those who speak find of one probe.
pub(super) struct Finding<'p> {
    pub(super) state: State,
    /// Those who are refused while others are served.
    pub(super) refused: Vec<&'p ProbeEvidence>,
    /// Those who are served meanwhile.
    served: Vec<&'p ProbeEvidence>,
}

/// What each probe finds by those of its personas that are among these.
pub(super) fn findings<'p>(those: impl Iterator<Item = &'p ProbeEvidence>) -> Vec<Finding<'p>> {
    let mut by_name: BTreeMap<&str, Vec<&ProbeEvidence>> = BTreeMap::new();
    for probe in those.filter(|probe| probe.condition != State::Unknown) {
        by_name.entry(probe.key.probe.base()).or_default().push(probe);
    }
    by_name.into_values().map(|personas| found(&personas)).collect()
}

/// Dark is what is so for all of them. Where one is refused and another is served, the channel works for some; that it is
/// served must have been seen since the other was refused: of an outage that meets all, one hears first.
fn found<'p>(personas: &[&'p ProbeEvidence]) -> Finding<'p> {
    let (dark, others): (Vec<_>, Vec<_>) =
        personas.iter().copied().partition(|probe| probe.condition == State::Dark);
    let worst = |those: &[&ProbeEvidence]| those.iter().map(|probe| probe.condition).max();
    let refused_since = dark.iter().map(|probe| probe.turned.since).min();
    let (Some(since), Some(other)) = (refused_since, worst(&others)) else {
        let state = worst(personas).unwrap_or(State::Unknown);
        return Finding { state, refused: Vec::new(), served: Vec::new() };
    };
    let served: Vec<&ProbeEvidence> =
        others.into_iter().filter(|probe| probe.worked_at.is_some_and(|at| at > since)).collect();
    if served.is_empty() {
        return Finding { state: other, refused: Vec::new(), served };
    }
    Finding { state: State::Degraded.max(other), refused: dark, served }
}

impl Finding<'_> {
    /// What is told where some are refused: who, who is served, and what was met.
    pub(super) fn failure(&self) -> Option<Failure> {
        let first = self.refused.iter().min_by_key(|probe| probe.turned.since)?;
        let met = first.failure.as_ref()?;
        let names = |those: &[&ProbeEvidence]| {
            let names: Vec<&str> = those.iter().filter_map(|probe| probe.key.probe.persona()).collect();
            names.join(", ")
        };
        let (refused, served) = (names(&self.refused), names(&self.served));
        let detail = format!("only {refused}, while {served} is served: {}", met.detail);
        Some(Failure {
            reason: Reason::Restricted,
            cause: Some(met.cause.unwrap_or(met.reason)),
            detail: Detail::new(&detail),
            ..met.clone()
        })
    }

    /// Whether a probe is one of those who are refused.
    pub(super) fn refuses(&self, probe: &ProbeEvidence) -> bool {
        self.refused.iter().any(|refused| refused.key == probe.key)
    }
}
