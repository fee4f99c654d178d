//! How support could be reached over a time: availability, incidents and how fast people dealt with them, how fast doors and
//! people answered, each beside the time before. Written as [`text`], [`html`], [`csv`], or as JSON, where spans are in
//! seconds and shares from 0 to 1.

pub mod csv;
pub mod html;
pub mod mail;
pub mod period;
pub mod text;
mod words;

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Serialize, Serializer};

use crate::domain::{
    channel::{ChannelId, ChannelKind, ProbeName},
    hourly::{Spread, Tally},
    incident::{IncidentId, Severity},
    ledger::{Spans, seconds},
    notification::tell::between,
    outcome::{Detail, Reason},
    slo::Slo,
};

/// A report on some channels.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whose channels they are; none where they are all.
    pub team: Option<String>,
    /// From.
    pub from: Timestamp,
    /// Until, without this moment itself.
    pub until: Timestamp,
    /// In which time it is told.
    #[serde(serialize_with = "zone")]
    pub time_zone: TimeZone,
    /// All channels together.
    pub total: Spans,
    /// All of them over the same length of time before.
    pub total_before: Spans,
    /// One by one, in the order of their ids.
    pub channels: Vec<ChannelReport>,
    /// So many more are only in the sums.
    pub left_out: usize,
    /// So many runs and hours of runs could not be read and count nowhere: the store is damaged.
    pub unreadable: usize,
}

impl Report {
    /// The same with so many channels at most: those that could be reached least.
    #[must_use]
    pub fn with_the_worst(mut self, most: usize) -> Self {
        if self.channels.len() > most {
            let availability = |channel: &ChannelReport| channel.spans.availability().unwrap_or(1.0);
            self.channels.sort_by(|one, other| availability(one).total_cmp(&availability(other)));
            self.left_out += self.channels.len() - most;
            self.channels.truncate(most);
        }
        self
    }
}

/// How one channel could be reached.
#[derive(Clone, Debug, Serialize)]
pub struct ChannelReport {
    /// Its id.
    pub id: ChannelId,
    /// Its title for people.
    pub title: Detail,
    /// What sort of door it is.
    pub kind: ChannelKind,
    /// How long it was what.
    pub spans: Spans,
    /// And over the same length of time before.
    pub before: Spans,
    /// What it may be dark, where that is configured.
    pub budget: Option<Budget>,
    /// Its incidents that were confirmed in this time, oldest first.
    pub incidents: Vec<Outage>,
    /// How many there were before.
    pub incidents_before: usize,
    /// Its probes, in the order of their names.
    pub probes: Vec<ProbeReport>,
    /// How its runs went by hour of the week.
    pub week: Week,
}

/// One incident.
#[derive(Clone, Debug, Serialize)]
pub struct Outage {
    /// Its id.
    pub id: IncidentId,
    /// The worst it was.
    pub severity: Severity,
    /// Start of the first run that failed.
    pub began_at: Timestamp,
    /// From when on customers met it: later than it began where the channel was closed then, under maintenance, or unseen.
    pub met_from: Timestamp,
    /// When it was confirmed.
    pub confirmed_at: Timestamp,
    /// When somebody took it in hand; none if nobody did, or if it joined what was in hand already.
    pub acknowledged_at: Option<Timestamp>,
    /// When it was over; none while it is not.
    pub resolved_at: Option<Timestamp>,
    /// Whether it ended since nobody looked any more, so that nobody knows when it was over.
    pub withdrawn: bool,
    /// What customers met.
    pub reason: Option<Reason>,
}

/// How long something took, over several incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// In how many of them it came to that.
    pub count: usize,
    /// Half of those took at most so long.
    pub median: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Times {
    fn of(spans: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut spans: Vec<Duration> = spans.collect();
        spans.sort();
        let (middle, last) = (spans.len().checked_sub(1)? / 2, spans.len() - 1);
        Some(Self { count: spans.len(), median: spans[middle], longest: spans[last] })
    }
}

