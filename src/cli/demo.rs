//! `demo`: a small support centre, the real daemon on a real configuration, a mailbox and one page to see it all, in
//! one process, on loopback ports. Whatever it writes lies in a temporary directory that goes with it.

mod assembly;
pub mod inbox;
mod page;
pub mod support_centre;
mod trail;

use std::net::SocketAddr;

use tokio::runtime::Runtime;

use crate::cli::{Exit, LogFormat, logging};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// The address of the demo's page; port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9898")]
    pub listen: SocketAddr,
}

/// Runs the demo until Ctrl-C.
#[must_use]
pub fn execute(args: &DemoArgs, log: LogFormat) -> Exit {
    if let Err(problem) = logging::init(log) {
        eprintln!("{problem}");
        return Exit::CouldNot;
    }
    let shown = Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        let shown = runtime.block_on(assembly::show(args.listen));
        runtime.shutdown_timeout(assembly::STRAGGLERS);
        shown
    });
    match shown {
        Ok(()) => Exit::Well,
        Err(error) => {
            eprintln!("{error:#}");
            Exit::CouldNot
        }
    }
}
