//! A store that is damaged, in every way that a seeded hand finds: it opens, says so, and has what the newest good
//! backup had. `LAMPLIGHTER_ROUNDS` makes more rounds; one round is a run of each kind, after an end in order and after
//! a kill:
//!
//!     LAMPLIGHTER_ROUNDS=20 cargo nextest run --release --no-capture -E 'test(damage::)'

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use lamplighter::{
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        evaluation::State,
        incident::IncidentEvent,
        outcome::{Outcome, Verdict},
    },
    store::{Restored, Source, Standing, Store, backup},
};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::samples::{announcement, commit, decision, notification, start};

const ANNA: &str = "anna@example.com";
const BERT: &str = "bert@example.com";

/// What is done to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    FlippedInFile,
    FlippedInJournal,
    Truncated,
    Emptied,
    JournalDeleted,
    JournalTruncated,
    Garbage,
    NewerLayout,
    Deleted,
    FlippedAndNewestBackupBroken,
}

const HARMS: [Harm; 10] = [
    Harm::FlippedInFile,
    Harm::FlippedInJournal,
    Harm::Truncated,
    Harm::Emptied,
    Harm::JournalDeleted,
    Harm::JournalTruncated,
    Harm::Garbage,
    Harm::NewerLayout,
    Harm::Deleted,
    Harm::FlippedAndNewestBackupBroken,
];

/// How the last daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    InOrder,
    Killed,
}

#[expect(clippy::disallowed_methods, reason = "neither a secret nor a setting of the program")]
fn rounds(otherwise: u32) -> u32 {
    std::env::var("LAMPLIGHTER_ROUNDS").ok().map_or(otherwise, |rounds| rounds.parse().unwrap())
}

