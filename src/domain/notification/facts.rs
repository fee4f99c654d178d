//! What a notification says, for machines: the same facts as in the mail, by name. They are kept in the outbox beside the
//! mail's words and written in the form of the other side when they are sent. Whatever quotes a target or the
//! configuration has passed [`Detail`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{
    canary::MailWay,
    case::{Case, Member},
    channel::{ChannelId, ChannelKind},
    escalation::Acknowledgement,
    evaluation::State,
    flapping::Flapping,
    incident::{Incident, IncidentEvent, IncidentId, Severity},
    notification::{
        Absence, FlappingNews, GroupNews, HeldCase, HeldNews, Neighbour, News, Plate, Subject, letter,
        phrases,
    },
    outcome::{Detail, Failure},
    urgency::{Urgencies, Urgency},
};

/// So many channels that still work are named at most.
const ALTERNATIVES_MAX: usize = 20;

/// What is said, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The incident it is about.
    pub incident: IncidentId,
    /// What happened to it.
    pub event: IncidentEvent,
    /// In which state the channels are now.
    pub state: State,
    /// How urgent it is; none where it is about no outage.
    #[serde(deserialize_with = "urgency_or_severity")]
    pub severity: Option<Urgency>,
    /// The worst it has been; none where it is about no outage.
    #[serde(default)]
    pub worst: Option<Severity>,
    /// The channels it is about.
    pub channels: Vec<ChannelFacts>,
    /// What several channels have in common that went dark together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<String>,
    /// When the outage began.
    pub began_at: Timestamp,
    /// When it was over, or nobody looked for its end any more; none while it lasts.
    pub resolved_at: Option<Timestamp>,
    /// Where the monitor stands.
    pub location: String,
    /// The channels that are proven to work.
    pub alternatives: Vec<Alternative>,
    /// Where people find the page of all channels.
    pub link: Option<String>,
    /// The name of the bundle of evidence.
    pub evidence: Option<String>,
    /// Who has taken it in hand; none while nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// Where whoever is told takes it in hand. It is added on the way out and never kept: whoever has it needs no token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<String>,
    /// Each incident of which news was held in quiet hours, where it is told what was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldFacts>,
    /// Of what says that the monitor's own mails do not arrive, or do so again: which mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryFacts>,
}

/// The way by which mails do not arrive, or do so again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryFacts {
    /// By which server they go.
    pub by: MailWay,
    /// Why the first that was lost did not arrive.
    pub why: String,
}

/// An incident, or several with one cause, of which news was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFacts {
    /// The incident.
    pub incident: IncidentId,
    /// In which state its channels are now.
    pub state: State,
    /// How urgent it is.
    pub severity: Option<Urgency>,
    /// The worst it has been.
    pub worst: Option<Severity>,
    /// Its channels; while it lasts, those that do not work yet.
    pub channels: Vec<ChannelFacts>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was over; none while it lasts.
    pub resolved_at: Option<Timestamp>,
}

/// One channel, as far as it concerns the incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFacts {
    /// Its id.
    pub id: ChannelId,
    /// Its title for people.
    pub title: String,
    /// What sort of door it is; none where it is not known any more.
    pub kind: Option<ChannelKind>,
    /// Who is told.
    pub team: Option<String>,
    /// The labels that the operator gave it.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the customer meets, as a word of the closed set.
    pub reason: Option<String>,
    /// What customers meet, in a sentence.
    pub customers: String,
    /// What was seen.
    pub detail: Option<String>,
    /// Since when it is as it is.
    pub since: Timestamp,
}

/// A channel that is proven to work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// Its id.
    pub id: ChannelId,
    /// Its title for people.
    pub title: String,
}

impl Alternative {
    /// Those of all other channels to which customers can be sent, as many as are named.
    fn among(neighbours: &[Neighbour]) -> Vec<Self> {
        let alternatives = neighbours.iter().filter(|neighbour| neighbour.is_alternative());
        let alternative = |neighbour: &Neighbour| Self {
            id: neighbour.channel.clone(),
            title: Detail::new(&neighbour.title).as_str().to_owned(),
        };
        alternatives.take(ALTERNATIVES_MAX).map(alternative).collect()
    }
}

