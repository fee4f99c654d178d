//! The mails about the monitor's own store, golden, and to whom they go.

use std::path::Path;

use expect_test::expect_file;
use jiff::{SignedDuration, Timestamp};
use lamplighter::domain::{
    channel::Location,
    incident::IncidentEvent,
    notification::{
        Letterhead, Notification, Recipient, Route,
        upkeep::{Origin, Restoration, StoreNews, mails},
    },
};

fn now() -> Timestamp {
    "2026-11-26T13:00:04Z".parse().unwrap()
}

fn told(news: &StoreNews<'_>) -> Vec<Notification> {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let letterhead = Letterhead {
        mail_host: "example.com",
        public_url: Some("https://lamplighter.example.com/"),
        time_zone: &zone,
        config: Path::new("/etc/lamplighter/probes.toml"),
    };
    let teams = ["bert@example.com", "anna@example.com", "bert@example.com"].map(Recipient::mail);
    let endpoints =
        [Route::Webhook, Route::Alertmanager].map(|route| Recipient { route, address: "ops".to_owned() });
    mails(news, teams.into_iter().chain(endpoints), &Location::new("fra-1"), &letterhead, now())
}

fn restoration() -> Restoration<'static> {
    let at = now() - SignedDuration::from_secs(4);
    Restoration {
        at,
        found: "Tree 3 page 7: btreeInitPage() returns error code 11",
        is_newer: false,
        aside: Some(Path::new("/var/lib/lamplighter/lamplighter.db.damaged-20261126T130000Z")),
        from: Origin::Backup(at - SignedDuration::from_mins(47)),
        backups_skipped: 0,
        taken_over: 0,
        took_all: true,
        was_running: false,
    }
}

#[test]
fn they_say_what_was_found_what_it_goes_on_from_and_what_may_be_missing() {
    let why = "failed to commit a decision: the disk under the store /var/lib/lamplighter/lamplighter.db is full; make room";
    let newer = Restoration {
        found: "a later version wrote it (layout 9; this one knows 2)",
        is_newer: true,
        aside: Some(Path::new("/var/lib/lamplighter/lamplighter.db.newer-20261126T130000Z")),
        taken_over: 2,
        ..restoration()
    };
    let running = Restoration { was_running: true, backups_skipped: 1, taken_over: 3, ..restoration() };
    let nothing = Restoration {
        from: Origin::Nothing,
        took_all: false,
        aside: None,
        found: "the file is missing",
        ..restoration()
    };
    let shortened = Restoration {
        from: Origin::Itself,
        aside: None,
        found: "its journal (-wal) breaks off",
        ..restoration()
    };
    let all = [
        ("store-restored", StoreNews::Restored(restoration())),
        ("store-restored-while-running", StoreNews::Restored(running)),
        ("store-of-a-later-version", StoreNews::Restored(newer)),
        ("store-without-a-backup", StoreNews::Restored(nothing)),
        ("store-not-closed-in-order", StoreNews::Restored(shortened)),
        ("store-takes-nothing", StoreNews::Failing { since: now() - SignedDuration::from_secs(11), why }),
    ];
    for (name, news) in all {
        let content = &told(&news)[0].content;
        let file =
            |ending: &str| format!("{}/tests/golden/mails/{name}.{ending}", env!("CARGO_MANIFEST_DIR"));
        expect_file![file("txt")].assert_eq(&format!("Subject: {}\n\n{}", content.subject, content.text));
        expect_file![file("html")].assert_eq(&content.html);
        let lines: Vec<&str> = content.text.lines().collect();
        assert!(lines[..5].iter().all(|line| !line.is_empty() && !line.contains('…')), "{lines:?}");
        let is_path = |line: &str| line.starts_with("  /var/lib/");
        assert!(lines.iter().all(|line| line.chars().count() <= 72 || is_path(line)), "{lines:?}");
        assert_eq!(lines[5], "");
    }
}

#[test]
fn everybody_in_every_team_gets_one() {
    let mails = told(&StoreNews::Restored(restoration()));
    let recipients: Vec<&str> = mails.iter().map(|mail| mail.recipient.as_str()).collect();
    assert_eq!(recipients, ["anna@example.com", "bert@example.com", "ops"], "and no Alertmanager");
    for mail in &mails {
        assert_eq!(
            (mail.incident.0.as_str(), mail.event),
            ("20261126T130000Z-monitor-store", IncidentEvent::Store)
        );
        assert!(mail.message_id.starts_with("20261126T130000Z-monitor-store.store."), "{}", mail.message_id);
    }
    assert_ne!(mails[0].message_id, mails[1].message_id);
}
