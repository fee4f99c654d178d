//! `man`: the manual page.

use crate::cli::Exit;

/// Prints the page.
#[must_use]
pub fn execute() -> Exit {
    Exit::CouldNot
}
