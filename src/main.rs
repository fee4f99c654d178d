//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use lamplighter::cli::{self, Cli};

fn main() -> ExitCode {
    cli::execute(Cli::parse()).into()
}
