//! The mail about several channels that fell for one cause: what they have in common first, then each of them by name.

use std::collections::BTreeMap;

use crate::domain::{
    case::{Case, Member},
    channel::ChannelId,
    incident::{IncidentEvent, Severity},
    notification::{
        GroupNews, Neighbour,
        letter::{
            Body, Column, Fact, Letter, Line, SUBJECT_MAX, Section, TITLE_MAX, Tone, cut, sections,
            still_works,
        },
        tell,
    },
    outcome::{Detail, Reason},
    shared::Shared,
};

/// So many channels are named on a line of the lead.
const NAMED_MAX: usize = 3;

/// A channel's id in the table, in characters, so that it fits on a line beside the longest reason.
const CHANNEL_MAX: usize = 26;

/// So many reasons are named on a line of the lead.
const REASONS_MAX: usize = 3;

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(news: &GroupNews<'_>) -> Letter {
    let is_over = news.event == IncidentEvent::Resolved;
    let (badge, tone) = match news.case.severity() {
        None if is_over => ("UP", Tone::Good),
        Some(Severity::Degraded) => ("DEGRADED", Tone::Mixed),
        Some(Severity::Dark) | None => ("DARK", Tone::Bad),
    };
    Letter {
        subject: cut(&format!("[{badge}] {}", headline(news)), SUBJECT_MAX),
        badge: badge.to_owned(),
        tone,
        headline: format!("since {}: {}", since(news), cut(&headline(news), TITLE_MAX)),
        lead: lead(news),
        has_picture: false,
        sections: all_sections(news),
    }
}

/// Since when it has been as the badge says.
fn since(news: &GroupNews<'_>) -> String {
    let zone = news.letterhead.time_zone;
    let ends = || news.case.members.iter().filter_map(|member| member.end.as_ref()).map(|end| end.at).max();
    let at = match news.event {
        IncidentEvent::Resolved => ends().unwrap_or(news.now),
        _ => began_at(news.case),
    };
    tell::moment(at, news.now, zone)
}

pub(super) fn began_at(case: &Case) -> jiff::Timestamp {
    case.members.iter().map(|member| member.began_at).min().unwrap_or(case.opened_at)
}

/// `20 channels that depend on crm`.
pub(super) fn headline(news: &GroupNews<'_>) -> String {
    let case = news.case;
    let what = match case.cause() {
        Some(cause) => link(cause, news),
        None if case.is_storm => "at once".to_owned(),
        None => "together".to_owned(),
    };
    let total = case.members.len();
    match news.event {
        IncidentEvent::Resolved => {
            let ends = case.members.iter().filter_map(|member| member.end.as_ref()).map(|end| end.at).max();
            let lasted = tell::span(tell::between(began_at(case), ends.unwrap_or(news.now)));
            format!("{} {what} (after {lasted})", channels(total))
        }
        IncidentEvent::Eased => {
            format!("{} of {} {what}: the others work again", case.standing_all().count(), channels(total))
        }
        IncidentEvent::Spread => {
            let more = case.members.iter().filter(|member| !member.is_told).count();
            format!("{more} more, {} in all {what}", channels(total))
        }
        _ => format!("{} {what}", channels(total)),
    }
}

/// What joins the channels, in words; none where nothing does.
pub(in crate::domain::notification) fn shared(news: &GroupNews<'_>) -> Option<String> {
    news.case.cause().map(|cause| link(cause, news))
}

/// What joins the channels: `that depend on crm`, `on shop.example.com`.
fn link(cause: &Shared, news: &GroupNews<'_>) -> String {
    match cause {
        Shared::Dependency(id) => format!("that depend on {}", dependency(id.as_str(), news)),
        Shared::Resolver => "whose names cannot be resolved".to_owned(),
        Shared::Certificate(_) => "with one certificate".to_owned(),
        Shared::Host(host) => format!("on {host}"),
        Shared::Address(address) => format!("behind {address}"),
    }
}

