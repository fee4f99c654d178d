//! `completions`: a completion script for a shell.

use crate::cli::Exit;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// Prints the script.
#[must_use]
pub fn execute(_args: &CompletionsArgs) -> Exit {
    Exit::CouldNot
}
