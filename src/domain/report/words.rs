//! What a report says, in order and in words, whatever it is written as.

use std::time::Duration;

use crate::domain::{
    contact::Usual,
    ledger::Spans,
    notification::tell,
    report::{Budget, ChannelReport, Figures, Outage, Percentiles, ProbeReport, Report, Times},
};

/// The days of the week, as the rows of a heat map.
pub(super) const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// So many of the worst hours are named.
const WORST: usize = 3;

/// One labelled fact, in one line or more.
pub(super) struct Row {
    pub(super) label: String,
    pub(super) lines: Vec<String>,
}

impl Row {
    fn new(label: impl Into<String>, lines: impl IntoIterator<Item = String>) -> Self {
        Self { label: label.into(), lines: lines.into_iter().collect() }
    }
}

/// What it is a report of.
pub(super) fn heading(report: &Report) -> String {
    match &report.team {
        Some(team) => format!("How support could be reached: {team}"),
        None => "How support could be reached".to_owned(),
    }
}

/// The time that it is about.
pub(super) fn period(report: &Report) -> String {
    let told = |at: jiff::Timestamp| at.to_zoned(report.time_zone.clone()).strftime("%F %H:%M").to_string();
    let (from, until) = (report.from, report.until);
    let lasts = tell::span(tell::between(from, until));
    format!("{} to {} {} ({lasts})", told(from), told(until), tell::zone_name(until, &report.time_zone))
}

/// The whole in one line, and in another what is not in it.
pub(super) fn total(report: &Report) -> Vec<String> {
    let doors = match report.channels.len() + report.left_out {
        1 => "1 channel".to_owned(),
        count => format!("{count} channels"),
    };
    let mut lines = vec![format!("{doors}: {}", available(&report.total, &report.total_before))];
    if report.left_out > 0 {
        let shown = report.channels.len();
        lines.push(format!("Here are the {shown} that could be reached least; all: lamplighter report"));
    }
    if report.unreadable > 0 {
        let count = thousands(u64::try_from(report.unreadable).unwrap_or(u64::MAX));
        lines.push(format!(
            "The store is damaged: {count} runs or hours of runs could not be read and are left out"
        ));
    }
    lines
}

/// The subject of a mail: the team, the time, and how it was.
pub(super) fn subject(report: &Report) -> String {
    let date = |at: jiff::Timestamp| at.to_zoned(report.time_zone.clone()).date().to_string();
    let last = report.until.saturating_sub(jiff::SignedDuration::from_secs(1)).unwrap_or(report.until);
    let team = report.team.as_deref().map(|team| format!("{team}, ")).unwrap_or_default();
    let availability = report.total.availability();
    let available = availability.map_or_else(|| "nothing was seen".to_owned(), exact_percent);
    format!("[Report] {team}{} to {}: {available}", date(report.from), date(last))
}

/// What is said of a channel.
pub(super) fn channel(report: &ChannelReport) -> Vec<Row> {
    let mut rows = vec![Row::new("available", [available(&report.spans, &report.before)])];
    let not_counted = not_counted(&report.spans);
    if !not_counted.is_empty() {
        rows.push(Row::new("not counted", [not_counted]));
    }
    rows.extend(report.budget.map(|it| Row::new("error budget", [budget(&it)])));
    let (count, before) = (report.incidents.len(), report.incidents_before);
    rows.push(Row::new("incidents", [format!("{count} (before {before})")]));
    let times = [
        ("to detect", report.to_detect()),
        ("to acknowledge", report.to_acknowledge()),
        ("to restore", report.to_restore()),
    ];
    for (label, times) in times {
        match times {
            Some(times) => rows.push(Row::new(label, [told(times, count)])),
            None if count > 0 => rows.push(Row::new(label, ["never yet".to_owned()])),
            None => {}
        }
    }
    report.probes.iter().for_each(|it| push_probe(&mut rows, it));
    let worst: Vec<String> = report
        .week
        .worst(WORST)
        .into_iter()
        .map(|(day, hour, share)| format!("{} {hour:02}:00 {}", DAYS[day], percent(share)))
        .collect();
    if !worst.is_empty() {
        rows.push(Row::new("worst hours", [format!("{} of runs failed", worst.join(", "))]));
    }
    rows
}

/// What is said of an incident: when it was confirmed, how bad it was and for how long, and what customers met.
pub(super) fn outage(outage: &Outage, report: &Report) -> [String; 3] {
    let at = outage.confirmed_at.to_zoned(report.time_zone.clone()).strftime("%F %H:%M").to_string();
    let severity = outage.severity.as_str();
    let lasted = match outage.resolved_at {
        Some(over) => {
            let lasted = tell::span(tell::between(outage.began_at, over));
            let how = if outage.withdrawn { ", then withdrawn" } else { "" };
            format!("{severity} for {lasted}{how}")
        }
        None => format!("{severity}, not over yet"),
    };
    [at, lasted, outage.reason.map(|reason| reason.as_str().to_owned()).unwrap_or_default()]
}

fn push_probe(rows: &mut Vec<Row>, probe: &ProbeReport) {
    let ProbeReport { name, now, before } = probe;
    let share = |now: Option<f64>, before: Option<f64>, what: &str| {
        now.map(|now| format!("{} {what}{}", percent(now), was(before.map(percent))))
    };
    let runs = format!("{} runs", thousands(now.runs));
    let shares = [
        share(now.failure_ratio, before.failure_ratio, "failed"),
        share(now.timeout_ratio, before.timeout_ratio, "out of time"),
    ];
    let mut lines: Vec<String> = [Some(runs)].into_iter().chain(shares).flatten().collect();
    lines = vec![lines.join(", ")];
    if now.inconclusive > 0 {
        lines.push(format!("{} more could not look", thousands(now.inconclusive)));
    }
    lines.extend(now.latency.map(|latency| percentiles(&latency, before.latency.as_ref())));
    rows.push(Row::new(name.as_str(), lines));
    rows.extend(now.bot.map(|bot| Row::new("bot answers", [percentiles(&bot, before.bot.as_ref())])));
    push_people(rows, now, before);
}

