//! A report as comma-separated values (RFC 4180), for spreadsheets: one row for each channel, in which the column `probe` is
//! empty, then one for each of its probes. Spans are in seconds, shares from 0 to 1; what is not known is empty.

use std::time::Duration;

use crate::domain::{
    ledger::Spans,
    report::{ChannelReport, Figures, Percentiles, ProbeReport, Report, Times},
};

const COLUMNS: [&str; 37] = [
    "channel",
    "title",
    "probe",
    "from",
    "until",
    "availability",
    "availability_before",
    "up",
    "degraded",
    "dark",
    "closed",
    "maintenance",
    "blind",
    "objective",
    "budget_allowed",
    "budget_spent",
    "incidents",
    "incidents_before",
    "to_detect_median",
    "to_acknowledge_median",
    "to_restore_median",
    "runs",
    "inconclusive",
    "failure_ratio",
    "timeout_ratio",
    "timeout_ratio_before",
    "p50",
    "p95",
    "p99",
    "p50_before",
    "p95_before",
    "p99_before",
    "person_asked",
    "person_p50",
    "person_p95",
    "vain_ratio",
    "steps",
];

/// What a channel's columns are, behind those that say which row it is.
const OF_CHANNEL: usize = 16;

/// Writes it.
#[must_use]
pub fn write(report: &Report) -> String {
    let mut csv = COLUMNS.join(",") + "\r\n";
    for channel in &report.channels {
        let row = |probe: &str, figures: Vec<String>| {
            let which = [
                text(channel.id.as_str()),
                text(channel.title.as_str()),
                text(probe),
                report.from.to_string(),
                report.until.to_string(),
            ];
            which.into_iter().chain(figures).collect::<Vec<_>>().join(",") + "\r\n"
        };
        let of_probe = COLUMNS.len() - 5 - OF_CHANNEL;
        let mut figures = of_channel(channel);
        figures.resize(OF_CHANNEL + of_probe, String::new());
        csv.push_str(&row("", figures));
        for probe in &channel.probes {
            let mut figures = vec![String::new(); OF_CHANNEL];
            figures.extend(of_figures(probe));
            csv.push_str(&row(probe.name.as_str(), figures));
        }
    }
    csv
}

fn of_channel(channel: &ChannelReport) -> Vec<String> {
    let Spans { up, degraded, dark, closed, maintenance, blind } = channel.spans;
    let budget = channel.budget;
    let median = |times: Option<Times>| span(times.map(|times| times.median));
    let mut figures = vec![share(channel.spans.availability()), share(channel.before.availability())];
    figures.extend([up, degraded, dark, closed, maintenance, blind].map(|it| span(Some(it))));
    figures.extend([
        share(budget.map(|budget| budget.objective)),
        span(budget.map(|budget| budget.allowed)),
        span(budget.map(|budget| budget.spent)),
        channel.incidents.len().to_string(),
        channel.incidents_before.to_string(),
        median(channel.to_detect()),
        median(channel.to_acknowledge()),
        median(channel.to_restore()),
    ]);
    figures
}

fn of_figures(probe: &ProbeReport) -> Vec<String> {
    let ProbeReport { now, before, .. } = probe;
    let Figures {
        runs,
        inconclusive,
        failure_ratio,
        timeout_ratio,
        latency,
        person,
        asked,
        vain_ratio,
        steps,
        ..
    } = now;
    let all = |it: Option<Percentiles>| {
        [span(it.map(|it| it.p50)), span(it.map(|it| it.p95)), span(it.map(|it| it.p99))]
    };
    let mut figures = vec![runs.to_string(), inconclusive.to_string()];
    figures.extend([share(*failure_ratio), share(*timeout_ratio), share(before.timeout_ratio)]);
    figures.extend(all(*latency));
    figures.extend(all(before.latency));
    figures.extend([
        asked.to_string(),
        span(person.map(|it| it.p50)),
        span(person.map(|it| it.p95)),
        share(*vain_ratio),
        steps.map(|steps| steps.to_string()).unwrap_or_default(),
    ]);
    figures
}

fn span(span: Option<Duration>) -> String {
    span.map(|span| span.as_secs_f64().to_string()).unwrap_or_default()
}

fn share(share: Option<f64>) -> String {
    share.map(|share| format!("{share:.6}")).unwrap_or_default()
}

/// A text in quotes. Where a spreadsheet would take it for a formula, an apostrophe keeps it from that.
fn text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let apostrophe = if is_formula { "'" } else { "" };
    format!("\"{apostrophe}{}\"", text.replace('"', "\"\""))
}
