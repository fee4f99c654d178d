//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use lamplighter::cli::{self, Cli};
use mimalloc::MiMalloc;

/// Reading a large configuration takes several times the memory of keeping it, and this allocator gives it back.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    cli::execute(Cli::parse()).into()
}
