//! `run`: the daemon, until SIGTERM or SIGINT.

use std::{io, num::NonZero, thread, time::Duration};

use anyhow::Context;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    cli::{ConfigArgs, Exit, LogFormat, logging},
    config::{self, Loaded, report::Paint},
    daemon,
};

/// A task that a dying disk or name server holds up is waited for no longer than this.
const STRAGGLERS: Duration = Duration::from_millis(300);

/// Runs the daemon until it is told to stop.
#[must_use]
pub fn execute(args: &ConfigArgs, log: LogFormat) -> Exit {
    if let Err(problem) = logging::init(log) {
        eprintln!("{problem}");
        return Exit::CouldNot;
    }
    let loaded = match config::load(&args.config) {
        Ok(loaded) => loaded,
        Err(problems) => {
            anstream::eprintln!("{}", problems.report.render(Paint::Coloured));
            return Exit::NotWell;
        }
    };
    for warning in loaded.warnings.lines() {
        warn!("{warning}");
    }
    let (probing, rest) = match runtimes() {
        Ok(runtimes) => runtimes,
        Err(error) => {
            error!("failed to start the runtime: {error}");
            return Exit::CouldNot;
        }
    };
    let exit = rest.block_on(watch(args, loaded, probing.handle().clone()));
    rest.shutdown_timeout(STRAGGLERS);
    probing.shutdown_timeout(STRAGGLERS);
    exit
}

/// One runtime for the probes, with half of the processors, and one for all the rest, on this thread. So a page of
/// metrics or a burst of verdicts is not measured as a target's latency; and threads that share no work do not wake
/// each other up for it, which costs more than a probe does.
fn runtimes() -> io::Result<(Runtime, Runtime)> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let probing = Builder::new_multi_thread()
        .worker_threads(processors.div_ceil(2))
        .thread_name("probes")
        .enable_all()
        .build()?;
    Ok((probing, Builder::new_current_thread().enable_all().build()?))
}

async fn watch(args: &ConfigArgs, loaded: Loaded, probing: Handle) -> Exit {
    let stop = CancellationToken::new();
    let (channels, probes) = loaded.plan.size();
    let location = loaded.plan.boot.location.clone();
    let signals = stop_at_signal(stop.clone());
    let work = async {
        let daemon = match daemon::start(&args.config, loaded, probing, stop.clone()).await {
            Ok(daemon) => daemon,
            Err(error) => {
                error!("{error:#}");
                return Exit::CouldNot;
            }
        };
        let listen = daemon.listen().map(|address| address.to_string());
        let public = daemon.public_listen().map(|address| address.to_string());
        info!(channels, probes, %location, listen, public, "watching");
        match daemon.wait().await {
            Ok(()) => Exit::Well,
            Err(error) => {
                error!("{error:#}");
                Exit::NotWell
            }
        }
    };
    tokio::select! {
        exit = work => exit,
        Err(error) = signals => {
            error!("{error:#}");
            Exit::CouldNot
        }
    }
}

/// Cancels the token at the first SIGTERM or SIGINT. Ends only where signals cannot be received.
async fn stop_at_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to register for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to register for SIGINT")?;
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    info!("{name}: ending");
    stop.cancel();
    std::future::pending().await
}
