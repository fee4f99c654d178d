//! Windows, planned and begun by command, and every way in which one can end.

use std::str::FromStr;

use jiff::ToSpan;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn nightly() -> Planned {
    Planned {
        id: WindowId::new("nightly"),
        when: When::Recurring {
            cron: Box::new(Cron::from_str("0 3 * * Sun").unwrap()),
            lasts: hours(1),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
        },
        scope: Scope { teams: vec![TeamId::new("shop")], ..Scope::default() },
        text: "The database moves.".to_owned(),
    }
}

fn once() -> Planned {
    Planned {
        id: WindowId::new("move"),
        when: When::Once(Occurrence { from: at("2026-11-27T20:00:00Z"), until: at("2026-11-27T23:00:00Z") }),
        scope: Scope::default(),
        text: String::new(),
    }
}

fn calendar() -> Calendar {
    let mut calendar = Calendar::default();
    calendar.plan(Arc::from([nightly(), once()]));
    calendar
}

/// The windows under way, with their ends.
fn under_way(calendar: &Calendar, now: &str) -> Vec<String> {
    let announced = calendar.announced(at(now)).into_iter().filter(Announced::is_active);
    announced.map(|window| format!("{} until {}", window.id, window.until)).collect()
}

#[test]
fn a_scope_that_says_nothing_holds_everything_and_one_that_names_something_holds_that() {
    let (shop, web) = (TeamId::new("shop"), ChannelId::new("web-chat"));
    let labels = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let bears = labels(&[("product", "shop"), ("tier", "gold")]);
    for (scope, holds) in [
        (Scope::default(), true),
        (Scope { channels: vec![web.clone()], ..Scope::default() }, true),
        (Scope { channels: vec![ChannelId::new("hotline")], ..Scope::default() }, false),
        (Scope { teams: vec![shop.clone()], ..Scope::default() }, true),
        (
            Scope {
                channels: vec![ChannelId::new("hotline")],
                teams: vec![shop.clone()],
                ..Scope::default()
            },
            true,
        ),
        (Scope { labels: labels(&[("product", "shop")]), ..Scope::default() }, true),
        (Scope { labels: labels(&[("product", "shop"), ("tier", "tin")]), ..Scope::default() }, false),
        (Scope { labels: labels(&[("place", "fra")]), ..Scope::default() }, false),
    ] {
        assert_eq!(scope.holds(&web, Some(&shop), &bears), holds, "{scope:?}");
    }
    assert!(!Scope { teams: vec![shop], ..Scope::default() }.holds(&web, None, &bears));
}

#[test]
fn planned_windows_take_place_when_they_are_planned() {
    let calendar = calendar();
    for (now, expected) in [
        ("2026-11-27T19:59:59Z", vec![]),
        ("2026-11-27T20:00:00Z", vec!["move until 2026-11-27T23:00:00Z"]),
        ("2026-11-27T23:00:00Z", vec![]),
        ("2026-11-29T01:59:59Z", vec![]),
        ("2026-11-29T02:00:00Z", vec!["nightly until 2026-11-29T03:00:00Z"]),
        ("2026-11-29T01:59:59.999Z", vec![]),
        ("2026-11-29T02:00:00.500Z", vec!["nightly until 2026-11-29T03:00:00Z"]),
        ("2026-11-29T02:59:59.999Z", vec!["nightly until 2026-11-29T03:00:00Z"]),
        ("2026-11-29T03:00:00Z", vec![]),
        ("2026-07-05T01:00:00Z", vec!["nightly until 2026-07-05T02:00:00Z"]),
    ] {
        assert_eq!(under_way(&calendar, now), expected, "{now}");
    }
    let coming = calendar.announced(at("2026-11-28T12:00:00Z"));
    assert_eq!((coming.len(), coming[0].standing), (1, Standing::Planned));
    assert_eq!(coming[0].from, at("2026-11-29T02:00:00Z"));
}

#[test]
fn one_begun_by_command_lasts_as_long_as_was_said_and_can_be_extended_and_ended() {
    let mut calendar = calendar();
    let scope = Scope { channels: vec![ChannelId::new("web-chat")], ..Scope::default() };
    let now = at("2026-11-26T10:00:00Z");
    let begin =
        Begin { lasts: Some(hours(1)), scope: scope.clone(), text: " Back soon. ".to_owned(), id: None };
    let stint = calendar.begin(begin.clone(), now).unwrap();
    assert!(stint.id.as_str().starts_with("20261126-100000-") && is_id(stint.id.as_str()), "{}", stint.id);
    assert_eq!((stint.until, stint.text.as_str(), &stint.scope), (now + 1.hour(), "Back soon.", &scope));
    let id = stint.id.clone();
    calendar.adopt(stint);
    let second = calendar.begin(begin, now).unwrap();
    assert_ne!(second.id, id, "a second within the same moment is another");

    let longer = calendar.extend(&id, minutes(30), at("2026-11-26T10:59:59Z")).unwrap();
    assert_eq!(longer.until, at("2026-11-26T11:30:00Z"));
    calendar.adopt(longer);
    assert_eq!(under_way(&calendar, "2026-11-26T11:29:59Z").len(), 1);
    let ended = calendar.end(&id, at("2026-11-26T11:10:00Z")).unwrap();
    calendar.adopt(ended);
    assert_eq!(under_way(&calendar, "2026-11-26T11:10:00Z"), Vec::<String>::new());
    let over = calendar.extend(&id, minutes(30), at("2026-11-26T11:10:01Z")).unwrap_err();
    assert_eq!(over, Refusal::Untimely(format!("{id} is not under way")));
    calendar.forget(at("2026-11-26T11:10:01Z"));
    let gone = calendar.end(&id, at("2026-11-26T11:10:01Z")).unwrap_err();
    assert_eq!(gone, Refusal::Unknown(format!("there is no window {id}")));
}

