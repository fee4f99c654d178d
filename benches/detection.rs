//! How well outages are detected: Lamplighter's own judgement beside other policies, in virtual time.
//!
//!     cargo bench --bench detection [-- [--seeds N] [--months N] [--outages N] [--policy TEXT] [WORLD...]]
//!
//! Prints the tables of `docs/detection.md`, or of them the policies whose name has `TEXT` in it and the worlds that are
//! named. The records of real targets are read from the file in `LAMPLIGHTER_TRACES`,
//! or from `../shared/traces/flapping-125-targets.csv`.

#[path = "detection/simulation.rs"]
mod simulation;
#[path = "detection/tables.rs"]
mod tables;
#[path = "detection/traces.rs"]
mod traces;
#[path = "detection/worlds.rs"]
mod worlds;

use std::{path::PathBuf, process::ExitCode};

use simulation::{
    measure::{self, Effort, Found},
    policy::{POLICIES, Policy},
};
use tokio::time::Instant;
use traces::Trace;
use worlds::{Kind, Named, WORLDS};

/// What is asked for on the command line.
struct Asked {
    effort: Effort,
    policies: Vec<&'static Policy>,
    worlds: Vec<&'static Named>,
}

fn main() -> ExitCode {
    match ask().and_then(|asked| Ok((records(&asked)?, asked))) {
        Ok((traces, asked)) => {
            let began = Instant::now();
            run(&asked, &traces);
            // Not among the figures: those are the same each time.
            eprintln!("played in {:.1} s", began.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn ask() -> Result<Asked, String> {
    let mut effort = Effort { seeds: 20, months: 20, outages: 1_000 };
    let (mut policies, mut worlds): (Vec<&Policy>, Vec<&Named>) = (POLICIES.iter().collect(), Vec::new());
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let figure = match arg.as_str() {
            "--seeds" => &mut effort.seeds,
            "--months" => &mut effort.months,
            "--outages" => &mut effort.outages,
            "--policy" => {
                let part = args.next().unwrap_or_default();
                policies.retain(|policy| policy.name.contains(&part));
                continue;
            }
            id => {
                let known = || WORLDS.iter().map(|world| world.id).collect::<Vec<_>>().join(", ");
                let world = WORLDS.iter().find(|world| world.id == id);
                worlds.push(world.ok_or_else(|| format!("there is no world {id:?}; there are {}", known()))?);
                continue;
            }
        };
        let value = args.next().and_then(|value| value.parse().ok()).filter(|value| *value > 0);
        *figure = value.ok_or_else(|| format!("{arg} wants a whole number"))?;
    }
    if worlds.is_empty() {
        worlds.extend(WORLDS);
    }
    if policies.is_empty() {
        return Err("no policy has that in its name".to_owned());
    }
    Ok(Asked { effort, policies, worlds })
}

/// The records of real targets, if a world asks for them.
fn records(asked: &Asked) -> Result<Vec<Trace>, String> {
    if !asked.worlds.iter().any(|world| matches!(world.kind, Kind::Traces)) {
        return Ok(Vec::new());
    }
    let default = || PathBuf::from("../shared/traces/flapping-125-targets.csv");
    traces::read(&std::env::var_os("LAMPLIGHTER_TRACES").map_or_else(default, PathBuf::from))
}

fn run(asked: &Asked, traces: &[Trace]) {
    let effort = asked.effort;
    let Effort { seeds, months, outages } = effort;
    println!("{seeds} seeds; of each {months} channel-months and {outages} outages");
    false_alarms(asked);
    for world in &asked.worlds {
        match world.kind {
            Kind::Quiet => {}
            Kind::Outage(trouble) => {
                println!("\n{}:", world.title);
                tables::outages(&asked.policies, |policy| {
                    Found::of(measure::outages(policy, world.climate, trouble, effort))
                });
            }
            Kind::Traces => {
                let (outages, months) = traces::size(traces);
                let records = traces.len();
                println!(
                    "\n{}: {records} records, {outages} outages in {months:.1} channel-months:",
                    world.title
                );
                tables::traces(&asked.policies, months, |policy| {
                    Found::of(traces::play(policy, world.climate, traces, seeds))
                });
            }
        }
    }
}

/// One table for all worlds in which nothing is broken.
fn false_alarms(asked: &Asked) {
    let quiet: Vec<_> = asked.worlds.iter().filter(|world| matches!(world.kind, Kind::Quiet)).collect();
    if quiet.is_empty() {
        return;
    }
    println!("\nFalse alarms per channel-month:");
    let mut head = vec!["policy"];
    head.extend(quiet.iter().map(|world| world.title));
    head.push("runs per hour");
    let row = |policy: &&Policy| {
        let mut row = vec![policy.name.to_owned()];
        let mut runs: f64 = 0.0;
        for world in &quiet {
            let measured = measure::quiet(policy, world.climate, asked.effort);
            row.push(tables::false_alarms(&measured));
            runs = runs.max(measured.runs_per_hour);
        }
        row.push(format!("{runs:.1}"));
        row
    };
    tables::print(&head, &asked.policies.iter().map(row).collect::<Vec<_>>());
}
