//! What happens when a store is damaged: it is set aside under another name, never deleted, and the newest backup that
//! proves good takes its place, or a new store where there is none. Mails that were still waiting are taken over from
//! what can be read of the damaged file. Whoever opened the store is told all of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{
    Remembered, StoreError, backup, beside,
    examination::{self, Finding},
    explain, outbox, schema, seals,
};

/// So many files that were set aside are kept; the oldest leaves first.
const ASIDE_KEPT: usize = 3;

/// What a file is called that was set aside, and why it was.
pub(super) const DAMAGED: &str = "damaged";
const NEWER: &str = "newer";

/// The companions of a database file.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// A store that was damaged, and what was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When it was found.
    pub at: Timestamp,
    /// What was found, in words.
    pub found: String,
    /// It is no damage: a later version has written it.
    pub is_newer: bool,
    /// Where the damaged file lies now; none where there was no file, or where it is still in use.
    pub aside: Option<PathBuf>,
    /// What the store goes on from.
    pub from: Source,
    /// Newer backups that were no good either.
    pub backups_skipped: usize,
    /// The mails that were still waiting.
    pub waiting: Waiting,
    /// What the store knew when it was replaced while in use; nothing where it was replaced at its opening.
    pub remembered: Remembered,
}

/// What a store goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file itself: it is whole, only the last that was committed may be missing.
    Itself,
    /// A backup, made at this moment.
    Backup(Timestamp),
    /// Nothing: there was no backup that could be read.
    Nothing,
}

/// What became of the mails that were waiting in a damaged store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// So many were taken over.
    pub taken_over: usize,
    /// Whether every one could be read.
    pub is_complete: bool,
}

/// Does what a finding asks for; none where nothing is wrong. Leaves a store at `path` that can be opened.
///
/// # Errors
/// When the file cannot be set aside, or nothing be put in its place.
pub(super) fn act_on(finding: Finding, path: &Path, at: Timestamp) -> Result<Option<Restored>, StoreError> {
    match finding {
        Finding::Sound => Ok(None),
        Finding::Missing if backup::all_in(&backup::directory_beside(path)).is_empty() => Ok(None),
        Finding::Missing => restore(path, "the file is missing".to_owned(), DAMAGED, at).map(Some),
        Finding::Damaged(what) => restore(path, what, DAMAGED, at).map(Some),
        Finding::Newer(layout) => {
            let what =
                format!("a later version wrote it (layout {layout}; this one knows {})", schema::known());
            restore(path, what, NEWER, at).map(Some)
        }
        Finding::Shortened(what) if has_seen_all_backups(path) => Ok(Some(Restored {
            at,
            found: what,
            is_newer: false,
            aside: None,
            from: Source::Itself,
            backups_skipped: 0,
            waiting: Waiting { taken_over: 0, is_complete: true },
            remembered: Remembered::default(),
        })),
        Finding::Shortened(what) => restore(path, what, DAMAGED, at).map(Some),
    }
}

/// Whether the newest backup knows nothing that the store does not.
fn has_seen_all_backups(path: &Path) -> bool {
    let backups = backup::all_in(&backup::directory_beside(path));
    let Some(newest) = backups.iter().find(|found| examination::check_copy(&found.path).is_ok()) else {
        return true;
    };
    let older = examination::open(path).and_then(|store| backup::is_older_than(&newest.path, &store));
    older.unwrap_or(false)
}

/// Sets the store aside and puts the newest good backup in its place.
pub(super) fn restore(path: &Path, found: String, word: &str, at: Timestamp) -> Result<Restored, StoreError> {
    let fail = |source| StoreError::Open { path: path.to_owned(), source };
    let aside = set_aside(path, word, at).map_err(fail)?;
    let (mut from, mut backups_skipped) = (Source::Nothing, 0);
    for backup in backup::all_in(&backup::directory_beside(path)) {
        match put_in_place(&backup.path, path) {
            Ok(()) => {
                from = Source::Backup(backup.at);
                break;
            }
            // A disk without room says nothing of the backup.
            Err(
                error @ (StoreError::Full { .. } | StoreError::Open { .. } | StoreError::ReadOnly { .. }),
            ) => {
                return Err(error);
            }
            Err(_) => backups_skipped += 1,
        }
    }
    if from == Source::Nothing {
        super::make_private(path)?;
        let made = examination::open(path).map_err(|error| explain("make a new store", path, error));
        schema::migrate(&mut made?, path)?;
    }
    let waiting = match &aside {
        Some(aside) => take_over(aside, path),
        None => Waiting { taken_over: 0, is_complete: false },
    };
    forget_old(path).map_err(fail)?;
    let is_newer = word == NEWER;
    let remembered = Remembered::default();
    Ok(Restored { at, found, is_newer, aside, from, backups_skipped, waiting, remembered })
}

