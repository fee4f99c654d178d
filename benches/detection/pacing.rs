//! When a channel is looked at: by Lamplighter's own schedule, or by attempts as Icinga makes them.

use std::time::Duration;

use lamplighter::domain::schedule::{Ending, Pace, Schedule, Slot, Turn};

use super::{chance::Chance, judge::key, world::Micros};

/// The turns of one channel.
pub enum Pacing {
    /// On a grid, with rechecks.
    Scheduled {
        /// All turns of the one probe there is.
        schedule: Schedule,
        /// Its seat.
        slot: Slot,
    },
    /// In one pace while a state is certain, in another while it is not.
    Attempts {
        /// The next turn.
        next: Micros,
        /// The pace while it is certain.
        every: Micros,
        /// The pace while it is not.
        retry: Micros,
        /// After how many failures in a row it is.
        attempts: u32,
        /// Failures in a row.
        failed: u32,
    },
}

impl Pacing {
    /// Turns on a grid that lies anywhere.
    pub fn scheduled(pace: Pace, chance: &mut Chance) -> Self {
        let wall_at_zero = Duration::from_micros(chance.below(pace.every.as_micros() as u64));
        let mut schedule = Schedule::new(wall_at_zero);
        let slot = schedule.insert(&key(), pace, Duration::ZERO);
        Self::Scheduled { schedule, slot }
    }

    /// When the next run begins; it counts as running until it has [`Pacing::finished`].
    pub fn take(&mut self) -> Micros {
        match self {
            Self::Attempts { next, .. } => *next,
            Self::Scheduled { schedule, .. } => loop {
                let at = schedule.next_wake().expect("a probe that is scheduled has a next turn");
                if let Some(Turn::Run { .. }) = schedule.take_due(at) {
                    return at.as_micros() as Micros;
                }
            },
        }
    }

    /// A run has ended, and it is known what it is worth.
    pub fn finished(&mut self, began: Micros, known: Micros, ending: Ending) {
        match self {
            Self::Attempts { next, every, retry, attempts, failed } => {
                *failed = if ending == Ending::Failed { *failed + 1 } else { 0 };
                let uncertain = *failed > 0 && *failed < *attempts;
                *next = (began + if uncertain { *retry } else { *every }).max(known);
            }
            Self::Scheduled { schedule, slot } => {
                let known = Duration::from_micros(known);
                // What comes due meanwhile is skipped.
                while schedule.take_due(known).is_some() {}
                schedule.finished(*slot, known, ending);
            }
        }
    }

    /// Leaves out what was due before a moment.
    pub fn leap(&mut self, to: Micros) {
        match self {
            Self::Attempts { next, every, .. } => {
                *next += (to.saturating_sub(*next)).div_ceil(*every) * *every
            }
            Self::Scheduled { schedule, .. } => {
                // More than late, so that nothing is caught up with.
                let to = Duration::from_micros(to);
                while schedule.next_wake().is_some_and(|at| at < to) {
                    if let Some(Turn::Run { slot, .. }) = schedule.take_due(to) {
                        schedule.finished(slot, to, Ending::Void);
                    }
                }
            }
        }
    }
}
