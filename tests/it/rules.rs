//! Rules for Prometheus and routes for Alertmanager, as they are shipped and as the program writes them: accepted by the
//! real tools, and tried on series that say when they are to fire.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use expect_test::expect_file;
use regex::Regex;
use serde_json::Value;

use crate::promql;

const SHIPPED: &str = "deploy/prometheus/lamplighter.rules.yml";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a tool that must be content, and gives what it printed.
fn content(program: &str, arguments: &[&str], directory: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(directory).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

/// What `rules` prints for a configuration.
fn rules_of(config: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lamplighter"))
        .args(["rules", "--config", config])
        .env("SMTP_PASSWORD", "a-password-of-some-length")
        .env("HOTLINE_API_KEY", "a-key-of-some-length")
        .env("AGENTS_API_TOKEN", "a-token-of-some-length")
        .current_dir(root(""))
        .output()
        .unwrap()
}

/// The rules for the promises of the tests.
fn rules() -> String {
    let output = rules_of("tests/rules/probes.toml");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every expression of a rule file, on one line each.
fn expressions(rules: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in rules.lines() {
        if let Some(expr) = line.trim_start().strip_prefix("expr: ") {
            is_open = expr == "|-";
            found.push(if is_open { String::new() } else { expr.to_owned() });
        } else if is_open && line.starts_with("          ") {
            *found.last_mut().unwrap() += line;
        } else {
            is_open = false;
        }
    }
    found
}

#[test]
fn rules_ask_for_metrics_and_labels_that_there_are() {
    for text in [fs::read_to_string(root(SHIPPED)).unwrap(), rules()] {
        let expressions = expressions(&text);
        assert!(expressions.len() > 15, "{expressions:#?}");
        for expression in expressions {
            promql::check(&expression).unwrap_or_else(|problem| panic!("{expression}: {problem}"));
        }
    }
}

#[test]
fn promtool_accepts_the_rules_and_the_configuration() {
    content("promtool", &["check", "rules", "--lint=all", "--lint-fatal", SHIPPED], &root(""));
    content("promtool", &["check", "config", "prometheus.yml"], &root("deploy/prometheus"));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("slo.rules.yml"), rules()).unwrap();
    let said = content(
        "promtool",
        &["check", "rules", "--lint=all", "--lint-fatal", "slo.rules.yml"],
        folder.path(),
    );
    assert!(said.contains("SUCCESS: 22 rules found"), "{said}");
}

#[test]
fn the_shipped_rules_fire_when_they_should() {
    content("promtool", &["test", "rules", "tests/rules/lamplighter.test.yml"], &root(""));
}

/// The alerts of which tests say at some moment that they fire, and those of which they say that they do not.
fn seen(tests: &[&str]) -> [BTreeSet<String>; 2] {
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    for test in tests {
        let text = fs::read_to_string(root("tests/rules").join(test)).unwrap();
        let file: Value = serde_saphyr::from_str(&text).unwrap();
        let cases = file["tests"].as_array().unwrap().iter();
        for moment in cases.flat_map(|case| case["alert_rule_test"].as_array().into_iter().flatten()) {
            let is_firing = moment["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
            seen[usize::from(!is_firing)].insert(moment["alertname"].as_str().unwrap().to_owned());
        }
    }
    seen
}

#[test]
fn every_alert_is_seen_to_fire_and_to_be_silent() {
    let shipped = fs::read_to_string(root(SHIPPED)).unwrap();
    let of_slos = ["slo.test.yml", "slow.test.yml"];
    for (rules, tests) in [(shipped, &["lamplighter.test.yml"][..]), (rules(), &of_slos)] {
        let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        assert!(!names.is_empty());
        for (seen, how) in seen(tests).iter().zip(["fire", "be silent"]) {
            let unseen: Vec<&String> = names.difference(seen).collect();
            assert!(unseen.is_empty(), "{tests:?} do not have these {how}: {unseen:?}");
        }
    }
}

#[test]
fn a_fast_burn_fires_within_minutes_a_slow_one_is_a_ticket_and_closed_hours_are_silent() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("slo.rules.yml"), rules()).unwrap();
    for test in ["slo.test.yml", "slow.test.yml"] {
        fs::copy(root("tests/rules").join(test), folder.path().join(test)).unwrap();
        content("promtool", &["test", "rules", test], folder.path());
    }
}

