//! Backups of the store: a copy of everything but the history of runs, which is large and on which no verdict depends; what
//! they add up to by the hour is copied as long as it is not large, and of what channels turned to the latest. A copy is made
//! from a connection of its own, in one reading transaction, so it is of one moment and holds up no commit; it is written
//! under another name, checked, brought to the disk, and only then called a backup.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, params};

use super::{Store, StoreError, examination, explain, is_damage};

/// So many backups are kept; the oldest leaves first.
pub const KEPT: usize = 24;

/// What is not copied whole: the table, and which of its rows are. `?1` is two days before the backup: what was said to
/// people counts against how often they may be asked a day.
const LEFT_OUT: [(&str, &str); 3] = [
    ("outcome", "contact IS NOT NULL AND started_at >= ?1"),
    // A hundred megabytes: more than that is not copied every hour.
    ("hour", "?1 = ?1 AND (SELECT count(*) FROM (SELECT 1 FROM live.hour LIMIT 500001)) <= 500000"),
    ("turn", "?1 = ?1 AND id > (SELECT max(id) - 500000 FROM live.turn)"),
];

/// How old a conversation is that is left out, in milliseconds.
const CONVERSATIONS_KEPT: i64 = 2 * 24 * 60 * 60 * 1_000;

/// A note in every backup, which tells whether another file has seen more than it: the number of the last outcome.
const NOTE: &str = "CREATE TABLE backup_note (outcomes INTEGER NOT NULL) STRICT";

const PREFIX: &str = "lamplighter-";
const SUFFIX: &str = ".db";

/// A backup that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Its directory or a file in it cannot be written.
    #[error("failed to write a backup into {path}: {source}; check that it is writable and has room")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store could not be read, or the copy not be written.
    #[error(transparent)]
    Copy(#[from] StoreError),
    /// What was written does not hold what it should.
    #[error("a backup in {path} was not written as it should be: {what}")]
    Unsound {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// The directory of the backups of the store at `path`: beside it, with the ending "backups".
#[must_use]
pub fn directory_beside(path: &Path) -> PathBuf {
    path.with_extension("backups")
}

/// A file that may be a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) at: Timestamp,
}

/// All backups in a directory, the newest first; none where there is no directory.
pub(super) fn all_in(directory: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut found: Vec<Found> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?;
            let stamp = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
            let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", stamp).ok()?;
            let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
            Some(Found { path, at })
        })
        .collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.at));
    found
}

