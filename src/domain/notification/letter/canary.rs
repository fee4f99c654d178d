//! The canary, and the mails that say that canaries are lost and that they arrive again.

use crate::domain::{
    canary::RETRY_EVERY,
    notification::{
        canary::{CanaryNews, CanarySubject},
        letter::{Body, Fact, Letter, Line, SUBJECT_MAX, Section, Tone, cut},
        tell,
    },
    outcome::Detail,
};

const BADGE: &str = "MONITOR";

/// Lays out the canary itself.
pub(in crate::domain::notification) fn mail(subject: &CanarySubject<'_>) -> Letter {
    let CanarySubject { by, location, now, letterhead, .. } = *subject;
    let within = tell::span(subject.within);
    Letter {
        subject: cut(&format!("[CANARY] {location}: mail by {}", by.table()), SUBJECT_MAX),
        badge: "CANARY".to_owned(),
        tone: Tone::Good,
        headline: format!("{}: nothing is wrong", tell::moment(now, now, letterhead.time_zone)),
        lead: vec![
            Fact::new("Customers", "not concerned; this is a test of the way of mails"),
            Fact::new("By", server(subject)),
            Fact::new(
                "If none comes",
                match subject.is_looked_for {
                    true => format!("for {within}, all teams are told"),
                    false => "nobody is told; only what the server refuses is".to_owned(),
                },
            ),
            Fact::new("To do", "nothing"),
        ],
        has_picture: false,
        sections: vec![Section {
            title: "About this mail".to_owned(),
            body: Body::Lines(vec![Line::Text(
                "Lamplighter sends one each day, so that mails that do not arrive any more are found before an outage \
                 is to be told. [mail.canary] in its configuration says when and to whom."
                    .to_owned(),
            )]),
        }],
    }
}

/// Lays out what is told of canaries that are lost, or arrive again.
pub(in crate::domain::notification) fn news(subject: &CanarySubject<'_>, news: &CanaryNews<'_>) -> Letter {
    let mut letter = match news {
        CanaryNews::Lost { others, .. } => lost(subject, news, others),
        CanaryNews::Back { travel, .. } => back(subject, news, &tell::took(*travel)),
        CanaryNews::Withdrawn { .. } => withdrawn(subject, news),
    };
    let mut last = Vec::new();
    last.extend(subject.letterhead.public_url.map(|url| Line::Link(Detail::new(url).as_str().to_owned())));
    last.push(Line::Text(format!("Incident {}", news.loss().incident)));
    letter.sections.push(Section { title: "Where to look".to_owned(), body: Body::Lines(last) });
    letter
}

fn lost(subject: &CanarySubject<'_>, news: &CanaryNews<'_>, others: &str) -> Letter {
    let CanarySubject { by, location, now, letterhead, .. } = *subject;
    let zone = letterhead.time_zone;
    let loss = news.loss();
    let why = Detail::new(&loss.why);
    let what = format!("mail by {} is lost", by.table());
    let others = if others.is_empty() { "none: outages may be told to nobody" } else { others };
    let text = |words: String| Line::Text(words);
    Letter {
        subject: cut(&format!("[{BADGE}] {location}: {what}"), SUBJECT_MAX),
        badge: BADGE.to_owned(),
        tone: Tone::Bad,
        headline: format!("since {}: {what}", tell::moment(loss.since, now, zone)),
        lead: vec![
            Fact::new("Customers", "not concerned, as far as is known; probing goes on"),
            Fact::new("Why", why.as_str()),
            Fact::new("Other ways", others),
            Fact::new("To do", format!("look after {}", server(subject))),
        ],
        has_picture: false,
        sections: vec![
            Section {
                title: "What happened".to_owned(),
                body: Body::Facts(vec![
                    Fact::new("Location", location.as_str()),
                    Fact::new("Server", server(subject)),
                    Fact::new("Sent at", tell::fully(loss.since, zone)),
                    Fact::new("Time given", tell::span(subject.within)),
                    Fact::new("Why", why.as_str()),
                ]),
            },
            Section {
                title: "What it means".to_owned(),
                body: Body::Lines(vec![
                    text(
                        "The canary, a test mail that goes by this server alone, did not arrive. What is told of \
                         outages by this server may not arrive either, even if the server takes it."
                            .to_owned(),
                    ),
                    text(format!("Other ways: {others}.")),
                    text(format!(
                        "Another canary is sent every {}; when one arrives you are told.",
                        tell::span(RETRY_EVERY)
                    )),
                ]),
            },
        ],
    }
}

fn back(subject: &CanarySubject<'_>, news: &CanaryNews<'_>, travel: &str) -> Letter {
    let CanarySubject { by, location, now, letterhead, .. } = *subject;
    let zone = letterhead.time_zone;
    let loss = news.loss();
    let lasted = tell::span(tell::between(loss.since, now));
    let what = format!("mail by {} arrives again", by.table());
    let how = match subject.is_looked_for {
        true => format!("a canary came to its mailbox within {travel}"),
        false => format!("the server took a canary within {travel}"),
    };
    Letter {
        subject: cut(&format!("[{BADGE}] {location}: {what} (after {lasted})"), SUBJECT_MAX),
        badge: BADGE.to_owned(),
        tone: Tone::Good,
        headline: format!("since {}: {what}", tell::moment(now, now, zone)),
        lead: vec![
            Fact::new("Customers", "not concerned"),
            Fact::new("Lost", format!("for {lasted}, since {}", tell::moment(loss.since, now, zone))),
            Fact::new("Now", how),
            Fact::new("To do", "see whether a mail of that time is missing"),
        ],
        has_picture: false,
        sections: vec![Section {
            title: "What happened".to_owned(),
            body: Body::Facts(vec![
                Fact::new("Location", location.as_str()),
                Fact::new("Server", server(subject)),
                Fact::new("Lost since", tell::fully(loss.since, zone)),
                Fact::new("Back at", tell::fully(now, zone)),
                Fact::new("Why", Detail::new(&loss.why).as_str()),
            ]),
        }],
    }
}

fn withdrawn(subject: &CanarySubject<'_>, news: &CanaryNews<'_>) -> Letter {
    let CanarySubject { by, location, now, letterhead, .. } = *subject;
    let zone = letterhead.time_zone;
    let loss = news.loss();
    let what = format!("no canary by {} any more", by.table());
    Letter {
        subject: cut(&format!("[{BADGE}] {location}: {what}"), SUBJECT_MAX),
        badge: BADGE.to_owned(),
        tone: Tone::Mixed,
        headline: format!("since {}: {what}", tell::moment(now, now, zone)),
        lead: vec![
            Fact::new("Customers", "not concerned"),
            Fact::new("Lost", format!("since {}", tell::moment(loss.since, now, zone))),
            Fact::new("Now", "nobody looks whether mail by it arrives: it is not configured"),
            Fact::new("To do", "nothing, if that was meant"),
        ],
        has_picture: false,
        sections: vec![Section {
            title: "What happened".to_owned(),
            body: Body::Facts(vec![
                Fact::new("Location", location.as_str()),
                Fact::new("Lost since", tell::fully(loss.since, zone)),
                Fact::new("Why", Detail::new(&loss.why).as_str()),
            ]),
        }],
    }
}

/// The server by its table and its host.
fn server(subject: &CanarySubject<'_>) -> String {
    format!("{}, {}", subject.by.table(), Detail::new(subject.host))
}
