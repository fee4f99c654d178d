//! Every policy that is compared: a detector, the pace of its runs, and whether the sentinels are asked.

use std::time::Duration;

use lamplighter::domain::{
    evaluation::Quorum,
    schedule::{Pace, Recheck},
};

use super::{
    alertmanager::Alertmanager,
    chance::Chance,
    classics::{CumulativeSum, InARow, MovingAverage, SequentialTest},
    detector::Detector,
    icinga::Icinga,
    judge::Judge,
    pacing::Pacing,
    world::{DEADLINE, MINUTE, Micros, SECOND},
};

/// How often a channel is looked at while all is well, by every policy: they have the same budget.
pub const EVERY: Micros = 30 * SECOND;

/// By what runs are judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Lamplighter's own code with these quorums.
    Lamplighter {
        /// When it is dark.
        dark_after: Quorum,
        /// When it is up again.
        up_after: Quorum,
    },
    /// So many failures in a row, and so many successes.
    InARow(u32, u32),
    /// The weight of a run, and the lines.
    MovingAverage(f64, f64, f64),
    /// The heights.
    CumulativeSum(f64, f64),
    /// The probabilities of both errors.
    SequentialTest(f64, f64),
    /// `for: 1m` and a group that waits 30 s.
    Alertmanager,
    /// Three attempts, in this pace.
    Icinga {
        /// How soon the next attempt follows.
        retry: Micros,
        /// Whether flapping is detected.
        flapping: bool,
    },
}

/// How often Icinga tries.
const ICINGA_ATTEMPTS: u32 = 3;

/// One policy.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Its name in the tables.
    pub name: &'static str,
    /// Its detector.
    pub rule: Rule,
    /// How soon a failed run is followed by another, and how often in a row.
    pub recheck: Option<(Micros, u32)>,
    /// Whether a failed run counts only once the sentinels have been asked.
    pub gate: bool,
}

impl Policy {
    /// One that only takes its turns.
    pub const fn plain(name: &'static str, rule: Rule) -> Self {
        Self { name, rule, recheck: None, gate: false }
    }

    /// The same with quick second looks.
    pub const fn rechecked(self, after: Micros, at_most: u32) -> Self {
        Self { recheck: Some((after, at_most)), ..self }
    }

    /// The same with the sentinels asked.
    pub const fn gated(self) -> Self {
        Self { gate: true, ..self }
    }

    /// Lamplighter with `failures` of `of` runs, up after two, and rechecks as its scheduler allows them.
    pub const fn lamplighter(name: &'static str, failures: u32, of: u32, recheck: Option<Micros>) -> Self {
        let dark_after = Quorum { count: failures, of };
        let up_after = Quorum { count: 2, of: 2 };
        let plain = Self::plain(name, Rule::Lamplighter { dark_after, up_after });
        match recheck {
            Some(after) => plain.rechecked(after, failures - 1),
            None => plain,
        }
    }

    /// The same with an all-clear after so many successes in a row.
    const fn up_after(self, successes: u32) -> Self {
        match self.rule {
            Rule::Lamplighter { dark_after, .. } => {
                let up_after = Quorum { count: successes, of: successes };
                Self { rule: Rule::Lamplighter { dark_after, up_after }, ..self }
            }
            _ => self,
        }
    }

    /// Its turns on a grid that lies anywhere.
    pub fn pacing(&self, chance: &mut Chance) -> Pacing {
        match self.rule {
            Rule::Icinga { retry, .. } => Pacing::Attempts {
                next: chance.below(EVERY),
                every: EVERY,
                retry,
                attempts: ICINGA_ATTEMPTS,
                failed: 0,
            },
            _ => {
                let recheck = self.recheck.map(|(after, at_most)| Recheck { after: span(after), at_most });
                Pacing::scheduled(Pace { every: span(EVERY), recheck }, chance)
            }
        }
    }

