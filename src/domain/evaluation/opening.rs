//! Closed on purpose. Outside its published hours a channel is closed whatever its probes see, and what they saw then
//! proves nothing about the time after: at the opening the evidence begins anew. Under announced maintenance it is
//! closed as well, but what is seen goes on counting: an outage that outlives its window is one as soon as that ends.
//!
//! An incident that was open stays open over either, and nobody is told anything.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    evaluation::{ChannelState, Moment},
    outcome::Outcome,
};

/// Whether customers are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opening {
    /// They are.
    #[default]
    Open,
    /// It is outside the published hours, whatever else.
    OutOfHours,
    /// Maintenance was announced.
    Maintenance,
}

/// What was last said of the opening.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    opening: Opening,
    /// Since when; none before it first changed.
    turned_at: Option<Timestamp>,
    /// Runs that began before this moment count for nothing.
    counts_from: Duration,
}

impl Gate {
    pub(super) fn is_closed(self) -> bool {
        self.opening != Opening::Open
    }

    pub(super) fn turned_at(self) -> Option<Timestamp> {
        self.turned_at
    }

    /// Whether a run that has ended by now began late enough.
    pub(super) fn counts(self, outcome: &Outcome, now: Duration) -> bool {
        now.saturating_sub(outcome.duration) >= self.counts_from
    }
}

impl ChannelState {
    /// Says whether the channel is open, and since when. Call it before the records and the judgement that it concerns.
    pub fn attend(&mut self, opening: Opening, since: Moment) {
        let before = self.gate.opening;
        if opening == before {
            return;
        }
        self.gate.opening = opening;
        self.gate.turned_at = Some(since.wall);
        self.settled_until = Duration::ZERO;
        if before == Opening::OutOfHours {
            self.gate.counts_from = since.monotonic;
            let beginning = self.beginning();
            self.probes.iter_mut().for_each(|probe| probe.begin_anew(beginning, since.monotonic));
        }
    }

    /// Whether it is open, as it was last said.
    #[must_use]
    pub fn opening(&self) -> Opening {
        self.gate.opening
    }
}
