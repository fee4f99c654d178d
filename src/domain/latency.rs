//! Latency quantiles and timeout rates of a probe over sliding windows.
//!
//! Latencies are kept as the filled buckets of an HDR histogram with two significant digits, one small list per five
//! minutes; for a question the lists of the last hour are put together in one histogram that all probes share
//! ([`Scale`]). So ten thousand probes cost ten thousand short lists and one histogram. Times are monotonic; this
//! module never asks for the time.

mod buckets;

use std::{collections::VecDeque, time::Duration};

use hdrhistogram::Histogram;

use crate::domain::{
    latency::buckets::Buckets,
    outcome::{Outcome, Verdict},
};

/// Latencies above this are counted as this.
pub const LATENCY_MAX: Duration = Duration::from_secs(30 * 60);

/// The latencies of the last hour leave in portions of this length.
const SLOT: Duration = Duration::from_secs(5 * 60);

/// So many portions make the hour, the one under way included.
const SLOTS: u64 = 12;

/// One probe's windows.
#[derive(Debug, Default)]
pub struct Latency {
    /// Latencies by portion, oldest first; portions without any are left out.
    slots: VecDeque<Slot>,
    five_minutes: Ring<10>,
    hour: Ring<12>,
    day: Ring<24>,
}

#[derive(Debug)]
struct Slot {
    /// Which portion since the origin of time.
    number: u64,
    buckets: Buckets,
}

/// A window over which a timeout rate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Five minutes, to 30 s.
    FiveMinutes,
    /// One hour, to 5 min.
    Hour,
    /// One day, to 1 h.
    Day,
}

impl Window {
    /// Every window.
    pub const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    /// The word used as metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }
}

/// Latency quantiles over the last hour (at least 55 minutes of it), within one percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiles {
    /// Half of the runs were at most this long.
    pub p50: Duration,
    /// 95 of 100.
    pub p95: Duration,
    /// 99 of 100.
    pub p99: Duration,
}

impl Latency {
    /// Takes in a run. An inconclusive one counts nowhere. A run that broke before its time was up counts in the
    /// timeout rate and not among the latencies: a refused connection is not a fast answer.
    pub fn record(&mut self, outcome: &Outcome, now: Duration) {
        let timed_out = outcome.verdict.failure().is_some_and(|failure| failure.reason.is_timeout());
        let is_latency = match outcome.verdict {
            Verdict::Ok | Verdict::Degraded(_) => true,
            Verdict::Failed(_) => timed_out,
            Verdict::Inconclusive(_) => return,
        };
        self.five_minutes.count(now, Duration::from_secs(30), timed_out);
        self.hour.count(now, SLOT, timed_out);
        self.day.count(now, Duration::from_secs(60 * 60), timed_out);
        if is_latency {
            self.slot_at(now).buckets.add(micros(outcome.duration));
        }
    }

    /// Quantiles over the last hour; none where nothing was measured in it.
    #[must_use]
    pub fn quantiles(&self, now: Duration, scale: &mut Scale) -> Option<Quantiles> {
        let current = number_of(now, SLOT);
        let histogram = &mut scale.0;
        histogram.reset();
        for slot in self.slots.iter().filter(|slot| slot.number + SLOTS > current) {
            for (value, count) in slot.buckets.iter() {
                histogram.saturating_record_n(value, u32::from(count));
            }
        }
        let at = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Quantiles { p50: at(0.5), p95: at(0.95), p99: at(0.99) })
    }

    /// Which part of the conclusive runs in a window ran out of time, 0 to 1; none where there were no runs.
    #[must_use]
    pub fn timeout_ratio(&self, window: Window, now: Duration) -> Option<f64> {
        match window {
            Window::FiveMinutes => self.five_minutes.ratio(now, Duration::from_secs(30)),
            Window::Hour => self.hour.ratio(now, SLOT),
            Window::Day => self.day.ratio(now, Duration::from_secs(60 * 60)),
        }
    }

    fn slot_at(&mut self, now: Duration) -> &mut Slot {
        let number = number_of(now, SLOT);
        if self.slots.back().is_none_or(|newest| newest.number < number) {
            if let Some(closed) = self.slots.back_mut() {
                closed.buckets.close();
            }
            while self.slots.front().is_some_and(|oldest| oldest.number + SLOTS <= number) {
                self.slots.pop_front();
            }
            self.slots.push_back(Slot { number, buckets: Buckets::default() });
        }
        self.slots.back_mut().expect("one has just been put there if there was none")
    }
}

