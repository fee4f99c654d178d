//! What is shipped for the people who run Lamplighter: alerting rules, a dashboard and a systemd unit speak of metrics,
//! commands and files that exist.

use std::{collections::BTreeSet, fs, process::Command};

use clap::CommandFactory;
use lamplighter::{cli::Cli, metrics::FAMILIES};

fn shipped(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Every word that looks like one of our metrics.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours = words.filter(|word| word.starts_with("support_") || word.starts_with("lamplighter_"));
    ours.map(|word| {
        ["_bucket", "_sum", "_count"].iter().fold(word, |word, end| word.trim_end_matches(end)).to_owned()
    })
    .collect()
}

#[test]
fn rules_and_dashboard_ask_for_metrics_that_exist() {
    for path in ["deploy/lamplighter.rules.yml", "dashboards/lamplighter.json"] {
        let asked = metrics_in(&shipped(path));
        assert!(asked.len() > 5, "{path}: {asked:?}");
        for name in asked {
            assert!(FAMILIES.iter().any(|family| family.name == name), "{path}: there is no metric {name}");
        }
    }
}

#[test]
fn promtool_accepts_the_rules() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/lamplighter.rules.yml");
    let output = Command::new("promtool")
        .args(["check", "rules", "--lint=all", "--lint-fatal", rules])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_query_of_the_dashboard_is_valid_promql() {
    let dashboard: serde_json::Value = serde_json::from_str(&shipped("dashboards/lamplighter.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let rules: String = queries
        .enumerate()
        .map(|(number, target)| {
            let query =
                target["expr"].as_str().unwrap().replace("$__rate_interval", "5m").replace("$channel", ".*");
            format!("  - {{ record: 'query:{number}', expr: {} }}\n", serde_json::Value::from(query))
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.yml");
    fs::write(&file, format!("groups:\n- name: dashboard\n  rules:\n{rules}")).unwrap();
    let output = Command::new("promtool").args(["check", "rules"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{rules}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_systemd_unit_starts_a_command_that_exists() {
    let unit = shipped("deploy/lamplighter.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/")).unwrap();
    Cli::command().try_get_matches_from(start.split_whitespace()).unwrap();
}

#[test]
fn systemd_never_gives_the_monitor_up() {
    let unit = shipped("deploy/lamplighter.service");
    let section = |name: &str| unit.split("\n[").find_map(|section| section.strip_prefix(name)).unwrap();
    assert!(section("Service]").lines().any(|line| line == "Restart=always"));
    // By default five failures within ten seconds are the last.
    assert!(section("Unit]").lines().any(|line| line == "StartLimitIntervalSec=0"));
}

#[test]
fn the_page_on_running_names_what_the_unit_has() {
    let (page, unit) = (shipped("docs/running.md"), shipped("deploy/lamplighter.service"));
    let credential = unit.lines().find_map(|line| line.strip_prefix("#LoadCredential=")).unwrap();
    let line = page.lines().find(|line| line.contains("systemd-run")).unwrap();
    assert!(line.contains(&format!("-p LoadCredential={credential}")), "{line}");
    let program = line.split_once("/usr/bin/").unwrap().1;
    Cli::command().try_get_matches_from(program.split_whitespace()).unwrap();
}
