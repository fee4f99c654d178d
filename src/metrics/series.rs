//! What exists once per probe or channel: atomics behind a handle.
//!
//! Each handle has one writer, the evaluator, and any number of readers; so a value is stored, not added to, without
//! a lock. A value that is not known is [`ABSENT`] and has no line in the exposition.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    domain::{
        channel::{Location, ProbeKey},
        contact::{Contact, Responder},
        evaluation::State,
        incident::Severity,
        latency::Window,
        outcome::{Outcome, PhaseWords, Reason, Verdict},
    },
    metrics::exposition::push_label,
};

/// The words of the `outcome` label.
pub const OUTCOMES: [&str; 4] = ["ok", "degraded", "failed", "inconclusive"];
/// The words of the `quantile` label.
pub const QUANTILES: [&str; 3] = ["0.5", "0.95", "0.99"];
/// A probe shows so many phases at most: those of a request are six; of a journey with more steps the first ones are
/// shown each, and the others together as [`OTHER_STEPS`].
pub const PHASES_MAX: usize = 8;
/// The `phase` of the steps that have no series of their own; no step can be called so.
const OTHER_STEPS: &str = "_others";
/// A value that is not known.
pub(crate) const ABSENT: u64 = u64::MAX;

/// Upper bounds of the duration histogram, in milliseconds, of which a probe has those below its timeout.
const BOUNDS_MS: [u64; 13] =
    [25, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 900_000];

/// Upper bounds of the histogram of first replies: a bot's within seconds, a person's within half an hour.
pub const FIRST_RESPONSE_BOUNDS: [Duration; 8] = {
    let secs = Duration::from_secs;
    [secs(1), secs(5), secs(15), secs(60), secs(180), secs(360), secs(900), secs(1_800)]
};

/// The upper bounds of the duration histogram of a probe: a fixed ladder, ended by the timeout.
pub fn bucket_bounds(timeout: Duration) -> impl Iterator<Item = Duration> {
    let ladder = BOUNDS_MS.iter().map(|&ms| Duration::from_millis(ms));
    ladder.take_while(move |bound| *bound < timeout).chain([timeout])
}

/// What a probe measures, by which it has its series.
#[derive(Clone, Copy, Debug)]
pub struct Measures<'a> {
    /// The words of its phases.
    pub phases: &'a PhaseWords,
    /// The longest run.
    pub timeout: Duration,
    /// Whose first replies.
    pub responders: &'a [Responder],
    /// Whether the steps to a person.
    pub counts_steps: bool,
}

impl Measures<'_> {
    /// How many series it makes, with all that it can show except failures, of which each reason appears when it is first
    /// seen.
    #[must_use]
    pub fn series(self) -> usize {
        let histogram = |bounds: usize| bounds + 3;
        let (timeouts, last_run, certificate) = (1, 1, 1);
        OUTCOMES.len()
            + timeouts
            + Window::ALL.len()
            + histogram(bucket_bounds(self.timeout).count())
            + QUANTILES.len()
            + self.phases.len().min(PHASES_MAX)
            + last_run
            + certificate
            + self.responders.len() * histogram(FIRST_RESPONSE_BOUNDS.len())
            + usize::from(self.counts_steps)
    }
}

/// The series of one probe.
#[derive(Debug)]
pub struct ProbeSeries {
    /// `channel="..",probe=".."`, escaped.
    pub(crate) names: Box<str>,
    /// `location=".."`, escaped, with a comma before it.
    pub(crate) location: Box<str>,
    /// Runs by outcome, in the order of [`OUTCOMES`].
    pub(crate) runs: [AtomicU64; OUTCOMES.len()],
    pub(crate) failures: Mutex<Vec<(Reason, u64)>>,
    pub(crate) timeouts: AtomicU64,
    /// Bit patterns of `f64`, in the order of [`Window::ALL`].
    pub(crate) timeout_ratios: [AtomicU64; Window::ALL.len()],
    /// The bounds of the histogram follow from it.
    pub(crate) timeout: Duration,
    pub(crate) duration: Spread,
    /// Microseconds, in the order of [`QUANTILES`].
    pub(crate) latency_us: [AtomicU64; QUANTILES.len()],
    /// The words of all phases, as the plan has them.
    words: PhaseWords,
    /// How long each phase took that is shown; the last one stands for several where there are more words.
    phases: Box<[AtomicU64]>,
    pub(crate) last_run_ms: AtomicU64,
    pub(crate) certificate_expiry_s: AtomicU64,
    /// First replies, of each responder that is measured.
    pub(crate) first_responses: Box<[(Responder, Spread)]>,
    pub(crate) steps_to_person: AtomicU64,
}

/// How often something took how long, by bounds that its reader knows.
#[derive(Debug)]
pub(crate) struct Spread {
    /// Counts per bucket, not cumulated; the last one is beyond every bound.
    pub(crate) buckets: Box<[AtomicU64]>,
    pub(crate) sum_us: AtomicU64,
}

