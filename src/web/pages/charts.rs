//! The charts, drawn as SVG by pure functions: data in, text out. Nothing in them has a style of its own, only classes, so
//! that they are dark or light as the page is. Each says in its title and description what it shows; whoever calls puts a
//! table or a sentence with the same figures beside it. What differs in colour differs in height, dashes or order too.

use std::{fmt::Write, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

use super::{pen::push, words::Language};
use crate::domain::{
    chronicle::{Day, HOURS, Hour, ProbeChronicle, availability},
    evaluation::State,
    hourly::HOUR,
    notification::html::escaped,
    outcome::PhaseKind,
    past::Run,
};

/// From this availability on a day counts as whole, and from this as nearly so.
const WHOLE: f64 = 0.999;
const NEARLY: f64 = 0.95;

/// Whether a chart stands in a row of a list, or by itself with its scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    Large,
}

/// In which language, and whose clock.
#[derive(Clone, Copy)]
pub(super) struct Scale<'a> {
    pub(super) language: Language,
    pub(super) zone: &'a TimeZone,
}

/// How a day went, as its class and the height of its bar: the worse, the lower.
fn level(day: &Day) -> (&'static str, u32) {
    match day.spans.availability() {
        None => ("none", 3),
        Some(ratio) if ratio >= WHOLE => ("whole", 24),
        Some(ratio) if ratio >= NEARLY => ("nearly", 17),
        Some(_) => ("broken", 10),
    }
}

fn open(svg: &mut String, class: &str, (width, height): (u32, u32), title: &str, about: &str) {
    push(
        svg,
        format_args!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" focusable=\"false\">\
             <title>{}</title><desc>{}</desc>",
            escaped(title),
            escaped(about)
        ),
    );
}

/// The bar of the days. A small one is four paths however many days there are; a large one names each day.
pub(super) fn uptime(days: &[Day], size: Size, scale: Scale<'_>) -> String {
    let language = scale.language;
    let count = u32::try_from(days.len()).unwrap_or(u32::MAX);
    let mut svg = String::with_capacity(4_096);
    let about = uptime_in_words(days, language);
    let title = format!("{}, {}", language.uptime(), language.days(count.into()));
    open(&mut svg, "days", (count.saturating_mul(4).max(4), 26), &title, &about);
    let bar = |place: usize, height: u32| format!("M{} {}h3v{height}h-3z", place * 4, 25 - height);
    match size {
        Size::Small => {
            for class in ["none", "whole", "nearly", "broken"] {
                let path: String = days
                    .iter()
                    .enumerate()
                    .filter_map(|(place, day)| {
                        let (found, height) = level(day);
                        (found == class).then(|| bar(place, height))
                    })
                    .collect();
                if !path.is_empty() {
                    push(&mut svg, format_args!("<path class=\"{class}\" d=\"{path}\"/>"));
                }
            }
        }
        Size::Large => {
            for (place, day) in days.iter().enumerate() {
                let (class, height) = level(day);
                let about = escaped(&day_in_words(day, language));
                let path = bar(place, height);
                push(
                    &mut svg,
                    format_args!("<path class=\"{class}\" d=\"{path}\"><title>{about}</title></path>"),
                );
            }
        }
    }
    svg.push_str("</svg>");
    svg
}

/// `Thu 26 Nov 2026: 99.2%, dark 12 min`.
fn day_in_words(day: &Day, language: Language) -> String {
    let share =
        day.spans.availability().map_or_else(|| language.no_data().to_owned(), |ratio| language.share(ratio));
    let dark = match day.spans.dark {
        Duration::ZERO => String::new(),
        dark => format!(", {} {}", language.state(State::Dark), language.span(dark)),
    };
    format!("{}: {share}{dark}", language.date(day.date))
}

/// What the bar of the days says, for whoever does not see it.
fn uptime_in_words(days: &[Day], language: Language) -> String {
    /// So many days are named.
    const NAMED_MAX: usize = 5;
    let Some(whole) = availability(days) else { return language.no_data().to_owned() };
    let is_bad = |day: &&Day| day.spans.availability().is_some_and(|ratio| ratio < WHOLE);
    let named: Vec<String> =
        days.iter().rev().filter(is_bad).take(NAMED_MAX).map(|day| day_in_words(day, language)).collect();
    format!("{}. {}", language.share(whole), named.join("; "))
}

