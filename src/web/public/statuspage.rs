//! The state as the widespread programs for status pages read it: the JSON under `/api/v2` of Statuspage. Components are public
//! channels, incidents their outages, scheduled maintenances the announced windows.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::feed::became;
use crate::domain::{
    chronicle::{Outage, OutageEnd},
    incident::{Severity, fingerprint},
    ledger::Condition,
    notification::tell,
    outcome::Detail,
    public::{PublicDoor, PublicView, PublicWindow},
};

/// So many incidents are told, the latest first.
const INCIDENTS_MAX: usize = 50;

/// `summary.json`: everything that matters now.
pub(super) fn summary(view: &PublicView) -> Value {
    json!({
        "page": page(view),
        "status": indicator(view),
        "components": list(view),
        "incidents": incidents_of(view, |outage| outage.end.is_none()),
        "scheduled_maintenances": maintenances_of(view, |_| true),
    })
}

/// `status.json`: the whole in one word.
pub(super) fn status(view: &PublicView) -> Value {
    json!({ "page": page(view), "status": indicator(view) })
}

/// `components.json`: each channel.
pub(super) fn components(view: &PublicView) -> Value {
    json!({ "page": page(view), "components": list(view) })
}

/// `incidents.json`, or `incidents/unresolved.json`.
pub(super) fn incidents(view: &PublicView, is_only_unresolved: bool) -> Value {
    let is_shown = |outage: &Outage| !is_only_unresolved || outage.end.is_none();
    json!({ "page": page(view), "incidents": incidents_of(view, is_shown) })
}

/// Which maintenance is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    Active,
    Upcoming,
}

/// `scheduled-maintenances.json`, and those below it.
pub(super) fn maintenances(view: &PublicView, which: Which) -> Value {
    let is_shown = |window: &PublicWindow| match which {
        Which::All => true,
        Which::Active => window.is_active,
        Which::Upcoming => !window.is_active,
    };
    json!({ "page": page(view), "scheduled_maintenances": maintenances_of(view, is_shown) })
}

fn page(view: &PublicView) -> Value {
    json!({
        "id": page_id(view),
        "name": view.title,
        "url": view.url.clone().unwrap_or_default(),
        "time_zone": tell::zone_name(view.at, &view.time_zone),
        "updated_at": updated_at(view),
    })
}

/// When anything changed last.
fn updated_at(view: &PublicView) -> Timestamp {
    view.doors.iter().map(|door| door.since).max().unwrap_or(view.at)
}

fn indicator(view: &PublicView) -> Value {
    let of = |condition: Condition| view.doors.iter().filter(|door| door.condition == condition).count();
    let (indicator, description) = match (of(Condition::Dark), of(Condition::Degraded)) {
        (0, 0) if of(Condition::Maintenance) > 0 => ("maintenance", "Service Under Maintenance"),
        (0, 0) => ("none", "All Systems Operational"),
        (0, _) => ("minor", "Partially Degraded Service"),
        (dark, _) if dark == view.doors.len() => ("critical", "Major Service Outage"),
        _ => ("major", "Partial System Outage"),
    };
    json!({ "indicator": indicator, "description": description })
}

fn list(view: &PublicView) -> Vec<Value> {
    view.doors.iter().zip(1..).map(|(door, position)| component(view, door, position)).collect()
}

fn component(view: &PublicView, door: &PublicDoor, position: usize) -> Value {
    let status = component_status_of(door.condition);
    let description = match door.condition {
        Condition::Closed => Some("Closed outside its hours."),
        Condition::Unknown => Some("Not known at present."),
        _ => None,
    };
    let began = door.days.first().map(|day| day.date);
    json!({
        "id": door.id,
        "name": door.name,
        "status": status,
        "created_at": began.map_or_else(|| door.since.to_string(), |date| format!("{date}T00:00:00Z")),
        "updated_at": door.since,
        "position": position,
        "description": description,
        "showcase": true,
        "start_date": began,
        "group_id": null,
        "page_id": page_id(view),
        "group": false,
        "only_show_if_degraded": false,
    })
}

fn component_status_of(condition: Condition) -> &'static str {
    // What is closed is not broken, and what is not known is not known to be broken: there are no words for either.
    match condition {
        Condition::Up | Condition::Closed | Condition::Unknown | Condition::Gone => "operational",
        Condition::Degraded => "degraded_performance",
        Condition::Dark => "major_outage",
        Condition::Maintenance => "under_maintenance",
    }
}

fn page_id(view: &PublicView) -> String {
    fingerprint(view.title.as_str(), 12)
}

