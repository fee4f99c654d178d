//! `run`: the daemon, until SIGTERM or SIGINT.

use std::time::Duration;

use anyhow::Context;
use tokio::{
    runtime::Runtime,
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
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("failed to start the runtime: {error}");
            return Exit::CouldNot;
        }
    };
    let exit = runtime.block_on(watch(args, loaded));
    runtime.shutdown_timeout(STRAGGLERS);
    exit
}

async fn watch(args: &ConfigArgs, loaded: Loaded) -> Exit {
    let stop = CancellationToken::new();
    let (channels, probes) = loaded.plan.size();
    let location = loaded.plan.boot.location.clone();
    let signals = stop_at_signal(stop.clone());
    let work = async {
        let daemon = match daemon::start(&args.config, loaded, stop.clone()).await {
            Ok(daemon) => daemon,
            Err(error) => {
                error!("{error:#}");
                return Exit::CouldNot;
            }
        };
        let listen = daemon.listen().map(|address| address.to_string());
        info!(channels, probes, %location, listen, "watching");
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
