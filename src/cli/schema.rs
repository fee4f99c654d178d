//! `schema`: the JSON Schema of the configuration.

use crate::{
    cli::{Exit, print},
    config::schema::schema,
};

/// Prints the schema.
#[must_use]
pub fn execute() -> Exit {
    print::bytes(schema().as_bytes())
}
