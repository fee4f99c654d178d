//! All channels at a glance: which are dark, since when, how often customers wait in vain, and how long until somebody
//! answers.

use serde_json::{Value, json};

use super::{
    Dashboard, framed, of,
    panel::{Panel, channel_links, laid_out},
    part_of,
    variables::{self, Choice},
};
use crate::metrics::{
    CHANNEL_INFO, CHANNEL_STATE, CHANNEL_STATE_SINCE, FIRST_RESPONSE, INCIDENT_OPEN, INCIDENTS,
    PROBE_FAILURES, PROBE_LATENCY, PROBE_TIMEOUT_RATIO, STEPS_TO_PERSON, rules::BUDGET_LEFT,
};

/// What the panels ask of.
const CHOSEN: &str = r#"instance=~"$instance", channel=~"$channel""#;

/// The states as numbers, the worst last, and how they look.
pub(super) const STATES: [(u8, &str, &str); 5] = [
    (1, "closed", "blue"),
    (2, "up", "green"),
    (3, "unknown", "purple"),
    (4, "degraded", "orange"),
    (5, "dark", "red"),
];

/// The state of each channel as a number of [`STATES`]; of several monitors that see one, the worst.
pub(super) fn states(chosen: &str) -> String {
    let one = |(number, state, _): &(u8, &str, &str)| {
        format!("{number} * {}", of(CHANNEL_STATE, &format!("{chosen}, state=\"{state}\"")))
    };
    format!("max by (channel) ({})", STATES.iter().map(one).collect::<Vec<_>>().join(" or "))
}

/// The dashboard.
pub(super) fn dashboard() -> Value {
    let about = "Every door through which customers reach support: its state, its incidents, how often customers wait in \
                 vain and how long until somebody answers.";
    let rows = [("Now", now()), ("Over time", over_time()), ("Promises", promises())];
    framed(Dashboard::Overview, "Support channels", about, [chosen_by(), laid_out(rows)], CHOSEN)
}

