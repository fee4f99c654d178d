//! Decisions and notifications that tests put into the store, about one channel, as an evaluator would make them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lamplighter::{
    domain::{
        case::{Case, Member},
        casebook::Announcement,
        channel::{ChannelId, ChannelKind},
        decision::Decision,
        evaluation::{Evidence, State, Transition},
        happening::{Account, Happening},
        incident::{Incident, IncidentEvent, IncidentId, Severity},
        notification::{Content, Notification, Route, facts::Facts},
    },
    store::{Store, StoreError},
};

use crate::neighbourhood::doorplate;

/// When everything in the tests begins.
pub fn start() -> Timestamp {
    "2026-11-21T02:04:12Z".parse().unwrap()
}

/// A notification about an incident to one recipient.
pub fn notification(incident: &str, event: IncidentEvent, recipient: &str, at: Timestamp) -> Notification {
    let id_of = |event: IncidentEvent| {
        let who: String = recipient.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("{incident}.{}.{who}@lamplighter.test", event.as_str())
    };
    Notification {
        incident: IncidentId(incident.to_owned()),
        event,
        route: Route::Mail,
        recipient: recipient.to_owned(),
        message_id: id_of(event),
        in_reply_to: (event != IncidentEvent::Opened).then(|| id_of(IncidentEvent::Opened)),
        created_at: at,
        content: Content {
            subject: format!("[DARK] {incident}"),
            text: "The chat button does nothing.\n".to_owned(),
            html: "<p>The chat button does nothing.</p>\n".to_owned(),
            picture: None,
            facts: Facts::unknown(IncidentId(incident.to_owned()), event, at),
        },
    }
}

/// A decision about `channel` that opens or resolves `incident`.
pub fn decision(channel: &str, incident: &str, event: IncidentEvent, at: Timestamp) -> Decision {
    let resolved = event == IncidentEvent::Resolved;
    let channel = ChannelId::new(channel);
    let state = if resolved { State::Up } else { State::Dark };
    let evidence =
        Evidence { probe: None, agreeing: 3, of: 5, failure: None, phases: Vec::new(), recent: Vec::new() };
    let transition =
        Transition { from: State::Unknown, to: state, at, since: at, evidence: evidence.clone() };
    let incident = Incident {
        id: IncidentId(incident.to_owned()),
        channel: channel.clone(),
        severity: Severity::Dark,
        began_at: at,
        confirmed_at: at,
        resolved_at: resolved.then_some(at),
        evidence,
    };
    let account = Account::Change { transition, bundle: None, picture: None };
    let door = doorplate("A door", ChannelKind::Chat);
    let happening = Happening { incident: incident.clone(), event, decided_at: at, door, account };
    Decision { channel, state, since: at, incident: Some(incident), happening: Some(happening) }
}

/// An announcement that tells `recipients` what a decision has brought about.
pub fn announcement(decision: &Decision, recipients: &[&str]) -> Announcement {
    let happening = decision.happening.as_ref().unwrap();
    let (id, event, at) = (&happening.incident.id, happening.event, happening.decided_at);
    let mut case = Case::open(vec![Member::of(happening, BTreeSet::new())], at);
    if event == IncidentEvent::Resolved {
        case.members[0].finish(happening);
        case.closed_at = Some(at);
    }
    Announcement {
        settled: vec![(happening.key(), id.clone())],
        notifications: recipients.iter().map(|to| notification(&id.0, event, to, at)).collect(),
        cases: vec![case],
    }
}

/// Commits both.
pub async fn commit(store: &Store, decision: Decision, recipients: &[&str]) -> Result<(), StoreError> {
    let (announcement, at) = (announcement(&decision, recipients), decision.since);
    store.commit(vec![decision]).await?;
    store.announce(announcement, at).await
}