/// Gives the file and its companions another name; gives that of the file, none where there is no file.
fn set_aside(path: &Path, word: &str, at: Timestamp) -> io::Result<Option<PathBuf>> {
    let stamp = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut name = beside(path, &format!(".{word}-{stamp}"));
    let is_taken = |name: &Path| COMPANIONS.iter().any(|end| beside(name, end).exists());
    for number in 2.. {
        if !is_taken(&name) {
            break;
        }
        name = beside(path, &format!(".{word}-{stamp}-{number}"));
    }
    // The journal first: a file that is left behind without it would look whole.
    for end in COMPANIONS.iter().rev() {
        match fs::rename(beside(path, end), beside(&name, end)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved?,
        }
    }
    sync_directory(path)?;
    Ok(name.exists().then_some(name))
}

/// Puts a backup in the place of the store, if it proves good by all that a store is examined by.
fn put_in_place(backup: &Path, path: &Path) -> Result<(), StoreError> {
    let fail = |source| StoreError::Open { path: path.to_owned(), source };
    let copy = beside(path, ".restoring");
    for end in COMPANIONS {
        backup::remove_if_there(&beside(&copy, end)).map_err(fail)?;
    }
    super::make_private(&copy)?;
    fs::copy(backup, &copy).map_err(fail)?;
    if let Some(what) = examination::check_copy(&copy).err() {
        return Err(StoreError::Damaged { doing: "restore", path: backup.to_owned(), what });
    }
    let sql = |error| explain("restore", backup, error);
    let mut connection = examination::open(&copy).map_err(sql)?;
    backup::forget_note(&connection).map_err(sql)?;
    schema::migrate(&mut connection, &copy)?;
    connection.close().map_err(|(_, error)| sql(error))?;
    match examination::examine(&copy, false)? {
        Finding::Sound => {}
        finding => {
            let what = format!("{finding:?}");
            return Err(StoreError::Damaged { doing: "restore", path: backup.to_owned(), what });
        }
    }
    fs::File::open(&copy).and_then(|file| file.sync_all()).map_err(fail)?;
    fs::rename(&copy, path).and_then(|()| sync_directory(path)).map_err(fail)
}

/// Takes over the mails that were waiting in a damaged file, as far as they can be read.
fn take_over(damaged: &Path, path: &Path) -> Waiting {
    let nothing = Waiting { taken_over: 0, is_complete: false };
    let (Ok(damaged), Ok(mut store)) = (examination::open(damaged), examination::open(path)) else {
        return nothing;
    };
    let Ok(ids) = ids_waiting(&damaged) else { return nothing };
    if seals::keep(&mut store).is_err() {
        return nothing;
    }
    let Ok(transaction) = store.transaction() else { return nothing };
    let mut waiting = Waiting { taken_over: 0, is_complete: true };
    for id in ids {
        // One that cannot be read takes none of the others along.
        match outbox::read_one(&damaged, id) {
            Ok(notification) => match outbox::enqueue(&transaction, &notification) {
                Ok(added) => waiting.taken_over += added,
                Err(_) => waiting.is_complete = false,
            },
            Err(_) => waiting.is_complete = false,
        }
    }
    if transaction.commit().is_ok() { waiting } else { nothing }
}

fn ids_waiting(damaged: &Connection) -> rusqlite::Result<Vec<i64>> {
    damaged
        .prepare("SELECT id FROM outbox NOT INDEXED WHERE status = 'pending' ORDER BY id")?
        .query_map(params![], |row| row.get(0))?
        .collect()
}

/// Lets the oldest of the files go that were set aside.
fn forget_old(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (directory_of(path), path.file_name().and_then(|name| name.to_str()))
    else {
        return Ok(());
    };
    let mut stamps = Vec::new();
    for entry in fs::read_dir(directory)? {
        let file = entry?.file_name();
        let Some(rest) = file.to_str().and_then(|file| file.strip_prefix(name)) else { continue };
        let stamp = [".damaged-", ".newer-"].iter().find_map(|word| rest.strip_prefix(word));
        if let Some(stamp) = stamp.filter(|stamp| !stamp.ends_with("-wal") && !stamp.ends_with("-shm")) {
            stamps.push((stamp.to_owned(), beside(path, rest)));
        }
    }
    stamps.sort();
    for (_, old) in stamps.iter().rev().skip(ASIDE_KEPT) {
        for end in COMPANIONS {
            backup::remove_if_there(&beside(old, end))?;
        }
    }
    Ok(())
}

fn directory_of(path: &Path) -> Option<&Path> {
    path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

fn sync_directory(path: &Path) -> io::Result<()> {
    directory_of(path).map_or(Ok(()), |directory| fs::File::open(directory)?.sync_all())
}
