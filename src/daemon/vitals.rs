//! How the loops fare, for the heartbeat that goes out: each writes what it knows of itself, and one reads.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{daemon::pulse::Pulse, domain::vigour::Signs};

/// What the loops show.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    /// Beats with every turn of the evaluator.
    pub(crate) evaluator: Pulse,
    /// Beats with every turn of the dispatcher, and before each try to deliver.
    pub(crate) dispatcher: Pulse,
    shown: Mutex<Shown>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    /// Probes, and those of which something was heard lately.
    probes: usize,
    fresh: usize,
    /// Since when a route does not work.
    routes_down_since: Option<Instant>,
    /// When the oldest notification that is pending was decided.
    oldest_pending_since: Option<Instant>,
}

impl Vitals {
    fn shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of so many probes, something was heard lately of so many.
    pub(crate) fn show_probes(&self, probes: usize, fresh: usize) {
        let mut shown = self.shown();
        (shown.probes, shown.fresh) = (probes, fresh);
    }

    /// Whether every route works.
    pub(crate) fn show_routes(&self, work: bool, now: Instant) {
        let mut shown = self.shown();
        shown.routes_down_since = (!work).then(|| shown.routes_down_since.unwrap_or(now));
    }

    /// How old the oldest notification is that is pending; zero where none is.
    pub(crate) fn show_outbox(&self, oldest: Duration, now: Instant) {
        self.shown().oldest_pending_since = if oldest.is_zero() { None } else { now.checked_sub(oldest) };
    }

    /// All of it, at a moment. The scheduler shows its pulse elsewhere, the store its trouble.
    pub(crate) fn signs(&self, scheduler: &Pulse, store_failing: Option<Duration>, now: Instant) -> Signs {
        let shown = *self.shown();
        let since = |moment: Option<Instant>| moment.map(|moment| now.saturating_duration_since(moment));
        Signs {
            scheduler: scheduler.age(),
            evaluator: self.evaluator.age(),
            dispatcher: self.dispatcher.age(),
            probes: shown.probes,
            fresh: shown.fresh,
            oldest_pending: since(shown.oldest_pending_since),
            routes_down: since(shown.routes_down_since),
            store_failing,
        }
    }
}
