//! Outcomes on their way to the recorder. While it cannot keep up they wait here, as many as [`BACKLOG_MAX`]; further
//! ones are left out of the history, counted, and said so.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};
use tracing::warn;

use crate::domain::outcome::Outcome;

/// A batch this long is written without waiting for more.
const BATCH: usize = 500;
/// So many outcomes wait at most.
const BACKLOG_MAX: usize = 10_000;
/// At the end, so long is waited for the recorder.
pub(crate) const LAST_BATCH: Duration = Duration::from_secs(2);

/// The outcomes not yet handed to the recorder.
pub(crate) struct History {
    waiting: Vec<Outcome>,
    left_out: u64,
    batches: mpsc::Sender<Arc<[Outcome]>>,
}

impl History {
    pub(crate) fn new(batches: mpsc::Sender<Arc<[Outcome]>>) -> Self {
        Self { waiting: Vec::with_capacity(BATCH), left_out: 0, batches }
    }

    /// Takes one more.
    pub(crate) fn push(&mut self, outcome: Outcome) {
        if self.waiting.len() < BACKLOG_MAX {
            self.waiting.push(outcome);
        } else {
            self.left_out += 1;
        }
    }

    /// Hands over a batch if it is long enough.
    pub(crate) fn flush_if_full(&mut self) {
        if self.waiting.len() >= BATCH {
            self.hand_some();
        }
    }

    /// Hands over what there is, and says what has been left out since the last time.
    pub(crate) fn flush(&mut self) {
        self.hand_some();
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            warn!(outcomes = left_out, "the store is too slow for the history; outcomes were left out of it");
        }
    }

    fn hand_some(&mut self) {
        if !self.waiting.is_empty()
            && let Ok(place) = self.batches.try_reserve()
        {
            place.send(self.waiting.drain(..).collect());
        }
    }

    /// Hands over everything, at the end.
    pub(crate) async fn hand_over(mut self) {
        self.flush();
        let rest: Arc<[Outcome]> = self.waiting.into();
        let outcomes = rest.len();
        if outcomes > 0 && !matches!(timeout(LAST_BATCH, self.batches.send(rest)).await, Ok(Ok(()))) {
            warn!(outcomes, "the store is too slow for the history; outcomes were left out of it at the end");
        }
    }
}
