//! Every fact by name, in the envelope of the Standard Webhooks: type, timestamp, data.

use serde_json::{Value, json};

use crate::domain::notification::Notification;

/// Writes the body.
pub(super) fn body(notification: &Notification) -> String {
    let content = &notification.content;
    let mut data = serde_json::to_value(&content.facts).expect("facts are always JSON");
    if let Value::Object(members) = &mut data {
        members.insert("subject".to_owned(), content.subject.clone().into());
        members.insert("text".to_owned(), content.text.clone().into());
    }
    json!({
        "type": format!("incident.{}", notification.event.as_str()),
        "timestamp": notification.created_at,
        "data": data,
    })
    .to_string()
}
