//! Rules for Prometheus that follow from what channels promise: the share of their open time in which they are dark, and
//! alerts on how fast that uses up what they may be dark.
//!
//! Each alert looks over a long window, so that a short outage does not wake anybody, and over a short one, so that it
//! ends soon after the outage. The rates and windows are those of Google's SRE workbook for 30 days; for another window
//! of a promise they are longer or shorter in proportion, so that an alert means the same share of the budget.
//!
//! `support_channel_up` is absent while a channel is closed or unknown, so this time counts on neither side.

use std::{collections::BTreeSet, fmt::Write, time::Duration};

use crate::{
    domain::slo::{Slo, USUAL_WINDOW},
    metrics::CHANNEL_UP,
};

/// How much of its error budget a channel has left, as a recording rule: 1 all, 0 none, below that it is broken.
pub const BUDGET_LEFT: &str = "channel:support_error_budget_left:ratio";
/// In which share of its open time within the window of its promise a channel was dark, as a recording rule.
pub const ERROR_RATIO_WINDOW: &str = "channel:support_channel_error:ratio_window";
/// The same within a shorter time, which follows.
const ERROR_RATIO: &str = "channel:support_channel_error:ratio_";

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A shorter window holds too few scrapes.
const WINDOW_MIN: Duration = Duration::from_secs(2 * 60);
/// How often what looks over the whole window is brought up to date: it reads a month of samples each time.
const SLOWLY: &str = "5m";

/// How fast a budget is used up, and over which times that is seen, of a promise for [`USUAL_WINDOW`].
#[derive(Clone, Copy, Debug)]
struct Burn {
    /// How many times as fast as would use it up at the end of the window.
    rate: f64,
    long: Duration,
    short: Duration,
}

const fn burn(rate: f64, long: Duration, short: Duration) -> Burn {
    Burn { rate, long, short }
}

/// What somebody must look at now: 2 % of the budget in an hour, 5 % in six.
const FAST: [Burn; 2] = [burn(14.4, HOUR, times(MINUTE, 5)), burn(6.0, times(HOUR, 6), times(MINUTE, 30))];
/// What somebody must look at in working hours: 10 % of the budget in a day or in three.
const SLOW: [Burn; 2] = [burn(3.0, DAY, times(HOUR, 2)), burn(1.0, times(DAY, 3), times(HOUR, 6))];

const fn times(span: Duration, count: u64) -> Duration {
    Duration::from_secs(span.as_secs() * count)
}

/// The rules of all channels that promise something, as the YAML of a rule file. `source` is what they were made of.
#[must_use]
pub fn of_slos<'a>(slos: impl IntoIterator<Item = (&'a str, Slo)>, source: &str) -> String {
    let mut text = format!(
        "# Service levels of the channels of {source}, written by `lamplighter rules`: write them anew when an slo changes.\n\
         groups:"
    );
    let mut count = 0;
    for (channel, slo) in slos {
        count += 1;
        push_channel(&mut text, channel, slo);
    }
    text.push_str(if count == 0 { " [] # no channel has an slo\n" } else { "" });
    text
}

fn push_channel(text: &mut String, channel: &str, slo: Slo) {
    let of_window = |burns: [Burn; 2]| -> Vec<Burn> {
        let scale = |span: Duration| scaled(span, slo.window);
        let burns = burns.map(|it| burn(it.rate, scale(it.long), scale(it.short)));
        // A channel cannot be dark for more than all of the time.
        burns.into_iter().filter(|it| it.rate * slo.budget() < 1.0).collect()
    };
    let (fast, slow) = (of_window(FAST), of_window(SLOW));
    let spans: BTreeSet<Duration> =
        fast.iter().chain(&slow).flat_map(|burn| [burn.short, burn.long]).collect();
    push(text, format_args!("\n  - name: lamplighter-slo-{channel}\n    rules:\n"));
    for span in spans {
        let name = format!("{ERROR_RATIO}{}", in_prometheus(span));
        push_record(text, channel, &name, &dark_share(channel, span));
    }
    push_alert(text, channel, slo, &fast, Pace::Fast);
    push_alert(text, channel, slo, &slow, Pace::Slow);
    let whole = dark_share(channel, slo.window);
    push(
        text,
        format_args!("  - name: lamplighter-slo-{channel}-window\n    interval: {SLOWLY}\n    rules:\n"),
    );
    push_record(text, channel, ERROR_RATIO_WINDOW, &whole);
    let left = format!("1 - {ERROR_RATIO_WINDOW}{{channel=\"{channel}\"}} / {}", slo.budget());
    push_record(text, channel, BUDGET_LEFT, &left);
}

