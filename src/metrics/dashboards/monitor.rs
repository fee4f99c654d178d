//! The monitor itself: whether it sees, keeps time, tells people, and keeps what it knows.

use serde_json::Value;

use super::{
    Dashboard, framed, of,
    panel::{Panel, laid_out},
    part_of,
    variables::{self, Choice},
};
use crate::metrics::{
    BLIND, BUILD_INFO, CANARY_SUCCESS_AT, CANARY_TRAVEL, CANARY_UP, HEARTBEAT_WITHHELD, HEARTBEATS,
    NOTIFICATIONS, OUTBOX_OLDEST_AGE, OUTBOX_PENDING, PROBE_RUNS, RELOAD_SUCCESS_AT, RELOAD_SUCCESSFUL,
    RUNS_IN_FLIGHT, RUNS_SKIPPED, SCHEDULER_LAG, SENTINEL_UP, STORE_BACKUP_AT, STORE_DEGRADED,
};

/// The chosen monitors.
const CHOSEN: &str = r#"instance=~"$instance""#;

const NO_CANARY: &str = "no canary is configured";

/// The dashboard.
pub(super) fn dashboard() -> Value {
    let about =
        "Whether Lamplighter itself does its work: sees, keeps time, tells people, keeps what it knows.";
    let rows = [("Now", now()), ("Work", work()), ("Telling", telling()), ("Ground", ground())];
    let chosen_by = vec![
        variables::source(),
        variables::label("instance", "Monitor", "Which Lamplighter", &of(BUILD_INFO, ""), Choice::Listed),
        variables::pages(),
    ];
    framed(Dashboard::Monitor, "Lamplighter itself", about, [chosen_by, laid_out(rows)], CHOSEN)
}

/// 0 and 1 as words: `bad` is the value that is bad.
fn yes_or_no(panel: Panel, no: &str, yes: &str, bad: u8) -> Panel {
    let colour = |value| if value == bad { "red" } else { "green" };
    panel.unit("none").words(&[(0, no, colour(0)), (1, yes, colour(1))]).steps(match bad {
        0 => &[(-1.0, "red"), (1.0, "green")],
        _ => &[(1.0, "red")],
    })
}

fn now() -> Vec<Panel> {
    let each = |aggregate: &str, family| format!("{aggregate} by (instance) ({})", of(family, CHOSEN));
    let stat = |title, about| Panel::stat(title, about, (4, 4));
    vec![
        yes_or_no(
            stat("Answers", "Whether Prometheus reaches it.").ask(format!("up{{{CHOSEN}}}"), "{{instance}}"),
            "no",
            "yes",
            0,
        ),
        yes_or_no(
            stat("Sight", "Whether any probe can look.").ask(each("max", BLIND), "{{instance}}"),
            "sees",
            "blind",
            1,
        ),
        yes_or_no(
            stat("Configuration", "Whether the file on disk is the one at work.")
                .ask(each("min", RELOAD_SUCCESSFUL), "{{instance}}"),
            "refused",
            "at work",
            0,
        ),
        yes_or_no(
            stat("Store", "Whether it can write its database.")
                .ask(each("max", STORE_DEGRADED), "{{instance}}"),
            "writes",
            "degraded",
            1,
        ),
        stat("Oldest notification", "How long the oldest one that waits has waited.")
            .ask(each("max", OUTBOX_OLDEST_AGE), "{{instance}}")
            .unit("s")
            .steps(&[(60.0, "orange"), (300.0, "red")]),
        stat("Configuration loaded", "When the plan at work was loaded.")
            .ask(format!("1000 * {}", each("max", RELOAD_SUCCESS_AT)), "{{instance}}")
            .unit("dateTimeFromNow")
            .steps(&[(0.0, "text")]),
    ]
}

fn work() -> Vec<Panel> {
    let lag = part_of(SCHEDULER_LAG, "bucket", CHOSEN);
    let lag = |quantile: f64| {
        format!("histogram_quantile({quantile}, sum by (instance, le) (rate({lag}[$__rate_interval])))")
    };
    vec![
        Panel::lines("Scheduler lag", "From the moment a run is due until it begins.", (8, 8))
            .ask(lag(0.5), "{{instance}}, median")
            .ask(lag(0.99), "{{instance}}, 99th percentile")
            .unit("s")
            .steps(&[(0.05, "orange"), (1.0, "red")])
            .from(0.0, None),
        Panel::areas("Runs", "Finished runs by outcome.", (8, 8))
            .ask(
                format!("sum by (outcome) (rate({}[$__rate_interval]))", of(PROBE_RUNS, CHOSEN)),
                "{{outcome}}",
            )
            .unit("cps")
            .from(0.0, None)
            .paint("ok", "green")
            .paint("degraded", "orange")
            .paint("failed", "red")
            .paint("inconclusive", "purple"),
        Panel::lines("Runs skipped", "Turns that were due and not taken.", (8, 8))
            .ask(
                format!("sum by (reason) (rate({}[$__rate_interval]))", of(RUNS_SKIPPED, CHOSEN)),
                "{{reason}}",
            )
            .unit("cps")
            .steps(&[(0.01, "orange"), (1.0, "red")])
            .from(0.0, None),
        Panel::areas("Runs under way", "By kind of probe.", (8, 8))
            .ask(format!("sum by (kind) ({})", of(RUNS_IN_FLIGHT, CHOSEN)), "{{kind}}")
            .unit("none")
            .from(0.0, None),
        Panel::states("Blindness", "When not one probe could look, by cause.", (8, 8))
            .ask(format!("max by (cause) ({})", of(BLIND, CHOSEN)), "{{cause}}")
            .unit("none")
            .words(&[(0, "sees", "green"), (1, "blind", "red")]),
        Panel::states("Sentinels", "Which answered when they were asked last.", (8, 8))
            .ask(format!("min by (sentinel) ({})", of(SENTINEL_UP, CHOSEN)), "{{sentinel}}")
            .unit("none")
            .words(&[(0, "silent", "red"), (1, "answers", "green")])
            .or_else("no sentinel is configured"),
    ]
}