/// The histogram in which quantiles are counted; one serves any number of probes, one after the other.
#[derive(Debug)]
pub struct Scale(Histogram<u32>);

impl Default for Scale {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(micros(LATENCY_MAX), 2);
        Self(histogram.expect("two digits up to half an hour are within what a histogram can do"))
    }
}

/// Runs and timeouts in the last `N` portions of time.
#[derive(Debug)]
struct Ring<const N: usize> {
    /// Which portion since the origin of time was counted last.
    newest: u64,
    portions: [Tally; N],
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    runs: u16,
    timeouts: u16,
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Self {
        Self { newest: 0, portions: [Tally::default(); N] }
    }
}

impl<const N: usize> Ring<N> {
    fn count(&mut self, now: Duration, portion: Duration, timed_out: bool) {
        let number = number_of(now, portion).max(self.newest);
        for passed in self.newest + 1..=number.min(self.newest + N as u64) {
            self.portions[Self::place(passed)] = Tally::default();
        }
        self.newest = number;
        let tally = &mut self.portions[Self::place(number)];
        tally.runs = tally.runs.saturating_add(1);
        tally.timeouts = tally.timeouts.saturating_add(u16::from(timed_out));
    }

    fn ratio(&self, now: Duration, portion: Duration) -> Option<f64> {
        let current = number_of(now, portion);
        let oldest = (current + 1).saturating_sub(N as u64).max((self.newest + 1).saturating_sub(N as u64));
        let (mut runs, mut timeouts) = (0u32, 0u32);
        for number in oldest..=self.newest {
            let tally = self.portions[Self::place(number)];
            runs += u32::from(tally.runs);
            timeouts += u32::from(tally.timeouts);
        }
        (runs > 0).then(|| f64::from(timeouts) / f64::from(runs))
    }

    fn place(number: u64) -> usize {
        usize::try_from(number % N as u64).expect("a remainder of a usize is one")
    }
}

fn number_of(now: Duration, portion: Duration) -> u64 {
    now.as_secs() / portion.as_secs()
}

fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.min(LATENCY_MAX).as_micros()).expect("half an hour has few microseconds")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        outcome::{Detail, Failure, Inconclusive, InconclusiveReason, Reason, Stage},
    };

    fn outcome(duration: Duration, verdict: Verdict) -> Outcome {
        let key = ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("launcher") };
        Outcome {
            probe: Arc::new(key),
            started_at: Timestamp::UNIX_EPOCH,
            duration,
            verdict,
            phases: Vec::new(),
            certificate_expires_at: None,
            contact: None,
            met: Vec::new(),
        }
    }

    fn failed(reason: Reason) -> Verdict {
        Verdict::Failed(Failure {
            stage: Stage::Wait,
            step: None,
            reason,
            cause: None,
            detail: Detail::default(),
        })
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// Numbers that look random and are the same in every run.
    fn numbers(count: usize) -> impl Iterator<Item = u64> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        std::iter::repeat_with(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        })
        .take(count)
    }

    #[test]
    fn quantiles_are_within_one_percent_of_the_exact_ones() {
        for spread in [50, 5_000, 500_000, 60_000_000] {
            let mut latency = Latency::default();
            let mut exact: Vec<u64> = numbers(3_000).map(|n| 20 + n % spread).collect();
            for (index, &micros) in exact.iter().enumerate() {
                latency.record(&outcome(Duration::from_micros(micros), Verdict::Ok), secs(index as u64));
            }
            exact.sort_unstable();
            let told = latency.quantiles(secs(3_000), &mut Scale::default()).unwrap();
            for (quantile, told) in [(0.5, told.p50), (0.95, told.p95), (0.99, told.p99)] {
                let exact = exact[(quantile * 3_000.0) as usize - 1] as f64;
                let told = told.as_micros() as f64;
                assert!((told - exact).abs() <= exact * 0.01, "{spread} {quantile}: {told} for {exact}");
            }
        }
    }

    #[test]
    fn a_latency_leaves_after_twelve_portions_and_not_before() {
        let mut latency = Latency::default();
        let mut scale = Scale::default();
        latency.record(&outcome(secs(8), Verdict::Ok), secs(299));
        latency.record(&outcome(secs(1), Verdict::Ok), secs(300));
        let p99 =
            |latency: &Latency, scale: &mut Scale, now| latency.quantiles(secs(now), scale).map(|q| q.p99);
        assert!(p99(&latency, &mut scale, 3_599).unwrap() > secs(7));
        assert!(p99(&latency, &mut scale, 3_600).unwrap() < secs(2));
        assert!(p99(&latency, &mut scale, 3_899).is_some());
        assert_eq!(p99(&latency, &mut scale, 3_900), None);
        latency.record(&outcome(secs(3), Verdict::Ok), secs(90_000));
        assert_eq!(latency.slots.len(), 1);
    }

    #[test]
    fn a_timeout_is_a_latency_and_a_refusal_is_not() {
        let mut latency = Latency::default();
        let mut scale = Scale::default();
        latency.record(&outcome(Duration::from_micros(90), failed(Reason::ConnectRefused)), secs(1));
        assert_eq!(latency.quantiles(secs(1), &mut scale), None);
        assert_eq!(latency.timeout_ratio(Window::Hour, secs(1)), Some(0.0));
        latency.record(&outcome(secs(10), failed(Reason::FirstByteTimeout)), secs(2));
        assert!(latency.quantiles(secs(2), &mut scale).unwrap().p50 > secs(9));
        assert_eq!(latency.timeout_ratio(Window::Hour, secs(2)), Some(0.5));
    }

    #[test]
    fn an_inconclusive_run_counts_nowhere() {
        let mut latency = Latency::default();
        let inconclusive = Inconclusive { reason: InconclusiveReason::OwnNetwork, detail: Detail::default() };
        latency.record(&outcome(secs(10), Verdict::Inconclusive(inconclusive)), secs(1));
        assert_eq!(latency.quantiles(secs(1), &mut Scale::default()), None);
        for window in Window::ALL {
            assert_eq!(latency.timeout_ratio(window, secs(1)), None);
        }
    }

    #[test]
    fn a_timeout_leaves_each_window_at_its_edge() {
        let mut latency = Latency::default();
        latency.record(&outcome(secs(10), failed(Reason::FirstByteTimeout)), secs(10));
        let edges = [(Window::FiveMinutes, 300), (Window::Hour, 3_600), (Window::Day, 86_400)];
        for (window, edge) in edges {
            assert_eq!(latency.timeout_ratio(window, secs(edge - 1)), Some(1.0), "{window:?}");
            assert_eq!(latency.timeout_ratio(window, secs(edge)), None, "{window:?}");
        }
        latency.record(&outcome(secs(1), Verdict::Ok), secs(299));
        assert_eq!(latency.timeout_ratio(Window::FiveMinutes, secs(299)), Some(0.5));
        assert_eq!(latency.timeout_ratio(Window::FiveMinutes, secs(300)), Some(0.0));
        latency.record(&outcome(secs(1), Verdict::Ok), secs(500_000));
        assert_eq!(latency.timeout_ratio(Window::Day, secs(500_000)), Some(0.0));
    }

    #[test]
    fn timeout_rates_agree_with_a_count_by_hand() {
        let mut latency = Latency::default();
        let mut runs: Vec<(u64, bool)> = Vec::new();
        let mut now = 0;
        for number in numbers(20_000) {
            now += number % 40;
            let timed_out = number % 7 == 0;
            let verdict = if timed_out { failed(Reason::FirstByteTimeout) } else { Verdict::Ok };
            latency.record(&outcome(secs(1), verdict), secs(now));
            runs.push((now, timed_out));
            if number % 50 == 0 {
                for (window, portion, count) in
                    [(Window::FiveMinutes, 30, 10), (Window::Hour, 300, 12), (Window::Day, 3_600, 24)]
                {
                    let oldest = (now / portion + 1).saturating_sub(count) * portion;
                    let inside: Vec<_> = runs.iter().rev().take_while(|(at, _)| *at >= oldest).collect();
                    let timeouts = inside.iter().filter(|(_, timed_out)| *timed_out).count();
                    let by_hand = timeouts as f64 / inside.len() as f64;
                    assert_eq!(latency.timeout_ratio(window, secs(now)), Some(by_hand), "{window:?}");
                }
            }
        }
    }

    #[test]
    fn an_hour_of_runs_takes_little_memory() {
        let mut latency = Latency::default();
        for (second, number) in numbers(3_600).enumerate() {
            let micros = 40_000 + number % 20_000;
            latency.record(&outcome(Duration::from_micros(micros), Verdict::Ok), secs(second as u64));
        }
        let kept: usize = latency.slots.iter().map(|slot| slot.buckets.iter().count() * 4).sum();
        assert!(kept < 5 * 1_024, "{kept}");
        assert!(size_of::<Latency>() < 512, "{}", size_of::<Latency>());
    }
}
