//! One channel from near: where its time goes, how its runs end, for whom and from where.

use serde_json::Value;

use super::{
    Dashboard, framed, of,
    overview::{STATES, states},
    panel::{Panel, laid_out},
    part_of,
    variables::{self, Choice},
};
use crate::metrics::{
    CERTIFICATE_EXPIRY, CHANNEL_INFO, CHANNEL_STATE_SINCE, FIRST_RESPONSE, PROBE_DURATION, PROBE_FAILURES,
    PROBE_LAST_RUN, PROBE_LATENCY, PROBE_PHASE, PROBE_RUNS, PROBE_TIMEOUT_RATIO, STEPS_TO_PERSON,
    rules::{BUDGET_LEFT, ERROR_RATIO_WINDOW},
};

/// The channel.
const CHANNEL: &str = r#"instance=~"$instance", channel="$channel""#;
/// Its chosen probes, where metrics have no location.
const PROBES: &str = r#"instance=~"$instance", channel="$channel", probe=~"$probe""#;
/// Its chosen probes, from the chosen locations.
const RUNS: &str = r#"instance=~"$instance", channel="$channel", probe=~"$probe", location=~"$location""#;

/// The dashboard.
pub(super) fn dashboard() -> Value {
    let about = "One door from near: where its time goes, how its runs end, as whom and from where it fails.";
    let rows = [("Now", now()), ("Time", times()), ("Outcomes", endings()), ("Service level", promises())];
    framed(Dashboard::Channel, "Support channel", about, [chosen_by(), laid_out(rows)], CHANNEL)
}

