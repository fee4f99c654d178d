//! The past of channels as pages show it.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{StoreError, explain::Archive, hours::Hours};
use crate::domain::{
    channel::ChannelId,
    chronicle::{self, Chronicle, HOURS, Hour, ProbeChronicle},
    ledger::{Timeline, Watch},
};

/// Reads the past of one channel after the other, as of one moment.
#[derive(Debug)]
pub struct Chronicler<'a> {
    archive: &'a Archive,
    hours: Hours<'a>,
    watches: Vec<Watch>,
    now: Timestamp,
    time_zone: TimeZone,
}

impl Archive {
    /// The past of channels at a moment, in days of a time zone.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn chronicler(&self, now: Timestamp, time_zone: TimeZone) -> Result<Chronicler<'_>, StoreError> {
        let watches = self.watches(chronicle::first_day_begins(now, &time_zone))?;
        Ok(Chronicler { archive: self, hours: self.hours()?, watches, now, time_zone })
    }
}

impl Chronicler<'_> {
    /// How many runs and hours of runs could not be read so far and were left out.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.hours.unreadable()
    }

    /// The past of a channel.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(&self, channel: &ChannelId) -> Result<Chronicle, StoreError> {
        let (now, time_zone) = (self.now, &self.time_zone);
        let turns = self.archive.turns(channel, chronicle::first_day_begins(now, time_zone), now)?;
        let timeline = Timeline::new(&turns, &self.watches, now);
        let from = now.saturating_sub(SignedDuration::from_hours(HOURS)).unwrap_or(Timestamp::MIN);
        let mut probes: Vec<ProbeChronicle> = Vec::new();
        for hour in self.hours.of(channel, from, now)? {
            let shown = Hour::of(hour.at, &hour.tally);
            match probes.last_mut() {
                Some(probe) if probe.name == hour.probe => probe.hours.push(shown),
                _ => probes.push(ProbeChronicle { name: hour.probe, hours: vec![shown] }),
            }
        }
        Ok(Chronicle {
            days: chronicle::days(&timeline, now, time_zone),
            outages: chronicle::outages(&timeline),
            probes,
        })
    }
}
