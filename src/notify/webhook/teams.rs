//! A message of Microsoft Teams: an adaptive card, as its workflows take it. Every text stands in a run of its own, which
//! no Markdown is read in, so that what a target said makes no link.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Tone, cut, lines};
use crate::domain::notification::{ACKNOWLEDGE, Notification, late_notice};

/// A card may have 28 KB in all; so many characters of a line are far from that.
const LINE_MAX: usize = 600;

/// Writes the body.
pub(super) fn body(notification: &Notification, late: Duration) -> String {
    let content = &notification.content;
    let colour = match Tone::of(notification) {
        Tone::Bad => "attention",
        Tone::Mixed => "warning",
        Tone::Good => "good",
    };
    let title = json!({ "type": "TextRun", "text": content.subject, "weight": "bolder", "size": "large", "color": colour });
    let mut body = vec![block(vec![title])];
    if let Some(notice) = late_notice("message", late) {
        body.push(block(vec![json!({ "type": "TextRun", "text": notice, "italic": true })]));
    }
    for (label, value) in lines(notification) {
        let label = json!({ "type": "TextRun", "text": format!("{label}: "), "weight": "bolder" });
        body.push(block(vec![label, json!({ "type": "TextRun", "text": cut(&value, LINE_MAX) })]));
    }
    let links = [(ACKNOWLEDGE, &content.facts.acknowledge), ("All channels", &content.facts.link)];
    let action = |(title, link): (&str, &Option<String>)| {
        let link = link.as_ref()?;
        Some(json!({ "type": "Action.OpenUrl", "title": title, "url": link }))
    };
    let actions: Vec<Value> = links.into_iter().filter_map(action).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": body,
                "actions": actions,
            },
        }],
    })
    .to_string()
}

fn block(inlines: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": inlines })
}
