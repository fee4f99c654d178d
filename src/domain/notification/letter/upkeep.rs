//! The mails about the monitor's own store. They say what was found, what is gone on from, what may be missing or come
//! twice, and what to do; and that no customer is known to be concerned.

use jiff::{Timestamp, tz::TimeZone};

use crate::domain::{
    channel::Location,
    incident::IncidentId,
    notification::{
        Letterhead,
        letter::{Body, Fact, Letter, Line, SUBJECT_MAX, Section, Tone, cut},
        tell,
        upkeep::{Origin, Restoration, StoreNews},
    },
    outcome::Detail,
};

const BADGE: &str = "MONITOR";

/// Lays out the mail.
pub(in crate::domain::notification) fn lay_out(
    news: &StoreNews<'_>,
    incident: &IncidentId,
    location: &Location,
    letterhead: &Letterhead<'_>,
    now: Timestamp,
) -> Letter {
    let mut letter = match news {
        StoreNews::Restored(restoration) => restored(restoration, location, letterhead.time_zone, now),
        StoreNews::Failing { since, why } => failing(*since, why, location, letterhead.time_zone, now),
    };
    let mut last = Vec::new();
    last.extend(letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    last.push(Line::Text(format!("Incident {incident}")));
    letter.sections.push(Section { title: "Where to look".to_owned(), body: Body::Lines(last) });
    letter
}

fn restored(it: &Restoration<'_>, location: &Location, zone: &TimeZone, now: Timestamp) -> Letter {
    let found = Detail::new(it.found);
    let goes_on = match it.from {
        Origin::Itself => "with the file itself; its last commits may be missing".to_owned(),
        Origin::Backup(at) => {
            let age = tell::span(tell::between(at, it.at));
            format!("with the backup of {}, {age} old", tell::moment(at, now, zone))
        }
        Origin::Nothing => "with nothing: there was no good backup".to_owned(),
    };
    let what = match (it.is_newer, it.from) {
        (true, _) => "store of a later version set aside",
        (false, Origin::Itself) => "store not closed in order",
        (false, _) => "store damaged and restored",
    };
    Letter {
        subject: cut(&format!("[{BADGE}] {location}: {what}"), SUBJECT_MAX),
        badge: BADGE.to_owned(),
        tone: Tone::Mixed,
        headline: format!("since {}: {what}", tell::moment(it.at, now, zone)),
        lead: vec![
            Fact::new("Customers", "not concerned, as far as is known; probing goes on"),
            Fact::new("Found", found.as_str()),
            Fact::new("Goes on", goes_on),
            Fact::new("To do", to_do(it)),
        ],
        has_picture: false,
        sections: vec![in_full(it, found.as_str(), location, zone), meaning(it), advice(it)],
    }
}

fn to_do(it: &Restoration<'_>) -> &'static str {
    match (it.is_newer, it.from) {
        (true, _) => "decide which version is to run; see below",
        (false, Origin::Itself) => "see below what may come twice",
        (false, _) => "look after the disk; see below what may be missing",
    }
}

fn in_full(it: &Restoration<'_>, found: &str, location: &Location, zone: &TimeZone) -> Section {
    let mut facts = vec![
        Fact::new("Location", location.as_str()),
        Fact::new("Found at", tell::fully(it.at, zone)),
        Fact::new("Found", found),
    ];
    if let Origin::Backup(at) = it.from {
        facts.push(Fact::new("Backup of", tell::fully(at, zone)));
    }
    if it.backups_skipped > 0 {
        facts.push(Fact::new("Bad backups", format!("{} newer, no good either", it.backups_skipped)));
    }
    Section { title: "What happened".to_owned(), body: Body::Facts(facts) }
}

fn meaning(it: &Restoration<'_>) -> Section {
    let since = match it.from {
        Origin::Backup(_) => "since the backup",
        Origin::Itself => "in the last moments before",
        Origin::Nothing => "before",
    };
    let mut lines = Vec::new();
    let mut say = |words: String| lines.push(Line::Text(words));
    if it.was_running && !it.took_all {
        say(format!(
            "What was known in memory has been written down again. A channel whose last change {since} may not have been \
             told is judged anew: you may hear of it twice."
        ));
    } else if it.was_running {
        say("The state of every channel and every open incident were known in memory and have been written down again.".to_owned());
    } else {
        say(format!(
            "May come twice: an outage or a recovery that was told {since} may be told once more, as a new incident."
        ));
    }
    say(format!("May be missing: the record of incidents that began and ended {since}."));
    if it.from == Origin::Itself {
        return Section { title: "What it means".to_owned(), body: Body::Lines(lines) };
    }
    say(match (it.took_all, it.taken_over) {
        (true, 0) => "No mail was waiting to be sent.".to_owned(),
        (true, count) => {
            format!("Mails that were waiting ({count}) could be read and are sent; one may come twice.")
        }
        (false, 0) => format!(
            "Mails that were waiting could not be read: somebody may not have been told of what happened {since}. Look at \
             the page of all channels."
        ),
        (false, count) => format!(
            "Not all mails that were waiting could be read ({count} could, and are sent): somebody may not have been \
             told of what happened {since}. Look at the page of all channels."
        ),
    });
    if it.aside.is_some() {
        say("The history of runs until now is only in the file that was set aside.".to_owned());
    }
    Section { title: "What it means".to_owned(), body: Body::Lines(lines) }
}

fn advice(it: &Restoration<'_>) -> Section {
    let mut lines = Vec::new();
    if it.is_newer {
        lines.push(Line::Text(
            "If you went back to an older version on purpose, there is nothing to do. If not: stop it, move the file \
             that was set aside back to its name, and start the later version:"
                .to_owned(),
        ));
    } else if it.from == Origin::Itself {
        lines.push(Line::Text(
            "A machine that lost its power leaves this behind, and nothing that was promised is missing then. If it \
             did not, somebody or something has touched the files of the store."
                .to_owned(),
        ));
    } else if it.aside.is_none() {
        lines.push(Line::Text(
            "Find out who deleted or moved the file. To begin anew on purpose, move the directory of the backups away \
             as well."
                .to_owned(),
        ));
    } else {
        lines.push(Line::Text(
            "A database is damaged by a failing disk or memory, or by somebody who writes, moves or deletes its files. \
             Look into the system's log for errors of the disk. The newest three files that were set aside are kept:"
                .to_owned(),
        ));
    }
    // A path is copied whole.
    lines.extend(
        it.aside.map(|aside| Line::Command(Detail::new(&aside.display().to_string()).as_str().to_owned())),
    );
    Section { title: "What now".to_owned(), body: Body::Lines(lines) }
}

fn failing(since: Timestamp, why: &str, location: &Location, zone: &TimeZone, now: Timestamp) -> Letter {
    let why = Detail::new(why);
    let text = |words: &str| Line::Text(words.to_owned());
    Letter {
        subject: cut(&format!("[{BADGE}] {location}: the store takes nothing"), SUBJECT_MAX),
        badge: BADGE.to_owned(),
        tone: Tone::Mixed,
        headline: format!("since {}: the store takes nothing", tell::moment(since, now, zone)),
        lead: vec![
            Fact::new("Customers", "not concerned, as far as is known; probing goes on"),
            Fact::new("Meanwhile", "outages are judged and told from memory"),
            Fact::new("Danger", "what is in memory alone is gone with the process"),
            Fact::new("To do", "put the disk right; do not restart before"),
        ],
        has_picture: false,
        sections: vec![
            Section {
                title: "What happened".to_owned(),
                body: Body::Facts(vec![
                    Fact::new("Location", location.as_str()),
                    Fact::new("Since", tell::fully(since, zone)),
                    Fact::new("Why", why.as_str()),
                ]),
            },
            Section {
                title: "What it means".to_owned(),
                body: Body::Lines(vec![
                    text(
                        "Mails are sent past the outbox, this one too. Should the monitor end before the store works, what it told is forgotten and told again as new.",
                    ),
                    text("The history of runs gets a gap."),
                    text(
                        "It heals by itself within half a minute after the store can be written again, and writes down what was decided meanwhile. There is no mail about that: the log says so, and lamplighter_store_degraded is 0 again.",
                    ),
                ]),
            },
        ],
    }
}
