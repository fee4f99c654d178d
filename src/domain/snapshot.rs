//! The read-only picture that the web shows: everything judged, at one moment.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::{
    channel::{ChannelId, ChannelKind, ProbeName},
    evaluation::State,
    incident::IncidentId,
    outcome::Failure,
};

/// All channels at one moment, in the order of their ids.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// One entry per configured channel.
    pub channels: Vec<Arc<ChannelView>>,
}

/// One channel at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelView {
    /// Its id.
    pub id: ChannelId,
    /// Its title for people.
    pub title: String,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// Its judged state.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// The open incident, if there is one.
    pub incident: Option<IncidentId>,
    /// The latest failure while the channel is not up.
    pub failure: Option<Failure>,
    /// Its probes, in the order of their names.
    pub probes: Vec<ProbeView>,
}

/// One probe at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeView {
    /// Its name.
    pub name: ProbeName,
    /// The word of its last verdict; none before the first run.
    pub last_outcome: Option<String>,
    /// When its last run began.
    pub last_run_at: Option<Timestamp>,
    /// How long its last run took.
    pub last_duration: Option<Duration>,
}
