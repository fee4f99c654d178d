//! Scrapes that cannot burden the probes. Writing the metrics of ten thousand probes takes tens of milliseconds of
//! one core; whoever asks again and again waits for turns, so that all scrapes together take at most about a quarter
//! of a core. A scrape that comes alone is never held back.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Instant;

/// After a scrape that took so long to write, so many times as long is left to the probes.
const REST: u32 = 3;

/// Gives scrapes their turns.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Held by the scrape whose turn is next.
    queue: tokio::sync::Mutex<Option<Instant>>,
    /// How long the last scrape took to write.
    cost: Mutex<Duration>,
}

impl Pace {
    /// Waits for a turn.
    pub(crate) async fn turn(&self) {
        let mut next_at = self.queue.lock().await;
        if let Some(at) = *next_at {
            tokio::time::sleep_until(at).await;
        }
        let cost = *self.cost.lock().unwrap_or_else(PoisonError::into_inner);
        *next_at = Some(Instant::now() + cost * (1 + REST));
    }

    fn finished(&self, cost: Duration) {
        *self.cost.lock().unwrap_or_else(PoisonError::into_inner) = cost;
    }
}

/// The body of a scrape: pieces, written one by one as the client reads.
pub(crate) struct PacedBody {
    pieces: Box<dyn Iterator<Item = Bytes> + Send>,
    pace: Arc<Pace>,
    /// Time spent on writing, without the waiting for the client.
    cost: Duration,
}

impl PacedBody {
    pub(crate) fn new(pieces: Box<dyn Iterator<Item = Bytes> + Send>, pace: Arc<Pace>) -> Self {
        Self { pieces, pace, cost: Duration::ZERO }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let began = Instant::now();
        let piece = self.pieces.next();
        self.cost += began.elapsed();
        if piece.is_none() {
            self.pace.finished(self.cost);
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_scrape_alone_is_not_held_back_and_the_next_leaves_room_for_the_probes() {
        let pace = Pace::default();
        let began = Instant::now();
        pace.turn().await;
        pace.finished(Duration::from_millis(50));
        pace.turn().await;
        assert_eq!(began.elapsed(), Duration::ZERO);
        pace.turn().await;
        assert_eq!(began.elapsed(), Duration::from_millis(200));
        tokio::time::sleep(Duration::from_secs(15)).await;
        let rested = Instant::now();
        pace.turn().await;
        assert_eq!(rested.elapsed(), Duration::ZERO);
    }
}
