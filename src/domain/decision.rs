//! What a transition leads to: which incident it opens, worsens or resolves. Pure: the same transition leads to the same
//! incident, so that a decision whose commit failed can be made again, and made twice is still one. Who is told of it, and
//! when, is decided in [`crate::domain::casebook`].

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{
    channel::{ChannelId, ChannelKind},
    evaluation::{Rules, State, Transition},
    happening::{Account, Doorplate, Happening},
    incident::{Incident, IncidentEvent, IncidentId, Severity, fingerprint},
    urgency::Urgencies,
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
    /// What happened to the incident and is to be told; none where nothing is.
    pub happening: Option<Happening>,
}

impl Decision {
    /// What happened to the incident.
    #[must_use]
    pub fn event(&self) -> Option<IncidentEvent> {
        self.happening.as_ref().map(|happening| happening.event)
    }
}

/// What is kept of a change of state, beside the record of it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What people need to know of the channel.
    pub door: Doorplate,
    /// The name of the bundle of evidence.
    pub bundle: Option<String>,
    /// What the window showed, as a JPEG.
    pub picture: Option<Arc<[u8]>>,
}

/// Decides what a transition leads to. `standing` is the channel's open incident, if there is one.
#[must_use]
pub fn decide(
    channel: &ChannelId,
    rules: &Rules,
    standing: Option<&Incident>,
    transition: &Transition,
    kept: Kept,
    now: Timestamp,
) -> Decision {
    let followed = follow(channel, rules, standing, transition);
    let happening = followed.map(|(incident, event)| {
        let Kept { door, bundle, picture } = kept;
        let account = Account::Change { transition: transition.clone(), bundle, picture };
        Happening { incident, event, decided_at: now, door, account }
    });
    Decision {
        channel: channel.clone(),
        state: transition.to,
        since: transition.since,
        incident: happening.as_ref().map(|happening| &happening.incident).or(standing).cloned(),
        happening,
    }
}

/// What a transition leads to where nobody is told of it alone.
#[must_use]
pub fn note(channel: &ChannelId, transition: &Transition) -> Decision {
    Decision {
        channel: channel.clone(),
        state: transition.to,
        since: transition.since,
        incident: None,
        happening: None,
    }
}

/// Decides what becomes of an open incident whose channel is no longer watched: it ends, and those who were told of it
/// are told so. Of the channel nothing is known from then on, should it come back. `since` is when it was first missed.
#[must_use]
pub fn withdraw(standing: &Incident, since: Timestamp, now: Timestamp) -> Decision {
    let incident = Incident { resolved_at: Some(now), ..standing.clone() };
    Decision {
        channel: incident.channel.clone(),
        state: State::Unknown,
        since,
        incident: Some(incident.clone()),
        happening: Some(Happening {
            incident,
            event: IncidentEvent::Withdrawn,
            decided_at: now,
            door: Doorplate {
                title: standing.channel.to_string(),
                kind: ChannelKind::Chat,
                team: None,
                urgencies: Urgencies::default(),
            },
            account: Account::Absence { since },
        }),
    }
}

/// What happens to the incident, if anything: a channel that cannot be seen keeps the one it has, and coming back
/// dark is no news.
fn follow(
    channel: &ChannelId,
    rules: &Rules,
    standing: Option<&Incident>,
    transition: &Transition,
) -> Option<(Incident, IncidentEvent)> {
    let severity = match transition.to {
        State::Dark => Some(Severity::Dark),
        State::Degraded if rules.alert_on_degraded => Some(Severity::Degraded),
        State::Up | State::Degraded => None,
        State::Closed | State::Unknown => return None,
    };
    match (standing, severity) {
        (None, None) => None,
        (None, Some(severity)) => Some((open(channel, severity, transition), IncidentEvent::Opened)),
        (Some(standing), None) => {
            let resolved = Incident { resolved_at: Some(transition.at), ..standing.clone() };
            Some((resolved, IncidentEvent::Resolved))
        }
        (Some(standing), Some(severity)) if severity > standing.severity => {
            let evidence = transition.evidence.clone();
            Some((Incident { severity, evidence, ..standing.clone() }, IncidentEvent::Worsened))
        }
        (Some(_), Some(_)) => None,
    }
}

fn open(channel: &ChannelId, severity: Severity, transition: &Transition) -> Incident {
    Incident {
        id: incident_id(channel, transition),
        channel: channel.clone(),
        severity,
        began_at: transition.since,
        confirmed_at: transition.at,
        resolved_at: None,
        evidence: transition.evidence.clone(),
    }
}

/// `20261121T030412Z-web-chat-3f9c`: the second of confirmation, the channel, and four hexadecimal digits that keep
/// apart what falls into one second.
fn incident_id(channel: &ChannelId, transition: &Transition) -> IncidentId {
    let exact = format!("{channel} {} {}", transition.at.as_nanosecond(), transition.since.as_nanosecond());
    IncidentId(format!("{}-{channel}-{}", transition.at.strftime("%Y%m%dT%H%M%SZ"), fingerprint(&exact, 4)))
}
