//! `test-mail`: a real mail by the real route.

use crate::cli::Exit;

/// Arguments of `test-mail`.
#[derive(Debug, clap::Args)]
pub struct TestMailArgs {
    /// The team to write to.
    pub team: String,
    /// Which configuration to work by.
    #[command(flatten)]
    pub config: crate::cli::ConfigArgs,
}

/// Sends the mail and says what the server answered.
#[must_use]
pub fn execute(_args: &TestMailArgs, _log: crate::cli::LogFormat) -> Exit {
    Exit::CouldNot
}