impl Facts {
    /// What is said of a channel's transition.
    #[must_use]
    pub fn of(subject: &Subject<'_>, news: &News<'_>) -> Self {
        Self {
            state: news.transition.to,
            channels: vec![ChannelFacts::of(subject, news)],
            location: subject.location.as_str().to_owned(),
            alternatives: Alternative::among(subject.neighbours),
            link: subject.letterhead.public_url.map(str::to_owned),
            evidence: subject.proof.map(|proof| proof.bundle.to_owned()),
            ..Self::bare(news.incident, news.event, subject.urgencies)
        }
    }

    /// What is said of a channel that is no longer watched.
    #[must_use]
    pub fn of_absence(incident: &Incident, absence: &Absence<'_>) -> Self {
        let channel = ChannelFacts {
            id: incident.channel.clone(),
            title: incident.channel.as_str().to_owned(),
            kind: None,
            team: None,
            labels: BTreeMap::new(),
            reason: incident.evidence.failure.as_ref().map(|failure| failure.reason.as_str().to_owned()),
            customers: "no recovery was seen, and nobody looks for one any more".to_owned(),
            detail: incident.evidence.failure.as_ref().and_then(detail),
            since: absence.since,
        };
        Self {
            channels: vec![channel],
            location: absence.location.as_str().to_owned(),
            link: absence.letterhead.public_url.map(str::to_owned),
            ..Self::bare(incident, IncidentEvent::Withdrawn, absence.urgencies)
        }
    }

    /// What is said of several channels at once.
    #[must_use]
    pub fn of_group(news: &GroupNews<'_>) -> Self {
        let case = news.case;
        let is_over = case.severity().is_none();
        let began_at = case.members.iter().map(|member| member.began_at).min().unwrap_or(case.opened_at);
        let ended_at = case.members.iter().filter_map(|member| member.end.as_ref()).map(|end| end.at).max();
        Self {
            state: match case.severity() {
                None => State::Up,
                Some(Severity::Degraded) => State::Degraded,
                Some(Severity::Dark) => State::Dark,
            },
            severity: case.urgency(),
            worst: case.members.iter().map(|member| member.severity).max(),
            channels: ChannelFacts::of_all(news, |member| is_over || !member.is_over()),
            shared: letter::group::shared(news),
            resolved_at: ended_at.filter(|_| is_over),
            location: news.location.as_str().to_owned(),
            alternatives: Alternative::among(news.neighbours),
            link: news.letterhead.public_url.map(str::to_owned),
            evidence: case.members.iter().find_map(|member| member.bundle.clone()),
            ..Self::unknown(case.id.clone(), news.event, began_at)
        }
    }

    /// What is said of several channels that flap for one cause. Neither of them is over before all of it is steady.
    #[must_use]
    pub fn of_flapping_group(news: &GroupNews<'_>, flapping: &Flapping) -> Self {
        let all = Self::of_group(news);
        if news.event == IncidentEvent::Steady {
            return Self { began_at: flapping.total.since, ..all };
        }
        let mut channels = ChannelFacts::of_all(news, |_| true);
        for channel in channels.iter_mut().filter(|_| news.event != IncidentEvent::Sustained) {
            channel.customers = phrases::comes_and_goes(channel.kind.map_or("the door", phrases::door));
        }
        Self { channels, resolved_at: None, began_at: flapping.total.since, ..all }
    }

    /// What is said of a channel that flaps. It is not over in between, whatever its channel does: only when it is steady.
    #[must_use]
    pub fn of_flapping(news: &FlappingNews<'_>) -> Self {
        let last = news.last;
        let plate = Plate { title: news.title, kind: news.kind, labels: news.labels };
        let mut channel = ChannelFacts::of_member(last, Some(&plate));
        if !matches!(news.event, IncidentEvent::Sustained | IncidentEvent::Steady) {
            channel.customers = phrases::comes_and_goes(phrases::door(news.kind));
        }
        let state = match (&last.end, last.severity) {
            _ if !news.is_watched => State::Unknown,
            (Some(end), _) => end.state,
            (None, Severity::Degraded) => State::Degraded,
            (None, Severity::Dark) => State::Dark,
        };
        let ended_at = last.end.as_ref().map(|end| end.at);
        Self {
            state,
            severity: Some(last.urgency()),
            worst: Some(last.severity),
            channels: vec![channel],
            resolved_at: ended_at.filter(|_| news.event == IncidentEvent::Steady),
            location: news.location.as_str().to_owned(),
            alternatives: Alternative::among(news.neighbours),
            link: news.letterhead.public_url.map(str::to_owned),
            evidence: last.bundle.clone(),
            ..Self::unknown(news.case.id.clone(), news.event, news.flapping.total.since)
        }
    }

