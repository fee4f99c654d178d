//! Writes the history of outcomes, in batches and beside the evaluator: a disk that is slow or full delays the
//! history, never a verdict. A batch is retried until it is written; what meanwhile does not fit into the evaluator's
//! bounded backlog is left out, and said so by it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    daemon::trouble::{Trouble, Work},
    domain::{
        ledger::{Turn, Watch},
        outcome::Outcome,
    },
    store::{Store, StoreError},
};

/// Pause between two tries to write a batch.
const PAUSE: Duration = Duration::from_secs(1);

/// What is written at once.
pub(crate) struct Batch {
    /// What runs saw.
    pub(crate) outcomes: Arc<[Outcome]>,
    /// What channels turned to, and until when the monitor has watched; none where neither need be noted.
    pub(crate) note: Option<(Arc<[Turn]>, Watch)>,
}

impl Batch {
    /// Writes what has not been written of it yet.
    async fn write(&mut self, store: &Store) -> Result<(), StoreError> {
        if let Some((turns, watch)) = &self.note {
            store.note(Arc::clone(turns), *watch).await?;
            self.note = None;
        }
        if !self.outcomes.is_empty() {
            store.append(Arc::clone(&self.outcomes)).await?;
        }
        Ok(())
    }
}

/// Writes batches until none come any more. Once `stop` is cancelled, a batch that fails is not tried again.
pub(crate) async fn run(
    mut batches: mpsc::Receiver<Batch>,
    store: Store,
    trouble: Arc<Trouble>,
    stop: CancellationToken,
) {
    while let Some(mut batch) = batches.recv().await {
        loop {
            let written = trouble.attend(Work::History, batch.write(&store)).await;
            if written.is_ok() {
                break;
            }
            if stop.is_cancelled() {
                let (outcomes, turns) =
                    (batch.outcomes.len(), batch.note.map_or(0, |(turns, _)| turns.len()));
                error!(outcomes, turns, "outcomes and turns were left out of the history at the end");
                break;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(PAUSE) => {}
            }
        }
    }
}
