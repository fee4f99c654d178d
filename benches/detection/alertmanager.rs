//! Prometheus and Alertmanager: a rule that must hold for a minute, and a group that waits before it tells.
//!
//! The rule is evaluated in a pace of its own on what the last run saw. The group waits before its first mail; what
//! happens afterwards, an all-clear too, is told at its next interval.

use super::{
    chance::Chance,
    detector::{Detector, Run, Saw, Tiding},
    world::{MINUTE, Micros, SECOND},
};

/// How often the rule is evaluated.
const EVALUATED_EVERY: Micros = 30 * SECOND;
/// How long it must hold.
const FOR: Micros = MINUTE;
/// How long a new group waits.
const GROUP_WAIT: Micros = 30 * SECOND;
/// How long a group waits that has told something.
const GROUP_INTERVAL: Micros = 5 * MINUTE;

/// One rule and its group.
#[derive(Debug)]
pub struct Alertmanager {
    evaluated_next: Micros,
    failed_last: bool,
    /// Since when the rule has held.
    holds_since: Option<Micros>,
    firing: bool,
    /// When the group tells next; none while there is none.
    tells_next: Option<Micros>,
    told_firing: bool,
}

impl Alertmanager {
    /// A rule that does not hold, evaluated somewhere in its interval.
    pub fn new(chance: &mut Chance) -> Self {
        Self {
            evaluated_next: chance.below(EVALUATED_EVERY),
            failed_last: false,
            holds_since: None,
            firing: false,
            tells_next: None,
            told_firing: false,
        }
    }

    fn evaluate(&mut self, at: Micros) {
        if !self.failed_last {
            self.holds_since = None;
            self.firing = false;
            return;
        }
        let since = *self.holds_since.get_or_insert(at);
        if !self.firing && at - since >= FOR {
            self.firing = true;
            self.tells_next.get_or_insert(at + GROUP_WAIT);
        }
    }

    fn tell(&mut self, at: Micros, tidings: &mut Vec<Tiding>) {
        if self.firing != self.told_firing {
            self.told_firing = self.firing;
            tidings.push(Tiding::new(at, self.firing));
        }
        self.tells_next = self.firing.then_some(at + GROUP_INTERVAL);
    }
}

impl Detector for Alertmanager {
    fn see(&mut self, run: Run, tidings: &mut Vec<Tiding>) {
        self.elapse(run.counts_at, tidings);
        if run.saw != Saw::Nothing {
            self.failed_last = run.saw == Saw::Failed;
        }
    }

    fn elapse(&mut self, until: Micros, tidings: &mut Vec<Tiding>) {
        loop {
            let tells_next = self.tells_next.unwrap_or(Micros::MAX);
            if tells_next.min(self.evaluated_next) > until {
                return;
            }
            if tells_next < self.evaluated_next {
                self.tell(tells_next, tidings);
            } else {
                self.evaluate(self.evaluated_next);
                self.evaluated_next += EVALUATED_EVERY;
            }
        }
    }

    fn rest(&mut self, _runs: u64, until: Micros) {
        let turns = until.saturating_sub(self.evaluated_next) / EVALUATED_EVERY;
        self.evaluated_next += turns * EVALUATED_EVERY;
    }
}
