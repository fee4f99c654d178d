//! The Prometheus text format, written piece by piece.
//!
//! The format wants all lines of a family together, so the families are written one after the other, each for every
//! probe. A piece is about [`PIECE_BYTES`] long: ten thousand probes never stand in memory as one text, and whoever
//! sends the pieces can let others run between two of them. A histogram's count is the sum of its buckets as read, so
//! a scrape in the middle of an update is still consistent.

use std::{
    fmt::Write,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;

use crate::{
    domain::{evaluation::State, latency::Window},
    metrics::{
        self, Family, Series,
        series::{
            ABSENT, ChannelSeries, FIRST_RESPONSE_BOUNDS, OUTCOMES, ProbeSeries, QUANTILES, SEVERITIES,
            Spread, bucket_bounds, micros,
        },
    },
};

/// About how long a piece is.
const PIECE_BYTES: usize = 64 * 1024;
/// The longest block that one probe or channel adds at once, roughly: spare room at the end of a piece.
const SPARE_BYTES: usize = 4 * 1024;

type WriteLines<T> = fn(&T, &'static str, &mut String);

const CHANNEL_FAMILIES: [(Family, WriteLines<ChannelSeries>); 6] = [
    (metrics::CHANNEL_UP, channel_up),
    (metrics::CHANNEL_STATE, channel_state),
    (metrics::CHANNEL_STATE_SINCE, channel_since),
    (metrics::CHANNEL_INFO, channel_info),
    (metrics::INCIDENTS, incidents),
    (metrics::INCIDENT_OPEN, incident_open),
];

const PROBE_FAMILIES: [(Family, WriteLines<ProbeSeries>); 11] = [
    (metrics::PROBE_RUNS, runs),
    (metrics::PROBE_FAILURES, failures),
    (metrics::PROBE_TIMEOUTS, timeouts),
    (metrics::PROBE_TIMEOUT_RATIO, timeout_ratio),
    (metrics::PROBE_DURATION, duration),
    (metrics::PROBE_LATENCY, latency),
    (metrics::PROBE_PHASE, phases),
    (metrics::PROBE_LAST_RUN, last_run),
    (metrics::FIRST_RESPONSE, first_responses),
    (metrics::STEPS_TO_PERSON, steps_to_person),
    (metrics::CERTIFICATE_EXPIRY, certificate_expiry),
];

/// All metrics at one moment, as pieces of text.
#[derive(Debug)]
pub struct Exposition {
    head: Option<Vec<u8>>,
    series: Arc<Series>,
    /// The family under way: channels' first, then probes'.
    family: usize,
    /// The next channel or probe within it.
    index: usize,
}

impl Exposition {
    /// `head` is the finished text of what exists once per process.
    pub(crate) fn new(head: Vec<u8>, series: Arc<Series>) -> Self {
        Self { head: Some(head), series, family: 0, index: 0 }
    }

    /// Writes lines of the present family until the piece is full, and moves on to the next family when it is done.
    fn write_some<T>(
        &mut self,
        (family, write): (Family, WriteLines<T>),
        members: &[Arc<T>],
        out: &mut String,
    ) {
        if self.index == 0 {
            push_head(out, family);
        }
        while self.index < members.len() && out.len() < PIECE_BYTES {
            write(&members[self.index], family.name, out);
            self.index += 1;
        }
        if self.index == members.len() {
            self.family += 1;
            self.index = 0;
        }
    }
}

impl Iterator for Exposition {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if let Some(head) = self.head.take() {
            return Some(head.into());
        }
        let series = Arc::clone(&self.series);
        let mut out = String::new();
        while out.len() < PIECE_BYTES {
            let probe_family = self.family.wrapping_sub(CHANNEL_FAMILIES.len());
            if let Some(family) = CHANNEL_FAMILIES.get(self.family) {
                out.reserve(PIECE_BYTES + SPARE_BYTES);
                self.write_some(*family, &series.channels, &mut out);
            } else if let Some(family) = PROBE_FAMILIES.get(probe_family) {
                self.write_some(*family, &series.probes, &mut out);
            } else {
                break;
            }
        }
        (!out.is_empty()).then(|| out.into())
    }
}

/// Appends `name="value"`, escaped as the format wants it.
pub(crate) fn push_label(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn push_head(out: &mut String, family: Family) {
    for (keyword, text) in [("HELP", family.help), ("TYPE", family.kind.as_str())] {
        out.extend(["# ", keyword, " ", family.name, " ", text, "\n"]);
    }
}

/// Appends `name{labels`, to which further labels may be added.
fn open(out: &mut String, name: &str, labels: [&str; 2]) {
    out.push_str(name);
    out.push('{');
    out.push_str(labels[0]);
    out.push_str(labels[1]);
}

/// Appends a label whose value needs no escaping.
fn word(out: &mut String, name: &str, value: &str) {
    out.push_str(name);
    out.push_str("=\"");
    out.push_str(value);
    out.push('"');
}

fn close(out: &mut String, value: u64) {
    out.push_str("} ");
    push_u64(out, value);
    out.push('\n');
}

fn close_scaled(out: &mut String, value: u64, decimals: u32) {
    out.push_str("} ");
    push_scaled(out, value, decimals);
    out.push('\n');
}

/// Appends a value in units of 10^-`decimals`, without trailing zeros: several times as fast as a float.
fn push_scaled(out: &mut String, value: u64, decimals: u32) {
    let unit = 10_u64.pow(decimals);
    push_u64(out, value / unit);
    let fraction = value % unit;
    if fraction != 0 {
        // A one before the fraction keeps its leading zeros.
        let mut digits = itoa::Buffer::new();
        out.push('.');
        out.push_str(digits.format(unit + fraction)[1..].trim_end_matches('0'));
    }
}

fn push_u64(out: &mut String, value: u64) {
    out.push_str(itoa::Buffer::new().format(value));
}

fn read(value: &AtomicU64) -> Option<u64> {
    Some(value.load(Relaxed)).filter(|value| *value != ABSENT)
}

fn probe_labels(series: &ProbeSeries) -> [&str; 2] {
    [&series.names, &series.location]
}

fn runs(series: &ProbeSeries, name: &'static str, out: &mut String) {
    for (outcome, count) in OUTCOMES.iter().zip(&series.runs) {
        open(out, name, probe_labels(series));
        word(out, ",outcome", outcome);
        close(out, count.load(Relaxed));
    }
}

fn failures(series: &ProbeSeries, name: &'static str, out: &mut String) {
    for (reason, count) in &*series.failures.lock().unwrap_or_else(PoisonError::into_inner) {
        open(out, name, probe_labels(series));
        word(out, ",reason", reason.as_str());
        close(out, *count);
    }
}

fn timeouts(series: &ProbeSeries, name: &'static str, out: &mut String) {
    open(out, name, probe_labels(series));
    close(out, series.timeouts.load(Relaxed));
}

fn timeout_ratio(series: &ProbeSeries, name: &'static str, out: &mut String) {
    for (window, ratio) in Window::ALL.iter().zip(&series.timeout_ratios) {
        let Some(ratio) = read(ratio) else { continue };
        open(out, name, probe_labels(series));
        word(out, ",window", window.as_str());
        match f64::from_bits(ratio) {
            0.0 => out.push_str("} 0\n"),
            ratio => writeln!(out, "}} {ratio}").expect("writing to memory succeeds"),
        }
    }
}

fn duration(series: &ProbeSeries, name: &'static str, out: &mut String) {
    let bounds = bucket_bounds(series.timeout);
    histogram(
        &series.duration,
        bounds,
        |out, suffix| {
            out.push_str(name);
            open(out, suffix, probe_labels(series));
        },
        out,
    );
}

/// Where the label of a responder stands, that of the location does not: who asks has no say in how soon one answers.
fn first_responses(series: &ProbeSeries, name: &'static str, out: &mut String) {
    for (responder, spread) in &series.first_responses {
        let bounds = FIRST_RESPONSE_BOUNDS.into_iter();
        histogram(
            spread,
            bounds,
            |out, suffix| {
                out.push_str(name);
                open(out, suffix, [&series.names, ""]);
                word(out, ",responder", responder.as_str());
            },
            out,
        );
    }
}

/// The lines of a histogram; `begin` writes the name with a suffix and all labels but the bound.
fn histogram(
    spread: &Spread,
    bounds: impl Iterator<Item = Duration>,
    begin: impl Fn(&mut String, &'static str),
    out: &mut String,
) {
    let mut count = 0;
    for (bucket, bound) in spread.buckets.iter().zip(bounds.map(Some).chain([None])) {
        count += bucket.load(Relaxed);
        begin(out, "_bucket");
        match bound {
            Some(bound) => {
                out.push_str(",le=\"");
                push_scaled(out, micros(bound), 6);
                out.push('"');
            }
            None => out.push_str(",le=\"+Inf\""),
        }
        close(out, count);
    }
    begin(out, "_sum");
    close_scaled(out, spread.sum_us.load(Relaxed), 6);
    begin(out, "_count");
    close(out, count);
}

fn steps_to_person(series: &ProbeSeries, name: &'static str, out: &mut String) {
    if let Some(steps) = read(&series.steps_to_person) {
        open(out, name, [&series.names, ""]);
        close(out, steps);
    }
}

fn latency(series: &ProbeSeries, name: &'static str, out: &mut String) {
    for (quantile, latency) in QUANTILES.iter().zip(&series.latency_us) {
        let Some(latency) = read(latency) else { continue };
        open(out, name, probe_labels(series));
        word(out, ",quantile", quantile);
        out.push_str(",window=\"1h\"");
        close_scaled(out, latency, 6);
    }
}

fn phases(series: &ProbeSeries, name: &'static str, out: &mut String) {
    for (phase, duration) in series.phases() {
        let Some(duration) = read(duration) else { continue };
        open(out, name, probe_labels(series));
        out.push(',');
        push_label(out, "phase", phase);
        close_scaled(out, duration, 6);
    }
}

fn last_run(series: &ProbeSeries, name: &'static str, out: &mut String) {
    if let Some(at) = read(&series.last_run_ms) {
        open(out, name, probe_labels(series));
        close_scaled(out, at, 3);
    }
}

fn certificate_expiry(series: &ProbeSeries, name: &'static str, out: &mut String) {
    if let Some(at) = read(&series.certificate_expiry_s) {
        open(out, name, [&series.names, ""]);
        close(out, at);
    }
}

fn channel_up(series: &ChannelSeries, name: &'static str, out: &mut String) {
    let up = match state(series) {
        State::Up | State::Degraded => 1,
        State::Dark => 0,
        State::Closed | State::Unknown => return,
    };
    open(out, name, [&series.name, ""]);
    close(out, up);
}

fn channel_state(series: &ChannelSeries, name: &'static str, out: &mut String) {
    let present = state(series);
    for state in State::ALL {
        open(out, name, [&series.name, ""]);
        word(out, ",state", state.as_str());
        close(out, u64::from(state == present));
    }
}

fn channel_since(series: &ChannelSeries, name: &'static str, out: &mut String) {
    if let Some(since) = read(&series.since_ms) {
        open(out, name, [&series.name, ""]);
        close_scaled(out, since, 3);
    }
}

fn channel_info(series: &ChannelSeries, name: &'static str, out: &mut String) {
    open(out, name, [&series.info, ""]);
    close(out, 1);
}

fn incidents(series: &ChannelSeries, name: &'static str, out: &mut String) {
    for (severity, count) in SEVERITIES.iter().zip(&series.incidents) {
        open(out, name, [&series.name, ""]);
        word(out, ",severity", severity.as_str());
        close(out, count.load(Relaxed));
    }
}

fn incident_open(series: &ChannelSeries, name: &'static str, out: &mut String) {
    let present = series.open.load(Relaxed);
    for severity in SEVERITIES {
        open(out, name, [&series.name, ""]);
        word(out, ",severity", severity.as_str());
        close(out, u64::from(present == severity as u8 + 1));
    }
}

fn state(series: &ChannelSeries) -> State {
    State::ALL[usize::from(series.state.load(Relaxed))]
}

#[cfg(test)]
mod tests;
