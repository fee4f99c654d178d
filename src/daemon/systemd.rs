//! What systemd is told, where it started the daemon; without its socket every call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;
use tracing::debug;

/// The loops run and the pages are served.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload begins; [`ready`] ends it.
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => debug!(%error, "failed to read the monotonic clock"),
    }
}

/// The daemon ends because it was asked to.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// One line about the present state for `systemctl status`.
pub(crate) fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "failed to notify systemd");
    }
}

/// Feeds systemd's watchdog, at half its period.
#[derive(Debug)]
pub(crate) struct Watchdog(Option<Feeding>);

#[derive(Debug)]
struct Feeding {
    every: Duration,
    next_at: Instant,
}

impl Watchdog {
    /// A watchdog as the unit asks for it, hungry from the start.
    pub(crate) fn from_unit() -> Self {
        let period = sd_notify::watchdog_enabled();
        Self(period.map(|period| Feeding { every: period / 2, next_at: Instant::now() }))
    }

    /// Feeds it if it is time.
    pub(crate) fn feed(&mut self, now: Instant) {
        let Some(feeding) = &mut self.0 else { return };
        if now >= feeding.next_at {
            feeding.next_at = now + feeding.every;
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// The moment by which [`Watchdog::feed`] wants to be called again.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.0.as_ref().map(|feeding| feeding.next_at)
    }
}
