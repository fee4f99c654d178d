//! What a run in a browser costs: one alone, and as many as two at once can do. The page holds a launcher and a script
//! that makes it; the probe clicks it and sees the panel open.

use std::{fs, path::Path, time::Duration};

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::{
    ask,
    daemon::{self, Daemon, Metrics},
    nginx::{Nginx, free_address},
    process::Process,
    table::{Row, Table},
};

/// How long runs go on before they are measured, and how long they are measured.
const WARM_UP: Duration = Duration::from_secs(10);
const MEASURED: Duration = Duration::from_secs(60);
/// From one look at the memory to the next.
const LOOK: Duration = Duration::from_millis(500);

struct Costs {
    runs: f64,
    /// Of a run, in seconds.
    wall: f64,
    /// Processor time of a run, Chromium included, and without it.
    cpu: f64,
    own_cpu: f64,
    per_minute: f64,
    memory_max: u64,
    own_memory: u64,
}

/// All of it.
pub fn figures(nginx: &Nginx, table: &mut Table) {
    let alone = measure(nginx, 1, "2s");
    let often = measure(nginx, 8, "1s");
    let without = |costs: &Costs| {
        let share = 100.0 * (1.0 - costs.own_cpu / costs.cpu);
        format!(
            "{:.0} runs; {share:.1} % of it is Chromium's, {:.1} ms ours",
            costs.runs,
            costs.own_cpu * 1e3
        )
    };
    table.row(Row::stated("browser run alone, wall", alone.wall * 1e3, "ms"));
    table.row(Row::stated("browser run alone, CPU", alone.cpu * 1e3, "ms").detail(without(&alone)));
    table.row(Row::stated("browser runs a minute, two at once", often.per_minute, ""));
    table.row(Row::stated("browser run of two at once, wall", often.wall * 1e3, "ms"));
    table.row(Row::stated("browser run of two at once, CPU", often.cpu * 1e3, "ms").detail(without(&often)));
    let own = often.own_memory >> 20;
    table.row(
        Row::stated("browser, most memory", (often.memory_max >> 20) as f64, "MB")
            .detail(format!("of all processes, shared pages once; {own} MB of it ours")),
    );
}

fn measure(nginx: &Nginx, probes: u32, every: &str) -> Costs {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = start(nginx, probes, every, folder.path());
    ask::pause(WARM_UP);
    let (before, cpu, own_cpu) = (daemon.metrics(), daemon.process.cpu(), daemon.process.own_cpu());
    let (began, mut memory_max) = (Instant::now(), 0);
    while began.elapsed() < MEASURED {
        ask::pause(LOOK);
        memory_max = memory_max.max(daemon.process.shared_memory());
    }
    let (after, took) = (daemon.metrics(), began.elapsed().as_secs_f64());
    let (cpu, own_cpu) = (daemon.process.cpu() - cpu, daemon.process.own_cpu() - own_cpu);
    let own_memory = daemon.process.own_memory();
    let grown = |metric: &str, labels: &str| after.sum(metric, labels) - before.sum(metric, labels);
    let runs = grown("support_probe_runs_total", "");
    assert!((runs - grown("support_probe_runs_total", "outcome=\"ok\"")).abs() < 0.5, "every run is well");
    let wall = grown("support_probe_duration_seconds_sum", "") / runs;
    daemon.process.stop(Signal::SIGTERM);
    Costs {
        runs,
        wall,
        cpu: cpu.as_secs_f64() / runs,
        own_cpu: own_cpu.as_secs_f64() / runs,
        per_minute: runs * 60.0 / took,
        memory_max,
        own_memory,
    }
}

fn start(nginx: &Nginx, probes: u32, every: &str, folder: &Path) -> Daemon {
    let (listen, store) = (free_address(), folder.join("lamplighter.db"));
    let mut text = format!("[monitor]\nlisten = \"{listen}\"\nstore = \"{}\"\n", store.display());
    for number in 0..probes {
        text.push_str(&format!(
            "[channel.c{number}]\nkind = \"chat\"\n[channel.c{number}.probe.p]\nevery = \"{every}\"\n\
             [channel.c{number}.probe.p.browser]\nsteps = [\n\
             {{ name = \"open\", open = \"http://{}/shop\" }},\n\
             {{ name = \"chat\", click = \"#chat\", opens = \"#panel\" }},\n]\n",
            nginx.http
        ));
    }
    let file = folder.join("probes.toml");
    fs::write(&file, text).unwrap();
    let process = Process::start(daemon::command(&file), folder);
    ask::until("the daemon is ready", || ask::try_get(listen, "/readyz").is_ok());
    let daemon = Daemon { process, listen, store };
    let has_run = |metrics: &Metrics| metrics.sum("support_probe_runs_total", "outcome=\"ok\"") > 0.0;
    ask::until("a run has ended well", || has_run(&daemon.metrics()));
    daemon
}