/// The hours of a probe up to now, with an empty one for each in which it had no run.
pub(super) fn hours_of(probe: &ProbeChronicle, now: Timestamp) -> Vec<Hour> {
    let newest = now.as_second().div_euclid(HOUR);
    let hour = |number: i64| {
        let at = Timestamp::from_second(number * HOUR).unwrap_or(now);
        let none = Hour { at, p50: None, p95: None, p99: None, timeout_ratio: None, failure_ratio: None };
        probe.hours.iter().find(|hour| hour.at == at).copied().unwrap_or(none)
    };
    (newest + 1 - HOURS..=newest).map(hour).collect()
}

/// The canvas of a chart of hours: how wide, how high, and the room left for the scales.
struct Canvas {
    width: u32,
    height: u32,
    left: u32,
    bottom: u32,
}

impl Canvas {
    fn of(size: Size) -> Self {
        match size {
            Size::Small => Self { width: 192, height: 40, left: 0, bottom: 0 },
            Size::Large => Self { width: 720, height: 190, left: 66, bottom: 24 },
        }
    }

    fn plot_width(&self) -> f64 {
        f64::from(self.width - self.left)
    }

    fn plot_height(&self) -> f64 {
        f64::from(self.height - self.bottom)
    }

    /// Where the middle of the column `place` of `count` is.
    fn x(&self, place: usize, count: usize) -> f64 {
        let (place, count) = (small(place), small(count.max(1)));
        f64::from(self.left) + self.plot_width() * (place + 0.5) / count
    }

    /// Where a part of the height is, from 0 at the foot to 1 at the top; two units are left for the width of a line.
    fn y(&self, part: f64) -> f64 {
        let height = self.plot_height();
        height - 1.0 - part.clamp(0.0, 1.0) * (height - 3.0)
    }

    /// The scales: three lines with their figures, and some moments below.
    fn scales(&self, svg: &mut String, top: &str, middle: &str, times: &[(usize, String)], count: usize) {
        for (part, label) in [(1.0, top), (0.5, middle), (0.0, "0")] {
            let y = self.y(part);
            let (left, right) = (self.left, self.width);
            push(svg, format_args!("<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/>"));
            let (x, y) = (left - 6, if part == 1.0 { y + 10.0 } else { y });
            push(
                svg,
                format_args!(
                    "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\" dy=\"0.2em\">{}</text>",
                    escaped(label)
                ),
            );
        }
        for (place, label) in times {
            let (x, y) = (self.x(*place, count), self.height - 6);
            let anchor = if x > f64::from(self.width) - 40.0 { "end" } else { "middle" };
            let label = escaped(label);
            push(svg, format_args!("<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{label}</text>"));
        }
    }
}

/// A count as a number to draw with: no chart has so many columns that any is lost.
fn small(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Some moments of these, about six, to stand below a chart: days where they span several, otherwise clock times, the first
/// with its day. No other has room for it on a phone.
fn moments(all: &[Timestamp], scale: Scale<'_>) -> Vec<(usize, String)> {
    const WANTED: usize = 6;
    let hours = all.first().zip(all.last()).map_or(0, |(first, last)| last.duration_since(*first).as_hours());
    let several_days = hours > 72;
    let step = all.len().div_ceil(WANTED).max(1);
    let first = step / 2;
    let label = |place: usize, at: Timestamp| {
        let day = scale.language.short_date(at.to_zoned(scale.zone.clone()).date());
        match several_days {
            true => day,
            false if place == first => format!("{day} {}", scale.language.clock(at, scale.zone)),
            false => scale.language.clock(at, scale.zone),
        }
    };
    all.iter().enumerate().skip(first).step_by(step).map(|(place, at)| (place, label(place, *at))).collect()
}

/// The next round span: little more than is needed.
fn round_up(span: Duration) -> Duration {
    let wanted = span.as_secs_f64().max(0.001);
    let power = 10_f64.powf(wanted.log10().floor());
    let factor = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= wanted * 0.999_999);
    Duration::from_secs_f64(factor.unwrap_or(10.0) * power)
}

