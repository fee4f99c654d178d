//! The mail that says from when to when the monitor saw nothing, since its own network was lost.

use jiff::Timestamp;

use crate::domain::{
    network::Cause,
    notification::{
        Unwatched,
        blind::Return,
        letter::{Body, Column, Fact, Letter, Line, SUBJECT_MAX, Section, Tone, cut, sections::NAME_MAX},
        tell,
    },
    outcome::Detail,
};

/// So many channels are named in the lead.
const NAMED_MAX: usize = 3;

/// So many channels are listed.
const LISTED_MAX: usize = 100;

/// The longest title in the list, in characters.
const TITLE_MAX: usize = 32;

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(back: &Return<'_>) -> Letter {
    let zone = back.letterhead.time_zone;
    let (from, until) = (back.blindness.began_at, back.until);
    let lasted = tell::span(back.lasted);
    let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
    let is_of_names = back.blindness.cause() == Some(Cause::Names);
    let saw = if is_of_names { "could look up no name" } else { "saw nothing" };
    let (from, saw_in_short) = match (day(from) == day(until), is_of_names) {
        (true, true) => (tell::clock(from, zone), "no name was resolved"),
        (true, false) => (tell::clock(from, zone), "the monitor saw nothing"),
        // The line must not be longer for the day in it.
        (false, true) => (tell::clock_and_day(from, zone), "no names"),
        (false, false) => (tell::clock_and_day(from, zone), "saw nothing"),
    };
    let subject = format!("[BLIND] The monitor {} {saw} for {lasted}", back.location);
    Letter {
        subject: cut(&subject, SUBJECT_MAX),
        badge: "BLIND".to_owned(),
        tone: Tone::Mixed,
        headline: format!("from {from} to {}: {saw_in_short}", tell::moment(until, until, zone)),
        lead: vec![
            Fact::new("Customers", format!("nobody knows what they met in these {lasted}")),
            Fact::new("Why", why(back.blindness.cause())),
            Fact::new("Not watched", not_watched(back)),
            Fact::new("Now", "sight is back; what is broken is told as soon as it is confirmed"),
        ],
        has_picture: false,
        sections: [Some(facts(back)), channels(back), Some(what_now(back))].into_iter().flatten().collect(),
    }
}

fn why(cause: Option<Cause>) -> &'static str {
    match cause {
        Some(Cause::Link) => "our own link was down: not even the gateway answered",
        Some(Cause::Line) => "our gateway answered, and nothing behind it",
        Some(Cause::Names) => "no name server answered us",
        Some(Cause::Network) | None => "our own network was lost",
    }
}

fn not_watched(back: &Return<'_>) -> String {
    let unwatched = back.unwatched;
    match unwatched.len() {
        0 => "no channel was without a look for long enough to be unknown".to_owned(),
        count if count > NAMED_MAX && count == back.channels => format!("all {count} channels"),
        count => {
            let named: Vec<&str> = unwatched.iter().take(NAMED_MAX).map(|one| one.channel.as_str()).collect();
            let more =
                if count > NAMED_MAX { format!(" and {} more", count - NAMED_MAX) } else { String::new() };
            format!("{}{more}", named.join(", "))
        }
    }
}

fn facts(back: &Return<'_>) -> Section {
    let zone = back.letterhead.time_zone;
    let sentinels: Vec<&str> = back.blindness.sentinels.iter().map(String::as_str).collect();
    let mut facts = vec![
        Fact::new("Location", back.location.as_str()),
        Fact::new("From", tell::fully(back.blindness.began_at, zone)),
        Fact::new("To", tell::fully(back.until, zone)),
        Fact::new("Lasted", tell::span(back.lasted)),
    ];
    if !sentinels.is_empty() {
        facts.push(Fact::new("No answer from", sentinels.join(", ")));
    }
    Section { title: "What we could not see".to_owned(), body: Body::Facts(facts) }
}

fn channels(back: &Return<'_>) -> Option<Section> {
    let zone = back.letterhead.time_zone;
    let column = |name| Column { name, is_number: false };
    let row = |one: &Unwatched| {
        let title = cut(Detail::new(&one.title).as_str(), TITLE_MAX);
        vec![cut(one.channel.as_str(), NAME_MAX), title, tell::clock(one.since, zone)]
    };
    let mut rows: Vec<Vec<String>> = back.unwatched.iter().take(LISTED_MAX).map(row).collect();
    if let more @ 1.. = back.unwatched.len().saturating_sub(LISTED_MAX) {
        rows.push(vec![format!("and {more} more"), String::new(), String::new()]);
    }
    let columns = vec![column("Channel"), column("Title"), column("Unknown since")];
    let title = format!("Not watched ({})", tell::zone_name(back.until, zone));
    if rows.is_empty() {
        return None;
    }
    Some(Section { title, body: Body::Table { columns, rows } })
}

fn what_now(back: &Return<'_>) -> Section {
    let mut lines = vec![
        Line::Text("This time counts neither for nor against a channel.".to_owned()),
        Line::Text(
            "An outage that began and ended within it was not seen: ask those who keep the doors, if it matters."
                .to_owned(),
        ),
        Line::Text("A second monitor in another network would have seen it.".to_owned()),
    ];
    lines.extend(back.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    lines.push(Line::Text(format!("Incident {}", back.id())));
    Section { title: "What now".to_owned(), body: Body::Lines(lines) }
}
