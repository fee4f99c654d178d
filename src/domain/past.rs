//! What the pages show of the past, beside the picture of the present and the [`crate::domain::chronicle`]: what the last
//! runs of a channel saw, and how an incident went. Read when somebody looks, and never the source of a decision.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    channel::{ChannelId, ProbeName},
    escalation::Acknowledgement,
    evaluation::{RunWord, State},
    incident::{IncidentEvent, IncidentId, Severity},
    outcome::{Detail, Failure, PhaseKind, Reason},
};

/// One run of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The probe.
    pub probe: ProbeName,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration: Duration,
    /// The word of its verdict.
    pub outcome: RunWord,
    /// What it failed for, where it did.
    pub reason: Option<Reason>,
    /// What it quotes as evidence; empty where there is none.
    pub detail: Detail,
    /// Its parts: what was done, and for how long in all.
    pub phases: Vec<(PhaseKind, Duration)>,
}

/// An incident in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastIncident {
    /// Its id.
    pub id: IncidentId,
    /// The worst it was.
    pub severity: Severity,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was over; none while it is open.
    pub resolved_at: Option<Timestamp>,
}

/// What is kept as evidence of a change of a channel's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptBundle {
    /// Its name.
    pub name: String,
    /// The channel.
    pub channel: String,
    /// When the state changed.
    pub at: Timestamp,
    /// The names of its files.
    pub files: Vec<String>,
}

/// What is known of a channel's past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelPast {
    /// Its last runs, latest first.
    pub runs: Vec<Run>,
    /// Its incidents, latest first.
    pub incidents: Vec<PastIncident>,
    /// The evidence kept of it, latest first.
    pub bundles: Vec<KeptBundle>,
}

/// How an incident went, with all that is told as one with it.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentPast {
    /// By what people know it.
    pub id: IncidentId,
    /// When it began.
    pub began_at: Timestamp,
    /// When all of it was over; none while it is not.
    pub closed_at: Option<Timestamp>,
    /// Who has taken it in hand.
    pub acknowledged: Option<Acknowledgement>,
    /// Its channels.
    pub channels: Vec<FallenChannel>,
    /// What happened, oldest first.
    pub chapters: Vec<Chapter>,
    /// The evidence that is still kept of it, oldest first.
    pub bundles: Vec<KeptBundle>,
}

/// A channel of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FallenChannel {
    /// Its id.
    pub id: ChannelId,
    /// Its title; the id where it has left the configuration.
    pub title: String,
    /// The worst it was.
    pub severity: Severity,
    /// What broke.
    pub failure: Option<Failure>,
    /// When it worked again, or was looked at no more; none before.
    pub ended_at: Option<Timestamp>,
}

/// One entry of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chapter {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
}

/// What happened in the course of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The first run that belongs to it failed.
    Began,
    /// A channel changed.
    Happened {
        /// Which.
        channel: ChannelId,
        /// How that changed the incident.
        event: IncidentEvent,
        /// The state it is in from then on; none where it is no longer watched.
        state: Option<State>,
        /// What broke.
        failure: Option<Failure>,
    },
    /// Somebody took it in hand.
    Acknowledged {
        /// Who, in words of their own.
        by: Detail,
    },
    /// People were told.
    Told {
        /// Of what; a word of the outbox.
        event: String,
        /// By which route.
        route: String,
        /// How many of them have it.
        delivered: u32,
        /// How many are still to get it.
        pending: u32,
        /// How many will not.
        given_up: u32,
    },
}
