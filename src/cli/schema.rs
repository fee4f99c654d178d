//! `schema`: the JSON Schema of the configuration.

use std::io::{self, Write};

use crate::{cli::Exit, config::schema::schema};

/// Prints the schema.
#[must_use]
pub fn execute() -> Exit {
    // A reader that has seen enough closes the pipe; that is no failure.
    match io::stdout().write_all(schema().as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::CouldNot,
        _ => Exit::Well,
    }
}
