//! The mails that say from when to when the monitor saw nothing.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use lamplighter::domain::{
    channel::{ChannelId, Location},
    network::{Blindness, Cause},
    notification::{Content, Letterhead, Notification, Recipient, Unwatched, blind::Return},
};

/// 10:02 in Berlin.
fn began() -> Timestamp {
    "2026-11-26T09:02:00Z".parse().unwrap()
}

/// What everybody is told of a time without sight.
fn told(
    causes: &[Cause],
    sentinels: &[&str],
    lasted: u64,
    unwatched: &[Unwatched],
    channels: usize,
) -> Vec<Notification> {
    let blindness = Blindness {
        began_at: began(),
        causes: causes.iter().copied().collect(),
        sentinels: sentinels.iter().map(|name| (*name).to_owned()).collect(),
    };
    let lasted = Duration::from_secs(lasted);
    let back = Return {
        blindness: &blindness,
        until: began() + lasted,
        lasted,
        unwatched,
        channels,
        location: &Location::new("fra-1"),
        letterhead: Letterhead {
            mail_host: "example.com",
            public_url: Some("https://lamplighter.example.com/"),
            time_zone: &TimeZone::get("Europe/Berlin").unwrap(),
            config: Path::new("/etc/lamplighter/probes.toml"),
        },
    };
    back.mails(["lead@example.com", "oncall@example.com"].map(Recipient::mail))
}

fn unwatched(channel: &str, title: &str, after: u64) -> Unwatched {
    let since = began() + Duration::from_secs(after);
    Unwatched { channel: ChannelId::new(channel), title: title.to_owned(), since }
}

fn all() -> Vec<Unwatched> {
    vec![
        unwatched("hotline", "Hotline call-back", 124),
        unwatched("shop-bot", "Bot on the shop page", 101),
        unwatched("ticket", "Ticket form, with quite a long title of its own", 118),
        unwatched("web-chat", "Chat button, web shop", 97),
    ]
}

/// Every golden mail by its file's name.
pub fn mails() -> BTreeMap<&'static str, Content> {
    let content = |mut mails: Vec<Notification>| mails.remove(0).content;
    let far = ["far (address)", "other (address)"];
    let everything = ["far (address)", "names (resolver)", "other (address)", "router (gateway)"];
    let many: Vec<Unwatched> =
        (0..120).map(|number| unwatched(&format!("door-{number}"), "A door", 100)).collect();
    BTreeMap::from([
        ("blind-link", content(told(&[Cause::Link, Cause::Names], &everything, 1_740, &all(), 4))),
        ("blind-line", content(told(&[Cause::Line], &far, 90_000, &all()[..3], 4))),
        ("blind-names", content(told(&[Cause::Names], &["names (resolver)"], 300, &all()[..1], 4))),
        ("blind-without-a-gateway", content(told(&[Cause::Network], &far, 130, &[], 4))),
        ("blind-to-many-channels", content(told(&[Cause::Link], &far, 1_740, &many, 150))),
    ])
}

#[test]
fn everybody_is_told_by_a_mail_of_its_own_that_a_copy_is_recognised_by() {
    let mails = || told(&[Cause::Link], &[], 1_740, &all(), 4);
    let first = mails();
    assert_eq!(first, mails());
    let recipients: Vec<&str> = first.iter().map(|mail| mail.recipient.as_str()).collect();
    assert_eq!(recipients, ["lead@example.com", "oncall@example.com"]);
    for mail in &first {
        assert_eq!(mail.incident.0, "20261126T090200Z-monitor-blind");
        assert!(mail.message_id.starts_with("20261126T090200Z-monitor-blind.blind."), "{}", mail.message_id);
        assert!(mail.message_id.ends_with("@example.com"));
    }
    assert_ne!(first[0].message_id, first[1].message_id);
}
