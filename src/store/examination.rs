//! Whether a store is sound: its file, its journal, its layout, and what is read of it at the start. Of a large store
//! the history is looked at where it begins and ends only, so that the daemon is ready in time; damage further inside
//! is met when it is read.

use std::{fs, path::Path};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use super::{
    BUSY_TIMEOUT, HISTORY, StoreError, beside, explain,
    journal::{self, Journal},
    outbox, schema, seals, state,
};

/// A file up to this size is looked at whole.
const WHOLE_MAX: u64 = 128 << 20;

/// What has been found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing is wrong with it.
    Sound,
    /// There is none, and there may never have been one.
    Missing,
    /// It is whole in itself, and yet something that was committed may be missing; what.
    Shortened(String),
    /// It is damaged; how.
    Damaged(String),
    /// A later version has written it, by this layout.
    Newer(i64),
}

/// Examines the store at `path`. `was_in_use` says that whoever used it last did not end in order.
///
/// # Errors
/// When it cannot be examined for a reason that is no damage: it is locked, the disk is full, it may not be read.
pub(super) fn examine(path: &Path, was_in_use: bool) -> Result<Finding, StoreError> {
    let io = |source| StoreError::Open { path: path.to_owned(), source };
    let length = match fs::metadata(path) {
        Ok(file) => file.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Finding::Missing),
        Err(error) => return Err(io(error)),
    };
    let journal = journal::look_at(&beside(path, "-wal")).map_err(io)?;
    if length == 0 && journal == Journal::Absent {
        return Ok(if was_in_use {
            Finding::Damaged("the file is empty".to_owned())
        } else {
            Finding::Missing
        });
    }
    if journal == Journal::Damaged {
        return Ok(Finding::Damaged("its journal (-wal) is damaged".to_owned()));
    }
    match examine_content(path, length).map_or_else(finding_of, |()| Ok(Finding::Sound))? {
        Finding::Sound => {}
        finding => return Ok(finding),
    }
    Ok(match journal {
        Journal::Absent if was_in_use => Finding::Shortened("its journal (-wal) is missing".to_owned()),
        Journal::BrokenOff => Finding::Shortened("its journal (-wal) breaks off".to_owned()),
        _ => Finding::Sound,
    })
}

/// How a store is damaged that is in use and cannot be read; none where it is sound, or cannot be examined now.
pub(super) fn damage_in_use(path: &Path) -> Option<String> {
    let length = fs::metadata(path).map_or(0, |file| file.len());
    match examine_content(path, length).map_or_else(finding_of, |()| Ok(Finding::Sound)) {
        Ok(Finding::Damaged(what)) => Some(what),
        _ => None,
    }
}

/// What an examination that fails has found, unless it could not be made.
fn finding_of(error: StoreError) -> Result<Finding, StoreError> {
    match error {
        StoreError::Damaged { what, .. } => Ok(Finding::Damaged(what)),
        StoreError::TooNew { found, .. } => Ok(Finding::Newer(found)),
        // What is asked is always right; so it is the file that is wrong.
        StoreError::Failed { source, .. } if source.sqlite_error_code() == Some(ErrorCode::Unknown) => {
            Ok(Finding::Damaged(source.to_string()))
        }
        error => Err(error),
    }
}

fn examine_content(path: &Path, length: u64) -> Result<(), StoreError> {
    let fail = |error| explain("examine", path, error);
    let damaged = |what: String| StoreError::Damaged { doing: "examine", path: path.to_owned(), what };
    let connection = open(path).map_err(fail)?;
    let layout = schema::layout(&connection).map_err(fail)?;
    if layout > schema::known() {
        return Err(StoreError::TooNew { path: path.to_owned(), found: layout, known: schema::known() });
    }
    let complaint = if length <= WHOLE_MAX {
        check(&connection, "PRAGMA integrity_check(3)")
    } else {
        check_all_but_history(&connection)
    };
    if let Some(what) = complaint.map_err(fail)? {
        return Err(damaged(what));
    }
    if let Some(what) = schema::lacks(&connection, layout).map_err(fail)? {
        return Err(damaged(what));
    }
    if layout == schema::known() {
        if let Some(table) = seals::broken(&connection).map_err(fail)? {
            return Err(damaged(format!("the rows of the table {table} do not add up to their seal")));
        }
        state::read_all(&connection).map_err(fail)?;
        outbox::read_pending(&connection).map_err(fail)?;
    }
    Ok(())
}

/// Opens a file so that closing it changes nothing.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// What a check complains of, if anything.
fn check(connection: &Connection, pragma: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare(pragma)?;
    let mut rows = statement.query([])?;
    let first: Option<String> = rows.next()?.map(|row| row.get(0)).transpose()?;
    Ok(first.filter(|word| word != "ok").map(|words| {
        words.lines().filter(|line| !line.starts_with("***")).take(2).collect::<Vec<_>>().join(" ")
    }))
}

fn check_all_but_history(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let tables: Vec<String> = connection
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in tables {
        if let Some((_, first)) = HISTORY.iter().find(|(name, _)| *name == table) {
            let ends = format!("SELECT max({first}), min({first}) FROM {table}");
            connection.query_row(&ends, [], |_| Ok(()))?;
        } else if let Some(complaint) = check(connection, &format!("PRAGMA integrity_check('{table}')"))? {
            return Ok(Some(complaint));
        }
    }
    Ok(None)
}

/// Whether a copy that was just written is whole; otherwise what is wrong with it.
pub(super) fn check_copy(path: &Path) -> Result<(), String> {
    let checked = open(path).and_then(|connection| check(&connection, "PRAGMA quick_check(3)"));
    match checked {
        Ok(None) => Ok(()),
        Ok(Some(complaint)) => Err(complaint),
        Err(error) => Err(error.to_string()),
    }
}
