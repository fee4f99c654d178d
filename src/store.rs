//! The store: one SQLite file that remembers what has been judged, what people are still to be told, and what the
//! runs saw. All SQL is here and below.
//!
//! Invariants: a verdict, its incident and what people are owed of it are committed in ONE durable transaction (`state`),
//! and what settles such a debt with the notifications that do so in another (`casebook`); a notification leaves the outbox only by being delivered or given up (`outbox`); nothing here asks the time. One
//! process owns the file, which a lock beside it enforces; others may read along. Every call works in
//! `spawn_blocking`, so that a slow disk delays its caller alone and a paused test clock waits for it.

pub mod backup;
mod blindness;
mod canary;
mod casebook;
pub mod chronicle;
mod error;
mod examination;
pub mod explain;
mod history;
pub mod hours;
mod incidents;
mod journal;
pub mod ledger;
mod maintenance;
mod outbox;
mod outcomes;
mod reading;
pub mod replay;
pub mod report;
mod restoration;
mod schema;
mod seals;
mod state;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, TransactionBehavior, config::DbConfig};
use tokio::sync::{Mutex, watch};

pub use self::{
    error::StoreError,
    outbox::{Backlog, Due, NotificationId},
    restoration::{Restored, Source, Waiting},
    state::{Remembered, RememberedChannel, Standing},
};

/// How long a statement waits for somebody who reads along, a backup for instance.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// A handle to the store; clones share it.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Whoever waits for his turn waits without a thread.
    handle: Arc<Mutex<Handle>>,
    readers: reading::Readers,
    /// How often it has been replaced while in use; changes only while the handle is held.
    replaced: AtomicU32,
    /// What SQLite has found to be damaged since the store was opened.
    damage: watch::Sender<Option<String>>,
    /// The latest that was restored, at the opening or since.
    restored: watch::Sender<Option<Arc<Restored>>>,
}

/// The connection and what is remembered beside it. The connection closes before the lock is let go of.
#[derive(Debug)]
struct Handle {
    connection: Connection,
    history: history::Memory,
    _lock: Lock,
}

/// Held for as long as the store is open; the system lets go of it when the process ends, however it ends. The file
/// holds [`IN_USE`] from the opening on until the store is closed in order.
#[derive(Debug)]
struct Lock {
    file: File,
    /// Whoever had the store last has not closed it in order.
    was_in_use: bool,
    /// We have it open.
    is_in_use: bool,
}

/// What the lock's file holds while the store is open.
const IN_USE: &str = "in use\n";

impl Drop for Lock {
    fn drop(&mut self) {
        if self.is_in_use {
            // Where it fails, the next opening is a little more suspicious than it need be.
            self.file.set_len(0).ok();
        }
    }
}

