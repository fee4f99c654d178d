//! When reports are due that come by mail.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, Zoned, civil::Weekday, tz::TimeZone};

/// How often a report comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Every {
    /// Every Monday, on the week before.
    Week,
    /// On the first of the month, on the month before.
    Month,
}

/// The hour of the day at which it comes: when people come to work.
const AT_HOUR: i8 = 7;

/// A time that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end, without this moment itself.
    pub until: Timestamp,
    /// When its report is due.
    pub due_at: Timestamp,
}

impl Every {
    /// The word in the id of a report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The last week or month whose report is due.
    #[must_use]
    pub fn last(self, now: Timestamp, time_zone: &TimeZone) -> Period {
        let this = self.beginning(&now.to_zoned(time_zone.clone()));
        let period = self.ended_by(&this);
        if period.due_at <= now { period } else { self.ended_by(&self.before(&this)) }
    }

    /// When the next report is due after a moment.
    #[must_use]
    pub fn next(self, now: Timestamp, time_zone: &TimeZone) -> Timestamp {
        let this = self.beginning(&now.to_zoned(time_zone.clone()));
        let due_at = self.ended_by(&this).due_at;
        if due_at > now { due_at } else { self.ended_by(&self.after(&this)).due_at }
    }

    fn ended_by(self, until: &Zoned) -> Period {
        let due_at = until.with().hour(AT_HOUR).build().unwrap_or_else(|_| until.clone());
        Period { from: self.before(until).timestamp(), until: until.timestamp(), due_at: due_at.timestamp() }
    }

    /// The beginning of the week or month in which something is.
    fn beginning(self, at: &Zoned) -> Zoned {
        let date = match self {
            Self::Week => at.date().saturating_sub(i64::from(at.weekday().since(Weekday::Monday)).days()),
            Self::Month => at.date().first_of_month(),
        };
        self.midnight(at, date)
    }

    fn before(self, beginning: &Zoned) -> Zoned {
        let date = match self {
            Self::Week => beginning.date().saturating_sub(7.days()),
            Self::Month => beginning.date().saturating_sub(1.month()),
        };
        self.midnight(beginning, date)
    }

    fn after(self, beginning: &Zoned) -> Zoned {
        let date = match self {
            Self::Week => beginning.date().saturating_add(7.days()),
            Self::Month => beginning.date().saturating_add(1.month()),
        };
        self.midnight(beginning, date)
    }

    /// The first moment of a date; at the ends of time the moment itself.
    fn midnight(self, at: &Zoned, date: jiff::civil::Date) -> Zoned {
        date.to_zoned(at.time_zone().clone()).unwrap_or_else(|_| at.clone())
    }
}

/// A report that is late by more than this is not sent any more.
pub const LATE_MAX: Duration = Duration::from_secs(3 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn told(every: Every, now: &str, zone: &str) -> [String; 4] {
        let zone = TimeZone::get(zone).unwrap();
        let now: Timestamp = now.parse().unwrap();
        let Period { from, until, due_at } = every.last(now, &zone);
        [from, until, due_at, every.next(now, &zone)].map(|at| at.to_string())
    }

    #[test]
    fn a_report_is_due_at_seven_on_monday_or_on_the_first() {
        for (every, now, expected) in [
            (
                Every::Week,
                "2026-11-26T12:00:00Z",
                [
                    "2026-11-15T23:00:00Z",
                    "2026-11-22T23:00:00Z",
                    "2026-11-23T06:00:00Z",
                    "2026-11-30T06:00:00Z",
                ],
            ),
            (
                Every::Week,
                "2026-11-23T05:59:59Z",
                [
                    "2026-11-08T23:00:00Z",
                    "2026-11-15T23:00:00Z",
                    "2026-11-16T06:00:00Z",
                    "2026-11-23T06:00:00Z",
                ],
            ),
            // The week in which the clocks go back has an hour more.
            (
                Every::Week,
                "2026-10-26T06:00:00Z",
                [
                    "2026-10-18T22:00:00Z",
                    "2026-10-25T23:00:00Z",
                    "2026-10-26T06:00:00Z",
                    "2026-11-02T06:00:00Z",
                ],
            ),
            (
                Every::Month,
                "2026-11-26T12:00:00Z",
                [
                    "2026-09-30T22:00:00Z",
                    "2026-10-31T23:00:00Z",
                    "2026-11-01T06:00:00Z",
                    "2026-12-01T06:00:00Z",
                ],
            ),
            (
                Every::Month,
                "2027-01-01T05:59:59Z",
                [
                    "2026-10-31T23:00:00Z",
                    "2026-11-30T23:00:00Z",
                    "2026-12-01T06:00:00Z",
                    "2027-01-01T06:00:00Z",
                ],
            ),
        ] {
            assert_eq!(told(every, now, "Europe/Berlin"), expected, "{every:?} at {now}");
        }
    }

    #[test]
    fn one_report_follows_another_without_a_gap_in_any_zone() {
        for zone in ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "UTC"] {
            let zone = TimeZone::get(zone).unwrap();
            for every in [Every::Week, Every::Month] {
                let mut now: Timestamp = "2010-12-01T00:00:00Z".parse().unwrap();
                let mut last = every.last(now, &zone);
                for _ in 0..150 {
                    now = every.next(now, &zone);
                    let period = every.last(now, &zone);
                    assert_eq!((period.from, period.due_at), (last.until, now), "{zone:?}");
                    last = period;
                }
            }
        }
    }
}