impl Spread {
    fn new(bounds: usize) -> Self {
        Self { buckets: (0..=bounds).map(|_| AtomicU64::new(0)).collect(), sum_us: AtomicU64::new(0) }
    }

    fn observe(&self, duration: Duration, mut bounds: impl Iterator<Item = Duration>) {
        let last = self.buckets.len() - 1;
        let bucket = bounds.position(|bound| duration <= bound).unwrap_or(last);
        add(&self.buckets[bucket], 1);
        add(&self.sum_us, micros(duration));
    }
}

impl ProbeSeries {
    /// Series of a probe that has not run: counters at 0, all else absent.
    #[must_use]
    pub fn new(key: &ProbeKey, location: &Location, measures: Measures<'_>) -> Self {
        let Measures { phases, timeout, responders, .. } = measures;
        let mut names = String::new();
        push_label(&mut names, "channel", key.channel.as_str());
        names.push(',');
        push_label(&mut names, "probe", key.probe.base());
        if let Some(persona) = key.probe.persona() {
            names.push(',');
            push_label(&mut names, "persona", persona);
        }
        let mut place = String::from(",");
        push_label(&mut place, "location", location.as_str());
        Self {
            names: names.into(),
            location: place.into(),
            runs: Default::default(),
            failures: Mutex::default(),
            timeouts: AtomicU64::new(0),
            timeout_ratios: absent(),
            duration: Spread::new(bucket_bounds(timeout).count()),
            timeout,
            latency_us: absent(),
            phases: (0..phases.len().min(PHASES_MAX)).map(|_| AtomicU64::new(ABSENT)).collect(),
            words: Arc::clone(phases),
            last_run_ms: AtomicU64::new(ABSENT),
            certificate_expiry_s: AtomicU64::new(ABSENT),
            first_responses: responders
                .iter()
                .map(|responder| (*responder, Spread::new(FIRST_RESPONSE_BOUNDS.len())))
                .collect(),
            steps_to_person: AtomicU64::new(ABSENT),
        }
    }

    /// Counts a finished run.
    pub fn record(&self, outcome: &Outcome) {
        let (index, conclusive) = match outcome.verdict {
            Verdict::Ok => (0, true),
            Verdict::Degraded(_) => (1, true),
            Verdict::Failed(_) => (2, true),
            Verdict::Inconclusive(_) => (3, false),
        };
        add(&self.runs[index], 1);
        self.last_run_ms.store(u64::try_from(outcome.started_at.as_millisecond()).unwrap_or(ABSENT), Relaxed);
        if let Some(at) = outcome.certificate_expires_at {
            self.certificate_expiry_s.store(u64::try_from(at.as_second()).unwrap_or(0), Relaxed);
        }
        if let Some(failure) = outcome.verdict.failure() {
            self.count_failure(failure.reason);
        }
        if conclusive {
            self.duration.observe(outcome.duration, bucket_bounds(self.timeout));
            self.set_phases(outcome);
        }
        if let Some(contact) = &outcome.contact {
            self.record_contact(contact);
        }
    }

    fn record_contact(&self, contact: &Contact) {
        for (responder, spread) in &self.first_responses {
            if let Some(took) = contact.first_response(*responder) {
                spread.observe(took, FIRST_RESPONSE_BOUNDS.into_iter());
            }
        }
        if let Some(steps) = contact.steps {
            self.steps_to_person.store(steps.into(), Relaxed);
        }
    }

    /// Sets the share of timeouts over each of [`Window::ALL`]; none where there was no conclusive run.
    pub fn set_timeout_ratios(&self, ratios: [Option<f64>; Window::ALL.len()]) {
        for (series, ratio) in self.timeout_ratios.iter().zip(ratios) {
            series.store(ratio.map_or(ABSENT, f64::to_bits), Relaxed);
        }
    }

    /// Sets the latency at each of [`QUANTILES`]; none where there was no conclusive run.
    pub fn set_latency(&self, quantiles: Option<[Duration; QUANTILES.len()]>) {
        for (index, series) in self.latency_us.iter().enumerate() {
            series.store(quantiles.map_or(ABSENT, |quantiles| micros(quantiles[index])), Relaxed);
        }
    }

