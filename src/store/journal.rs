//! Looks at SQLite's journal (`-wal`) before SQLite does. SQLite reads it up to the first frame that is not whole, and
//! takes everything behind for the remains of an older journal: what had been committed there would be gone without a
//! word.

use std::{fs, io, path::Path};

/// Bytes of the journal's header, and of each frame's.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The first four bytes, for checksums over little-endian words; one more for big-endian ones.
const MAGIC: u32 = 0x377f_0682;

/// What a journal looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Journal {
    /// There is none.
    Absent,
    /// Every frame of it can be read, or it is empty.
    Whole,
    /// It breaks off in its last transaction. So does one that a machine without power leaves behind, and then nothing
    /// that was promised is missing.
    BrokenOff,
    /// Something that was committed cannot be read any more.
    Damaged,
}

/// Looks at the journal at `path`.
pub(super) fn look_at(path: &Path) -> io::Result<Journal> {
    match fs::read(path) {
        Ok(bytes) => Ok(judge(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Journal::Absent),
        Err(error) => Err(error),
    }
}

fn judge(bytes: &[u8]) -> Journal {
    if bytes.is_empty() {
        return Journal::Whole;
    }
    let Some(order) = Order::of(bytes) else { return Journal::Damaged };
    let page = match word(bytes, 8) {
        1 => 65_536,
        size => size as usize,
    };
    let mut sum = order.add((0, 0), &bytes[..24]);
    if sum != (word(bytes, 24), word(bytes, 28)) || !page.is_power_of_two() || page < 512 {
        return Journal::Damaged;
    }
    let salts = &bytes[16..24];
    let mut frames = bytes[HEADER..].chunks(FRAME_HEADER + page);
    let is_current = |frame: &[u8]| frame.get(8..16) == Some(salts);
    let broken = frames.find(|frame| {
        if !is_current(frame) || frame.len() < FRAME_HEADER + page {
            return true;
        }
        sum = order.add(order.add(sum, &frame[..8]), &frame[FRAME_HEADER..]);
        sum != (word(frame, 16), word(frame, 20))
    });
    let Some(broken) = broken else { return Journal::Whole };
    // Behind it: the rest of a transaction that was never whole, or commits that once were.
    let behind: Vec<&[u8]> = frames.filter(|frame| is_current(frame)).collect();
    let commits = |frame: &&[u8]| frame.len() >= 8 && word(frame, 4) != 0;
    let last_commit = behind.iter().rposition(commits);
    match last_commit {
        // A commit was on the disk before anything of the next one was written.
        Some(place) if place + 1 < behind.len() || behind[..place].iter().any(commits) => Journal::Damaged,
        _ if is_current(broken) && commits(&broken) && !behind.is_empty() => Journal::Damaged,
        // What a killed process or a rollback leaves behind was never committed.
        _ if is_current(broken) && (commits(&broken) || broken.len() < FRAME_HEADER + page) => {
            Journal::BrokenOff
        }
        Some(_) => Journal::BrokenOff,
        None => Journal::Whole,
    }
}

/// In which order the bytes of a word are summed up.
#[derive(Clone, Copy, Debug)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEADER {
            return None;
        }
        match word(bytes, 0) {
            MAGIC => Some(Self::Little),
            magic if magic == MAGIC + 1 => Some(Self::Big),
            _ => None,
        }
    }

    fn add(self, (mut first, mut second): (u32, u32), bytes: &[u8]) -> (u32, u32) {
        let read = |at: &[u8]| {
            let bytes = at.try_into().expect("it is four bytes of eight");
            match self {
                Self::Little => u32::from_le_bytes(bytes),
                Self::Big => u32::from_be_bytes(bytes),
            }
        };
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(read(&pair[..4])).wrapping_add(second);
            second = second.wrapping_add(read(&pair[4..])).wrapping_add(first);
        }
        (first, second)
    }
}

/// The big-endian word at a place; 0 where there is none.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// A journal of three commits, as SQLite writes it.
    fn journal() -> Vec<u8> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE a (b);").unwrap();
        connection.execute_batch("INSERT INTO a VALUES (1)").unwrap();
        connection.execute_batch("INSERT INTO a VALUES (2)").unwrap();
        fs::read(directory.path().join("a.db-wal")).unwrap()
    }

    #[test]
    fn what_sqlite_writes_is_whole() {
        assert_eq!(judge(&journal()), Journal::Whole);
        assert_eq!(judge(&[]), Journal::Whole);
        assert_eq!(look_at(Path::new("/nowhere/at/all")).unwrap(), Journal::Absent);
    }

    #[test]
    fn no_flipped_bit_of_what_was_committed_goes_unseen() {
        let whole = journal();
        let last = whole.len() - (FRAME_HEADER + 4_096);
        for at in (0..whole.len()).filter(|at| at % 7 == 0 || *at < 2 * HEADER) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            let found = judge(&bytes);
            let expected: &[Journal] = match at {
                // In the last transaction it looks as if the machine had lost its power.
                at if at >= last + 8 && at < last + 16 => &[Journal::Whole],
                at if at >= last => &[Journal::BrokenOff],
                _ => &[Journal::Damaged, Journal::BrokenOff],
            };
            assert!(expected.contains(&found), "byte {at}: {found:?}");
        }
    }

    #[test]
    fn one_that_is_cut_off_within_a_frame_is_broken_off() {
        let whole = journal();
        assert_eq!(judge(&whole[..whole.len() - 100]), Journal::BrokenOff);
        assert_eq!(judge(&whole[..HEADER - 2]), Journal::Damaged);
        assert_eq!(judge(&whole[..HEADER]), Journal::Whole);
    }
}
