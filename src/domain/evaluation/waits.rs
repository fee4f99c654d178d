//! How often customers waited for a person in vain, over a sliding window.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use super::{Waiting, evidence::Tally};
use crate::domain::outcome::{Outcome, Reason, Verdict};

/// So many waits are remembered at most, however long the window is.
const WAITS_MAX: usize = 1_024;

/// The waits of one probe, oldest first.
#[derive(Debug, Default)]
pub(super) struct Waits(VecDeque<Wait>);

#[derive(Clone, Copy, Debug)]
struct Wait {
    at: Duration,
    started_at: Timestamp,
    was_in_vain: bool,
}

/// On which side of the line the waits are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Line {
    /// Few enough are in vain, or too few are known.
    Within,
    /// Too many are.
    Over(Tally),
    /// All are.
    Always(Tally),
}

/// Whether a run has waited for a person in vain, and for nothing worse; none if it has not come to ask for one.
///
/// The run's reason alone does not tell it: a greeting may be late as well.
pub(super) fn was_in_vain(outcome: &Outcome) -> Option<bool> {
    let contact = outcome.contact.as_ref().filter(|contact| contact.person_asked)?;
    let is_worse = match &outcome.verdict {
        Verdict::Failed(failure) => !matches!(failure.reason, Reason::QueueTimeout | Reason::NoAnswer),
        _ => false,
    };
    Some(contact.waited_in_vain && !is_worse)
}

impl Waits {
    pub(super) fn record(&mut self, outcome: &Outcome, was_in_vain: bool, rule: Waiting, now: Duration) {
        self.0.push_back(Wait { at: now, started_at: outcome.started_at, was_in_vain });
        while self.0.len() > WAITS_MAX || self.0.front().is_some_and(|wait| wait.at + rule.window < now) {
            self.0.pop_front();
        }
    }

    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    pub(super) fn line(&self, rule: Waiting, now: Duration) -> Line {
        let within = self.0.iter().filter(|wait| wait.at + rule.window >= now);
        let (mut of, mut agreeing, mut first_at) = (0_u32, 0_u32, None);
        for wait in within {
            of += 1;
            if wait.was_in_vain {
                agreeing += 1;
                first_at.get_or_insert(wait.started_at);
            }
        }
        let Some(first_at) = first_at.filter(|_| of >= rule.runs_min) else { return Line::Within };
        let tally = Tally { agreeing, of, first_at };
        if agreeing == of {
            Line::Always(tally)
        } else if f64::from(agreeing) > most_by_chance(of, rule.timeouts_permille) {
            Line::Over(tally)
        } else {
            Line::Within
        }
    }
}

/// Of so many waits, how many are in vain at most where the share is `permille`, but for one time in six: the mean of a
/// binomial distribution and its standard deviation. Of a few waits chance alone makes half of them vain where the share
/// is well below that.
fn most_by_chance(of: u32, permille: u16) -> f64 {
    let (of, share) = (f64::from(of), f64::from(permille) / 1_000.0);
    of * share + (of * share * (1.0 - share)).sqrt()
}
