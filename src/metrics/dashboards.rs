//! The dashboards for Grafana, made of the names in [`crate::metrics`], so that no panel asks for a metric that is not
//! there. They are written in the JSON that Grafana 10 and later import.

mod channel;
mod monitor;
mod overview;
mod panel;
mod variables;

use serde_json::{Value, json};

use crate::metrics::{Family, INCIDENT_OPEN};

/// The version of Grafana's schema: that of Grafana 10.0; later ones bring it up to theirs when they load it.
const SCHEMA_VERSION: u32 = 38;

/// A dashboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dashboard {
    /// All channels: states, incidents, timeouts, first replies.
    Overview,
    /// One channel: phases, latencies, outcomes, personas, locations.
    Channel,
    /// The monitor itself.
    Monitor,
}

impl Dashboard {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Overview, Self::Channel, Self::Monitor];

    /// The word for it: the name of its file without `.json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Channel => "channel",
            Self::Monitor => "monitor",
        }
    }

    /// The dashboard as indented JSON with a line break at its end.
    #[must_use]
    pub fn json(self) -> String {
        let dashboard = match self {
            Self::Overview => overview::dashboard(),
            Self::Channel => channel::dashboard(),
            Self::Monitor => monitor::dashboard(),
        };
        let mut text = serde_json::to_string_pretty(&dashboard).expect("a dashboard is plain JSON");
        text.push('\n');
        text
    }

    /// By what Grafana knows it, also in links.
    fn uid(self) -> String {
        format!("lamplighter-{}", self.as_str())
    }
}

/// The selector of a family: its name, and what its labels must match.
fn of(family: Family, matchers: &str) -> String {
    format!("{family}{{{matchers}}}")
}

/// The selector of one of the three counters that a histogram is made of: `bucket`, `sum` or `count`.
fn part_of(family: Family, part: &str, matchers: &str) -> String {
    format!("{family}_{part}{{{matchers}}}")
}

/// What all dashboards have in common around what they show. `matchers` chooses the channels whose incidents are marked.
fn framed(which: Dashboard, title: &str, about: &str, parts: [Vec<Value>; 2], matchers: &str) -> Value {
    let [variables, panels] = parts;
    json!({
        "uid": which.uid(),
        "title": title,
        "description": about,
        "tags": ["lamplighter", "support"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": { "from": "now-6h", "to": "now" },
        "links": [others(), pages()],
        "templating": { "list": variables },
        "annotations": { "list": [incidents(matchers)] },
        "panels": panels,
    })
}

/// A menu of the other dashboards, at the same time and of the same channel.
fn others() -> Value {
    json!({
        "type": "dashboards", "title": "Lamplighter", "tags": ["lamplighter"], "asDropdown": true, "keepTime": true,
        "includeVars": true, "targetBlank": false, "icon": "dashboard", "tooltip": "The other dashboards"
    })
}

/// The monitor's own pages.
fn pages() -> Value {
    json!({
        "type": "link", "title": "Incidents and evidence", "url": "${lamplighter}/", "tags": [], "asDropdown": false,
        "keepTime": false, "includeVars": false, "targetBlank": true, "icon": "external link",
        "tooltip": "The pages of Lamplighter: every channel, its incidents, what was seen"
    })
}

/// Marks the time in which an incident is open: Grafana joins points that follow one another into one region.
fn incidents(matchers: &str) -> Value {
    json!({
        "name": "Incidents",
        "enable": true,
        "hide": false,
        "iconColor": "red",
        "datasource": variables::data_source(),
        "target": {
            "refId": "incidents",
            "expr": format!("max by (channel, severity) ({}) == 1", of(INCIDENT_OPEN, matchers)),
            "range": true,
        },
        "titleFormat": "{{channel}}: incident, {{severity}}",
        // Nothing but labels is filled in here: no variable, and so no link.
        "textFormat": "What was seen and who was told is on the page of {{channel}}.",
        "tagKeys": "channel,severity",
    })
}
