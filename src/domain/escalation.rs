//! What becomes of a case that stays dark: who is told again, who is told besides, and how far that has gone.
//!
//! A [`Ladder`] is what a team wants; an [`Ascent`] is the record of how far one case has climbed it. The record is kept
//! with the case, so a restart neither begins anew nor forgets.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    channel::{ChannelId, TeamId},
    incident::IncidentEvent,
    notification::Recipient,
    outcome::Detail,
};

/// No two reminders are further apart.
pub const REMINDERS_APART_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// So many tellings are kept of one case: the first, and the latest.
pub const TELLINGS_KEPT: usize = 100;

/// So many recipients are named of one telling.
const NAMED_MAX: usize = 20;

/// What a team wants told of a case that stays dark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// So long after the beginning those who know are reminded, then after twice the span each time; none never.
    pub remind_after: Option<Duration>,
    /// Who is told besides, in the order of time.
    pub steps: Vec<Step>,
}

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// So long after the beginning.
    pub after: Duration,
    /// Who is told; nobody stands for the team itself.
    pub to: Vec<Recipient>,
    /// Whether they get the whole story instead of how things stand.
    pub is_summary: bool,
}

/// By this a step is known: whose ladder it stands on, and after how many milliseconds.
pub type Rung = (TeamId, u64);

impl Step {
    /// By what it is known on the ladder of a team.
    #[must_use]
    pub fn rung(&self, team: &TeamId) -> Rung {
        (team.clone(), u64::try_from(self.after.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Ladder {
    /// The span after which those are reminded who have been reminded so often.
    #[must_use]
    pub fn reminds_after(&self, reminders: u32) -> Option<Duration> {
        let first = self.remind_after?;
        let doubled = 1_u32.checked_shl(reminders).and_then(|times| first.checked_mul(times));
        Some(doubled.unwrap_or(REMINDERS_APART_MAX).min(REMINDERS_APART_MAX))
    }
}

/// How far a case has been told again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ascent {
    /// When a door of it was first told to be dark; none while none has been.
    pub began_at: Option<Timestamp>,
    /// For how long it had been so when it was last written down, whatever the time of day said: a clock that has been
    /// set back takes nothing away.
    pub age: Duration,
    /// How often people have been reminded.
    pub reminders: u32,
    /// At what age they were last.
    pub reminded_at_age: Duration,
    /// The teams that were told later, since it was quiet for them, and at what age: their steps count from there.
    pub told_late: BTreeMap<TeamId, Duration>,
    /// The steps that are done.
    pub done: BTreeSet<Rung>,
    /// How many letters have been written on the way, which numbers them.
    pub letters: u32,
    /// Who has taken it in hand.
    pub acknowledged: Option<Acknowledgement>,
    /// Who was told what, and when; at most [`TELLINGS_KEPT`].
    pub tellings: Vec<Telling>,
    /// The channels that people were told to send customers to.
    pub offered: BTreeSet<ChannelId>,
}

/// Somebody has taken a case in hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// By whom, in words of their own.
    pub by: Detail,
    /// When.
    pub at: Timestamp,
}

/// People were told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// When it was decided.
    pub at: Timestamp,
    /// What was told.
    pub event: IncidentEvent,
    /// Whom, the first of them by name.
    pub to: Vec<String>,
    /// How many more.
    #[serde(default)]
    pub more: usize,
}

impl Ascent {
    /// Puts down that people have been told.
    pub fn note<'a>(&mut self, at: Timestamp, event: IncidentEvent, to: impl Iterator<Item = &'a Recipient>) {
        let mut to: Vec<String> = to.map(ToString::to_string).collect();
        let more = to.len().saturating_sub(NAMED_MAX);
        to.truncate(NAMED_MAX);
        if self.tellings.len() >= TELLINGS_KEPT {
            self.tellings.remove(1);
        }
        self.tellings.push(Telling { at, event, to, more });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reminder_comes_after_twice_the_span_and_at_most_a_day_later() {
        let ladder = Ladder { remind_after: Some(Duration::from_secs(3_600)), steps: Vec::new() };
        let hours = |reminders| ladder.reminds_after(reminders).unwrap().as_secs() / 3_600;
        assert_eq!([0, 1, 2, 3, 4, 5, 31, 32, 4_000].map(hours), [1, 2, 4, 8, 16, 24, 24, 24, 24]);
        assert_eq!(Ladder::default().reminds_after(0), None);
    }

    #[test]
    fn of_very_many_tellings_the_first_and_the_latest_are_kept() {
        let mut ascent = Ascent::default();
        for second in 0..500 {
            let at = Timestamp::from_second(second).unwrap();
            ascent.note(at, IncidentEvent::Spread, [Recipient::mail("a")].iter());
        }
        assert_eq!(ascent.tellings.len(), TELLINGS_KEPT);
        assert_eq!(ascent.tellings[0].at.as_second(), 0);
        assert_eq!(ascent.tellings[1].at.as_second(), 401);
    }
}
