//! `demo`: a small support centre, its daemon and a mailbox in one process.

pub mod inbox;
pub mod support_centre;

use crate::cli::Exit;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// The address of the demo's page; port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9898")]
    pub listen: std::net::SocketAddr,
}

/// Runs the demo until Ctrl-C.
#[must_use]
pub fn execute(_args: &DemoArgs, _log: crate::cli::LogFormat) -> Exit {
    Exit::CouldNot
}
