//! The only door to the time of day. Intervals and deadlines are measured with `tokio::time::Instant`; what comes
//! from here only labels what is stored and shown.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Source);

#[derive(Clone, Copy, Debug)]
enum Source {
    System,
    Follows { wall: Timestamp, since: Instant },
    Jumps { wall: Timestamp, since: Instant, ahead_ms: &'static AtomicI64 },
}

impl Clock {
    /// The machine's own clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that begins at `wall` and advances with tokio's, which a test can pause.
    #[must_use]
    pub fn following(wall: Timestamp) -> Self {
        Self(Source::Follows { wall, since: Instant::now() })
    }

    /// The same, that a test sets forward and back: it is ahead by so many milliseconds.
    #[must_use]
    pub fn jumping(wall: Timestamp, ahead_ms: &'static AtomicI64) -> Self {
        Self(Source::Jumps { wall, since: Instant::now(), ahead_ms })
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self.0 {
            Source::System =>
            {
                #[expect(clippy::disallowed_methods, reason = "this is the door")]
                Timestamp::now()
            }
            Source::Follows { wall, since } => wall + since.elapsed(),
            Source::Jumps { wall, since, ahead_ms } => {
                wall + since.elapsed() + SignedDuration::from_millis(ahead_ms.load(Relaxed))
            }
        }
    }
}