fn chosen_by() -> Vec<Value> {
    let monitors = of(CHANNEL_INFO, "");
    let channels = of(CHANNEL_INFO, r#"instance=~"$instance", team=~"$team", kind=~"$kind""#);
    vec![
        variables::source(),
        variables::label("instance", "Monitor", "Which Lamplighter", &monitors, Choice::Listed),
        variables::label("team", "Team", "Who is told of the channel", &monitors, Choice::Any),
        variables::label("kind", "Kind", "What sort of door it is", &monitors, Choice::Any),
        variables::label("channel", "Channel", "Which door", &channels, Choice::Listed),
        variables::words("window", "Timeouts over", "The window of timeout rates", &["5m", "1h", "24h"]),
        variables::pages(),
    ]
}

fn now() -> Vec<Panel> {
    let count = format!("sum by (state) (max by (channel, state) ({}))", of(CHANNEL_STATE, CHOSEN));
    vec![
        Panel::stat("Open incidents", "Incidents that are open now.", (4, 4))
            .ask(format!("sum(max by (channel, severity) ({}))", of(INCIDENT_OPEN, CHOSEN)), "open")
            .unit("none")
            .steps(&[(1.0, "red")]),
        Panel::stat("Channels by state", "How many channels are in which state.", (14, 4))
            .ask(count, "{{state}}")
            .unit("none")
            .steps(&[(0.0, "text")])
            .paint("up", "green")
            .paint("dark", "red")
            .paint("degraded", "orange")
            .paint("unknown", "purple")
            .paint("closed", "blue"),
        Panel::stat(
            "Incidents begun",
            "Incidents that were opened in the time shown; one that worsens counts for both severities.",
            (6, 4),
        )
        .ask(format!("sum by (severity) (increase({}[$__range]))", of(INCIDENTS, CHOSEN)), "{{severity}}")
        .unit("none")
        .steps(&[(0.5, "orange")])
        .from(0.0, None),
        channels(),
    ]
}

/// A line for each channel. The titles come from the other metric, by a join.
fn channels() -> Panel {
    let named = format!("on (instance, channel) group_left (title, team, kind) {}", of(CHANNEL_INFO, CHOSEN));
    let states = of(CHANNEL_STATE, CHOSEN);
    let since = of(CHANNEL_STATE_SINCE, CHOSEN);
    let colours = STATES.iter().map(|(_, state, colour)| (state.to_string(), json!({ "color": colour })));
    let colours: serde_json::Map<String, Value> = colours.collect();
    let hidden = ["Time", "Value #A", "__name__", "job", "location"];
    let hidden: serde_json::Map<String, Value> =
        hidden.into_iter().map(|name| (name.to_owned(), true.into())).collect();
    Panel::table("Channels", "Each channel, its state, and since when. A click on its id leads to it.", (24, 8))
        .ask(format!("({states} == 1) * {named}"), "")
        .ask(format!("1000 * max by (instance, channel) ({since})"), "")
        .unit("none")
        .transform("merge", json!({}))
        .transform(
            "organize",
            json!({
                "excludeByName": hidden,
                "indexByName": { "channel": 0, "title": 1, "kind": 2, "team": 3, "state": 4, "Value #B": 5, "instance": 6 },
                "renameByName": { "Value #B": "since", "instance": "monitor" }
            }),
        )
        .column("channel", vec![json!({ "id": "links", "value": channel_links("${__value.text}") })])
        .column(
            "state",
            vec![
                json!({ "id": "mappings", "value": [{ "type": "value", "options": colours }] }),
                json!({ "id": "custom.cellOptions", "value": { "type": "color-background", "mode": "basic" } }),
            ],
        )
        .column("since", vec![json!({ "id": "unit", "value": "dateTimeFromNow" })])
}

fn over_time() -> Vec<Panel> {
    let first = part_of(FIRST_RESPONSE, "bucket", CHOSEN);
    let p95 = of(PROBE_LATENCY, &format!(r#"{CHOSEN}, quantile="0.95""#));
    let timeouts = of(PROBE_TIMEOUT_RATIO, &format!(r#"{CHOSEN}, window="$window""#));
    let failures = of(PROBE_FAILURES, CHOSEN);
    vec![
        Panel::states("States", "The state of each channel; of several monitors, the worst.", (24, 8))
            .ask(states(CHOSEN), "{{channel}}")
            .unit("none")
            .words(&STATES)
            .leads_to_channels(),
        Panel::lines(
            "Timeout rate",
            "Share of runs that were waited for in vain, over the window above.",
            (12, 8),
        )
        .ask(format!("max by (channel) ({timeouts})"), "{{channel}}")
        .unit("percentunit")
        .steps(&[(0.05, "orange"), (0.2, "red")])
        .from(0.0, None)
        .leads_to_channels(),
        Panel::lines(
            "First response, 95th percentile",
            "How long a bot or a person took to answer first, over an hour. Who never answered is in the timeout rate.",
            (12, 8),
        )
        .ask(
            format!("histogram_quantile(0.95, sum by (channel, responder, le) (rate({first}[1h])))"),
            "{{channel}}, {{responder}}",
        )
        .unit("s")
        .steps(&[(60.0, "orange"), (360.0, "red")])
        .from(0.0, None)
        .or_else("nobody has answered within the last hour")
        .leads_to_channels(),
        Panel::lines(
            "Latency, 95th percentile of the last hour",
            "Of the slowest probe of each channel.",
            (12, 8),
        )
        .ask(format!("max by (channel) ({p95})"), "{{channel}}")
        .unit("s")
        .steps(&[(5.0, "orange"), (30.0, "red")])
        .from(0.0, None)
        .leads_to_channels(),
        Panel::bars(
            "Failures by reason",
            "Degraded and failed runs, by what a customer meets. The first run with a reason since the monitor began is not in it.",
            (12, 8),
        )
        .ask(
            format!("sum by (channel, reason) (increase({failures}[$__rate_interval])) > 0"),
            "{{channel}}: {{reason}}",
        )
        .unit("short")
        .or_else("none, or one of each reason at most")
        .leads_to_channels(),
    ]
}

fn promises() -> Vec<Panel> {
    vec![
        Panel::gauges(
            "Error budget left",
            "How much of what its slo allows a channel has not used up; below nothing it is broken.",
            (12, 6),
        )
        .ask(format!("max by (channel) ({BUDGET_LEFT}{{channel=~\"$channel\"}})"), "{{channel}}")
        .unit("percentunit")
        .steps(&[(-1e9, "red"), (0.1, "orange"), (0.5, "green")])
        .from(0.0, Some(1.0))
        .or_else("no channel has an slo, or the rules of `lamplighter rules` are not loaded")
        .leads_to_channels(),
        Panel::gauges(
            "Steps to a person",
            "What a customer has to do until a person is reached, when that last succeeded.",
            (12, 6),
        )
        .ask(format!("max by (channel) ({})", of(STEPS_TO_PERSON, CHOSEN)), "{{channel}}")
        .unit("none")
        .steps(&[(3.0, "orange"), (5.0, "red")])
        .from(0.0, None)
        .or_else("no probe looks for a person")
        .leads_to_channels(),
    ]
}
