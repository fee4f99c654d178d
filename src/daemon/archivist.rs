//! Puts the history together by the hour, and clears what has become too old of it. At the start whatever was left undone,
//! then once an hour; in portions, so that no verdict waits long for the store. Nothing is cleared at the start: many a
//! machine does not know what year it is before it has asked for the time.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

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
    let (mut next, clear_from) = (Instant::now(), Instant::now() + EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep_until(next) => {}
        }
        next = Instant::now();
        let is_cleared = next >= clear_from;
        let turn = async {
            let together = put_together(&store).await;
            let cleared = if is_cleared { clear(&store, clock).await } else { Ok(()) };
            together.and(cleared)
        };
        let done = tokio::select! {
            () = stop.cancelled() => return,
            done = turn => done,
        };
        next += match done {
            Ok(()) => EVERY,
            Err(error) => {
                error!(%error, "the history was not put together by the hour, or not cleared; it is tried again");
                RETRY
            }
        };
    }
}

async fn put_together(store: &Store) -> Result<(), StoreError> {
    let mut unreadable = 0;
    loop {
        let portion = store.roll_up().await?;
        unreadable += portion.unreadable;
        if !portion.has_more {
            break;
        }
        sleep(PAUSE).await;
    }
    if unreadable > 0 {
        warn!(
            outcomes = unreadable,
            "outcomes could not be read and are left out of the history by the hour"
        );
    }
    Ok(())
}

async fn clear(store: &Store, clock: Clock) -> Result<(), StoreError> {
    let mut behind = 0;
    while let Some(last) = store.clear_turns(clock.now(), behind).await? {
        behind = last;
        sleep(PAUSE).await;
    }
    behind = 0;
    while let Some(last) = store.clear_hours(clock.now(), behind).await? {
        behind = last;
        sleep(PAUSE).await;
    }
    store.give_back_room().await
}