/// One of the figures of an hour.
type Quantile = fn(&Hour) -> Option<Duration>;

/// The latencies of a probe over its hours: half, 95 and 99 of 100 runs.
pub(super) fn latency(hours: &[Hour], size: Size, scale: Scale<'_>) -> String {
    let language = scale.language;
    let canvas = Canvas::of(size);
    let lines: [(&str, Quantile); 3] =
        [("p99", |hour| hour.p99), ("p95", |hour| hour.p95), ("p50", |hour| hour.p50)];
    let highest = hours.iter().flat_map(|hour| [hour.p50, hour.p95, hour.p99]).flatten().max();
    let top = round_up(highest.unwrap_or_default());
    let mut svg = String::with_capacity(4_096);
    let title = format!("{}, {}", language.latency(), language.hours(hours.len() as u64));
    let about = latest(hours).map_or_else(|| language.no_data().to_owned(), |hour| quantiles(hour, language));
    open(&mut svg, class(size), (canvas.width, canvas.height), &title, &about);
    if size == Size::Large {
        let times = moments(&hours.iter().map(|hour| hour.at).collect::<Vec<_>>(), scale);
        canvas.scales(&mut svg, &language.took(top), &language.took(top / 2), &times, hours.len());
    }
    for (class, of) in lines {
        let mut path = String::new();
        let mut is_down = false;
        for (place, hour) in hours.iter().enumerate() {
            let Some(value) = of(hour) else {
                is_down = false;
                continue;
            };
            let x = canvas.x(place, hours.len());
            let y = canvas.y(value.as_secs_f64() / top.as_secs_f64());
            let command = if is_down { 'L' } else { 'M' };
            push(&mut path, format_args!("{command}{x:.1} {y:.1}"));
            // An hour without neighbours is seen as a point.
            if !is_down && hours.get(place + 1).and_then(of).is_none() {
                path.push_str("h0.1");
            }
            is_down = true;
        }
        push(&mut svg, format_args!("<path class=\"line {class}\" d=\"{path}\"/>"));
    }
    svg.push_str("</svg>");
    svg
}

/// The last hour in which something was measured.
pub(super) fn latest(hours: &[Hour]) -> Option<&Hour> {
    hours.iter().rev().find(|hour| hour.p50.is_some())
}

/// `p50 120 ms, p95 300 ms, p99 410 ms`.
pub(super) fn quantiles(hour: &Hour, language: Language) -> String {
    let named = [("p50", hour.p50), ("p95", hour.p95), ("p99", hour.p99)];
    let said =
        named.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", language.took(value?))));
    said.collect::<Vec<_>>().join(", ")
}

/// The share of timeouts of a probe over its hours.
pub(super) fn timeouts(hours: &[Hour], size: Size, scale: Scale<'_>) -> String {
    /// A scale no finer than this: a single timeout of many runs is not to look like an outage.
    const TOP_MIN: f64 = 0.1;
    let language = scale.language;
    let canvas = Canvas::of(size);
    let highest = hours.iter().filter_map(|hour| hour.timeout_ratio).fold(TOP_MIN, f64::max);
    let top = if highest > 0.5 { 1.0 } else { (highest * 10.0).ceil() / 10.0 };
    let mut svg = String::with_capacity(2_048);
    let title = format!("{}, {}", language.timeout_rate(), language.hours(hours.len() as u64));
    let latest = hours.iter().rev().find_map(|hour| hour.timeout_ratio);
    let about = latest.map_or_else(|| language.no_data().to_owned(), |ratio| language.share(ratio));
    open(&mut svg, class(size), (canvas.width, canvas.height), &title, &about);
    if size == Size::Large {
        let times = moments(&hours.iter().map(|hour| hour.at).collect::<Vec<_>>(), scale);
        canvas.scales(&mut svg, &language.share(top), &language.share(top / 2.0), &times, hours.len());
    }
    let wide = (canvas.plot_width() / small(hours.len().max(1)) * 0.8).max(0.5);
    let mut path = String::new();
    for (place, hour) in hours.iter().enumerate() {
        let Some(ratio) = hour.timeout_ratio else { continue };
        let (x, foot) = (canvas.x(place, hours.len()) - wide / 2.0, canvas.plot_height());
        // None at all is a line at the foot, which no hour without a run has.
        let high = (foot - canvas.y(ratio / top)).max(1.0);
        push(&mut path, format_args!("M{x:.1} {foot:.1}h{wide:.1}v-{high:.1}h-{wide:.1}z"));
    }
    push(&mut svg, format_args!("<path class=\"out\" d=\"{path}\"/></svg>"));
    svg
}

