//! `check`: every problem of a configuration at once, or a summary.

use crate::cli::Exit;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The configuration file.
    #[arg(value_name = "FILE", default_value = "probes.toml")]
    pub file: std::path::PathBuf,
}

/// Checks the file.
#[must_use]
pub fn execute(_args: &CheckArgs) -> Exit {
    Exit::CouldNot
}