    /// What is said of all that was held: how things stand, and each incident.
    #[must_use]
    pub fn of_held(news: &HeldNews<'_>) -> Self {
        let each: Vec<Self> = news.cases.iter().map(|held| Self::of_held_case(news, held)).collect();
        let (standing, over): (Vec<&Self>, Vec<&Self>) = each.iter().partition(|facts| !facts.is_over());
        let concerned = if standing.is_empty() { &over } else { &standing };
        let worst_now = standing.iter().map(|facts| facts.state).max_by_key(|state| *state == State::Dark);
        let began_at = concerned.iter().map(|facts| facts.began_at).min();
        let ended_at = over.iter().filter_map(|facts| facts.resolved_at).max();
        let only = each.first().filter(|_| each.len() == 1);
        let held = |facts: &Self| HeldFacts {
            incident: facts.incident.clone(),
            state: facts.state,
            severity: facts.severity,
            worst: facts.worst,
            channels: facts.channels.clone(),
            began_at: facts.began_at,
            resolved_at: facts.resolved_at,
        };
        Self {
            state: worst_now.unwrap_or(State::Up),
            severity: concerned.iter().filter_map(|facts| facts.severity).max(),
            worst: concerned.iter().filter_map(|facts| facts.worst).max(),
            channels: concerned.iter().flat_map(|facts| facts.channels.clone()).collect(),
            shared: only.and_then(|facts| facts.shared.clone()),
            evidence: only.and_then(|facts| facts.evidence.clone()),
            resolved_at: ended_at.filter(|_| standing.is_empty()),
            location: news.location.as_str().to_owned(),
            alternatives: each.first().map(|facts| facts.alternatives.clone()).unwrap_or_default(),
            link: news.letterhead.public_url.map(str::to_owned),
            held: each.iter().map(held).collect(),
            ..Self::unknown(news.id.clone(), IncidentEvent::Held, began_at.unwrap_or(news.since))
        }
    }

    /// What is said of one case among others. One of a channel that flaps is not over, however its channel is now.
    fn of_held_case(news: &HeldNews<'_>, held: &HeldCase<'_>) -> Self {
        let mut facts = Self::of_group(&news.of_case(held));
        if held.case.flapping.is_some() {
            facts.resolved_at = None;
            let surplus = facts.channels.len().saturating_sub(1);
            facts.channels.drain(..surplus);
        }
        facts
    }

    /// What an incident says of itself.
    fn bare(incident: &Incident, event: IncidentEvent, urgencies: Urgencies) -> Self {
        Self {
            severity: Some(urgencies.of(incident.severity)),
            worst: Some(incident.severity),
            resolved_at: incident.resolved_at,
            ..Self::unknown(incident.id.clone(), event, incident.began_at)
        }
    }

    /// Of a notification that was put into the outbox before facts were kept there.
    #[must_use]
    pub fn unknown(incident: IncidentId, event: IncidentEvent, at: Timestamp) -> Self {
        Self {
            incident,
            event,
            state: State::Unknown,
            severity: None,
            worst: None,
            channels: Vec::new(),
            shared: None,
            began_at: at,
            resolved_at: None,
            location: String::new(),
            alternatives: Vec::new(),
            link: None,
            evidence: None,
            acknowledged: None,
            acknowledge: None,
            held: Vec::new(),
            canary: None,
        }
    }

    /// Whether it says that mails by this server are lost.
    #[must_use]
    pub fn is_loss_of(&self, by: MailWay) -> bool {
        !self.is_over() && self.canary.as_ref().is_some_and(|canary| canary.by == by)
    }

    /// Whether the outage is over, or nobody looks for its end any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.resolved_at.is_some()
    }

    /// Whether it is an outage that lasts and that nobody has taken in hand, as far as is said: one of channels, and not a
    /// letter about several at once.
    #[must_use]
    pub fn is_up_for_somebody(&self) -> bool {
        let is_one_of_channels = self.severity.is_some() && self.canary.is_none() && self.held.is_empty();
        is_one_of_channels && !self.is_over() && self.acknowledged.is_none()
    }
}

impl ChannelFacts {
    /// Those channels of several of whose incidents it holds.
    fn of_all(news: &GroupNews<'_>, holds: impl Fn(&Member) -> bool) -> Vec<Self> {
        let plates = news.plates.iter().chain(std::iter::repeat(&None));
        let concerned = news.case.members.iter().zip(plates).filter(|(member, _)| holds(member));
        concerned.map(|(member, plate)| Self::of_member(member, plate.as_ref())).collect()
    }