fn class(size: Size) -> &'static str {
    match size {
        Size::Small => "small",
        Size::Large => "large",
    }
}

/// The class of a phase in a chart and its legend.
pub(super) fn phase_class(phase: PhaseKind) -> String {
    format!("phase-{}", phase.as_str())
}

/// What runs spent their time on, one column per run, oldest first; the phases stand upon one another in their order.
pub(super) fn phases(runs: &[&Run], scale: Scale<'_>) -> String {
    let language = scale.language;
    let canvas = Canvas::of(Size::Large);
    let whole = |run: &Run| run.phases.iter().map(|(_, took)| *took).sum::<Duration>();
    let top = round_up(runs.iter().map(|run| whole(run)).max().unwrap_or_default());
    let mut svg = String::with_capacity(8_192);
    let title = format!("{}, {}", language.phases(), language.runs(runs.len() as u64));
    let about = runs.last().map_or_else(
        || language.no_data().to_owned(),
        |run| {
            let named = run
                .phases
                .iter()
                .map(|(phase, took)| format!("{} {}", language.phase(*phase), language.took(*took)));
            named.collect::<Vec<_>>().join(", ")
        },
    );
    open(&mut svg, "large", (canvas.width, canvas.height), &title, &about);
    let times = moments(&runs.iter().map(|run| run.started_at).collect::<Vec<_>>(), scale);
    canvas.scales(&mut svg, &language.took(top), &language.took(top / 2), &times, runs.len());
    let wide = (canvas.plot_width() / small(runs.len().max(1)) * 0.8).clamp(0.5, 24.0);
    for &phase in PhaseKind::ALL {
        let mut path = String::new();
        for (place, run) in runs.iter().enumerate() {
            let below: Duration =
                run.phases.iter().filter(|(it, _)| *it < phase).map(|(_, took)| *took).sum();
            let here: Duration =
                run.phases.iter().filter(|(it, _)| *it == phase).map(|(_, took)| *took).sum();
            if here.is_zero() {
                continue;
            }
            let part = |span: Duration| span.as_secs_f64() / top.as_secs_f64();
            let (foot, head) = (canvas.y(part(below)), canvas.y(part(below + here)));
            let (x, high) = (canvas.x(place, runs.len()) - wide / 2.0, foot - head);
            let _infallible = write!(path, "M{x:.1} {foot:.1}h{wide:.1}v-{high:.1}h-{wide:.1}z");
        }
        if !path.is_empty() {
            push(&mut svg, format_args!("<path class=\"{}\" d=\"{path}\"/>", phase_class(phase)));
        }
    }
    svg.push_str("</svg>");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{channel::ProbeName, ledger::Spans};

    const SCALE: Scale<'static> = Scale { language: Language::En, zone: &TimeZone::UTC };

    fn hour(at: &str, ms: Option<u64>, timeout_ratio: Option<f64>) -> Hour {
        let ms = |factor| ms.map(|ms| Duration::from_millis(ms * factor));
        let (p50, p95, p99) = (ms(1), ms(2), ms(4));
        Hour { at: at.parse().unwrap(), p50, p95, p99, timeout_ratio, failure_ratio: timeout_ratio }
    }

    #[test]
    fn a_worse_day_is_lower_and_each_is_named_where_there_is_room() {
        let day = |date: &str, up, dark| {
            let (up, dark) = (Duration::from_secs(up), Duration::from_secs(dark));
            Day { date: date.parse().unwrap(), spans: Spans { up, dark, ..Spans::default() } }
        };
        let days = [
            day("2026-11-23", 0, 0),
            day("2026-11-24", 3_600, 0),
            day("2026-11-25", 980, 20),
            day("2026-11-26", 1_800, 1_800),
        ];
        let small = uptime(&days, Size::Small, SCALE);
        let (none, whole, nearly, broken) =
            ("M0 22h3v3h-3z", "M4 1h3v24h-3z", "M8 8h3v17h-3z", "M12 15h3v10h-3z");
        for (class, path) in [("none", none), ("whole", whole), ("nearly", nearly), ("broken", broken)] {
            assert!(small.contains(&format!("<path class=\"{class}\" d=\"{path}\"/>")), "{small}");
        }
        assert!(small.contains(
            "<title>Availability, 4 days</title><desc>77.8%. Thu 26 Nov 2026: 50.0%, dark 30 min; "
        ));
        let large = uptime(&days, Size::Large, SCALE);
        assert!(large.contains("<title>Wed 25 Nov 2026: 98.0%, dark 20 s</title>"), "{large}");
        assert!(large.contains("<title>Mon 23 Nov 2026: no data</title>"), "{large}");
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured_and_a_lonely_hour_is_a_point() {
        let hours = [
            hour("2026-11-26T00:00:00Z", Some(100), Some(0.0)),
            hour("2026-11-26T01:00:00Z", Some(250), Some(0.3)),
            hour("2026-11-26T02:00:00Z", None, None),
            hour("2026-11-26T03:00:00Z", Some(100), Some(0.0)),
        ];
        let svg = latency(&hours, Size::Small, SCALE);
        assert!(svg.contains("<path class=\"line p99\" d=\"M24.0 24.2L72.0 2.0M168.0 24.2h0.1\"/>"), "{svg}");
        assert!(svg.contains("<desc>p50 100 ms, p95 200 ms, p99 400 ms</desc>"), "{svg}");
        let svg = timeouts(&hours, Size::Small, SCALE);
        assert_eq!(svg.matches('M').count(), 3, "an hour without a run has no bar: {svg}");
    }

    #[test]
    fn an_hour_without_a_run_has_its_place_all_the_same() {
        let hours =
            vec![hour("2026-11-25T09:00:00Z", Some(1), None), hour("2026-11-26T07:00:00Z", Some(2), None)];
        let probe = ProbeChronicle { name: ProbeName::new("door"), hours };
        let filled = hours_of(&probe, "2026-11-26T08:30:00Z".parse().unwrap());
        assert_eq!(filled.len(), 48);
        let known: Vec<usize> = filled
            .iter()
            .enumerate()
            .filter(|(_, hour)| hour.p50.is_some())
            .map(|(place, _)| place)
            .collect();
        assert_eq!(known, [24, 46]);
    }

    #[test]
    fn a_chart_of_nothing_is_drawn_all_the_same() {
        for svg in [
            uptime(&[], Size::Large, SCALE),
            latency(&[], Size::Large, SCALE),
            timeouts(&[], Size::Small, SCALE),
            phases(&[], SCALE),
        ] {
            assert!(
                svg.contains("<desc>no data</desc>") && !svg.contains("NaN") && !svg.contains("inf"),
                "{svg}"
            );
        }
    }

    #[test]
    fn the_first_moment_below_a_chart_says_of_which_day_it_is() {
        let first: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
        let hours = |step: i64| -> Vec<Timestamp> {
            (0..48).map(|hour| first + jiff::SignedDuration::from_hours(hour * step)).collect()
        };
        let labels = |step| moments(&hours(step), SCALE).into_iter().map(|(_, label)| label);
        let two_days = ["25 Nov 04:00", "12:00", "20:00", "04:00", "12:00", "20:00"];
        assert_eq!(labels(1).collect::<Vec<_>>(), two_days);
        assert_eq!(labels(12).take(2).collect::<Vec<_>>(), ["27 Nov", "1 Dec"]);
    }

    #[test]
    fn a_scale_ends_at_a_round_figure() {
        let ends =
            [0, 1, 3, 99, 100, 101, 1_400, 30_000].map(|ms| round_up(Duration::from_millis(ms)).as_millis());
        assert_eq!(ends, [1, 1, 3, 100, 100, 150, 1_500, 30_000]);
    }
}
