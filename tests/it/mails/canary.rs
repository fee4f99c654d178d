//! The canary, and the mails that say that canaries are lost or arrive again, golden, and to whom they go.

use std::{path::Path, time::Duration};

use expect_test::expect_file;
use jiff::{SignedDuration, Timestamp};
use lamplighter::domain::{
    canary::{Canaries, Daily, Loss, MailWay},
    channel::Location,
    evaluation::State,
    incident::IncidentId,
    notification::{
        Letterhead, Notification, Recipient, Route,
        canary::{CanaryNews, CanarySubject},
    },
};

fn now() -> Timestamp {
    "2026-11-26T08:10:00Z".parse().unwrap()
}

fn loss(by: MailWay, why: &str) -> Loss {
    let end = if by == MailWay::First { "" } else { "-fallback" };
    Loss {
        since: now() - SignedDuration::from_mins(10),
        why: why.to_owned(),
        incident: IncidentId(format!("20261126T080000Z-monitor-canary{end}")),
    }
}

/// What is told of canaries that are looked for, and what is sent.
fn with_subject<T>(by: MailWay, is_looked_for: bool, tell: impl FnOnce(&CanarySubject<'_>) -> T) -> T {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let location = Location::new("fra-1");
    tell(&CanarySubject {
        by,
        host: "mail.example.com",
        within: Duration::from_secs(600),
        is_looked_for,
        location: &location,
        letterhead: Letterhead {
            mail_host: "example.com",
            public_url: Some("https://lamplighter.example.com/"),
            time_zone: &zone,
            config: Path::new("/etc/lamplighter/probes.toml"),
        },
        now: now(),
    })
}

fn told(by: MailWay, news: &CanaryNews<'_>) -> Vec<Notification> {
    let teams = ["bert@example.com", "anna@example.com", "bert@example.com"].map(Recipient::mail);
    let endpoints =
        [Route::Webhook, Route::Alertmanager].map(|route| Recipient { route, address: "ops".to_owned() });
    with_subject(by, true, |subject| subject.tell(news, teams.into_iter().chain(endpoints)))
}

/// What a webhook is told of a loss and of its end.
pub fn lost_and_back() -> (Notification, Notification) {
    let loss =
        loss(MailWay::First, "it is not in its mailbox; the server took it: 250 2.0.0 Ok: queued as 4XyZ");
    let webhook = |news: &CanaryNews<'_>| told(MailWay::First, news).remove(2);
    let lost = webhook(&CanaryNews::Lost { loss: &loss, others: "[mail.fallback], webhooks" });
    (lost, webhook(&CanaryNews::Back { loss: &loss, travel: Duration::from_millis(4_200) }))
}

fn golden(name: &str, mail: &Notification) {
    let content = &mail.content;
    let file = |ending: &str| format!("{}/tests/golden/mails/{name}.{ending}", env!("CARGO_MANIFEST_DIR"));
    expect_file![file("txt")].assert_eq(&format!("Subject: {}\n\n{}", content.subject, content.text));
    expect_file![file("html")].assert_eq(&content.html);
    let lines: Vec<&str> = content.text.lines().collect();
    assert!(lines[..5].iter().all(|line| !line.is_empty()), "{lines:?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 72), "{lines:?}");
    assert_eq!(lines[5], "");
}

#[test]
fn they_say_by_which_server_mail_is_lost_why_and_what_else_there_is() {
    let vanished =
        loss(MailWay::First, "it is not in its mailbox; the server took it: 250 2.0.0 Ok: queued as 4XyZ");
    let refused = loss(
        MailWay::Fallback,
        "relay.example.net:587: RCPT TO: the server said 554 5.7.1 relay access denied",
    );
    let others = "[mail.fallback], webhooks";
    for (name, by, news) in [
        ("canary-lost", MailWay::First, CanaryNews::Lost { loss: &vanished, others }),
        ("canary-lost-and-no-other-way", MailWay::First, CanaryNews::Lost { loss: &vanished, others: "" }),
        (
            "canary-of-the-fallback-lost",
            MailWay::Fallback,
            CanaryNews::Lost { loss: &refused, others: "[mail]" },
        ),
        (
            "canary-back",
            MailWay::First,
            CanaryNews::Back { loss: &vanished, travel: Duration::from_millis(4_200) },
        ),
        ("canary-withdrawn", MailWay::First, CanaryNews::Withdrawn { loss: &vanished }),
    ] {
        golden(name, &told(by, &news)[0]);
    }
}

#[test]
fn the_canary_says_that_nothing_is_wrong_and_what_it_is_for() {
    let daily = Daily { time: jiff::civil::time(9, 0, 0, 0), zone: jiff::tz::TimeZone::UTC };
    let mut canaries = Canaries::new("5c1e09af".to_owned());
    let flight = canaries.begin(MailWay::First, &daily, "example.com", now()).clone();
    let mail = |is_looked_for| {
        with_subject(MailWay::First, is_looked_for, |subject| subject.mail(&flight, "canary@example.com"))
    };
    golden("canary", &mail(true));
    golden("canary-without-a-mailbox", &mail(false));
    assert_eq!(mail(true).message_id, "canary.5c1e09af.mail.1795680600000@example.com");
}

#[test]
fn everybody_and_everything_in_every_team_is_told_and_the_end_follows_the_beginning() {
    let loss = loss(MailWay::First, "it is not in its mailbox");
    let begun = told(MailWay::First, &CanaryNews::Lost { loss: &loss, others: "webhooks" });
    let over = told(MailWay::First, &CanaryNews::Back { loss: &loss, travel: Duration::from_secs(1) });
    let recipients: Vec<(Route, &str)> = begun.iter().map(|it| (it.route, it.recipient.as_str())).collect();
    let expected = [
        (Route::Mail, "anna@example.com"),
        (Route::Mail, "bert@example.com"),
        (Route::Webhook, "ops"),
        (Route::Alertmanager, "ops"),
    ];
    assert_eq!(recipients, expected);
    for (begun, over) in begun.iter().zip(&over) {
        assert_eq!(over.in_reply_to.as_ref(), Some(&begun.message_id));
        assert_eq!((begun.content.facts.state, over.content.facts.state), (State::Dark, State::Up));
        assert!(
            begun.content.facts.is_loss_of(MailWay::First) && !over.content.facts.is_loss_of(MailWay::First)
        );
        assert!(over.content.facts.is_over() && begun.incident == over.incident);
    }
}
