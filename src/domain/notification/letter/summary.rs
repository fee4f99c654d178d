//! The whole story of a case that has lasted, in plain words: for those who must answer for it to a regulator or to a
//! complaint desk. It says what is known and no more.

use std::collections::BTreeSet;

use jiff::{Timestamp, tz::TimeZone};

use crate::domain::{
    case::{Case, Member},
    escalation::{TELLINGS_KEPT, Telling},
    evaluation::State,
    incident::IncidentEvent,
    notification::{
        LastingNews, Neighbour,
        letter::{
            Body, Fact, Letter, Line, SUBJECT_MAX, Section, TITLE_MAX, Tone, cut, group, reminder, sections,
            still_works,
        },
        phrases, tell,
    },
    outcome::{Detail, Reason},
};

/// So many channels have lines of their own in the timeline; all of them stand in the table.
const CHANNELS_MAX: usize = 12;

/// So many bundles of evidence are named.
const BUNDLES_MAX: usize = 20;

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(news: &LastingNews<'_>) -> Letter {
    let zone = news.letterhead.time_zone;
    let lasted = tell::span(reminder::lasted(news));
    let headline = reminder::headline(news);
    let since = tell::moment(group::began_at(news.case), news.now, zone);
    let taken = match &news.case.ascent.acknowledged {
        Some(by) => format!("by {} at {}", by.by, tell::moment(by.at, news.now, zone)),
        None => "nobody has acknowledged it".to_owned(),
    };
    Letter {
        subject: cut(&format!("[DARK] Summary after {lasted}: {headline}"), SUBJECT_MAX),
        badge: "DARK".to_owned(),
        tone: Tone::Bad,
        headline: format!("since {since}: {}", cut(&headline, TITLE_MAX)),
        lead: vec![
            Fact::new("Customers", reminder::customers(news)),
            Fact::new("How long", format!("{lasted} so far; it has not ended")),
            Fact::new("Taken up", taken),
            Fact::new("Still works", still_works(news.neighbours)),
        ],
        has_picture: false,
        sections: all_sections(news),
    }
}

fn all_sections(news: &LastingNews<'_>) -> Vec<Section> {
    let mut parts = vec![timeline(news)];
    if news.case.is_group() {
        let zone = tell::zone_name(news.now, news.letterhead.time_zone);
        let members: Vec<&Member> = news.case.members.iter().collect();
        parts.extend(group::table(&format!("Channels concerned ({zone})"), &members, &news.as_group()));
        parts.extend(group::full_names(news.case));
    } else {
        parts.extend(news.case.members.first().map(|member| reminder::facts(member, news)));
    }
    parts.extend(reasons(news.case).filter(|_| news.case.is_group()));
    parts.extend(personas(news.case));
    parts.push(other_ways(news));
    parts.extend(sections::doors("Working at this moment", news.neighbours, Neighbour::is_alternative));
    parts.push(evidence(news.case));
    parts.push(about(news));
    parts
}

/// What happened, one after the other.
pub(super) fn timeline(news: &LastingNews<'_>) -> Section {
    let case = news.case;
    let mut events: Vec<(Timestamp, String)> = Vec::new();
    for member in case.members.iter().take(CHANNELS_MAX) {
        let (channel, (agreeing, of)) = (&member.channel, member.agreeing);
        events.push((member.began_at, format!("{channel}: the first try that failed")));
        events.push((
            member.confirmed_at,
            format!("{channel}: confirmed, {agreeing} of {of} tries had failed"),
        ));
        events.extend(
            member.end.as_ref().map(|end| (end.at, format!("{channel}: {}", ended(end.event, end.state)))),
        );
    }
    events.extend(case.ascent.tellings.iter().map(|telling| (telling.at, told(telling))));
    if let Some(acknowledged) = &case.ascent.acknowledged {
        events.push((acknowledged.at, format!("acknowledged by {}", acknowledged.by)));
    }
    events.sort_by_key(|(at, _)| *at);
    let zone = news.letterhead.time_zone;
    let mut lines: Vec<Line> =
        events.iter().map(|(at, what)| Line::Text(format!("{}  {what}", when(*at, zone)))).collect();
    lines.push(Line::Text(format!("{}  not over when this was written", when(news.now, zone))));
    match case.members.len().saturating_sub(CHANNELS_MAX) {
        0 => {}
        more => lines.push(Line::Text(format!("{more} more channels stand in the table below."))),
    }
    if case.ascent.tellings.len() >= TELLINGS_KEPT {
        lines.push(Line::Text("Of very many mails only the first and the latest are listed.".to_owned()));
    }
    let title = format!("What happened ({})", tell::zone_name(news.now, zone));
    Section { title, body: Body::Lines(lines) }
}

