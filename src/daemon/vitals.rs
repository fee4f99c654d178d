//! How the loops fare, for the heartbeat that goes out: each writes what it knows of itself, and one reads.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    daemon::pulse::Pulse,
    domain::{canary::MailWay, notification::Way, vigour::Signs},
};

/// What the loops show.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    /// Beats with every turn of the evaluator.
    pub(crate) evaluator: Pulse,
    shown: Mutex<Shown>,
}

#[derive(Debug, Default)]
struct Shown {
    /// Probes, and those of which something was heard lately.
    probes: usize,
    fresh: usize,
    /// The lanes of the dispatcher.
    lanes: BTreeMap<Way, Lane>,
    /// When the oldest notification that is pending was decided.
    oldest_pending_since: Option<Instant>,
    /// Of each way by which canaries go, whether they are lost and nobody is told by anything but mail.
    canaries_lost: BTreeMap<MailWay, bool>,
}

#[derive(Clone, Copy, Debug)]
struct Lane {
    /// When it turned last, or began a try to deliver.
    beat_at: Instant,
    /// Since when its way does not work.
    down_since: Option<Instant>,
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

    /// A lane of the dispatcher has turned, or begins a try to deliver.
    pub(crate) fn beat_lane(&self, way: &Way, now: Instant) {
        let mut shown = self.shown();
        match shown.lanes.get_mut(way) {
            Some(lane) => lane.beat_at = now,
            None => {
                shown.lanes.insert(way.clone(), Lane { beat_at: now, down_since: None });
            }
        }
    }

    /// Whether the way of a lane works.
    pub(crate) fn show_lane(&self, way: &Way, works: bool, now: Instant) {
        self.beat_lane(way, now);
        if let Some(lane) = self.shown().lanes.get_mut(way) {
            lane.down_since = (!works).then(|| lane.down_since.unwrap_or(now));
        }
    }

    /// A lane has ended.
    pub(crate) fn forget_lane(&self, way: &Way) {
        self.shown().lanes.remove(way);
    }

    /// How old the oldest notification is that is pending; zero where none is.
    pub(crate) fn show_outbox(&self, oldest: Duration, now: Instant) {
        self.shown().oldest_pending_since = if oldest.is_zero() { None } else { now.checked_sub(oldest) };
    }

    /// Whether the canaries by a way are lost and nobody is told by anything but mail; none where none go by it.
    pub(crate) fn show_canaries(&self, by: MailWay, is_lost: Option<bool>) {
        let mut shown = self.shown();
        match is_lost {
            Some(is_lost) => shown.canaries_lost.insert(by, is_lost),
            None => shown.canaries_lost.remove(&by),
        };
    }

    /// All of it, at a moment. The scheduler shows its pulse elsewhere, the store its trouble.
    pub(crate) fn signs(&self, scheduler: &Pulse, store_failing: Option<Duration>, now: Instant) -> Signs {
        let shown = self.shown();
        let since = |moment: Option<Instant>| moment.map(|moment| now.saturating_duration_since(moment));
        Signs {
            scheduler: scheduler.age(),
            evaluator: self.evaluator.age(),
            // That of the lane that has stood still for longest.
            dispatcher: since(shown.lanes.values().map(|lane| lane.beat_at).min()).unwrap_or_default(),
            probes: shown.probes,
            fresh: shown.fresh,
            oldest_pending: since(shown.oldest_pending_since),
            routes_down: since(shown.lanes.values().filter_map(|lane| lane.down_since).min()),
            store_failing,
            canaries_lost: !shown.canaries_lost.is_empty() && shown.canaries_lost.values().all(|lost| *lost),
        }
    }
}
