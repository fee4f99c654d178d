//! An event of PagerDuty's Events API v2. The incident is its key, so whatever is said of one incident is one incident
//! there too, and its end resolves it.

use serde_json::{Value, json};

use super::cut;
use crate::domain::{
    notification::{ACKNOWLEDGE, Notification},
    urgency::Urgency,
};

/// PagerDuty's own limit, in characters.
const SUMMARY_MAX: usize = 1_024;

/// Writes the body.
pub(super) fn body(notification: &Notification, routing_key: &str) -> String {
    let content = &notification.content;
    let facts = &content.facts;
    let first = facts.channels.first();
    let mut event = json!({
        "routing_key": routing_key,
        "event_action": if facts.is_over() { "resolve" } else { "trigger" },
        "dedup_key": facts.incident,
        "client": "Lamplighter",
        "payload": {
            "summary": cut(&content.subject, SUMMARY_MAX),
            "source": first.map_or("lamplighter", |channel| channel.id.as_str()),
            "severity": facts.severity.unwrap_or(Urgency::Info).as_str(),
            "timestamp": facts.began_at,
            "component": first.map(|channel| &channel.title),
            "group": first.and_then(|channel| channel.team.as_ref()),
            "class": first.and_then(|channel| channel.reason.as_ref()),
            "custom_details": facts,
        },
    });
    let links = [(ACKNOWLEDGE, &facts.acknowledge), ("All channels", &facts.link)];
    let link = |(text, link): (&str, &Option<String>)| Some(json!({ "href": link.as_ref()?, "text": text }));
    let links: Vec<Value> = links.into_iter().filter_map(link).collect();
    if !links.is_empty() {
        event["links"] = links.into();
    }
    if let Some(link) = &facts.link {
        event["client_url"] = link.clone().into();
    }
    event.to_string()
}
