//! Runs as they are remembered: the word of how they ended, without its evidence.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{channel::ProbeKey, outcome::Reason};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

impl RunWord {
    /// Every word.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Degraded, Self::Failed, Self::Inconclusive];

    /// The word used in columns and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// The outcome of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}
