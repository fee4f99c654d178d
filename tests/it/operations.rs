//! What is shipped for the people who run Lamplighter: a systemd unit speaks of commands and files that exist.

use std::fs;

use clap::CommandFactory;
use lamplighter::cli::Cli;

fn shipped(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
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