/// A moment so many minutes after the start.
fn minute(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

fn outcomes(count: usize, at: Timestamp) -> std::sync::Arc<[Outcome]> {
    let probe = ProbeKey { channel: ChannelId::new("web-chat"), probe: ProbeName::new("launcher") };
    let probe = std::sync::Arc::new(probe);
    let one = |_| Outcome {
        probe: std::sync::Arc::clone(&probe),
        started_at: at,
        duration: Duration::from_micros(1_500),
        verdict: Verdict::Ok,
        phases: Vec::new(),
        certificate_expires_at: None,
        contact: None,
        met: Vec::new(),
    };
    (0..count).map(one).collect()
}

/// Every row of what matters, by its key.
type Content = BTreeMap<String, String>;

fn content(path: &Path) -> Content {
    let connection = Connection::open(path).unwrap();
    let mut content = Content::new();
    let tables = [
        ("channel", "channel"),
        ("incident", "incident"),
        ("happening", "incident || event"),
        ("alert_case", "id"),
        ("outbox", "message_id"),
    ];
    for (table, key) in tables {
        let columns: Vec<String> = connection
            .prepare("SELECT name FROM pragma_table_info(?) WHERE name != 'id'")
            .unwrap()
            .query_map([table], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let row = columns.iter().map(|name| format!("quote({name})")).collect::<Vec<_>>().join(" || '|' || ");
        let query = format!("SELECT '{table} ' || {key}, {row} FROM {table}");
        let mut query = connection.prepare(&query).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        content.extend(rows.map(Result::unwrap));
    }
    content
}

/// A store with a past, as it lay on the disk when its daemon ended.
struct Past {
    _directory: TempDir,
    path: PathBuf,
    whole: Content,
    /// What each backup holds, the newest first.
    backups: Vec<Content>,
}

impl Past {
    /// The same past in a directory of its own.
    fn again(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        copy_all(self.path.parent().unwrap(), directory.path());
        let path = directory.path().join("lamplighter.db");
        Self { _directory: directory, path, whole: self.whole.clone(), backups: self.backups.clone() }
    }
}

async fn past(end: End) -> Past {
    let living = tempfile::tempdir().unwrap();
    let path = living.path().join("lamplighter.db");
    let store = Store::open_or_restore(&path, start()).unwrap();
    for hour in 0..3 {
        for number in 0..12 {
            let at = minute(hour * 60 + number);
            let incident = format!("h{hour}-{number:02}");
            let channel = format!("channel-{number}");
            let event = if hour == 1 { IncidentEvent::Resolved } else { IncidentEvent::Opened };
            let decided = decision(&channel, &incident, event, at);
            commit(&store, decided, &[ANNA, BERT]).await.unwrap();
            store.append(outcomes(40, at)).await.unwrap();
        }
        for due in store
            .due(lamplighter::domain::notification::Route::Mail, minute(hour * 60 + 30), 9)
            .await
            .unwrap()
        {
            store.delivered(due.id, minute(hour * 60 + 30), "250 ok".to_owned()).await.unwrap();
        }
        if hour < 2 {
            store.back_up(minute(hour * 60 + 50)).await.unwrap();
            // What is older than this is in the file, what is younger in its journal.
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            Connection::open(&path).unwrap().query_row(checkpoint, [], |_| Ok(())).unwrap();
        }
    }
    store.append(outcomes(10, minute(200))).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    if end == End::InOrder {
        drop(store);
    }
    copy_all(living.path(), directory.path());
    let path = directory.path().join("lamplighter.db");
    let whole = content(&living.path().join("lamplighter.db"));
    let mut backups: Vec<PathBuf> =
        fs::read_dir(backup::directory_beside(&path)).unwrap().map(|entry| entry.unwrap().path()).collect();
    backups.sort();
    let backups = backups.iter().rev().map(|path| content(path)).collect();
    Past { _directory: directory, path, whole, backups }
}

fn copy_all(from: &Path, into: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = into.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&there).unwrap();
            copy_all(&entry.path(), &there);
        } else if !entry.file_name().to_str().unwrap().ends_with("-shm") {
            fs::copy(entry.path(), there).unwrap();
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Flips one to eight bits near one place.
fn flip(path: &Path, random: &mut StdRng) {
    let mut bytes = fs::read(path).unwrap();
    if bytes.is_empty() {
        return;
    }
    let at = random.random_range(0..bytes.len());
    for place in (at..bytes.len()).take(random.random_range(1..=8)) {
        bytes[place] ^= 1 << random.random_range(0..8);
    }
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, random: &mut StdRng) {
    let length = fs::metadata(path).unwrap().len();
    if length > 0 {
        fs::OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(random.random_range(0..length))
            .unwrap();
    }
}

fn do_harm(harm: Harm, path: &Path, random: &mut StdRng) {
    let journal = beside(path, "-wal");
    match harm {
        Harm::FlippedInFile => flip(path, random),
        Harm::FlippedInJournal if journal.exists() => flip(&journal, random),
        Harm::Truncated => cut(path, random),
        Harm::Emptied => {
            fs::write(path, "").unwrap();
            fs::remove_file(journal).ok();
        }
        Harm::JournalDeleted if journal.exists() => fs::remove_file(journal).unwrap(),
        Harm::JournalTruncated if journal.exists() => cut(&journal, random),
        Harm::Garbage => {
            let mut bytes = vec![0; random.random_range(1..100_000)];
            random.fill_bytes(&mut bytes);
            fs::write(path, bytes).unwrap();
        }
        Harm::NewerLayout => {
            let connection = Connection::open(path).unwrap();
            connection.pragma_update(None, "user_version", 99).unwrap();
        }
        Harm::Deleted => {
            fs::remove_file(path).unwrap();
            fs::remove_file(journal).ok();
        }
        Harm::FlippedAndNewestBackupBroken => {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            let mut backups: Vec<_> = fs::read_dir(backup::directory_beside(path)).unwrap().collect();
            backups.sort_by_key(|entry| entry.as_ref().unwrap().path());
            cut(&backups.pop().unwrap().unwrap().path(), random);
        }
        // After an end in order there is no journal.
        Harm::FlippedInJournal | Harm::JournalDeleted | Harm::JournalTruncated => {}
    }
}

/// What came of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcomes {
    /// It was set aside and restored, and said so.
    Restored,
    /// It was kept, and said what may be missing.
    Kept,
    /// Nothing was wrong with any row of it.
    Unharmed,
    /// Something is not as it was, and nobody was told.
    Silent,
}

fn judge(past: &Past, harm: Harm, restored: Option<&Restored>) -> Outcomes {
    let now = content(&past.path);
    let goods =
        if harm == Harm::FlippedAndNewestBackupBroken { &past.backups[1..] } else { &past.backups[..] };
    match restored {
        Some(restored) => {
            let keys: BTreeSet<_> = now.keys().collect();
            // What a mail of a backup has become since, delivered or not, is no loss.
            let lost: Vec<_> = goods[0].keys().filter(|key| !keys.contains(key)).collect();
            assert_eq!(lost, Vec::<&String>::new(), "{harm:?}: {restored:?}");
            if restored.from == Source::Itself { Outcomes::Kept } else { Outcomes::Restored }
        }
        None if now == past.whole => Outcomes::Unharmed,
        None => Outcomes::Silent,
    }
}

#[tokio::test]
async fn a_store_that_was_restored_is_whole_at_every_start_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lamplighter.db");
    let store = Store::open_or_restore(&path, start()).unwrap();
    store.append(outcomes(40, minute(1))).await.unwrap();
    store.roll_up().await.unwrap();
    store.back_up(minute(2)).await.unwrap();
    drop(store);
    do_harm(Harm::Garbage, &path, &mut StdRng::seed_from_u64(4));
    for (opened, is_restored) in [(3, true), (4, false), (5, false)] {
        let store = Store::open_or_restore(&path, minute(opened)).unwrap();
        assert_eq!(store.restored().borrow().is_some(), is_restored, "{:?}", store.restored().borrow());
        store.append(outcomes(40, minute(opened))).await.unwrap();
        store.roll_up().await.unwrap();
    }
}

