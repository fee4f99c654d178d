//! Incidents with one cause, told to people as one: the case. It has the id of its first incident, under which people
//! know it, and stands until all of its incidents are over.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    channel::{ChannelId, ProbeName, TeamId},
    escalation::Ascent,
    evaluation::State,
    flapping::Flapping,
    happening::{Account, Happening},
    incident::{IncidentEvent, IncidentId, Severity},
    notification::{Recipient, Route},
    outcome::Failure,
    shared::{Shared, in_common},
    urgency::{Urgencies, Urgency},
};

/// Incidents with one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The id of its first incident.
    pub id: IncidentId,
    /// When it was first told, or would have been where nobody is.
    pub opened_at: Timestamp,
    /// When the last of its incidents was over; none before.
    pub closed_at: Option<Timestamp>,
    /// Its incidents, in the order in which they came.
    pub members: Vec<Member>,
    /// What they have in common; nothing where there is only one, or nothing was found.
    pub common: BTreeSet<Shared>,
    /// So many fell at once with nothing in common that they are told as one all the same.
    #[serde(default)]
    pub is_storm: bool,
    /// Channels that were named as about to fall, since they stand on what has failed.
    #[serde(default)]
    pub expected: BTreeSet<ChannelId>,
    /// Set while it flaps. Of one channel its incidents are then its latest falls; of several, the latest of each.
    #[serde(default)]
    pub flapping: Option<Flapping>,
    /// Who has been told, in the order of telling. They and nobody else hear of the recovery.
    pub told: Vec<Told>,
    /// How often people have been told of it.
    pub tellings: u32,
    /// When they were told last.
    pub told_at: Timestamp,
    /// How far it has been told again, and to whom.
    #[serde(default)]
    pub ascent: Ascent,
    /// What is kept from teams in their quiet hours; no team twice.
    #[serde(default)]
    pub held: Vec<Held>,
}

/// News of a case that is held while it is quiet for a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The team.
    pub team: TeamId,
    /// When the first of it came.
    pub since: Timestamp,
    /// Who would have been told; never nobody.
    pub to: Vec<Recipient>,
}

/// Somebody who has been told of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// By which way.
    #[serde(default)]
    pub route: Route,
    /// The address, as that of a [`Recipient`].
    pub recipient: String,
    /// The Message-ID of the first mail, to which all later ones reply.
    pub message_id: String,
}

impl Told {
    /// Who it is.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient { route: self.route, address: self.recipient.clone() }
    }
}

/// One incident of a case, as far as people are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The incident.
    pub incident: IncidentId,
    /// Its channel.
    pub channel: ChannelId,
    /// The team that is told.
    #[serde(default)]
    pub team: Option<TeamId>,
    /// The worst it has been.
    pub severity: Severity,
    /// How urgent outages of its channel were said to be when it began, or got worse.
    #[serde(default)]
    pub urgencies: Urgencies,
    /// Start of the first run that failed.
    pub began_at: Timestamp,
    /// When it was confirmed.
    pub confirmed_at: Timestamp,
    /// The probe that found it, with the persona as whom it looked.
    #[serde(default)]
    pub probe: Option<ProbeName>,
    /// What broke.
    pub failure: Option<Failure>,
    /// How many runs agreed, of how many.
    pub agreeing: (u32, u32),
    /// The evidence that is kept of it.
    pub bundle: Option<String>,
    /// What its channel stands on and may have fallen with.
    pub stands_on: BTreeSet<Shared>,
    /// Whether people have been told that it began.
    pub is_told: bool,
    /// How it ended.
    pub end: Option<End>,
}

/// How an incident ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Since when its channel has been in another state.
    pub at: Timestamp,
    /// `Resolved` or `Withdrawn`.
    pub event: IncidentEvent,
    /// The state of the channel from then on.
    pub state: State,
    /// Whether people have been told.
    pub is_told: bool,
}

impl Member {
    /// An incident that has been opened; `stands_on` is what its channel stands on.
    #[must_use]
    pub fn of(happening: &Happening, stands_on: BTreeSet<Shared>) -> Self {
        let Happening { incident, account, .. } = happening;
        Self {
            incident: incident.id.clone(),
            channel: incident.channel.clone(),
            team: happening.door.team.clone(),
            severity: incident.severity,
            urgencies: happening.door.urgencies,
            began_at: incident.began_at,
            confirmed_at: incident.confirmed_at,
            probe: incident.evidence.probe.as_ref().map(|probe| probe.probe.clone()),
            failure: incident.evidence.failure.clone(),
            agreeing: (incident.evidence.agreeing, incident.evidence.of),
            bundle: match account {
                Account::Change { bundle, .. } => bundle.clone(),
                Account::Absence { .. } => None,
            },
            stands_on,
            is_told: false,
            end: None,
        }
    }

