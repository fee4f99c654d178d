//! The read-only picture that the web shows: everything judged, at one moment. Spans of time are serialised in
//! seconds.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

use crate::domain::{
    alternatives::{Candidate, Standing},
    case::Case,
    channel::{ChannelId, ChannelKind, ProbeName},
    escalation::Acknowledgement,
    evaluation::State,
    incident::IncidentId,
    maintenance::Announced,
    notification::{Plate, facts::ChannelFacts},
    outcome::{Failure, Reason},
};

/// All channels at one moment, in the order of their ids.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Snapshot {
    /// One entry per configured channel.
    pub channels: Vec<Arc<ChannelView>>,
    /// The windows of maintenance under way, then those to come.
    pub maintenance: Arc<[Arc<Announced>]>,
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
    /// When it opens, if it is outside its published hours.
    pub opens_at: Option<Timestamp>,
    /// The window of maintenance that it is under, if it is under one.
    pub maintenance: Option<Arc<Announced>>,
    /// What its probes have seen of it, for who is to be sent there.
    #[serde(skip)]
    pub standing: Standing,
    /// The latest failure while the channel is not up.
    pub failure: Option<Failure>,
    /// Its probes, in the order of their names.
    pub probes: Vec<ProbeView>,
}

impl ChannelView {
    /// The channel as a door to which customers may be sent.
    #[must_use]
    pub fn candidate(&self) -> Candidate<'_> {
        Candidate {
            id: &self.id,
            title: &self.title,
            kind: self.kind,
            state: self.state,
            is_open: self.opens_at.is_none() && self.maintenance.is_none(),
            standing: &self.standing,
            failure: self.failure.as_ref(),
        }
    }
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
    #[serde(serialize_with = "seconds")]
    pub last_duration: Option<Duration>,
    /// What its last run failed for, where it did.
    pub last_reason: Option<Reason>,
    /// Half of the runs of the last hour took at most this long; none before the first.
    #[serde(serialize_with = "seconds")]
    pub p50: Option<Duration>,
    /// 95 of 100 took at most this long.
    #[serde(serialize_with = "seconds")]
    pub p95: Option<Duration>,
    /// 99 of 100 did.
    #[serde(serialize_with = "seconds")]
    pub p99: Option<Duration>,
    /// Which part of the runs of the last hour ran out of time, 0 to 1.
    pub timeout_ratio: Option<f64>,
}

/// An incident at one moment, for whoever may take it in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentView {
    /// By what people know it.
    pub id: IncidentId,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was closed; none while it is open.
    pub closed_at: Option<Timestamp>,
    /// Who has taken it in hand.
    pub acknowledged: Option<Acknowledgement>,
    /// Its channels: those that are still concerned, or all of them when it is closed.
    pub channels: Vec<ChannelFacts>,
    /// In which time it is told.
    pub time_zone: TimeZone,
}

impl IncidentView {
    /// A case as it stands; `plate` says what is known of a channel besides.
    pub fn of<'a>(case: &Case, plate: impl Fn(&ChannelId) -> Option<Plate<'a>>, time_zone: TimeZone) -> Self {
        Self {
            id: case.id.clone(),
            began_at: case.members.iter().map(|member| member.began_at).min().unwrap_or(case.opened_at),
            closed_at: case.closed_at,
            acknowledged: case.ascent.acknowledged.clone(),
            channels: ChannelFacts::of_case(case, plate),
            time_zone,
        }
    }
}

fn seconds<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    span.map(|span| span.as_secs_f64()).serialize(serializer)
}
