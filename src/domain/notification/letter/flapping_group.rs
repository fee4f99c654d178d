//! The mails about several channels that come and go for one cause: that they do, what they did of late, that it lasts
//! this time, and that it is over. All of them together are dark while any of them is.

use jiff::Timestamp;

use crate::domain::{
    case::Member,
    flapping::{Flapping, Tally},
    incident::{IncidentEvent, Severity},
    notification::{
        GroupNews, Neighbour,
        letter::{
            Body, Fact, Letter, SUBJECT_MAX, Section, TITLE_MAX, Tone, cut,
            flapping::{counted, hear_next, times, while_it_goes_on},
            group::{channels, full_names, headline, in_common, named, table, where_to_look},
            sections, still_works,
        },
        tell,
    },
};

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(news: &GroupNews<'_>, flapping: &Flapping) -> Letter {
    let ends = matches!(news.event, IncidentEvent::Steady | IncidentEvent::Sustained);
    let (badge, tone) = match news.case.severity() {
        _ if !ends => ("FLAPPING", Tone::Bad),
        None => ("UP", Tone::Good),
        Some(Severity::Degraded) => ("DEGRADED", Tone::Mixed),
        Some(Severity::Dark) => ("DARK", Tone::Bad),
    };
    let since = if ends { stands_since(news) } else { flapping.total.since };
    let suffix = suffix(news, flapping);
    let line = format!("[{badge}] {}", headline(news));
    let since = tell::moment(since, news.now, news.letterhead.time_zone);
    Letter {
        subject: cut(&line, SUBJECT_MAX - suffix.chars().count()) + &suffix,
        badge: badge.to_owned(),
        tone,
        headline: format!("since {since}: {}", cut(&headline(news), TITLE_MAX)),
        lead: match news.event {
            IncidentEvent::Sustained => lead_while_it_lasts(news, flapping),
            IncidentEvent::Steady => lead_at_the_end(news, flapping),
            _ => lead(news, flapping),
        },
        has_picture: false,
        sections: all_sections(news, flapping),
    }
}

/// What the subject says beside the channels.
fn suffix(news: &GroupNews<'_>, flapping: &Flapping) -> String {
    let flapped = || flapped_for(news, flapping);
    match news.event {
        IncidentEvent::Sustained => format!(" (for {} without a break)", lasts(news)),
        IncidentEvent::Steady if fell_at(news).is_none() => {
            format!(" (steady after flapping for {})", flapped())
        }
        IncidentEvent::Steady => format!(" (stays so after flapping for {})", flapped()),
        IncidentEvent::Digest => format!(" (fell {})", times(flapping.latest.falls)),
        _ => String::new(),
    }
}

/// When the first fall of those that stand began; none while none does.
fn fell_at(news: &GroupNews<'_>) -> Option<Timestamp> {
    news.case.standing_all().map(|member| member.began_at).min()
}

/// Since when all of it is as it is.
fn stands_since(news: &GroupNews<'_>) -> Timestamp {
    let ends = news.case.members.iter().filter_map(|member| member.end.as_ref()).map(|end| end.at);
    fell_at(news).or_else(|| ends.max()).unwrap_or(news.now)
}

fn lasts(news: &GroupNews<'_>) -> String {
    tell::span(tell::between(stands_since(news), news.now))
}

/// From the first fall to the last change.
fn flapped_for(news: &GroupNews<'_>, flapping: &Flapping) -> String {
    tell::span(tell::between(flapping.total.since, stands_since(news)))
}

fn tally(news: &GroupNews<'_>, tally: &Tally) -> String {
    format!("it {}", counted(tally, fell_at(news), news.now))
}

fn lead(news: &GroupNews<'_>, flapping: &Flapping) -> Vec<Fact> {
    let all = channels(news.case.members.len());
    let counted = match news.event {
        IncidentEvent::Digest => {
            let since = tell::clock(flapping.latest.since, news.letterhead.time_zone);
            Fact::new("Lately", format!("since {since} {}", tally(news, &flapping.latest)))
        }
        _ => Fact::new("So far", tally(news, &flapping.total)),
    };
    vec![
        Fact::new("Customers", format!("get through at times only: {all} come and go")),
        Fact::new("Right now", stand(news)),
        counted,
        Fact::new("Still works", still_works(news.neighbours)),
    ]
}

fn lead_while_it_lasts(news: &GroupNews<'_>, flapping: &Flapping) -> Vec<Fact> {
    let standing: Vec<&Member> = news.case.standing_all().collect();
    let since = tell::clock(flapping.total.since, news.letterhead.time_zone);
    vec![
        Fact::new("Customers", format!("do not get through: {}", named(&standing))),
        Fact::new("In common", in_common(news)),
        Fact::new("Evidence", format!("dark for {} without a break; flapping since {since}", lasts(news))),
        Fact::new("Still works", still_works(news.neighbours)),
    ]
}

fn lead_at_the_end(news: &GroupNews<'_>, flapping: &Flapping) -> Vec<Fact> {
    let standing: Vec<&Member> = news.case.standing_all().collect();
    let members: Vec<&Member> = news.case.members.iter().collect();
    let (customers, evidence) = match standing.is_empty() {
        true => (
            format!("reach support again through {}", named(&members)),
            format!("no fall has been seen for {}", lasts(news)),
        ),
        false => (
            format!("do not get through: {}", named(&standing)),
            format!("dark for {} without a break", lasts(news)),
        ),
    };
    vec![
        Fact::new("Customers", customers),
        Fact::new("In common", in_common(news)),
        Fact::new("In all", tally(news, &flapping.total)),
        Fact::new("Evidence", evidence),
    ]
}

/// `3 channels dark, 17 up`.
fn stand(news: &GroupNews<'_>) -> String {
    let dark = news.case.standing_all().count();
    match (dark, news.case.members.len() - dark) {
        (0, up) => format!("all {} up", channels(up)),
        (dark, 0) => format!("all {} dark", channels(dark)),
        (dark, up) => format!("{} dark, {up} up", channels(dark)),
    }
}

fn all_sections(news: &GroupNews<'_>, flapping: &Flapping) -> Vec<Section> {
    let zone = tell::zone_name(news.now, news.letterhead.time_zone);
    let (over, standing): (Vec<_>, Vec<_>) = news.case.members.iter().partition(|member| member.is_over());
    let mut sections = Vec::new();
    if !matches!(news.event, IncidentEvent::Sustained | IncidentEvent::Steady) {
        let since = tell::fully(flapping.total.since, news.letterhead.time_zone);
        let facts = vec![
            Fact::new("In common", in_common(news)),
            Fact::new("Flapping since", since),
            Fact::new("In all", tally(news, &flapping.total)),
        ];
        sections.push(Section { title: "What we saw".to_owned(), body: Body::Facts(facts) });
    }
    sections.extend(table(&format!("Shut now ({zone})"), &standing, news));
    sections.extend(table(&format!("Up, and when they were dark last ({zone})"), &over, news));
    sections.extend(full_names(news.case));
    let is_well = news.event == IncidentEvent::Steady && standing.is_empty();
    if !is_well {
        sections.extend(sections::doors("Still works", news.neighbours, Neighbour::is_alternative));
    }
    sections.push(match (news.event, is_well) {
        (_, true) => hear_next(&["The next fall is told at once, as a new incident.".to_owned()]),
        (IncidentEvent::Steady, false) => hear_next(&["You hear when they work again.".to_owned()]),
        _ => hear_next(&while_it_goes_on(flapping.confirmation)),
    });
    sections.push(where_to_look(news));
    sections
}