    /// The channels of a case: those that are still concerned or, when it is over, all that were; each once, as it stands
    /// after its latest fall. `plate` says what is known of a channel besides.
    pub fn of_case<'a>(case: &Case, plate: impl Fn(&ChannelId) -> Option<Plate<'a>>) -> Vec<Self> {
        let is_over = case.flapping.is_none() && case.severity().is_none();
        let is_latest = |place: usize| {
            case.members[place + 1..].iter().all(|later| later.channel != case.members[place].channel)
        };
        let members = case.members.iter().enumerate().filter(|(place, _)| is_latest(*place));
        let concerned = members.filter(|(_, member)| is_over || case.flapping.is_some() || !member.is_over());
        let facts = |(_, member): (usize, &Member)| {
            let plate = plate(&member.channel);
            let mut facts = Self::of_member(member, plate.as_ref());
            if case.flapping.is_some() {
                facts.customers =
                    phrases::comes_and_goes(plate.map_or("the door", |plate| phrases::door(plate.kind)));
            }
            facts
        };
        concerned.map(facts).collect()
    }

    fn of_member(member: &Member, plate: Option<&Plate<'_>>) -> Self {
        let kind = plate.map(|plate| plate.kind);
        let door = kind.map_or("the door", phrases::door);
        let failure = member.failure.as_ref().filter(|_| !member.is_over());
        let customers = match (failure, kind) {
            (Some(failure), Some(kind)) => phrases::customer_meets(kind, failure.reason, member.severity),
            _ if member.is_over() => format!("{door} works again"),
            _ => format!("{door} does not work"),
        };
        let title = plate.map_or(member.channel.as_str(), |plate| plate.title);
        let labels = plate.into_iter().flat_map(|plate| plate.labels);
        Self {
            id: member.channel.clone(),
            title: Detail::new(title).as_str().to_owned(),
            kind,
            team: member.team.as_ref().map(|team| team.as_str().to_owned()),
            labels: labels
                .map(|(name, value)| (name.clone(), Detail::new(value).as_str().to_owned()))
                .collect(),
            reason: failure.map(|failure| failure.reason.as_str().to_owned()),
            customers,
            detail: failure.and_then(detail),
            since: member.end.as_ref().map_or(member.began_at, |end| end.at),
        }
    }

    fn of(subject: &Subject<'_>, news: &News<'_>) -> Self {
        let evidence = &news.transition.evidence;
        let is_bad = matches!(news.transition.to, State::Dark | State::Degraded);
        let failure = evidence.failure.as_ref().filter(|_| is_bad);
        let severity = if news.transition.to == State::Dark { Severity::Dark } else { Severity::Degraded };
        let customers = match failure {
            Some(failure) => phrases::customer_meets(subject.kind, failure.reason, severity),
            None if is_bad => format!("{} does not work", phrases::door(subject.kind)),
            None => format!("{} works again", phrases::door(subject.kind)),
        };
        let labels = subject.labels.iter();
        Self {
            id: subject.channel.clone(),
            title: Detail::new(subject.title).as_str().to_owned(),
            kind: Some(subject.kind),
            team: subject.team.map(|team| team.as_str().to_owned()),
            labels: labels
                .map(|(name, value)| (name.clone(), Detail::new(value).as_str().to_owned()))
                .collect(),
            reason: failure.map(|failure| failure.reason.as_str().to_owned()),
            customers,
            detail: failure.and_then(detail),
            since: news.transition.since,
        }
    }
}

/// Reads how urgent something is; where only how bad it is was written, as that is by default.
fn urgency_or_severity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Urgency>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Info,
        #[serde(alias = "degraded")]
        Warning,
        Error,
        #[serde(alias = "dark")]
        Critical,
    }
    let word: Option<Word> = Option::deserialize(deserializer)?;
    Ok(word.map(|word| match word {
        Word::Info => Urgency::Info,
        Word::Warning => Urgency::Warning,
        Word::Error => Urgency::Error,
        Word::Critical => Urgency::Critical,
    }))
}

/// What was seen; none where nothing was said of it.
fn detail(failure: &Failure) -> Option<String> {
    let words = failure.detail.as_str();
    (!words.is_empty()).then(|| words.to_owned())
}