    /// Its detector, which believes that all is well or knows nothing yet.
    pub fn detector(&self, chance: &mut Chance) -> Box<dyn Detector> {
        match self.rule {
            Rule::Lamplighter { dark_after, up_after } => {
                // As the daemon has it: three intervals and one timeout.
                let silence = span(3 * EVERY + DEADLINE);
                Box::new(Judge::new(dark_after, up_after, silence))
            }
            Rule::InARow(down, up) => Box::new(InARow::new(down, up)),
            Rule::MovingAverage(weight, above, below) => Box::new(MovingAverage::new(weight, above, below)),
            Rule::CumulativeSum(alarm, clear) => Box::new(CumulativeSum::new(alarm, clear)),
            Rule::SequentialTest(false_alarm, miss) => Box::new(SequentialTest::new(false_alarm, miss)),
            Rule::Alertmanager => Box::new(Alertmanager::new(chance)),
            Rule::Icinga { flapping, .. } => Box::new(Icinga::new(ICINGA_ATTEMPTS, flapping)),
        }
    }
}

const fn span(micros: Micros) -> Duration {
    Duration::from_micros(micros)
}

const MOVING_AVERAGE: Rule = Rule::MovingAverage(0.3, 0.65, 0.35);
const CUMULATIVE_SUM: Rule = Rule::CumulativeSum(7.0, 1.3);
const SEQUENTIAL_TEST: Rule = Rule::SequentialTest(1e-4, 0.05);
const SLOW_RETRY: Rule = Rule::Icinga { retry: MINUTE, flapping: false };
const FLAP_SCORE: Rule = Rule::Icinga { retry: EVERY, flapping: true };

/// What Lamplighter does where the configuration says nothing else and there are sentinels.
pub const DEFAULT: Policy =
    Policy::lamplighter("**default: 4 of 7, recheck 4s, gate**", 4, 7, Some(4 * SECOND)).gated();

/// Every policy, in the order of the tables.
pub const POLICIES: &[Policy] = &[
    Policy::plain("Uptime Kuma: 1 failure", Rule::InARow(1, 1)),
    Policy::plain("Gatus: 3 down, 2 up", Rule::InARow(3, 2)),
    Policy::plain("Alertmanager: for 1m, group 30s", Rule::Alertmanager),
    Policy::plain("Icinga: 3 attempts, retry 1m", SLOW_RETRY),
    Policy::plain("Icinga: 3 attempts, retry 30s, flap score", FLAP_SCORE),
    Policy::plain("Datadog: 2 fast retries", Rule::InARow(3, 1)).rechecked(300_000, 2),
    Policy::plain("moving average", MOVING_AVERAGE),
    Policy::plain("cumulative sum", CUMULATIVE_SUM),
    Policy::plain("sequential test", SEQUENTIAL_TEST),
    Policy::plain("moving average, recheck 5s, gate", MOVING_AVERAGE).rechecked(5 * SECOND, 2).gated(),
    Policy::plain("cumulative sum, recheck 5s, gate", CUMULATIVE_SUM).rechecked(5 * SECOND, 2).gated(),
    Policy::plain("sequential test, recheck 5s, gate", SEQUENTIAL_TEST).rechecked(5 * SECOND, 2).gated(),
    Policy::lamplighter("3 in a row", 3, 3, None),
    Policy::lamplighter("3 of 5", 3, 5, None),
    Policy::lamplighter("3 of 5, gate", 3, 5, None).gated(),
    Policy::lamplighter("2 of 3, recheck 10s, gate", 2, 3, Some(10 * SECOND)).gated(),
    Policy::lamplighter("3 in a row, recheck 5s, gate", 3, 3, Some(5 * SECOND)).gated(),
    Policy::lamplighter("3 of 5, recheck 5s", 3, 5, Some(5 * SECOND)),
    Policy::lamplighter("3 of 5, recheck 5s, gate", 3, 5, Some(5 * SECOND)).gated(),
    Policy::lamplighter("4 of 6, recheck 4s, gate", 4, 6, Some(4 * SECOND)).gated(),
    Policy::lamplighter("4 of 7", 4, 7, None),
    Policy::lamplighter("4 of 7, recheck 4s", 4, 7, Some(4 * SECOND)),
    DEFAULT,
    Policy::lamplighter("the same, up after 3", 4, 7, Some(4 * SECOND)).up_after(3).gated(),
    Policy::lamplighter("4 of 8, recheck 4s, gate", 4, 8, Some(4 * SECOND)).gated(),
    Policy::lamplighter("5 of 9, recheck 3s, gate", 5, 9, Some(3 * SECOND)).gated(),
];
