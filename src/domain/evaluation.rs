//! The judgement of a channel: outcomes become evidence, evidence becomes a state.
//!
//! Judging is level-triggered. Evidence is taken in at once; a change of state is proposed as a [`Transition`], and is
//! proposed again on the next look until somebody has committed it and called [`ChannelState::adopt`]. So a store that
//! refuses a transaction can delay a verdict and can lose none.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    channel::ProbeKey,
    outcome::{Failure, Phase, Reason},
};

/// The judged condition of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It works.
    Up,
    /// It works, over a budget.
    Degraded,
    /// It does not work.
    Dark,
    /// Closed outside its published hours, or under announced maintenance.
    Closed,
    /// We cannot tell.
    Unknown,
}

impl State {
    /// Every state, in the order of the definition.
    pub const ALL: [Self; 5] = [Self::Up, Self::Degraded, Self::Dark, Self::Closed, Self::Unknown];

    /// The word used in metrics, columns and mails.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Dark => "dark",
            Self::Closed => "closed",
            Self::Unknown => "unknown",
        }
    }
}

/// `count` out of the last `of` conclusive runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// How many must agree.
    pub count: u32,
    /// Among how many; at most [`WINDOW_MAX`].
    pub of: u32,
}

/// The longest window of runs a [`Quorum`] may look at.
pub const WINDOW_MAX: u32 = 64;

/// By what a channel is judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// When a probe's failures make the channel dark.
    pub dark_after: Quorum,
    /// When its successes make it up again.
    pub up_after: Quorum,
    /// Whether `degraded` opens an incident.
    pub alert_on_degraded: bool,
}

/// A run as remembered for the table in a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecentRun {
    /// The probe that ran.
    pub probe: Arc<ProbeKey>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// The verdict's word: `ok`, `degraded`, `failed` or `inconclusive`.
    pub outcome: RunWord,
    /// The failure's reason, where there is one.
    pub reason: Option<Reason>,
}

/// [`crate::domain::outcome::Verdict`] without its evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunWord {
    /// Every expectation held.
    Ok,
    /// Over a budget.
    Degraded,
    /// Does not work.
    Failed,
    /// We could not look.
    Inconclusive,
}

/// A change of state, with its reason and its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The state left.
    pub from: State,
    /// The state entered.
    pub to: State,
    /// The moment of the change: the start of the run that completed the evidence.
    pub at: Timestamp,
    /// Start of the first run that belongs to the new state: for `dark`, the first failure of the evidence.
    pub since: Timestamp,
    /// What was seen.
    pub evidence: Evidence,
}

/// What a transition rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The probe whose runs decided.
    pub probe: Option<Arc<ProbeKey>>,
    /// How many runs agreed.
    pub agreeing: u32,
    /// Among how many looked at.
    pub of: u32,
    /// The latest failure, for `dark` and `degraded`; for a recovery, the failure that is over.
    pub failure: Option<Failure>,
    /// The phases of the run that failed latest (for a recovery: that succeeded latest).
    pub phases: Vec<Phase>,
    /// The last runs, oldest first.
    pub recent: Vec<RecentRun>,
}