fn incidents_of(view: &PublicView, is_shown: impl Fn(&Outage) -> bool) -> Vec<Value> {
    let outages = view.doors.iter().zip(1..).flat_map(|(door, position)| {
        door.outages.iter().filter(|outage| is_shown(outage)).map(move |outage| (door, position, outage))
    });
    let mut outages: Vec<_> = outages.collect();
    outages.sort_by_key(|(_, _, outage)| std::cmp::Reverse(outage.from));
    outages.truncate(INCIDENTS_MAX);
    outages.into_iter().map(|(door, position, outage)| incident(view, door, position, outage)).collect()
}

fn incident(view: &PublicView, door: &PublicDoor, position: usize, outage: &Outage) -> Value {
    let id = fingerprint(&format!("{} {}", door.id, outage.from.as_millisecond()), 12);
    let (what, impact, component_status) = match outage.severity {
        Severity::Dark => ("does not work", "major", "major_outage"),
        Severity::Degraded => ("works slowly, or for some only", "minor", "degraded_performance"),
    };
    let name = format!("{} {what}", door.name);
    let update = |status: &str, at: Timestamp, body: String, from: &str, to: &str| {
        json!({
            "id": fingerprint(&format!("{id} {status}"), 12),
            "status": status,
            "body": body,
            "incident_id": id,
            "created_at": at,
            "updated_at": at,
            "display_at": at,
            "affected_components":
                [{ "code": door.id, "name": door.name, "old_status": from, "new_status": to }],
            "deliver_notifications": false,
            "custom_tweet": null,
            "tweet_id": null,
        })
    };
    let instead = door.instead.as_ref().map(|it| format!(" {}", Detail::new(&it.en))).unwrap_or_default();
    let told = match outage.end {
        None => format!("{name}. It is known and worked on.{instead}"),
        Some(_) => format!("{name}. It is known and worked on."),
    };
    let mut updates = vec![update("investigating", outage.from, told, "operational", component_status)];
    if let Some(OutageEnd { at, into }) = outage.end {
        let lasted = tell::span(tell::between(outage.from, at));
        let told = format!("{} {}, after {lasted}.", door.name, became(into));
        updates.insert(0, update("resolved", at, told, component_status, component_status_of(into)));
    }
    json!({
        "id": id,
        "name": name,
        "status": if outage.end.is_some() { "resolved" } else { "investigating" },
        "impact": impact,
        "created_at": outage.from,
        "started_at": outage.from,
        "updated_at": outage.changed_at(),
        "monitoring_at": null,
        "resolved_at": outage.end.map(|end| end.at),
        "shortlink": view.url.clone().unwrap_or_default(),
        "page_id": page_id(view),
        "incident_updates": updates,
        "components": [component(view, door, position)],
        "reminder_intervals": null,
    })
}

fn maintenances_of(view: &PublicView, is_shown: impl Fn(&PublicWindow) -> bool) -> Vec<Value> {
    view.maintenance
        .iter()
        .filter(|window| is_shown(window))
        .map(|window| maintenance(view, window))
        .collect()
}

fn maintenance(view: &PublicView, window: &PublicWindow) -> Value {
    let doors = view.doors.iter().zip(1..).filter(|(door, _)| window.doors.contains(&door.id));
    let names: Vec<&str> = doors.clone().map(|(door, _)| door.name.as_str()).collect();
    let status = if window.is_active { "in_progress" } else { "scheduled" };
    let id = fingerprint(&format!("{} {}", window.id, window.from.as_millisecond()), 12);
    let at = window.announced_at().min(view.at);
    let update = json!({
        "id": fingerprint(&format!("{id} {status}"), 12),
        "status": status,
        "body": window.text,
        "incident_id": id,
        "created_at": at,
        "updated_at": at,
        "display_at": at,
        "affected_components": [],
        "deliver_notifications": false,
        "custom_tweet": null,
        "tweet_id": null,
    });
    json!({
        "id": id,
        "name": format!("Maintenance: {}", names.join(", ")),
        "status": status,
        "impact": "maintenance",
        "created_at": at,
        "started_at": at,
        "updated_at": at,
        "monitoring_at": null,
        "resolved_at": null,
        "scheduled_for": window.from,
        "scheduled_until": window.until,
        "shortlink": view.url.clone().unwrap_or_default(),
        "page_id": page_id(view),
        "incident_updates": [update],
        "components": doors.map(|(door, position)| component(view, door, position)).collect::<Vec<_>>(),
    })
}
