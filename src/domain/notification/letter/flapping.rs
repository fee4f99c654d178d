//! The mails about a channel that comes and goes: that it does, what it did of late, that it stays dark this time, and
//! that it is over. Each says how the channel stands, so that the latest mail alone is enough.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    case::Member,
    flapping::{DIGEST_EVERY, SUSTAINED_EVERY, Tally},
    incident::{IncidentEvent, Severity},
    notification::{
        FlappingNews, Neighbour,
        letter::{
            Body, Column, Fact, Letter, Line, SUBJECT_MAX, Section, TITLE_MAX, Tone, broke, cut, sections,
            still_works,
        },
        phrases, tell,
    },
    outcome::Detail,
};

/// So many falls stand in the table.
const FALLS_SHOWN: usize = 10;

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(news: &FlappingNews<'_>) -> Letter {
    let title = Detail::new(news.title).as_str().to_owned();
    let zone = news.letterhead.time_zone;
    let (badge, tone) = match (news.event, &news.last.end) {
        (IncidentEvent::Steady, Some(_)) if news.is_watched => ("UP", Tone::Good),
        (IncidentEvent::Steady, Some(_)) => ("UNKNOWN", Tone::Mixed),
        (IncidentEvent::Steady | IncidentEvent::Sustained, _) => match news.last.severity {
            Severity::Dark => ("DARK", Tone::Bad),
            Severity::Degraded => ("DEGRADED", Tone::Mixed),
        },
        _ => ("FLAPPING", Tone::Bad),
    };
    let since = if badge == "FLAPPING" { news.flapping.total.since } else { stands_since(news) };
    let suffix = suffix(news);
    let line = format!("[{badge}] {}: {title}", news.last.channel);
    Letter {
        subject: cut(&line, SUBJECT_MAX - suffix.chars().count()) + &suffix,
        badge: badge.to_owned(),
        tone,
        headline: format!("since {}: {}", tell::moment(since, news.now, zone), cut(&title, TITLE_MAX)),
        lead: match news.event {
            IncidentEvent::Sustained => lead_while_it_lasts(news),
            IncidentEvent::Steady => lead_at_the_end(news),
            _ => lead(news),
        },
        has_picture: false,
        sections: all_sections(news, &title),
    }
}

/// What the subject says beside the channel.
fn suffix(news: &FlappingNews<'_>) -> String {
    match news.event {
        IncidentEvent::Sustained => {
            let lasts = tell::span(tell::between(news.last.began_at, news.now));
            format!(" (for {lasts} without a break)")
        }
        IncidentEvent::Steady if news.last.is_over() => {
            format!(" (steady after flapping for {})", flapped_for(news))
        }
        IncidentEvent::Steady => format!(" (stays so after flapping for {})", flapped_for(news)),
        IncidentEvent::Digest => format!(" (fell {})", times(news.flapping.latest.falls)),
        _ => String::new(),
    }
}

/// Since when the channel is as it is.
fn stands_since(news: &FlappingNews<'_>) -> Timestamp {
    news.last.end.as_ref().map_or(news.last.began_at, |end| end.at)
}

/// From the first fall to the last change.
fn flapped_for(news: &FlappingNews<'_>) -> String {
    tell::span(tell::between(news.flapping.total.since, stands_since(news)))
}

fn lead(news: &FlappingNews<'_>) -> Vec<Fact> {
    let counted = match news.event {
        IncidentEvent::Digest => lately(news),
        _ => Fact::new("So far", format!("it {}", tally(news, &news.flapping.total))),
    };
    vec![
        Fact::new("Customers", phrases::comes_and_goes(door(news))),
        Fact::new("Right now", stands(news)),
        counted,
        Fact::new("Still works", still_works(news.neighbours)),
    ]
}