    /// It went from degraded to dark.
    pub fn worsen(&mut self, happening: &Happening) {
        let stands_on = std::mem::take(&mut self.stands_on);
        *self = Self { is_told: self.is_told, end: self.end.take(), ..Self::of(happening, stands_on) };
    }

    /// It is over.
    pub fn finish(&mut self, happening: &Happening) {
        let (at, state) = match &happening.account {
            Account::Change { transition, .. } => (transition.since, transition.to),
            Account::Absence { since } => (*since, State::Unknown),
        };
        self.end = Some(End { at, event: happening.event, state, is_told: false });
    }

    /// How urgent it is, at its worst.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        self.urgencies.of(self.severity)
    }

    /// What it may have lost together with another.
    #[must_use]
    pub fn in_common_with(&self, other: &Self) -> BTreeSet<Shared> {
        in_common((&self.stands_on, self.failure.as_ref()), (&other.stands_on, other.failure.as_ref()))
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Whether it is over and people have not been told.
    #[must_use]
    pub fn ends_untold(&self) -> bool {
        self.end.as_ref().is_some_and(|end| !end.is_told)
    }
}

impl Case {
    /// A case of one incident or more.
    #[must_use]
    pub fn open(members: Vec<Member>, now: Timestamp) -> Self {
        let id = members[0].incident.clone();
        let mut case = Self {
            id,
            opened_at: now,
            closed_at: None,
            members: Vec::with_capacity(members.len()),
            common: BTreeSet::new(),
            is_storm: false,
            expected: BTreeSet::new(),
            flapping: None,
            told: Vec::new(),
            tellings: 0,
            told_at: now,
            ascent: Ascent::default(),
            held: Vec::new(),
        };
        members.into_iter().for_each(|member| case.admit(member));
        case
    }

    /// Takes in a further incident.
    pub fn admit(&mut self, member: Member) {
        if self.members.is_empty() {
            self.common.clone_from(&member.stands_on);
        } else {
            let common = self.common_with(&member);
            if self.members.len() == 1 || !common.is_empty() {
                self.common = common;
            }
        }
        self.members.push(member);
    }

    /// What all of it has in common with a further incident.
    #[must_use]
    pub fn common_with(&self, member: &Member) -> BTreeSet<Shared> {
        let Some(first) = self.members.first() else { return BTreeSet::new() };
        member.in_common_with(first).intersection(&self.common).cloned().collect()
    }

    /// What explains it best, if it is of several channels.
    #[must_use]
    pub fn cause(&self) -> Option<&Shared> {
        self.common.first().filter(|_| (self.is_group() || self.is_several()) && !self.is_storm)
    }

    /// Whether it is of several channels, or about to be.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.flapping.is_none() && (self.members.len() > 1 || !self.expected.is_empty())
    }

    /// Whether its incidents are of several channels.
    #[must_use]
    pub fn is_several(&self) -> bool {
        let first = self.members.first();
        first.is_some_and(|first| self.members.iter().any(|member| member.channel != first.channel))
    }

    /// Whether somebody has been told that it began.
    #[must_use]
    pub fn has_told(&self, recipient: &Recipient) -> bool {
        self.told.iter().any(|told| told.route == recipient.route && told.recipient == recipient.address)
    }

    /// Whether all of it is over and nothing of it is left to be told, but for what is held.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let is_told = |member: &Member| member.end.as_ref().is_some_and(|end| end.is_told);
        self.flapping.is_none() && self.members.iter().all(is_told)
    }

    /// The incident of a channel that is not over.
    #[must_use]
    pub fn standing(&self, channel: &ChannelId) -> Option<&Member> {
        self.members.iter().find(|member| member.channel == *channel && !member.is_over())
    }

    /// Its incidents that are not over.
    pub fn standing_all(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| !member.is_over())
    }

    /// How urgent it is: as the most urgent of its incidents, also after that is over.
    #[must_use]
    pub fn urgency(&self) -> Option<Urgency> {
        self.members.iter().map(Member::urgency).max()
    }

    /// The worst of its incidents that are not over.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.standing_all().map(|member| member.severity).max()
    }
}