/// A dependency by its title and its id.
fn dependency(id: &str, news: &GroupNews<'_>) -> String {
    match news.dependency {
        Some((title, _)) if title != id => format!("{} ({id})", Detail::new(title)),
        _ => id.to_owned(),
    }
}

pub(super) fn channels(count: usize) -> String {
    if count == 1 { "1 channel".to_owned() } else { format!("{count} channels") }
}

fn lead(news: &GroupNews<'_>) -> Vec<Fact> {
    let case = news.case;
    let over: Vec<&Member> = case.members.iter().filter(|member| member.is_over()).collect();
    let standing: Vec<&Member> = case.standing_all().collect();
    if standing.is_empty() {
        let lasted = |member: &&Member| {
            member.end.as_ref().map(|end| tell::between(member.began_at, end.at)).unwrap_or_default()
        };
        let longest = over.iter().map(lasted).max().unwrap_or_default();
        return vec![
            Fact::new("Customers", format!("reach support again through {}", named(&over))),
            Fact::new("It was", format!("dark for {} at the longest", tell::span(longest))),
            Fact::new("In common", in_common(news)),
            Fact::new("Broke at", reasons(&over)),
        ];
    }
    let count = standing.len();
    let doors = if count == 1 { "1 door".to_owned() } else { format!("{count} doors") };
    let are_dark = standing.iter().any(|member| member.severity == Severity::Dark);
    let state = if are_dark { "shut" } else { "not as they should be" };
    vec![
        Fact::new("Customers", format!("{doors} {state}: {}", named(&standing))),
        Fact::new("In common", in_common(news)),
        Fact::new("Evidence", evidence(&standing)),
        Fact::new("Still works", still_works(news.neighbours)),
    ]
}

