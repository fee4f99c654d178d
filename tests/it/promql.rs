//! What queries and rules ask for, held against the metrics that there are: names, and the labels of each.

use std::{collections::BTreeSet, sync::LazyLock};

use lamplighter::metrics::{
    FAMILIES, Family, Kind,
    rules::{BUDGET_LEFT, ERROR_RATIO_WINDOW},
};
use regex::Regex;
use serde_json::Value;

/// A word, with the labels that are asked of it where it has braces.
static WORD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{(?:[^}"]|"[^"]*")*\})?"#).unwrap());
/// A label in braces.
static LABEL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"([a-zA-Z_][a-zA-Z0-9_]*)\s*(?:=~|!~|!=|=)\s*"[^"]*""#).unwrap());
/// Labels in parentheses.
static GROUPING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)").unwrap()
});
static TEXT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#""[^"]*""#).unwrap());

/// Labels that Prometheus adds to whatever it scrapes.
const ADDED: [&str; 2] = ["instance", "job"];
/// What Prometheus makes of a scrape, and its library of a process.
const FOREIGN: [&str; 6] = [
    "up",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
];
/// What rules record.
const RECORDED: [&str; 8] = [
    BUDGET_LEFT,
    ERROR_RATIO_WINDOW,
    "channel:support_probe_runs:increase15m",
    "channel:support_probe_runs:increase1h",
    "channel:support_probe_timeouts:ratio_rate15m",
    "channel:support_probe_timeouts:ratio_rate1h",
    "channel:support_first_response_seconds:p95_1h",
    "channel:support_first_response_seconds:p95_1d",
];
const FUNCTIONS: [&str; 24] = [
    "sum",
    "max",
    "min",
    "avg",
    "count",
    "rate",
    "increase",
    "histogram_quantile",
    "time",
    "absent",
    "vector",
    "by",
    "on",
    "group_left",
    "and",
    "or",
    "unless",
    "avg_over_time",
    "sum_over_time",
    "count_over_time",
    "round",
    "ignoring",
    "without",
    "bool",
];

/// Every query of a dashboard: of its panels and of its annotations.
pub fn queries_of(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let annotations = dashboard["annotations"]["list"].as_array().unwrap();
    let targets = targets.chain(annotations.iter().map(|annotation| &annotation["target"]));
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The labels that a metric of this name has; none if there is no such metric.
fn labels_of(name: &str) -> Option<BTreeSet<&'static str>> {
    if FOREIGN.contains(&name) {
        return Some(ADDED.into());
    }
    if RECORDED.contains(&name) || name.starts_with("channel:support_channel_error:ratio_") {
        return Some(["channel", "responder"].into());
    }
    let is_histogram = |family: &&Family| family.kind == Kind::Histogram;
    let of_histogram = ["_bucket", "_sum", "_count"].into_iter().find_map(|part| {
        let family =
            FAMILIES.iter().filter(is_histogram).find(|it| Some(it.name) == name.strip_suffix(part))?;
        Some((family, (part == "_bucket").then_some("le")))
    });
    let plain =
        || FAMILIES.iter().find(|it| it.name == name && it.kind != Kind::Histogram).map(|it| (it, None));
    let (family, more) = of_histogram.or_else(plain)?;
    let persona = family.labels.contains(&"probe").then_some("persona");
    Some(family.labels.iter().copied().chain(ADDED).chain(more).chain(persona).collect())
}

/// The metrics that a query asks for, or what is wrong with it.
pub fn check(query: &str) -> Result<BTreeSet<String>, String> {
    let (mut asked, mut labels_there) = (BTreeSet::new(), BTreeSet::new());
    let bare = GROUPING.replace_all(query, " ");
    for found in WORD.captures_iter(&bare) {
        let name = &found[1];
        let before = &bare[..found.get(0).unwrap().start()];
        // What follows a digit is a unit of time, and what follows a dollar a variable.
        if FUNCTIONS.contains(&name) || before.ends_with(|c: char| c == '$' || c.is_ascii_digit()) {
            continue;
        }
        let labels = labels_of(name).ok_or_else(|| format!("there is no metric {name}"))?;
        for label in LABEL.captures_iter(found.get(2).map_or("", |braces| braces.as_str())) {
            if !labels.contains(&label[1]) {
                return Err(format!("{name} has no label {}", &label[1]));
            }
        }
        labels_there.extend(labels);
        asked.insert(name.to_owned());
    }
    for found in GROUPING.captures_iter(&TEXT.replace_all(query, " ")) {
        let mut labels = found[1].split(',').map(str::trim).filter(|label| !label.is_empty());
        if let Some(label) = labels.find(|label| !labels_there.contains(label)) {
            return Err(format!("nothing in it has the label {label}"));
        }
    }
    if asked.is_empty() {
        return Err("it asks for nothing".to_owned());
    }
    Ok(asked)
}
