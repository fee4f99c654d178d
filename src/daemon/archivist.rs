//! Puts the history together by the hour, and clears what has become too old of it. At the start whatever was left undone,
//! then once an hour; in portions, so that no verdict waits long for the store.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::{
    clock::Clock,
    store::{Store, StoreError},
};

/// How often it is done.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How soon it is done again where the store refused.
const RETRY: Duration = Duration::from_secs(60);
/// The pause between two portions.
const PAUSE: Duration = Duration::from_millis(200);

/// Does so until it is told to stop.
pub(crate) async fn run(store: Store, clock: Clock, stop: CancellationToken) {
    let mut next = Instant::now();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep_until(next) => {}
        }
        next = Instant::now();
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = turn(&store, clock) => done,
        };
        next += match done {
            Ok(()) => EVERY,
            Err(error) => {
                error!(%error, "the history was not put together by the hour; it is tried again");
                RETRY
            }
        };
    }
}

async fn turn(store: &Store, clock: Clock) -> Result<(), StoreError> {
    while store.roll_up().await? {
        sleep(PAUSE).await;
    }
    while store.clear_turns(clock.now()).await? {
        sleep(PAUSE).await;
    }
    store.clear_hours(clock.now()).await
}