fn chosen_by() -> Vec<Value> {
    let monitors = of(CHANNEL_INFO, "");
    let channels = of(CHANNEL_INFO, r#"instance=~"$instance""#);
    let runs = of(PROBE_RUNS, CHANNEL);
    vec![
        variables::source(),
        variables::label("instance", "Monitor", "Which Lamplighter", &monitors, Choice::Listed),
        variables::label("channel", "Channel", "Which door", &channels, Choice::One),
        variables::label("probe", "Probe", "Which of its checks", &runs, Choice::Any),
        variables::label("location", "Location", "Where runs are made from", &runs, Choice::Any),
        variables::pages(),
    ]
}

fn now() -> Vec<Panel> {
    let hour = of(PROBE_TIMEOUT_RATIO, &format!(r#"{RUNS}, window="1h""#));
    vec![
        Panel::stat("State", "As it is judged now.", (4, 4))
            .ask(states(CHANNEL), "{{channel}}")
            .unit("none")
            .words(&STATES)
            .leads_to_channels(),
        Panel::stat("Since", "When it entered that state.", (4, 4))
            .ask(format!("1000 * max by (channel) ({})", of(CHANNEL_STATE_SINCE, CHANNEL)), "since")
            .unit("dateTimeFromNow")
            .steps(&[(0.0, "text")]),
        Panel::stat("Last run", "How long ago the last run of the slowest probe began.", (4, 4))
            .ask(format!("time() - min by (channel) ({})", of(PROBE_LAST_RUN, RUNS)), "ago")
            .unit("s")
            .steps(&[(900.0, "orange"), (3600.0, "red")]),
        Panel::stat(
            "Timeouts, last hour",
            "Share of the worst probe's runs that were waited for in vain.",
            (4, 4),
        )
        .ask(format!("max by (channel) ({hour})"), "timeouts")
        .unit("percentunit")
        .steps(&[(0.05, "orange"), (0.2, "red")]),
        Panel::stat("Steps to a person", "What a customer has to do, when that last succeeded.", (4, 4))
            .ask(format!("max by (channel) ({})", of(STEPS_TO_PERSON, PROBES)), "steps")
            .unit("none")
            .steps(&[(3.0, "orange"), (5.0, "red")])
            .or_else("no probe looks for a person"),
        Panel::stat("Certificate", "How long until the first of its certificates expires.", (4, 4))
            .ask(format!("min by (channel) ({}) - time()", of(CERTIFICATE_EXPIRY, PROBES)), "left")
            .unit("s")
            .steps(&[(-1e9, "red"), (604_800.0, "orange"), (1_209_600.0, "green")])
            .or_else("no probe speaks TLS"),
        Panel::states("States", "Its state over time.", (24, 4))
            .ask(states(CHANNEL), "{{channel}}")
            .unit("none")
            .words(&STATES)
            .leads_to_channels(),
    ]
}

fn times() -> Vec<Panel> {
    let buckets = part_of(PROBE_DURATION, "bucket", RUNS);
    let first = part_of(FIRST_RESPONSE, "bucket", PROBES);
    let first =
        |quantile: f64| format!("histogram_quantile({quantile}, sum by (responder, le) (rate({first}[1h])))");
    vec![
        Panel::heatmap("Duration of runs", "How many runs took how long.", (12, 9))
            .ask(format!("sum by (le) (increase({buckets}[$__rate_interval]))"), "{{le}}")
            .unit("s"),
        Panel::areas(
            "Phases of the last run",
            "Where the time of a run goes, on average of its probes.",
            (12, 9),
        )
        .ask(format!("avg by (phase) ({})", of(PROBE_PHASE, RUNS)), "{{phase}}")
        .unit("s")
        .from(0.0, None),
        Panel::lines("Latency of the last hour", "Quantiles of each probe.", (12, 8))
            .ask(format!("max by (probe, quantile) ({})", of(PROBE_LATENCY, RUNS)), "{{probe}}, {{quantile}}")
            .unit("s")
            .steps(&[(5.0, "orange"), (30.0, "red")])
            .from(0.0, None),
        Panel::lines(
            "First response",
            "How long a bot or a person took to answer first, over an hour.",
            (12, 8),
        )
        .ask(first(0.5), "{{responder}}, median")
        .ask(first(0.95), "{{responder}}, 95th percentile")
        .unit("s")
        .steps(&[(60.0, "orange"), (360.0, "red")])
        .from(0.0, None)
        .or_else("nobody has answered within the last hour"),
    ]
}

fn endings() -> Vec<Panel> {
    let runs = of(PROBE_RUNS, RUNS);
    let timeouts = of(PROBE_TIMEOUT_RATIO, RUNS);
    vec![
        Panel::bars("Runs by outcome", "How the runs ended.", (12, 8))
            .ask(format!("sum by (outcome) (increase({runs}[$__rate_interval]))"), "{{outcome}}")
            .unit("short")
            .paint("ok", "green")
            .paint("degraded", "orange")
            .paint("failed", "red")
            .paint("inconclusive", "purple"),
        Panel::bars(
            "Failures by reason",
            "What a customer meets. The first run with a reason since the monitor began is only among the runs by outcome.",
            (12, 8),
        )
        .ask(
            format!("sum by (reason) (increase({}[$__rate_interval])) > 0", of(PROBE_FAILURES, RUNS)),
            "{{reason}}",
        )
        .unit("short")
        .or_else("none, or one of each reason at most"),
        Panel::lines("Timeout rate", "Share of runs that were waited for in vain, by window.", (8, 8))
            .ask(format!("max by (window) ({timeouts})"), "{{window}}")
            .unit("percentunit")
            .steps(&[(0.05, "orange"), (0.2, "red")])
            .from(0.0, None),
        Panel::lines("Bad runs by persona", "Share of failed and degraded runs of each persona.", (8, 8))
            .ask(bad_share("persona", &format!(r#"{RUNS}, persona!="""#)), "{{persona}}")
            .unit("percentunit")
            .steps(&[(0.05, "orange"), (0.2, "red")])
            .from(0.0, Some(1.0))
            .or_else("its probes have no personas"),
        Panel::lines("Bad runs by location", "Share of failed and degraded runs from each location.", (8, 8))
            .ask(bad_share("location", RUNS), "{{location}}")
            .unit("percentunit")
            .steps(&[(0.05, "orange"), (0.2, "red")])
            .from(0.0, Some(1.0)),
    ]
}

/// Which share of the conclusive runs was bad, by a label.
fn bad_share(label: &str, chosen: &str) -> String {
    let rate = |outcomes: &str| {
        let runs = of(PROBE_RUNS, &format!("{chosen}, outcome{outcomes}"));
        format!("sum by ({label}) (rate({runs}[$__rate_interval]))")
    };
    format!(r#"{} / {}"#, rate(r#"=~"failed|degraded""#), rate(r#"!="inconclusive""#))
}

fn promises() -> Vec<Panel> {
    let nothing = "it has no slo, or the rules of `lamplighter rules` are not loaded";
    vec![
        Panel::lines("Error budget left", "How much of what its slo allows it has not used up.", (12, 7))
            .ask(format!("{BUDGET_LEFT}{{channel=\"$channel\"}}"), "left")
            .unit("percentunit")
            .steps(&[(-1e9, "red"), (0.1, "orange"), (0.5, "green")])
            .from(0.0, Some(1.0))
            .or_else(nothing),
        Panel::lines("Dark share of its window", "Share of its open time in which it was dark.", (12, 7))
            .ask(format!("{ERROR_RATIO_WINDOW}{{channel=\"$channel\"}}"), "dark")
            .unit("percentunit")
            .steps(&[(0.001, "orange"), (0.01, "red")])
            .from(0.0, None)
            .or_else(nothing),
    ]
}