#[tokio::test]
async fn a_damaged_store_is_set_aside_restored_from_a_backup_and_never_silent() {
    let mut random = StdRng::seed_from_u64(4);
    let mut counts: BTreeMap<(Harm, End), BTreeMap<Outcomes, u32>> = BTreeMap::new();
    let mut times = Vec::new();
    for end in [End::InOrder, End::Killed] {
        let untouched = past(end).await;
        for harm in HARMS {
            for _ in 0..rounds(2) {
                let past = untouched.again();
                do_harm(harm, &past.path, &mut random);
                let began = Instant::now();
                let store = Store::open_or_restore(&past.path, minute(300)).unwrap();
                let remembered = store.load().await.unwrap();
                times.push(began.elapsed());
                let restored = store.restored().borrow().clone();
                if restored.is_some() {
                    assert!(remembered.channels.len() >= 12, "{harm:?} {end:?}");
                    assert!(remembered.channels.values().all(|channel| channel.state <= State::Unknown));
                }
                drop(store);
                let came = judge(&past, harm, restored.as_deref());
                *counts.entry((harm, end)).or_default().entry(came).or_default() += 1;
                if let Some(aside) = restored.and_then(|restored| restored.aside.clone()) {
                    assert!(aside.exists(), "{}", aside.display());
                }
            }
        }
    }
    times.sort();
    for ((harm, end), outcomes) in &counts {
        println!("| {harm:?} | {end:?} | {outcomes:?} |");
    }
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{} runs, ready after {median:?} (median), {longest:?} (longest)", times.len());
    assert!(longest < Duration::from_secs(10));
    let silent: Vec<_> =
        counts.iter().filter(|(_, outcomes)| outcomes.contains_key(&Outcomes::Silent)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[tokio::test]
async fn mails_that_waited_in_a_damaged_store_are_taken_over() {
    let past = past(End::Killed).await;
    // The pages of the channels are gone, those of the mails are not.
    let connection = Connection::open(&past.path).unwrap();
    let page: u32 = connection
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = 'channel'", [], |row| row.get(0))
        .unwrap();
    drop(connection);
    let mut bytes = fs::read(&past.path).unwrap();
    let from = (page as usize - 1) * 4_096;
    bytes[from..from + 64].fill(0xff);
    fs::write(&past.path, bytes).unwrap();

    let store = Store::open_or_restore(&past.path, minute(300)).unwrap();
    let restored = store.restored().borrow().clone().unwrap();
    assert!(restored.waiting.is_complete, "{restored:?}");
    assert!(restored.waiting.taken_over > 0);
    assert_eq!(restored.from, Source::Backup(minute(110)));
    drop(store);
    let mails = |content: &Content| content.keys().filter(|key| key.starts_with("outbox")).count();
    assert_eq!(mails(&content(&past.path)), mails(&past.whole));
}

#[tokio::test]
async fn a_store_that_is_damaged_while_in_use_heals_and_is_written_down_again() {
    let past = past(End::InOrder).await;
    let store = Store::open_or_restore(&past.path, minute(300)).unwrap();
    assert_eq!(*store.restored().borrow(), None);
    let mut restored = store.restored();
    let length = fs::metadata(&past.path).unwrap().len();
    fs::write(&past.path, vec![0x5a; usize::try_from(length).unwrap()]).unwrap();
    let decided = || decision("channel-3", "new", IncidentEvent::Opened, minute(301));
    let refused = loop {
        // What SQLite still has in its memory it need not read.
        match store.commit(vec![decided()]).await {
            Ok(()) => drop(store.append(outcomes(400, minute(301))).await),
            Err(error) => break error,
        }
    };
    assert!(refused.to_string().contains("damaged"), "{refused}");
    let found = store.damaged().await;
    let healed = store.heal(found, minute(302)).await.unwrap();
    assert_eq!(healed.from, Source::Backup(minute(110)));
    restored.changed().await.unwrap();

    let owed = decision("channel-4", "later", IncidentEvent::Opened, minute(301)).happening.unwrap();
    let standing = Standing {
        channels: vec![decided()],
        cases: announcement(&decided(), &[ANNA]).cases,
        owed: vec![owed.clone()],
    };
    store.rewrite(standing.clone(), minute(303)).await.unwrap();
    let remembered = store.load().await.unwrap();
    assert_eq!(remembered.cases, standing.cases, "no other case is open any more");
    assert_eq!(remembered.owed, [owed], "nothing else is owed any more");
    let open: Vec<_> = remembered.channels.values().filter_map(|channel| channel.incident.as_ref()).collect();
    assert_eq!(open.len(), 1, "what is not known any more is over");
    assert_eq!(open[0].id.0, "new");
    store.enqueue(vec![notification("new", IncidentEvent::Opened, BERT, minute(303))]).await.unwrap();
}

#[tokio::test]
async fn a_backup_holds_everything_but_the_history_and_twenty_four_are_kept() {
    let past = past(End::InOrder).await;
    assert_eq!(past.backups.len(), 2);
    let store = Store::open_or_restore(&past.path, minute(300)).unwrap();
    assert_eq!(store.last_backup_at(), Some(minute(110)));
    for hour in 0..30 {
        store.back_up(minute(300 + hour * 60)).await.unwrap();
    }
    let mut all: Vec<_> = fs::read_dir(backup::directory_beside(&past.path))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    all.sort();
    assert_eq!(all.len(), backup::KEPT);
    let newest = all.last().unwrap();
    assert_eq!(content(newest), past.whole);
    let connection = Connection::open(newest).unwrap();
    let outcomes: i64 = connection.query_row("SELECT count(*) FROM outcome", [], |row| row.get(0)).unwrap();
    assert_eq!(outcomes, 0);
    let ours = |path: &Path| -> BTreeSet<String> {
        let connection = Connection::open(path).unwrap();
        let mut parts = connection.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
        parts.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert!(ours(newest).is_superset(&ours(&past.path)));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(newest).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_directory_of_backups_that_cannot_be_written_is_said() {
    let past = past(End::InOrder).await;
    let store = Store::open_or_restore(&past.path, minute(300)).unwrap();
    let directory = backup::directory_beside(&past.path);
    fs::remove_dir_all(&directory).unwrap();
    fs::write(&directory, "not a directory").unwrap();
    let error = store.back_up(minute(301)).await.unwrap_err();
    assert!(error.to_string().contains("lamplighter.backups"), "{error}");
    store
        .commit(vec![decision("chat", "i", IncidentEvent::Opened, minute(302))])
        .await
        .expect("a verdict does not wait for it");
}