impl Store {
    /// Opens the store at `path`, makes it if it is not there (readable by its owner only), and brings its layout up
    /// to date. Blocks; call it before the loops start.
    ///
    /// # Errors
    /// When another process uses it, when it is too new, when the file cannot be opened or is damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, lock_beside(path)?, None)
    }

    /// Opens the store at `path` like [`Self::open`], after it has been examined. One that is damaged, or that a later
    /// version has written, is set aside; the newest good backup takes its place, or a new store, and
    /// [`Self::restored`] says so.
    ///
    /// # Errors
    /// When another process uses it, when it cannot be opened, or nothing can be put in its place.
    pub fn open_or_restore(path: &Path, at: Timestamp) -> Result<Self, StoreError> {
        let lock = lock_beside(path)?;
        let finding = examination::examine(path, lock.was_in_use)?;
        let restored = restoration::act_on(finding, path, at)?;
        back_up_before_migration(path, at);
        Self::open_with(path, lock, restored)
    }

    fn open_with(path: &Path, mut lock: Lock, restored: Option<Restored>) -> Result<Self, StoreError> {
        let (connection, history) = connect(path)?;
        // A disk without room for it makes the next opening less suspicious, and no worse.
        lock.file.write_all(IN_USE.as_bytes()).ok();
        lock.is_in_use = true;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            handle: Arc::new(Mutex::new(Handle { connection, history, _lock: lock })),
            readers: reading::Readers::default(),
            replaced: AtomicU32::new(0),
            damage: watch::Sender::new(None),
            restored: watch::Sender::new(restored.map(Arc::new)),
        })))
    }

    /// The latest that was restored, at the opening or since; a change of it wakes the receiver.
    #[must_use]
    pub fn restored(&self) -> watch::Receiver<Option<Arc<Restored>>> {
        self.0.restored.subscribe()
    }

    /// Waits until the store is found damaged while it is in use; gives what was found.
    pub async fn damaged(&self) -> String {
        let mut damage = self.0.damage.subscribe();
        let found = damage.wait_for(Option::is_some).await.ok().and_then(|found| found.clone());
        match found {
            Some(found) => found,
            // Its sender lives as long as the store.
            None => std::future::pending().await,
        }
    }

    /// Notes damage that was found in another way than by a call.
    pub fn note_damage(&self, found: &str) {
        self.0.damage.send_if_modified(|damage| {
            let is_news = damage.is_none();
            damage.get_or_insert_with(|| found.to_owned());
            is_news
        });
    }

    /// Sets a store aside that was found damaged while in use, and goes on with the newest good backup. Calls under way
    /// wait meanwhile. What was committed since the backup is not in it: whoever knows it writes it down again.
    ///
    /// # Errors
    /// When nothing could be put in its place; every call fails until it has been tried again with success.
    pub async fn heal(&self, found: String, at: Timestamp) -> Result<Arc<Restored>, StoreError> {
        let (path, inner) = (self.0.path.clone(), Arc::clone(&self.0));
        let restored = self
            .run(move |handle| {
                let fail = |error| explain("close", &path, error);
                let placeholder = Connection::open_in_memory().map_err(fail)?;
                let damaged = std::mem::replace(&mut handle.connection, placeholder);
                // The file is to stay as it was found, if that can be had.
                damaged.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).ok();
                drop(damaged);
                inner.replaced.fetch_add(1, Relaxed);
                let restored = restoration::restore(&path, found, restoration::DAMAGED, at)?;
                (handle.connection, handle.history) = connect(&path)?;
                let remembered = state::read_all(&handle.connection)
                    .map_err(|error| explain("read what was judged", &path, error))?;
                Ok(Arc::new(Restored { remembered, ..restored }))
            })
            .await?;
        self.0.damage.send_replace(None);
        self.0.restored.send_replace(Some(Arc::clone(&restored)));
        Ok(restored)
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
        self.run(move |handle| {
            work(handle).map_err(|error| {
                if is_damage(&error) {
                    Store(Arc::clone(&inner)).note_damage(&error.to_string());
                }
                explain(doing, &inner.path, error)
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Handle) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut handle = Arc::clone(&self.0.handle).lock_owned().await;
        // A panic inside a transaction rolls it back by the drop of its guard, so the connection stays good.
        let joined = tokio::task::spawn_blocking(move || work(&mut handle));
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

/// The tables that may be large and matter to no verdict, and the column by which each is ordered.
const HISTORY: [(&str, &str); 3] = [("outcome", "id"), ("hour", "probe"), ("turn", "id")];

/// Opens the database as it is used, makes it if it is not there, and brings its layout up to date.
fn connect(path: &Path) -> Result<(Connection, history::Memory), StoreError> {
    make_private(path)?;
    let fail = |error| explain("open", path, error);
    let mut connection = Connection::open(path).map_err(fail)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(fail)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(fail)?;
    connection.pragma_update(None, "synchronous", "full").map_err(fail)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(fail)?;
    // The journal shrinks again after somebody who read along for long has let it grow.
    connection.pragma_update(None, "journal_size_limit", 64 << 20).map_err(fail)?;
    if schema::layout(&connection).map_err(fail)? == 0 {
        // Only a file that is empty can be told so; room in an older one is filled again and not given back.
        connection.pragma_update(None, "auto_vacuum", "incremental").map_err(fail)?;
    }
    schema::migrate(&mut connection, path)?;
    seals::keep(&mut connection).map_err(fail)?;
    hours::settle(&connection).map_err(fail)?;
    let history = history::Memory::read(&connection).map_err(fail)?;
    Ok((connection, history))
}

/// A version that brings a new layout leaves a backup in the old one, for the version before to go back to.
fn back_up_before_migration(path: &Path, at: Timestamp) {
    let layout = examination::open(path).and_then(|connection| schema::layout(&connection));
    if layout.is_ok_and(|layout| (1..schema::known()).contains(&layout)) {
        // Without it nothing is lost but the way back.
        backup::make(path, at).ok();
    }
}

/// Takes the lock file beside the database. Not the database itself: closing a second descriptor of that file would
/// drop the locks SQLite holds on it.
fn lock_beside(path: &Path) -> Result<Lock, StoreError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(beside(path, ".lock"))
        .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => {
            let was_in_use = file.metadata().is_ok_and(|file| file.len() > 0);
            Ok(Lock { file, was_in_use, is_in_use: false })
        }
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::Open { path: path.to_owned(), source }),
    }
}

/// The path of a file whose name is that of the database and an ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Whether SQLite has found the file itself to be damaged.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt))
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
