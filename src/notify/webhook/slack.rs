//! A message of Slack, which Mattermost reads too. In texts that may quote a target Slack's three control characters are
//! escaped, so that they mention nobody and no link of theirs hides where it leads.

use std::time::Duration;

use serde_json::json;

use super::{Tone, cut, lines};
use crate::domain::notification::{ACKNOWLEDGE, Notification, late_notice};

/// The longest text, in characters.
const TEXT_MAX: usize = 3_000;

/// Writes the body.
pub(super) fn body(notification: &Notification, late: Duration) -> String {
    let content = &notification.content;
    let mut text: Vec<String> = late_notice("message", late).into_iter().collect();
    text.extend(
        lines(notification).into_iter().map(|(label, value)| format!("*{label}*: {}", escaped(&value))),
    );
    let mut text = cut(&text.join("\n"), TEXT_MAX);
    if let Some(link) = &content.facts.acknowledge {
        text += &format!("\n<{}|{ACKNOWLEDGE}>", escaped(link));
    }
    let mut attachment = json!({
        "color": match Tone::of(notification) {
            Tone::Bad => "#c0392b",
            Tone::Mixed => "#d68910",
            Tone::Good => "#1e8449",
        },
        "fallback": escaped(&content.subject),
        "text": text,
        "mrkdwn_in": ["text"],
    });
    if let Some(link) = &content.facts.link {
        attachment["title"] = "All channels".into();
        attachment["title_link"] = link.clone().into();
    }
    json!({ "text": escaped(&content.subject), "attachments": [attachment] }).to_string()
}

/// Without the characters by which a text mentions people, links, or is no text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
