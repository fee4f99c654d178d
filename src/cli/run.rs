//! `run`: the daemon.

use crate::cli::Exit;

/// Runs the daemon until it is told to stop.
#[must_use]
pub fn execute(_args: &crate::cli::ConfigArgs, _log: crate::cli::LogFormat) -> Exit {
    Exit::CouldNot
}
