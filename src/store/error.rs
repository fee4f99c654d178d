//! What can go wrong with the store, and what to do then.

use std::{io, path::PathBuf};

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "failed to open the store {path}: another lamplighter is using it; stop that one or choose another `store`"
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// It was written by a later version.
    #[error(
        "failed to open the store {path}: its layout is number {found} and this version knows up to {known}; install \
         the version that wrote it, or move the file away to start anew"
    )]
    TooNew {
        /// The database file.
        path: PathBuf,
        /// The layout found.
        found: i64,
        /// The latest layout this program knows.
        known: i64,
    },
    /// It was written by an earlier version, and whoever only reads cannot bring it up to date.
    #[error(
        "failed to open the store {path}: its layout is number {found} and this version reads number {known}; start the \
         daemon of this version on it once"
    )]
    TooOld {
        /// The database file.
        path: PathBuf,
        /// The layout found.
        found: i64,
        /// The layout that this program reads.
        known: i64,
    },
    /// The file or its lock could not be opened.
    #[error("failed to open the store {path}: {source}; check that its directory exists and is writable")]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else holds the database's own lock.
    #[error(
        "failed to {doing}: the store {path} is locked by another program; end it (a backup, an open sqlite3?)"
    )]
    Busy {
        /// What was attempted.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
    },
    /// More runs than fit into memory are not in their hours yet.
    #[error(
        "failed to {doing}: the daemon is still putting the history in the store {path} together; try again in some minutes"
    )]
    NotPutTogether {
        /// What was attempted.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
    },
    /// No space is left.
    #[error("failed to {doing}: the disk under the store {path} is full; make room")]
    Full {
        /// What was attempted.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
    },
    /// The file or its file system is read-only.
    #[error(
        "failed to {doing}: the store {path} is read-only; check its owner, its mode and the file system"
    )]
    ReadOnly {
        /// What was attempted.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
    },
    /// It is not a database of ours, or a damaged one.
    #[error(
        "failed to {doing}: the store {path} is damaged ({what}); restore a backup or move it away to start anew"
    )]
    Damaged {
        /// What was attempted.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A question took too long.
    #[error("failed to {doing}: it took too long; ask for less at once, or again in a moment")]
    TooSlow {
        /// What was attempted.
        doing: &'static str,
    },
    /// It does not answer.
    #[error("the store does not answer; look after its disk")]
    NoAnswer,
    /// Anything else.
    #[error("failed to {doing} in the store {path}: {source}")]
    Failed {
        /// What was attempted.
        doing: &'static str,
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}
