//! `probe`: one run now, with everything it saw. It runs exactly what the daemon runs, and neither judges nor stores
//! nor tells anybody.

mod json;
mod sheet;
mod target;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Runtime, select, signal::ctrl_c};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{Exit, LogFormat, check::print_problems, logging, print},
    clock::Clock,
    config::{self, plan::ProbePlan},
    domain::{channel::ProbeKey, outcome::Verdict},
    probe::{
        Picture,
        run::{self, Ended},
    },
};

/// How wide a sheet is where there is no terminal.
const WIDTH: usize = 80;

/// A task that a dying name server holds up is waited for no longer than this.
const STRAGGLERS: Duration = Duration::from_millis(300);

/// Arguments of `probe`.
#[derive(Debug, clap::Args)]
pub struct ProbeArgs {
    /// Which probes: a channel, or one probe of it.
    #[arg(value_name = "CHANNEL[/PROBE]")]
    pub target: String,
    /// Which configuration to work by.
    #[command(flatten)]
    pub config: crate::cli::ConfigArgs,
    /// Write the pictures that browser probes take into this directory, as PNG files: that of the failure, and those
    /// of steps with screenshot = true.
    #[arg(long, value_name = "DIRECTORY")]
    pub screenshots: Option<PathBuf>,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Runs the probes once, one after the other.
#[must_use]
pub fn execute(args: &ProbeArgs, log: LogFormat) -> Exit {
    if let Err(problem) = logging::init(log) {
        eprintln!("{problem}");
        return Exit::CouldNot;
    }
    let plan = match config::load(&args.config.config) {
        Ok(loaded) => loaded.plan,
        Err(problems) => {
            print_problems(&problems.report);
            return Exit::NotWell;
        }
    };
    let probes = match target::select(&plan, &args.target) {
        Ok(probes) => probes,
        Err(unknown) => {
            eprintln!("{unknown}");
            return Exit::CouldNot;
        }
    };
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("failed to start the runtime: {error}");
            return Exit::CouldNot;
        }
    };
    let runs = runtime.block_on(run_until_interrupted(&probes));
    runtime.shutdown_timeout(STRAGGLERS);
    if let Some(directory) = &args.screenshots
        && let Err(problem) = write_pictures(directory, &runs)
    {
        eprintln!("{problem}");
        return Exit::CouldNot;
    }
    match if args.json { print_json(&runs) } else { print_sheets(&runs) } {
        Exit::Well => {
            let unlooked_at = (runs.len() < probes.len()).then_some(Exit::CouldNot);
            let exits = runs.iter().map(|run| exit_of(&run.outcome.verdict));
            exits.chain(unlooked_at).max_by_key(gravity)
        }
        unprinted => Some(unprinted),
    }
    .unwrap_or(Exit::Well)
}

fn write_pictures(directory: &Path, runs: &[Ended]) -> Result<(), String> {
    let failed = |path: &Path, error| format!("failed to write {}: {error}", path.display());
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    for run in runs {
        let ProbeKey { channel, probe } = &*run.outcome.probe;
        for Picture { step, png } in &run.pictures {
            let path = directory.join(format!("{channel}.{probe}.{step}.png"));
            fs::write(&path, png).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}

/// Runs them all; at Ctrl-C, those that are done, after the one under way has cleaned up.
async fn run_until_interrupted(probes: &[&Arc<ProbePlan>]) -> Vec<Ended> {
    let stop = CancellationToken::new();
    let mut runs = std::pin::pin!(run_all(probes, &stop));
    select! {
        runs = &mut runs => return runs,
        Ok(()) = ctrl_c() => stop.cancel(),
    }
    runs.await
}

async fn run_all(probes: &[&Arc<ProbePlan>], stop: &CancellationToken) -> Vec<Ended> {
    let mut runs = Vec::with_capacity(probes.len());
    for plan in probes {
        let key = Arc::clone(&plan.key);
        let run = run::run(&*plan.probe, key, plan.timeout, Clock::system(), &plan.redactor, stop);
        let Some(run) = run.await else { break };
        runs.push(run);
    }
    runs
}

fn print_json(runs: &[Ended]) -> Exit {
    let runs = runs.iter().map(json::Run::of).collect();
    let mut text =
        serde_json::to_vec_pretty(&json::Runs { runs }).expect("texts and numbers are always JSON");
    text.push(b'\n');
    print::bytes(&text)
}

fn print_sheets(runs: &[Ended]) -> Exit {
    let width = terminal_size::terminal_size().map_or(WIDTH, |(width, _)| usize::from(width.0));
    let sheets: Vec<String> =
        runs.iter().map(|run| sheet::draw(&run.outcome, &run.checks, &run.transcript, width)).collect();
    let sheets = sheets.join("\n");
    let styled = anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never;
    if styled {
        print::bytes(sheets.as_bytes())
    } else {
        print::bytes(anstream::adapter::strip_str(&sheets).to_string().as_bytes())
    }
}

fn exit_of(verdict: &Verdict) -> Exit {
    match verdict {
        Verdict::Ok => Exit::Well,
        Verdict::Degraded(_) | Verdict::Failed(_) => Exit::NotWell,
        Verdict::Inconclusive(_) => Exit::CouldNot,
    }
}

/// Of several runs, a failed one counts more than one that could not look.
fn gravity(exit: &Exit) -> u8 {
    match exit {
        Exit::Well => 0,
        Exit::CouldNot => 1,
        Exit::NotWell => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_run_counts_more_than_one_that_could_not_look() {
        let worst = [Exit::Well, Exit::NotWell, Exit::CouldNot].into_iter().max_by_key(gravity);
        assert_eq!(worst, Some(Exit::NotWell));
    }
}