    fn count_failure(&self, reason: Reason) {
        if reason.is_timeout() {
            add(&self.timeouts, 1);
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.iter_mut().find(|(seen, _)| *seen == reason) {
            Some((_, count)) => *count += 1,
            None => failures.push((reason, 1)),
        }
    }

    /// Every phase that is shown: its word, and how long it took.
    pub(crate) fn phases(&self) -> impl Iterator<Item = (&str, &AtomicU64)> {
        let others = (self.words.len() > self.phases.len()).then_some(PHASES_MAX - 1);
        let word =
            move |(at, phase)| (if others == Some(at) { OTHER_STEPS } else { &*self.words[at] }, phase);
        self.phases.iter().enumerate().map(word)
    }

    /// Adds up what belongs to one word: the hops of a redirect chain, the requests of a step.
    fn set_phases(&self, outcome: &Outcome) {
        let mut totals = [None; PHASES_MAX];
        for phase in &outcome.phases {
            let word = phase.step.as_deref().unwrap_or(phase.kind.as_str());
            let place = |word: &str| self.phases().position(|(known, _)| known == word);
            if let Some(place) = place(word).or_else(|| place(OTHER_STEPS)) {
                *totals[place].get_or_insert(0) += micros(phase.duration);
            }
        }
        for (series, total) in self.phases.iter().zip(totals) {
            series.store(total.unwrap_or(ABSENT), Relaxed);
        }
    }
}

/// The series of one channel.
#[derive(Debug)]
pub struct ChannelSeries {
    /// `channel=".."`, escaped.
    pub(crate) name: Box<str>,
    /// All labels of `support_channel_info`, escaped.
    pub(crate) info: Box<str>,
    /// The state's place in [`State::ALL`].
    pub(crate) state: AtomicU8,
    pub(crate) since_ms: AtomicU64,
    /// Incidents opened, in the order of [`SEVERITIES`].
    pub(crate) incidents: [AtomicU64; SEVERITIES.len()],
    /// The severity of the open incident: its place in [`SEVERITIES`] and 1; 0 without.
    pub(crate) open: AtomicU8,
}

/// Every severity, in the order of its series.
pub(crate) const SEVERITIES: [Severity; 2] = [Severity::Degraded, Severity::Dark];

impl ChannelSeries {
    /// Series of a channel. `info` are the labels of `support_channel_info` after `channel`, names and values.
    #[must_use]
    pub fn new<'a>(channel: &str, info: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut name = String::new();
        push_label(&mut name, "channel", channel);
        let mut labels = name.clone();
        for (label, value) in info {
            labels.push(',');
            push_label(&mut labels, label, value);
        }
        Self {
            name: name.into(),
            info: labels.into(),
            state: AtomicU8::new(place(State::Unknown)),
            since_ms: AtomicU64::new(ABSENT),
            incidents: Default::default(),
            open: AtomicU8::new(0),
        }
    }

    /// Takes over what another handle has counted, when a reload changes only the labels.
    pub fn inherit(&self, other: &Self) {
        self.state.store(other.state.load(Relaxed), Relaxed);
        self.since_ms.store(other.since_ms.load(Relaxed), Relaxed);
        self.open.store(other.open.load(Relaxed), Relaxed);
        for (own, others) in self.incidents.iter().zip(&other.incidents) {
            own.store(others.load(Relaxed), Relaxed);
        }
    }

    /// Sets the state, the moment it began, and the severity of the open incident.
    pub fn set_state(&self, state: State, since: Timestamp, open: Option<Severity>) {
        self.state.store(place(state), Relaxed);
        self.since_ms.store(u64::try_from(since.as_millisecond()).unwrap_or(ABSENT), Relaxed);
        self.open.store(open.map_or(0, |severity| severity as u8 + 1), Relaxed);
    }

    /// Counts an incident that was opened, or that reached this severity.
    pub fn count_incident(&self, severity: Severity) {
        add(&self.incidents[severity as usize], 1);
    }
}

fn place(state: State) -> u8 {
    state as u8
}

fn absent<const N: usize>() -> [AtomicU64; N] {
    std::array::from_fn(|_| AtomicU64::new(ABSENT))
}

/// There is one writer, so reading and storing loses nothing and is cheaper than a locked addition.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(ABSENT - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_end_with_the_timeout() {
        let seconds = |timeout| -> Vec<f64> {
            bucket_bounds(Duration::from_millis(timeout)).map(|bound| bound.as_secs_f64()).collect()
        };
        assert_eq!(seconds(10_000), [0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        assert_eq!(seconds(700), [0.025, 0.1, 0.25, 0.5, 0.7]);
        assert_eq!(seconds(1_800_000).last(), Some(&1800.0));
        assert_eq!(seconds(10), [0.01]);
    }

    #[test]
    fn a_default_probe_stays_within_its_series_budget() {
        let series = |phases: usize, responders: &[Responder]| {
            let phases: PhaseWords = (0..phases).map(|at| at.to_string().into()).collect();
            let timeout = Duration::from_secs(10);
            let counts_steps = !responders.is_empty();
            Measures { phases: &phases, timeout, responders, counts_steps }.series()
        };
        assert_eq!(series(6, &[]), 30, "one request");
        assert_eq!(series(4, &[]), 28, "a journey of four steps");
        assert_eq!(series(32, &[]), 32, "the longest journey");
        assert_eq!(series(4, &Responder::ALL), 28 + 1 + 2 * 11, "a chat with a bot and a person");
    }

    #[test]
    fn states_and_severities_are_stored_by_their_place() {
        for (index, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(place(state)), index);
        }
        for (index, severity) in SEVERITIES.into_iter().enumerate() {
            assert_eq!(severity as usize, index);
        }
    }
}
