//! The dashboards as they are shipped: written by the program, of the metrics that there are, in the words of Grafana's
//! own types. No Grafana is started here.

mod types;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use expect_test::expect_file;
use lamplighter::metrics::dashboards::Dashboard;
use serde_json::Value;

use crate::promql::{self, queries_of};

fn parsed(dashboard: Dashboard) -> Value {
    serde_json::from_str(&dashboard.json()).unwrap()
}

/// The panels that are no headings.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row")
}

#[test]
fn the_files_shipped_are_those_that_the_program_writes() {
    expect_file!["../../dashboards/overview.json"].assert_eq(&Dashboard::Overview.json());
    expect_file!["../../dashboards/channel.json"].assert_eq(&Dashboard::Channel.json());
    expect_file!["../../dashboards/monitor.json"].assert_eq(&Dashboard::Monitor.json());
}

#[test]
fn the_command_prints_one_and_writes_all() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_lamplighter")).arg("dashboards").args(arguments).output().unwrap()
    };
    for dashboard in Dashboard::ALL {
        let printed = ask(&[dashboard.as_str()]);
        assert!(printed.status.success());
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), dashboard.json());
    }
    let written = ask(&["--into", folder.path().to_str().unwrap()]);
    assert!(written.status.success());
    assert_eq!(String::from_utf8(written.stdout).unwrap().lines().count(), 3);
    for dashboard in Dashboard::ALL {
        let file = folder.path().join(format!("{}.json", dashboard.as_str()));
        assert_eq!(fs::read_to_string(file).unwrap(), dashboard.json());
    }
    assert_eq!(ask(&["--into", "/nowhere/at/all"]).status.code(), Some(3));
    assert_eq!(ask(&["overveiw"]).status.code(), Some(2));
    assert_eq!(ask(&[]).status.code(), Some(2));
}

#[test]
fn every_query_asks_for_metrics_and_labels_that_there_are() {
    let mut asked = BTreeSet::new();
    for dashboard in Dashboard::ALL {
        for query in queries_of(&parsed(dashboard)) {
            asked.extend(promql::check(&query).unwrap_or_else(|problem| panic!("{query}: {problem}")));
        }
    }
    assert!(asked.len() > 25, "{asked:?}");
}

#[test]
fn the_check_of_queries_finds_what_is_not_there() {
    for query in [
        "support_chanel_up",
        "sum(support_channel_up{chanel=\"x\"})",
        "sum by (reason) (support_channel_up)",
        "rate(support_probe_runs_total_bucket[5m])",
        "channel:support_of_nothing:ratio",
        "support_probe_runs_total{responder=\"bot\"}",
        "node_load1",
    ] {
        assert!(promql::check(query).is_err(), "{query}");
    }
}

#[test]
fn every_query_is_valid_promql() {
    let queries: Vec<String> =
        Dashboard::ALL.into_iter().flat_map(|dashboard| queries_of(&parsed(dashboard))).collect();
    let rules: String = queries
        .iter()
        .enumerate()
        .map(|(number, query)| {
            let query = query.replace("$__rate_interval", "5m").replace("$__range", "6h");
            format!("  - {{ record: 'query:{number}', expr: {} }}\n", Value::from(query))
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.yml");
    fs::write(&file, format!("groups:\n- name: dashboards\n  rules:\n{rules}")).unwrap();
    let output = Command::new("promtool").args(["check", "rules"]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{rules}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_from_where_it_is_bad() {
    for which in Dashboard::ALL {
        let dashboard = parsed(which);
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel:#}");
        }
        let mut titles = BTreeSet::new();
        for panel in panels(&dashboard) {
            let (title, defaults) = (panel["title"].as_str().unwrap(), &panel["fieldConfig"]["defaults"]);
            assert!(titles.insert(title), "{which:?}: {title} twice");
            assert!(panel["description"].as_str().unwrap().ends_with('.'), "{title}");
            assert!(!defaults["unit"].as_str().unwrap().is_empty(), "{title}");
            assert!(!defaults["thresholds"]["steps"].as_array().unwrap().is_empty(), "{title}");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title}");
        }
        let incidents = &dashboard["annotations"]["list"][0];
        assert_eq!(incidents["name"], "Incidents");
        // Grafana fills in the labels of a mark, and no variables: a link to a page would lead nowhere.
        let text = incidents["textFormat"].as_str().unwrap();
        assert!(text.contains("{{channel}}") && !text.contains(['$', '<']), "{text}");
        let links = dashboard.to_string();
        let page = if which == Dashboard::Monitor { "${lamplighter}/" } else { "${lamplighter}/channel/" };
        assert!(links.contains(page), "{which:?} leads to the pages of incidents");
    }
}

#[test]
fn panels_fill_the_grid_without_lying_over_one_another() {
    for which in Dashboard::ALL {
        let mut taken: BTreeMap<(u64, u64), String> = BTreeMap::new();
        for panel in parsed(which)["panels"].as_array().unwrap() {
            let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{panel:#}");
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    let before = taken.insert((x, y), panel["title"].to_string());
                    assert_eq!(before, None, "{which:?}: {}", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn every_variable_that_is_used_is_there_to_be_chosen() {
    for which in Dashboard::ALL {
        let dashboard = parsed(which);
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let known: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
        for query in queries_of(&dashboard) {
            for used in query.split('$').skip(1) {
                let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                assert!(name.starts_with("__") || known.contains(&name.as_str()), "{which:?}: {query}");
            }
        }
    }
}