/// `web-chat, hotline, ticket and 17 more`.
pub(super) fn named(members: &[&Member]) -> String {
    let names: Vec<&str> = members.iter().take(NAMED_MAX).map(|member| member.channel.as_str()).collect();
    match members.len().saturating_sub(NAMED_MAX) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

pub(super) fn in_common(news: &GroupNews<'_>) -> String {
    match news.case.cause() {
        Some(Shared::Dependency(id)) => {
            let name = dependency(id.as_str(), news);
            let is_dark = news.dependency.and_then(|(_, is_dark)| is_dark);
            match is_dark.filter(|_| news.event != IncidentEvent::Resolved) {
                Some(true) => format!("{name}, which its own probes find broken"),
                Some(false) => format!("{name}, which its own probes find working"),
                None => format!("{name}, on which all of them depend"),
            }
        }
        Some(Shared::Resolver) => "their names cannot be resolved".to_owned(),
        Some(Shared::Certificate(print)) => format!("the certificate {print}"),
        Some(Shared::Host(host)) => format!("the host {host}"),
        Some(Shared::Address(address)) => format!("the address {address}"),
        None => "nothing that we know of".to_owned(),
    }
}

/// `20 confirmed: status 12, connect_timeout 8`.
fn evidence(members: &[&Member]) -> String {
    format!("{} confirmed: {}", members.len(), reasons(members))
}

/// How many broke for which reason, the most frequent first.
fn reasons(members: &[&Member]) -> String {
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    for failure in members.iter().filter_map(|member| member.failure.as_ref()) {
        *counts.entry(failure.reason).or_default() += 1;
    }
    let mut counts: Vec<(Reason, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let told: Vec<String> =
        counts.iter().take(REASONS_MAX).map(|(reason, count)| format!("{reason} {count}")).collect();
    match (told.is_empty(), counts.len().saturating_sub(REASONS_MAX)) {
        (true, _) => "unseen".to_owned(),
        (false, 0) => told.join(", "),
        (false, more) => format!("{}, {more} other reasons", told.join(", ")),
    }
}

pub(super) fn all_sections(news: &GroupNews<'_>) -> Vec<Section> {
    let mut sections = Vec::new();
    let zone = news.letterhead.time_zone;
    let zone_name = tell::zone_name(news.now, zone);
    let has_news = |member: &Member| !member.is_told;
    let is_spread = news.event == IncidentEvent::Spread;
    let (fresh, known): (Vec<_>, Vec<_>) =
        news.case.standing_all().partition(|member| !is_spread || has_news(member));
    sections.extend(table(
        &format!("{} ({zone_name})", if is_spread { "New" } else { "Shut now" }),
        &fresh,
        news,
    ));
    sections.extend(table(&format!("Shut since before ({zone_name})"), &known, news));
    let over: Vec<_> = news.case.members.iter().filter(|member| member.is_over()).collect();
    sections.extend(table(&format!("Over ({zone_name})"), &over, news));
    sections.extend(full_names(news.case));
    if !news.case.expected.is_empty() && news.event != IncidentEvent::Resolved {
        let is_member =
            |channel: &ChannelId| news.case.members.iter().any(|member| member.channel == *channel);
        let lines: Vec<Line> = news
            .case
            .expected
            .iter()
            .filter(|channel| !is_member(channel))
            .map(|channel| Line::Text(channel.to_string()))
            .collect();
        if !lines.is_empty() {
            let title = "Stand on the same, and may be shut next (no further mail says so)";
            sections.push(Section { title: title.to_owned(), body: Body::Lines(lines) });
        }
    }
    if news.event != IncidentEvent::Resolved {
        sections.extend(sections::doors("Still works", news.neighbours, Neighbour::is_alternative));
    }
    sections.push(where_to_look(news));
    sections
}

/// The ids that had to be cut in the tables: each channel is named in full somewhere.
pub(super) fn full_names(case: &Case) -> Option<Section> {
    let long = |member: &&Member| member.channel.as_str().chars().count() > CHANNEL_MAX;
    let lines: Vec<Line> =
        case.members.iter().filter(long).map(|member| Line::Text(member.channel.to_string())).collect();
    (!lines.is_empty()).then(|| Section { title: "In full".to_owned(), body: Body::Lines(lines) })
}

pub(super) fn table(title: &str, members: &[&Member], news: &GroupNews<'_>) -> Option<Section> {
    let zone = news.letterhead.time_zone;
    let column = |name| Column { name, is_number: false };
    let row = |&member: &&Member| {
        let from = tell::clock(member.began_at, zone);
        let times = match &member.end {
            Some(end) => format!("{from}-{}", tell::clock(end.at, zone)),
            None => from,
        };
        let failure = member.failure.as_ref();
        let reason = failure.map(|failure| failure.reason.to_string()).unwrap_or_default();
        vec![cut(member.channel.as_str(), CHANNEL_MAX), times, reason]
    };
    let columns = vec![column("Channel"), column("Dark"), column("Reason")];
    (!members.is_empty()).then(|| Section {
        title: title.to_owned(),
        body: Body::Table { columns, rows: members.iter().map(row).collect() },
    })
}

pub(super) fn where_to_look(news: &GroupNews<'_>) -> Section {
    let config = sections::in_shell(Detail::new(&news.letterhead.config.to_string_lossy()).as_str());
    let mut lines = Vec::new();
    if let Some(first) = news.case.standing_all().next() {
        lines.push(Line::Command(format!("lamplighter probe --config {config} {}", first.channel)));
    }
    lines.extend(news.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    lines.push(Line::Text(format!("Incident {}", news.case.id)));
    lines.push(Line::Text(format!("Location {}", news.location)));
    let bundle = news.case.members.iter().find_map(|member| member.bundle.as_ref());
    lines.extend(bundle.map(|bundle| Line::Text(format!("Evidence of the first {bundle}"))));
    Section { title: "Look for yourself".to_owned(), body: Body::Lines(lines) }
}