#[test]
fn a_planned_one_that_is_ended_early_or_extended_takes_place_again_as_planned() {
    let id = WindowId::new("nightly");
    let mut ended = calendar();
    ended.adopt(ended.end(&id, at("2026-11-29T02:10:00Z")).unwrap());
    assert_eq!(under_way(&ended, "2026-11-29T02:10:00Z"), Vec::<String>::new());
    ended.forget(at("2026-11-29T02:10:00Z"));
    assert_eq!(under_way(&ended, "2026-11-29T02:30:00Z"), Vec::<String>::new(), "that time is still over");
    assert_eq!(under_way(&ended, "2026-12-06T02:00:00Z"), ["nightly until 2026-12-06T03:00:00Z"]);

    let mut extended = calendar();
    extended.adopt(extended.extend(&id, hours(2), at("2026-11-29T02:59:00Z")).unwrap());
    assert_eq!(under_way(&extended, "2026-11-29T04:59:59Z"), ["nightly until 2026-11-29T05:00:00Z"]);
    assert_eq!(under_way(&extended, "2026-11-29T05:00:00Z"), Vec::<String>::new());
    assert_eq!(under_way(&extended, "2026-12-06T02:00:00Z"), ["nightly until 2026-12-06T03:00:00Z"]);
}

#[test]
fn a_planned_one_that_begins_early_does_not_take_place_a_second_time() {
    let mut calendar = calendar();
    let id = WindowId::new("nightly");
    let begin = Begin { id: Some(id.clone()), ..Begin::default() };
    let stint = calendar.begin(begin.clone(), at("2026-11-28T22:00:00Z")).unwrap();
    assert_eq!((stint.until, stint.text.as_str()), (at("2026-11-28T23:00:00Z"), "The database moves."));
    calendar.adopt(stint);
    let again = calendar.begin(begin, at("2026-11-28T22:30:00Z")).unwrap_err();
    assert!(matches!(&again, Refusal::Untimely(why) if why.contains("under way already")), "{again}");
    assert_eq!(under_way(&calendar, "2026-11-28T22:59:59Z"), ["nightly until 2026-11-28T23:00:00Z"]);
    assert_eq!(under_way(&calendar, "2026-11-29T02:30:00Z"), Vec::<String>::new());
    assert_eq!(under_way(&calendar, "2026-12-06T02:30:00Z"), ["nightly until 2026-12-06T03:00:00Z"]);
}

#[test]
fn what_makes_no_sense_is_refused_in_a_sentence() {
    let calendar = calendar();
    let now = at("2026-11-26T10:00:00Z");
    let planned = |id: &str| Some(WindowId::new(id));
    for (begin, words) in [
        (Begin::default(), "say for how long"),
        (Begin { lasts: Some(Duration::ZERO), ..Begin::default() }, "at most 31 days"),
        (Begin { lasts: Some(hours(32 * 24)), ..Begin::default() }, "at most 31 days"),
        (Begin { lasts: Some(hours(1)), text: "a\nb".to_owned(), ..Begin::default() }, "one line"),
        (Begin { lasts: Some(hours(1)), text: "x".repeat(301), ..Begin::default() }, "300 characters"),
        (
            Begin { id: planned("weekly"), ..Begin::default() },
            "there is no window weekly in the configuration",
        ),
        (
            Begin {
                id: planned("nightly"),
                scope: Scope { channels: vec![ChannelId::new("a")], ..Scope::default() },
                ..Begin::default()
            },
            "leave them out",
        ),
    ] {
        let refused = calendar.begin(begin.clone(), now).unwrap_err().to_string();
        assert!(refused.contains(words), "{begin:?}: {refused}");
    }
    let past = Begin { id: planned("move"), ..Begin::default() };
    let over = calendar.begin(past, at("2026-12-01T00:00:00Z")).unwrap_err();
    assert!(over.to_string().contains("move is over; say for how long"), "{over}");
    let id = WindowId::new("nightly");
    let long = calendar.extend(&id, hours(31 * 24), at("2026-11-29T02:10:00Z")).unwrap_err();
    assert!(long.to_string().contains("at most 31 days"), "{long}");
}