impl Store {
    /// Makes a backup of the moment `at` and lets the oldest beyond [`KEPT`] go; gives its path.
    ///
    /// # Errors
    /// When the directory cannot be written, when the store cannot be read, or when the copy does not prove sound.
    pub async fn back_up(&self, at: Timestamp) -> Result<PathBuf, BackupError> {
        let path = self.path().to_owned();
        let making = move || {
            make(&path, at).map_err(|error| match error {
                // Whatever it was: perhaps the store is not what it was.
                BackupError::Copy(StoreError::Failed { doing, .. }) => {
                    match examination::damage_in_use(&path) {
                        Some(what) => StoreError::Damaged { doing, path, what }.into(),
                        None => error,
                    }
                }
                error => error,
            })
        };
        let joined = tokio::task::spawn_blocking(making).await;
        match joined {
            Ok(result) => result,
            Err(lost) => match lost.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// When the newest backup was made; none without any.
    #[must_use]
    pub fn last_backup_at(&self) -> Option<Timestamp> {
        all_in(&directory_beside(self.path())).first().map(|newest| newest.at)
    }
}

/// Makes a backup of the store at `path`.
pub(super) fn make(path: &Path, at: Timestamp) -> Result<PathBuf, BackupError> {
    if fs::metadata(path).map_or(0, |file| file.len()) == 0 {
        let what = "the file is missing".to_owned();
        return Err(StoreError::Damaged { doing: "make a backup", path: path.to_owned(), what }.into());
    }
    let directory = directory_beside(path);
    let fail = |source| BackupError::Directory { path: directory.clone(), source };
    make_private_directory(&directory).map_err(fail)?;
    let stamp = at.strftime("%Y%m%dT%H%M%SZ");
    let made = directory.join(format!("{PREFIX}{stamp}{SUFFIX}"));
    let unfinished = directory.join("unfinished");
    remove_if_there(&unfinished).map_err(fail)?;
    super::make_private(&unfinished)?;
    copy(path, &unfinished, at).map_err(|source| {
        let doing = "make a backup";
        if is_damage(&source) {
            explain(doing, path, source)
        } else {
            StoreError::Failed { doing, path: path.to_owned(), source }
        }
    })?;
    examination::check_copy(&unfinished)
        .map_err(|what| BackupError::Unsound { path: directory.clone(), what })?;
    fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(fail)?;
    fs::rename(&unfinished, &made).map_err(fail)?;
    fs::File::open(&directory).and_then(|directory| directory.sync_all()).map_err(fail)?;
    for surplus in all_in(&directory).into_iter().skip(KEPT) {
        remove_if_there(&surplus.path).map_err(fail)?;
    }
    Ok(made)
}

fn make_private_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies whatever tables there are from one file into another that is empty.
fn copy(from: &Path, into: &Path, at: Timestamp) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(
        into,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(super::BUSY_TIMEOUT)?;
    // Whether the copy is whole is seen when it is finished, so nothing is gained by a journal.
    connection.pragma_update(None, "journal_mode", "off")?;
    connection.pragma_update(None, "synchronous", "off")?;
    let from = from.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(from.to_owned()))?;
    connection.execute("ATTACH ? AS live", [from])?;
    connection.execute_batch("BEGIN")?;
    let made: Vec<(String, String, String)> = connection
        .prepare("SELECT type, name, sql FROM live.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite~_%' ESCAPE '~'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let (tables, others): (Vec<_>, Vec<_>) = made.into_iter().partition(|(kind, _, _)| kind == "table");
    for (_, name, sql) in &tables {
        connection.execute_batch(sql)?;
        copy_rows(&connection, name, at)?;
    }
    let numbers_itself = connection.table_exists(Some("live"), "sqlite_sequence")?;
    if numbers_itself {
        connection.execute_batch(
            "DELETE FROM main.sqlite_sequence; INSERT INTO main.sqlite_sequence SELECT * FROM live.sqlite_sequence",
        )?;
    }
    // Only now: a trigger has nothing to do with rows that were there before, and an index is built faster at once.
    for (_, _, sql) in &others {
        connection.execute_batch(sql)?;
    }
    connection.execute_batch(NOTE)?;
    connection.execute("INSERT INTO main.backup_note SELECT coalesce(max(id), 0) FROM live.outcome", [])?;
    let layout: i64 = connection.query_row("PRAGMA live.user_version", [], |row| row.get(0))?;
    connection.pragma_update(Some("main"), "user_version", layout)?;
    connection.execute_batch("COMMIT; DETACH live")?;
    connection.close().map_err(|(_, error)| error)
}

fn copy_rows(connection: &Connection, table: &str, at: Timestamp) -> rusqlite::Result<()> {
    // What is computed from other columns is computed again.
    let columns: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info(?, 'live')")?
        .query_map([table], |row| row.get::<_, String>(0).map(|name| quoted(&name)))?
        .collect::<rusqlite::Result<_>>()?;
    let (columns, table_quoted) = (columns.join(", "), quoted(table));
    let copy =
        format!("INSERT INTO main.{table_quoted} ({columns}) SELECT {columns} FROM live.{table_quoted}");
    match LEFT_OUT.iter().find(|(left_out, _)| *left_out == table) {
        Some((_, kept)) => {
            let from = at.as_millisecond().saturating_sub(CONVERSATIONS_KEPT);
            connection.execute(&format!("{copy} WHERE {kept}"), params![from])?
        }
        None => connection.execute(&copy, [])?,
    };
    Ok(())
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether the store at `path` has certainly seen all that a backup holds: it knows later outcomes.
pub(super) fn is_older_than(backup: &Path, store: &Connection) -> rusqlite::Result<bool> {
    let backup = Connection::open_with_flags(backup, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let noted: i64 = backup.query_row("SELECT outcomes FROM backup_note", [], |row| row.get(0))?;
    let seen: i64 = store.query_row("SELECT coalesce(max(id), 0) FROM outcome", [], |row| row.get(0))?;
    Ok(noted < seen)
}

/// Takes the note out of a backup that becomes a store again.
pub(super) fn forget_note(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DROP TABLE IF EXISTS backup_note")
}