/// The day and the time of day: a summary may span many days.
fn when(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %-d %b %H:%M:%S").to_string()
}

fn ended(event: IncidentEvent, state: State) -> &'static str {
    match (event, state) {
        (IncidentEvent::Withdrawn, _) => "no longer watched",
        (_, State::Degraded) => "works again, not yet as it should",
        _ => "works again",
    }
}

fn told(telling: &Telling) -> String {
    let what = match telling.event {
        IncidentEvent::Opened => "told of it",
        IncidentEvent::Worsened => "told that it got worse",
        IncidentEvent::Spread => "told that more channels fell",
        IncidentEvent::Eased => "told that some channels work again",
        IncidentEvent::Resolved => "told that it works again",
        IncidentEvent::Withdrawn => "told that nobody watches it any more",
        IncidentEvent::Reminder => "reminded",
        IncidentEvent::Escalated => "told too, since nobody had acknowledged it",
        IncidentEvent::Summary => "sent a summary",
        IncidentEvent::Flapping => "told that it comes and goes",
        IncidentEvent::Digest => "told how often it came and went",
        IncidentEvent::Sustained => "told that it stays dark this time",
        IncidentEvent::Steady => "told that it does not come and go any more",
        IncidentEvent::Held => "told of it after their quiet hours",
        IncidentEvent::Blind => "told that nothing was seen for a while",
        IncidentEvent::Store => "told that the monitor's store was in trouble",
        IncidentEvent::Canary => "told whether the monitor's mails arrive",
        IncidentEvent::Report => "sent a report",
    };
    let more = if telling.more > 0 { format!(" and {} more", telling.more) } else { String::new() };
    format!("{what}: {}{more}", Detail::new(&telling.to.join(", ")))
}

/// What the words of the table mean.
fn reasons(case: &Case) -> Option<Section> {
    let seen: BTreeSet<Reason> = case
        .members
        .iter()
        .filter_map(|member| member.failure.as_ref())
        .map(|failure| failure.reason)
        .collect();
    let line = |reason: Reason| Line::Text(format!("{reason}: {}", phrases::meaning(reason)));
    let lines: Vec<Line> = seen.into_iter().map(line).collect();
    (!lines.is_empty()).then(|| Section { title: "What was met there".to_owned(), body: Body::Lines(lines) })
}

/// As whom it was met, where that is known.
fn personas(case: &Case) -> Option<Section> {
    let seen: BTreeSet<&str> =
        case.members.iter().filter_map(|member| member.probe.as_ref()?.persona()).collect();
    let lines: Vec<Line> = seen.into_iter().map(|persona| Line::Text(persona.to_owned())).collect();
    let title = "Customers for whom it was met (test accounts of these kinds)".to_owned();
    (!lines.is_empty()).then_some(Section { title, body: Body::Lines(lines) })
}

fn other_ways(news: &LastingNews<'_>) -> Section {
    let offered: Vec<&str> = news.case.ascent.offered.iter().map(|channel| channel.as_str()).collect();
    let line = match offered.is_empty() {
        true => "In none of the mails so far could a working way to support be named.".to_owned(),
        false => {
            format!("Named as working in the mails so far, to send customers there: {}", offered.join(", "))
        }
    };
    Section { title: "Other ways for customers".to_owned(), body: Body::Lines(vec![Line::Text(line)]) }
}

fn evidence(case: &Case) -> Section {
    let mut bundles = case.members.iter().filter_map(|member| member.bundle.as_ref());
    let mut lines: Vec<Line> =
        bundles.by_ref().take(BUNDLES_MAX).map(|bundle| Line::Text(bundle.clone())).collect();
    match (lines.is_empty(), bundles.count()) {
        (true, _) => lines.push(Line::Text("none was kept".to_owned())),
        (false, 0) => {}
        (false, more) => lines.push(Line::Text(format!("and {more} more"))),
    }
    Section { title: "Evidence kept".to_owned(), body: Body::Lines(lines) }
}

fn about(news: &LastingNews<'_>) -> Section {
    let mut lines = vec![
        Line::Text(
            "Lamplighter tries each way to support at fixed intervals, as a customer would. \"Dark\" means that \
             customers did not get through. When it began is the start of the first try that failed; customers may have \
             met it since the try before that."
                .to_owned(),
        ),
        Line::Text(format!("Incident {}", news.case.id)),
        Line::Text(format!("Tried from {}", news.location)),
    ];
    lines.extend(news.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    Section { title: "About this summary".to_owned(), body: Body::Lines(lines) }
}
