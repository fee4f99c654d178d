//! What pages show of a channel's past: how each of the last days went, and how fast its probes were by the hour.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::domain::{
    channel::ProbeName,
    hourly::Tally,
    incident::Severity,
    ledger::{Condition, Spans, Timeline},
};

/// So many days are shown, today among them.
pub const DAYS: i64 = 90;

/// So many hours are shown, the one under way among them.
pub const HOURS: i64 = 48;

/// The past of one channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chronicle {
    /// The last [`DAYS`] days, oldest first.
    pub days: Vec<Day>,
    /// Its outages in those days, oldest first.
    pub outages: Vec<Outage>,
    /// Its probes in the order of their names.
    pub probes: Vec<ProbeChronicle>,
}

/// A time in which a channel did not work as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// From.
    pub from: Timestamp,
    /// How it ended; none while it lasts.
    pub end: Option<OutageEnd>,
    /// The worst it was.
    pub severity: Severity,
    /// Since when it was that.
    pub worst_from: Timestamp,
}

/// How an outage ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutageEnd {
    /// When.
    pub at: Timestamp,
    /// What the channel was then. Only one that is up is known to work again.
    pub into: Condition,
}

impl Outage {
    /// When anything about it changed last.
    #[must_use]
    pub fn changed_at(&self) -> Timestamp {
        self.end.map_or(self.worst_from, |end| end.at)
    }
}

/// A day of the time zone in which people live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// Which.
    pub date: Date,
    /// How long the channel was what on it.
    pub spans: Spans,
}

/// The hours of one probe.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeChronicle {
    /// The probe.
    pub name: ProbeName,
    /// The last [`HOURS`] hours, oldest first; those without a run are left out.
    pub hours: Vec<Hour>,
}

/// What a probe saw in an hour. Spans are serialised in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hour {
    /// When it began.
    pub at: Timestamp,
    /// Half of the runs were at most this long; none where none was measured.
    pub p50: Option<Duration>,
    /// 95 of 100.
    pub p95: Option<Duration>,
    /// 99 of 100.
    pub p99: Option<Duration>,
    /// Which part of the runs ran out of time, 0 to 1; none where none could look.
    pub timeout_ratio: Option<f64>,
    /// Which part of the runs failed, 0 to 1.
    pub failure_ratio: Option<f64>,
}

impl Hour {
    /// What a tally says.
    #[must_use]
    pub fn of(at: Timestamp, tally: &Tally) -> Self {
        Self {
            at,
            p50: tally.latency.quantile(0.5),
            p95: tally.latency.quantile(0.95),
            p99: tally.latency.quantile(0.99),
            timeout_ratio: tally.timeout_ratio(),
            failure_ratio: tally.failure_ratio(),
        }
    }
}

/// The outages of a channel. One during which nobody watches goes on until something else is seen, and is over then where it
/// was last seen.
#[must_use]
pub fn outages(timeline: &Timeline) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    let mut last_seen = None;
    for stretch in timeline.stretches() {
        let severity = match stretch.condition {
            Condition::Dark => Severity::Dark,
            Condition::Degraded => Severity::Degraded,
            Condition::Unknown => continue,
            into => {
                if let (Some(at), Some(last)) = (last_seen.take(), outages.last_mut()) {
                    last.end = Some(OutageEnd { at, into });
                }
                continue;
            }
        };
        match outages.last_mut().filter(|_| last_seen.is_some()) {
            Some(last) if last.severity < severity => {
                *last = Outage { severity, worst_from: stretch.from, ..*last };
            }
            Some(_) => {}
            None => {
                let from = stretch.from;
                outages.push(Outage { from, end: None, severity, worst_from: from });
            }
        }
        last_seen = Some(stretch.until);
    }
    outages
}

/// When the first of the days that are shown begins.
#[must_use]
pub fn first_day_begins(now: Timestamp, time_zone: &TimeZone) -> Timestamp {
    let first = date_of(now, time_zone).saturating_sub((DAYS - 1).days());
    beginning(first, time_zone)
}

/// How each of the last days went, by what is known of the channel since the first of them.
#[must_use]
pub fn days(timeline: &Timeline, now: Timestamp, time_zone: &TimeZone) -> Vec<Day> {
    let today = date_of(now, time_zone);
    (0..DAYS)
        .rev()
        .map(|back| {
            let date = today.saturating_sub(back.days());
            let next = date.saturating_add(1.day());
            let spans = timeline.within(beginning(date, time_zone), beginning(next, time_zone));
            Day { date, spans }
        })
        .collect()
}

