//! Standard output for commands whose answer is a text. A reader that has seen enough and closes the pipe is no
//! error.

use std::io::{self, ErrorKind, Write};

use crate::cli::Exit;

/// Writes the whole answer.
#[must_use]
pub(crate) fn bytes(answer: &[u8]) -> Exit {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(answer).and_then(|()| stdout.flush()) {
        Ok(()) => Exit::Well,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Well,
        Err(error) => {
            eprintln!("failed to write to standard output: {error}");
            Exit::CouldNot
        }
    }
}
