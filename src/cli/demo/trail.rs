//! The latest latencies of each channel, for the small curve on the demo's page: one value per run, taken from the
//! snapshots as they come.

use std::{collections::HashMap, collections::VecDeque};

use jiff::Timestamp;

use crate::domain::{channel::ChannelId, snapshot::Snapshot};

/// How many runs the curve shows.
const RUNS_MAX: usize = 60;

/// The latencies of the last runs, oldest first. A channel of the demo has one probe.
#[derive(Debug, Default)]
pub(super) struct Trails(HashMap<ChannelId, Trail>);

#[derive(Debug, Default)]
struct Trail {
    last_run_at: Option<Timestamp>,
    latencies_ms: VecDeque<f64>,
}

impl Trails {
    /// Takes what is new in a snapshot.
    pub(super) fn take(&mut self, snapshot: &Snapshot) {
        for channel in &snapshot.channels {
            let Some(probe) = channel.probes.first() else { continue };
            let trail = self.0.entry(channel.id.clone()).or_default();
            let (Some(at), Some(took)) = (probe.last_run_at, probe.last_duration) else { continue };
            if trail.last_run_at == Some(at) {
                continue;
            }
            trail.last_run_at = Some(at);
            if trail.latencies_ms.len() == RUNS_MAX {
                trail.latencies_ms.pop_front();
            }
            trail.latencies_ms.push_back((took.as_secs_f64() * 10_000.0).round() / 10.0);
        }
    }

    /// The latencies of a channel in milliseconds, oldest first.
    pub(super) fn latencies_ms(&self, channel: &ChannelId) -> Vec<f64> {
        self.0.get(channel).map(|trail| trail.latencies_ms.iter().copied().collect()).unwrap_or_default()
    }
}