/// In which share of its open time a channel was dark. Of several monitors each look counts as much as any other.
fn dark_share(channel: &str, span: Duration) -> String {
    let looks = format!("{CHANNEL_UP}{{channel=\"{channel}\"}}[{}]", in_prometheus(span));
    format!("1 - sum(sum_over_time({looks})) / sum(count_over_time({looks}))")
}

fn push_record(text: &mut String, channel: &str, name: &str, expr: &str) {
    push(text, format_args!("      - record: {name}\n        expr: {expr}\n"));
    push(text, format_args!("        labels: {{ channel: \"{channel}\" }}\n"));
}

#[derive(Clone, Copy)]
enum Pace {
    Fast,
    Slow,
}

fn push_alert(text: &mut String, channel: &str, slo: Slo, burns: &[Burn], pace: Pace) {
    if burns.is_empty() {
        return;
    }
    let (name, severity, urgency) = match pace {
        Pace::Fast => ("SupportErrorBudgetBurnsFast", "critical", "Look at it now."),
        Pace::Slow => ("SupportErrorBudgetBurnsSlowly", "ticket", "Look at it in working hours."),
    };
    let over = |span: Duration, rate: f64| {
        let span = in_prometheus(span);
        format!("{ERROR_RATIO}{span}{{channel=\"{channel}\"}} > {rate} * {}", slo.budget())
    };
    let conditions = burns
        .iter()
        .map(|burn| format!("({} and {})", over(burn.long, burn.rate), over(burn.short, burn.rate)));
    let conditions: Vec<String> = conditions.collect();
    push(
        text,
        format_args!(
            "      - alert: {name}\n        expr: |-\n          {}\n",
            conditions.join("\n          or ")
        ),
    );
    push(text, format_args!("        labels: {{ severity: {severity}, channel: \"{channel}\" }}\n"));
    let (percent, window) = (slo.percent(), in_prometheus(slo.window));
    push(
        text,
        format_args!(
            "        annotations:\n          \
             summary: '{channel} was dark for {{{{ $value | humanizePercentage }}}} of its open time'\n          \
             description: It is to work for {percent} % of its open time within {window}, and uses up what is left too \
             fast. {urgency}\n"
        ),
    );
}

/// A window as long for this promise as for one of [`USUAL_WINDOW`], in whole minutes.
fn scaled(span: Duration, window: Duration) -> Duration {
    let minutes =
        span.as_secs_f64() / MINUTE.as_secs_f64() * window.as_secs_f64() / USUAL_WINDOW.as_secs_f64();
    Duration::from_secs(minutes.round() as u64 * MINUTE.as_secs()).max(WINDOW_MIN)
}

/// A span as Prometheus writes it: `1h30m`.
fn in_prometheus(span: Duration) -> String {
    let mut rest = span.as_secs();
    let mut text = String::new();
    for (unit, word) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "m"), (Duration::from_secs(1), "s")] {
        let count = rest / unit.as_secs();
        rest %= unit.as_secs();
        if count > 0 {
            push(&mut text, format_args!("{count}{word}"));
        }
    }
    text
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slo(availability_ppm: u32, days: u64) -> Slo {
        Slo { availability_ppm, window: times(DAY, days) }
    }

    #[test]
    fn windows_are_as_long_in_proportion_and_never_shorter_than_a_few_scrapes() {
        let of = |days| {
            let burns = FAST.into_iter().chain(SLOW);
            let spans = burns.flat_map(|burn| [burn.long, burn.short]);
            spans.map(|span| in_prometheus(scaled(span, times(DAY, days)))).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of(30), "1h 5m 6h 30m 1d 2h 3d 6h");
        assert_eq!(of(90), "3h 15m 18h 1h30m 3d 6h 9d 18h");
        assert_eq!(of(7), "14m 2m 1h24m 7m 5h36m 28m 16h48m 1h24m");
        assert_eq!(of(1), "2m 2m 12m 2m 48m 4m 2h24m 12m");
    }

    #[test]
    fn what_no_outage_can_reach_is_not_asked_for() {
        let text = of_slos([("chat", slo(900_000, 30))], "x.toml");
        assert!(!text.contains("14.4") && text.contains("> 6 * 0.1"), "{text}");
        let text = of_slos([("chat", slo(100_000, 30))], "x.toml");
        assert!(!text.contains("BurnsFast") && text.contains("> 1 * 0.9"), "{text}");
    }

    #[test]
    fn without_a_promise_there_is_an_empty_file_of_rules() {
        assert!(of_slos([], "x.toml").ends_with("\ngroups: [] # no channel has an slo\n"));
    }
}
