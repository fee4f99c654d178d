//! Every kind of hours, in three time zones, held against a clock on the wall.

use super::*;

fn hours(text: &str, holidays: &[&str]) -> Hours {
    let written = read(text).unwrap_or_else(|wrong| panic!("{text}: {}", wrong.message));
    let zone = TimeZone::get(&written.zone.map_or("UTC".to_owned(), |zone| zone.text)).unwrap();
    let holidays = holidays.iter().map(|date| date.parse().unwrap()).collect();
    Hours::new(written.spans, Arc::new(holidays), zone)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Hours, holidays, then moments with whether it is open.
type Case = (&'static str, &'static [&'static str], &'static [(&'static str, bool)]);

const CASES: &[Case] = &[
    (
        "Mon-Fri 08:00-20:00, Sat 10:00-16:00 Europe/Berlin",
        &["2026-12-25"],
        &[
            ("2026-11-26T06:59:59.999Z", false), // Thursday, 07:59:59
            ("2026-11-26T07:00:00Z", true),
            ("2026-11-26T18:59:59.999Z", true),
            ("2026-11-26T19:00:00Z", false),
            ("2026-11-28T08:59:59Z", false), // Saturday
            ("2026-11-28T09:00:00Z", true),
            ("2026-11-28T15:00:00Z", false),
            ("2026-11-29T12:00:00Z", false), // Sunday
            ("2026-07-01T06:00:00Z", true),  // In summer an hour earlier.
            ("2026-07-01T05:59:59Z", false),
            ("2026-12-25T12:00:00Z", false), // A Friday.
            ("2026-12-28T12:00:00Z", true),
        ],
    ),
    (
        "Fri 22:00-02:00, Sat-Sun 22:00-24:00 UTC",
        &["2026-12-26", "2027-01-01"],
        &[
            ("2026-11-27T21:59:59Z", false),
            ("2026-11-27T22:00:00Z", true),
            ("2026-11-28T00:00:00Z", true),
            ("2026-11-28T01:59:59Z", true),
            ("2026-11-28T02:00:00Z", false),
            ("2026-11-28T23:59:59Z", true),
            ("2026-11-29T00:00:00Z", false),
            ("2026-12-26T01:00:00Z", true), // What began on Friday ends as ever.
            ("2026-12-26T23:00:00Z", false),
            ("2027-01-01T23:00:00Z", false), // What begins on a holiday does not take place,
            ("2027-01-02T01:00:00Z", false), // nor its end on the next day.
            ("2027-01-02T23:00:00Z", true),
        ],
    ),
    (
        "daily 00:00-24:00 America/New_York",
        &["2026-11-26"],
        &[
            ("2026-11-26T04:59:59Z", true),
            ("2026-11-26T05:00:00Z", false),
            ("2026-11-27T04:59:59Z", false),
            ("2026-11-27T05:00:00Z", true),
        ],
    ),
    (
        // The clocks of Berlin are put forward on 2026-03-29 at 01:00Z, and back on 2026-10-25 at 01:00Z.
        "Sun 02:30-06:00, Sat 22:00-02:30 Europe/Berlin",
        &[],
        &[
            ("2026-03-28T21:00:00Z", true),
            ("2026-03-29T00:59:59Z", true), // 01:59:59, and the next second shows 03:00:00: one ends as the other begins.
            ("2026-03-29T01:00:00Z", true),
            ("2026-03-29T04:00:00Z", false),
            ("2026-10-25T00:30:00Z", true), // 02:30 for the first time
            ("2026-10-25T01:15:00Z", true), // 02:15 for the second time
            ("2026-10-25T05:00:00Z", false),
        ],
    ),
    (
        "Sun 02:10-02:50 Europe/Berlin",
        &[],
        &[
            ("2026-03-29T00:30:00Z", false),
            ("2026-03-29T01:00:00Z", false), // The hour does not take place.
            ("2026-03-29T01:30:00Z", false),
            ("2026-10-25T00:09:59Z", false),
            ("2026-10-25T00:10:00Z", true), // From the first 02:10
            ("2026-10-25T01:09:59Z", true),
            ("2026-10-25T01:49:59Z", true), // to the last 02:50.
            ("2026-10-25T01:50:00Z", false),
            ("2026-11-01T01:10:00Z", true),
        ],
    ),
    (
        // The clocks of New York are put forward on 2026-03-08 at 07:00Z, and back on 2026-11-01 at 06:00Z.
        "Sat 20:00-01:30, Sun 09:00-17:00 America/New_York",
        &[],
        &[
            ("2026-03-08T06:29:59Z", true),
            ("2026-03-08T06:30:00Z", false),
            ("2026-03-08T12:59:59Z", false),
            ("2026-03-08T13:00:00Z", true),
            ("2026-03-08T21:00:00Z", false),
            ("2026-11-01T05:29:59Z", true),
            ("2026-11-01T06:29:59Z", true), // 01:29:59 for the second time
            ("2026-11-01T06:30:00Z", false),
            ("2026-11-01T14:00:00Z", true),
            ("2026-11-01T22:00:00Z", false),
        ],
    ),
    (
        "Mon,Wed 08:00-12:00 13:00-17:00 Thursday 09:00-9:30",
        &[],
        &[
            ("2026-11-23T08:00:00Z", true),
            ("2026-11-23T12:30:00Z", false),
            ("2026-11-25T16:59:00Z", true),
            ("2026-11-24T10:00:00Z", false),
            ("2026-11-26T09:29:00Z", true),
        ],
    ),
    ("Fri-Mon 10:00-11:00", &[], &[("2026-11-29T10:30:00Z", true), ("2026-11-24T10:30:00Z", false)]),
];

#[test]
fn it_is_open_when_the_clock_on_the_wall_says_so() {
    for (text, holidays, moments) in CASES {
        let hours = hours(text, holidays);
        for (moment, open) in *moments {
            assert_eq!(hours.is_open(at(moment)), *open, "{text} at {moment}");
        }
    }
}

/// Around a new year, and around each change of the clocks.
const STRETCHES: [(&str, i64); 6] = [
    ("2026-03-06T00:00:00Z", 4),
    ("2026-03-27T00:00:00Z", 4),
    ("2026-10-23T00:00:00Z", 4),
    ("2026-10-30T00:00:00Z", 4),
    ("2026-11-25T00:00:00Z", 5),
    ("2026-12-24T00:00:00Z", 10),
];

#[test]
fn walking_minute_by_minute_agrees_with_the_next_change() {
    let mut changes = 0;
    for (text, holidays, _) in CASES {
        let hours = hours(text, holidays);
        for (begin, days) in STRETCHES {
            let mut now = at(begin);
            let mut is_open = hours.is_open(now);
            let mut announced = hours.next_change(now);
            for _ in 0..days * 24 * 60 {
                let next = now + 1.minute();
                let will_be = hours.is_open(next);
                assert_eq!(will_be != is_open, announced == Some(next), "{text} at {next}: {announced:?}");
                if will_be != is_open {
                    announced = hours.next_change(next);
                    changes += 1;
                }
                (now, is_open) = (next, will_be);
            }
        }
    }
    assert!(changes > 200, "{changes}");
}

#[test]
fn what_is_always_open_changes_only_for_a_holiday() {
    let now = at("2026-11-26T12:00:00Z");
    assert_eq!(hours("daily 00:00-24:00", &[]).next_change(now), None);
    assert_eq!(hours("daily 00:00-24:00", &["2026-01-01"]).next_change(now), None);
    let closed = hours("daily 00:00-24:00", &["2027-12-25"]);
    assert_eq!(closed.next_change(now), Some(at("2027-12-25T00:00:00Z")));
    assert_eq!(closed.next_change(at("2027-12-25T00:00:00Z")), Some(at("2027-12-26T00:00:00Z")));
}

#[test]
fn what_cannot_be_read_is_said_at_its_place() {
    for (text, word, message) in [
        ("", "", "no hours are given"),
        ("Europe/Berlin", "Europe/Berlin", "no hours are given"),
        ("Mon-Fri 8:00-25:00", "25:00", "\"25:00\" is not a time of day"),
        ("Mon-Fri 08:00-20:60", "20:60", "\"20:60\" is not a time of day"),
        ("Mon-Fri 08-20", "08", "\"08\" is not a time of day"),
        ("Mon-Fri 08:00", "08:00", "08:00 has a beginning and no end"),
        ("Mon-Fri 08:00-08:00", "08:00-08:00", "08:00-08:00 lasts no time"),
        ("Mon-Fri 24:00-08:00", "24:00-08:00", "24:00-08:00 lasts no time"),
        ("08:00-20:00", "08:00-20:00", "a time without a day"),
        ("Mon-Fri 08:00-20:00, Sat", "Sat", "there are no times for Sat"),
        ("Mo-Fr 08:00-20:00", "Mo-Fr", "\"Mo-Fr\" is neither a day nor a time nor a time zone"),
        ("Mon 08:00-20:00 UTC, Tue 08:00-20:00", "Tue", "nothing can follow the time zone UTC"),
        ("Mon 08:00-20:00, Tües 1:00-2:00", "Tües", "\"Tües\" is neither a day nor a time nor a time zone"),
    ] {
        let wrong = read(text).unwrap_err();
        assert_eq!((&text[wrong.span.clone()], wrong.message.as_str()), (word, message), "{text}");
        assert!(!wrong.help.is_empty());
    }
}
