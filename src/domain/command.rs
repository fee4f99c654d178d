//! What the daemon can be told to do from outside while it runs. Whoever takes a command in hands it over; the owner of
//! what is judged carries it out, and keeps what has come of it before anybody is answered.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    incident::IncidentId,
    maintenance::{Announced, Begin, Refusal, WindowId},
};

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A window of maintenance begins now.
    BeginMaintenance(Begin),
    /// The one under way lasts longer.
    ExtendMaintenance {
        /// Which.
        id: WindowId,
        /// By how much.
        by: Duration,
    },
    /// Somebody has taken an incident in hand.
    Acknowledge {
        /// Which; any of those that are told as one.
        incident: IncidentId,
        /// Who.
        by: String,
    },
    /// The one under way ends now.
    EndMaintenance {
        /// Which.
        id: WindowId,
    },
}

/// What has come of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The window as it stands now.
    Maintenance(Announced),
    /// Nobody is reminded of it any more, and nobody else is told.
    Acknowledged {
        /// The incident under which it is told.
        incident: IncidentId,
        /// Who has taken it in hand.
        by: String,
        /// When.
        at: Timestamp,
    },
}

/// Why a probe was not run, or nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRun {
    /// There is no such probe.
    Unknown,
    /// It is running already.
    Running,
    /// As many runs are under way as may be, in all or against its host.
    NoRoom,
    /// The run was told to stop: the daemon ends, or the probe has left the configuration.
    Stopped,
}

/// What has come of a command, or why nothing has.
pub type Result = std::result::Result<Answer, Refusal>;
