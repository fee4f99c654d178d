//! What has happened to an incident and is to be told: committed together with the verdict that brought it about, and
//! kept until it has been told. So a crash between a verdict and its mail costs neither.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    channel::{ChannelKind, TeamId},
    evaluation::Transition,
    incident::{Incident, IncidentEvent, IncidentId},
    urgency::Urgencies,
};

/// One thing that happened to one incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// The incident after it happened.
    pub incident: Incident,
    /// What happened.
    pub event: IncidentEvent,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Its channel, which may have left the configuration when people are told.
    pub door: Doorplate,
    /// How it came about.
    pub account: Account,
}

/// What people need to know of a channel, beside its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doorplate {
    /// Its title.
    pub title: String,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// Who is told.
    pub team: Option<TeamId>,
    /// How urgent its outages are.
    #[serde(default)]
    pub urgencies: Urgencies,
}

/// How something came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Account {
    /// The channel changed its state.
    Change {
        /// The change.
        transition: Transition,
        /// The name of the bundle of evidence that is kept of it.
        bundle: Option<String>,
        /// What the window showed, as a JPEG.
        #[serde(skip)]
        picture: Option<Arc<[u8]>>,
    },
    /// The channel is not watched any more.
    Absence {
        /// Since when it has been found missing in the configuration.
        since: Timestamp,
    },
}

/// By this a happening is known: of each event an incident has at most one.
pub type HappeningKey = (IncidentId, IncidentEvent);

impl Happening {
    /// By what it is known.
    #[must_use]
    pub fn key(&self) -> HappeningKey {
        (self.incident.id.clone(), self.event)
    }

    /// The change of state that it was, if it was one.
    #[must_use]
    pub fn transition(&self) -> Option<&Transition> {
        match &self.account {
            Account::Change { transition, .. } => Some(transition),
            Account::Absence { .. } => None,
        }
    }

    /// What the window showed.
    #[must_use]
    pub fn picture(&self) -> Option<&[u8]> {
        match &self.account {
            Account::Change { picture, .. } => picture.as_deref(),
            Account::Absence { .. } => None,
        }
    }
}