impl ChannelReport {
    /// From when customers met it to the confirmation.
    #[must_use]
    pub fn to_detect(&self) -> Option<Times> {
        Times::of(self.incidents.iter().map(|it| between(it.met_from, it.confirmed_at)))
    }

    /// From the confirmation until somebody took it in hand.
    #[must_use]
    pub fn to_acknowledge(&self) -> Option<Times> {
        let acknowledged =
            self.incidents.iter().filter_map(|it| Some(between(it.confirmed_at, it.acknowledged_at?)));
        Times::of(acknowledged)
    }

    /// From when customers met it until it was over.
    #[must_use]
    pub fn to_restore(&self) -> Option<Times> {
        let restored = self.incidents.iter().filter(|it| !it.withdrawn);
        Times::of(restored.filter_map(|it| Some(between(it.met_from, it.resolved_at?))))
    }
}

/// What a channel may be dark, and how much of that it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Budget {
    /// What is promised.
    #[serde(skip)]
    pub slo: Slo,
    /// The share of the time that counts in which it is to work, 0 to 1.
    pub objective: f64,
    /// Over this time, which ends with the report.
    #[serde(serialize_with = "seconds")]
    pub window: Duration,
    /// So long it may be dark in it.
    #[serde(serialize_with = "seconds")]
    pub allowed: Duration,
    /// So long it was.
    #[serde(serialize_with = "seconds")]
    pub spent: Duration,
}

impl Budget {
    /// The budget of a promise, by what is known of its window.
    #[must_use]
    pub fn of(slo: Slo, spans: &Spans) -> Self {
        let allowed = spans.counted().mul_f64(slo.budget());
        Self { slo, objective: 1.0 - slo.budget(), window: slo.window, allowed, spent: spans.dark }
    }

    /// Which part of it was spent; more than 1 where it was overdrawn. None where nothing was allowed.
    #[must_use]
    pub fn spent_ratio(&self) -> Option<f64> {
        (!self.allowed.is_zero()).then(|| self.spent.as_secs_f64() / self.allowed.as_secs_f64())
    }
}

/// One probe, now and before.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// Its name.
    pub name: ProbeName,
    /// What it saw.
    pub now: Figures,
    /// What it saw over the same length of time before.
    pub before: Figures,
}

/// What a probe saw over a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Runs that could look.
    pub runs: u64,
    /// Runs that could not.
    pub inconclusive: u64,
    /// The share of runs that failed, 0 to 1.
    pub failure_ratio: Option<f64>,
    /// The share of runs that ran out of time, 0 to 1.
    pub timeout_ratio: Option<f64>,
    /// How long runs took.
    pub latency: Option<Percentiles>,
    /// How long a bot took to answer.
    pub bot: Option<Percentiles>,
    /// How long a person took to answer.
    pub person: Option<Percentiles>,
    /// How often a person was asked for.
    pub asked: u64,
    /// In which share of these that was in vain, 0 to 1.
    pub vain_ratio: Option<f64>,
    /// The most that a customer had to do until a person was reached.
    pub steps: Option<u16>,
}

/// How long something took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// So often.
    pub count: u64,
    /// Half of them took at most so long.
    #[serde(serialize_with = "seconds")]
    pub p50: Duration,
    /// 95 of 100.
    #[serde(serialize_with = "seconds")]
    pub p95: Duration,
    /// 99 of 100.
    #[serde(serialize_with = "seconds")]
    pub p99: Duration,
}

impl Percentiles {
    fn of(spread: &Spread) -> Option<Self> {
        Some(Self {
            count: spread.len(),
            p50: spread.quantile(0.5)?,
            p95: spread.quantile(0.95)?,
            p99: spread.quantile(0.99)?,
        })
    }
}

impl Figures {
    /// What a tally says.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        Self {
            runs: tally.conclusive(),
            inconclusive: tally.inconclusive,
            failure_ratio: tally.failure_ratio(),
            timeout_ratio: tally.timeout_ratio(),
            latency: Percentiles::of(&tally.latency),
            bot: tally.bot.as_ref().and_then(Percentiles::of),
            person: tally.person.as_ref().and_then(Percentiles::of),
            asked: tally.asked,
            vain_ratio: tally.vain_ratio(),
            steps: tally.steps,
        }
    }
}

