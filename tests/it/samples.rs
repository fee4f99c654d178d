//! Decisions and notifications that tests put into the store, about one channel, as an evaluator would make them.

use jiff::Timestamp;
use lamplighter::domain::{
    channel::ChannelId,
    decision::Decision,
    evaluation::{Evidence, State},
    incident::{Incident, IncidentEvent, IncidentId, Severity},
    notification::{Content, Notification, Route, facts::Facts},
};

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

/// A decision about `channel` that opens or resolves `incident` and tells `recipients`.
pub fn decision(
    channel: &str,
    incident: &str,
    event: IncidentEvent,
    recipients: &[&str],
    at: Timestamp,
) -> Decision {
    let resolved = event == IncidentEvent::Resolved;
    let channel = ChannelId::new(channel);
    Decision {
        channel: channel.clone(),
        state: if resolved { State::Up } else { State::Dark },
        since: at,
        incident: Some(Incident {
            id: IncidentId(incident.to_owned()),
            channel,
            severity: Severity::Dark,
            began_at: at,
            confirmed_at: at,
            resolved_at: resolved.then_some(at),
            evidence: Evidence {
                probe: None,
                agreeing: 3,
                of: 5,
                failure: None,
                phases: Vec::new(),
                recent: Vec::new(),
            },
            told: Vec::new(),
        }),
        event: Some(event),
        notifications: recipients.iter().map(|to| notification(incident, event, to, at)).collect(),
    }
}