/// What it did since people were told last.
fn lately(news: &FlappingNews<'_>) -> Fact {
    let since = tell::clock(news.flapping.latest.since, news.letterhead.time_zone);
    Fact::new("Lately", format!("since {since} it {}", tally(news, &news.flapping.latest)))
}

fn lead_while_it_lasts(news: &FlappingNews<'_>) -> Vec<Fact> {
    let zone = news.letterhead.time_zone;
    let lasts = tell::span(tell::between(news.last.began_at, news.now));
    vec![
        Fact::new("Customers", customers(news)),
        Fact::new("Broke at", broke_at(news.last)),
        Fact::new(
            "Evidence",
            format!(
                "{} for {lasted} without a break; flapping since {since}",
                news.last.severity.as_str(),
                lasted = lasts,
                since = tell::clock(news.flapping.total.since, zone)
            ),
        ),
        Fact::new("Still works", still_works(news.neighbours)),
    ]
}

fn lead_at_the_end(news: &FlappingNews<'_>) -> Vec<Fact> {
    let zone = news.letterhead.time_zone;
    let from = tell::clock(news.flapping.total.since, zone);
    let to = tell::clock(stands_since(news), zone);
    let calm = tell::span(tell::between(stands_since(news), news.now));
    let evidence = match &news.last.end {
        Some(_) if !news.is_watched => "nobody looks any more: it has left the configuration".to_owned(),
        Some(_) => format!("no fall has been seen for {calm}"),
        None => format!("{} for {calm} without a break", news.last.severity.as_str()),
    };
    vec![
        Fact::new("Customers", customers(news)),
        Fact::new("It was", format!("flapping for {}, from {from} to {to}", flapped_for(news))),
        Fact::new("In all", format!("it {}", tally(news, &news.flapping.total))),
        Fact::new("Evidence", evidence),
    ]
}

/// What customers meet as it stands.
fn customers(news: &FlappingNews<'_>) -> String {
    match (&news.last.end, &news.last.failure) {
        (Some(_), _) if !news.is_watched => format!("got through to {} when we last looked", door(news)),
        (Some(_), _) => format!("{} works again and has stayed so", door(news)),
        (None, Some(failure)) => phrases::customer_meets(news.kind, failure.reason, news.last.severity),
        (None, None) => format!("{} does not work", door(news)),
    }
}

