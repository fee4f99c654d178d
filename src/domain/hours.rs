//! The published hours of a channel: on which days and from when to when customers are served, as a clock on the wall
//! of the support centre shows it. Outside of them a channel is closed on purpose.
//!
//! A span opens when that clock shows its beginning for the first time and closes when it shows its end for the last
//! time. Where the clock is put forward over an edge, the edge is the moment at which that happens; so a span that lies
//! within the hour that is left out does not take place. A span belongs to the day on which it begins: one that lasts
//! past midnight ends on the next day, also where that is a holiday.
//!
//! This module never asks the time, nor for a time zone: both are arguments.

mod text;

use std::{collections::BTreeSet, sync::Arc};

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, DateTime, Time, Weekday},
    tz::{AmbiguousOffset, TimeZone},
};

pub use self::text::{Misread, Word, Written, read, read_daily};

/// So many days are looked ahead for the next change, beyond the last holiday: a span that takes place every week does so
/// within them, even if one of them is lost in the night in which the clocks are put forward.
const DAYS_AHEAD: i32 = 16;
/// Whatever the holidays, so many days are looked ahead at most.
const DAYS_AHEAD_MAX: i32 = 800;
/// Minutes of a day.
pub const DAY: u16 = 24 * 60;

/// From when to when customers are served on a day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeeklySpan {
    /// The day on which it begins.
    pub day: Weekday,
    /// Minutes after midnight, less than a day.
    pub from: u16,
    /// Minutes after the same midnight, later than `from`, by a day at most.
    pub until: u16,
}

/// Whether these spans leave out no minute of the week.
#[must_use]
pub fn fill_the_week(spans: &[WeeklySpan]) -> bool {
    let week = 7 * usize::from(DAY);
    let mut open = vec![false; week];
    for span in spans {
        let midnight = usize::from(span.day.to_monday_zero_offset().unsigned_abs()) * usize::from(DAY);
        for minute in span.from..span.until {
            open[(midnight + usize::from(minute)) % week] = true;
        }
    }
    open.into_iter().all(|open| open)
}

/// When a channel is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    spans: Vec<WeeklySpan>,
    holidays: Arc<BTreeSet<Date>>,
    zone: TimeZone,
}

impl Hours {
    /// Hours in a time zone. On a holiday no span begins.
    #[must_use]
    pub fn new(spans: Vec<WeeklySpan>, holidays: Arc<BTreeSet<Date>>, zone: TimeZone) -> Self {
        Self { spans, holidays, zone }
    }

    /// Whether customers are served at a moment.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let today = at.to_zoned(self.zone.clone()).date();
        // A span may have begun the day before; where the clocks are put back at midnight, two days before.
        let days = (-2..=1).filter_map(|offset| today.checked_add(offset.days()).ok());
        days.flat_map(|day| self.openings(day)).any(|(from, until)| from <= at && at < until)
    }

    /// The first moment after `at` from which it is the other way round; none if that is not within a few weeks after
    /// the last holiday.
    #[must_use]
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        let is_open = self.is_open(at);
        let today = at.to_zoned(self.zone.clone()).date();
        let to_last_holiday = self.holidays.last().map_or(0, |last| (*last - today).get_days().max(0));
        let days = to_last_holiday.saturating_add(DAYS_AHEAD).min(DAYS_AHEAD_MAX);
        let mut edges: BTreeSet<Timestamp> = BTreeSet::new();
        for offset in -2..=days {
            let Ok(day) = today.checked_add(offset.days()) else { break };
            // No edge of this day or a later one lies before its midnight.
            let midnight = self.edge(day.to_datetime(Time::midnight()), Edge::Opening);
            let known = edges.split_off(&midnight);
            let before = std::mem::replace(&mut edges, known);
            let change = before.into_iter().find(|edge| *edge > at && self.is_open(*edge) != is_open);
            if change.is_some() {
                return change;
            }
            edges.extend(self.openings(day).flat_map(|(from, until)| [from, until]));
        }
        None
    }

    /// From which to which moment it is open by the spans that begin on a day.
    fn openings(&self, day: Date) -> impl Iterator<Item = (Timestamp, Timestamp)> {
        let is_holiday = self.holidays.contains(&day);
        let spans = self.spans.iter().filter(move |span| span.day == day.weekday() && !is_holiday);
        spans.map(move |span| {
            let shown = |minutes: u16| {
                let midnight = day.to_datetime(Time::midnight());
                midnight.checked_add(i64::from(minutes).minutes()).unwrap_or(DateTime::MAX)
            };
            (self.edge(shown(span.from), Edge::Opening), self.edge(shown(span.until), Edge::Closing))
        })
    }

    /// The moment at which the clock on the wall comes to show a time.
    fn edge(&self, shown: DateTime, edge: Edge) -> Timestamp {
        let ambiguous = self.zone.to_ambiguous_timestamp(shown);
        let moment = match (ambiguous.offset(), edge) {
            (AmbiguousOffset::Unambiguous { offset }, _)
            | (AmbiguousOffset::Fold { before: offset, .. }, Edge::Opening)
            | (AmbiguousOffset::Fold { after: offset, .. }, Edge::Closing) => offset.to_timestamp(shown),
            // It is never shown. By the offset from before, the moment comes after the change.
            (AmbiguousOffset::Gap { before, .. }, _) => before.to_timestamp(shown).map(|beyond| {
                let changes = self.zone.preceding(beyond.saturating_add(1.nanosecond()).unwrap_or(beyond));
                changes.map(|change| change.timestamp()).next().unwrap_or(beyond)
            }),
        };
        moment.unwrap_or(if edge == Edge::Opening { Timestamp::MIN } else { Timestamp::MAX })
    }
}

/// Which end of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Opening,
    Closing,
}

#[cfg(test)]
mod tests;