fn push_people(rows: &mut Vec<Row>, now: &Figures, before: &Figures) {
    if now.asked > 0 {
        let answered = now.person.map_or(0, |person| person.count);
        let times = if now.asked == 1 { "time" } else { "times" };
        let mut lines = vec![format!("{} of {} {times}", thousands(answered), thousands(now.asked))];
        lines.extend(now.person.map(|person| percentiles(&person, before.person.as_ref())));
        let usual: Vec<String> = Usual::ALL
            .iter()
            .map(|line| format!("{} {} s", line.who, line.first_response.as_secs()))
            .collect();
        lines.push(format!("usual: {}", usual.join(", ")));
        rows.push(Row::new("people answer", lines));
    }
    if let Some(vain) = now.vain_ratio {
        let usual: Vec<String> =
            Usual::ALL.iter().map(|line| format!("{} {}", line.who, percent(line.vain_ratio))).collect();
        let told = format!("{} of waits{}", percent(vain), was(before.vain_ratio.map(percent)));
        rows.push(Row::new("in vain", [told, format!("usual: {}", usual.join(", "))]));
    }
    if let Some(steps) = now.steps {
        let before = was(before.steps.map(|steps| steps.to_string()));
        rows.push(Row::new("to a person", [format!("at most {steps} steps{before}")]));
    }
}

fn available(now: &Spans, before: &Spans) -> String {
    let share = now.availability().map_or_else(|| "nothing was seen".to_owned(), exact_percent);
    let before = was(before.availability().map(exact_percent));
    let dark = if now.dark.is_zero() { String::new() } else { format!(", dark {}", tell::span(now.dark)) };
    format!("{share}{before}{dark}")
}

fn not_counted(spans: &Spans) -> String {
    let parts = [("closed", spans.closed), ("maintenance", spans.maintenance), ("blind", spans.blind)];
    let told = parts.into_iter().filter(|(_, span)| span.as_secs() > 0);
    told.map(|(what, span)| format!("{what} {}", tell::span(span))).collect::<Vec<_>>().join(", ")
}

fn budget(budget: &Budget) -> String {
    let spent = match budget.spent_ratio() {
        Some(ratio) => format!("{} spent ({})", tell::span(budget.spent), percent(ratio)),
        None => "nothing was seen".to_owned(),
    };
    format!(
        "{} % over {}: {} allowed, {spent}",
        budget.slo.percent(),
        tell::span(budget.window),
        tell::span(budget.allowed)
    )
}

fn told(times: Times, of: usize) -> String {
    let (median, longest) = (tell::span(times.median), tell::span(times.longest));
    let missing = of.saturating_sub(times.count);
    let never = if missing == 0 { String::new() } else { format!(", {missing} of {of} not yet") };
    match times.count {
        1 => format!("{median}{never}"),
        _ => format!("half within {median}, longest {longest}{never}"),
    }
}

fn percentiles(now: &Percentiles, before: Option<&Percentiles>) -> String {
    let one = |name: &str, span: fn(&Percentiles) -> Duration| {
        format!("{name} {}{}", tell::took(span(now)), was(before.map(|before| tell::took(span(before)))))
    };
    [one("p50", |it| it.p50), one("p95", |it| it.p95), one("p99", |it| it.p99)].join(", ")
}

fn was(before: Option<String>) -> String {
    before.map(|before| format!(" (before {before})")).unwrap_or_default()
}

/// A share as people read it: `12 %`, `0.4 %`, `0 %`, and never `0 %` or `100 %` for what is nearly so.
pub(super) fn percent(share: f64) -> String {
    let share = share * 100.0;
    match share {
        0.0 => "0 %".to_owned(),
        ..0.01 => "under 0.01 %".to_owned(),
        ..10.0 => format!("{} %", trimmed(format!("{share:.2}"))),
        99.0..100.0 => format!("{:.2} %", (share * 100.0 + 1e-6).floor() / 100.0),
        _ => format!("{share:.0} %"),
    }
}

/// An availability: to a thousandth of a percent, rounded down, so that `100 %` is all of it.
fn exact_percent(share: f64) -> String {
    let share = (share * 100_000.0 + 1e-6).floor() / 1_000.0;
    format!("{} %", trimmed(format!("{share:.3}")))
}

fn trimmed(number: String) -> String {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number,
    }
}

/// A count with its thousands apart: `86,400`.
fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut told = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_told_so_that_nearly_all_is_not_all() {
        for (share, told, exactly) in [
            (0.0, "0 %", "0 %"),
            (0.000_05, "under 0.01 %", "0.005 %"),
            (0.004, "0.4 %", "0.4 %"),
            (0.12, "12 %", "12 %"),
            (0.999, "99.90 %", "99.9 %"),
            (0.999_999_9, "99.99 %", "99.999 %"),
            (1.0, "100 %", "100 %"),
            (1.27, "127 %", "127 %"),
        ] {
            assert_eq!((percent(share).as_str(), exact_percent(share).as_str()), (told, exactly), "{share}");
        }
        assert_eq!([999, 1_000, 86_400, 1_234_567].map(thousands), ["999", "1,000", "86,400", "1,234,567"]);
    }
}
