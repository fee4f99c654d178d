//! What can be asked of what is kept, and what is answered: runs and incidents, the latest first, a page at a time. A page
//! may have fewer entries than were asked for, or none, and still not be the last: whoever looks does so for a bounded
//! time, and says where to go on.

use jiff::Timestamp;

use crate::domain::{
    case::Case,
    channel::{ChannelId, ProbeName},
    escalation::Acknowledgement,
    evaluation::{RunWord, State},
    incident::{Incident, IncidentEvent, IncidentId},
    outcome::{Detail, Outcome},
};

/// Some of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The latest first.
    pub items: Vec<T>,
    /// Where the next page begins; none where there is none.
    pub next: Option<C>,
}

/// The number of a run in the history. Later ones have higher numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutcomeNumber(pub i64);

/// Which runs; what is none stands for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutcomeInquiry {
    /// Of this channel.
    pub channel: Option<ChannelId>,
    /// Of probes of this name.
    pub probe: Option<ProbeName>,
    /// That ended so.
    pub outcome: Option<RunWord>,
    /// For this reason, of a failure or of a run that was inconclusive.
    pub reason: Option<String>,
    /// That began then or later.
    pub from: Option<Timestamp>,
    /// That began before.
    pub until: Option<Timestamp>,
    /// That come before this one.
    pub before: Option<OutcomeNumber>,
    /// At most so many.
    pub limit: usize,
}

/// A run in the history.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptOutcome {
    /// Its number.
    pub number: OutcomeNumber,
    /// What it saw. Of certificates and addresses nothing is kept.
    pub outcome: Outcome,
}

/// Runs in the history.
pub type Outcomes = Page<KeptOutcome, OutcomeNumber>;

/// Whether an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not.
    Open,
    /// It is.
    Closed,
}

/// Which incidents; what is none stands for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentInquiry {
    /// Of this channel.
    pub channel: Option<ChannelId>,
    /// That stand so.
    pub standing: Option<Standing>,
    /// That were not over by then.
    pub from: Option<Timestamp>,
    /// That began before.
    pub until: Option<Timestamp>,
    /// That opened before this one.
    pub before: Option<IncidentId>,
    /// At most so many.
    pub limit: usize,
}

/// An incident as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptIncident {
    /// The incident.
    pub incident: Incident,
    /// The one under whose id people are told of it; none as long as nobody is.
    pub told_as: Option<IncidentId>,
    /// Who has taken it in hand.
    pub acknowledged: Option<Acknowledgement>,
}

impl KeptIncident {
    /// An incident and the case in which it is told.
    #[must_use]
    pub fn of(incident: Incident, case: Option<&Case>) -> Self {
        Self {
            incident,
            told_as: case.map(|case| case.id.clone()),
            acknowledged: case.and_then(|case| case.ascent.acknowledged.clone()),
        }
    }
}

/// Incidents, by the moment at which they opened.
pub type Incidents = Page<KeptIncident, IncidentId>;

/// Everything that is kept of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Story {
    /// The incident.
    pub kept: KeptIncident,
    /// The incidents that are told as one with it, itself among them.
    pub told_with: Vec<(IncidentId, ChannelId)>,
    /// What happened and who was told, in order.
    pub timeline: Vec<Entry>,
}

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Occurrence,
}

/// What a line of a timeline is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Occurrence {
    /// The first run that failed began.
    Began,
    /// Something happened to an incident.
    Happened {
        /// The incident; any of those that are told as one.
        incident: IncidentId,
        /// Its channel.
        channel: ChannelId,
        /// What happened.
        event: IncidentEvent,
        /// The state of the channel from then on; none where it is not watched any more.
        state: Option<State>,
    },
    /// Somebody has taken it in hand.
    Acknowledged {
        /// Who.
        by: Detail,
    },
    /// A message was put down for somebody.
    Told(Message),
}

/// A message to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it tells of.
    pub event: String,
    /// By which way it goes.
    pub route: String,
    /// To whom.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// `pending`, `delivered` or `given_up`.
    pub status: String,
    /// How often it has been tried.
    pub tries: u32,
    /// When it was delivered or given up.
    pub settled_at: Option<Timestamp>,
    /// What the other side said last.
    pub answer: Option<Detail>,
}
