//! The mails about a case that stays dark: the short one that reminds those who know, and the one that tells somebody new
//! how things stand.

use std::time::Duration;

use crate::domain::{
    case::Member,
    channel::ChannelKind,
    incident::{IncidentEvent, Severity},
    notification::{
        LastingNews, Neighbour,
        letter::{
            Body, Fact, Letter, Line, SUBJECT_MAX, Section, TITLE_MAX, Tone, broke, cut, group, sections,
            still_works, summary,
        },
        phrases, tell,
    },
    outcome::Detail,
};

/// When no more is told.
const END: &str = "Reminders and escalation end when somebody acknowledges the incident (lamplighter acknowledge), or when it is over.";

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(news: &LastingNews<'_>) -> Letter {
    let zone = news.letterhead.time_zone;
    let lasted = tell::span(lasted(news));
    let is_escalated = news.event == IncidentEvent::Escalated;
    let suffix = if is_escalated {
        format!(" (escalated after {lasted})")
    } else {
        format!(" (still, after {lasted})")
    };
    let subject = cut(&format!("[DARK] {}", named(news)), SUBJECT_MAX - suffix.chars().count()) + &suffix;
    let since = tell::moment(group::began_at(news.case), news.now, zone);
    let mut lead = vec![
        Fact::new("Customers", customers(news)),
        what_is_known(news),
        Fact::new("Still works", still_works(news.neighbours)),
    ];
    lead.push(if is_escalated {
        Fact::new("Why you", why(news))
    } else {
        Fact::new("Reminder", reminder(news))
    });
    Letter {
        subject,
        badge: "DARK".to_owned(),
        tone: Tone::Bad,
        headline: format!("since {since}: {}", cut(&headline(news), TITLE_MAX)),
        lead,
        has_picture: false,
        sections: if is_escalated { full_picture(news) } else { vec![what_now(news)] },
    }
}

/// For how long it has been dark: how far it lay back when people were told, and how long that is ago on the monotonic
/// clock.
pub(super) fn lasted(news: &LastingNews<'_>) -> Duration {
    let told = news.case.ascent.began_at.unwrap_or(news.case.opened_at);
    tell::between(group::began_at(news.case), told).saturating_add(news.age)
}

/// Its channel with the title, or how many there are.
fn named(news: &LastingNews<'_>) -> String {
    match news.case.members.first().filter(|_| !news.case.is_group()) {
        Some(member) => format!("{}: {}", member.channel, headline(news)),
        None => headline(news),
    }
}

/// Its title, or how many channels there are.
pub(super) fn headline(news: &LastingNews<'_>) -> String {
    if news.case.is_group() {
        return group::headline(&news.as_group());
    }
    let id = news.case.members.first().map_or_else(String::new, |member| member.channel.to_string());
    news.door().map_or(id, |(title, _)| Detail::new(title).as_str().to_owned())
}

/// What customers meet.
pub(super) fn customers(news: &LastingNews<'_>) -> String {
    let standing: Vec<&Member> = news.case.standing_all().collect();
    if news.case.is_group() {
        let count = standing.len();
        let doors = if count == 1 { "1 door".to_owned() } else { format!("{count} doors") };
        return format!("{doors} still shut: {}", group::named(&standing));
    }
    let kind = news.door().map_or(ChannelKind::Chat, |(_, kind)| kind);
    match (news.door(), standing.first().and_then(|member| member.failure.as_ref())) {
        (Some(_), Some(failure)) => phrases::customer_meets(kind, failure.reason, Severity::Dark),
        _ => "cannot get through".to_owned(),
    }
}

fn what_is_known(news: &LastingNews<'_>) -> Fact {
    if news.case.is_group() {
        return Fact::new("In common", group::in_common(&news.as_group()));
    }
    let failure = news.case.standing_all().next().and_then(|member| member.failure.as_ref());
    Fact::new("Broke at", failure.map_or_else(|| "unseen".to_owned(), broke))
}

/// `the 2nd after 3 h; the next at 10:04:22 Europe/Berlin`.
fn reminder(news: &LastingNews<'_>) -> String {
    let count = news.case.ascent.reminders;
    let which = format!("no. {count}, after {}", tell::span(lasted(news)));
    match news.reminds_in {
        Some(span) => {
            let at = tell::moment(news.now + span, news.now, news.letterhead.time_zone);
            format!("{which}; the next at {at}")
        }
        None => which,
    }
}

fn why(news: &LastingNews<'_>) -> String {
    format!("nobody has acknowledged it for {}", tell::span(news.age))
}

fn what_now(news: &LastingNews<'_>) -> Section {
    let mut lines = vec![Line::Text(END.to_owned())];
    lines.extend(news.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    lines.push(Line::Text(format!("Incident {}", news.case.id)));
    Section { title: "What now".to_owned(), body: Body::Lines(lines) }
}

/// All that somebody needs who hears of it for the first time.
fn full_picture(news: &LastingNews<'_>) -> Vec<Section> {
    let as_group = news.as_group();
    let mut parts = Vec::new();
    if news.case.is_group() {
        let zone = tell::zone_name(news.now, news.letterhead.time_zone);
        let (standing, over): (Vec<&Member>, Vec<&Member>) =
            news.case.members.iter().partition(|member| !member.is_over());
        parts.extend(group::table(&format!("Shut now ({zone})"), &standing, &as_group));
        parts.extend(group::table(&format!("Over ({zone})"), &over, &as_group));
        parts.extend(group::full_names(news.case));
    } else {
        parts.extend(news.case.members.first().map(|member| facts(member, news)));
    }
    parts.push(summary::timeline(news));
    parts.extend(sections::doors("Still works", news.neighbours, Neighbour::is_alternative));
    let mut look = group::where_to_look(&as_group);
    if let Body::Lines(lines) = &mut look.body {
        lines.push(Line::Text(END.to_owned()));
    }
    parts.push(look);
    parts
}

/// What was seen of the one channel.
pub(super) fn facts(member: &Member, news: &LastingNews<'_>) -> Section {
    let zone = news.letterhead.time_zone;
    let mut facts = vec![Fact::new("Channel", format!("{} ({})", headline(news), member.channel))];
    facts.extend(member.probe.as_ref().map(|probe| Fact::new("Probe", probe.to_string())));
    facts.push(Fact::new("Location", news.location.as_str()));
    facts.push(Fact::new("Dark since", tell::fully(member.began_at, zone)));
    facts.push(Fact::new("Confirmed", tell::fully(member.confirmed_at, zone)));
    facts.extend(member.failure.iter().flat_map(sections::in_full));
    Section { title: "What we saw".to_owned(), body: Body::Facts(facts) }
}
