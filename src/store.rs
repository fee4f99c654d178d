//! The store: one SQLite file that remembers what has been judged, what people are still to be told, and what the
//! runs saw. All SQL is here and below.
//!
//! Invariants: a verdict, its incident and what people are owed of it are committed in ONE durable transaction (`state`),
//! and what settles such a debt with the notifications that do so in another (`casebook`); a notification leaves the outbox only by being delivered or given up (`outbox`); nothing here asks the time. One
//! process owns the file, which a lock beside it enforces; others may read along. Every call works in
//! `spawn_blocking`, so that a slow disk delays its caller alone and a paused test clock waits for it.

mod blindness;
mod casebook;
mod history;
mod maintenance;
mod outbox;
mod schema;
mod state;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

pub use self::{
    outbox::{Backlog, Due, NotificationId},
    state::{Remembered, RememberedChannel},
};

/// How long a statement waits for somebody who reads along, a backup for instance.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle to the store; clones share it.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    connection: Mutex<Handle>,
    /// Held for as long as the store is open; the system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// The connection and what is remembered beside it.
#[derive(Debug)]
struct Handle {
    connection: Connection,
    history: history::Memory,
}

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

impl Store {
    /// Opens the store at `path`, makes it if it is not there (readable by its owner only), and brings its layout up
    /// to date. Blocks; call it before the loops start.
    ///
    /// # Errors
    /// When another process uses it, when it is too new, when the file cannot be opened or is damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = lock_beside(path)?;
        make_private(path)?;
        let fail = |error| explain("open", path, error);
        let mut connection = Connection::open(path).map_err(fail)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
        connection.pragma_update(None, "journal_mode", "wal").map_err(fail)?;
        connection.pragma_update(None, "synchronous", "full").map_err(fail)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(fail)?;
        // The journal shrinks again after somebody who read along for long has let it grow.
        connection.pragma_update(None, "journal_size_limit", 64 << 20).map_err(fail)?;
        schema::migrate(&mut connection, path)?;
        let history = history::Memory::read(&connection).map_err(fail)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            connection: Mutex::new(Handle { connection, history }),
            _lock: lock,
        })))
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Works with the connection off the async threads. `doing` completes "failed to ...".
    async fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Handle) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.0);
        let joined = tokio::task::spawn_blocking(move || {
            // A panic inside a transaction has rolled it back by the drop of its guard, so the connection stays good.
            let mut handle = inner.connection.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut handle).map_err(|error| explain(doing, &inner.path, error))
        });
        match joined.await {
            Ok(result) => result,
            Err(lost) => match lost.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down before the work has begun; nobody will hear the answer.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Like [`Self::call`], inside one transaction that is committed if `work` succeeds.
    async fn transact<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.call(doing, move |handle| {
            let transaction = handle.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
        .await
    }
}

/// Takes the lock file beside the database. Not the database itself: closing a second descriptor of that file would
/// drop the locks SQLite holds on it.
fn lock_beside(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&name)
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::Open { path: path.to_owned(), source }),
    }
}

/// Makes the file, readable by its owner only, if it is not there: SQLite gives its journal the same mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().create_new(true).write(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::Open { path: path.to_owned(), source }),
    }
}

fn explain(doing: &'static str, path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy { doing, path },
        Some(ErrorCode::DiskFull) => StoreError::Full { doing, path },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreError::ReadOnly { doing, path },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Damaged { doing, path, what: error.to_string() }
        }
        Some(_) => StoreError::Failed { doing, path, source: error },
        // Not SQLite's word but ours: a row that cannot be read as what it should be.
        None => StoreError::Damaged { doing, path, what: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{channel::ChannelId, decision::Decision, evaluation::State};

    fn decision(channel: &str) -> Decision {
        Decision {
            channel: ChannelId::new(channel),
            state: State::Up,
            since: jiff::Timestamp::UNIX_EPOCH,
            incident: None,
            happening: None,
        }
    }

    /// Lives here because only here the size of the database can be limited, which is SQLite's own full disk.
    #[tokio::test]
    async fn a_full_disk_says_so_and_the_decision_is_taken_when_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("lamplighter.db")).unwrap();
        let limit = async |pages: u32| {
            let set =
                move |handle: &mut Handle| handle.connection.pragma_update(None, "max_page_count", pages);
            store.call("limit the size", set).await.unwrap();
        };
        limit(1).await;
        let mut committed = 0;
        let refused = loop {
            match store.commit(vec![decision(&format!("channel-{committed}"))]).await {
                Ok(()) => committed += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(refused, StoreError::Full { .. }), "{refused}");
        assert_eq!(store.load().await.unwrap().channels.len(), committed, "nothing of the last one is there");

        limit(u32::MAX).await;
        store.commit(vec![decision(&format!("channel-{committed}"))]).await.unwrap();
        assert_eq!(store.load().await.unwrap().channels.len(), committed + 1);
    }
}
