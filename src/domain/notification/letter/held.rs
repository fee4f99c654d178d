//! The letter after quiet hours: all that was held, in two lists. What still stands, since when and what customers meet; and
//! what came and went, from when to when.

use std::time::Duration;

use crate::domain::{
    case::Member,
    incident::{IncidentEvent, Severity},
    notification::{
        HeldCase, HeldNews, Neighbour,
        letter::{
            Body, Fact, Letter, Line, SUBJECT_MAX, Section, TITLE_MAX, Tone, cut, group, sections,
            still_works,
        },
        phrases, tell,
    },
    outcome::Detail,
};

/// So many outages are named in each list.
const NAMED_MAX: usize = 50;

/// An outage of one channel, and the case that it belongs to.
type Outage<'n> = (&'n HeldCase<'n>, usize, &'n Member);

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(news: &HeldNews<'_>) -> Letter {
    let (standing, over) = outages(news);
    let (badge, tone) = match standing.iter().map(|(_, _, member)| member.severity).max() {
        Some(Severity::Dark) => ("DARK", Tone::Bad),
        Some(Severity::Degraded) => ("DEGRADED", Tone::Mixed),
        None if flapping(news).next().is_some() => ("FLAPPING", Tone::Bad),
        None => ("UP", Tone::Good),
    };
    let headline = headline(news, &standing, &over);
    let what = match news.cases {
        [only] => named(news, only),
        _ => format!("After quiet hours: {headline}"),
    };
    Letter {
        subject: cut(&format!("[{badge}] {what}"), SUBJECT_MAX),
        badge: badge.to_owned(),
        tone,
        headline: cut(&format!("after quiet hours: {headline}"), TITLE_MAX),
        lead: lead(news, &standing, &over),
        has_picture: false,
        sections: all_sections(news, &standing, &over),
    }
}

/// `web-chat: Chat button, web shop (held in quiet hours)`.
fn named(news: &HeldNews<'_>, only: &HeldCase<'_>) -> String {
    let suffix = " (held in quiet hours)";
    let what = match only.case.members.last().filter(|_| !only.case.is_group()) {
        Some(member) => {
            let plate = only.plates.last().and_then(Option::as_ref);
            let title = plate.map_or(member.channel.as_str(), |plate| plate.title);
            format!("{}: {}", member.channel, Detail::new(title))
        }
        None => group::headline(&news.of_case(only)),
    };
    cut(&what, SUBJECT_MAX - "[DEGRADED] ".len() - suffix.len()) + suffix
}

/// The cases of channels that come and go, which neither stand nor are over.
fn flapping<'n>(news: &'n HeldNews<'n>) -> impl Iterator<Item = &'n HeldCase<'n>> {
    news.cases.iter().filter(|held| held.case.flapping.is_some())
}

/// What stands, and what is over; each in the order of its beginning.
fn outages<'n>(news: &'n HeldNews<'n>) -> (Vec<Outage<'n>>, Vec<Outage<'n>>) {
    let of = |held: &'n HeldCase<'n>| {
        held.case.members.iter().enumerate().map(move |(place, member)| (held, place, member))
    };
    let steady = news.cases.iter().filter(|held| held.case.flapping.is_none());
    let mut all: Vec<Outage<'_>> = steady.flat_map(of).collect();
    all.sort_by(|(_, _, one), (_, _, other)| {
        (one.began_at, &one.channel).cmp(&(other.began_at, &other.channel))
    });
    all.into_iter().partition(|(_, _, member)| !member.is_over())
}

/// `2 still stand, 1 comes and goes, 3 came and went`.
fn headline(news: &HeldNews<'_>, standing: &[Outage<'_>], over: &[Outage<'_>]) -> String {
    let counted = |count: usize, one: &str, several: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {several}")),
    };
    let parts = [
        counted(standing.len(), "still stands", "still stand"),
        counted(flapping(news).count(), "comes and goes", "come and go"),
        counted(over.len(), "came and went", "came and went"),
    ];
    let is_well = parts[0].is_none() && parts[1].is_none();
    let told: Vec<String> = parts.into_iter().flatten().collect();
    if is_well { format!("{}, nothing stands", told.join(", ")) } else { told.join(", ") }
}

fn lead(news: &HeldNews<'_>, standing: &[Outage<'_>], over: &[Outage<'_>]) -> Vec<Fact> {
    let members = |outages: &[Outage<'_>]| -> String {
        let members: Vec<&Member> = outages.iter().map(|(_, _, member)| *member).collect();
        if members.is_empty() { "nothing".to_owned() } else { group::named(&members) }
    };
    let customers = match standing {
        [] if flapping(news).next().is_some() => "get through at times only".to_owned(),
        [] => "reach support again through all of these".to_owned(),
        [one] => customers(one),
        several => format!("{} doors do not work as they should", several.len()),
    };
    vec![
        Fact::new("Customers", customers),
        Fact::new("Still so", members(standing)),
        Fact::new("Came and went", members(over)),
        Fact::new("Still works", still_works(news.neighbours)),
    ]
}