#[test]
fn the_example_of_rules_is_what_the_program_writes_for_the_shipped_configuration() {
    let output = rules_of("probes.toml");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    expect_file!["../../deploy/prometheus/slo.rules.yml"]
        .assert_eq(&String::from_utf8(output.stdout).unwrap());
}

#[test]
fn a_configuration_without_a_promise_makes_no_rules_and_a_wrong_one_is_refused() {
    let none = rules_of("tests/configs/good/smallest.toml");
    assert!(none.status.success());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("slo.rules.yml"), none.stdout).unwrap();
    content("promtool", &["check", "rules", "slo.rules.yml"], folder.path());
    let wrong = rules_of("tests/configs/bad/slos.toml");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(wrong.stdout.is_empty() && !wrong.stderr.is_empty());
}

#[test]
fn alertmanager_wakes_people_for_what_is_dark_and_makes_tickets_of_what_can_wait() {
    let file = root("deploy/alertmanager/alertmanager.yml");
    let file = file.to_str().unwrap();
    content("amtool", &["check-config", file], &root(""));
    for (labels, receiver) in [
        (&["alertname=SupportChannelDark", "severity=critical", "channel=chat"][..], "on-call"),
        (&["alertname=SupportErrorBudgetBurnsFast", "severity=critical", "channel=chat"], "on-call"),
        (&["alertname=SupportErrorBudgetBurnsSlowly", "severity=ticket", "channel=chat"], "tickets"),
        (&["alertname=SupportTimeoutRateHigh", "severity=warning", "channel=chat"], "tickets"),
        (&["alertname=SupportChannelDegraded", "severity=info", "channel=chat"], "nobody"),
        (&["alertname=LamplighterBlind", "severity=critical", "cause=own_network"], "monitor"),
        (&["alertname=LamplighterBackupOld", "severity=warning"], "tickets"),
        (&["alertname=SomethingElse"], "tickets"),
    ] {
        let mut arguments = vec!["config", "routes", "test", "--config.file", file];
        arguments.extend(labels);
        let said = content("amtool", &arguments, &root(""));
        assert_eq!(said.lines().next(), Some(receiver), "{labels:?}");
    }
    // Every severity that a rule has is one that a route speaks of.
    let routes = fs::read_to_string(file).unwrap();
    let matcher = Regex::new(r#"severity =~? "([^"]*)""#).unwrap();
    let routed: BTreeSet<&str> =
        matcher.captures_iter(&routes).flat_map(|found| found.extract::<1>().1[0].split('|')).collect();
    assert!(routed.contains("critical") && !routed.contains(""), "{routed:?}");
    for text in [fs::read_to_string(root(SHIPPED)).unwrap(), rules()] {
        for rest in text.split("severity: ").skip(1) {
            let severity: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
            assert!(routed.contains(&*severity), "{severity:?} is not among {routed:?}");
        }
    }
}

#[test]
fn the_commands_of_the_page_can_be_typed() {
    let page = fs::read_to_string(root("docs/grafana.md")).unwrap();
    let lines: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let commands = lines.into_iter().filter(|line| {
        ["lamplighter", "promtool", "amtool"].into_iter().any(|program| line.starts_with(program))
    });
    let commands: Vec<&str> = commands.collect();
    assert_eq!(commands.len(), 5, "{commands:#?}");
    // What they write is written elsewhere.
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root("deploy"), folder.path().join("deploy")).unwrap();
    fs::copy(root("tests/rules/probes.toml"), folder.path().join("probes.toml")).unwrap();
    fs::create_dir(folder.path().join("dashboards")).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_lamplighter")).parent().unwrap().display();
    for command in commands {
        let typed = format!("set -e; PATH={program}:$PATH; {command}");
        content("bash", &["-c", &typed], folder.path());
    }
    assert_eq!(fs::read_to_string(folder.path().join("slo.rules.yml")).unwrap(), rules());
    assert!(folder.path().join("dashboards/overview.json").exists());
}

#[test]
fn the_page_names_every_file_and_every_severity_that_there_is() {
    let page = fs::read_to_string(root("docs/grafana.md")).unwrap();
    for folder in ["deploy/prometheus", "dashboards"] {
        for file in fs::read_dir(root(folder)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(page.contains(&name), "{folder}/{name}");
        }
    }
    for severity in ["critical", "warning", "ticket"] {
        assert!(page.contains(&format!("`{severity}`")), "{severity}");
    }
}
