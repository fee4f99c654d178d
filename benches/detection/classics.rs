//! Detectors as textbooks have them: failures in a row, a moving average, a cumulative sum, a sequential test.
//!
//! The last two weigh two hypotheses: that runs fail as often as they do when all is well, or that half of them fail.
//! After an alarm each turns round and looks for the end of it.

use super::{
    detector::{Detector, Run, Saw, Tiding},
    world::Micros,
};

/// How often a run fails when all is well, as the tests suppose.
const FAILS_WELL: f64 = 0.02;
/// How often it fails in an outage, as the tests suppose.
const FAILS_BADLY: f64 = 0.5;

/// Down after so many failures in a row, up after so many successes in a row.
#[derive(Debug)]
pub struct InARow {
    down: u32,
    up: u32,
    /// Runs in a row that speak against the present state.
    against: u32,
    alarmed: bool,
}

impl InARow {
    /// One that believes that all is well.
    pub fn new(down: u32, up: u32) -> Self {
        Self { down, up, against: 0, alarmed: false }
    }
}

impl Detector for InARow {
    fn see(&mut self, run: Run, tidings: &mut Vec<Tiding>) {
        let needed = if self.alarmed { self.up } else { self.down };
        match run.saw {
            Saw::Nothing => return,
            saw if (saw == Saw::Failed) == self.alarmed => self.against = 0,
            _ => self.against += 1,
        }
        if self.against == needed {
            self.against = 0;
            self.alarmed = !self.alarmed;
            tidings.push(Tiding::new(run.counts_at, self.alarmed));
        }
    }
}

/// An exponentially weighted moving average of failures.
#[derive(Debug)]
pub struct MovingAverage {
    weight: f64,
    above: f64,
    below: f64,
    average: f64,
    alarmed: bool,
}

impl MovingAverage {
    /// One in which a run has this weight, that alarms above a line and is calm below another.
    pub fn new(weight: f64, above: f64, below: f64) -> Self {
        Self { weight, above, below, average: 0.0, alarmed: false }
    }
}

impl Detector for MovingAverage {
    fn see(&mut self, run: Run, tidings: &mut Vec<Tiding>) {
        if run.saw == Saw::Nothing {
            return;
        }
        let seen = f64::from(u8::from(run.saw == Saw::Failed));
        self.average += self.weight * (seen - self.average);
        let alarmed = if self.alarmed { self.average >= self.below } else { self.average > self.above };
        if alarmed != self.alarmed {
            self.alarmed = alarmed;
            tidings.push(Tiding::new(run.counts_at, alarmed));
        }
    }

    fn rest(&mut self, runs: u64, _until: Micros) {
        self.average *= (1.0 - self.weight).powf(runs as f64);
    }
}

/// The cumulative sum of Page, for runs that succeed or fail.
#[derive(Debug)]
pub struct CumulativeSum {
    alarm: f64,
    clear: f64,
    sum: f64,
    alarmed: bool,
}

impl CumulativeSum {
    /// One that alarms when the evidence for an outage reaches a height, and is calm when that against it does.
    pub fn new(alarm: f64, clear: f64) -> Self {
        Self { alarm, clear, sum: 0.0, alarmed: false }
    }
}

impl Detector for CumulativeSum {
    fn see(&mut self, run: Run, tidings: &mut Vec<Tiding>) {
        let Some(evidence) = evidence(run.saw) else { return };
        let (evidence, height) = if self.alarmed { (-evidence, self.clear) } else { (evidence, self.alarm) };
        self.sum = (self.sum + evidence).max(0.0);
        if self.sum >= height {
            self.sum = 0.0;
            self.alarmed = !self.alarmed;
            tidings.push(Tiding::new(run.counts_at, self.alarmed));
        }
    }

    fn rest(&mut self, _runs: u64, _until: Micros) {
        self.sum = 0.0;
    }
}

/// The sequential probability ratio test of Wald, begun anew whenever it has decided.
#[derive(Debug)]
pub struct SequentialTest {
    upper: f64,
    lower: f64,
    sum: f64,
    alarmed: bool,
}

impl SequentialTest {
    /// One with these probabilities of an alarm without an outage and of an outage without an alarm, in one test.
    pub fn new(false_alarm: f64, miss: f64) -> Self {
        let upper = ((1.0 - miss) / false_alarm).ln();
        let lower = (miss / (1.0 - false_alarm)).ln();
        Self { upper, lower, sum: 0.0, alarmed: false }
    }
}

impl Detector for SequentialTest {
    fn see(&mut self, run: Run, tidings: &mut Vec<Tiding>) {
        let Some(evidence) = evidence(run.saw) else { return };
        self.sum += evidence;
        let alarmed = if self.sum >= self.upper {
            true
        } else if self.sum <= self.lower {
            false
        } else {
            return;
        };
        self.sum = 0.0;
        if alarmed != self.alarmed {
            self.alarmed = alarmed;
            tidings.push(Tiding::new(run.counts_at, alarmed));
        }
    }

    fn rest(&mut self, runs: u64, _until: Micros) {
        let mut left = runs;
        while left > 0 && self.sum != 0.0 {
            self.sum += SUCCESS_RATIO.ln();
            left -= 1;
            if self.sum <= self.lower {
                self.sum = 0.0;
            }
        }
        // From its beginning a test that only sees successes goes the same few steps again and again.
        let steps = (self.lower / SUCCESS_RATIO.ln()).ceil() as u64;
        self.sum = (left % steps) as f64 * SUCCESS_RATIO.ln();
    }
}

/// How much less likely a success is in an outage.
const SUCCESS_RATIO: f64 = (1.0 - FAILS_BADLY) / (1.0 - FAILS_WELL);

/// The logarithm of how much likelier it is to see this in an outage.
fn evidence(saw: Saw) -> Option<f64> {
    match saw {
        Saw::Ok => Some(SUCCESS_RATIO.ln()),
        Saw::Failed => Some((FAILS_BADLY / FAILS_WELL).ln()),
        Saw::Nothing => None,
    }
}
