//! Points at which a test may stop the process dead, to kill it there. Compiled into debug builds only; a release
//! build has no trace of it.

/// Stands still for ever, after saying so on standard error, if the environment variable `LAMPLIGHTER_HALT_AT` names
/// this point. Whoever set it kills the process then.
#[cfg(debug_assertions)]
pub fn here(point: &str) {
    use std::sync::OnceLock;
    static WANTED: OnceLock<Option<String>> = OnceLock::new();
    #[expect(clippy::disallowed_methods, reason = "neither a secret nor a setting, and not in a release")]
    let wanted = WANTED.get_or_init(|| std::env::var("LAMPLIGHTER_HALT_AT").ok());
    if wanted.as_deref() == Some(point) {
        eprintln!("halted at {point}");
        loop {
            std::thread::park();
        }
    }
}

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
pub fn here(_point: &str) {}
