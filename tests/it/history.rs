//! The history by the hour and the account of availability, in a store on a real disk.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use lamplighter::{
    domain::{
        channel::{ChannelId, ProbeKey, ProbeName},
        contact::Contact,
        hourly::{HOUR, Tally},
        ledger::{Condition, Spans, Timeline, Turn, Watch},
        outcome::{Detail, Failure, Outcome, Reason, Stage, Verdict},
    },
    store::{Store, explain::Archive, hours::RolledUp},
};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::samples::start;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lamplighter.db");
    (directory, path)
}

fn key(channel: &str, probe: &str) -> Arc<ProbeKey> {
    Arc::new(ProbeKey { channel: ChannelId::new(channel), probe: ProbeName::new(probe) })
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

/// The run number `number` of a probe that runs every 30 s, some of them late, lost or over a budget.
fn run(probe: &Arc<ProbeKey>, number: u64) -> Outcome {
    let failure = |reason| Failure {
        stage: Stage::Wait,
        step: None,
        reason,
        cause: None,
        detail: Detail::new("it was not as it should be"),
    };
    let verdict = match number % 50 {
        7 => Verdict::Failed(failure(Reason::FirstByteTimeout)),
        19 => Verdict::Failed(failure(Reason::Status)),
        31 => Verdict::Degraded(failure(Reason::TooSlow)),
        _ => Verdict::Ok,
    };
    let talks = number.is_multiple_of(10);
    Outcome {
        probe: Arc::clone(probe),
        started_at: start() + SignedDuration::from_secs(i64::try_from(number * 30).unwrap()),
        duration: Duration::from_millis(100 + (number * 7919) % 1000),
        verdict,
        phases: Vec::new(),
        certificate_expires_at: None,
        contact: talks.then(|| {
            Box::new(Contact {
                person: Some(Duration::from_secs(60 + number % 100)),
                steps: Some(2),
                person_asked: true,
                ..Contact::default()
            })
        }),
        met: Vec::new(),
    }
}

/// Everything that a channel's hours add up to.
fn sum(archive: &Archive, channel: &str) -> Tally {
    let channel = ChannelId::new(channel);
    let hours = archive.hours().unwrap();
    let found = hours.of(&channel, Timestamp::UNIX_EPOCH, start() + SignedDuration::from_hours(9_999));
    let mut sum = Tally::default();
    found.unwrap().iter().for_each(|hour| sum.add(&hour.tally));
    sum
}

#[tokio::test]
async fn every_run_is_counted_once_in_its_hour_whenever_the_hours_are_put_together() {
    let (_directory, path) = place();
    let (chat, hotline) = (key("web-chat", "launcher"), key("hotline", "answers"));
    let store = Store::open(&path).unwrap();
    let mut written = 0;
    for portion in [0..100, 100..101, 101..700, 700..1000_u64] {
        let outcomes: Vec<_> =
            portion.clone().flat_map(|number| [run(&chat, number), run(&hotline, number)]).collect();
        store.append(outcomes.into()).await.unwrap();
        written = portion.end;
        let archive = Archive::open(&path).unwrap();
        let before = sum(&archive, "web-chat");
        // The last portion stays as it is: it is read from the outcomes.
        if portion.end < 1000 {
            assert_eq!(
                store.roll_up().await.unwrap(),
                RolledUp::default(),
                "a small portion is done at once"
            );
            assert_eq!(sum(&archive, "web-chat"), before, "putting together changes nothing that is read");
        }
    }
    let archive = Archive::open(&path).unwrap();
    let tally = sum(&archive, "web-chat");
    assert_eq!(tally, sum(&archive, "hotline"));
    assert_eq!((tally.ok, tally.degraded, tally.failed), (written - 60, 20, 40));
    assert_eq!((tally.timeouts, tally.latency.len()), (40, written - 20));
    assert_eq!((tally.person.as_ref().unwrap().len(), tally.steps), (100, Some(2)));

    let channel = ChannelId::new("web-chat");
    let hours = archive.hours().unwrap();
    let all = hours.of(&channel, start() - minutes(60), start() + minutes(600)).unwrap();
    assert!(all.windows(2).all(|pair| pair[0].at < pair[1].at), "each hour stands once, in order");
    assert!(all.iter().all(|hour| hour.at.as_second() % HOUR == 0));
    assert_eq!(all[1].tally.conclusive(), 120, "a whole hour of a probe that runs every 30 s");
    let some = hours.of(&channel, all[2].at, all[4].at).unwrap();
    assert_eq!(some, all[2..4], "an hour belongs to the window in which it begins");
}

#[tokio::test]
async fn hours_outlive_the_runs_and_leave_after_two_years() {
    let (_directory, path) = place();
    let chat = key("web-chat", "launcher");
    let store = Store::open(&path).unwrap();
    store.append((0..240).map(|number| run(&chat, number)).collect()).await.unwrap();
    store.roll_up().await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute("DELETE FROM outcome WHERE id < 240", []).unwrap();
    let archive = Archive::open(&path).unwrap();
    let whole = sum(&archive, "web-chat").conclusive();
    assert_eq!(whole, 240);

    store.clear_hours(start() + SignedDuration::from_hours(700 * 24), 0).await.unwrap();
    assert_eq!(sum(&archive, "web-chat").conclusive(), whole);
    store.clear_hours(start() + SignedDuration::from_hours(740 * 24), 0).await.unwrap();
    assert_eq!(sum(&archive, "web-chat").conclusive(), 0);
}

#[tokio::test]
async fn a_store_that_lost_its_runs_counts_those_to_come() {
    let (_directory, path) = place();
    let chat = key("web-chat", "launcher");
    let store = Store::open(&path).unwrap();
    store.append((0..100).map(|number| run(&chat, number)).collect()).await.unwrap();
    store.roll_up().await.unwrap();
    drop(store);
    Connection::open(&path).unwrap().execute("DELETE FROM outcome", []).unwrap();

    let store = Store::open(&path).unwrap();
    store.append((100..130).map(|number| run(&chat, number)).collect()).await.unwrap();
    let archive = Archive::open(&path).unwrap();
    assert_eq!(sum(&archive, "web-chat").conclusive(), 130);
    store.roll_up().await.unwrap();
    assert_eq!(sum(&archive, "web-chat").conclusive(), 130);
}

#[tokio::test]
async fn a_damaged_hour_or_run_is_lost_alone_and_counted() {
    let (_directory, path) = place();
    let (chat, hotline) = (key("web-chat", "launcher"), key("hotline", "callback"));
    let store = Store::open(&path).unwrap();
    for probe in [&chat, &hotline] {
        store.append((0..360).map(|number| run(probe, number)).collect()).await.unwrap();
    }
    store.roll_up().await.unwrap();
    let archive = Archive::open(&path).unwrap();
    let hours = |archive: &Archive, channel: &str| {
        let (hours, channel) = (archive.hours().unwrap(), ChannelId::new(channel));
        let found = hours.of(&channel, start() - minutes(60), start() + minutes(600)).unwrap();
        (found.iter().map(|hour| hour.tally.conclusive()).collect::<Vec<_>>(), hours.unreadable())
    };
    let (whole, _) = hours(&archive, "web-chat");
    assert!(whole.len() >= 3, "{whole:?}");

    let other = Connection::open(&path).unwrap();
    let second = "SELECT hour FROM hour WHERE probe = 1 ORDER BY hour LIMIT 1 OFFSET 1";
    let second: i64 = other.query_row(second, [], |row| row.get(0)).unwrap();
    // Cut off, of another format, and one that announces four gigabytes.
    for bytes in [
        "x'00ff'",
        "x'1c849314' || substr(latency, 5)",
        "substr(latency, 1, 4) || x'ffffffff' || substr(latency, 9)",
    ] {
        other
            .execute(
                &format!("UPDATE hour SET latency = CAST({bytes} AS BLOB) WHERE probe = 1 AND hour = ?"),
                [second],
            )
            .unwrap();
        let (left, unreadable) = hours(&archive, "web-chat");
        assert_eq!((left.len(), unreadable), (whole.len() - 1, 1), "{bytes}");
        assert_eq!(hours(&archive, "hotline"), (whole.clone(), 0));
    }
    store.append((360..400).map(|number| run(&hotline, number)).collect()).await.unwrap();
    other.execute("UPDATE outcome SET outcome = 'oq' WHERE id = (SELECT max(id) FROM outcome)", []).unwrap();
    assert_eq!(hours(&archive, "hotline").1, 1, "while it is not in its hour yet");
    assert_eq!(store.roll_up().await.unwrap(), RolledUp { has_more: false, unreadable: 1 });
    assert_eq!(hours(&archive, "hotline").0.iter().sum::<u64>(), whole.iter().sum::<u64>() + 39);
}

#[tokio::test]
async fn an_hour_that_is_written_anew_while_it_is_damaged_holds_what_comes() {
    let (_directory, path) = place();
    let chat = key("web-chat", "launcher");
    let store = Store::open(&path).unwrap();
    store.append((0..10).map(|number| run(&chat, number)).collect()).await.unwrap();
    store.roll_up().await.unwrap();
    Connection::open(&path).unwrap().execute("UPDATE hour SET latency = x'00ff'", []).unwrap();
    store.append((10..40).map(|number| run(&chat, number)).collect()).await.unwrap();
    store.roll_up().await.unwrap();
    assert_eq!(sum(&Archive::open(&path).unwrap(), "web-chat").conclusive(), 30);
}

#[tokio::test]
async fn whoever_reads_while_runs_are_put_together_counts_each_once() {
    let (_directory, path) = place();
    let chat = key("web-chat", "launcher");
    let store = Store::open(&path).unwrap();
    store.append((0..100).map(|number| run(&chat, number)).collect()).await.unwrap();
    let archive = Archive::open(&path).unwrap();
    let hours = archive.hours().unwrap();
    store.roll_up().await.unwrap();
    let found = hours.of(&ChannelId::new("web-chat"), start() - minutes(60), start() + minutes(600)).unwrap();
    assert_eq!(found.iter().map(|hour| hour.tally.conclusive()).sum::<u64>(), 100);
}

#[tokio::test]
async fn of_a_clock_that_is_years_ahead_little_is_believed_at_once() {
    let (_directory, path) = place();
    let chat = key("web-chat", "launcher");
    let store = Store::open(&path).unwrap();
    let runs = (0..48)
        .map(|hour| Outcome { started_at: start() + SignedDuration::from_hours(hour), ..run(&chat, 0) });
    store.append(runs.collect()).await.unwrap();
    store.roll_up().await.unwrap();
    let ahead = start() + SignedDuration::from_hours(3_000 * 24);
    let archive = Archive::open(&path).unwrap();
    for left in [23, 0] {
        let last = store.clear_hours(ahead, 0).await.unwrap();
        assert_eq!(store.clear_hours(ahead, last.unwrap()).await.unwrap(), None);
        let all = (start() - minutes(60), start() + SignedDuration::from_hours(100));
        let hours = archive.hours().unwrap().of(&ChannelId::new("web-chat"), all.0, all.1).unwrap();
        assert_eq!(hours.len(), left);
    }
}

fn turn(channel: &str, minute: i64, to: Condition) -> Turn {
    Turn { channel: ChannelId::new(channel), at: start() + minutes(minute), to }
}

async fn note(store: &Store, turns: &[Turn], until: i64) {
    let watch = Watch { from: start(), until: start() + minutes(until) };
    store.note(turns.into(), watch).await.unwrap();
}

fn account(archive: &Archive, channel: &str, from: i64, until: i64) -> Spans {
    let (from, until) = (start() + minutes(from), start() + minutes(until));
    let turns = archive.turns(&ChannelId::new(channel), from, until).unwrap();
    Timeline::new(&turns, &archive.watches(from).unwrap(), until).within(from, until)
}

#[tokio::test]
async fn how_long_a_channel_was_dark_is_known_for_any_window() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    note(&store, &[turn("web-chat", 0, Condition::Up), turn("hotline", 0, Condition::Closed)], 1).await;
    note(&store, &[turn("web-chat", 50, Condition::Degraded)], 51).await;
    // Confirmed at minute 52, and bad since minute 48.
    note(&store, &[turn("web-chat", 48, Condition::Dark)], 52).await;
    note(&store, &[turn("web-chat", 70, Condition::Up)], 100).await;
    let archive = Archive::open(&path).unwrap();
    for (from, until, up, dark) in
        [(0, 100, 78, 22), (49, 51, 0, 2), (60, 80, 10, 10), (80, 90, 10, 0), (-30, 10, 10, 0)]
    {
        let spans = account(&archive, "web-chat", from, until);
        assert_eq!(
            (spans.up.as_secs() / 60, spans.dark.as_secs() / 60),
            (up, dark),
            "from {from} until {until}: {spans:?}"
        );
    }
    let hotline = account(&archive, "hotline", 0, 100);
    assert_eq!((hotline.closed.as_secs() / 60, hotline.availability()), (100, None));

    let remembered = store.load().await.unwrap();
    assert_eq!(remembered.conditions[&ChannelId::new("web-chat")], Condition::Up);
    note(&store, &[turn("hotline", 100, Condition::Gone)], 100).await;
    assert!(!store.load().await.unwrap().conditions.contains_key(&ChannelId::new("hotline")));
}

#[tokio::test]
async fn old_turns_leave_but_what_a_channel_was_like_stays_known() {
    let (_directory, path) = place();
    let store = Store::open(&path).unwrap();
    let turns = [
        turn("web-chat", 0, Condition::Up),
        turn("web-chat", 10, Condition::Dark),
        turn("web-chat", 20, Condition::Up),
        turn("hotline", 5, Condition::Up),
    ];
    note(&store, &turns, 30).await;
    let later = SignedDuration::from_hours(800 * 24);
    let last = store.clear_turns(start() + later, 0).await.unwrap();
    assert_eq!(store.clear_turns(start() + later, last.unwrap()).await.unwrap(), None);
    let archive = Archive::open(&path).unwrap();
    let left = |channel: &str| {
        let turns = archive.turns(&ChannelId::new(channel), start() + later, start() + later + later);
        turns.unwrap().iter().map(|turn| turn.to).collect::<Vec<_>>()
    };
    assert_eq!(left("web-chat"), [Condition::Up]);
    assert_eq!(left("hotline"), [Condition::Up]);
    let count = |table: &str| {
        let query = format!("SELECT count(*) FROM {table}");
        Connection::open(&path).unwrap().query_row(&query, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((count("turn"), count("watch")), (2, 0));
}
