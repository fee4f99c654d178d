//! Icinga 2: an alarm after so many attempts, and none while the channel flaps.
//!
//! A state is soft until it has been seen so many times in a row; a recovery is believed at once. Flapping is a weighted
//! share of changes among the last 20 checks, the latest weighing most, with one threshold to enter and one to leave.
//! Nobody is told anything while it lasts; at its end people are told if what they know is wrong by then.

use super::{
    detector::{Detector, Run, Saw, Tiding},
    world::Micros,
};

/// How many checks the share of changes is taken over.
const CHECKS: usize = 20;
/// Flapping begins above this percentage.
const BEGINS_ABOVE: f64 = 30.0;
/// It ends at this percentage or below.
const ENDS_AT: f64 = 25.0;

/// Attempts and the flap score.
#[derive(Debug)]
pub struct Icinga {
    attempts: u32,
    /// Failures in a row.
    failed: u32,
    failed_last: bool,
    /// Whether each of the last checks changed the state, oldest first.
    changes: [bool; CHECKS],
    flapping: bool,
    down: bool,
    /// What people believe.
    told_down: bool,
    detects_flapping: bool,
}

impl Icinga {
    /// One that believes that all is well.
    pub fn new(attempts: u32, detects_flapping: bool) -> Self {
        Self {
            attempts,
            failed: 0,
            failed_last: false,
            changes: [false; CHECKS],
            flapping: false,
            down: false,
            told_down: false,
            detects_flapping,
        }
    }

    fn remember(&mut self, changed: bool) {
        self.changes.rotate_left(1);
        self.changes[CHECKS - 1] = changed;
        let weights = self.changes.iter().enumerate().filter(|(_, changed)| **changed);
        let weighted: f64 = weights.map(|(place, _)| 0.8 + 0.02 * place as f64).sum();
        let percent = 100.0 * weighted / CHECKS as f64;
        self.flapping = percent > if self.flapping { ENDS_AT } else { BEGINS_ABOVE };
    }
}

impl Detector for Icinga {
    fn see(&mut self, run: Run, tidings: &mut Vec<Tiding>) {
        let failed = match run.saw {
            Saw::Nothing => return,
            saw => saw == Saw::Failed,
        };
        self.remember(failed != self.failed_last);
        self.failed_last = failed;
        self.failed = if failed { self.failed + 1 } else { 0 };
        self.down = if failed { self.down || self.failed >= self.attempts } else { false };
        if self.down != self.told_down && !(self.flapping && self.detects_flapping) {
            self.told_down = self.down;
            tidings.push(Tiding::new(run.counts_at, self.down));
        }
    }

    fn rest(&mut self, runs: u64, _until: Micros) {
        for _ in 0..runs.min(CHECKS as u64) {
            self.remember(false);
        }
    }
}
