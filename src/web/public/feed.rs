//! The feed of outages and announced maintenance (Atom, RFC 4287).

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    chronicle::{Outage, OutageEnd},
    incident::{Severity, fingerprint},
    ledger::Condition,
    notification::{html::escaped, tell},
    outcome::Detail,
    public::{PublicDoor, PublicView, PublicWindow},
};

/// So many entries are in it at most, the newest first.
const ENTRIES_MAX: usize = 100;

struct Entry {
    id: String,
    title: String,
    published: Timestamp,
    updated: Timestamp,
    text: String,
}

/// Writes it.
pub(super) fn write(view: &PublicView) -> String {
    let outages =
        view.doors.iter().flat_map(|door| door.outages.iter().map(|outage| of_outage(view, door, outage)));
    let announced = view.maintenance.iter().filter(|window| window.announced_at() <= view.at);
    let windows = announced.map(|window| of_window(view, window));
    let mut entries: Vec<Entry> = outages.chain(windows).collect();
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.updated));
    entries.truncate(ENTRIES_MAX);
    let address = view.url.as_deref();
    let id = address.map_or_else(|| uuid(&format!("feed {}", view.title)), |url| format!("{url}/feed.atom"));
    // A feed in which nothing has ever happened is as old as the time it looks back on.
    let oldest = view.at.saturating_sub(SignedDuration::from_hours(90 * 24)).unwrap_or(view.at);
    let updated = entries.iter().map(|entry| entry.updated).max().unwrap_or(oldest);
    let mut feed = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <id>{}</id>\n<title>{}</title>\n<updated>{}</updated>\n<author><name>{1}</name></author>\n",
        escaped(&id),
        escaped(view.title.as_str()),
        written(updated)
    );
    if let Some(url) = address {
        push(&mut feed, format_args!("<link rel=\"self\" href=\"{}/feed.atom\"/>\n", escaped(url)));
        push(
            &mut feed,
            format_args!("<link rel=\"alternate\" type=\"text/html\" href=\"{}/\"/>\n", escaped(url)),
        );
    }
    for entry in &entries {
        push(
            &mut feed,
            format_args!(
                "<entry>\n<id>{}</id>\n<title>{}</title>\n<published>{}</published>\n<updated>{}</updated>\n",
                escaped(&entry.id),
                escaped(&entry.title),
                written(entry.published),
                written(entry.updated)
            ),
        );
        if let Some(url) = address {
            push(
                &mut feed,
                format_args!("<link rel=\"alternate\" type=\"text/html\" href=\"{}/\"/>\n", escaped(url)),
            );
        }
        push(
            &mut feed,
            format_args!("<content type=\"text\">{}</content>\n</entry>\n", escaped(&entry.text)),
        );
    }
    feed.push_str("</feed>\n");
    feed
}

fn of_outage(view: &PublicView, door: &PublicDoor, outage: &Outage) -> Entry {
    let what = match outage.severity {
        Severity::Dark => "does not work",
        Severity::Degraded => "works slowly, or for some only",
    };
    let has_been = match outage.severity {
        Severity::Dark => "has not worked",
        Severity::Degraded => "has worked slowly, or for some only,",
    };
    let was = match outage.severity {
        Severity::Dark => "did not work",
        Severity::Degraded => "worked slowly, or for some only",
    };
    let told = |at| tell::fully(at, &view.time_zone);
    let (title, text) = match outage.end {
        Some(OutageEnd { at, into }) => {
            let lasted = tell::span(tell::between(outage.from, at));
            let text =
                format!("{} {was} for {lasted}, from {} to {}.", door.name, told(outage.from), told(at));
            (format!("{} {}", door.name, became(into)), text)
        }
        None => {
            let instead =
                door.instead.as_ref().map(|it| format!(" {}", Detail::new(&it.en))).unwrap_or_default();
            let text = format!("{} {has_been} since {}.{instead}", door.name, told(outage.from));
            (format!("{} {what}", door.name), text)
        }
    };
    Entry {
        id: urn(door.id.as_str(), outage.from),
        title,
        published: outage.from,
        updated: outage.changed_at(),
        text,
    }
}

/// What a channel has become when an outage is over: only of one that is up it is known that it works again.
pub(super) fn became(into: Condition) -> &'static str {
    match into {
        Condition::Closed => "is closed",
        Condition::Maintenance => "is under maintenance",
        Condition::Gone | Condition::Unknown => "is not watched any more",
        Condition::Up | Condition::Degraded | Condition::Dark => "works again",
    }
}

fn of_window(view: &PublicView, window: &PublicWindow) -> Entry {
    let names: Vec<&str> = view
        .doors
        .iter()
        .filter(|door| window.doors.contains(&door.id))
        .map(|door| door.name.as_str())
        .collect();
    let told = |at| tell::fully(at, &view.time_zone);
    let names = names.join(", ");
    let announced_at = window.announced_at();
    Entry {
        id: urn(&window.id, window.from),
        title: format!("Maintenance: {names}"),
        published: announced_at,
        updated: announced_at,
        text: format!("{} From {} to {}: {names}.", window.text, told(window.from), told(window.until))
            .trim()
            .to_owned(),
    }
}

/// The same for the same thing, whenever and wherever it is asked for.
fn urn(of: &str, at: Timestamp) -> String {
    uuid(&format!("{of} {}", at.as_millisecond()))
}

fn uuid(of: &str) -> String {
    let digits = fingerprint(of, 32);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default().to_owned();
    format!("urn:uuid:{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("writing into a string does not fail");
}
