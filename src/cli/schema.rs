//! `schema`: the JSON Schema of the configuration.

use crate::cli::Exit;

/// Prints the schema.
#[must_use]
pub fn execute() -> Exit {
    Exit::CouldNot
}
