//! The pulse of a loop: one beat per turn. `/healthz` and systemd's watchdog go by that of the scheduler, because a
//! daemon whose scheduler stands still watches nothing, however alive the rest of it looks.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::{sync::SetOnce, time::Instant};

/// Without a beat for so long, the daemon is not alive. The loop turns at least once a second.
const STANDSTILL: Duration = Duration::from_secs(10);

/// When the loop turned last. Written by the loop, read by anybody.
#[derive(Debug)]
pub(crate) struct Pulse {
    origin: Instant,
    /// Milliseconds from the origin to the last beat, or to the origin itself before the first.
    beat_ms: AtomicU64,
    begun: SetOnce<()>,
}

impl Pulse {
    /// A pulse that has not beaten yet; it is given the time to begin.
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now(), beat_ms: AtomicU64::new(0), begun: SetOnce::new() }
    }

    /// The loop has turned.
    pub(crate) fn beat(&self, now: Instant) {
        let ms = u64::try_from((now - self.origin).as_millis()).unwrap_or(u64::MAX);
        self.beat_ms.store(ms, Relaxed);
        if !self.begun.initialized() {
            // Only the loop beats, so nobody else can have been first.
            self.begun.set(()).ok();
        }
    }

    /// Whether the loop has turned at all.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.initialized()
    }

    /// Waits until the loop has turned.
    pub(crate) async fn begun(&self) {
        self.begun.wait().await;
    }

    /// Says whether the loop turned lately; otherwise for how long it has not.
    pub(crate) fn check(&self) -> Result<(), Duration> {
        let age = self.age();
        if age <= STANDSTILL { Ok(()) } else { Err(age) }
    }

    /// How long ago the loop turned last.
    pub(crate) fn age(&self) -> Duration {
        self.origin.elapsed().saturating_sub(Duration::from_millis(self.beat_ms.load(Relaxed)))
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_noticed() {
        let pulse = Pulse::new();
        assert!(!pulse.has_begun());
        assert_eq!(pulse.check(), Ok(()));
        tokio::time::advance(Duration::from_secs(9)).await;
        pulse.beat(Instant::now());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(pulse.check(), Ok(()));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(pulse.check(), Err(Duration::from_secs(11)));
    }
}
