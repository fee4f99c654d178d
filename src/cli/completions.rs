//! `completions`: a completion script for a shell, to be kept where the shell looks for it.

use clap::CommandFactory;

use crate::cli::{Cli, Exit, print};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// Prints the script.
#[must_use]
pub fn execute(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lamplighter", &mut script);
    print::bytes(&script)
}
