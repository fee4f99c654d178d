//! What a probe saw in an hour: how its runs ended, and how long they took, as an HDR histogram. Hours can be put together
//! to any longer time, and its percentiles are as exact as those of an hour, which those of percentiles would not be.

use std::time::Duration;

use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2Serializer},
};

use crate::domain::{
    contact::{Contact, Responder},
    evaluation::RunWord,
    latency::LATENCY_MAX,
};

/// The length of what is put together, in seconds.
pub const HOUR: i64 = 60 * 60;

/// So long is what stands before the counts in HDR's own format, in bytes; the length of the counts is in bytes 4 to 8.
const HEADER: usize = 40;

/// Spans of time, as they are counted: to the microsecond, within one percent, at most [`LATENCY_MAX`].
#[derive(Clone, Debug, PartialEq)]
pub struct Spread(Histogram<u32>);

impl Default for Spread {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(micros(LATENCY_MAX), 2);
        Self(histogram.expect("two digits up to half an hour are within what a histogram can do"))
    }
}

impl Spread {
    /// Counts one.
    pub fn count(&mut self, span: Duration) {
        self.0.saturating_record(micros(span).max(1));
    }

    /// Counts whatever another has counted.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("every spread has the same range");
    }

    /// How many were counted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether none was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// So long was at most this share of them, 0 to 1; none where none was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        (!self.is_empty()).then(|| Duration::from_micros(self.0.value_at_quantile(share)))
    }

    /// As the second version of HDR's own format, which other tools read too.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&self.0, &mut bytes).expect("writing into memory does not fail");
        bytes
    }

    /// Reads what [`Self::to_bytes`] has written.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self, String> {
        // Whoever reads it makes room for what it announces before anything else is looked at.
        let announced = bytes.get(4..8).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
        if announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX))
            != bytes.len().checked_sub(HEADER)
        {
            return Err("its length is not as announced".to_owned());
        }
        let read: Histogram<u32> =
            Deserializer::new().deserialize(&mut bytes).map_err(|error| format!("{error:?}"))?;
        let mut spread = Self::default();
        spread.0.add(&read).map_err(|error| format!("{error:?}"))?;
        Ok(spread)
    }
}

/// What one run adds to its hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How it ended.
    pub outcome: RunWord,
    /// Whether it ran out of time.
    pub timed_out: bool,
    /// How long it took.
    pub duration: Duration,
    /// How it got to somebody who answers, where it talks.
    pub contact: Option<Box<Contact>>,
}

/// What the runs of an hour, or of more of them, add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Runs in which every expectation held.
    pub ok: u64,
    /// Runs over a budget.
    pub degraded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs that could not look.
    pub inconclusive: u64,
    /// Runs that ran out of time; each is among those that failed, or that were over a budget.
    pub timeouts: u64,
    /// How long the runs took that came to an end, or ran out of time.
    pub latency: Spread,
    /// How long a bot took to answer; none where none did.
    pub bot: Option<Spread>,
    /// How long a person took to answer; none where none did.
    pub person: Option<Spread>,
    /// How often a person was asked for.
    pub asked: u64,
    /// How often that was in vain: none came in time, or one came late.
    pub waits_in_vain: u64,
    /// The most that a customer had to do until a person was reached.
    pub steps: Option<u16>,
}

impl Tally {
    /// Takes in a run, as [`crate::domain::latency::Latency::record`] does: one that broke before its time was up is no
    /// latency.
    pub fn take(&mut self, sample: &Sample) {
        let count = match sample.outcome {
            RunWord::Ok => &mut self.ok,
            RunWord::Degraded => &mut self.degraded,
            RunWord::Failed => &mut self.failed,
            RunWord::Inconclusive => &mut self.inconclusive,
        };
        *count += 1;
        if sample.outcome == RunWord::Inconclusive {
            return;
        }
        self.timeouts += u64::from(sample.timed_out);
        if sample.outcome != RunWord::Failed || sample.timed_out {
            self.latency.count(sample.duration);
        }
        let Some(contact) = &sample.contact else { return };
        for (responder, spread) in [(Responder::Bot, &mut self.bot), (Responder::Person, &mut self.person)] {
            if let Some(span) = contact.first_response(responder) {
                spread.get_or_insert_default().count(span);
            }
        }
        self.asked += u64::from(contact.person_asked);
        self.waits_in_vain += u64::from(contact.waited_in_vain);
        self.steps = self.steps.max(contact.steps);
    }

    /// Adds another hour, or another probe.
    pub fn add(&mut self, other: &Self) {
        self.ok += other.ok;
        self.degraded += other.degraded;
        self.failed += other.failed;
        self.inconclusive += other.inconclusive;
        self.timeouts += other.timeouts;
        self.latency.add(&other.latency);
        for (own, others) in [(&mut self.bot, &other.bot), (&mut self.person, &other.person)] {
            if let Some(others) = others {
                own.get_or_insert_default().add(others);
            }
        }
        self.asked += other.asked;
        self.waits_in_vain += other.waits_in_vain;
        self.steps = self.steps.max(other.steps);
    }

