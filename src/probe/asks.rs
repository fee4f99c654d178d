//! How often a probe has asked for a person today, and whether it may again. People are no test equipment: each time
//! costs one of them the time that a customer waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// How often people are asked for on one day where nothing else is said: once an hour.
pub const PER_DAY: u32 = 24;

/// How often a probe asks for people on one day, in UTC, at most.
#[derive(Debug)]
pub struct Asks {
    most: u32,
    tally: Mutex<Tally>,
}

/// How often a probe has asked today. It outlives the configuration of the probe: runs of the old one may still be under
/// way when those of the new one begin.
#[derive(Clone, Debug)]
pub struct Tally(Arc<Mutex<Made>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Made {
    day: Date,
    count: u32,
}

impl Asks {
    /// None made yet of so many a day.
    #[must_use]
    pub fn new(most: u32) -> Self {
        let none = Tally(Arc::new(Mutex::new(Made { day: Date::MIN, count: 0 })));
        Self { most, tally: Mutex::new(none) }
    }

    /// So many a day.
    #[must_use]
    pub fn most(&self) -> u32 {
        self.most
    }

    /// Takes one of today's, if there is one left.
    #[must_use]
    pub fn take(&self, now: Timestamp) -> bool {
        let tally = self.tally();
        let mut made = tally.of_day(now);
        let may = made.count < self.most;
        made.count += u32::from(may);
        may
    }

    /// Says that so many have been made today already, by a process that ran before.
    pub fn recall(&self, count: u32, now: Timestamp) {
        self.tally().of_day(now).count += count;
    }

    /// What has been counted, and goes on being counted.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts together with the same probe as it was configured before.
    pub fn share(&self, tally: &Tally) {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner) = tally.clone();
    }
}

impl Tally {
    fn of_day(&self, now: Timestamp) -> MutexGuard<'_, Made> {
        let day = day_of(now);
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if made.day != day {
            *made = Made { day, count: 0 };
        }
        made
    }
}

/// When the day of a moment began.
#[must_use]
pub fn day_begin(now: Timestamp) -> Timestamp {
    let midnight = day_of(now).to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
    midnight.unwrap_or(Timestamp::MIN)
}

fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn people_are_asked_so_often_a_day_and_no_more() {
        let asks = Asks::new(2);
        let taken: Vec<bool> = [
            "2026-01-31T09:00:00Z",
            "2026-01-31T10:00:00Z",
            "2026-01-31T11:00:00Z",
            "2026-01-31T23:59:59Z",
            "2026-02-01T00:00:00Z",
        ]
        .map(|now| asks.take(at(now)))
        .into();
        assert_eq!(taken, [true, true, false, false, true]);
    }

    #[test]
    fn what_was_asked_before_a_restart_or_a_reload_counts() {
        let now = at("2026-01-31T09:00:00Z");
        let asks = Asks::new(4);
        asks.recall(2, now);
        assert!(asks.take(now));
        let changed = Asks::new(5);
        changed.share(&asks.tally());
        // A run from before the reload asks only now.
        assert!(asks.take(now));
        assert!(changed.take(now));
        assert!(!changed.take(now));
    }
}
