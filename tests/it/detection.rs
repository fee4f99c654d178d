//! What `docs/detection.md` promises of the defaults holds for the defaults as they are: a part of the simulation behind
//! its tables, small enough for every run of the tests.

#[path = "../../benches/detection/simulation.rs"]
#[expect(
    dead_code,
    reason = "the policies that the defaults are compared with are played by the bench alone"
)]
mod simulation;
#[path = "../../benches/detection/worlds.rs"]
#[expect(dead_code, reason = "what the tables are called is printed by the bench alone")]
mod worlds;

use std::{fs, path::Path, time::Duration};

use lamplighter::config::{self, Loaded};

use simulation::{
    measure::{self, Effort, Found, Quiet, Tally, Trouble},
    policy::{DEFAULT, EVERY, Policy, Rule},
};
use worlds::{Kind, WORLDS};

/// A tenth of the months that the bench plays, and a twentieth of its outages.
const EFFORT: Effort = Effort { seeds: 5, months: 8, outages: 200 };

/// Months of a world of the tables.
fn quiet(policy: &Policy, id: &str) -> Quiet {
    let world = WORLDS.iter().find(|world| world.id == id).unwrap();
    assert!(matches!(world.kind, Kind::Quiet));
    measure::quiet(policy, world.climate, EFFORT)
}

/// Outages of a world of the tables.
fn outages(policy: &Policy, id: &str) -> (Trouble, Vec<Tally>) {
    let world = WORLDS.iter().find(|world| world.id == id).unwrap();
    let Kind::Outage(trouble) = world.kind else { panic!("{id} has no outage") };
    (trouble, measure::outages(policy, world.climate, trouble, EFFORT))
}

/// The median and the 99th percentile of the seconds to the alarm.
fn found_after(policy: &Policy, id: &str) -> [f64; 2] {
    let found = Found::of(outages(policy, id).1);
    assert_eq!(found.missed_total, 0);
    found.found_after.map(|estimate| estimate.unwrap().mean)
}

#[test]
fn the_policy_of_the_tables_is_that_of_a_configuration_that_says_nothing() {
    let Loaded { plan, .. } = config::load(Path::new("tests/configs/good/smallest.toml")).unwrap();
    let channel = plan.channels.values().next().unwrap();
    let probe = channel.probes.values().next().unwrap();
    let rules = &channel.rules;
    assert_eq!(DEFAULT.rule, Rule::Lamplighter { dark_after: rules.dark_after, up_after: rules.up_after });
    assert_eq!(probe.every, Duration::from_micros(EVERY));
    assert_eq!(probe.silence(), Duration::from_micros(3 * EVERY + simulation::world::DEADLINE));
    let (after, at_most) = DEFAULT.recheck.unwrap();
    assert_eq!(probe.recheck, Some(Duration::from_micros(after)));
    assert_eq!(at_most, rules.dark_after.count - 1, "as often as a verdict needs");
}

#[test]
fn a_total_outage_is_told_in_half_a_minute_and_never_later_than_in_three_quarters() {
    let [median, worst] = found_after(&DEFAULT, "total");
    assert!(median <= 30.0 && worst <= 45.0, "{median} s, {worst} s");
}

#[test]
fn an_outage_that_shows_by_deadlines_only_costs_four_of_them() {
    let [median, worst] = found_after(&DEFAULT, "total-slow");
    assert!(median <= 70.0 && worst <= 85.0, "{median} s, {worst} s");
}

#[test]
fn a_half_outage_is_not_missed() {
    let (trouble, tallies) = outages(&DEFAULT, "half");
    assert_eq!(trouble, Trouble::Half);
    let found = Found::of(tallies);
    assert!(found.outages > 950, "{found:?}");
    assert!(found.missed_total <= found.outages / 1_000, "{found:?}");
}

#[test]
fn a_fault_that_the_sentinels_share_alarms_nobody_and_without_them_it_would() {
    let with = quiet(&DEFAULT, "faults-1-100");
    assert!(with.alarms_total as f64 <= 0.1 * with.months_total, "{with:?}");
    let without = quiet(&Policy { gate: false, ..DEFAULT }, "faults-1-100");
    assert!(without.alarms_total as f64 > 10.0 * without.months_total, "{without:?}");
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let once = || (found_after(&DEFAULT, "total"), quiet(&DEFAULT, "faults-8-80"));
    assert_eq!(format!("{:?}", once()), format!("{:?}", once()));
}

#[test]
fn a_recheck_is_there_where_it_is_sooner_than_the_next_turn_and_can_be_switched_off() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("probes.toml");
    let recheck = |defaults: &str, probe: &str| {
        let text = format!(
            "[defaults]\n{defaults}\n[channel.chat]\nkind = \"chat\"\n[channel.chat.probe.look]\n{probe}\n\
             http = {{ url = \"https://shop.example.com/\" }}\n"
        );
        fs::write(&file, text).unwrap();
        let Loaded { plan, warnings, .. } = config::load(&file).unwrap();
        assert!(!warnings.to_string().contains("recheck"), "{warnings}");
        let channel = plan.channels.values().next().unwrap();
        channel.probes.values().next().unwrap().recheck.map(|after| after.as_secs())
    };
    assert_eq!(recheck("", ""), Some(4));
    assert_eq!(recheck("", "every = \"5m\""), Some(4));
    for short in ["every = \"4s\"\ntimeout = \"1s\"", "every = \"500ms\"\ntimeout = \"400ms\""] {
        assert_eq!(recheck("", short), None, "{short}");
    }
    assert_eq!(recheck("", "recheck = \"off\""), None);
    assert_eq!(recheck("recheck = \"off\"", ""), None);
    assert_eq!(recheck("recheck = \"off\"", "recheck = \"2s\""), Some(2));
    assert_eq!(recheck("recheck = \"2s\"", ""), Some(2));
}

#[test]
fn people_are_asked_no_second_time_unless_it_is_written() {
    let Loaded { plan, .. } =
        config::load(Path::new("tests/configs/warned/people_asked_too_often.toml")).unwrap();
    let probes = plan.channels.values().flat_map(|channel| channel.probes.values());
    let asking: Vec<_> = probes.filter(|probe| probe.probe.asks().is_some()).collect();
    assert!(!asking.is_empty());
    assert!(asking.iter().all(|probe| probe.recheck.is_none()));
}