/// What customers meet.
fn customers((held, place, member): &Outage<'_>) -> String {
    let kind = held.plates.get(*place).and_then(Option::as_ref).map(|plate| plate.kind);
    match (kind, &member.failure) {
        (Some(kind), Some(failure)) => phrases::customer_meets(kind, failure.reason, member.severity),
        (Some(kind), None) => format!("{} does not work", phrases::door(kind)),
        (None, _) => "cannot get through".to_owned(),
    }
}

fn all_sections(news: &HeldNews<'_>, standing: &[Outage<'_>], over: &[Outage<'_>]) -> Vec<Section> {
    let zone = tell::zone_name(news.now, news.letterhead.time_zone);
    let mut parts = Vec::new();
    let stands = standing.iter().map(|outage| stands(news, outage)).collect();
    parts.extend(list(format!("Still so ({zone})"), stands));
    let gone = over.iter().map(|outage| came_and_went(news, outage)).collect();
    parts.extend(list(format!("Came and went ({zone})"), gone));
    let flap = flapping(news).filter_map(|held| flaps(news, held)).collect();
    parts.extend(list("Come and go".to_owned(), flap));
    if !standing.is_empty() {
        parts.extend(sections::doors("Still works", news.neighbours, Neighbour::is_alternative));
    }
    parts.push(where_to_look(news, standing));
    parts
}

fn list(title: String, mut lines: Vec<String>) -> Option<Section> {
    let more = lines.len().saturating_sub(NAMED_MAX);
    lines.truncate(NAMED_MAX);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    let lines: Vec<Line> = lines.into_iter().map(Line::Text).collect();
    (!lines.is_empty()).then_some(Section { title, body: Body::Lines(lines) })
}

/// Its channel, with the title where that says more.
fn name((held, place, member): &Outage<'_>) -> String {
    match held.plates.get(*place).and_then(Option::as_ref) {
        Some(plate) if plate.title != member.channel.as_str() => {
            format!("{} ({})", member.channel, Detail::new(plate.title))
        }
        _ => member.channel.to_string(),
    }
}

/// `web-chat (Chat button): dark since 03:04:12, Sat 21 Nov: the chat button is there but grey`.
fn stands(news: &HeldNews<'_>, outage: &Outage<'_>) -> String {
    let (held, _, member) = outage;
    let since = tell::clock_and_day(member.began_at, news.letterhead.time_zone);
    let since = since.trim_end_matches(',');
    let (name, state, customers) = (name(outage), member.severity.as_str(), customers(outage));
    let by = held.case.ascent.acknowledged.as_ref().map(|it| format!("; acknowledged by {}", it.by));
    let (id, by) = (&held.case.id, by.unwrap_or_default());
    format!("{name}: {state} since {since}: {customers}; incident {id}{by}")
}

/// `web-chat (Chat button): dark from 03:04:12 to 03:17:12, Sat 21 Nov (13 min): the chat button is there but grey`.
fn came_and_went(news: &HeldNews<'_>, outage: &Outage<'_>) -> String {
    let (_, _, member) = outage;
    let zone = news.letterhead.time_zone;
    let until = member.end.as_ref().map_or(news.now, |end| end.at);
    let from = tell::clock(member.began_at, zone);
    let to = tell::clock_and_day(until, zone);
    let to = to.trim_end_matches(',');
    let lasted = tell::span(tell::between(member.began_at, until));
    let (name, state, customers) = (name(outage), member.severity.as_str(), customers(outage));
    let is_withdrawn = member.end.as_ref().is_some_and(|end| end.event == IncidentEvent::Withdrawn);
    let end = if is_withdrawn { "; no longer watched" } else { "" };
    format!("{name}: {state} from {from} to {to} ({lasted}): {customers}{end}")
}

/// How often a channel that flaps has fallen.
fn flaps(news: &HeldNews<'_>, held: &HeldCase<'_>) -> Option<String> {
    let (flapping, last) = (held.case.flapping.as_ref()?, held.case.members.last()?);
    let fell_at = (!last.is_over()).then_some(last.began_at);
    let dark: Duration = flapping.total.dark_by(fell_at, news.now);
    let since = tell::clock_and_day(flapping.total.since, news.letterhead.time_zone);
    let times =
        if flapping.total.falls == 1 { "once".to_owned() } else { format!("{} times", flapping.total.falls) };
    Some(format!("{}: fell {times} since {since} dark for {}", last.channel, tell::span(dark)))
}

fn where_to_look(news: &HeldNews<'_>, standing: &[Outage<'_>]) -> Section {
    let config = sections::in_shell(Detail::new(&news.letterhead.config.to_string_lossy()).as_str());
    let mut lines = Vec::new();
    if let Some((_, _, first)) = standing.first() {
        lines.push(Line::Command(format!("lamplighter probe --config {config} {}", first.channel)));
    }
    lines.extend(news.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    let since = tell::moment(news.since, news.now, news.letterhead.time_zone);
    lines.push(Line::Text(format!("Held since {since}")));
    lines.push(Line::Text(format!("Location {}", news.location)));
    if !standing.is_empty() {
        let next = "You hear of the end of what still stands, unless it is quiet again by then.";
        lines.push(Line::Text(next.to_owned()));
    }
    Section { title: "Look for yourself".to_owned(), body: Body::Lines(lines) }
}