/// Runs by hour of the week, Monday first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Week([[Runs; 24]; 7]);

/// Runs of one hour of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    conclusive: u64,
    failed: u64,
}

impl Runs {
    /// The share that failed, 0 to 1; none where there were none.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody runs so many probes that a share would be wrong by it"
    )]
    pub fn failure_ratio(self) -> Option<f64> {
        (self.conclusive > 0).then(|| self.failed as f64 / self.conclusive as f64)
    }
}

impl Week {
    /// Counts an hour.
    pub fn count(&mut self, at: Timestamp, time_zone: &TimeZone, tally: &Tally) {
        let there = at.to_zoned(time_zone.clone());
        let day = usize::from(there.weekday().to_monday_zero_offset().unsigned_abs());
        let runs = &mut self.0[day][usize::from(there.hour().unsigned_abs())];
        runs.conclusive += tally.conclusive();
        runs.failed += tally.failed;
    }

    /// By day and hour.
    #[must_use]
    pub fn days(&self) -> &[[Runs; 24]; 7] {
        &self.0
    }

    /// The hours in which the largest shares of runs failed, the worst first: the day, the hour, and the share.
    #[must_use]
    pub fn worst(&self, most: usize) -> Vec<(usize, usize, f64)> {
        let mut hours: Vec<(usize, usize, f64)> = Vec::new();
        for (day, runs) in self.0.iter().enumerate() {
            let failed = runs.iter().enumerate().filter(|(_, runs)| runs.failed > 0);
            hours.extend(failed.filter_map(|(hour, runs)| Some((day, hour, runs.failure_ratio()?))));
        }
        hours.sort_by(|one, other| other.2.total_cmp(&one.2));
        hours.truncate(most);
        hours
    }
}

impl Serialize for Week {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ratios = self.0.map(|day| day.map(Runs::failure_ratio));
        ratios.serialize(serializer)
    }
}

fn zone<S: Serializer>(zone: &TimeZone, serializer: S) -> Result<S::Ok, S::Error> {
    zone.iana_name().unwrap_or("UTC").serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_channels_those_are_told_that_could_be_reached_least_and_how_many_there_are() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let channel = |number: u64| {
            let spans = Spans {
                up: Duration::from_secs(1_000),
                dark: Duration::from_secs(number % 7 * 100),
                ..Spans::default()
            };
            ChannelReport {
                id: ChannelId::new(&format!("channel-{number}")),
                title: Detail::new("A door"),
                kind: ChannelKind::Chat,
                spans,
                before: spans,
                budget: None,
                incidents: Vec::new(),
                incidents_before: 0,
                probes: Vec::new(),
                week: Week::default(),
            }
        };
        let report = Report {
            team: None,
            from: at("2026-11-16T00:00:00Z"),
            until: at("2026-11-23T00:00:00Z"),
            time_zone: TimeZone::UTC,
            total: Spans::default(),
            total_before: Spans::default(),
            channels: (0..51).map(channel).collect(),
            left_out: 0,
            unreadable: 0,
        };
        assert_eq!(report.clone().with_the_worst(51).left_out, 0);
        let worst = report.with_the_worst(8);
        let ids: Vec<&str> = worst.channels.iter().map(|channel| channel.id.as_str()).collect();
        let expected = [
            "channel-6",
            "channel-13",
            "channel-20",
            "channel-27",
            "channel-34",
            "channel-41",
            "channel-48",
            "channel-5",
        ];
        assert_eq!((ids, worst.left_out), (expected.to_vec(), 43));
        let told = text::write(&worst);
        assert!(told.contains("51 channels: nothing was seen"), "{told}");
        assert!(
            told.contains("Here are the 8 that could be reached least; all: lamplighter report"),
            "{told}"
        );
    }
}
