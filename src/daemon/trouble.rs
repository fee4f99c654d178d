//! Trouble with the store, said once when it begins and once when it ends, whoever meets it.

use std::sync::{Mutex, PoisonError};

use tracing::{error, info};

use crate::{metrics::instruments::Level, store::StoreError};

/// What the store was asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Commit a verdict with its mails.
    Verdict,
    /// Append to the history.
    History,
}

impl Work {
    fn as_str(self) -> &'static str {
        match self {
            Self::Verdict => "verdicts and their mails wait until it recovers",
            Self::History => "the history waits until it recovers",
        }
    }
}

/// Which work the store refuses at present.
#[derive(Debug)]
pub(crate) struct Trouble {
    refused: Mutex<Vec<Work>>,
    gauge: Level,
}

impl Trouble {
    /// No trouble yet. `gauge` is 1 while there is any.
    pub(crate) fn new(gauge: Level) -> Self {
        gauge.set(0);
        Self { refused: Mutex::default(), gauge }
    }

    /// Notes how a piece of work went.
    pub(crate) fn note(&self, work: Work, error: Option<&StoreError>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let known = refused.contains(&work);
        match error {
            Some(error) if !known => {
                error!(%error, "{}", work.as_str());
                refused.push(work);
            }
            None if known => {
                info!("the store works again");
                refused.retain(|other| *other != work);
            }
            Some(_) | None => {}
        }
        self.gauge.set(i64::from(!refused.is_empty()));
    }
}
