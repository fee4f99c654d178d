//! Writes the history of outcomes, in batches and beside the evaluator: a disk that is slow or full delays the
//! history, never a verdict. A batch is retried until it is written; what meanwhile does not fit into the evaluator's
//! bounded backlog is left out, and said so by it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    daemon::trouble::{Trouble, Work},
    domain::outcome::Outcome,
    store::Store,
};

/// Pause between two tries to write a batch.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes batches until none come any more. Once `stop` is cancelled, a batch that fails is not tried again.
pub(crate) async fn run(
    mut batches: mpsc::Receiver<Arc<[Outcome]>>,
    store: Store,
    trouble: Arc<Trouble>,
    stop: CancellationToken,
) {
    while let Some(batch) = batches.recv().await {
        loop {
            let written = trouble.attend(Work::History, store.append(Arc::clone(&batch))).await;
            if written.is_ok() {
                break;
            }
            if stop.is_cancelled() {
                error!(outcomes = batch.len(), "outcomes were left out of the history at the end");
                break;
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(PAUSE) => {}
            }
        }
    }
}
