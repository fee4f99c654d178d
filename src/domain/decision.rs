//! What a transition leads to: which incident it opens, worsens or resolves, and who is told. Pure: the same
//! transition leads to the same incident and the same Message-IDs, so that a decision whose commit failed can be made
//! again, and made twice is still one.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::domain::{
    channel::ChannelId,
    evaluation::{Rules, State, Transition},
    incident::{Incident, IncidentEvent, IncidentId, Severity, Told},
    notification::{Absence, Content, News, Notification, Route, Subject},
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

/// Decides what a transition leads to. `standing` is the channel's open incident, if there is one.
#[must_use]
pub fn decide(
    subject: &Subject<'_>,
    rules: &Rules,
    standing: Option<&Incident>,
    transition: &Transition,
    now: Timestamp,
) -> Decision {
    let (mut incident, event) = match follow(subject.channel, rules, standing, transition) {
        Some((incident, event)) => (Some(incident), Some(event)),
        None => (standing.cloned(), None),
    };
    let notifications = match (&mut incident, event) {
        (Some(incident), Some(event)) => tell(subject, incident, event, transition, now),
        _ => Vec::new(),
    };
    Decision {
        channel: subject.channel.clone(),
        state: transition.to,
        since: transition.since,
        incident,
        event,
        notifications,
    }
}

/// Decides what becomes of an open incident whose channel is no longer watched: it ends, and those who were told of it
/// are told so. Of the channel nothing is known from then on, should it come back.
#[must_use]
pub fn withdraw(standing: &Incident, absence: &Absence<'_>, now: Timestamp) -> Decision {
    let incident = Incident { resolved_at: Some(now), ..standing.clone() };
    let event = IncidentEvent::Withdrawn;
    let content = Content::withdraw(&incident, absence, now);
    let mail_host = absence.letterhead.mail_host;
    Decision {
        channel: incident.channel.clone(),
        state: State::Unknown,
        since: absence.since,
        notifications: mails(&incident, event, incident.told.len(), &content, mail_host, now),
        incident: Some(incident),
        event: Some(event),
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
        told: Vec::new(),
    }
}

/// `20261121T030412Z-web-chat-3f9c`: the second of confirmation, the channel, and four hexadecimal digits that keep
/// apart what falls into one second.
fn incident_id(channel: &ChannelId, transition: &Transition) -> IncidentId {
    let exact = format!("{channel} {} {}", transition.at.as_nanosecond(), transition.since.as_nanosecond());
    IncidentId(format!("{}-{channel}-{}", transition.at.strftime("%Y%m%dT%H%M%SZ"), fingerprint(&exact, 4)))
}

/// The mails owed. The bad news goes to everybody in the team; its end goes to those who had the bad news, whoever is
/// in the team by then, and to nobody else.
fn tell(
    subject: &Subject<'_>,
    incident: &mut Incident,
    event: IncidentEvent,
    transition: &Transition,
    now: Timestamp,
) -> Vec<Notification> {
    let told_before = incident.told.len();
    if event != IncidentEvent::Resolved {
        for recipient in subject.recipients {
            if incident.told.iter().all(|told| told.recipient != *recipient) {
                let message_id = message_id(&incident.id, event, recipient, subject.letterhead.mail_host);
                incident.told.push(Told { recipient: recipient.clone(), message_id });
            }
        }
    }
    if incident.told.is_empty() {
        return Vec::new();
    }
    let content = Content::compose(subject, &News { event, incident, transition, now });
    mails(incident, event, told_before, &content, subject.letterhead.mail_host, now)
}

/// A mail to everybody who is told; to the first `told_before` of them it is a further one.
fn mails(
    incident: &Incident,
    event: IncidentEvent,
    told_before: usize,
    content: &Content,
    mail_host: &str,
    now: Timestamp,
) -> Vec<Notification> {
    let mails = incident.told.iter().enumerate().map(|(index, told)| Notification {
        incident: incident.id.clone(),
        event,
        route: Route::Mail,
        recipient: told.recipient.clone(),
        message_id: message_id(&incident.id, event, &told.recipient, mail_host),
        in_reply_to: (index < told_before).then(|| told.message_id.clone()),
        created_at: now,
        content: content.clone(),
    });
    mails.collect()
}

/// The Message-ID of a mail: the same for the same incident, event and recipient.
pub(in crate::domain) fn message_id(
    incident: &IncidentId,
    event: IncidentEvent,
    recipient: &str,
    mail_host: &str,
) -> String {
    format!("{incident}.{}.{}@{mail_host}", event.as_str(), fingerprint(recipient, 16))
}

/// The first `digits` hexadecimal digits of a text's SHA-256.
fn fingerprint(text: &str, digits: usize) -> String {
    let digest = Sha256::digest(text);
    let mut hex: String = digest.iter().take(digits.div_ceil(2)).map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}
