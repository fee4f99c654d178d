//! The tables, as they stand in `docs/detection.md`.

use super::simulation::{
    measure::{Found, Quiet},
    policy::Policy,
    statistics::{Estimate, at_most_after_none},
};

/// What is told of every outage.
const HEAD: [&str; 7] =
    ["policy", "missed", "alarm p50, s", "p99, s", "all-clear p50, s", "p99, s", "alarms each"];

/// Prints a table of Markdown.
pub fn print(head: &[&str], rows: &[Vec<String>]) {
    println!("\n| {} |", head.join(" | "));
    println!("|{}", "---|".repeat(head.len()));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// False alarms in one world.
pub fn false_alarms(quiet: &Quiet) -> String {
    match Estimate::of(&quiet.alarms) {
        Some(estimate) if quiet.alarms_total > 0 => estimate.to_string(),
        _ => format!("0 (< {})", at_most_after_none(quiet.months_total, 1.0)),
    }
}

/// Prints what became of outages under these policies.
pub fn outages(policies: &[&Policy], found: impl Fn(&Policy) -> Found) {
    let row = |policy: &&Policy| cells(policy, &found(policy));
    print(&HEAD, &policies.iter().map(row).collect::<Vec<_>>());
}

/// The same for the records of real targets, with the alarms at times when they were up.
pub fn traces(policies: &[&Policy], months: f64, found: impl Fn(&Policy) -> Found) {
    let row = |policy: &&Policy| {
        let found = found(policy);
        let mut row = cells(policy, &found);
        let a_month = |all: Estimate| Estimate { mean: all.mean / months, half: all.half / months };
        row.push(cell(&found.alarms_outside.map(a_month)));
        row
    };
    let mut head = HEAD.to_vec();
    head.push("alarms else, per channel-month");
    print(&head, &policies.iter().map(row).collect::<Vec<_>>());
}

fn cells(policy: &Policy, found: &Found) -> Vec<String> {
    let missed = match found.missed {
        Some(estimate) if found.missed_total > 0 => format!("{estimate} %"),
        _ => format!("0 (< {} %)", at_most_after_none(found.outages as f64, 100.0)),
    };
    let mut cells = vec![policy.name.to_owned(), missed];
    cells.extend(found.found_after.iter().chain(&found.cleared_after).map(cell));
    cells.push(cell(&found.alarms));
    cells
}

fn cell(estimate: &Option<Estimate>) -> String {
    estimate.map_or_else(|| "-".to_owned(), |estimate| estimate.to_string())
}
