//! How fast Lamplighter is: every figure of `docs/performance.md` by one command, in one run, on one target.
//!
//!     cargo bench --bench speed [-- FIGURE...]
//!
//! Needs Debian's nginx, chromium, prometheus, prometheus-blackbox-exporter and strace, and a machine that does nothing else.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on says so by a panic")]

#[path = "speed/alarm.rs"]
mod alarm;
#[path = "speed/ask.rs"]
mod ask;
#[path = "speed/blackbox.rs"]
mod blackbox;
#[path = "speed/browser.rs"]
mod browser;
#[path = "speed/daemon.rs"]
mod daemon;
#[path = "speed/delay.rs"]
mod delay;
#[path = "speed/history.rs"]
mod history;
#[path = "speed/hour.rs"]
mod hour;
#[path = "speed/load.rs"]
mod load;
#[path = "speed/nginx.rs"]
mod nginx;
#[path = "speed/probers.rs"]
mod probers;
#[path = "speed/process.rs"]
mod process;
#[path = "speed/rate.rs"]
mod rate;
#[path = "speed/start.rs"]
mod start;
#[path = "speed/storm.rs"]
mod storm;
#[path = "speed/table.rs"]
mod table;

use nginx::Nginx;
use table::Table;

/// A figure's name and what measures it.
type Figure = (&'static str, fn(&Nginx, &mut Table));

const FIGURES: [Figure; 13] = [
    ("cpu", load::cpu),
    ("calls", load::system_calls),
    ("rate", rate::figures),
    ("lag", load::lag),
    ("many", load::many_probes),
    ("latency", delay::figures),
    ("start", start::first_probe),
    ("browser", browser::figures),
    ("mail", alarm::quick),
    ("mail-at-defaults", alarm::defaults),
    ("storm", storm::at_once),
    ("slow-storm", storm::one_by_one),
    ("history", history::year),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    match args.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("prober", rest)) => return probers::main(rest),
        Some(("delay", rest)) => return delay::main(rest),
        Some(("hour", rest)) => return hour::main(rest),
        _ => {}
    }
    let unknown = args.iter().find(|arg| !FIGURES.iter().any(|(name, _)| name == arg));
    if let Some(unknown) = unknown {
        let known = FIGURES.map(|(name, _)| name).join(", ");
        eprintln!("{unknown} is not a figure; there are {known}");
        std::process::exit(2);
    }
    let folder = tempfile::tempdir().unwrap();
    let nginx = Nginx::start(folder.path());
    let mut table = Table::default();
    for (_, measure) in
        FIGURES.iter().filter(|(name, _)| args.is_empty() || args.iter().any(|arg| arg == name))
    {
        measure(&nginx, &mut table);
    }
    table.print();
}