fn telling() -> Vec<Panel> {
    vec![
        Panel::lines("Notifications waiting", "Not yet delivered, by route.", (8, 7))
            .ask(format!("sum by (route) ({})", of(OUTBOX_PENDING, CHOSEN)), "{{route}}")
            .unit("none")
            .steps(&[(10.0, "orange"), (100.0, "red")])
            .from(0.0, None),
        Panel::bars("Tries to deliver", "By route and result.", (8, 7))
            .ask(
                format!("sum by (route, result) (increase({}[$__rate_interval]))", of(NOTIFICATIONS, CHOSEN)),
                "{{route}}: {{result}}",
            )
            .unit("short"),
        Panel::bars("Heartbeats", "To the dead man's switch, by result.", (8, 7))
            .ask(
                format!("sum by (result) (increase({}[$__rate_interval]))", of(HEARTBEATS, CHOSEN)),
                "{{result}}",
            )
            .unit("short")
            .paint("sent", "green")
            .paint("failed", "orange")
            .paint("withheld", "red"),
        Panel::states("Heartbeats withheld", "Why none is sent.", (8, 7))
            .ask(format!("max by (reason) ({})", of(HEARTBEAT_WITHHELD, CHOSEN)), "{{reason}}")
            .unit("none")
            .words(&[(0, "well", "green"), (1, "withheld", "red")])
            .or_else("no heartbeat is configured"),
        yes_or_no(
            Panel::stat("Canary", "Whether the last mail to itself arrived.", (4, 7))
                .ask(format!("min by (route) ({})", of(CANARY_UP, CHOSEN)), "{{route}}"),
            "lost",
            "arrived",
            0,
        )
        .or_else(NO_CANARY),
        Panel::stat("Last canary", "How long ago one arrived.", (4, 7))
            .ask(format!("time() - min by (route) ({})", of(CANARY_SUCCESS_AT, CHOSEN)), "{{route}}")
            .unit("s")
            .steps(&[(90_000.0, "orange"), (97_200.0, "red")])
            .or_else(NO_CANARY),
        Panel::lines("Travel of the canary", "How long the last one that arrived was under way.", (8, 7))
            .ask(format!("max by (route) ({})", of(CANARY_TRAVEL, CHOSEN)), "{{route}}")
            .unit("s")
            .steps(&[(60.0, "orange"), (300.0, "red")])
            .from(0.0, None)
            .or_else(NO_CANARY),
    ]
}

/// `process_*` comes from the client library of Prometheus.
fn ground() -> Vec<Panel> {
    let process = |what: &str| format!("process_{what}{{{CHOSEN}}}");
    let backup = of(STORE_BACKUP_AT, CHOSEN);
    vec![
        Panel::lines("Processor", "Cores in use.", (6, 7))
            .ask(format!("rate(process_cpu_seconds_total{{{CHOSEN}}}[$__rate_interval])"), "{{instance}}")
            .unit("none")
            .from(0.0, None),
        Panel::lines("Memory", "What is resident.", (6, 7))
            .ask(process("resident_memory_bytes"), "{{instance}}")
            .unit("bytes")
            .from(0.0, None),
        Panel::lines("File descriptors", "Share of those that it may have open.", (6, 7))
            .ask(format!("process_open_fds{{{CHOSEN}}} / {}", process("max_fds")), "{{instance}}")
            .unit("percentunit")
            .steps(&[(0.7, "orange"), (0.9, "red")])
            .from(0.0, None),
        Panel::lines("Age of the newest backup", "Of the store; one is made every hour.", (6, 7))
            .ask(format!("time() - max by (instance) ({backup} > 0)"), "{{instance}}")
            .unit("s")
            .steps(&[(7_200.0, "orange"), (10_800.0, "red")])
            .from(0.0, None),
    ]
}
