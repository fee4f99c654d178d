//! Incidents: from the transition to `dark` (or `degraded`, where configured) until recovery is confirmed, or until the
//! channel is no longer watched.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    channel::ChannelId,
    evaluation::{Evidence, Outage, State},
};

/// An incident's id: unique for good, safe in a URL, a file name and a Message-ID; sorts by time of opening.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IncidentId(pub String);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How bad it is for customers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Slow, or for some only.
    Degraded,
    /// It does not work.
    Dark,
}

impl Severity {
    /// The word used in metrics, columns and mails.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Degraded => "degraded",
            Self::Dark => "dark",
        }
    }
}

/// One outage of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The channel that is out.
    pub channel: ChannelId,
    /// The worst it has been.
    pub severity: Severity,
    /// Start of the first run that failed.
    pub began_at: Timestamp,
    /// When it was confirmed.
    pub confirmed_at: Timestamp,
    /// When recovery was confirmed, or nobody looked for one any more; none while it is open.
    pub resolved_at: Option<Timestamp>,
    /// What it rests on.
    pub evidence: Evidence,
    /// Who has been told, in the order of telling. They and nobody else hear of the recovery.
    pub told: Vec<Told>,
}

impl Incident {
    /// What it is an incident of.
    #[must_use]
    pub fn outage(&self) -> Outage {
        let state = match self.severity {
            Severity::Degraded => State::Degraded,
            Severity::Dark => State::Dark,
        };
        Outage { state, since: self.began_at }
    }
}

/// Somebody who has been told of an incident by mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The address.
    pub recipient: String,
    /// The Message-ID of the first mail, to which all later ones reply.
    pub message_id: String,
}

/// What happened to an incident; each is told to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IncidentEvent {
    /// It was confirmed.
    Opened,
    /// It went from degraded to dark.
    Worsened,
    /// Recovery was confirmed.
    Resolved,
    /// Its channel is no longer watched, so no recovery will ever be seen.
    Withdrawn,
    /// It is none of a channel: the monitor's own store was damaged, or takes nothing.
    Store,
}

impl IncidentEvent {
    /// Every event.
    pub const ALL: [Self; 5] = [Self::Opened, Self::Worsened, Self::Resolved, Self::Withdrawn, Self::Store];

    /// The word used in metrics, columns and Message-IDs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worsened => "worsened",
            Self::Resolved => "resolved",
            Self::Withdrawn => "withdrawn",
            Self::Store => "store",
        }
    }
}
