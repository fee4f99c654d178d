//! Several ways to the same end, begun one after another: each has a head start of `stagger` over the next, a failure
//! brings the next forward, the first to succeed wins and the others are dropped.

use std::{future::Future, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt};

/// Runs the ways in order. All failed: every error, in the order in which they came.
pub(super) async fn staggered<T, E, F: Future<Output = Result<T, E>>>(
    ways: impl IntoIterator<Item = F>,
    stagger: Duration,
) -> Result<T, Vec<E>> {
    let mut waiting = ways.into_iter();
    let mut running = FuturesUnordered::new();
    let mut errors = Vec::new();
    running.extend(waiting.next());
    for next in waiting {
        match tokio::time::timeout(stagger, running.next()).await {
            Ok(Some(Ok(won))) => return Ok(won),
            Ok(Some(Err(error))) => errors.push(error),
            Ok(None) | Err(_) => {}
        }
        running.push(next);
    }
    // Nothing is left to begin: whoever is running decides, without a timer.
    while let Some(ended) = running.next().await {
        match ended {
            Ok(won) => return Ok(won),
            Err(error) => errors.push(error),
        }
    }
    Err(errors)
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const STAGGER: Duration = Duration::from_millis(250);

    async fn way(ms: u64, result: Result<u8, u8>) -> Result<u8, u8> {
        sleep(Duration::from_millis(ms)).await;
        result
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_brings_the_next_way_forward() {
        let began = Instant::now();
        let won = staggered([way(10, Err(1)), way(10, Ok(2))], STAGGER).await;
        assert_eq!((won, began.elapsed()), (Ok(2), Duration::from_millis(20)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_way_is_overtaken_but_not_given_up() {
        let began = Instant::now();
        assert_eq!(staggered([way(5000, Ok(1)), way(10, Ok(2))], STAGGER).await, Ok(2));
        assert_eq!(began.elapsed(), Duration::from_millis(260));
        assert_eq!(staggered([way(300, Ok(1)), way(5000, Ok(2))], STAGGER).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn every_failure_is_told_when_no_way_is_left() {
        assert_eq!(staggered([way(400, Err(1)), way(10, Err(2))], STAGGER).await, Err(vec![2, 1]));
        assert_eq!(staggered(Vec::<std::future::Ready<Result<u8, u8>>>::new(), STAGGER).await, Err(vec![]));
    }
}