fn date_of(at: Timestamp, time_zone: &TimeZone) -> Date {
    at.to_zoned(time_zone.clone()).date()
}

/// A day begins later than at midnight where the clocks jump over it.
fn beginning(date: Date, time_zone: &TimeZone) -> Timestamp {
    time_zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible().unwrap_or(Timestamp::MAX)
}

/// Which part of the time that counts in all these days a channel worked, 0 to 1; none where none counts. A day of which little
/// counts weighs little.
#[must_use]
pub fn availability(days: &[Day]) -> Option<f64> {
    let mut spans = Spans::default();
    days.iter().for_each(|day| spans.add(&day.spans));
    spans.availability()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        channel::ChannelId,
        ledger::{Condition, Turn, Watch},
    };

    #[test]
    fn days_are_those_of_the_time_zone_also_when_the_clocks_change() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let from = first_day_begins(now, &zone);
        assert_eq!(from.to_string(), "2026-08-28T22:00:00Z");
        let turn = Turn { channel: ChannelId::new("chat"), at: from, to: Condition::Up };
        let timeline = Timeline::new(&[turn], &[Watch { from, until: now }], now);
        let days = days(&timeline, now, &zone);
        assert_eq!(days.len(), 90);
        assert_eq!(
            (days[0].date.to_string(), days[89].date.to_string()),
            ("2026-08-29".into(), "2026-11-26".into())
        );
        let hours = |date: &str| {
            days.iter().find(|day| day.date.to_string() == date).unwrap().spans.up.as_secs() / 3600
        };
        assert_eq!((hours("2026-08-29"), hours("2026-10-25"), hours("2026-11-26")), (24, 25, 13));
    }

    #[test]
    fn an_outage_is_one_also_if_it_gets_worse_or_nobody_watches_for_a_while_and_is_over_where_it_was_last_seen()
     {
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        let turn = |minute, to| Turn { channel: ChannelId::new("chat"), at: at(minute), to };
        let turns = [
            turn(0, Condition::Up),
            turn(10, Condition::Degraded),
            turn(15, Condition::Dark),
            turn(20, Condition::Up),
            turn(30, Condition::Dark),
            turn(60, Condition::Up),
            turn(70, Condition::Dark),
            turn(85, Condition::Up),
            turn(95, Condition::Dark),
            turn(100, Condition::Maintenance),
            turn(105, Condition::Degraded),
        ];
        let watch = |from, until| Watch { from: at(from), until: at(until) };
        let watches = [watch(0, 40), watch(50, 75), watch(90, 120)];
        let outage = |from, worst_from, severity, end: Option<(i64, Condition)>| Outage {
            from: at(from),
            end: end.map(|(minute, into)| OutageEnd { at: at(minute), into }),
            severity,
            worst_from: at(worst_from),
        };
        let (dark, degraded) = (Severity::Dark, Severity::Degraded);
        assert_eq!(
            outages(&Timeline::new(&turns, &watches, at(120))),
            [
                outage(10, 15, dark, Some((20, Condition::Up))),
                outage(30, 30, dark, Some((60, Condition::Up))),
                outage(70, 70, dark, Some((75, Condition::Up))),
                outage(95, 95, dark, Some((100, Condition::Maintenance))),
                outage(105, 105, degraded, None),
            ]
        );
        let unseen = Timeline::new(&turns[..5], &watches[..1], at(45));
        assert_eq!(outages(&unseen)[1], outage(30, 30, dark, None), "nobody has seen it end");
    }

    #[test]
    fn a_day_weighs_as_much_as_its_time_that_counts() {
        let day = |date: &str, up, dark| {
            let (up, dark) = (Duration::from_secs(up), Duration::from_secs(dark));
            Day { date: date.parse().unwrap(), spans: Spans { up, dark, ..Spans::default() } }
        };
        let (unseen, whole, short) =
            (day("2026-11-24", 0, 0), day("2026-11-25", 900, 0), day("2026-11-26", 50, 50));
        assert_eq!(availability(&[unseen, whole, short]), Some(0.95));
        assert_eq!(availability(&[unseen]), None);
    }
}
