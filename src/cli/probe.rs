//! `probe`: one run now, with everything it saw.

use crate::cli::Exit;

/// Arguments of `probe`.
#[derive(Debug, clap::Args)]
pub struct ProbeArgs {
    /// Which probes: a channel, or one probe of it.
    #[arg(value_name = "CHANNEL[/PROBE]")]
    pub target: String,
    /// Which configuration to work by.
    #[command(flatten)]
    pub config: crate::cli::ConfigArgs,
    /// Print JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Runs the probes once.
#[must_use]
pub fn execute(_args: &ProbeArgs, _log: crate::cli::LogFormat) -> Exit {
    Exit::CouldNot
}
