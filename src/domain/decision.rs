//! What a transition leads to: which incident it opens, worsens or resolves, and who is told. Pure: the same
//! transition leads to the same decision, so that a decision whose commit failed can be made again.

use jiff::Timestamp;

use crate::domain::{
    channel::ChannelId,
    evaluation::State,
    incident::{Incident, IncidentEvent},
    notification::Notification,
};

/// What has been decided about one channel and is committed in one transaction, before anybody acts on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The channel judged.
    pub channel: ChannelId,
    /// The state it enters.
    pub state: State,
    /// Since when it is in that state.
    pub since: Timestamp,
    /// The incident as it stands after this decision, opened, changed or resolved by it; none where it touches none.
    pub incident: Option<Incident>,
    /// What happened to the incident.
    pub event: Option<IncidentEvent>,
    /// What people are told about it; empty where nobody is told.
    pub notifications: Vec<Notification>,
}
