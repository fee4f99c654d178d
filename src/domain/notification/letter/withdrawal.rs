//! The mail that says that nobody looks for a recovery any more, since the channel has left the configuration. It never
//! claims that the outage is over. Of the channel no more is known than what its incident holds, so it goes by its id.

use jiff::Timestamp;

use crate::domain::{
    evaluation::State,
    incident::Incident,
    notification::{
        Absence,
        letter::{Body, Fact, Letter, Line, SUBJECT_MAX, Section, TITLE_MAX, Tone, broke, cut, sections},
        tell,
    },
    outcome::Detail,
};

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(
    incident: &Incident,
    absence: &Absence<'_>,
    now: Timestamp,
) -> Letter {
    let zone = absence.letterhead.time_zone;
    let badge = State::Unknown.as_str().to_uppercase();
    let gone = format!("{} is no longer watched", incident.channel);
    let was = incident.severity.as_str();
    let failure = incident.evidence.failure.as_ref();
    Letter {
        subject: cut(&format!("[{badge}] {}: no longer watched", incident.channel), SUBJECT_MAX),
        tone: Tone::Mixed,
        headline: format!("since {}: {}", tell::moment(absence.since, now, zone), cut(&gone, TITLE_MAX)),
        lead: vec![
            Fact::new("Customers", "no recovery was seen, and nobody looks for one any more"),
            Fact::new("Why", "the channel is not in the configuration any more"),
            Fact::new("It was", format!("{was} since {}", tell::moment(incident.began_at, now, zone))),
            Fact::new("Broke at", failure.map_or_else(|| "unseen".to_owned(), broke)),
        ],
        has_picture: false,
        sections: vec![facts(incident, absence), where_to_look(incident, absence)],
        badge,
    }
}

fn facts(incident: &Incident, absence: &Absence<'_>) -> Section {
    let zone = absence.letterhead.time_zone;
    let mut facts = vec![
        Fact::new("Channel", incident.channel.as_str()),
        Fact::new("Location", absence.location.as_str()),
        Fact::new("Began", tell::fully(incident.began_at, zone)),
        Fact::new("Found missing", tell::fully(absence.since, zone)),
    ];
    facts.extend(incident.evidence.failure.iter().flat_map(sections::in_full));
    Section { title: "What it was".to_owned(), body: Body::Facts(facts) }
}

fn where_to_look(incident: &Incident, absence: &Absence<'_>) -> Section {
    let mut lines = vec![
        Line::Text(
            "See for yourself whether customers get through: nothing further will be said.".to_owned(),
        ),
        Line::Text(
            "If the channel is put back and still does not work, you hear of a new incident.".to_owned(),
        ),
    ];
    lines.extend(absence.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    lines.push(Line::Text(format!("Incident {}", incident.id)));
    Section { title: "What now".to_owned(), body: Body::Lines(lines) }
}
