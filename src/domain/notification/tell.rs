//! How moments and spans of time are told to a person: in the time zone of the plan, short, and never ambiguous.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// The time of day without its zone: `03:04:12`.
pub(crate) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string()
}

/// The time of day without its zone, and the day, to stand in a sentence: `03:04:12, Sat 21 Nov,`.
pub(super) fn clock_and_day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M:%S, %a %-d %b,").to_string()
}

/// The time of day with its zone, and the day where it is another one than that of `now`:
/// `03:04:12 Europe/Berlin`.
pub(crate) fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let there = at.to_zoned(zone.clone());
    let day = if there.date() == now.to_zoned(zone.clone()).date() { "" } else { ", %a %-d %b" };
    format!("{} {}{}", clock(at, zone), zone_name(at, zone), there.strftime(day))
}

/// Everything about a moment: `03:04:12 Europe/Berlin (02:04:12 UTC), Sat 21 Nov`.
pub(crate) fn fully(at: Timestamp, zone: &TimeZone) -> String {
    let day = at.to_zoned(zone.clone()).strftime("%a %-d %b").to_string();
    let name = zone_name(at, zone);
    if name == "UTC" {
        return format!("{} UTC, {day}", clock(at, zone));
    }
    format!("{} {name} ({} UTC), {day}", clock(at, zone), clock(at, &TimeZone::UTC))
}

/// The zone's name, or its offset where it has none.
pub(crate) fn zone_name(at: Timestamp, zone: &TimeZone) -> String {
    match zone.iana_name() {
        Some("Etc/UTC" | "Etc/Unknown") => "UTC".to_owned(),
        Some(name) => name.to_owned(),
        None if *zone == TimeZone::UTC => "UTC".to_owned(),
        None => at.to_zoned(zone.clone()).strftime("%:z").to_string(),
    }
}

/// A span between two moments of the day; zero where the clock was set back in between.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// How long something lasted: `45 s`, `12 min`, `2 h 5 min`, `3 d 4 h`.
pub(crate) fn span(span: Duration) -> String {
    let secs = span.as_secs();
    let two = |big: u64, big_unit: &str, small: u64, small_unit: &str| {
        if small == 0 {
            format!("{big} {big_unit}")
        } else {
            format!("{big} {big_unit} {small} {small_unit}")
        }
    };
    match secs {
        0..60 => format!("{secs} s"),
        60..600 => two(secs / 60, "min", secs % 60, "s"),
        600..3_600 => format!("{} min", secs / 60),
        3_600..86_400 => two(secs / 3_600, "h", secs % 3_600 / 60, "min"),
        _ => two(secs / 86_400, "d", secs % 86_400 / 3_600, "h"),
    }
}

/// How long a run or a part of it took: `0.4 ms`, `212 ms`, `9.9 s`, `2 min 5 s`.
pub(crate) fn took(span_of_run: Duration) -> String {
    let micros = span_of_run.as_micros();
    match micros {
        0 => "0 ms".to_owned(),
        1..950 => format!("{:.1} ms", span_of_run.as_secs_f64() * 1e3),
        950..999_500 => format!("{:.0} ms", span_of_run.as_secs_f64() * 1e3),
        999_500..59_950_000 => format!("{:.1} s", span_of_run.as_secs_f64()),
        _ => span(Duration::from_secs(span_of_run.as_secs_f64().round() as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_at_most_two_units() {
        let told = |secs| span(Duration::from_secs(secs));
        assert_eq!(told(0), "0 s");
        assert_eq!(told(59), "59 s");
        assert_eq!(told(60), "1 min");
        assert_eq!(told(125), "2 min 5 s");
        assert_eq!(told(725), "12 min");
        assert_eq!(told(7_500), "2 h 5 min");
        assert_eq!(told(86_400), "1 d");
        assert_eq!(told(273_600), "3 d 4 h");
    }

    #[test]
    fn runs_are_told_as_precisely_as_they_are_long() {
        let told = |micros| took(Duration::from_micros(micros));
        assert_eq!(told(0), "0 ms");
        assert_eq!(told(420), "0.4 ms");
        assert_eq!(told(949), "0.9 ms");
        assert_eq!(told(950), "1 ms");
        assert_eq!(told(211_600), "212 ms");
        assert_eq!(told(999_400), "999 ms");
        assert_eq!(told(999_500), "1.0 s");
        assert_eq!(told(9_940_000), "9.9 s");
        assert_eq!(told(59_940_000), "59.9 s");
        assert_eq!(told(59_950_000), "1 min");
        assert_eq!(told(125_000_000), "2 min 5 s");
    }

    #[test]
    fn moments_name_their_zone_and_the_day_where_it_is_another() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at: Timestamp = "2026-11-21T02:04:12Z".parse().unwrap();
        let next_day: Timestamp = "2026-11-21T23:30:00Z".parse().unwrap();
        assert_eq!(moment(at, at, &berlin), "03:04:12 Europe/Berlin");
        assert_eq!(moment(at, next_day, &berlin), "03:04:12 Europe/Berlin, Sat 21 Nov");
        assert_eq!(fully(at, &berlin), "03:04:12 Europe/Berlin (02:04:12 UTC), Sat 21 Nov");
        assert_eq!(fully(at, &TimeZone::UTC), "02:04:12 UTC, Sat 21 Nov");
        let fixed = TimeZone::fixed(jiff::tz::offset(-3));
        assert_eq!(fully(at, &fixed), "23:04:12 -03:00 (02:04:12 UTC), Fri 20 Nov");
    }

    #[test]
    fn a_clock_that_was_set_back_gives_no_negative_span() {
        let at: Timestamp = "2026-11-21T02:04:12Z".parse().unwrap();
        assert_eq!(between(at, at - Duration::from_secs(5)), Duration::ZERO);
        assert_eq!(between(at - Duration::from_secs(5), at), Duration::from_secs(5));
    }
}