fn door(news: &FlappingNews<'_>) -> &'static str {
    phrases::door(news.kind)
}

/// `dark since 03:20:12`.
fn stands(news: &FlappingNews<'_>) -> String {
    let since = tell::clock(stands_since(news), news.letterhead.time_zone);
    match &news.last.end {
        _ if !news.is_watched => "not watched: it is not in the configuration".to_owned(),
        Some(end) => format!("{} since {since}", end.state.as_str()),
        None => format!("{} since {since}", news.last.severity.as_str()),
    }
}

/// `fell 7 times, dark for 12 min`.
fn tally(news: &FlappingNews<'_>, tally: &Tally) -> String {
    let fell_at = (!news.last.is_over()).then_some(news.last.began_at);
    counted(tally, fell_at, news.now)
}

/// The same; `fell_at` is when the fall that stands began.
pub(super) fn counted(tally: &Tally, fell_at: Option<Timestamp>, now: Timestamp) -> String {
    let dark = tell::span(tally.dark_by(fell_at, now));
    match tally.falls {
        0 => format!("did not fall again, dark for {dark}"),
        falls => format!("fell {}, dark for {dark}", times(falls)),
    }
}

pub(super) fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

fn broke_at(member: &Member) -> String {
    member.failure.as_ref().map_or_else(|| "unseen".to_owned(), broke)
}

fn all_sections(news: &FlappingNews<'_>, title: &str) -> Vec<Section> {
    let mut sections = vec![facts(news, title), falls(news)];
    let is_well = news.event == IncidentEvent::Steady && news.last.is_over();
    if !is_well {
        sections.extend(sections::doors("Still works", news.neighbours, Neighbour::is_alternative));
    }
    sections.push(what_now(news));
    sections.push(where_to_look(news));
    sections
}

fn facts(news: &FlappingNews<'_>, title: &str) -> Section {
    let zone = news.letterhead.time_zone;
    let mut facts = vec![
        Fact::new("Channel", format!("{title} ({})", news.last.channel)),
        Fact::new("Location", news.location.as_str()),
        Fact::new("Flapping since", tell::fully(news.flapping.total.since, zone)),
        Fact::new("In all", format!("it {}", tally(news, &news.flapping.total))),
    ];
    if news.event == IncidentEvent::Sustained {
        facts.push(lately(news));
    }
    facts.extend(news.last.failure.iter().flat_map(sections::in_full));
    Section { title: "What we saw".to_owned(), body: Body::Facts(facts) }
}

fn falls(news: &FlappingNews<'_>) -> Section {
    let zone = news.letterhead.time_zone;
    let row = |member: &Member| {
        let from = tell::clock(member.began_at, zone);
        let (times, until) = match &member.end {
            Some(end) => (format!("{from}-{}", tell::clock(end.at, zone)), end.at),
            None => (format!("{from}-"), news.now),
        };
        let reason = member.failure.as_ref().map(|failure| failure.reason.to_string()).unwrap_or_default();
        vec![times, tell::span(tell::between(member.began_at, until)), reason]
    };
    let members = &news.case.members;
    let shown = &members[members.len().saturating_sub(FALLS_SHOWN)..];
    let columns = vec![
        Column { name: "Dark", is_number: false },
        Column { name: "For", is_number: true },
        Column { name: "Reason", is_number: false },
    ];
    Section {
        title: format!("Latest falls ({})", tell::zone_name(news.now, zone)),
        body: Body::Table { columns, rows: shown.iter().map(row).collect() },
    }
}

/// What is told from here on, and what is not.
fn what_now(news: &FlappingNews<'_>) -> Section {
    let lines: &[String] = match (news.event, &news.last.end) {
        (IncidentEvent::Steady, Some(_)) if !news.is_watched => {
            &["If the channel is put back and falls, you hear of a new incident.".to_owned()]
        }
        (IncidentEvent::Steady, Some(_)) => &["The next fall is told at once, as a new incident.".to_owned()],
        (IncidentEvent::Steady, None) => &["You hear when it works again.".to_owned()],
        _ => &while_it_goes_on(news.flapping.confirmation),
    };
    hear_next(lines)
}

/// What is told of something that flaps.
pub(super) fn while_it_goes_on(confirmation: Duration) -> [String; 5] {
    [
        "Not told: single falls and recoveries.".to_owned(),
        format!("Every {}, while it goes on: what it did.", tell::span(DIGEST_EVERY)),
        format!("At once: a fall that stands {} after it was confirmed,", tell::span(confirmation)),
        format!("though not two such within {}.", tell::span(SUSTAINED_EVERY)),
        "At the end: that it is steady again.".to_owned(),
    ]
}

pub(super) fn hear_next(lines: &[String]) -> Section {
    let lines = lines.iter().cloned().map(Line::Text).collect();
    Section { title: "What you hear next".to_owned(), body: Body::Lines(lines) }
}

fn where_to_look(news: &FlappingNews<'_>) -> Section {
    let config = sections::in_shell(Detail::new(&news.letterhead.config.to_string_lossy()).as_str());
    let mut lines = Vec::new();
    if news.is_watched {
        lines.push(Line::Command(format!("lamplighter probe --config {config} {}", news.last.channel)));
    }
    lines.extend(news.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    lines.push(Line::Text(format!("Incident {}", news.case.id)));
    let bundle = news.last.bundle.as_ref();
    lines.extend(bundle.map(|bundle| Line::Text(format!("Evidence of the latest fall {bundle}"))));
    Section { title: "Look for yourself".to_owned(), body: Body::Lines(lines) }
}