    /// The runs that could look.
    #[must_use]
    pub fn conclusive(&self) -> u64 {
        self.ok + self.degraded + self.failed
    }

    /// Which part of the runs that could look ran out of time, 0 to 1; none where none could.
    #[must_use]
    pub fn timeout_ratio(&self) -> Option<f64> {
        ratio(self.timeouts, self.conclusive())
    }

    /// Which part of the waits for a person were in vain, 0 to 1; none where nobody was asked for.
    #[must_use]
    pub fn vain_ratio(&self) -> Option<f64> {
        ratio(self.waits_in_vain, self.asked)
    }

    /// Which part of the runs that could look failed, 0 to 1; none where none could.
    #[must_use]
    pub fn failure_ratio(&self) -> Option<f64> {
        ratio(self.failed, self.conclusive())
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nobody runs so many probes that a share would be wrong by it"
)]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of runs as they are: most about a third of a second, a tail of minutes.
    fn lengths(count: u64) -> impl Iterator<Item = Duration> {
        let mut seed = 11_u64;
        (0..count).map(move |_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            #[expect(clippy::cast_precision_loss, reason = "53 of the bits are enough for chance")]
            let chance = (seed >> 11) as f64 / (1_u64 << 53) as f64;
            Duration::from_secs_f64(0.3 * (1.0 / (1.0 - chance)).powf(0.6))
        })
    }

    #[test]
    fn percentiles_of_many_hours_are_those_of_all_runs_within_one_percent() {
        let mut all: Vec<Duration> = lengths(90 * 24 * 120).collect();
        let mut merged = Spread::default();
        for hour in all.chunks(120) {
            let mut spread = Spread::default();
            hour.iter().for_each(|length| spread.count(*length));
            merged.add(&Spread::from_bytes(&spread.to_bytes()).unwrap());
        }
        all.sort();
        for share in [0.01, 0.5, 0.9, 0.95, 0.99, 0.999] {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "a place in the list"
            )]
            let exact = all[((all.len() as f64 * share).ceil() as usize).saturating_sub(1)];
            let exact = exact.min(LATENCY_MAX);
            let found = merged.quantile(share).unwrap();
            let off = found.as_secs_f64() / exact.as_secs_f64() - 1.0;
            assert!(off.abs() <= 0.01, "{share}: {found:?} instead of {exact:?}");
        }
        assert_eq!(merged.len(), 90 * 24 * 120);
    }

    #[test]
    fn an_hour_of_a_busy_probe_takes_few_bytes() {
        let mut spread = Spread::default();
        lengths(120).for_each(|length| spread.count(length));
        let bytes = spread.to_bytes().len();
        assert!((60..400).contains(&bytes), "{bytes}");
    }

    #[test]
    fn bytes_that_are_no_spread_are_refused() {
        let whole = {
            let mut spread = Spread::default();
            lengths(50).for_each(|length| spread.count(length));
            spread.to_bytes()
        };
        for cut in [0, 1, 20, 39, whole.len() - 1] {
            assert!(Spread::from_bytes(&whole[..cut]).is_err(), "{cut}");
        }
        assert!(Spread::from_bytes(&[0xff; 80]).is_err());
    }

    #[test]
    fn a_run_that_broke_early_is_no_latency_and_one_that_could_not_look_is_nothing() {
        let sample = |outcome, timed_out| Sample {
            outcome,
            timed_out,
            duration: Duration::from_secs(1),
            contact: None,
        };
        let mut tally = Tally::default();
        for (outcome, timed_out) in [
            (RunWord::Ok, false),
            (RunWord::Degraded, true),
            (RunWord::Failed, false),
            (RunWord::Failed, true),
            (RunWord::Inconclusive, true),
        ] {
            tally.take(&sample(outcome, timed_out));
        }
        assert_eq!((tally.conclusive(), tally.inconclusive), (4, 1));
        assert_eq!((tally.timeouts, tally.latency.len()), (2, 3));
        assert_eq!((tally.timeout_ratio(), tally.failure_ratio()), (Some(0.5), Some(0.5)));
        let mut two = tally.clone();
        two.add(&tally);
        assert_eq!((two.conclusive(), two.latency.len(), two.timeout_ratio()), (8, 6, Some(0.5)));
    }

    #[test]
    fn who_answered_and_how_far_a_person_is_away_is_kept() {
        let contact = Contact {
            bot: Some(Duration::from_secs(2)),
            person: Some(Duration::from_secs(90)),
            steps: Some(3),
            person_asked: true,
            ..Contact::default()
        };
        let sample = |contact| Sample {
            outcome: RunWord::Ok,
            timed_out: false,
            duration: Duration::from_secs(100),
            contact: Some(Box::new(contact)),
        };
        let mut tally = Tally::default();
        tally.take(&sample(contact));
        tally.take(&sample(Contact { person: None, waited_in_vain: true, steps: Some(2), ..contact }));
        let person = tally.person.as_ref().unwrap();
        assert_eq!((person.len(), tally.bot.as_ref().unwrap().len()), (1, 2));
        assert_eq!((tally.steps, tally.vain_ratio()), (Some(3), Some(0.5)));
    }
}
